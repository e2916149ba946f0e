/* AVX2 and BMI: 32 elements at a time. The plain loops vectorised by gcc 12 / clang 14 for the same instructions,
 * against what stands here, hot, GB/s of words: split 16R 9 / 9 against 24, split 32R 19 / 3 against 24, merge 16R 9 /
 * 8 against 39, merge 32R 6 / 8 against 21 / 27; class_hist 1.3 against 6; assign 5 times as fast.
 */
#include "kernels/hash/hash.h"
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#define ZN_FN ZN_TARGET static inline
#define ZN_INLINE __attribute__((always_inline)) ZN_FN
#include "kernels/words/loops_tpl.h"

ZN_INLINE __m256i load(const void *p) {
    return _mm256_loadu_si256(p);
}

ZN_INLINE void store(void *p, __m256i v) {
    _mm256_storeu_si256(p, v);
}

ZN_FN void stream_line(uint8_t *dst, const uint8_t *src) {
    const __m256i a = load(src), b = load(src + 32);
    _mm256_stream_si256((void *)dst, a);
    _mm256_stream_si256((void *)(dst + 32), b);
}
#include "kernels/words/loops_x86_tpl.h"
#include "kernels/words/pack_bits_tpl.h"

/* ---- split and merge --------------------------------------------------------------------------------------------- */

/* Words are loaded so that a vector's two halves lie half a block apart. Then everything happens within halves: a byte
 * shuffle gathers each plane's bytes of a half, and a transposition of as many vectors as there are planes brings a
 * plane together. Merging interleaves the planes' bytes instead, and its vectors' halves lie half a block apart. */

/* The 16 bytes at p and the 16 bytes `apart` further on. */
ZN_INLINE __m256i load_halves(const uint8_t *p, size_t apart) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)p)),
                                   _mm_loadu_si128((const void *)(p + apart)), 1);
}

ZN_INLINE void store_halves(uint8_t *p, size_t apart, __m256i v) {
    _mm_storeu_si128((void *)p, _mm256_castsi256_si128(v));
    _mm_storeu_si128((void *)(p + apart), _mm256_extracti128_si256(v, 1));
}

ZN_INLINE __m256i rol16(__m256i v) {
    return _mm256_or_si256(_mm256_add_epi16(v, v), _mm256_srli_epi16(v, 15));
}
ZN_INLINE __m256i rol32(__m256i v) {
    return _mm256_or_si256(_mm256_add_epi32(v, v), _mm256_srli_epi32(v, 31));
}
ZN_INLINE __m256i rol64(__m256i v) {
    return _mm256_or_si256(_mm256_add_epi64(v, v), _mm256_srli_epi64(v, 63));
}
ZN_INLINE __m256i ror16(__m256i v) {
    return _mm256_or_si256(_mm256_srli_epi16(v, 1), _mm256_slli_epi16(v, 15));
}
ZN_INLINE __m256i ror32(__m256i v) {
    return _mm256_or_si256(_mm256_srli_epi32(v, 1), _mm256_slli_epi32(v, 31));
}
ZN_INLINE __m256i ror64(__m256i v) {
    return _mm256_or_si256(_mm256_srli_epi64(v, 1), _mm256_slli_epi64(v, 63));
}

/* 32 words of 16 bits to their low and their high bytes. */
ZN_INLINE void split16_block(const uint8_t *src, unsigned rot, __m256i z[2]) {
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
    __m256i v[2];
    for (unsigned k = 0; k < 2; k++) {
        v[k] = load_halves(src + 16 * k, 32);
        v[k] = _mm256_shuffle_epi8(rot ? rol16(v[k]) : v[k], order);
    }
    z[0] = _mm256_unpacklo_epi64(v[0], v[1]);
    z[1] = _mm256_unpackhi_epi64(v[0], v[1]);
}

ZN_INLINE void merge16_block(const __m256i z[2], unsigned rot, uint8_t *out) {
    for (unsigned k = 0; k < 2; k++) {
        const __m256i v = k ? _mm256_unpackhi_epi8(z[0], z[1]) : _mm256_unpacklo_epi8(z[0], z[1]);
        store_halves(out + 16 * k, 32, rot ? ror16(v) : v);
    }
}

