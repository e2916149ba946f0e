/* The delta loops for AVX2 and BMI, vectorised by the compiler. */
#include "base/bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_FN __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))) static inline
#define ZN_NTH(m, i) (unsigned)_tzcnt_u64(_pdep_u64(UINT64_C(1) << (i), m))

ZN_FN uint64_t half_mask(const uint8_t *p, uint8_t lo, uint8_t hi) {
    const __m256i x = _mm256_sub_epi8(_mm256_loadu_si256((const void *)p), _mm256_set1_epi8((char)lo));
    const __m256i span = _mm256_set1_epi8((char)(hi - lo));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(x, span), x));
}
#define ZN_MASK(p, lo, hi) (half_mask(p, lo, hi) | half_mask((p) + 32, lo, hi) << 32)
#include "kernels/delta/delta_tpl.h"

const struct zn_delta_kernels zn_delta_kernels_avx2 = {
    .context = plain_context,
    .moves = plain_moves,
    .split = plain_split,
    .merge = plain_merge,
    .changed_masks = plain_changed_masks,
    .sign_flips = plain_sign_flips,
    .turn_signs = plain_turn_signs,
    .count_members = plain_count_members,
    .gaps_write = plain_gaps_write,
    .gaps_read = plain_gaps_read,
    .pick = plain_pick,
    .patch = plain_patch,
};
#endif
