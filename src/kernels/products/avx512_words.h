/* Words of bf16 in AVX-512: how a step of a packed row becomes words again. For products_avx512.c and
 * products_pairs_avx512.c, each with a target of its own. */
#ifndef ZN_KERNELS_AVX512_WORDS_H
#define ZN_KERNELS_AVX512_WORDS_H

#include <immintrin.h>

#include "kernels/products/products_loops.h"

#define PACKED_3_BITS \
    { .code_bits = 3, .parts = 4 }

struct words {
    __m512i v;
};
struct sum {
    __m512 v;
};

ZN_INLINE struct zn_packing packing_of(const struct zn_rows *rows) {
    (void)rows;
    return (struct zn_packing)PACKED_3_BITS;
}

ZN_INLINE struct sum sum_zero(void) {
    return (struct sum){_mm512_setzero_ps()};
}

/* Adds up by halves, then the two. */
ZN_INLINE float sum_of(__m512 v) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}
ZN_INLINE float sum_total(struct sum a, struct sum b) {
    return sum_of(a.v) + sum_of(b.v);
}

ZN_INLINE struct words words_load(const uint8_t *p) {
    return (struct words){_mm512_loadu_si512((const void *)p)};
}
ZN_INLINE void words_store(uint8_t *p, struct words w) {
    _mm512_storeu_si512((void *)p, w.v);
}

/* 24 bytes to 64 codes: three bytes to each part of eight, of which eight fields are taken. Reads 32 bytes:
 * 64 would nearly always lie in two lines of the cache. */
ZN_INLINE __m512i codes_of(const uint8_t *p) {
    const __m512i place =
        _mm512_set_epi64(0x0000000000171615, 0x0000000000141312, 0x000000000011100f, 0x00000000000e0d0c,
                         0x00000000000b0a09, 0x0000000000080706, 0x0000000000050403, 0x0000000000020100);
    const __m512i field = _mm512_set1_epi64(0x15120f0c09060300);
    const __m512i codes = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)p));
    const __m512i v = _mm512_permutexvar_epi8(place, codes);
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(field, v), _mm512_set1_epi8(7));
}

ZN_INLINE const uint8_t *unpack_step(struct zn_packing packing, const uint8_t *raw, uint8_t start,
                                     const uint8_t *escape, struct words *w) {
    (void)packing;
    const __m512i code = codes_of(raw + ZN_PRODUCT_STEP), low = _mm512_loadu_si512((const void *)raw);
    const __mmask64 escaped = _mm512_cmpeq_epi8_mask(code, _mm512_set1_epi8(7));
    const __m512i below = _mm512_sub_epi8(_mm512_set1_epi8((char)start), code);
    const __m512i exponent = _mm512_mask_expand_epi8(below, escaped, _mm512_loadu_si512((const void *)escape));
    const __m512i a = _mm512_unpacklo_epi8(low, exponent), b = _mm512_unpackhi_epi8(low, exponent);
    w[0].v = _mm512_shrdi_epi16(a, a, 1);
    w[1].v = _mm512_shrdi_epi16(b, b, 1);
    return escape + _mm_popcnt_u64(escaped);
}

#endif
