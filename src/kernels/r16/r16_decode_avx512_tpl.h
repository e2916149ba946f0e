/* The decoding loop of R16 for AVX-512: 64 symbols at a time, alone or merged to words on the way. */
#ifndef ZN_KERNELS_R16_DECODE_AVX512_TPL_H
#define ZN_KERNELS_R16_DECODE_AVX512_TPL_H

#include <string.h>

#include "base/bytes.h"
#include "kernels/r16/check_avx512.h"
#include "kernels/r16/r16.h"
#include "kernels/r16/r16_avx512_tpl.h"
#include "kernels/r16/r16_feed.h"

/* R16 has 64 slots, a vector of bytes; R16W has 128, two of them. */
enum slots { NARROW = ZN_R16_SLOTS_LOG2, WIDE = ZN_R16W_SLOTS_LOG2 };

/* Looks up the bytes of the chosen lanes; the others become 0. */
AVX512_INLINE __m512i look_up(const uint8_t *table, __mmask64 chosen, __m512i slot, enum slots slots) {
    const __m512i first = _mm512_load_si512(table);
    if (slots == NARROW) return _mm512_maskz_permutexvar_epi8(chosen, slot, first);
    return _mm512_maskz_permutex2var_epi8(chosen, first, slot, _mm512_load_si512(table + 64));
}

/* x = F * (x >> slots_log2) + B; `slot` has the slots of these lanes in its even bytes. */
AVX512_INLINE __m512i update(const struct zn_r16_table *t, __mmask64 even, __m512i x, __m512i slot, enum slots slots) {
    __m512i freq = look_up(t->freq, even, slot, slots), bias = look_up(t->bias, even, slot, slots);
    return _mm512_add_epi16(_mm512_mullo_epi16(_mm512_srli_epi16(x, slots), freq), bias);
}

AVX512_INLINE __m512i symbols_of(const struct zn_r16_table *t, __m512i slot, enum slots slots) {
    const __m512i first = _mm512_load_si512(t->sym);
    if (slots == NARROW) return _mm512_permutexvar_epi8(slot, first);
    return _mm512_permutex2var_epi8(first, slot, _mm512_load_si512(t->sym + 64));
}

/* Finds the symbols of R16W that stand in the stream of escapes by their distance from the table (zn_r16w_escaped). */
AVX512_INLINE __m512i escapes_of(const struct zn_r16_table *t, __mmask64 escaped, __m512i stream) {
    const __m512i e = _mm512_maskz_expand_epi8(escaped, stream);
    const __m512i sym = _mm512_add_epi8(e, _mm512_set1_epi8((char)(t->base - 128)));
    return _mm512_mask_add_epi8(sym, _mm512_movepi8_mask(e), sym, _mm512_set1_epi8((char)t->last));
}

/* Decodes the next 64 symbols; 64 bytes are readable at both cursors. */
AVX512_INLINE __m512i group(const struct zn_r16_table *t, __m512i esc_mark, __mmask64 even, struct planes *p,
                            struct zn_r16_cursors *c, enum slots slots) {
    __m512i sym = symbols_of(t, p->lo, slots);
    __mmask64 escaped = _mm512_cmpeq_epi8_mask(sym, esc_mark);
    if (slots == NARROW)
        sym = _mm512_mask_expand_epi8(sym, escaped, _mm512_loadu_si512(c->esc));
    else
        sym = _mm512_mask_mov_epi8(sym, escaped, escapes_of(t, escaped, _mm512_loadu_si512(c->esc)));
    c->esc += _mm_popcnt_u64(escaped);

    struct words w = words_of(*p);
    w.even = update(t, even, w.even, p->lo, slots);
    w.odd = update(t, even, w.odd, _mm512_srli_epi16(p->lo, 8), slots);
    struct planes q = planes_of(w);
    __mmask64 low = _mm512_testn_epi8_mask(q.hi, q.hi);
    p->hi = _mm512_mask_mov_epi8(q.hi, low, q.lo);
    p->lo = _mm512_mask_expand_epi8(q.lo, low, _mm512_loadu_si512(c->in));
    c->in += _mm_popcnt_u64(low);
    return sym;
}

