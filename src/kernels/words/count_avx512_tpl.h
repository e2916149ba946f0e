/* Counting with AVX-512: blocks of symbols by class, and bytes. */
#ifndef ZN_KERNELS_COUNT_AVX512_TPL_H
#define ZN_KERNELS_COUNT_AVX512_TPL_H

/* Lane l of sums.of[j] is the count of class 8 j + l. Most streams have few classes: 15, and class 31 for what is listed
 * nowhere, which is then counted as class 15. */
struct sums {
    __m512i of[4];
};

ZN_INLINE struct sums no_sums(void) {
    const __m512i zero = _mm512_setzero_si512();
    return (struct sums){{zero, zero, zero, zero}};
}

/* Counts of bytes: byte l of each lane is a count among the eight symbols of the lane, of those whose class has l as
 * its low three bits: all of them, those with bit 3, with bit 4, and with both. */
struct tally {
    __m512i low, with_3, with_4, with_both;
};

ZN_INLINE struct tally no_tally(void) {
    const __m512i zero = _mm512_setzero_si512();
    return (struct tally){zero, zero, zero, zero};
}

/* Counts those of 64 symbols that are in `valid`. A lane is a matrix of bits, symbols by bits of a byte. A product with
 * the unit matrix transposes it; a product with a single bit puts that bit of all eight symbols into each byte. */
ZN_INLINE void count_classes(__m512i class, __mmask64 valid, bool few, struct tally *t) {
    const __m512i unit = _mm512_set1_epi64((long long)0x8040201008040201);
    const __m512i one_of_eight = _mm512_set1_epi64((long long)0x8040201008040201);
    const __m512i bits = _mm512_maskz_shuffle_epi8(valid, one_of_eight, class);
    const __m512i low = _mm512_gf2p8affine_epi64_epi8(unit, bits, 0);
    const __m512i low_3 = _mm512_and_si512(low, _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi8(8), class, 0));
    t->low = _mm512_add_epi8(t->low, _mm512_popcnt_epi8(low));
    t->with_3 = _mm512_add_epi8(t->with_3, _mm512_popcnt_epi8(low_3));
    if (few) return;
    const __m512i bit_4 = _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi8(16), class, 0);
    t->with_4 = _mm512_add_epi8(t->with_4, _mm512_popcnt_epi8(_mm512_and_si512(low, bit_4)));
    t->with_both = _mm512_add_epi8(t->with_both, _mm512_popcnt_epi8(_mm512_and_si512(low_3, bit_4)));
}

enum { MOST_COUNTED = 31 }; /* groups of 64 symbols whose counts surely fit a byte */

#define EVERY8(l) l, (l) + 8, (l) + 16, (l) + 24, (l) + 32, (l) + 40, (l) + 48, (l) + 56
static const uint8_t by_byte[64] = {EVERY8(0), EVERY8(1), EVERY8(2), EVERY8(3),
                                    EVERY8(4), EVERY8(5), EVERY8(6), EVERY8(7)};

/* Adds what was counted to the sums. Lane l gets the sum of byte l of all lanes. */
ZN_INLINE void add_tally(const struct tally *t, bool few, struct sums *s) {
    const __m512i only_3 = few ? t->with_3 : _mm512_sub_epi8(t->with_3, t->with_both);
    const __m512i of[4] = {_mm512_sub_epi8(_mm512_sub_epi8(t->low, only_3), t->with_4), only_3,
                           _mm512_sub_epi8(t->with_4, t->with_both), t->with_both};
    for (unsigned j = 0; j < (few ? 2 : 4); j++) {
        const __m512i of_class = _mm512_permutexvar_epi8(_mm512_loadu_si512(by_byte), of[j]);
        s->of[j] = _mm512_add_epi64(s->of[j], _mm512_sad_epu8(of_class, _mm512_setzero_si512()));
    }
}

/* The permutation from four words in each lane to words in order of their classes, and the same where 15 means 31. */
static const uint16_t by_class[2][32] = {{0, 4, 8,  12, 16, 20, 24, 28, 1, 5, 9,  13, 17, 21, 25, 29,
                                          2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31},
                                         {0, 4, 8,  12, 16, 20, 24, 28, 1, 5, 9,  13, 17, 21, 25, 2,
                                          2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 29}};

ZN_INLINE __m512i in_class_order(const struct sums *s, bool few) {
    const __m512i low = _mm512_or_si512(s->of[0], _mm512_slli_epi64(s->of[1], 16));
    const __m512i high = _mm512_or_si512(_mm512_slli_epi64(s->of[2], 32), _mm512_slli_epi64(s->of[3], 48));
    return _mm512_permutexvar_epi16(_mm512_loadu_si512(by_class[few]), _mm512_or_si512(low, high));
}

