/* Digests of the original. They take its bytes in order, chunk by chunk. */
#ifndef ZN_WORKERS_DIGEST_H
#define ZN_WORKERS_DIGEST_H

#include <stdalign.h>

#include "format/format.h"
#include "kernels/hash/hash.h"
#include "kernels/hash/sha256.h"
#include "kernels/kernels.h"

enum zn_digesting { ZN_DIGEST_IGNORE, ZN_DIGEST_VERIFY };

struct zn_digest {
    alignas(ZN_XXH3_STATE_ALIGN) uint8_t xxh3[ZN_XXH3_STATE_SIZE];
    struct zn_sha256 sha256;
    bool has_sha256;
    const struct zn_kernels *k;
};

static inline void zn_digest_begin(struct zn_digest *d, const struct zn_kernels *k, bool sha256) {
    d->k = k;
    d->has_sha256 = sha256;
    zn_xxh3_128_reset(d->xxh3);
    if (sha256) zn_sha256_begin(&d->sha256, zn_kernels_sha256(k));
}

static inline void zn_digest_update(struct zn_digest *d, const uint8_t *data, size_t len) {
    d->k->xxh3_update(d->xxh3, data, len);
    if (d->has_sha256) zn_sha256_update(&d->sha256, data, len);
}

/* Writes the digests. Call it once, after the last update. */
static inline void zn_digest_result(struct zn_digest *d, uint8_t xxh3[16], uint8_t sha256[ZN_SHA256_LEN]) {
    zn_xxh3_128_digest(d->xxh3, xxh3);
    memset(sha256, 0, ZN_SHA256_LEN);
    if (d->has_sha256) zn_sha256_digest(&d->sha256, sha256);
}

#endif
