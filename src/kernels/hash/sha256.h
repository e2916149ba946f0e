/* SHA-256 (FIPS 180-4). */
#ifndef ZN_KERNELS_SHA256_H
#define ZN_KERNELS_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { ZN_SHA256_BLOCK = 64 };

/* Takes n blocks of 64 bytes into the eight words of the state. */
typedef void zn_sha256_loop(uint32_t state[8], const uint8_t *blocks, size_t n);

zn_sha256_loop zn_sha256_blocks_scalar;
#if defined(__x86_64__)
zn_sha256_loop zn_sha256_blocks_sha; /* needs the SHA extensions and SSE4.1 */
#endif

struct zn_sha256 {
    zn_sha256_loop *loop;
    uint32_t state[8];
    uint64_t len; /* bytes so far */
    uint8_t rest[ZN_SHA256_BLOCK];
};

/* Begin, any number of updates, digest. The digest ends it. */
void zn_sha256_begin(struct zn_sha256 *s, zn_sha256_loop *loop);
void zn_sha256_update(struct zn_sha256 *s, const void *data, size_t len);
void zn_sha256_digest(struct zn_sha256 *s, uint8_t out[32]);

#endif
