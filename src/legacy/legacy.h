/* The old format, whole: files of records ("X.znn" of the Python package zipnn 0.3.1 to 0.5.4) and safetensors files
 * with records for tensors ("X.znn.safetensors"). Neither has a checksum: damage that leaves a record well-formed
 * restores to wrong bytes. */
#ifndef ZN_LEGACY_LEGACY_H
#define ZN_LEGACY_LEGACY_H

#include "base/mem.h"
#include "legacy/tensor_file.h"

struct zn_legacy {
    zipnn_allocator alloc;
    zipnn_source source; /* with read_at */
    bool tensor_file;
    struct zn_tensor_file tensors; /* of a tensor file */
    struct zn_old_record first;    /* of a file of records */
    uint64_t n_records;
    uint64_t original; /* bytes of everything */
};

/* Bytes at the start of an input that zn_legacy_suspects looks at. */
enum { ZN_LEGACY_SNIFF = 9 };

/* Whether an input that begins so may be of the old format: worth asking zn_legacy_open. */
bool zn_legacy_suspects(const uint8_t *head, size_t len);

/* Opens an input; *legacy is NULL when it is not of the old format. What the source points to must outlive it. The
 * header of a tensor file is all it holds. Once open it does not change: any number of threads may restore from it. */
zipnn_status zn_legacy_open(const zipnn_allocator *alloc, const zipnn_source *source, struct zn_legacy **legacy,
                            zipnn_error *err);
void zn_legacy_close(struct zn_legacy *legacy);

/* Writes original bytes [from, to) to the sink in order, decoding only the chunks they touch. `work` is the caller's:
 * it goes on from where it was left by the same input, and zn_old_work_end makes it ready for another. `base`, with
 * read_at, is what a delta was made against; NULL when there is none. */
zipnn_status zn_legacy_restore(const struct zn_legacy *legacy, struct zn_old_work *work, const zipnn_source *base,
                               uint64_t from, uint64_t to, const zipnn_sink *sink, zipnn_error *err);

/* Bytes of the input that hold original bytes [off, off + len): exact for a tensor of a tensor file, else in
 * proportion. */
uint64_t zn_legacy_stored(const struct zn_legacy *legacy, uint64_t off, uint64_t len);

#endif
