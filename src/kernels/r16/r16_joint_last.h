/* The end of a stream of joint symbols, for loops that decode whole turns. */
#ifndef ZN_KERNELS_R16_JOINT_LAST_H
#define ZN_KERNELS_R16_JOINT_LAST_H

#include "kernels/joint/joint_loops.h"
#include "kernels/r16/r16.h"

/* Decodes the last words, fewer than a turn. */
static inline bool zn_joint_decode_last(struct zn_r16_decoder *d, enum zn_joint joint, const uint8_t *const *raw,
                                        uint8_t *out, size_t from, size_t n) {
    const struct zn_joint_info info = zn_joint_info(joint);
    const uint8_t *rest[3];
    uint8_t symbols[ZN_R16_LANES];
    for (unsigned p = 0; p < info.n_raw; p++) rest[p] = raw[p] + zn_joint_raw_len(joint, p, from);
    if (!zn_r16_decode_scalar(d, symbols, n - from)) return false;
    zn_joint_kernels_scalar.merge[joint](rest, symbols, n - from, out + from * info.width);
    return true;
}

#endif
