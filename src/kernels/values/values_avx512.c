/* Quantised values with AVX-512: a group of 32 values, or two of 16, are divided or put together at once. Low bits that
 * a value does not have are left out by a compress and an expand. */
#include "kernels/values/values_loops.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_TARGET "avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2"
#define ZN_FN __attribute__((target(ZN_TARGET))) static inline
#define ZN_VALUES_INLINE ZN_FN __attribute__((always_inline))
#include "kernels/values/values_tpl.h"

ZN_FN void store_symbols(uint8_t *symbols, const uint32_t *places, unsigned group_log2, __m256i s) {
    if (group_log2 == 5) {
        _mm256_storeu_si256((__m256i *)(symbols + ((size_t)places[0] << 5)), s);
        return;
    }
    _mm_storeu_si128((__m128i *)(symbols + ((size_t)places[0] << 4)), _mm256_castsi256_si128(s));
    _mm_storeu_si128((__m128i *)(symbols + ((size_t)places[1] << 4)), _mm256_extracti128_si256(s, 1));
}

/* Vectors that all steps of a loop use: what a symbol stands for, low bits of 0; for byte i of each eighth of eight, where
 * the eight numbers of k bits begin that it is to hold, and from which bit on each of them lies. */
struct spread {
    __m512i bases, bytes, shifts, low;
};

ZN_VALUES_INLINE struct spread spread_of(const struct zn_values_code *c, unsigned k) {
    const __m512i eighth = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i first = _mm512_mullo_epi64(eighth, _mm512_set1_epi64((long long)(ZN_EACH_BYTE * k)));
    uint8_t base[2 * ZN_VALUES_SYMBOLS] = {0};
    for (unsigned s = 0; s < c->n_bins; s++) base[s] = (uint8_t)(s << k) ^ c->flip;
    for (unsigned e = 0; e < c->n_exact; e++) base[c->n_bins + e] = c->exact[e] ^ c->flip;
    return (struct spread){_mm512_loadu_si512(base), _mm512_add_epi8(first, _mm512_set1_epi64(0x0706050403020100)),
                           _mm512_set1_epi64((long long)(UINT64_C(0x0706050403020100) * k)),
                           _mm512_set1_epi8((char)((1 << k) - 1))};
}

ZN_VALUES_INLINE void spread_64(const struct spread *sp, unsigned k, __m256i *v, struct zn_low_bits *bits) {
    enum { A_OR_B_AND_C = 0xf8 };
    const __m512i s = _mm512_inserti64x4(_mm512_castsi256_si512(v[0]), v[1], 1);
    const __mmask64 binned = _mm512_cmplt_epu8_mask(s, _mm512_set1_epi8(16));
    const __m512i next = _mm512_loadu_si512(bits->data + bits->bit / 8);
    const __m512i at = _mm512_add_epi8(sp->shifts, _mm512_set1_epi8((char)(bits->bit % 8)));
    const __m512i dense = _mm512_multishift_epi64_epi8(at, _mm512_permutexvar_epi8(sp->bytes, next));
    const __m512i below = _mm512_maskz_expand_epi8(binned, dense);
    const __m512i all = _mm512_ternarylogic_epi64(_mm512_permutexvar_epi8(s, sp->bases), below, sp->low, A_OR_B_AND_C);
    bits->bit += k * (size_t)__builtin_popcountll(binned);
    v[0] = _mm512_castsi512_si256(all);
    v[1] = _mm512_extracti64x4_epi64(all, 1);
}

#include "kernels/values/values_x86_tpl.h"

/* 32 numbers of k bits packed, of which the first n count. */
ZN_FN __m128i pack_low(__m256i v, unsigned k) {
    if (k == 4) return _mm256_cvtepi16_epi8(_mm256_maddubs_epi16(v, _mm256_set1_epi16(0x1001)));
    if (k == 2) {
        const __m256i pairs = _mm256_maddubs_epi16(v, _mm256_set1_epi16(0x0401));
        return _mm256_cvtepi32_epi8(_mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00100001)));
    }
    return _mm_cvtsi32_si128((int)_mm256_test_epi8_mask(v, v));
}

