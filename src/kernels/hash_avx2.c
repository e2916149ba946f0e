/* XXH3 for AVX2. */
#include "kernels/hash.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX2

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#include <xxhash.h>

#include "kernels/hash_tpl.h"

uint64_t zn_xxh3_64_avx2(const void *data, size_t len) {
    return XXH3_64bits(data, len);
}

uint64_t zn_xxh3_64_fetching_avx2(const void *data, size_t len, struct zn_ahead *ahead) {
    return hash_fetching(data, len, ahead);
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