/* What the output is made of.
 *     BYTES: symbols, and whole planes below them.
 *     MASKED: fp16; three masks of bits lie between symbols and bytes.
 *     JOINT, JOINT2: joint symbols (joint_loops.h); the last plane below is packed, 7 or 6 bits an element.
 *     JOINT_F16: joint symbols of fp16; pairs of bits lie between symbols and bytes.
 *     HALVES: a symbol and packed low bits make a byte. */
enum form { BYTES, MASKED, JOINT, JOINT_F16, HALVES, JOINT2 };

/* Returns how many bytes of plane p below the symbols a group uses. */
AVX512_INLINE size_t group_len(size_t width, enum form form, size_t p) {
    if (p + 2 != width) return GROUP;
    return form == JOINT ? GROUP / 8 * 7 : form == JOINT2 ? GROUP / 8 * 6 : GROUP;
}

/* How words go to memory. CACHED: by ordinary stores. The others bypass the caches in whole lines: ALIGNED, where `out`
 * begins a line; SHIFTED, where a line begins a multiple of four words further on (struct shift); STAGED, where it
 * begins anywhere, through a buffer (struct stage). */
enum way { CACHED, ALIGNED, SHIFTED, STAGED };

AVX512_INLINE void put_line(uint8_t *out, __m512i line, enum way way) {
    if (way == ALIGNED)
        _mm512_stream_si512((void *)out, line);
    else
        _mm512_storeu_si512(out, line);
}

/* The order that the dwords of 64 symbols must have, so that unpacking them with the planes below gives words in
 * order. */