/* What is counted of a word: its exponent, that of fp16, or its joint symbol (joint_loops.h). */
enum counted { EXPONENT, EXPONENT_F16, JOINT, JOINT_F16 };

/* The shifts are written as literals, since one compiler wants ints there and another one unsigned numbers. */
ZN_INLINE __m512i top_bytes_2(__m512i a, __m512i b, bool joint) {
    const __m512i even = joint ? _mm512_srli_epi16(a, 6) : _mm512_srli_epi16(a, 7);
    const __m512i odd = joint ? _mm512_slli_epi16(b, 2) : _mm512_slli_epi16(b, 1);
    return _mm512_mask_mov_epi8(even, 0xaaaaaaaaaaaaaaaa, odd);
}

ZN_INLINE __m512i top_bytes_4(const __m512i z[4], bool joint) {
    const __m512i a = joint ? _mm512_srli_epi32(z[0], 22) : _mm512_srli_epi32(z[0], 23);
    const __m512i b = joint ? _mm512_srli_epi32(z[1], 6) : _mm512_srli_epi32(z[1], 7);
    const __m512i c = joint ? _mm512_srli_epi32(z[2], 14) : _mm512_srli_epi32(z[2], 15);
    const __m512i d = joint ? _mm512_slli_epi32(z[3], 2) : _mm512_slli_epi32(z[3], 1);
    const __m512i even = _mm512_mask_mov_epi8(a, 0x4444444444444444, b);
    return _mm512_mask_mov_epi8(even, 0xaaaaaaaaaaaaaaaa, _mm512_mask_mov_epi8(c, 0x8888888888888888, d));
}

/* The symbols of 64 words of `width` bytes in some order; a plane's bytes for width 1. */
ZN_INLINE __m512i top_symbols(const uint8_t *p, size_t width, enum counted what) {
    __m512i z[4];
    for (size_t v = 0; v < width; v++) z[v] = _mm512_loadu_si512(p + 64 * v);
    if (width == 1) return z[0];
    const __m512i top = width == 2 ? top_bytes_2(z[0], z[1], what == JOINT) : top_bytes_4(z, what == JOINT);
    if (what == EXPONENT_F16) return _mm512_and_si512(_mm512_srli_epi16(top, 3), _mm512_set1_epi8(31));
    return what == JOINT_F16 ? _mm512_and_si512(_mm512_srli_epi16(top, 2), _mm512_set1_epi8(63)) : top;
}

/* Counts whole blocks and returns where the last block begins, which may be shorter and is not counted. */
ZN_INLINE size_t count_blocks(const uint8_t *src, size_t n, size_t width, enum counted what, unsigned block_log2,
                              const struct class_map *map, bool collisions, bool few, unsigned step,
                              uint16_t (*hist)[ZN_R16_CLASSES]) {
    const size_t block = (size_t)1 << block_log2, stride = 64 * (size_t)step;
    const struct class_map m = *map;
    size_t i = 0;
    for (; n - i >= block; i += block, hist++) {
        struct sums s = no_sums();
        for (size_t g = i, end; g < i + block; g = end) {
            struct tally tally = no_tally();
            end = ZN_MIN(g + MOST_COUNTED * stride, i + block);
            for (size_t at = g; at < end; at += stride)
                count_classes(classes(&m, top_symbols(src + at * width, width, what), collisions), UINT64_MAX, few,
                              &tally);
            add_tally(&tally, few, &s);
        }
        _mm512_storeu_si512(hist, in_class_order(&s, few));
    }
    return i;
}

ZN_INLINE size_t count_words(const uint8_t *src, size_t n, size_t width, enum counted what, unsigned block_log2,
                             const uint8_t *class_of, unsigned n_classes, unsigned step,
                             uint16_t (*hist)[ZN_R16_CLASSES]) {
    const struct class_map m = class_map_load(class_of);
    if (m.collisions) return count_blocks(src, n, width, what, block_log2, &m, true, false, step, hist);
    if (n_classes > 15) return count_blocks(src, n, width, what, block_log2, &m, false, false, step, hist);
    return count_blocks(src, n, width, what, block_log2, &m, false, true, step, hist);
}

ZN_FN void class_hist(const uint8_t *plane, size_t n, unsigned block_log2, const uint8_t *class_of, unsigned n_classes,
                      unsigned step, uint16_t (*hist)[ZN_R16_CLASSES]) {
    const size_t done = count_words(plane, n, 1, EXPONENT, block_log2, class_of, n_classes, step, hist);
    plain_class_hist(plane + done, n - done, block_log2, class_of, n_classes, step, hist + (done >> block_log2));
}

