/* WebAssembly's vectors of 128 bits: the plain loops, vectorised by the compiler. */
#include "kernels/hash/hash.h"
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__wasm_simd128__)
#include "kernels/words/loops_plain_tpl.h"

/* Modules decode; what encodes is the scalar set's. */
const struct zn_kernels zn_kernels_simd128 = {
    .name = "simd128",
    .r16_decode = zn_r16_decode_simd128,
    .r16_decode_16r = zn_r16_decode_16r_simd128,
    .r16_decode_32r = zn_r16_decode_32r_simd128,
    .r16_decode_halves = zn_r16_decode_halves_simd128,
    .r16_encode = zn_r16_encode_scalar,
    .r16_encode_16r = zn_r16_encode_16r_scalar,
    .r16_encode_32r = zn_r16_encode_32r_scalar,
    .r16_encode_f16 = zn_r16_encode_f16_scalar,
    .joint = &zn_joint_kernels_simd128,
    ZN_PLAIN_LOOPS,
};

#endif