alignas(64) static const uint32_t order_1[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
alignas(64) static const uint32_t order_2[16] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
alignas(64) static const uint32_t order_4[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};

AVX512_INLINE __m512i in_dwords(const uint32_t *order, __m512i bytes) {
    return _mm512_permutexvar_epi32(_mm512_load_si512(order), bytes);
}

/* Merges 64 symbols, in order, with their raw bytes into the words that ZN_SHAPE_16R came from. */
AVX512_INLINE void put_16r(uint8_t *out, const uint8_t *raw, __m512i symbols, enum way way) {
    __m512i lo = in_dwords(order_2, _mm512_loadu_si512(raw));
    __m512i a = _mm512_unpacklo_epi8(lo, symbols), b = _mm512_unpackhi_epi8(lo, symbols);
    put_line(out, _mm512_shrdi_epi16(a, a, 1), way);
    put_line(out + 64, _mm512_shrdi_epi16(b, b, 1), way);
}

/* The same for ZN_SHAPE_32R. Unpacking twice leaves word 16 j + 4 l + i at place 4 l + i of vector j if dword l of each
 * 16 bytes came from dword 4 j + l: a transposition of dwords first. */
AVX512_INLINE void put_32r(uint8_t *out, const uint8_t *const *raw, __m512i symbols, enum way way) {
    __m512i b0 = in_dwords(order_4, _mm512_loadu_si512(raw[0]));
    __m512i b1 = in_dwords(order_4, _mm512_loadu_si512(raw[1]));
    __m512i b2 = in_dwords(order_4, _mm512_loadu_si512(raw[2]));
    __m512i low_a = _mm512_unpacklo_epi8(b0, b1), low_b = _mm512_unpackhi_epi8(b0, b1);
    __m512i high_a = _mm512_unpacklo_epi8(b2, symbols), high_b = _mm512_unpackhi_epi8(b2, symbols);
    put_line(out, _mm512_ror_epi32(_mm512_unpacklo_epi16(low_a, high_a), 1), way);
    put_line(out + 64, _mm512_ror_epi32(_mm512_unpackhi_epi16(low_a, high_a), 1), way);
    put_line(out + 128, _mm512_ror_epi32(_mm512_unpacklo_epi16(low_b, high_b), 1), way);
    put_line(out + 192, _mm512_ror_epi32(_mm512_unpackhi_epi16(low_b, high_b), 1), way);
}

/* Spreads 64 numbers of 7 bits over bytes, each shifted up by one. `bytes` says which 8 bytes each quadword takes,
 * which also puts dwords in order; `bits` says where in these a number begins, less one. The second of two such tables
 * is for lines that begin four words into eight (struct shift), in the middle of a byte. */
struct sevens {
    alignas(64) uint8_t bytes[64], bits[64];
};

#define SEVEN(first) (first), (first) + 1, (first) + 2, (first) + 3, (first) + 4, (first) + 5, (first) + 6, (first) + 7
#define EIGHT_BITS(first) \
    ((first) + 63) % 64, (first) + 6, (first) + 13, (first) + 20, (first) + 27, (first) + 34, (first) + 41, (first) + 48
#define EIGHT_TIMES(eight) eight, eight, eight, eight, eight, eight, eight, eight
static const struct sevens sevens_2[2] = {
    {{SEVEN(0), SEVEN(28), SEVEN(7), SEVEN(35), SEVEN(14), SEVEN(42), SEVEN(21), SEVEN(49)},
     {EIGHT_TIMES(EIGHT_BITS(0))}},
    {{SEVEN(0), SEVEN(28), SEVEN(7), SEVEN(35), SEVEN(14), SEVEN(42), SEVEN(21), SEVEN(49)},
     {EIGHT_TIMES(EIGHT_BITS(4))}},
};

/* The numbers of even dwords begin with a byte, those of odd dwords in the middle of one. */
#define FOUR(first) (first), (first) + 1, (first) + 2, (first) + 3
#define FOURS(first) \
    ((first) + 63) % 64, (first) + 6, (first) + 13, (first) + 20, (first) + 31, (first) + 38, (first) + 45, (first) + 52
#define WHOLE_FOURS FOURS(0)
#define HALF_FOURS FOURS(4)
static const struct sevens sevens_4[2] = {
    {{FOUR(0), FOUR(14), FOUR(28), FOUR(42), FOUR(3), FOUR(17), FOUR(31), FOUR(45), FOUR(7), FOUR(21), FOUR(35),
      FOUR(49), FOUR(10), FOUR(24), FOUR(38), FOUR(52)},
     {WHOLE_FOURS, WHOLE_FOURS, HALF_FOURS, HALF_FOURS, WHOLE_FOURS, WHOLE_FOURS, HALF_FOURS, HALF_FOURS}},
    {{FOUR(0), FOUR(14), FOUR(28), FOUR(42), FOUR(4), FOUR(18), FOUR(32), FOUR(46), FOUR(7), FOUR(21), FOUR(35),
      FOUR(49), FOUR(11), FOUR(25), FOUR(39), FOUR(53)},
     {HALF_FOURS, HALF_FOURS, WHOLE_FOURS, WHOLE_FOURS, HALF_FOURS, HALF_FOURS, WHOLE_FOURS, WHOLE_FOURS}},
};

AVX512_INLINE __m512i unpack_sevens(const struct sevens *s, const uint8_t *packed) {
    __m512i bytes = _mm512_loadu_si512(packed);
    bytes = _mm512_permutexvar_epi8(_mm512_load_si512(s->bytes), bytes);
    bytes = _mm512_multishift_epi64_epi8(_mm512_load_si512(s->bits), bytes);
    return _mm512_and_si512(bytes, _mm512_set1_epi8((char)0xfe));
}

/* Joint symbols with the bits below: word = sign | symbol << 6 | mantissa. */
AVX512_INLINE void put_j16(uint8_t *out, const uint8_t *packed, __m512i symbols, bool half, enum way way) {
    const __m512i low = unpack_sevens(&sevens_2[half], packed);
    __m512i a = _mm512_unpacklo_epi8(low, symbols), b = _mm512_unpackhi_epi8(low, symbols);
    put_line(out, _mm512_shrdi_epi16(a, a, 2), way);
    put_line(out + 64, _mm512_shrdi_epi16(b, b, 2), way);
}

AVX512_INLINE void put_j32(uint8_t *out, const uint8_t *const *raw, __m512i symbols, bool half, enum way way) {
    __m512i b0 = in_dwords(order_4, _mm512_loadu_si512(raw[0]));
    __m512i b1 = in_dwords(order_4, _mm512_loadu_si512(raw[1])), b2 = unpack_sevens(&sevens_4[half], raw[2]);
    __m512i low_a = _mm512_unpacklo_epi8(b0, b1), low_b = _mm512_unpackhi_epi8(b0, b1);
    __m512i high_a = _mm512_srli_epi16(_mm512_unpacklo_epi8(b2, symbols), 1);
    __m512i high_b = _mm512_srli_epi16(_mm512_unpackhi_epi8(b2, symbols), 1);
    put_line(out, _mm512_ror_epi32(_mm512_unpacklo_epi16(low_a, high_a), 1), way);
    put_line(out + 64, _mm512_ror_epi32(_mm512_unpackhi_epi16(low_a, high_a), 1), way);
    put_line(out + 128, _mm512_ror_epi32(_mm512_unpacklo_epi16(low_b, high_b), 1), way);
    put_line(out + 192, _mm512_ror_epi32(_mm512_unpackhi_epi16(low_b, high_b), 1), way);
}

/* Numbers of 6 bits fill whole bytes by fours, so that one table serves all lines. */
#define SIXES(first) ((first) + 62) % 64, (first) + 4, (first) + 10, (first) + 16
#define EIGHT_SIXES SIXES(0), SIXES(24)
#define TWO_FOURS SIXES(0), SIXES(32)
static const struct sevens sixes_2 = {
    {SEVEN(0), SEVEN(24), SEVEN(6), SEVEN(30), SEVEN(12), SEVEN(36), SEVEN(18), SEVEN(42)},
    {EIGHT_SIXES, EIGHT_SIXES, EIGHT_SIXES, EIGHT_SIXES, EIGHT_SIXES, EIGHT_SIXES, EIGHT_SIXES, EIGHT_SIXES}};
static const struct sevens sixes_4 = {
    {FOUR(0), FOUR(12), FOUR(24), FOUR(36), FOUR(3), FOUR(15), FOUR(27), FOUR(39), FOUR(6), FOUR(18), FOUR(30),
     FOUR(42), FOUR(9), FOUR(21), FOUR(33), FOUR(45)},
    {TWO_FOURS, TWO_FOURS, TWO_FOURS, TWO_FOURS, TWO_FOURS, TWO_FOURS, TWO_FOURS, TWO_FOURS}};

/* Spreads 64 numbers of 6 bits over bytes, each shifted up by two. Below it is the bit above the symbol's, which is set
 * unless the symbol is below 4. */
AVX512_INLINE __m512i unpack_sixes(const struct sevens *s, const uint8_t *packed, __m512i symbols) {
    const __mmask64 above = _mm512_test_epi8_mask(symbols, _mm512_set1_epi8((char)0xfc));
    __m512i bytes = _mm512_loadu_si512(packed);
    bytes = _mm512_permutexvar_epi8(_mm512_load_si512(s->bytes), bytes);
    bytes = _mm512_multishift_epi64_epi8(_mm512_load_si512(s->bits), bytes);
    bytes = _mm512_and_si512(bytes, _mm512_set1_epi8((char)0xfc));
    return _mm512_mask_add_epi8(bytes, above, bytes, _mm512_set1_epi8(1));
}

/* The same with two bits of the mantissa in a symbol. */
AVX512_INLINE void put_j2_16(uint8_t *out, const uint8_t *packed, __m512i symbols, enum way way) {
    const __m512i low = unpack_sixes(&sixes_2, packed, symbols);
    __m512i a = _mm512_unpacklo_epi8(low, symbols), b = _mm512_unpackhi_epi8(low, symbols);
    put_line(out, _mm512_shrdi_epi16(a, a, 3), way);
    put_line(out + 64, _mm512_shrdi_epi16(b, b, 3), way);
}

AVX512_INLINE void put_j2_32(uint8_t *out, const uint8_t *const *raw, __m512i symbols, enum way way) {
    __m512i b0 = in_dwords(order_4, _mm512_loadu_si512(raw[0])), b1 = in_dwords(order_4, _mm512_loadu_si512(raw[1]));
    __m512i b2 = unpack_sixes(&sixes_4, raw[2], symbols);
    __m512i low_a = _mm512_unpacklo_epi8(b0, b1), low_b = _mm512_unpackhi_epi8(b0, b1);
    __m512i high_a = _mm512_unpacklo_epi8(b2, symbols), high_b = _mm512_unpackhi_epi8(b2, symbols);
    high_a = _mm512_shrdi_epi16(high_a, high_a, 2);
    high_b = _mm512_shrdi_epi16(high_b, high_b, 2);
    put_line(out, _mm512_ror_epi32(_mm512_unpacklo_epi16(low_a, high_a), 1), way);
    put_line(out + 64, _mm512_ror_epi32(_mm512_unpackhi_epi16(low_a, high_a), 1), way);
    put_line(out + 128, _mm512_ror_epi32(_mm512_unpacklo_epi16(low_b, high_b), 1), way);
    put_line(out + 192, _mm512_ror_epi32(_mm512_unpackhi_epi16(low_b, high_b), 1), way);
}

/* `half` says whether the first number of a packed plane of joint symbols begins in the middle of a byte. */
AVX512_INLINE void put_words(uint8_t *out, const uint8_t *const *raw, __m512i ordered, size_t width, enum form form,
                             bool half, enum way way) {
    if (width == 1)
        put_line(out, ordered, way);
    else if (form == JOINT && width == 2)
        put_j16(out, raw[0], ordered, half, way);
    else if (form == JOINT)
        put_j32(out, raw, ordered, half, way);
    else if (form == JOINT2 && width == 2)
        put_j2_16(out, raw[0], ordered, way);
    else if (form == JOINT2)
        put_j2_32(out, raw, ordered, way);
    else if (width == 2)
        put_16r(out, raw[0], ordered, way);
    else
        put_32r(out, raw, ordered, way);
}

AVX512_INLINE const uint32_t *order_of(size_t width) {
    return width == 1 ? order_1 : width == 2 ? order_2 : order_4;
}

/* Stores 64 symbols alone (width 1), or as words of `width` bytes. */
AVX512_INLINE void put(uint8_t *out, const uint8_t *const *raw, __m512i symbols, size_t width, enum form form,
                       enum way way) {
    if (width == 1)
        put_line(out, symbols, way);
    else
        put_words(out, raw, in_dwords(order_of(width), symbols), width, form, false, way);
}

/* Output past the caches in whole lines that begin `head` symbols after a group does. One instruction takes a line's
 * symbols from two groups and puts them in order; raw bytes are loaded from where they lie. The parts before the first
 * and after the last whole line are stored apart. */
struct shift {
    __m512i places; /* dwords of two groups */
    __m512i before; /* the last group's symbols */
    size_t head;    /* less than a line's words, a multiple of 4 */
    bool half;      /* whether head is an odd multiple of 4 */
};

AVX512_INLINE struct shift shift_start(const uint8_t *out, size_t width) {
    const size_t head = (size_t)(-(uintptr_t)out % 64) / width;
    __m512i first = _mm512_set1_epi32((int)(head / 4));
    return (struct shift){_mm512_add_epi32(_mm512_load_si512(order_of(width)), first), _mm512_setzero_si512(), head,
                          head % 8 != 0};
}

enum { MASKS = 24, BETWEEN_AHEAD = 1024 }; /* bytes: of a group; how far ahead they are fetched */

/* Adds the three bits below exponents of fp16, which lie in three masks. The result is the top plane of
 * ZN_SHAPE_16R. */
AVX512_INLINE __m512i with_masks(__m512i symbols, const uint8_t *masks) {
    __m512i top = _mm512_slli_epi16(symbols, 3);
    for (unsigned b = 0; b < 3; b++)
        top = _mm512_mask_add_epi8(top, zn_get_u64(masks + 8 * b), top, _mm512_set1_epi8((char)(4 >> b)));
    return top;
}

/* Adds the two bits below joint symbols of fp16, which lie packed. The result is the same plane. */
AVX512_INLINE __m512i with_pairs(__m512i symbols, const uint8_t *packed) {
    const __m512i places = _mm512_set1_epi64(INT64_C(0x0e0c0a0806040200));
    const __m512i pairs =
        _mm512_multishift_epi64_epi8(places, _mm512_cvtepu16_epi64(_mm_loadu_si128((const void *)packed)));
    return _mm512_ternarylogic_epi32(_mm512_slli_epi16(symbols, 2), pairs, _mm512_set1_epi8(3), 0xf8); /* a | b & c */
}

/* Makes bytes of symbols and the packed low bits below them. Products with matrices of bits put each bit in its place. */
struct halving {
    __m512i bytes, places, upper, lower, flip;
    __m512i seen; /* all bits of the symbols so far */
};

/* The matrix byte of output bit i is 7 - i, and has the input bits that it sums up. */
AVX512_INLINE uint64_t matrix_of(const struct zn_r16_halves *h, unsigned n, unsigned from) {
    uint64_t matrix = 0;
    for (unsigned j = 0; j < n; j++) {
        const unsigned to = h->rotated ? (from + j + 7) % 8 : from + j;
        matrix |= (uint64_t)1 << (8 * (7 - to) + j);
    }
    return matrix;
}

AVX512_INLINE struct halving halving_of(const struct zn_r16_halves *h) {
    const __m512i each = _mm512_set1_epi64(INT64_C(0x0101010101010101));
    const __m512i firsts = _mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(h->bits));
    return (struct halving){
        .bytes = _mm512_add_epi8(_mm512_mullo_epi64(firsts, each), _mm512_set1_epi64(INT64_C(0x0706050403020100))),
        .places = _mm512_set1_epi64((long long)(UINT64_C(0x0706050403020100) * h->bits)),
        .upper = _mm512_set1_epi64((long long)matrix_of(h, 8u - h->bits, h->bits)),
        .lower = _mm512_set1_epi64((long long)matrix_of(h, h->bits, 0)),
        .flip = _mm512_set1_epi8((char)h->flip),
        .seen = _mm512_set1_epi8((char)h->seen)};
}

