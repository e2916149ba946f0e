/* Joint symbols without instructions of their own. */
#define ZN_FN static inline
#define ZN_SET zn_kernels_scalar
#include "kernels/joint/joint_tpl.h"

const struct zn_joint_kernels zn_joint_kernels_scalar = {
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
