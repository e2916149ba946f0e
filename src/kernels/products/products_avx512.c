/* Products, packing and unpacking with AVX-512. */
#include "kernels/products/products_loops.h"

#if defined(__x86_64__)
#include <string.h>

#define ZN_FN              \
    __attribute__((target( \
        "avx2,bmi,bmi2,lzcnt,popcnt,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2"))) static inline
#define ZN_INLINE __attribute__((always_inline)) ZN_FN

enum { TOGETHER = 8, X_BYTES = 128 };

#include "kernels/products/avx512_words.h"

ZN_INLINE struct sum add_words(struct sum s, struct words w, const uint8_t *x) {
    const __m512i even = _mm512_slli_epi32(w.v, 16), odd = _mm512_and_si512(w.v, _mm512_set1_epi32((int)0xffff0000));
    s.v = _mm512_fmadd_ps(_mm512_castsi512_ps(even), _mm512_loadu_ps((const void *)x), s.v);
    s.v = _mm512_fmadd_ps(_mm512_castsi512_ps(odd), _mm512_loadu_ps((const void *)(x + 64)), s.v);
    return s;
}

/* Eight codes of 3 bits in bytes become 24 bits, by two sums of products and a shift. */
ZN_INLINE void codes_store(uint8_t *p, __m512i code) {
    const __m512i six = _mm512_maddubs_epi16(code, _mm512_set1_epi16(0x0801));
    const __m512i twelve = _mm512_madd_epi16(six, _mm512_set1_epi32(0x00400001));
    const __m512i all = _mm512_or_si512(twelve, _mm512_srli_epi64(twelve, 20));
    const __m256i place = _mm256_setr_epi8(0, 1, 2, 8, 9, 10, 16, 17, 18, 24, 25, 26, 32, 33, 34, 40, 41, 42, 48, 49,
                                           50, 56, 57, 58, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m512i bytes = _mm512_permutexvar_epi8(_mm512_castsi256_si512(place), all);
    _mm256_mask_storeu_epi8((void *)p, 0xffffff, _mm512_castsi512_si256(bytes));
}

ZN_INLINE uint8_t *pack_step(struct zn_packing packing, const uint8_t *words, uint8_t start, uint8_t *raw,
                             uint8_t *escape) {
    uint8_t *codes = raw + ZN_PRODUCT_STEP;
    (void)packing;
    const __m512i a = words_load(words).v, b = words_load(words + 64).v, byte = _mm512_set1_epi16(255);
    const __m512i ra = _mm512_shldi_epi16(a, a, 1), rb = _mm512_shldi_epi16(b, b, 1);
    const __m512i low = _mm512_packus_epi16(_mm512_and_si512(ra, byte), _mm512_and_si512(rb, byte));
    const __m512i exponent = _mm512_packus_epi16(_mm512_srli_epi16(ra, 8), _mm512_srli_epi16(rb, 8));
    const __m512i below = _mm512_sub_epi8(_mm512_set1_epi8((char)start), exponent);
    const __m512i code = _mm512_min_epu8(below, _mm512_set1_epi8(7));
    const __mmask64 escaped = _mm512_cmpeq_epi8_mask(code, _mm512_set1_epi8(7));
    _mm512_storeu_si512((void *)raw, low);
    _mm512_storeu_si512((void *)escape, _mm512_maskz_compress_epi8(escaped, exponent));
    codes_store(codes, code);
    return escape + _mm_popcnt_u64(escaped);
}

#include "kernels/products/packing_tpl.h"
#include "kernels/products/products_tpl.h"

const struct zn_product_loops zn_product_loops_avx512 = {
    .name = "avx512",
    .packing = PACKED_3_BITS,
    .multiply = {multiply, NULL},
    .exponents = exponents,
    .pack = pack,
    .unpack = unpack,
};

const struct zn_product_loops zn_product_loops_avx512_pairs = {
    .name = "avx512 bf16",
    .packing = PACKED_3_BITS,
    .multiply = {multiply, zn_multiply_pairs_avx512},
    .exponents = exponents,
    .pack = pack,
    .unpack = unpack,
};
#endif
