/* Quantised values with AVX-512: a group of 32 values, or two of 16, are divided or put together at once. Low bits that
 * a value does not have are left out by a compress and an expand. Records are left to the compiler. */
#include "kernels/values/values_loops.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_TARGET "avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2"
#define ZN_FN __attribute__((target(ZN_TARGET))) static inline
#include "kernels/values/values_tpl.h"

/* The symbols of 32 values, of one group or of two. */
ZN_FN __m256i load_symbols(const uint8_t *symbols, const uint32_t *places, unsigned group_log2) {
    if (group_log2 == 5) return _mm256_loadu_si256((const __m256i *)(symbols + ((size_t)places[0] << 5)));
    const __m128i a = _mm_loadu_si128((const __m128i *)(symbols + ((size_t)places[0] << 4)));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(a), *(const __m128i_u *)(symbols + ((size_t)places[1] << 4)),
                                   1);
}

ZN_FN void store_symbols(uint8_t *symbols, const uint32_t *places, unsigned group_log2, __m256i s) {
    if (group_log2 == 5) {
        _mm256_storeu_si256((__m256i *)(symbols + ((size_t)places[0] << 5)), s);
        return;
    }
    _mm_storeu_si128((__m128i *)(symbols + ((size_t)places[0] << 4)), _mm256_castsi256_si128(s));
    _mm_storeu_si128((__m128i *)(symbols + ((size_t)places[1] << 4)), _mm256_extracti128_si256(s, 1));
}

/* Byte i of each quarter of eight: where the eight numbers of k bits begin that it is to hold, and from which bit on
 * each of them lies. */
ZN_FN __m256i low_bytes(unsigned k) {
    const __m256i quarter = _mm256_setr_epi64x(0, 1, 2, 3), each = _mm256_set1_epi64x((long long)ZN_EACH_BYTE);
    const __m256i first = _mm256_mullo_epi64(_mm256_mullo_epi64(quarter, _mm256_set1_epi64x(k)), each);
    return _mm256_add_epi8(first, _mm256_set1_epi64x(0x0706050403020100));
}

ZN_FN __m256i low_shifts(unsigned k) {
    return _mm256_set1_epi64x((long long)(UINT64_C(0x0706050403020100) * k));
}

ZN_FN void store_values(uint8_t *values, size_t stride, unsigned group_log2, __m256i v) {
    if (group_log2 == 5) {
        _mm256_storeu_si256((__m256i *)values, v);
        return;
    }
    _mm_storeu_si128((__m128i *)values, _mm256_castsi256_si128(v));
    _mm_storeu_si128((__m128i *)(values + stride), _mm256_extracti128_si256(v, 1));
}

/* What a symbol stands for, low bits of 0. */
ZN_FN __m256i bases_of(const struct zn_values_code *c, unsigned k) {
    uint8_t base[ZN_VALUES_SYMBOLS] = {0};
    for (unsigned s = 0; s < c->n_bins; s++) base[s] = (uint8_t)(s << k) ^ c->flip;
    for (unsigned e = 0; e < c->n_exact; e++) base[c->n_bins + e] = c->exact[e] ^ c->flip;
    return _mm256_loadu_si256((const __m256i *)base);
}

/* Takes whole steps of 32 values while there are low bits for a load; returns the number of groups. */
ZN_FN size_t restore_fast(const struct zn_values_code *c, unsigned k, const uint8_t *symbols, const uint32_t *places,
                          size_t n, struct zn_low_bits *low, uint8_t *values, size_t stride) {
    const __m256i bases = bases_of(c, k), bytes = low_bytes(k), shifts = low_shifts(k);
    const __m256i mask = _mm256_set1_epi8((char)((1 << k) - 1)), bins = _mm256_set1_epi8((char)c->n_bins);
    const size_t step = c->group_log2 == 5 ? 1 : 2;
    size_t g = 0, bit = low->bit;
    for (; g + step <= n && bit / 8 + 32 <= low->len; g += step, values += step * stride) {
        const __m256i s = load_symbols(symbols, places + g, c->group_log2);
        const __mmask32 binned = _mm256_cmplt_epu8_mask(s, bins);
        const __m256i raw = _mm256_permutexvar_epi8(bytes, _mm256_loadu_si256((const __m256i *)(low->data + bit / 8)));
        const __m256i at = _mm256_add_epi8(shifts, _mm256_set1_epi8((char)(bit % 8)));
        const __m256i dense = _mm256_and_si256(_mm256_multishift_epi64_epi8(at, raw), mask);
        const __m256i spread = _mm256_maskz_expand_epi8(binned, dense);
        store_values(values, stride, c->group_log2, _mm256_or_si256(_mm256_permutexvar_epi8(s, bases), spread));
        bit += k * (size_t)__builtin_popcount(binned);
    }
    low->bit = bit;
    return g;
}

/* Values that are their symbols. */
ZN_FN void restore_whole(unsigned group_log2, const uint8_t *symbols, const uint32_t *places, size_t n, uint8_t *values,
                         size_t stride) {
    if (group_log2 == 5)
        for (size_t g = 0; g < n; g++) memcpy(values + stride * g, symbols + ((size_t)places[g] << 5), 32);
    else
        for (size_t g = 0; g < n; g++) memcpy(values + stride * g, symbols + ((size_t)places[g] << 4), 16);
}

ZN_FN bool restore(const struct zn_values_code *c, const uint8_t *symbols, const uint32_t *places, size_t n,
                   struct zn_low_bits *low, uint8_t *values, size_t stride) {
    size_t done = 0;
    if (c->low_bits == 0 && c->n_exact == 0 && c->flip == 0) {
        restore_whole(c->group_log2, symbols, places, n, values, stride);
        return true;
    }
    if (c->low_bits == 4) done = restore_fast(c, 4, symbols, places, n, low, values, stride);
    if (c->low_bits == 2) done = restore_fast(c, 2, symbols, places, n, low, values, stride);
    if (c->low_bits == 1) done = restore_fast(c, 1, symbols, places, n, low, values, stride);
    return values_restore(c, symbols, places + done, n - done, low, values + done * stride, stride);
}

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

const struct zn_values_kernels zn_values_kernels_avx512 = {
    .unpack = values_unpack, .pack = values_pack, .keys = values_keys, .restore = restore, .divide = divide};
#endif
