/* Products, packing and unpacking with AVX2 and FMA: codes of 4 bits, of which few are escapes. */
#include "kernels/products/products_loops.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define ZN_FN __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,fma"))) static inline
#define ZN_INLINE __attribute__((always_inline)) ZN_FN

enum { TOGETHER = 2, X_BYTES = 128 };

#define PACKED_4_BITS \
    { .code_bits = 4, .parts = 2 }

struct words {
    __m256i v[2];
};
struct sum {
    __m256 v[2];
};

ZN_INLINE struct zn_packing packing_of(const struct zn_rows *rows) {
    (void)rows;
    return (struct zn_packing)PACKED_4_BITS;
}

ZN_INLINE struct sum sum_zero(void) {
    return (struct sum){{_mm256_setzero_ps(), _mm256_setzero_ps()}};
}

/* Adds up by halves, then the two. */
ZN_INLINE float sum_of(struct sum s) {
    const __m256 half = _mm256_add_ps(s.v[0], s.v[1]);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}
ZN_INLINE float sum_total(struct sum a, struct sum b) {
    return sum_of(a) + sum_of(b);
}

ZN_INLINE __m256i load(const uint8_t *p) {
    return _mm256_loadu_si256((const void *)p);
}
ZN_INLINE struct words words_load(const uint8_t *p) {
    return (struct words){{load(p), load(p + 32)}};
}
ZN_INLINE void words_store(uint8_t *p, struct words w) {
    _mm256_storeu_si256((void *)p, w.v[0]);
    _mm256_storeu_si256((void *)(p + 32), w.v[1]);
}

ZN_INLINE struct sum add_words(struct sum s, struct words w, const uint8_t *x) {
    const __m256i top = _mm256_set1_epi32((int)0xffff0000);
    for (unsigned i = 0; i < 2; i++) {
        const __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(w.v[i], 16));
        const __m256 odd = _mm256_castsi256_ps(_mm256_and_si256(w.v[i], top));
        s.v[i] = _mm256_fmadd_ps(even, _mm256_loadu_ps((const void *)(x + 32 * i)), s.v[i]);
        s.v[i] = _mm256_fmadd_ps(odd, _mm256_loadu_ps((const void *)(x + 64 + 32 * i)), s.v[i]);
    }
    return s;
}

/* Puts escapes into their places. */
ZN_INLINE __m256i put_escapes(__m256i exponent, unsigned escaped, const uint8_t *escape) {
    _Alignas(32) uint8_t bytes[32];
    _mm256_store_si256((void *)bytes, exponent);
    for (; escaped; escaped &= escaped - 1) bytes[_tzcnt_u32(escaped)] = *escape++;
    return _mm256_load_si256((const void *)bytes);
}

/* 32 words. */
ZN_INLINE const uint8_t *unpack_half(const uint8_t *raw, const uint8_t *codes, __m256i start, const uint8_t *escape,
                                     struct words *w) {
    const __m128i both = _mm_loadu_si128((const void *)codes);
    const __m256i last = _mm256_set1_epi8(15);
    const __m256i code = _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(both, 4), both), last);
    const unsigned escaped = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(code, last));
    __m256i exponent = _mm256_sub_epi8(start, code);
    if (__builtin_expect(escaped != 0, 0)) {
        exponent = put_escapes(exponent, escaped, escape);
        escape += _mm_popcnt_u32(escaped);
    }
    const __m256i a = _mm256_unpacklo_epi8(load(raw), exponent), b = _mm256_unpackhi_epi8(load(raw), exponent);
    w->v[0] = _mm256_or_si256(_mm256_srli_epi16(a, 1), _mm256_slli_epi16(a, 15));
    w->v[1] = _mm256_or_si256(_mm256_srli_epi16(b, 1), _mm256_slli_epi16(b, 15));
    return escape;
}

ZN_INLINE const uint8_t *unpack_step(struct zn_packing packing, const uint8_t *raw, uint8_t start,
                                     const uint8_t *escape, struct words *w) {
    const uint8_t *codes = raw + ZN_PRODUCT_STEP;
    (void)packing;
    const __m256i from = _mm256_set1_epi8((char)start);
    escape = unpack_half(raw, codes, from, escape, &w[0]);
    return unpack_half(raw + 32, codes + 16, from, escape, &w[1]);
}

ZN_INLINE uint8_t *pack_half(const uint8_t *words, __m256i start, uint8_t *raw, uint8_t *codes, uint8_t *escape) {
    const __m256i a = load(words), b = load(words + 32), byte = _mm256_set1_epi16(255), last = _mm256_set1_epi8(15);
    const __m256i ra = _mm256_or_si256(_mm256_slli_epi16(a, 1), _mm256_srli_epi16(a, 15));
    const __m256i rb = _mm256_or_si256(_mm256_slli_epi16(b, 1), _mm256_srli_epi16(b, 15));
    const __m256i low = _mm256_packus_epi16(_mm256_and_si256(ra, byte), _mm256_and_si256(rb, byte));
    const __m256i exponent = _mm256_packus_epi16(_mm256_srli_epi16(ra, 8), _mm256_srli_epi16(rb, 8));
    const __m256i code = _mm256_min_epu8(_mm256_sub_epi8(start, exponent), last);
    const __m128i high = _mm_slli_epi16(_mm256_extracti128_si256(code, 1), 4);
    unsigned escaped = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(code, last));
    _mm256_storeu_si256((void *)raw, low);
    _mm_storeu_si128((void *)codes, _mm_or_si128(_mm256_castsi256_si128(code), high));
    if (escaped) {
        _Alignas(32) uint8_t bytes[32];
        _mm256_store_si256((void *)bytes, exponent);
        for (; escaped; escaped &= escaped - 1) *escape++ = bytes[_tzcnt_u32(escaped)];
    }
    return escape;
}

ZN_INLINE uint8_t *pack_step(struct zn_packing packing, const uint8_t *words, uint8_t start, uint8_t *raw,
                             uint8_t *escape) {
    uint8_t *codes = raw + ZN_PRODUCT_STEP;
    (void)packing;
    const __m256i from = _mm256_set1_epi8((char)start);
    escape = pack_half(words, from, raw, codes, escape);
    return pack_half(words + 64, from, raw + 32, codes + 16, escape);
}

#include "kernels/products/packing_tpl.h"
#include "kernels/products/products_tpl.h"

const struct zn_product_loops zn_product_loops_avx2 = {
    .name = "avx2",
    .packing = PACKED_4_BITS,
    .multiply = {multiply, NULL},
    .exponents = exponents,
    .pack = pack,
    .unpack = unpack,
};
#endif
