/* The delta loops for AVX-512. */
#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_FN       \
    __attribute__(( \
        target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2"))) static inline
#define ZN_NTH(m, i) (unsigned)_tzcnt_u64(_pdep_u64(UINT64_C(1) << (i), m))
#include "kernels/delta_tpl.h"

ZN_FN void range_masks(const uint8_t *p, size_t n, uint8_t lo, uint8_t hi, uint64_t *masks) {
    const __m512i least = _mm512_set1_epi8((char)lo), span = _mm512_set1_epi8((char)(hi - lo));
    size_t i = 0;
    for (; n - i >= 64; i += 64)
        masks[i / 64] = _mm512_cmple_epu8_mask(_mm512_sub_epi8(_mm512_loadu_si512(p + i), least), span);
    if (i < n) plain_range_masks(p + i, n - i, lo, hi, masks + i / 64);
}

ZN_FN void changed_masks(const uint8_t *src, const uint8_t *ref, unsigned width, size_t n, uint64_t *masks) {
    size_t i = 0;
    for (; width == 2 && n - i >= 64; i += 64) {
        const __m512i a = _mm512_loadu_si512(src + 2 * i), b = _mm512_loadu_si512(src + 2 * i + 64);
        const uint64_t low = _mm512_cmpneq_epi16_mask(a, _mm512_loadu_si512(ref + 2 * i));
        masks[i / 64] = low | (uint64_t)_mm512_cmpneq_epi16_mask(b, _mm512_loadu_si512(ref + 2 * i + 64)) << 32;
    }
    if (i < n) plain_changed_masks(src + i * width, ref + i * width, width, n - i, masks + i / 64);
}

const struct zn_delta_kernels zn_delta_kernels_avx512 = {
    .context = plain_context,
    .moves = plain_moves,
    .split = plain_split,
    .merge = plain_merge,
    .range_masks = range_masks,
    .changed_masks = changed_masks,
    .gaps_write = plain_gaps_write,
    .gaps_read = plain_gaps_read,
};
#endif
