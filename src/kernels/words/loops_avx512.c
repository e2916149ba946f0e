/* AVX-512 F, BW, VL, DQ, VBMI, VBMI2, BITALG, and GFNI: 64 elements at a time. The plain loops vectorised by gcc
 * 12 / clang 14 for the same instructions, against what stands here, hot, GB/s of words: split 16R 17 / 6 against 40,
 * split 32R 34 / 3 against 40, merge 16R 15 / 11 against 41, merge 32R 12 / 9 against 41 (memcpy: 42); class_hist 1.4
 * against 10; assign 8 times as fast.
 */
#include "kernels/hash/hash.h"
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_TARGET                                                                                      \
    __attribute__((                                                                                    \
        target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2," \
               "avx512bitalg,gfni,prfchw")))
#define ZN_FN ZN_TARGET static inline
#define ZN_INLINE __attribute__((always_inline)) ZN_FN
#include "kernels/r16/r16_avx512_tpl.h"
#include "kernels/words/loops_tpl.h"

ZN_FN void stream_line(uint8_t *dst, const uint8_t *src) {
    _mm512_stream_si512((void *)dst, _mm512_loadu_si512(src));
}
#include "kernels/words/loops_x86_tpl.h"
#include "kernels/words/pack_bits_tpl.h"

/* ---- split and merge --------------------------------------------------------------------------------------------- */

/* A vector of words is a matrix of bytes, elements by planes. One byte permutation transposes it within the vector; a
 * transposition of as many vectors as there are planes, in pieces of 64 / planes bytes, then collects each plane in a
 * vector of its own. Both transpositions undo themselves, so merging is the same in the opposite order. */

#define RUN2(b, step) b, (b) + (step)
#define RUN4(b, step) RUN2(b, step), RUN2((b) + 2 * (step), step)
#define RUN8(b, step) RUN4(b, step), RUN4((b) + 4 * (step), step)
#define RUN16(b, step) RUN8(b, step), RUN8((b) + 8 * (step), step)
#define EACH4(RUN, b, step) RUN(b, step), RUN((b) + 1, step), RUN((b) + 2, step), RUN((b) + 3, step)
#define EACH16(RUN, b, step) \
    EACH4(RUN, b, step), EACH4(RUN, (b) + 4, step), EACH4(RUN, (b) + 8, step), EACH4(RUN, (b) + 12, step)

/* Byte p of element e to byte e of piece p, and back. */
static const uint8_t to_pieces16[64] = {RUN16(0, 2), RUN16(32, 2), RUN16(1, 2), RUN16(33, 2)};
static const uint8_t to_words16[64] = {EACH16(RUN2, 0, 32), EACH16(RUN2, 16, 32)};
static const uint8_t to_pieces32[64] = {EACH4(RUN16, 0, 4)};
static const uint8_t to_words32[64] = {EACH16(RUN4, 0, 16)};
static const uint8_t to_either64[64] = {EACH4(RUN8, 0, 8), EACH4(RUN8, 4, 8)};

ZN_INLINE void transpose2(__m512i z[2]) {
    const __m512i low = _mm512_shuffle_i64x2(z[0], z[1], 0x44);
    z[1] = _mm512_shuffle_i64x2(z[0], z[1], 0xee);
    z[0] = low;
}

ZN_INLINE void transpose4(__m512i z[4]) {
    const __m512i a = _mm512_shuffle_i64x2(z[0], z[1], 0x44), b = _mm512_shuffle_i64x2(z[0], z[1], 0xee);
    const __m512i c = _mm512_shuffle_i64x2(z[2], z[3], 0x44), d = _mm512_shuffle_i64x2(z[2], z[3], 0xee);
    z[0] = _mm512_shuffle_i64x2(a, c, 0x88);
    z[1] = _mm512_shuffle_i64x2(a, c, 0xdd);
    z[2] = _mm512_shuffle_i64x2(b, d, 0x88);
    z[3] = _mm512_shuffle_i64x2(b, d, 0xdd);
}

ZN_INLINE void transpose8(__m512i z[8]) {
    __m512i even[4], odd[4];
    for (unsigned i = 0; i < 4; i++) {
        even[i] = _mm512_unpacklo_epi64(z[2 * i], z[2 * i + 1]);
        odd[i] = _mm512_unpackhi_epi64(z[2 * i], z[2 * i + 1]);
    }
    transpose4(even);
    transpose4(odd);
    for (unsigned i = 0; i < 4; i++) {
        z[2 * i] = even[i];
        z[2 * i + 1] = odd[i];
    }
}

ZN_INLINE __m512i permuted(__m512i z, const uint8_t order[64]) {
    return _mm512_permutexvar_epi8(_mm512_loadu_si512(order), z);
}

ZN_INLINE void split16(const uint8_t *src, size_t n, uint8_t *const *planes, unsigned rot) {
    uint8_t *rest[2];
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m512i z[2];
        for (unsigned v = 0; v < 2; v++) {
            z[v] = _mm512_loadu_si512(src + 2 * i + 64 * v);
            if (rot) z[v] = _mm512_shldi_epi16(z[v], z[v], 1);
            z[v] = permuted(z[v], to_pieces16);
        }
        transpose2(z);
        for (unsigned p = 0; p < 2; p++) _mm512_storeu_si512(planes[p] + i, z[p]);
    }
    for (unsigned p = 0; p < 2; p++) rest[p] = planes[p] + i;
    plain_split16(src + 2 * i, n - i, rest, rot);
}

ZN_INLINE void split32(const uint8_t *src, size_t n, uint8_t *const *planes, unsigned rot) {
    uint8_t *rest[4];
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m512i z[4];
        for (unsigned v = 0; v < 4; v++) {
            z[v] = _mm512_loadu_si512(src + 4 * i + 64 * v);
            if (rot) z[v] = _mm512_rol_epi32(z[v], 1);
            z[v] = permuted(z[v], to_pieces32);
        }
        transpose4(z);
        for (unsigned p = 0; p < 4; p++) _mm512_storeu_si512(planes[p] + i, z[p]);
    }
    for (unsigned p = 0; p < 4; p++) rest[p] = planes[p] + i;
    plain_split32(src + 4 * i, n - i, rest, rot);
}

