/* The encoding loop of R16 for AVX-512: 64 symbols at a time, of a plane or split off words on the way. */
#ifndef ZN_KERNELS_R16_ENCODE_AVX512_TPL_H
#define ZN_KERNELS_R16_ENCODE_AVX512_TPL_H

#include "base/bytes.h"
#include "kernels/joint/joint_loops.h"
#include "kernels/r16/r16.h"
#include "kernels/r16/r16_avx512_tpl.h"

/* One step of 32 lanes; `class` is looked at in its low 5 bits. *emit: the lanes that put out their low byte. */
AVX512_INLINE __m512i encode_words(const struct zn_r16_codes *t, __m512i x, __m512i class, __mmask32 *emit) {
    __mmask32 k = _mm512_cmpgt_epu16_mask(x, _mm512_permutexvar_epi16(class, _mm512_load_si512(t->top)));
    *emit = k;
    x = _mm512_mask_srli_epi16(x, k, x, 8);
    __m512i q = _mm512_mulhi_epu16(x, _mm512_permutexvar_epi16(class, _mm512_load_si512(t->recip)));
    q = _mm512_srlv_epi16(_mm512_avg_epu16(x, q), _mm512_permutexvar_epi16(class, _mm512_load_si512(t->shift)));
    x = _mm512_add_epi16(x, _mm512_permutexvar_epi16(class, _mm512_load_si512(t->first)));
    return _mm512_add_epi16(x, _mm512_mullo_epi16(q, _mm512_permutexvar_epi16(class, _mm512_load_si512(t->rest))));
}

/* How the classes of symbols are found: by their low 6 bits, by all of them, or, in R16W, by counting from the first
 * symbol of a table. */
enum mapping { BY_SIX, BY_ALL, BY_RANK };

AVX512_INLINE __m512i classes_of(const struct zn_r16_codes *t, const struct class_map *m, __m512i symbols,
                                 enum mapping mapping) {
    if (mapping != BY_RANK) return classes(m, symbols, mapping == BY_ALL);
    return _mm512_min_epu8(_mm512_sub_epi8(symbols, _mm512_set1_epi8((char)t->base)), _mm512_set1_epi8((char)t->last));
}

/* zn_r16w_escape of 64 symbols. */
AVX512_INLINE __m512i escapes_of_symbols(const struct zn_r16_codes *t, __m512i symbols) {
    const __m512i from = _mm512_sub_epi8(symbols, _mm512_set1_epi8((char)t->base));
    const __m512i escape = _mm512_xor_si512(from, _mm512_set1_epi8(-128));
    return _mm512_mask_sub_epi8(escape, _mm512_movepi8_mask(escape), escape, _mm512_set1_epi8((char)t->last));
}

/* One step of 64 lanes. `escapes`: the classes that escape, by byte. */
AVX512_INLINE void encode_group(const struct zn_r16_codes *t, __m512i escapes, const struct class_map *m,
                                struct words *w, __m512i symbols, struct sinks *s, enum mapping mapping) {
    __m512i class = classes_of(t, m, symbols, mapping), low_bytes = planes_of(*w).lo;
    __mmask32 even, odd;
    w->even = encode_words(t, w->even, class, &even);
    w->odd = encode_words(t, w->odd, _mm512_srli_epi16(class, 8), &odd);
    s->out = put_below(s->out, _pdep_u64(even, EVEN_BYTES) | _pdep_u64(odd, ODD_BYTES), low_bytes);
    if (mapping == BY_RANK) symbols = escapes_of_symbols(t, symbols);
    s->esc = put_below(s->esc, _mm512_movepi8_mask(_mm512_permutexvar_epi8(class, escapes)), symbols);
}

/* Words are split by rotations that differ from vector to vector, so that the bytes of a plane lie in a different place
 * of the word in each. Blends gather them, and a permutation puts them in order. In the gathered plane p, place v + p
 * (modulo the width) of word i came from word i of vector v. */
#define PLACES4(b, step) (b), (b) + (step), (b) + 2 * (step), (b) + 3 * (step)
#define PLACES16(b, step) \
    PLACES4(b, step), PLACES4((b) + 4 * (step), step), PLACES4((b) + 8 * (step), step), PLACES4((b) + 12 * (step), step)
#define PLACES32(b, step) PLACES16(b, step), PLACES16((b) + 16 * (step), step)
alignas(64) static const uint8_t order_16r[2][64] = {{PLACES32(0, 2), PLACES32(1, 2)},
                                                     {PLACES32(1, 2), PLACES32(0, 2)}};
alignas(64) static const uint8_t order_32r[4][64] = {
    {PLACES16(0, 4), PLACES16(1, 4), PLACES16(2, 4), PLACES16(3, 4)},
    {PLACES16(1, 4), PLACES16(2, 4), PLACES16(3, 4), PLACES16(0, 4)},
    {PLACES16(2, 4), PLACES16(3, 4), PLACES16(0, 4), PLACES16(1, 4)},
    {PLACES16(3, 4), PLACES16(0, 4), PLACES16(1, 4), PLACES16(2, 4)},
};

