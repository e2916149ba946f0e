/* Joint symbols with WebAssembly's vectors of 128 bits: but for decoding the plain loops, vectorised by the compiler. */
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__wasm_simd128__)
#define ZN_FN static inline
#define ZN_SET zn_kernels_simd128
#include "kernels/joint/joint_tpl.h"

const struct zn_joint_kernels zn_joint_kernels_simd128 = {
    .decode = {zn_joint_decode_16_simd128, zn_joint_decode_32_simd128, zn_joint_decode_f16_simd128,
               zn_joint_decode_2_16_simd128, zn_joint_decode_2_32_simd128},
    .merge = {merge_j16, merge_j32, merge_jf16, merge_j2_16, merge_j2_32},
    .split = {split_j16, split_j32, split_jf16, split_j2_16, split_j2_32},
    .class_hist = {class_hist_j16, class_hist_j32, class_hist_jf16},
    .sample = joint_sample,
    .symbols = symbols_of_words,
    .range = range_of_words,
    .add_base = add_base_to_words,
    .take_means = joint_take_means,
    .add_means = joint_add_means,
};
#endif