AVX512_INLINE __m512i with_low(struct halving *h, __m512i symbols, const uint8_t *packed) {
    enum { SUM_OF_THREE = 0x96 };
    h->seen = _mm512_or_si512(h->seen, symbols);
    __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)packed));
    low = _mm512_multishift_epi64_epi8(h->places, _mm512_permutexvar_epi8(h->bytes, low));
    low = _mm512_gf2p8affine_epi64_epi8(low, h->lower, 0);
    return _mm512_ternarylogic_epi64(_mm512_gf2p8affine_epi64_epi8(symbols, h->upper, 0), low, h->flip, SUM_OF_THREE);
}

/* Returns how many bytes lie between the symbols and the bytes of a group: masks, pairs, low bits or none. */
AVX512_INLINE size_t between_len(enum form form, const struct zn_r16_decoder *d) {
    return form == MASKED      ? MASKS
           : form == JOINT_F16 ? GROUP / 4
           : form == HALVES    ? GROUP / 8 * (size_t)d->halves.bits
                               : 0;
}

/* Returns all bits of the symbols that were halves of bytes. */
AVX512_INLINE uint8_t seen_of(const struct halving *h) {
    uint64_t seen = (uint64_t)_mm512_reduce_or_epi64(h->seen);
    seen |= seen >> 32;
    seen |= seen >> 16;
    return (uint8_t)(seen | seen >> 8);
}

