/* Joint symbols with AVX-512: what splits and merges without coding is left to the compiler. */
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__x86_64__)
#define ZN_FN \
    __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi"))) static inline
#define ZN_SET zn_kernels_avx512
#include "kernels/joint/joint_tpl.h"

/* Whole blocks where the words lie; the last one, which may be shorter, by its symbols. */
#define CLASS_HIST(suffix, JOINT)                                                                                     \
    ZN_FN void count_##suffix(const uint8_t *src, size_t n, unsigned block_log2, const uint8_t *class_of,             \
                              unsigned n_classes, unsigned step, uint16_t(*hist)[ZN_R16_CLASSES]) {                   \
        const size_t done = zn_class_hist_joint_avx512(JOINT, src, n, block_log2, class_of, n_classes, step, hist);   \
        class_hist_##suffix(src + done * zn_joint_info(JOINT).width, n - done, block_log2, class_of, n_classes, step, \
                            hist + (done >> block_log2));                                                             \
    }
CLASS_HIST(j16, ZN_JOINT_16)
CLASS_HIST(j32, ZN_JOINT_32)
CLASS_HIST(jf16, ZN_JOINT_F16)

const struct zn_joint_kernels zn_joint_kernels_avx512 = {
    .decode = {zn_joint_decode_16_avx512, zn_joint_decode_32_avx512, zn_joint_decode_f16_avx512,
               zn_joint_decode_2_16_avx512, zn_joint_decode_2_32_avx512},
    .encode = {zn_joint_encode_16_avx512, zn_joint_encode_32_avx512, zn_joint_encode_f16_avx512,
               zn_joint_encode_2_16_avx512, zn_joint_encode_2_32_avx512},
    .merge = {merge_j16, merge_j32, merge_jf16, merge_j2_16, merge_j2_32},
    .split = {split_j16, split_j32, split_jf16, split_j2_16, split_j2_32},
    .class_hist = {count_j16, count_j32, count_jf16},
    .sample = joint_sample,
    .symbols = symbols_of_words,
    .range = range_of_words,
    .add_base = add_base_to_words,
    .take_means = joint_take_means,
    .add_means = joint_add_means,
};
#endif