ZN_INLINE void split16(const uint8_t *src, size_t n, uint8_t *const *planes, unsigned rot) {
    uint8_t *rest[2];
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        __m256i z[2];
        split16_block(src + 2 * i, rot, z);
        for (unsigned p = 0; p < 2; p++) store(planes[p] + i, z[p]);
    }
    for (unsigned p = 0; p < 2; p++) rest[p] = planes[p] + i;
    plain_split16(src + 2 * i, n - i, rest, rot);
}

ZN_INLINE void merge16(const uint8_t *const *planes, size_t n, uint8_t *out, unsigned rot) {
    const uint8_t *rest[2];
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        const __m256i z[2] = {load(planes[0] + i), load(planes[1] + i)};
        merge16_block(z, rot, out + 2 * i);
    }
    for (unsigned p = 0; p < 2; p++) rest[p] = planes[p] + i;
    plain_merge16(rest, n - i, out + 2 * i, rot);
}

ZN_INLINE void split32(const uint8_t *src, size_t n, uint8_t *const *planes, unsigned rot) {
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    uint8_t *rest[4];
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        __m256i v[4];
        for (unsigned k = 0; k < 4; k++) {
            v[k] = load_halves(src + 4 * i + 16 * k, 64);
            v[k] = _mm256_shuffle_epi8(rot ? rol32(v[k]) : v[k], order);
        }
        const __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpackhi_epi32(v[0], v[1]);
        const __m256i c = _mm256_unpacklo_epi32(v[2], v[3]), d = _mm256_unpackhi_epi32(v[2], v[3]);
        store(planes[0] + i, _mm256_unpacklo_epi64(a, c));
        store(planes[1] + i, _mm256_unpackhi_epi64(a, c));
        store(planes[2] + i, _mm256_unpacklo_epi64(b, d));
        store(planes[3] + i, _mm256_unpackhi_epi64(b, d));
    }
    for (unsigned p = 0; p < 4; p++) rest[p] = planes[p] + i;
    plain_split32(src + 4 * i, n - i, rest, rot);
}

ZN_INLINE void merge32(const uint8_t *const *planes, size_t n, uint8_t *out, unsigned rot) {
    const uint8_t *rest[4];
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        const __m256i p0 = load(planes[0] + i), p1 = load(planes[1] + i), p2 = load(planes[2] + i),
                      p3 = load(planes[3] + i);
        const __m256i a = _mm256_unpacklo_epi8(p0, p1), b = _mm256_unpackhi_epi8(p0, p1);
        const __m256i c = _mm256_unpacklo_epi8(p2, p3), d = _mm256_unpackhi_epi8(p2, p3);
        const __m256i v[4] = {_mm256_unpacklo_epi16(a, c), _mm256_unpackhi_epi16(a, c), _mm256_unpacklo_epi16(b, d),
                              _mm256_unpackhi_epi16(b, d)};
        for (unsigned k = 0; k < 4; k++) store_halves(out + 4 * i + 16 * k, 64, rot ? ror32(v[k]) : v[k]);
    }
    for (unsigned p = 0; p < 4; p++) rest[p] = planes[p] + i;
    plain_merge32(rest, n - i, out + 4 * i, rot);
}

/* Interleaves the bytes of vectors 4 apart, `rounds` times. Within halves, a byte's vector and place are an index of 3
 * + 4 bits, which each round turns left by one: 3 rounds take (plane, element) to (element, plane), 4 more take it
 * back. */
ZN_INLINE void interleave8(__m256i z[8], unsigned rounds) {
    for (unsigned r = 0; r < rounds; r++) {
        __m256i v[8];
        for (unsigned k = 0; k < 4; k++) {
            v[2 * k] = _mm256_unpacklo_epi8(z[k], z[k + 4]);
            v[2 * k + 1] = _mm256_unpackhi_epi8(z[k], z[k + 4]);
        }
        for (unsigned k = 0; k < 8; k++) z[k] = v[k];
    }
}