AVX512_INLINE __m512i in_order(const uint8_t *order, __m512i gathered) {
    return _mm512_permutexvar_epi8(_mm512_load_si512(order), gathered);
}

/* Splits 64 words of ZN_SHAPE_16R: stores the plane below and returns the one above. */
AVX512_INLINE __m512i take_16r(const uint8_t *src, uint8_t *raw) {
    __m512i a = _mm512_loadu_si512(src), b = _mm512_loadu_si512(src + 64);
    a = _mm512_shldi_epi16(a, a, 1);
    b = _mm512_shldi_epi16(b, b, 9);
    _mm512_storeu_si512(raw, in_order(order_16r[0], even_odd(a, b)));
    return in_order(order_16r[1], even_odd(b, a));
}

/* The lower half of each 32-bit word of one vector, the upper half of the other. */
AVX512_INLINE __m512i low_high(__m512i low, __m512i high) {
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32(0xffff), low, high, 0xca);
}

/* The same for ZN_SHAPE_32R. */
AVX512_INLINE __m512i take_32r(const uint8_t *src, uint8_t *const *raw, size_t i) {
    __m512i a = _mm512_rol_epi32(_mm512_loadu_si512(src), 1), b = _mm512_rol_epi32(_mm512_loadu_si512(src + 64), 9);
    __m512i c = _mm512_rol_epi32(_mm512_loadu_si512(src + 128), 17);
    __m512i d = _mm512_rol_epi32(_mm512_loadu_si512(src + 192), 25);
    __m512i ac = low_high(a, c), ca = low_high(c, a), bd = low_high(b, d), db = low_high(d, b);
    _mm512_storeu_si512(raw[0] + i, in_order(order_32r[0], even_odd(ac, bd)));
    _mm512_storeu_si512(raw[1] + i, in_order(order_32r[1], even_odd(db, ac)));
    _mm512_storeu_si512(raw[2] + i, in_order(order_32r[2], even_odd(ca, db)));
    return in_order(order_32r[3], even_odd(bd, ca));
}

/* The same for ZN_SHAPE_F16. */
AVX512_INLINE __m512i take_f16(const uint8_t *src, uint8_t *raw, uint8_t *masks) {
    const __m512i top = take_16r(src, raw);
    for (unsigned b = 0; b < 3; b++)
        zn_put_u64(masks + 8 * b, _mm512_test_epi8_mask(top, _mm512_set1_epi8((char)(4 >> b))));
    return _mm512_and_si512(_mm512_srli_epi16(top, 3), _mm512_set1_epi8(31));
}

/* Packs 64 numbers of 7 bits, each in the upper bits of a byte, into 56 bytes. Multiply-adds make numbers of 14 and of 28
 * bits, doubled; a rotation brings two of these together in the middle of 64 bits. The store also writes the 8 bytes
 * below `to`, which belong to the group before: groups come from the last to the first. The first group spares them. */
AVX512_INLINE void put_sevens(uint8_t *to, __m512i numbers, bool first) {
    alignas(64) static const uint8_t whole[64] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  1,  2,  3,  4,  5,  6,  8,
                                                  9,  10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 24, 25, 26,
                                                  27, 28, 29, 30, 32, 33, 34, 35, 36, 37, 38, 40, 41, 42, 43, 44,
                                                  45, 46, 48, 49, 50, 51, 52, 53, 54, 56, 57, 58, 59, 60, 61, 62};
    __m512i v = _mm512_maddubs_epi16(numbers, _mm512_set1_epi16((short)0x80ff)); /* times -1 and -128 */
    v = _mm512_madd_epi16(v, _mm512_set1_epi32((int)0xc000ffff));                /* times -1 and -16384 */
    v = _mm512_rolv_epi32(v, _mm512_set1_epi64(INT64_C(31) << 32 | 3));
    v = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(INT64_C(0x3c342c241c140c04)), v);
    v = _mm512_permutexvar_epi8(_mm512_load_si512(whole), v);
    if (first)
        _mm512_mask_storeu_epi8(to - 8, UINT64_MAX << 8, v);
    else
        _mm512_storeu_si512(to - 8, v);
}

/* Splits 64 words into joint symbols, which it returns, and the planes below (joint_loops.h). A lowest bit is set in
 * *beyond where an exponent is 128 or more. */