ZN_INLINE void split64(const uint8_t *src, size_t n, uint8_t *const *planes, unsigned rot) {
    uint8_t *rest[8];
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m512i z[8];
        for (unsigned v = 0; v < 8; v++) {
            z[v] = _mm512_loadu_si512(src + 8 * i + 64 * v);
            if (rot) z[v] = _mm512_rol_epi64(z[v], 1);
            z[v] = permuted(z[v], to_either64);
        }
        transpose8(z);
        for (unsigned p = 0; p < 8; p++) _mm512_storeu_si512(planes[p] + i, z[p]);
    }
    for (unsigned p = 0; p < 8; p++) rest[p] = planes[p] + i;
    plain_split64(src + 8 * i, n - i, rest, rot);
}

ZN_INLINE void merge16(const uint8_t *const *planes, size_t n, uint8_t *out, unsigned rot) {
    const uint8_t *rest[2];
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m512i z[2];
        for (unsigned p = 0; p < 2; p++) z[p] = _mm512_loadu_si512(planes[p] + i);
        transpose2(z);
        for (unsigned v = 0; v < 2; v++) {
            z[v] = permuted(z[v], to_words16);
            if (rot) z[v] = _mm512_shrdi_epi16(z[v], z[v], 1);
            _mm512_storeu_si512(out + 2 * i + 64 * v, z[v]);
        }
    }
    for (unsigned p = 0; p < 2; p++) rest[p] = planes[p] + i;
    plain_merge16(rest, n - i, out + 2 * i, rot);
}

ZN_INLINE void merge32(const uint8_t *const *planes, size_t n, uint8_t *out, unsigned rot) {
    const uint8_t *rest[4];
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m512i z[4];
        for (unsigned p = 0; p < 4; p++) z[p] = _mm512_loadu_si512(planes[p] + i);
        transpose4(z);
        for (unsigned v = 0; v < 4; v++) {
            z[v] = permuted(z[v], to_words32);
            if (rot) z[v] = _mm512_ror_epi32(z[v], 1);
            _mm512_storeu_si512(out + 4 * i + 64 * v, z[v]);
        }
    }
    for (unsigned p = 0; p < 4; p++) rest[p] = planes[p] + i;
    plain_merge32(rest, n - i, out + 4 * i, rot);
}