AVX512_INLINE __m512i with_between(enum form form, struct halving *h, __m512i symbols, const uint8_t *between) {
    switch (form) {
        case MASKED:
            return with_masks(symbols, between);
        case JOINT_F16:
            return with_pairs(symbols, between);
        case HALVES:
            return with_low(h, symbols, between);
        default:
            return symbols;
    }
}

/* Stores symbols [from, to) of a group. */
AVX512_INLINE void put_part(uint8_t *out, const uint8_t *const *raw, __m512i symbols, size_t width, enum form form,
                            size_t from, size_t to) {
    uint8_t words[GROUP * 4];
    put(words, raw, symbols, width, form, CACHED);
    memcpy(out + from * width, words + from * width, (to - from) * width);
}

/* `out` and `raw` belong to this group. It completes the lines that begin in the group before. */
AVX512_INLINE void put_shifted(struct shift *s, uint8_t *out, const uint8_t *const *raw, __m512i symbols, size_t width,
                               enum form form, bool first) {
    if (first) {
        put_part(out, raw, symbols, width, form, 0, s->head);
    } else {
        const uint8_t *from[3];
        for (size_t p = 0; p + 1 < width; p++) {
            const size_t len = group_len(width, form, p);
            from[p] = raw[p] + s->head * len / GROUP - len;
        }
        put_words(out + s->head * width - GROUP * width, from, _mm512_permutex2var_epi32(s->before, s->places, symbols),
                  width, form, s->half, ALIGNED);
    }
    s->before = symbols;
}

