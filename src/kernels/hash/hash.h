/* XXH3 by instruction set. The hash itself is the xxHash library's, compiled here once per instruction set; no other
 * file includes its header.
 */
#ifndef ZN_KERNELS_HASH_H
#define ZN_KERNELS_HASH_H

#include <stddef.h>
#include <stdint.h>

enum {
    ZN_XXH3_STATE_SIZE = 576, /* size of the library's XXH3_state_t */
    ZN_XXH3_STATE_ALIGN = 64,

    /* How far ahead the library prefetches, in bytes. Its own default of 320 to 512 suits the L2 cache, but some of the
     * lines that callers prefetched in time are evicted again before they are used. */
    ZN_XXH3_AHEAD = 8192
};

/* A streaming XXH3-128 with seed 0: reset, any number of updates through any kernel set, digest. The digest leaves the
 * state as it was and is written in xxHash's canonical form, big-endian. */
void zn_xxh3_128_reset(void *state);
void zn_xxh3_128_digest(const void *state, uint8_t out[16]);

struct zn_ahead;
struct zn_check;

uint64_t zn_xxh3_64_scalar(const void *data, size_t len);
uint64_t zn_xxh3_64_passing_scalar(const void *data, size_t len, struct zn_ahead *ahead, uint8_t *copy);
void zn_xxh3_update_scalar(void *state, const void *data, size_t len);

#if defined(__x86_64__)
uint64_t zn_xxh3_64_avx2(const void *data, size_t len);
uint64_t zn_xxh3_64_passing_avx2(const void *data, size_t len, struct zn_ahead *ahead, uint8_t *copy);
void zn_xxh3_update_avx2(void *state, const void *data, size_t len);

uint64_t zn_xxh3_64_avx512(const void *data, size_t len);
uint64_t zn_xxh3_64_passing_avx512(const void *data, size_t len, struct zn_ahead *ahead, uint8_t *copy);
void zn_xxh3_update_avx512(void *state, const void *data, size_t len);
void zn_check_begin_avx512(struct zn_check *check, const void *data, size_t len);
uint64_t zn_check_end_avx512(const struct zn_check *check);
#endif

#endif