ZN_CLASS_HIST(16r_split, sample_16r, class_hist, 2, 2)
ZN_CLASS_HIST(32r_split, sample_32r, class_hist, 4, 4)
ZN_CLASS_HIST(f16_split, sample_f16, class_hist, 2, 3)

/* Counting words without splitting them; the last block, which may be shorter, is split. */
#define CLASS_HIST(suffix, width, what)                                                                        \
    ZN_FN void class_hist_##suffix(const uint8_t *src, size_t n, unsigned block_log2, const uint8_t *class_of, \
                                   unsigned n_classes, unsigned step, uint16_t(*hist)[ZN_R16_CLASSES]) {       \
        const size_t done = count_words(src, n, width, what, block_log2, class_of, n_classes, step, hist);     \
        class_hist_##suffix##_split(src + (width)*done, n - done, block_log2, class_of, n_classes, step,       \
                                    hist + (done >> block_log2));                                              \
    }
CLASS_HIST(16r, 2, EXPONENT)
CLASS_HIST(32r, 4, EXPONENT)
CLASS_HIST(f16, 2, EXPONENT_F16)

ZN_TARGET size_t zn_class_hist_joint_avx512(enum zn_joint joint, const uint8_t *src, size_t n, unsigned block_log2,
                                            const uint8_t *class_of, unsigned n_classes, unsigned step,
                                            uint16_t (*hist)[ZN_R16_CLASSES]) {
    if (joint == ZN_JOINT_16) return count_words(src, n, 2, JOINT, block_log2, class_of, n_classes, step, hist);
    if (joint == ZN_JOINT_32) return count_words(src, n, 4, JOINT, block_log2, class_of, n_classes, step, hist);
    return count_words(src, n, 2, JOINT_F16, block_log2, class_of, n_classes, step, hist);
}

/* Exponents are near each other: those inside of a window are counted by masks, those outside one by one. */
enum { WINDOW = ZN_R16_CLASSES, ABOVE = 7, MANY_OUTSIDE = 4 };

/* The least byte of a window that has all but MANY_OUTSIDE of these 64 bytes; false when there is none. */
ZN_FN bool find_window(const uint8_t *p, uint8_t *least) {
    const __m512i bytes = _mm512_loadu_si512(p);
    __m256i high = _mm256_max_epu8(_mm512_castsi512_si256(bytes), _mm512_extracti64x4_epi64(bytes, 1));
    __m128i m = _mm_max_epu8(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    m = _mm_minpos_epu16(_mm_xor_si128(_mm_max_epu8(m, _mm_srli_epi16(m, 8)), _mm_set1_epi16(-1)));
    const unsigned most = 255 - ((unsigned)_mm_cvtsi128_si32(m) & 255);
    *least = (uint8_t)(most + ABOVE < WINDOW ? 0 : most + ABOVE >= 256 ? 256 - WINDOW : most + ABOVE - WINDOW + 1);
    const __m512i above = _mm512_sub_epi8(bytes, _mm512_set1_epi8((char)*least));
    return _mm_popcnt_u64(_mm512_cmpge_epu8_mask(above, _mm512_set1_epi8(WINDOW))) <= MANY_OUTSIDE;
}

ZN_FN void byte_hist(const uint8_t *p, size_t n, size_t step, uint32_t *hist) {
    uint8_t least;
    if (n < 64 || !find_window(p, &least)) {
        plain_byte_hist(p, n, step, hist);
        return;
    }
    struct sums s = no_sums();
    const size_t groups = (n / 64 + step - 1) / step;
    for (size_t g = 0, end; g < groups; g = end) {
        struct tally tally = no_tally();
        for (end = ZN_MIN(g + MOST_COUNTED, groups); g < end; g++) {
            const uint8_t *group = p + g * 64 * step;
            const __m512i above = _mm512_sub_epi8(_mm512_loadu_si512(group), _mm512_set1_epi8((char)least));
            uint64_t outside = _mm512_cmpge_epu8_mask(above, _mm512_set1_epi8(WINDOW));
            count_classes(above, ~outside, false, &tally);
            for (; outside; outside &= outside - 1) hist[group[_tzcnt_u64(outside)]]++;
        }
        add_tally(&tally, false, &s);
    }
    for (unsigned j = 0; j < 4; j++) {
        uint64_t counts[8];
        _mm512_storeu_si512(counts, s.of[j]);
        for (unsigned l = 0; l < 8; l++) hist[least + 8 * j + l] += (uint32_t)counts[l];
    }
    if (n % 64 && n / 64 % step == 0) plain_byte_hist(p + n / 64 * 64, n % 64, 1, hist);
}

#endif
