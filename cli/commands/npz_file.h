/* Writes .npz files: arrays of numpy in a zip archive, stored as they are. */
#ifndef ZIPNN_CLI_NPZ_FILE_H
#define ZIPNN_CLI_NPZ_FILE_H

#include "shared/output.h"

struct npz_entry {
    char *name; /* with ".npy" */
    uint32_t crc;
    uint64_t size, at; /* at: of its local header */
};

/* An archive in the making. A zeroed struct with `out` is empty. */
struct npz {
    struct output *out;
    uint64_t at; /* bytes written */
    struct npz_entry *entry;
    size_t n, cap;
};

/* Continues the CRC-32 of bytes; the first call takes 0. */
uint32_t crc32_of(uint32_t crc, const void *bytes, size_t len);

/* Writes the head of the next array, of which CRC and size are known. The caller then appends so many bytes to the output. The
 * array is called as the tensor is; if such a name would lead out of a folder into which the archive is unpacked, its
 * special characters become %XX. */
zipnn_status npz_put_entry(struct npz *z, const char *tensor, uint32_t crc, uint64_t size, zipnn_error *err);

/* Writes the directory. */
zipnn_status npz_end(struct npz *z, zipnn_error *err);

void npz_free(struct npz *z);

/* Returns before + NAME + ".npy", which the caller frees: what is no letter, digit, "-" or "_", nor a point inside the
 * name, becomes %XX, so that different names stay different and none leaves the folder. */
char *npy_name(const char *before, const char *name);

#endif