ZN_INLINE void merge64(const uint8_t *const *planes, size_t n, uint8_t *out, unsigned rot) {
    const uint8_t *rest[8];
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m512i z[8];
        for (unsigned p = 0; p < 8; p++) z[p] = _mm512_loadu_si512(planes[p] + i);
        transpose8(z);
        for (unsigned v = 0; v < 8; v++) {
            z[v] = permuted(z[v], to_either64);
            if (rot) z[v] = _mm512_ror_epi64(z[v], 1);
            _mm512_storeu_si512(out + 8 * i + 64 * v, z[v]);
        }
    }
    for (unsigned p = 0; p < 8; p++) rest[p] = planes[p] + i;
    plain_merge64(rest, n - i, out + 8 * i, rot);
}

ZN_FN void split_f16(const uint8_t *src, size_t n, uint8_t *const *planes) {
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m512i z[2];
        for (unsigned v = 0; v < 2; v++) {
            z[v] = _mm512_loadu_si512(src + 2 * i + 64 * v);
            z[v] = permuted(_mm512_shldi_epi16(z[v], z[v], 1), to_pieces16);
        }
        transpose2(z);
        _mm512_storeu_si512(planes[0] + i, z[0]);
        for (unsigned b = 0; b < 3; b++) {
            const uint64_t mask = _mm512_test_epi8_mask(z[1], _mm512_set1_epi8((char)(4 >> b)));
            memcpy(planes[1] + i / 64 * 24 + 8 * b, &mask, sizeof mask);
        }
        _mm512_storeu_si512(planes[2] + i, _mm512_and_si512(_mm512_srli_epi16(z[1], 3), _mm512_set1_epi8(31)));
    }
    if (i < n) plain_split_f16_group(src + 2 * i, n - i, planes[0] + i, planes[1] + i / 64 * 24, planes[2] + i);
}

ZN_FN void cached_merge_f16(const uint8_t *const *planes, size_t n, uint8_t *out) {
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        const __m512i top = _mm512_slli_epi16(_mm512_loadu_si512(planes[2] + i), 3);
        __m512i z[2] = {_mm512_loadu_si512(planes[0] + i), _mm512_and_si512(top, _mm512_set1_epi8((char)0xf8))};
        for (unsigned b = 0; b < 3; b++)
            z[1] = _mm512_mask_add_epi8(z[1], zn_get_u64(planes[1] + i / 64 * 24 + 8 * b), z[1],
                                        _mm512_set1_epi8((char)(4 >> b)));
        transpose2(z);
        for (unsigned v = 0; v < 2; v++) {
            z[v] = permuted(z[v], to_words16);
            _mm512_storeu_si512(out + 2 * i + 64 * v, _mm512_shrdi_epi16(z[v], z[v], 1));
        }
    }
    if (i < n) plain_merge_f16_group(planes[0] + i, planes[1] + i / 64 * 24, planes[2] + i, n - i, out + 2 * i);
}

ZN_WORDS(16, ZN_SHAPE_16, 16, 0)
ZN_WORDS(16r, ZN_SHAPE_16R, 16, 1)
ZN_WORDS(32, ZN_SHAPE_32, 32, 0)
ZN_WORDS(32r, ZN_SHAPE_32R, 32, 1)
ZN_WORDS(64, ZN_SHAPE_64, 64, 0)
ZN_WORDS(64r, ZN_SHAPE_64R, 64, 1)
ZN_MERGE(f16, ZN_SHAPE_F16)
ZN_SAMPLE(16r, split_16r, 2, 2)
ZN_SAMPLE(32r, split_32r, 4, 4)
ZN_SAMPLE(f16, split_f16, 2, 3)

#include "kernels/words/count_avx512_tpl.h"

/* ---- choosing tables ---- */

/* Costs by pair of classes and table, without the pairs that cost the same in all tables: those of classes that do not
 * occur. Tables that do not exist cost the most. */
struct priced {
    unsigned n;
    uint8_t pair[ZN_R16_CLASSES / 2];
    uint32_t cost[ZN_R16_CLASSES / 2][ZN_R16_MAX_TABLES];
};

