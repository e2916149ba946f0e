/* The set without vector instructions: the definition that every other set is tested against. */
#include "kernels/hash/hash.h"
#include "kernels/kernels.h"
#include "kernels/r16/r16.h"
#include "kernels/words/loops_plain_tpl.h"

const struct zn_kernels zn_kernels_scalar = {
    .name = "scalar",
    .r16_decode = zn_r16_decode_portable,
    .r16_decode_16r = zn_r16_decode_16r_portable,
    .r16_decode_32r = zn_r16_decode_32r_portable,
    .r16_encode = zn_r16_encode_scalar,
    .r16_encode_16r = zn_r16_encode_16r_scalar,
    .r16_encode_32r = zn_r16_encode_32r_scalar,
    .r16_encode_f16 = zn_r16_encode_f16_scalar,
    .joint = &zn_joint_kernels_scalar,
    ZN_PLAIN_LOOPS,
};