/* Stores the part of an incomplete line that the last group has. `end` and `low` point past that group. */
AVX512_INLINE void shift_finish(const struct shift *s, uint8_t *end, const uint8_t *const *low, size_t width,
                                enum form form) {
    const uint8_t *raw[3];
    for (size_t p = 0; p + 1 < width; p++) raw[p] = low[p] - group_len(width, form, p);
    put_part(end - GROUP * width, raw, s->before, width, form, s->head, GROUP);
}

AVX512_INLINE void put_group(struct shift *s, uint8_t *out, const uint8_t *const *raw, __m512i symbols, size_t width,
                             enum form form, enum way way, bool first) {
    if (way == SHIFTED)
        put_shifted(s, out, raw, symbols, width, form, first);
    else
        put(out, raw, symbols, width, form, way);
}

/* Output to any address, past the caches. Whole cache lines are streamed; the ends, which fill no line, are stored as
 * usual. Before `bytes` lie the last 64 bytes of the previous burst, whose line was not complete. */
struct stage {
    alignas(64) uint8_t carry[64];
    uint8_t bytes[4 * ZN_R16_REACH];
    size_t head; /* bytes of the output before its first whole line, 1 .. 63 */
};

/* Stores the lines that end in a turn's `len` bytes: bytes [at, at + len) of the stage, for the same of `out`. */
AVX512_INLINE void stage_flush(const struct stage *s, uint8_t *out, size_t at, size_t len) {
    uint8_t *line = out + at + s->head - 64;
    const uint8_t *from = s->bytes + at + s->head - 64;
    for (size_t i = 0; i < len; i += 64) _mm512_stream_si512((void *)(line + i), _mm512_loadu_si512(from + i));
}

