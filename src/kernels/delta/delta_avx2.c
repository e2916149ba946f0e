/* The delta loops for AVX2 and BMI, vectorised by the compiler. */
#include "base/bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_FN __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))) static inline
#define ZN_NTH(m, i) (unsigned)_tzcnt_u64(_pdep_u64(UINT64_C(1) << (i), m))
#include "kernels/delta/delta_tpl.h"

const struct zn_delta_kernels zn_delta_kernels_avx2 = {
    .context = plain_context,
    .moves = plain_moves,
    .split = plain_split,
    .merge = plain_merge,
    .range_masks = plain_range_masks,
    .changed_masks = plain_changed_masks,
    .gaps_write = plain_gaps_write,
    .gaps_read = plain_gaps_read,
    .patch = plain_patch,
};
#endif
