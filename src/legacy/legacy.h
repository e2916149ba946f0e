/* The complete old format: files of records ("X.znn" of the Python package zipnn 0.3.1 to 0.5.4), and safetensors files
 * whose tensors are records ("X.znn.safetensors"). Neither has a checksum: if a damaged record is still well-formed,
 * wrong bytes are restored. */
#ifndef ZN_LEGACY_LEGACY_H
#define ZN_LEGACY_LEGACY_H

#include "base/mem.h"
#include "legacy/tensor_file.h"

struct zn_legacy {
    zipnn_allocator alloc;
    zipnn_source source; /* with read_at */
    bool tensor_file;
    struct zn_tensor_file tensors; /* the tensors, if it is a tensor file */
    struct zn_old_record first;    /* the first record, if it is a file of records */
    uint64_t n_records;
    uint64_t original; /* length of the whole original */
};

/* Number of first bytes that zn_legacy_suspects looks at. */
enum { ZN_LEGACY_SNIFF = 9 };

/* Returns whether an input that begins like this may be of the old format, so that zn_legacy_open is worth calling. */
bool zn_legacy_suspects(const uint8_t *head, size_t len);

/* Opens an input. *legacy is NULL when the input is not of the old format. What the source points to must outlive it.
 * It holds no more than the header of a tensor file. Once open it never changes, so any number of threads may restore
 * from it. */
zipnn_status zn_legacy_open(const zipnn_allocator *alloc, const zipnn_source *source, struct zn_legacy **legacy,
                            zipnn_error *err);
void zn_legacy_close(struct zn_legacy *legacy);

/* Writes the original bytes [from, to) to the sink in order, and decodes only the chunks they touch. `work` is the
 * caller's. It continues where it stopped in the same input, and zn_old_work_end prepares it for another input. `base`,
 * with read_at, is what a delta was made against; NULL when there is none. */
zipnn_status zn_legacy_restore(const struct zn_legacy *legacy, struct zn_old_work *work, const zipnn_source *base,
                               uint64_t from, uint64_t to, const zipnn_sink *sink, zipnn_error *err);

/* Returns the bytes of the input that hold the original bytes [off, off + len): exact for a tensor of a tensor file,
 * otherwise in proportion. */
uint64_t zn_legacy_stored(const struct zn_legacy *legacy, uint64_t off, uint64_t len);

#endif
