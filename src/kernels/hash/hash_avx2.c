/* XXH3 for AVX2. */
#include "kernels/hash/hash.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX2
#define XXH_PREFETCH_DIST ZN_XXH3_AHEAD

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#include <xxhash.h>

uint64_t zn_xxh3_64_avx2(const void *data, size_t len) {
    return XXH3_64bits(data, len);
}

static inline void stream_line(uint8_t *to, const uint8_t *from) {
    for (size_t i = 0; i < 64; i += 32)
        _mm256_stream_si256((void *)(to + i), _mm256_loadu_si256((const void *)(from + i)));
}

#include "kernels/hash/hash_tpl.h"

uint64_t zn_xxh3_64_passing_avx2(const void *data, size_t len, struct zn_ahead *ahead, uint8_t *copy) {
    return hash_passing(data, len, ahead, copy);
}

void zn_xxh3_update_avx2(void *state, const void *data, size_t len) {
    XXH3_128bits_update(state, data, len);
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
