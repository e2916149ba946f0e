/* NEON, which every AArch64 processor has: the plain loops, vectorised by the compiler. */
#include "kernels/hash/hash.h"
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__aarch64__)

#include "kernels/words/loops_plain_tpl.h"

const struct zn_kernels zn_kernels_neon = {
    .name = "neon",
    .r16_decode = zn_r16_decode_neon,
    .r16_decode_16r = zn_r16_decode_16r_neon,
    .r16_decode_32r = zn_r16_decode_32r_neon,
    .r16_decode_halves = zn_r16_decode_halves_neon,
    .r16_encode = zn_r16_encode_neon,
    .r16_encode_16r = zn_r16_encode_16r_neon,
    .r16_encode_32r = zn_r16_encode_32r_neon,
    .r16_encode_f16 = zn_r16_encode_f16_neon,
    .joint = &zn_joint_kernels_neon,
    ZN_PLAIN_LOOPS,
};

#endif