ZN_FN void price_pairs(const uint16_t (*cost)[ZN_R16_CLASSES], unsigned n_tables, struct priced *priced) {
    const __mmask16 exist = (__mmask16)((1u << n_tables) - 1);
    const __m512i row = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
    priced->n = 0;
    for (unsigned c = 0; c < ZN_R16_CLASSES / 2; c++) {
        const __m512i dearest = _mm512_set1_epi32(4095 << 16 | 4095);
        const __m512i z = _mm512_mask_i32gather_epi32(dearest, exist, row, (const int *)cost + c, 4);
        if (_mm512_mask_cmpeq_epi32_mask(exist, z, _mm512_broadcastd_epi32(_mm512_castsi512_si128(z))) == exist)
            continue;
        _mm512_storeu_si512(priced->cost[priced->n], z);
        priced->pair[priced->n++] = (uint8_t)c;
    }
}

/* The least number of each half of 4 vectors: those of the lower halves are in the lowest 128 bits, those of the upper
 * halves 256 bits above. */
ZN_INLINE __m512i least_of_halves(const __m512i v[4]) {
    const __m512i a = _mm512_min_epu32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
    const __m512i b = _mm512_min_epu32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
    const __m512i c = _mm512_min_epu32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    return _mm512_min_epu32(c, _mm512_shuffle_i64x2(c, c, 0xb1));
}

/* Assigns four blocks. A lane holds the sum of one table. Counts and costs are multiplied in pairs as signed 16-bit
 * numbers. Sums stay below 2^28, so that the lane's index fits below them. */
ZN_INLINE void assign_four(const uint16_t (*hist)[ZN_R16_CLASSES], const struct priced *priced, uint8_t *ids) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i sum[4];
    for (unsigned j = 0; j < 4; j++) sum[j] = _mm512_setzero_si512();
    for (unsigned i = 0; i < priced->n; i++) {
        const __m512i cost = _mm512_loadu_si512(priced->cost[i]);
        for (unsigned j = 0; j < 4; j++) {
            int32_t counts;
            memcpy(&counts, &hist[j][2 * priced->pair[i]], sizeof counts);
            sum[j] = _mm512_add_epi32(sum[j], _mm512_madd_epi16(_mm512_set1_epi32(counts), cost));
        }
    }
    for (unsigned j = 0; j < 4; j++) sum[j] = _mm512_or_si512(_mm512_slli_epi32(sum[j], 4), lanes);
    const __m512i halves = least_of_halves(sum);
    const __m128i least = _mm_min_epu32(_mm512_castsi512_si128(halves), _mm512_extracti32x4_epi32(halves, 2));
    const __m128i best = _mm_and_si128(least, _mm_set1_epi32(15));
    const int32_t four = _mm_cvtsi128_si32(_mm_cvtepi32_epi8(best));
    memcpy(ids, &four, sizeof four);
}

/* The same for eight blocks and up to eight tables, which leave room for two blocks in a vector. */
ZN_INLINE void assign_eight(const uint16_t (*hist)[ZN_R16_CLASSES], const struct priced *priced, uint8_t *ids) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i second = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 16, 16, 16, 16, 16, 16, 16, 16);
    __m512i sum[4], row[8];
    for (unsigned j = 0; j < 4; j++) sum[j] = _mm512_setzero_si512();
    for (unsigned j = 0; j < 8; j++) row[j] = _mm512_loadu_si512(hist[j]);
    for (unsigned i = 0; i < priced->n; i++) {
        const __m512i cost = _mm512_broadcast_i64x4(_mm256_loadu_si256((const void *)priced->cost[i]));
        const __m512i pair = _mm512_or_si512(second, _mm512_set1_epi32(priced->pair[i]));
        for (unsigned j = 0; j < 4; j++) {
            const __m512i counts = _mm512_permutex2var_epi32(row[j], pair, row[4 + j]);
            sum[j] = _mm512_add_epi32(sum[j], _mm512_madd_epi16(counts, cost));
        }
    }
    for (unsigned j = 0; j < 4; j++) sum[j] = _mm512_or_si512(_mm512_slli_epi32(sum[j], 4), lanes);
    const __m512i best = _mm512_and_si512(least_of_halves(sum), _mm512_set1_epi32(15));
    const int32_t four[2] = {_mm_cvtsi128_si32(_mm_cvtepi32_epi8(_mm512_castsi512_si128(best))),
                             _mm_cvtsi128_si32(_mm_cvtepi32_epi8(_mm512_extracti32x4_epi32(best, 2)))};
    memcpy(ids, four, sizeof four);
}

