/* The delta loops without instructions of their own: the definition. */
#define ZN_FN static inline

/* The i-th set bit of m. */
static inline unsigned nth_bit(unsigned long long m, unsigned i) {
    for (; i > 0; i--) m &= m - 1;
    return (unsigned)__builtin_ctzll(m);
}
#define ZN_NTH(m, i) nth_bit(m, i)

static inline unsigned long long mask_of(const unsigned char *p, unsigned char lo, unsigned char hi) {
    unsigned long long mask = 0;
    for (unsigned i = 0; i < 64; i++) mask |= (unsigned long long)(p[i] >= lo && p[i] <= hi) << i;
    return mask;
}
#define ZN_MASK(p, lo, hi) mask_of(p, lo, hi)
#include "kernels/delta/delta_tpl.h"

const struct zn_delta_kernels zn_delta_kernels_scalar = {
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