AVX512_INLINE __m512i take_j16(const uint8_t *src, uint8_t *packed, bool first, __m512i *beyond) {
    __m512i a = _mm512_loadu_si512(src), b = _mm512_loadu_si512(src + 64);
    a = _mm512_shldi_epi16(a, a, 2);
    b = _mm512_shldi_epi16(b, b, 10);
    const __m512i low = in_order(order_16r[0], even_odd(a, b)); /* mantissa, sign, top bit of the exponent */
    *beyond = _mm512_or_si512(*beyond, low);
    put_sevens(packed, low, first);
    return in_order(order_16r[1], even_odd(b, a));
}

AVX512_INLINE __m512i take_j32(const uint8_t *src, uint8_t *const *raw, size_t i, __m512i *beyond) {
    uint8_t third[GROUP];
    uint8_t *const to[3] = {raw[0] + i, raw[1] + i, third};
    const __m512i exponents = take_32r(src, to, 0), upper = _mm512_loadu_si512(third);
    *beyond = _mm512_or_si512(*beyond, _mm512_srli_epi16(exponents, 7)); /* of every byte the lowest bit counts */
    put_sevens(raw[2] + i / 8 * 7, _mm512_add_epi8(upper, upper), i == 0);
    return _mm512_ternarylogic_epi32(_mm512_add_epi8(exponents, exponents), _mm512_srli_epi16(upper, 7),
                                     _mm512_set1_epi8(1), 0xf8); /* a | b & c */
}

/* Packs 64 numbers of 6 bits, each in the upper bits of a byte, into 48 bytes. The store also writes 16 bytes below. */
AVX512_INLINE void put_sixes(uint8_t *to, __m512i numbers, bool first) {
    alignas(64) static const uint8_t whole[64] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
                                                  0,  1,  2,  4,  5,  6,  8,  9,  10, 12, 13, 14, 16, 17, 18, 20,
                                                  21, 22, 24, 25, 26, 28, 29, 30, 32, 33, 34, 36, 37, 38, 40, 41,
                                                  42, 44, 45, 46, 48, 49, 50, 52, 53, 54, 56, 57, 58, 60, 61, 62};
    __m512i v = _mm512_and_si512(_mm512_srli_epi16(numbers, 2), _mm512_set1_epi8(63));
    v = _mm512_maddubs_epi16(v, _mm512_set1_epi16(0x4001));  /* times 1 and 64 */
    v = _mm512_madd_epi16(v, _mm512_set1_epi32(0x10000001)); /* times 1 and 4096 */
    v = _mm512_permutexvar_epi8(_mm512_load_si512(whole), v);
    if (first)
        _mm512_mask_storeu_epi8(to - 16, UINT64_MAX << 16, v);
    else
        _mm512_storeu_si512(to - 16, v);
}

/* Of symbols with two bits of the mantissa. `low` has bit 7 of the exponent in bit 1, and bit 6 in bit 0. A lowest bit is
 * set in *beyond where the former is set or the latter is not what the symbol says. */
AVX512_INLINE __m512i beyond_two(__m512i beyond, __m512i low, __m512i symbols) {
    const __m512i one = _mm512_set1_epi8(1);
    const __m512i above = _mm512_min_epu8(_mm512_and_si512(_mm512_srli_epi16(symbols, 2), _mm512_set1_epi8(63)), one);
    const __m512i wrong = _mm512_or_si512(_mm512_xor_si512(low, above), _mm512_srli_epi16(low, 1));
    return _mm512_ternarylogic_epi32(beyond, wrong, one, 0xf8); /* a | b & c */
}

AVX512_INLINE __m512i take_j2_16(const uint8_t *src, uint8_t *packed, bool first, __m512i *beyond) {
    __m512i a = _mm512_loadu_si512(src), b = _mm512_loadu_si512(src + 64);
    a = _mm512_shldi_epi16(a, a, 3);
    b = _mm512_shldi_epi16(b, b, 11);
    const __m512i low = in_order(order_16r[0], even_odd(a, b)), symbols = in_order(order_16r[1], even_odd(b, a));
    *beyond = beyond_two(*beyond, low, symbols);
    put_sixes(packed, low, first);
    return symbols;
}

AVX512_INLINE __m512i take_j2_32(const uint8_t *src, uint8_t *const *raw, size_t i, __m512i *beyond) {
    uint8_t third[GROUP];
    uint8_t *const to[3] = {raw[0] + i, raw[1] + i, third};
    const __m512i exponents = take_32r(src, to, 0), upper = _mm512_loadu_si512(third);
    const __m512i lowest = _mm512_set1_epi8(3), top = _mm512_and_si512(_mm512_srli_epi16(exponents, 6), lowest);
    const __m512i symbols = _mm512_ternarylogic_epi32(lowest, _mm512_srli_epi16(upper, 6),
                                                      _mm512_slli_epi16(exponents, 2), 0xca); /* a ? b : c */
    *beyond = beyond_two(*beyond, top, symbols);
    put_sixes(raw[2] + i / 8 * 6, _mm512_slli_epi16(upper, 2), i == 0);
    return symbols;
}