ZN_INLINE void split64(const uint8_t *src, size_t n, uint8_t *const *planes, unsigned rot) {
    uint8_t *rest[8];
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        __m256i z[8];
        for (unsigned k = 0; k < 8; k++) {
            z[k] = load_halves(src + 8 * i + 16 * k, 128);
            if (rot) z[k] = rol64(z[k]);
        }
        interleave8(z, 4);
        for (unsigned p = 0; p < 8; p++) store(planes[p] + i, z[p]);
    }
    for (unsigned p = 0; p < 8; p++) rest[p] = planes[p] + i;
    plain_split64(src + 8 * i, n - i, rest, rot);
}

ZN_INLINE void merge64(const uint8_t *const *planes, size_t n, uint8_t *out, unsigned rot) {
    const uint8_t *rest[8];
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        __m256i z[8];
        for (unsigned p = 0; p < 8; p++) z[p] = load(planes[p] + i);
        interleave8(z, 3);
        for (unsigned k = 0; k < 8; k++) store_halves(out + 8 * i + 16 * k, 128, rot ? ror64(z[k]) : z[k]);
    }
    for (unsigned p = 0; p < 8; p++) rest[p] = planes[p] + i;
    plain_merge64(rest, n - i, out + 8 * i, rot);
}

ZN_FN void split_f16(const uint8_t *src, size_t n, uint8_t *const *planes) {
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        uint64_t mask[3] = {0, 0, 0};
        for (unsigned half = 0; half < 64; half += 32) {
            __m256i z[2];
            split16_block(src + 2 * (i + half), 1, z);
            store(planes[0] + i + half, z[0]);
            store(planes[2] + i + half, _mm256_and_si256(_mm256_srli_epi16(z[1], 3), _mm256_set1_epi8(31)));
            for (int b = 0; b < 3; b++)
                mask[b] |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(z[1], 5 + b)) << half;
        }
        memcpy(planes[1] + i / 64 * 24, mask, sizeof mask);
    }
    if (i < n) plain_split_f16_group(src + 2 * i, n - i, planes[0] + i, planes[1] + i / 64 * 24, planes[2] + i);
}

/* `value` in the bytes whose bit is set. */
ZN_INLINE __m256i spread_bits(uint32_t bits, char value) {
    const __m256i byte_of = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte_of), bit_of);
    return _mm256_and_si256(_mm256_cmpeq_epi8(v, bit_of), _mm256_set1_epi8(value));
}

