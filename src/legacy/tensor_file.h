/* "X.znn.safetensors" of the Python package: a safetensors file in which floating tensors are replaced by U8 tensors
 * that hold an old record each. Restored is a safetensors file with the same tensors, in the order of their bytes.
 * Which tensors are records shows in their bytes, so a file that lost the list in its metadata restores as well. */
#ifndef ZN_LEGACY_TENSOR_FILE_H
#define ZN_LEGACY_TENSOR_FILE_H

#include "base/mem.h"
#include "legacy/record.h"

struct zn_old_text {
    const char *at;
    size_t len;
};

struct zn_old_tensor {
    struct zn_old_text name, dtype, shape; /* as in the header: quotes, brackets and escapes */
    uint64_t at, len;                      /* in the source */
    uint64_t off, original;                /* in the restored file */
    bool one_dim;
    bool coded; /* an old record */
};

struct zn_tensor_file {
    zipnn_allocator alloc;
    char *text; /* of the header; everything points into it */
    size_t text_len;
    struct zn_old_text *metadata; /* key, value, key, value, ... but not the package's own */
    size_t n_metadata, metadata_cap;
    struct zn_old_tensor *tensors; /* in the order of their bytes */
    size_t n_tensors, tensors_cap;
    bool listed;     /* the package's own key is there */
    size_t n_listed; /* tensors that it lists */
    uint8_t *head;   /* of the restored file: length and header */
    size_t head_len, head_cap;
    uint64_t original;
};

/* Reads the header and finds the records. *found is false, and nothing is owned, when the source is no such file.
 * zn_tensor_file_free accepts a zeroed struct. */
zipnn_status zn_tensor_file_open(const zipnn_allocator *alloc, const zipnn_source *source, struct zn_tensor_file *f,
                                 bool *found, zipnn_error *err);
void zn_tensor_file_free(struct zn_tensor_file *f);

/* The header of a safetensors file that was read into f->text: tensors (unsorted, at relative to the data), metadata.
 * False when it is not as the specification says; *status tells a lack of memory apart. */
bool zn_tensor_header_read(struct zn_tensor_file *f, zipnn_status *status, zipnn_error *err);

/* Reads the header of any safetensors file; zn_tensor_file_arrange sorts the tensors by place and refuses gaps. */
zipnn_status zn_tensor_file_parse(const zipnn_allocator *alloc, const zipnn_source *source, struct zn_tensor_file *f,
                                  bool *found, zipnn_error *err);
zipnn_status zn_tensor_file_arrange(const zipnn_source *source, struct zn_tensor_file *f, zipnn_error *err);

/* Hands over the restored bytes that the range touches. */
zipnn_status zn_tensor_file_restore(const zipnn_source *source, const struct zn_tensor_file *f, uint64_t from,
                                    uint64_t to, struct zn_old_work *work, const struct zn_old_taker *taker,
                                    zipnn_error *err);

/* ---- a header that is written, piece by piece, to f->head */

zipnn_status zn_head_begin(struct zn_tensor_file *f, zipnn_error *err);
zipnn_status zn_head_word(struct zn_tensor_file *f, const char *word, zipnn_error *err);
zipnn_status zn_head_text(struct zn_tensor_file *f, const struct zn_old_text *text, zipnn_error *err);
zipnn_status zn_head_number(struct zn_tensor_file *f, uint64_t value, zipnn_error *err);
/* The pairs of the metadata, without brackets. */
zipnn_status zn_head_metadata(struct zn_tensor_file *f, zipnn_error *err);
/* {"dtype":...,"shape":... of a tensor as it was read. */
zipnn_status zn_head_plain_type(struct zn_tensor_file *f, const struct zn_old_tensor *t, zipnn_error *err);
/* ,"data_offsets":[begin,end]} */
zipnn_status zn_head_offsets(struct zn_tensor_file *f, uint64_t begin, uint64_t end, zipnn_error *err);
/* Closes and pads it, and puts its length in front. */
zipnn_status zn_head_end(struct zn_tensor_file *f, zipnn_error *err);

#endif
