/* XXH3 for AVX-512 F. */
#include "kernels/hash/hash.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX512
#define XXH_PREFETCH_DIST ZN_XXH3_AHEAD

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,avx512f"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,avx512f")
#endif

#include <xxhash.h>

uint64_t zn_xxh3_64_avx512(const void *data, size_t len) {
    return XXH3_64bits(data, len);
}

static inline void stream_line(uint8_t *to, const uint8_t *from) {
    _mm512_stream_si512((void *)to, _mm512_loadu_si512(from));
}

#include "kernels/hash/hash_tpl.h"

uint64_t zn_xxh3_64_passing_avx512(const void *data, size_t len, struct zn_ahead *ahead, uint8_t *copy) {
    return hash_passing(data, len, ahead, copy);
}

void zn_check_begin_avx512(struct zn_check *check, const void *data, size_t len) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    memcpy(check->acc, state.acc, sizeof check->acc);
    check->secret = state.extSecret;
    check->begin = check->at = data;
    check->end = check->begin + len;
}

/* The library goes on where whole blocks end: nothing is buffered there, and no stripe of a block is done. */
uint64_t zn_check_end_avx512(const struct zn_check *check) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    memcpy(state.acc, check->acc, sizeof state.acc);
    state.totalLen = (XXH64_hash_t)(check->at - check->begin);
    XXH3_64bits_update(&state, check->at, (size_t)(check->end - check->at));
    return XXH3_64bits_digest(&state);
}

void zn_xxh3_update_avx512(void *state, const void *data, size_t len) {
    XXH3_128bits_update(state, data, len);
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
