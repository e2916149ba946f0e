/* Joint symbols with AVX-512: what splits and merges without coding is left to the compiler. */
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__x86_64__)
#include <immintrin.h>

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

/* Whole groups by vectors, the rest by the plain loop. */
#define MERGE2(suffix, KIND)                                                                                         \
    ZN_FN void merge_groups_##suffix(const uint8_t *const *raw, const uint8_t *symbols, size_t n, uint8_t *out) {    \
        const size_t done = zn_joint_merge_2_##suffix##_avx512(raw, symbols, n, out);                                \
        const uint8_t *rest[3];                                                                                      \
        for (unsigned p = 0; p < zn_joint_info(KIND).n_raw; p++) rest[p] = raw[p] + zn_joint_raw_len(KIND, p, done); \
        joint_merge(KIND, rest, symbols + done, n - done, out + done * zn_joint_info(KIND).width);                   \
    }
MERGE2(16, ZN_JOINT2_16)
MERGE2(32, ZN_JOINT2_32)

/* ---- columns: 64 symbols at a time, as the plain loops say ---- */

/* What 32 means foretell, as words. */
ZN_FN __m512i foretold(__m512i mean) {
    return _mm512_srli_epi16(_mm512_sub_epi16(mean, _mm512_set1_epi16(ZN_MEAN_LOW - ZN_MEAN_STEP / 2)), 7);
}

/* Packs two vectors of words below 256. */
ZN_FN __m512i pack_words(__m512i low, __m512i high) {
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), _mm512_packus_epi16(low, high));
}

/* Returns mean_distance of 32 symbols. */
ZN_FN __m512i distances(__m512i mean, __m256i symbols) {
    const __m512i low = _mm512_set1_epi16(ZN_MEAN_LOW), least = _mm512_sub_epi16(mean, low);
    const __m512i it = _mm512_add_epi16(_mm512_slli_epi16(_mm512_cvtepu8_epi16(symbols), 7), low);
    const __m512i cut = _mm512_min_epu16(_mm512_max_epu16(it, least), _mm512_add_epi16(mean, low));
    return _mm512_sub_epi16(cut, least);
}

ZN_FN __m512i learn(__m512i mean, __m512i distance, __m128i slow, __m512i off) {
    return _mm512_sub_epi16(_mm512_add_epi16(mean, _mm512_srl_epi16(distance, slow)), off);
}

/* Adds up |distance - ZN_MEAN_LOW|, in pairs. */
ZN_FN __m512i add_distances(__m512i sum, __m512i distance) {
    const __m512i off = _mm512_abs_epi16(_mm512_sub_epi16(distance, _mm512_set1_epi16(ZN_MEAN_LOW)));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(off, _mm512_set1_epi16(1)));
}

ZN_FN void add_means(uint16_t *mean, uint8_t *symbols, size_t n, unsigned slow) {
    const __m128i by = _mm_cvtsi32_si128((int)slow);
    const __m512i off = _mm512_set1_epi16((short)(ZN_MEAN_LOW >> slow));
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i m0 = _mm512_loadu_si512(mean + i), m1 = _mm512_loadu_si512(mean + i + 32);
        const __m512i usual = pack_words(foretold(m0), foretold(m1)), d = _mm512_loadu_si512(symbols + i);
        const __m512i s = _mm512_add_epi8(_mm512_xor_si512(d, _mm512_set1_epi8(-128)), usual);
        _mm512_storeu_si512(symbols + i, s);
        _mm512_storeu_si512(mean + i, learn(m0, distances(m0, _mm512_castsi512_si256(s)), by, off));
        _mm512_storeu_si512(mean + i + 32, learn(m1, distances(m1, _mm512_extracti64x4_epi64(s, 1)), by, off));
    }
    joint_add_means(mean + i, symbols + i, n - i, slow);
}

ZN_FN uint64_t take_means(uint16_t *mean, const uint8_t *symbols, size_t n, unsigned slow, uint8_t *out) {
    const __m128i by = _mm_cvtsi32_si128((int)slow);
    const __m512i off = _mm512_set1_epi16((short)(ZN_MEAN_LOW >> slow));
    __m512i sum = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i m0 = _mm512_loadu_si512(mean + i), m1 = _mm512_loadu_si512(mean + i + 32);
        const __m512i usual = pack_words(foretold(m0), foretold(m1)), s = _mm512_loadu_si512(symbols + i);
        const __m512i d0 = distances(m0, _mm512_castsi512_si256(s));
        const __m512i d1 = distances(m1, _mm512_extracti64x4_epi64(s, 1));
        _mm512_storeu_si512(out + i, _mm512_xor_si512(_mm512_sub_epi8(s, usual), _mm512_set1_epi8(-128)));
        sum = add_distances(add_distances(sum, d0), d1);
        _mm512_storeu_si512(mean + i, learn(m0, d0, by, off));
        _mm512_storeu_si512(mean + i + 32, learn(m1, d1, by, off));
    }
    return (uint32_t)_mm512_reduce_add_epi32(sum) + joint_take_means(mean + i, symbols + i, n - i, slow, out + i);
}

const struct zn_joint_kernels zn_joint_kernels_avx512 = {
    .decode = {zn_joint_decode_16_avx512, zn_joint_decode_32_avx512, zn_joint_decode_f16_avx512,
               zn_joint_decode_2_16_avx512, zn_joint_decode_2_32_avx512},
    .encode = {zn_joint_encode_16_avx512, zn_joint_encode_32_avx512, zn_joint_encode_f16_avx512,
               zn_joint_encode_2_16_avx512, zn_joint_encode_2_32_avx512},
    .merge = {merge_j16, merge_j32, merge_jf16, merge_groups_16, merge_groups_32},
    .split = {split_j16, split_j32, split_jf16, split_j2_16, split_j2_32},
    .class_hist = {count_j16, count_j32, count_jf16},
    .sample = joint_sample,
    .symbols = symbols_of_words,
    .range = range_of_words,
    .add_base = add_base_to_words,
    .take_means = take_means,
    .add_means = add_means,
};
#endif