/* Whether a count of n blocks is too large for a signed number. */
ZN_INLINE bool any_large(const uint16_t (*hist)[ZN_R16_CLASSES], unsigned n) {
    __m512i any = _mm512_loadu_si512(hist[0]);
    for (unsigned j = 1; j < n; j++) any = _mm512_or_si512(any, _mm512_loadu_si512(hist[j]));
    return _mm512_movepi16_mask(any) != 0;
}

ZN_FN void assign(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, const uint16_t (*cost)[ZN_R16_CLASSES],
                  unsigned n_tables, uint8_t *ids) {
    struct priced priced;
    price_pairs(cost, n_tables, &priced);
    const unsigned at_once = n_tables <= 8 ? 8 : 4;
    size_t b = 0;
    for (; n_blocks - b >= at_once; b += at_once) {
        if (any_large(hist + b, at_once))
            plain_assign(hist + b, at_once, cost, n_tables, ids + b);
        else if (at_once == 8)
            assign_eight(hist + b, &priced, ids + b);
        else
            assign_four(hist + b, &priced, ids + b);
    }
    plain_assign(hist + b, n_blocks - b, cost, n_tables, ids + b);
}

/* Blocks in a row often have the same table, and each addition to its sums would wait for the one before. So every second
 * block adds to sums of its own. */
ZN_FN void hist_sums(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, const uint8_t *ids,
                     uint32_t (*sums)[ZN_R16_CLASSES]) {
    enum { MANY = 64 };
    uint32_t odd[ZN_R16_MAX_TABLES][ZN_R16_CLASSES];
    if (n_blocks < MANY) {
        plain_hist_sums(hist, n_blocks, ids, sums);
        return;
    }
    memset(odd, 0, sizeof odd);
    for (size_t b = 0; b < n_blocks; b++) {
        uint32_t *to = b % 2 ? odd[ids[b]] : sums[ids[b]];
        for (unsigned c = 0; c < ZN_R16_CLASSES; c += 16) {
            const __m512i counts = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(hist[b] + c)));
            _mm512_storeu_si512(to + c, _mm512_add_epi32(_mm512_loadu_si512(to + c), counts));
        }
    }
    for (unsigned t = 0; t < ZN_R16_MAX_TABLES; t++)
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++) sums[t][c] += odd[t][c];
}

const struct zn_kernels zn_kernels_avx512 = {
    .name = "avx512",
    .r16_decode = zn_r16_decode_avx512,
    .r16_decode_16r = zn_r16_decode_16r_avx512,
    .r16_decode_32r = zn_r16_decode_32r_avx512,
    .r16_decode_f16 = zn_r16_decode_f16_avx512,
    .r16_decode_halves = zn_r16_decode_halves_avx512,
    .r16_encode = zn_r16_encode_avx512,
    .r16_encode_16r = zn_r16_encode_16r_avx512,
    .r16_encode_32r = zn_r16_encode_32r_avx512,
    .r16_encode_f16 = zn_r16_encode_f16_avx512,
    .r16c_decode = zn_r16c_decode_avx512,
    .r16c_encode = zn_r16c_encode_avx512,
    .r32_decode = zn_r32_decode_avx512,
    .split = {plain_split_8, split_16, split_16r, split_32, split_32r, split_64, split_64r, split_f16},
    .sample_16r = sample_16r,
    .sample_32r = sample_32r,
    .sample_f16 = sample_f16,
    .merge = {merge_8, merge_16, merge_16r, merge_32, merge_32r, merge_64, merge_64r, merge_f16},
    .settle = settle,
    .class_hist = class_hist,
    .class_hist_16r = class_hist_16r,
    .class_hist_32r = class_hist_32r,
    .class_hist_f16 = class_hist_f16,
    .byte_hist = byte_hist,
    .assign = assign,
    .hist_weights = plain_hist_weights,
    .hist_sums = hist_sums,
    .pack_bits = pack_bits,
    .unpack_bits = unpack_bits,
    .delta = &zn_delta_kernels_avx512,
    .joint = &zn_joint_kernels_avx512,
    .values = &zn_values_kernels_avx512,
    .xxh3_64 = zn_xxh3_64_avx512,
    .xxh3_64_passing = zn_xxh3_64_passing_avx512,
    .decode_fetches = 4,
    .encode_fetches = 4,
    .check_begin = zn_check_begin_avx512,
    .check_end = zn_check_end_avx512,
    .xxh3_update = zn_xxh3_update_avx512,
};

#endif