/* Does the same for the very first turn, whose first line is not whole. */
AVX512_INLINE void stage_flush_first(const struct stage *s, uint8_t *out, size_t len) {
    memcpy(out, s->bytes, s->head);
    for (size_t i = s->head; i < len - 64 + s->head; i += 64)
        _mm512_stream_si512((void *)(out + i), _mm512_loadu_si512(s->bytes + i));
}

AVX512_INLINE void stage_carry(struct stage *s, size_t len) {
    _mm512_store_si512(s->carry, _mm512_load_si512(s->bytes + len - 64));
}

/* Stores the part of the last line, which ends at `end`. */
AVX512_INLINE void stage_finish(const struct stage *s, uint8_t *end) {
    memcpy(end + s->head - 64, s->carry + s->head, 64 - s->head);
}

/* Brings this frame's coming bytes from the second-level cache into the first, which is free while streaming stores
 * hold the buffers that a miss would wait for. Addresses past the frame's end do no harm. */
AVX512_INLINE void fetch_near(const struct zn_r16_cursors *c, const uint8_t *const *low, size_t width) {
    enum { IN_AHEAD = 1024, RAW_AHEAD = 2048 };
    _mm_prefetch((const char *)((uintptr_t)c->in + IN_AHEAD), _MM_HINT_T0);
    for (size_t p = 0; p + 1 < width; p++) {
        _mm_prefetch((const char *)((uintptr_t)low[p] + RAW_AHEAD), _MM_HINT_T0);
        _mm_prefetch((const char *)((uintptr_t)low[p] + RAW_AHEAD + 64), _MM_HINT_T0);
    }
}

/* A check reads where the first plane is read. A packed plane is read at seven stripes in eight groups, or six. */
AVX512_INLINE bool skips_stripe(size_t width, enum form form, size_t turn) {
    return width == 2 && ((form == JOINT && turn % 4 == 3) || (form == JOINT2 && turn % 2 == 1));
}

/* Decodes whole turns. `raw`: the planes below the symbols', width - 1 of them; of fp16 and halves also what lies
 * between. */
