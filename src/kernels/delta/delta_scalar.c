/* The delta loops without instructions of their own: the definition. */
#define ZN_FN static inline

/* The i-th set bit of m. */
static inline unsigned nth_bit(unsigned long long m, unsigned i) {
    for (; i > 0; i--) m &= m - 1;
    return (unsigned)__builtin_ctzll(m);
}
#define ZN_NTH(m, i) nth_bit(m, i)
#include "kernels/delta/delta_tpl.h"

const struct zn_delta_kernels zn_delta_kernels_scalar = {
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