ZN_FN void cached_merge_f16(const uint8_t *const *planes, size_t n, uint8_t *out) {
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        for (unsigned half = 0; half < 64; half += 32) {
            const __m256i top = _mm256_slli_epi16(load(planes[2] + i + half), 3);
            __m256i z[2] = {load(planes[0] + i + half), _mm256_and_si256(top, _mm256_set1_epi8((char)0xf8))};
            for (unsigned b = 0; b < 3; b++) {
                uint32_t bits;
                memcpy(&bits, planes[1] + i / 64 * 24 + 8 * b + half / 8, sizeof bits);
                z[1] = _mm256_or_si256(z[1], spread_bits(bits, (char)(4 >> b)));
            }
            merge16_block(z, 1, out + 2 * (i + half));
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

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* The symbols that have a class other than the last. A coder lists few, and then one comparison for each beats a
 * look-up for every byte. */
struct listed {
    unsigned n;
    bool in_order; /* class_of[i] == i */
    uint8_t sym[32], class_of[32];
    bool near;           /* all lie within 16 of the first, as exponents do; then ... */
    uint8_t pair[8][16]; /* ... by a symbol's distance from it: 1 for number 2 j of the list, 16 for the next */
};

/* False when there are too many. */
ZN_FN bool list_symbols(struct listed *listed, const uint8_t *class_of) {
    listed->n = 0;
    listed->in_order = true;
    for (unsigned s = 0; s < 256; s++) {
        if (class_of[s] == ZN_R16_CLASSES - 1) continue;
        if (listed->n == sizeof listed->sym) return false;
        listed->in_order &= class_of[s] == listed->n;
        listed->sym[listed->n] = (uint8_t)s;
        listed->class_of[listed->n++] = class_of[s];
    }
    return true;
}

ZN_FN void pair_symbols(struct listed *listed) {
    const unsigned n = listed->n;
    listed->near = n > 0 && n <= 16 && listed->sym[n - 1] - listed->sym[0] < 16;
    memset(listed->pair, 0, sizeof listed->pair);
    for (unsigned i = 0; listed->near && i < n; i++)
        listed->pair[i / 2][listed->sym[i] - listed->sym[0]] = i % 2 ? 16 : 1;
}

/* How many of n symbols lie in groups that are counted. */
ZN_FN uint32_t n_counted(size_t n, unsigned step) {
    const size_t groups = n / 64;
    return (uint32_t)((groups + step - 1) / step * 64 + (groups % step == 0 ? n % 64 : 0));
}

/* How many bytes of every `stride`-th group of 64 equal `symbol`; len is a multiple of 64. */
ZN_INLINE uint32_t count_symbol(const uint8_t *p, size_t len, size_t stride, __m256i symbol) {
    const size_t burst = 127 * stride; /* byte counters hold 2 * 127 */
    __m256i total = _mm256_setzero_si256();
    for (size_t i = 0; i < len;) {
        const size_t end = ZN_MIN(len - i, burst) + i;
        __m256i count = _mm256_setzero_si256();
        for (; i < end; i += stride) {
            count = _mm256_sub_epi8(count, _mm256_cmpeq_epi8(load(p + i), symbol));
            count = _mm256_sub_epi8(count, _mm256_cmpeq_epi8(load(p + i + 32), symbol));
        }
        total = _mm256_add_epi64(total, _mm256_sad_epu8(count, _mm256_setzero_si256()));
    }
    const __m128i sum = _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
    return (uint32_t)(_mm_cvtsi128_si64(sum) + _mm_extract_epi64(sum, 1));
}

ZN_FN void class_hist_block(const uint8_t *p, size_t n, const struct listed *listed, const uint8_t *class_of,
                            unsigned step, uint16_t *hist) {
    const size_t whole = n / 64 * 64, stride = 64 * (size_t)step;
    uint32_t count[ZN_R16_CLASSES] = {0}, rest = n_counted(whole, step);
    for (unsigned s = 0; s < listed->n; s++) {
        const uint32_t sum = count_symbol(p, whole, stride, _mm256_set1_epi8((char)listed->sym[s]));
        count[listed->class_of[s]] += sum;
        rest -= sum;
    }
    count[ZN_R16_CLASSES - 1] += rest;
    if (whole % stride == 0)
        for (size_t i = whole; i < n; i++) count[class_of[p[i]]]++;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) hist[c] = (uint16_t)count[c];
}

/* How many of the 128 bytes of v equal `symbol`, in parts: the low 16 bits of each quarter. */
ZN_INLINE __m256i count_128(const __m256i v[4], uint8_t symbol) {
    const __m256i s = _mm256_set1_epi8((char)symbol);
    const __m256i a = _mm256_add_epi8(_mm256_cmpeq_epi8(v[0], s), _mm256_cmpeq_epi8(v[1], s));
    const __m256i b = _mm256_add_epi8(_mm256_cmpeq_epi8(v[2], s), _mm256_cmpeq_epi8(v[3], s));
    const __m256i zero = _mm256_setzero_si256();
    return _mm256_sad_epu8(_mm256_sub_epi8(zero, _mm256_add_epi8(a, b)), zero);
}

/* Counts two symbols in the halves of each byte: 128 symbols' distances from the first, 4 to each byte. */
ZN_INLINE __m256i count_pair(const __m256i d[4], const uint8_t *pair) {
    const __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)pair));
    const __m256i a = _mm256_add_epi8(_mm256_shuffle_epi8(t, d[0]), _mm256_shuffle_epi8(t, d[1]));
    return _mm256_add_epi8(a, _mm256_add_epi8(_mm256_shuffle_epi8(t, d[2]), _mm256_shuffle_epi8(t, d[3])));
}