AVX512_INLINE bool decode(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t turns, size_t width,
                          enum form form, enum way way, enum slots slots) {
    static const uint8_t table_0 = 0;
    const size_t turn_len = TURN * width;
    const __m512i esc_mark = _mm512_set1_epi8((char)d->esc_mark);
    const __mmask64 even = mask_of(EVEN_BYTES);
    const struct zn_r16_table *tables = d->tables;
    const uint8_t *ids = d->ids ? d->ids : &table_0;
    const unsigned id_shift = d->ids ? d->block_log2 : 63;
    struct stage stage;
    struct shift shift;
    if (way == STAGED) stage.head = 64 - (uintptr_t)out % 64;
    if (way == SHIFTED) shift = shift_start(out, width);

    struct zn_r16_feed in, esc;
    zn_r16_feed_start(&in, d->in, d->in_end);
    zn_r16_feed_start(&esc, d->esc, d->esc_end);
    struct planes p0 = planes_load(d->state), p1 = planes_load(d->state + GROUP);
    struct zn_ahead ahead = d->ahead;
    struct check_run check = check_start(width > 1 ? d->check : NULL);
    const uint8_t *low[3], *low_next[3];
    for (size_t p = 0; p + 1 < width; p++) low[p] = raw[p];
    const size_t step = between_len(form, d);
    const uint8_t *between = step ? raw[form == HALVES ? 0 : 1] : NULL;
    struct halving halving;
    if (form == HALVES) halving = halving_of(&d->halves);
    size_t pos = d->pos;
    for (size_t done = 0, n; done < turns; done += n) {
        n = ZN_MIN(turns - done, BURST);
        const bool first = done == 0;
        uint8_t *to = way == STAGED ? stage.bytes : out;
        zn_r16_feed_reach(&in);
        zn_r16_feed_reach(&esc);
        struct zn_r16_cursors c = {in.p, esc.p};
        for (size_t i = 0; i < n; i++) {
            const struct zn_r16_table *t = tables + ids[pos >> id_shift];
            for (size_t p = 0; p + 1 < width; p++) low_next[p] = low[p] + group_len(width, form, p);
            check_stripe(&check);
            __m512i symbols = group(t, esc_mark, even, &p0, &c, slots);
            symbols = with_between(form, &halving, symbols, between);
            put_group(&shift, to, low, symbols, width, form, way, done + i == 0);
            if (!skips_stripe(width, form, i)) check_stripe(&check);
            symbols = group(t, esc_mark, even, &p1, &c, slots);
            symbols = with_between(form, &halving, symbols, step ? between + step : NULL);
            put_group(&shift, to + GROUP * width, low_next, symbols, width, form, way, false);
            fetch(&ahead);
            fetch_near(&c, low, width);
            if (step) {
                _mm_prefetch((const char *)((uintptr_t)between + BETWEEN_AHEAD), _MM_HINT_T0);
                between += 2 * step;
            }
            if (way == STAGED && i == 1 && first)
                stage_flush_first(&stage, out, turn_len);
            else if (way == STAGED && i > 0) /* one turn later, when its stores have settled */
                stage_flush(&stage, out, (i - 1) * turn_len, turn_len);
            for (size_t p = 0; p + 1 < width; p++) low[p] += 2 * group_len(width, form, p);
            to += turn_len;
            pos += TURN;
        }
        if (!zn_r16_feed_take(&in, c.in) || !zn_r16_feed_take(&esc, c.esc)) return false;
        if (way == STAGED) {
            if (n == 1 && first)
                stage_flush_first(&stage, out, turn_len);
            else
                stage_flush(&stage, out, (n - 1) * turn_len, turn_len);
            stage_carry(&stage, n * turn_len);
        }
        out += n * turn_len;
    }
    check_stop(&check, width > 1 ? d->check : NULL);
    if (way == STAGED && turns > 0) stage_finish(&stage, out);
    if (way == SHIFTED && turns > 0) shift_finish(&shift, out, low, width, form);
    if (form == HALVES) d->halves.seen = seen_of(&halving);
    planes_store(d->state, p0);
    planes_store(d->state + GROUP, p1);
    d->in = d->in_end - in.left;
    d->esc = d->esc_end - esc.left;
    d->pos = pos;
    d->ahead = ahead;
    return true;
}

/* The same for words, by whichever way leads to `out`. */
AVX512_INLINE bool decode_words(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t turns,
                                size_t width, enum form form, enum slots slots, enum zn_store store) {
    if (store == ZN_STORE_CACHED) return decode(d, raw, out, turns, width, form, CACHED, slots);
    if ((uintptr_t)out % 64 == 0) return decode(d, raw, out, turns, width, form, ALIGNED, slots);
    if ((uintptr_t)out % (4 * width) == 0) return decode(d, raw, out, turns, width, form, SHIFTED, slots);
    return decode(d, raw, out, turns, width, form, STAGED, slots);
}

#endif
