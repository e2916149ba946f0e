/* All ways to restore an original from an archive, behind one signature. */
#ifndef ZN_TESTS_SUPPORT_RESTORE_H
#define ZN_TESTS_SUPPORT_RESTORE_H

#include <stdbool.h>

#include "zipnn/zipnn.h"

/* A value that is no status: the library asked for bytes outside the archive, or reported a length it did not write. */
#define ZT_BROKEN ((zipnn_status)99)

struct zt_way {
    const char *name;
    /* Restores archive[0, len) into out[0, cap); *got is its length. */
    zipnn_status (*restore)(zipnn_ctx *ctx, const uint8_t *archive, size_t len, uint8_t *out, size_t cap, size_t *got,
                            zipnn_error *err);
    bool all_frames; /* reads every frame, also those without original bytes */
    bool xxh3;       /* compares the XXH3-128 digest of the whole original */
    bool sha256;     /* also compares the SHA-256 digest */
    bool pipe;       /* reads the archive from a pipe */
};

enum { ZT_N_WAYS = 6 };
extern const struct zt_way zt_ways[ZT_N_WAYS];

#endif