/* The sums of two pairs: words 0 and 1 of either half of each lane. */
ZN_INLINE __m256i sum_pairs(__m256i a, __m256i b) {
    const __m256i both = _mm256_add_epi8(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
    const __m256i half = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    const __m256i low = _mm256_sad_epu8(_mm256_and_si256(both, half), zero);
    const __m256i high = _mm256_sad_epu8(_mm256_and_si256(_mm256_srli_epi16(both, 4), half), zero);
    return _mm256_or_si256(low, _mm256_slli_epi64(high, 16));
}

/* Counts eight symbols, four pairs. */
ZN_INLINE __m128i count_eight(const __m256i d[4], const uint8_t pair[4][16]) {
    const __m256i even = sum_pairs(count_pair(d, pair[0]), count_pair(d, pair[2]));
    const __m256i odd = sum_pairs(count_pair(d, pair[1]), count_pair(d, pair[3]));
    __m256i sum = _mm256_or_si256(even, _mm256_slli_epi64(odd, 32));
    sum = _mm256_add_epi16(sum, _mm256_shuffle_epi32(sum, 0x4e));
    return _mm_unpacklo_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
}

/* Counts the listed symbols among 128 that are near each other and returns how many there are. */
ZN_INLINE unsigned count_near(const __m256i v[4], const struct listed *listed, uint16_t *count) {
    const __m256i first = _mm256_set1_epi8((char)listed->sym[0]);
    __m256i d[4];
    for (unsigned k = 0; k < 4; k++) /* a byte shuffle yields 0 where the top bit is set */
        d[k] = _mm256_adds_epu8(_mm256_sub_epi8(v[k], first), _mm256_set1_epi8(0x70));
    const __m128i low = count_eight(d, listed->pair), high = count_eight(d, listed->pair + 4);
    _mm_storeu_si128((void *)count, low);
    _mm_storeu_si128((void *)(count + 8), high);
    __m128i all = _mm_madd_epi16(_mm_add_epi16(low, high), _mm_set1_epi16(1));
    all = _mm_add_epi32(all, _mm_shuffle_epi32(all, 0x4e));
    return (unsigned)(_mm_cvtsi128_si32(all) + _mm_extract_epi32(all, 1));
}

/* Any listed symbols. Four symbols' parts lie side by side until they are added up. Entries of `listed` past its last
 * are zeros. */
ZN_INLINE unsigned count_far(const __m256i v[4], const struct listed *listed, uint16_t *count) {
    __m128i all = _mm_setzero_si128();
    for (unsigned s = 0; s < listed->n; s += 4) {
        __m256i parts = count_128(v, listed->sym[s]);
        for (int k = 1; k < 4; k++)
            parts = _mm256_or_si256(parts, _mm256_slli_epi64(count_128(v, listed->sym[s + (unsigned)k]), 16 * k));
        __m128i sum = _mm_add_epi16(_mm256_castsi256_si128(parts), _mm256_extracti128_si256(parts, 1));
        sum = _mm_add_epi16(sum, _mm_unpackhi_epi64(sum, sum));
        if (listed->n - s < 4) sum = _mm_and_si128(sum, _mm_cvtsi64_si128((1LL << 16 * (listed->n - s)) - 1));
        all = _mm_add_epi16(all, sum);
        _mm_storel_epi64((void *)&count[s], sum);
    }
    all = _mm_madd_epi16(all, _mm_set1_epi16(1));
    return (unsigned)(_mm_cvtsi128_si32(all) + _mm_extract_epi32(all, 1));
}

/* The symbols of one group of 64 words of `width` bytes, in any order: the top bytes, once rotated, of wider ones. */
ZN_INLINE void load_symbols(const uint8_t *p, unsigned width, __m256i v[2]) {
    const __m256i byte16 = _mm256_set1_epi16(255), byte32 = _mm256_set1_epi32(255);
    for (unsigned k = 0; k < 2; k++, p += 32 * width) {
        __m256i w[2] = {load(p), _mm256_setzero_si256()};
        if (width == 2) {
            for (unsigned i = 0; i < 2; i++) w[i] = _mm256_and_si256(_mm256_srli_epi16(load(p + 32 * i), 7), byte16);
        }
        if (width == 4) {
            __m256i d[4];
            for (unsigned i = 0; i < 4; i++) d[i] = _mm256_and_si256(_mm256_srli_epi32(load(p + 32 * i), 23), byte32);
            for (unsigned i = 0; i < 2; i++) w[i] = _mm256_packus_epi32(d[2 * i], d[2 * i + 1]);
        }
        v[k] = width == 1 ? w[0] : _mm256_packus_epi16(w[0], w[1]);
    }
}

/* A whole block of which two groups are counted, the usual case; they lie `stride` bytes apart. */
ZN_INLINE void class_hist_two(const uint8_t *p, size_t stride, unsigned width, const struct listed *listed,
                              uint16_t *hist) {
    __m256i v[4];
    uint16_t count[ZN_R16_CLASSES], *const to = listed->in_order ? hist : count;
    load_symbols(p, width, v);
    load_symbols(p + stride, width, v + 2);
    store(to, _mm256_setzero_si256());
    store(to + 16, _mm256_setzero_si256());
    const unsigned rest = 128 - (listed->near ? count_near(v, listed, to) : count_far(v, listed, to));
    if (!listed->in_order) {
        memset(hist, 0, sizeof count);
        for (unsigned s = 0; s < listed->n; s++)
            hist[listed->class_of[s]] = (uint16_t)(hist[listed->class_of[s]] + count[s]);
    }
    hist[ZN_R16_CLASSES - 1] = (uint16_t)rest; /* which is no listed symbol's */
}

/* Counts the whole blocks of n words of which two groups are counted and returns how many words these are. */
ZN_INLINE size_t class_hist_usual(const uint8_t *src, size_t n, unsigned width, unsigned block_log2,
                                  const struct listed *listed, unsigned step, uint16_t (*hist)[ZN_R16_CLASSES]) {
    const size_t block = (size_t)1 << block_log2, stride = 64 * (size_t)step;
    if (block != 2 * stride) return 0;
    for (size_t b = 0; b < n >> block_log2; b++)
        class_hist_two(src + (b << block_log2) * width, stride * width, width, listed, hist[b]);
    return n >> block_log2 << block_log2;
}

ZN_FN void class_hist(const uint8_t *plane, size_t n, unsigned block_log2, const uint8_t *class_of, unsigned n_classes,
                      unsigned step, uint16_t (*hist)[ZN_R16_CLASSES]) {
    struct listed listed = {.n = 0};
    if (!list_symbols(&listed, class_of)) {
        plain_class_hist(plane, n, block_log2, class_of, n_classes, step, hist);
        return;
    }
    const size_t block = (size_t)1 << block_log2;
    pair_symbols(&listed);
    for (size_t i = class_hist_usual(plane, n, 1, block_log2, &listed, step, hist); i < n; i += block)
        class_hist_block(plane + i, ZN_MIN(block, n - i), &listed, class_of, step, hist[i >> block_log2]);
}

ZN_CLASS_HIST(any_16r, sample_16r, class_hist, 2, 2)
ZN_CLASS_HIST(any_32r, sample_32r, class_hist, 4, 4)

/* Counting words without splitting them: the usual blocks, then the rest. */
#define CLASS_HIST(suffix, width)                                                                              \
    ZN_FN void class_hist_##suffix(const uint8_t *src, size_t n, unsigned block_log2, const uint8_t *class_of, \
                                   unsigned n_classes, unsigned step, uint16_t(*hist)[ZN_R16_CLASSES]) {       \
        struct listed listed = {.n = 0};                                                                       \
        size_t i = 0;                                                                                          \
        if (list_symbols(&listed, class_of)) {                                                                 \
            pair_symbols(&listed);                                                                             \
            i = class_hist_usual(src, n, width, block_log2, &listed, step, hist);                              \
        }                                                                                                      \
        if (i < n)                                                                                             \
            class_hist_any_##suffix(src + i * (width), n - i, block_log2, class_of, n_classes, step,           \
                                    hist + (i >> block_log2));                                                 \
    }