AVX512_INLINE __m512i take_jf16(const uint8_t *src, uint8_t *raw, uint8_t *pairs) {
    const __m512i top = take_16r(src, raw);
    __m512i v = _mm512_maddubs_epi16(_mm512_and_si512(top, _mm512_set1_epi8(3)), _mm512_set1_epi16(0x0401));
    v = _mm512_madd_epi16(v, _mm512_set1_epi32(0x00100001));
    _mm_storeu_si128((void *)pairs, _mm512_cvtepi32_epi8(v));
    return _mm512_and_si512(_mm512_srli_epi16(top, 2), _mm512_set1_epi8(63));
}

/* Where symbols come from: a plane (width 1), or words of `width` bytes that are split on the way. */
enum split { PLAIN, MASKED_F16, JOINTLY, JOINTLY_F16, JOINTLY2 };

struct source {
    const uint8_t *at;
    uint8_t *raw[3]; /* the planes below the symbols' */
};

AVX512_INLINE __m512i take(const struct source *from, size_t i, size_t width, enum split split, __m512i *beyond) {
    if (width == 1) return _mm512_loadu_si512(from->at + i);
    if (split == MASKED_F16) return take_f16(from->at + 2 * i, from->raw[0] + i, from->raw[1] + i / GROUP * 24);
    if (split == JOINTLY_F16) return take_jf16(from->at + 2 * i, from->raw[0] + i, from->raw[1] + i / 4);
    if (split == JOINTLY && width == 2) return take_j16(from->at + 2 * i, from->raw[0] + i / 8 * 7, i == 0, beyond);
    if (split == JOINTLY) return take_j32(from->at + 4 * i, from->raw, i, beyond);
    if (split == JOINTLY2 && width == 2) return take_j2_16(from->at + 2 * i, from->raw[0] + i / 8 * 6, i == 0, beyond);
    if (split == JOINTLY2) return take_j2_32(from->at + 4 * i, from->raw, i, beyond);
    if (width == 2) return take_16r(from->at + 2 * i, from->raw[0] + i);
    return take_32r(from->at + 4 * i, from->raw, i);
}

/* Encodes block by block, the last one first: within a block the table stays the same. */
AVX512_INLINE void encode_turns(struct zn_r16_encoder *e, const struct class_map *m, const struct source *from,
                                size_t turns, size_t width, enum split split, enum mapping mapping, __m512i *beyond) {
    static const uint8_t table_0 = 0;
    const uint8_t *ids = e->ids ? e->ids : &table_0;
    const unsigned id_shift = e->ids ? e->block_log2 : 63;
    const struct class_map map = *m;
    struct words w0 = words_of(planes_load(e->state)), w1 = words_of(planes_load(e->state + GROUP));
    struct sinks s = {e->out, e->esc};
    struct zn_ahead ahead = e->ahead;
    struct source at = *from;
    __m512i seen = _mm512_setzero_si512();
    for (size_t end = turns, first; end > 0; end = first) {
        const size_t block = (end - 1) * TURN >> id_shift;
        const struct zn_r16_codes *t = e->tables + ids[block];
        const __m512i escapes = _mm512_movm_epi8(t->escaped);
        first = (block << id_shift) / TURN;
        for (size_t i = end; i-- > first;) {
            encode_group(t, escapes, &map, &w1, take(&at, i * TURN + GROUP, width, split, &seen), &s, mapping);
            encode_group(t, escapes, &map, &w0, take(&at, i * TURN, width, split, &seen), &s, mapping);
            fetch(&ahead);
        }
    }
    planes_store(e->state, planes_of(w0));
    planes_store(e->state + GROUP, planes_of(w1));
    e->out = s.out;
    e->esc = s.esc;
    *beyond = seen;
}

/* Encodes all turns by one of three loops. Words whose joint symbols are those of R16W are always coded by it, other
 * words never. Returns false if joint symbols cannot express an exponent. */
AVX512_INLINE bool encode(struct zn_r16_encoder *e, const struct source *from, size_t turns, size_t width,
                          enum split split) {
    __m512i beyond;
    if (split == JOINTLY2 || (width == 1 && e->slots_log2 == ZN_R16W_SLOTS_LOG2)) {
        encode_turns(e, &(struct class_map){0}, from, turns, width, split, BY_RANK, &beyond);
        return _mm512_test_epi8_mask(beyond, _mm512_set1_epi8(1)) == 0;
    }
    const struct class_map m = class_map_load(e->class_of);
    if (m.collisions)
        encode_turns(e, &m, from, turns, width, split, BY_ALL, &beyond);
    else
        encode_turns(e, &m, from, turns, width, split, BY_SIX, &beyond);
    return _mm512_test_epi8_mask(beyond, _mm512_set1_epi8(1)) == 0;
}

#endif
