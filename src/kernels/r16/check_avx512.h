/* A check that is taken while a loop decodes, in registers: kernels.h has the contract (zn_check), r16_avx512.c the
 * loop, which takes a stripe for each group of symbols: then it reads where the first plane is read, and memory sees no
 * stream more. What is left at the end lies in the second-level cache. Of each stripe of 64 bytes, XXH3 adds to every
 * accumulator a product and the plain bytes beside it. The latter are added up apart and change places once a block of
 * 16 stripes, which leaves five instructions for a stripe.
 */
#ifndef ZN_KERNELS_CHECK_AVX512_H
#define ZN_KERNELS_CHECK_AVX512_H

#include "kernels/r16/r16_avx512_tpl.h"

enum {
    CHECK_STRIPE = 64,
    CHECK_BLOCK = 16 * CHECK_STRIPE, /* bytes, after which the accumulators are scrambled */
    CHECK_KEY_STEP = 8               /* bytes between the keys of two stripes in a row */
};

struct check_run {
    __m512i acc, plain;
    const uint8_t *key, *last_key; /* key of the next stripe; key after a block's last stripe */
    const uint8_t *at;
    size_t left; /* stripes left, in whole blocks */
};

/* Begins a check that leaves the last block, whole or not, to the library. `check` may be NULL. */
AVX512_INLINE struct check_run check_start(const struct zn_check *check) {
    struct check_run r = {.acc = _mm512_setzero_si512(), .plain = _mm512_setzero_si512()};
    if (!check) return r;
    const size_t blocks = (size_t)(check->end - check->at) / CHECK_BLOCK;
    r.left = blocks ? (blocks - 1) * (CHECK_BLOCK / CHECK_STRIPE) : 0;
    r.acc = _mm512_load_si512(check->acc);
    r.key = check->secret;
    r.last_key = check->secret + CHECK_BLOCK / CHECK_STRIPE * CHECK_KEY_STEP;
    r.at = check->at;
    return r;
}

AVX512_INLINE void check_scramble(struct check_run *r) {
    const __m512i prime = _mm512_set1_epi64(0x9e3779b1);
    __m512i x = _mm512_add_epi64(r->acc, _mm512_shuffle_epi32(r->plain, _MM_PERM_BADC));
    x = _mm512_xor_si512(_mm512_xor_si512(x, _mm512_srli_epi64(x, 47)), _mm512_loadu_si512(r->last_key));
    __m512i high = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), prime);
    r->acc = _mm512_add_epi64(_mm512_mul_epu32(x, prime), _mm512_slli_epi64(high, 32));
    r->plain = _mm512_setzero_si512();
    r->key = r->last_key - CHECK_BLOCK / CHECK_STRIPE * CHECK_KEY_STEP;
}

/* Takes one stripe, if any is left. */
AVX512_INLINE void check_stripe(struct check_run *r) {
    if (r->left == 0) return;
    const __m512i bytes = _mm512_loadu_si512(r->at), x = _mm512_xor_si512(bytes, _mm512_loadu_si512(r->key));
    r->acc = _mm512_add_epi64(r->acc, _mm512_mul_epu32(x, _mm512_srli_epi64(x, 32)));
    r->plain = _mm512_add_epi64(r->plain, bytes);
    r->at += CHECK_STRIPE;
    r->key += CHECK_KEY_STEP;
    r->left--;
    if (r->key == r->last_key) check_scramble(r);
}

/* Ends the block and leaves the rest to check_end. */
AVX512_INLINE void check_stop(struct check_run *r, struct zn_check *check) {
    if (!check) return;
    while (r->key != check->secret) check_stripe(r);
    _mm512_store_si512(check->acc, r->acc);
    check->at = r->at;
}

#endif