CLASS_HIST(16r, 2)
CLASS_HIST(32r, 4)
ZN_CLASS_HIST(f16, sample_f16, class_hist, 2, 3)

/* The least of 8. */
ZN_INLINE uint32_t least(__m256i v) {
    __m128i m = _mm_min_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_min_epu32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_min_epu32(m, _mm_shuffle_epi32(m, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

/* Lists the pairs of classes that occur in any block, about half of them in a plane of exponents. */
ZN_FN unsigned list_pairs(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, uint8_t *used) {
    __m256i low = _mm256_setzero_si256(), high = low;
    for (size_t b = 0; b < n_blocks; b++) {
        low = _mm256_or_si256(low, load(hist[b]));
        high = _mm256_or_si256(high, load(hist[b] + 16));
    }
    uint32_t any[ZN_R16_CLASSES / 2];
    unsigned n = 0;
    store(any, low);
    store(any + 8, high);
    for (unsigned c = 0; c < ZN_R16_CLASSES / 2; c++)
        if (any[c]) used[n++] = (uint8_t)c;
    return n;
}

/* A lane holds the sum of one table. Counts and costs are multiplied in pairs as signed 16-bit numbers; a block with a
 * count beyond these goes the plain way. Sums stay below 2^28, which leaves room for the lane's index below them. */
ZN_FN void assign(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, const uint16_t (*cost)[ZN_R16_CLASSES],
                  unsigned n_tables, uint8_t *ids) {
    uint32_t pairs[ZN_R16_CLASSES / 2][ZN_R16_MAX_TABLES];
    uint8_t used[ZN_R16_CLASSES / 2];
    const unsigned n_used = list_pairs(hist, n_blocks, used);
    transpose_costs(cost, n_tables, pairs);
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                  lanes8 = _mm256_add_epi32(lanes, _mm256_set1_epi32(8));
    for (size_t b = 0; b < n_blocks; b++) {
        if ((unsigned)_mm256_movemask_epi8(_mm256_or_si256(load(hist[b]), load(hist[b] + 16))) & 0xaaaaaaaau) {
            plain_assign(hist + b, 1, cost, n_tables, ids + b);
            continue;
        }
        __m256i sum = _mm256_setzero_si256(), sum8 = sum;
        for (unsigned i = 0; i < n_used; i++) {
            const unsigned c = used[i];
            int32_t counts;
            memcpy(&counts, &hist[b][2 * c], sizeof counts);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_set1_epi32(counts), load(pairs[c])));
            sum8 = _mm256_add_epi32(sum8, _mm256_madd_epi16(_mm256_set1_epi32(counts), load(pairs[c] + 8)));
        }
        sum = _mm256_or_si256(_mm256_slli_epi32(sum, 4), lanes);
        sum8 = _mm256_or_si256(_mm256_slli_epi32(sum8, 4), lanes8);
        ids[b] = least(_mm256_min_epu32(sum, sum8)) & 15;
    }
}

const struct zn_kernels zn_kernels_avx2 = {
    .name = "avx2",
    .r16_decode = zn_r16_decode_avx2,
    .r16_decode_16r = zn_r16_decode_16r_avx2,
    .r16_decode_32r = zn_r16_decode_32r_avx2,
    .r16_decode_halves = zn_r16_decode_halves_avx2,
    .r16_encode = zn_r16_encode_avx2,
    .r16_encode_16r = zn_r16_encode_16r_avx2,
    .r16_encode_32r = zn_r16_encode_32r_avx2,
    .r16_encode_f16 = zn_r16_encode_f16_avx2,
    .r16c_decode = zn_r16c_decode_scalar,
    .r16c_encode = zn_r16c_encode_scalar,
    .r32_decode = zn_r32_decode_scalar,
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
    .byte_hist = plain_byte_hist,
    .assign = assign,
    .hist_weights = plain_hist_weights,
    .hist_sums = plain_hist_sums,
    .pack_bits = pack_bits,
    .unpack_bits = unpack_bits,
    .delta = &zn_delta_kernels_avx2,
    .joint = &zn_joint_kernels_avx2,
    .values = &zn_values_kernels_avx2,
    .xxh3_64 = zn_xxh3_64_avx2,
    .xxh3_64_passing = zn_xxh3_64_passing_avx2,
    .encode_fetches = 4,
    .xxh3_update = zn_xxh3_update_avx2,
};

#endif