ZN_FN void append_low(struct zn_low_writer *low, __m128i packed, unsigned k, unsigned n) {
    const uint64_t first = (uint64_t)_mm_cvtsi128_si64(packed), second = (uint64_t)_mm_extract_epi64(packed, 1);
    const uint64_t parts[4] = {first & UINT32_MAX, first >> 32, second & UINT32_MAX, second >> 32};
    for (unsigned i = 0; i < k; i++, n -= n < 32 ? n : 32) values_append(low, parts[i], n < 32 ? n : 32);
}

ZN_FN size_t divide_fast(const struct zn_values_code *c, unsigned k, const uint8_t *values, const uint32_t *places,
                         size_t n, uint8_t *symbols, struct zn_low_writer *low) {
    const __m256i mask = _mm256_set1_epi8((char)((1 << k) - 1)), bins = _mm256_set1_epi8((char)(255 >> k));
    const size_t step = c->group_log2 == 5 ? 1 : 2;
    size_t g = 0;
    for (; g + step <= n; g += step, values += 32) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)values);
        __m256i s = _mm256_and_si256(_mm256_srli_epi16(v, (int)k), bins);
        __mmask32 exact = 0;
        for (unsigned e = 0; e < c->n_exact; e++) {
            const __mmask32 is = _mm256_cmpeq_epi8_mask(v, _mm256_set1_epi8((char)c->exact[e]));
            s = _mm256_mask_mov_epi8(s, is, _mm256_set1_epi8((char)(c->n_bins + e)));
            exact |= is;
        }
        store_symbols(symbols, places + g, c->group_log2, s);
        if (k == 0) continue;
        const __m256i left = _mm256_maskz_compress_epi8(~exact, _mm256_and_si256(v, mask));
        append_low(low, pack_low(left, k), k, k * (32 - (unsigned)__builtin_popcount(exact)));
    }
    return g;
}

ZN_FN void divide(const struct zn_values_code *c, const uint8_t *values, const uint32_t *places, size_t n,
                  uint8_t *symbols, struct zn_low_writer *low) {
    const size_t done = c->low_bits == 4   ? divide_fast(c, 4, values, places, n, symbols, low)
                        : c->low_bits == 2 ? divide_fast(c, 2, values, places, n, symbols, low)
                        : c->low_bits == 1 ? divide_fast(c, 1, values, places, n, symbols, low)
                                           : divide_fast(c, 0, values, places, n, symbols, low);
    values_divide(c, values + (done << c->group_log2), places + done, n - done, symbols, low);
}

/* Returns log2 of 16 small numbers, as values_log does. */
ZN_FN __m512i logs(__m128i numbers) {
    const __m512i bits = _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(numbers)));
    return _mm512_maskz_sub_epi32(_mm_test_epi8_mask(numbers, numbers), _mm512_srli_epi32(bits, 13),
                                  _mm512_set1_epi32(112 * 1024));
}

/* 16 keys at once; gcc's vectors of the plain loop take four times as long. */
ZN_FN void keys(const int32_t *levels, const uint8_t *up, const uint8_t *down, size_t n, bool relative, uint8_t *out) {
    const __m512i most = _mm512_set1_epi32(16383);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i level = _mm512_loadu_si512(levels + i);
        if (up) level = _mm512_add_epi32(level, logs(_mm_loadu_si128((const __m128i *)(up + i))));
        if (down) level = _mm512_sub_epi32(level, logs(_mm_loadu_si128((const __m128i *)(down + i))));
        const int32_t middle = 8192 - (relative ? _mm512_reduce_add_epi32(level) / 16 : 0);
        level = _mm512_add_epi32(level, _mm512_set1_epi32(middle));
        level = _mm512_min_epi32(_mm512_max_epi32(level, _mm512_setzero_si512()), most);
        _mm_storeu_si128((__m128i *)(out + i), _mm512_cvtepi32_epi8(_mm512_srli_epi32(level, 6)));
    }
    values_keys(levels + i, up ? up + i : NULL, down ? down + i : NULL, n - i, relative, out + i);
}

const struct zn_values_kernels zn_values_kernels_avx512 = {
    .unpack = values_unpack_x86, .keys = keys, .rebuild = values_rebuild_x86, .divide = divide};
#endif
