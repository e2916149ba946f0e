/* "X.znn.safetensors" of the Python package: a safetensors file in which floating-point tensors are replaced by U8
 * tensors that hold an old record each. It is restored to a safetensors file with the same tensors, in the order of
 * their bytes. The bytes show which tensors are records, so a file without the list in its metadata is restored as
 * well. */
#ifndef ZN_LEGACY_TENSOR_FILE_H
#define ZN_LEGACY_TENSOR_FILE_H

#include "base/mem.h"
#include "legacy/record.h"

struct zn_old_text {
    const char *at;
    size_t len;
};

struct zn_old_tensor {
    struct zn_old_text name, dtype, shape; /* as in the header, with quotes, brackets and escapes */
    uint64_t at, len;                      /* range in the source */
    uint64_t off, original;                /* range in the restored file */
    bool one_dim;
    bool coded; /* it is an old record */
};

struct zn_tensor_file {
    zipnn_allocator alloc;
    char *text; /* text of the header; all texts point into it */
    size_t text_len;
    struct zn_old_text *metadata; /* key, value, key, value, ... without the package's own key */
    size_t n_metadata, metadata_cap;
    struct zn_old_tensor *tensors; /* in the order of their bytes */
    size_t n_tensors, tensors_cap;
    bool listed;     /* the package's own key exists */
    size_t n_listed; /* number of tensors that it lists */
    uint8_t *head;   /* of the restored file: its length field and header */
    size_t head_len, head_cap;
    uint64_t original;
};

/* Reads the header and finds the records. *found is false, and nothing is owned, when the source is not such a file.
 * zn_tensor_file_free accepts a zeroed struct. */
zipnn_status zn_tensor_file_open(const zipnn_allocator *alloc, const zipnn_source *source, struct zn_tensor_file *f,
                                 bool *found, zipnn_error *err);
void zn_tensor_file_free(struct zn_tensor_file *f);

/* Reads the header of a safetensors file in f->text: the tensors (unsorted, `at` relative to the data) and the
 * metadata. Returns false when it breaks the specification, or when there is no memory, which *status says. */
bool zn_tensor_header_read(struct zn_tensor_file *f, zipnn_status *status, zipnn_error *err);

/* Reads the header of any safetensors file; zn_tensor_file_arrange sorts the tensors by place and refuses gaps. */
zipnn_status zn_tensor_file_parse(const zipnn_allocator *alloc, const zipnn_source *source, struct zn_tensor_file *f,
                                  bool *found, zipnn_error *err);
zipnn_status zn_tensor_file_arrange(const zipnn_source *source, struct zn_tensor_file *f, zipnn_error *err);

/* Passes on the restored bytes that the range touches. */
zipnn_status zn_tensor_file_restore(const zipnn_source *source, const struct zn_tensor_file *f, uint64_t from,
                                    uint64_t to, struct zn_old_work *work, const struct zn_old_taker *taker,
                                    zipnn_error *err);

/* ---- functions that write a header to f->head, piece by piece */

zipnn_status zn_head_begin(struct zn_tensor_file *f, zipnn_error *err);
zipnn_status zn_head_word(struct zn_tensor_file *f, const char *word, zipnn_error *err);
zipnn_status zn_head_text(struct zn_tensor_file *f, const struct zn_old_text *text, zipnn_error *err);
zipnn_status zn_head_number(struct zn_tensor_file *f, uint64_t value, zipnn_error *err);
/* Writes the pairs of the metadata, without brackets. */
zipnn_status zn_head_metadata(struct zn_tensor_file *f, zipnn_error *err);
/* Writes {"dtype":...,"shape":... of a tensor as it was read. */
zipnn_status zn_head_plain_type(struct zn_tensor_file *f, const struct zn_old_tensor *t, zipnn_error *err);
/* Writes ,"data_offsets":[begin,end]} */
zipnn_status zn_head_offsets(struct zn_tensor_file *f, uint64_t begin, uint64_t end, zipnn_error *err);
/* Closes and pads the header, and puts its length in front. */
zipnn_status zn_head_end(struct zn_tensor_file *f, zipnn_error *err);

#endif
