/* R16 for AVX2, 32 symbols a step. Facts by slot or symbol are looked up by byte shuffles: the rank first, then by
 * rank, at most 16 entries, the rest. The bytes that a step takes from the stream find their places by counting; those
 * that it adds are gathered by one shuffle that is put together from four, 8 symbols each.
 */
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_FN static inline __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#define ZN_INLINE __attribute__((always_inline)) ZN_FN
#include "kernels/r16/r16_planar_encode_tpl.h"
#include "kernels/r16/r16_shuffles.h"

enum { STEP = 32 };

/* ---- parts of both directions ---- */

ZN_FN __m256i load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

ZN_FN void store(void *p, __m256i v) {
    _mm256_storeu_si256((__m256i *)p, v);
}

/* 16 bytes in both halves, as a table for byte shuffles. */
ZN_FN __m256i load_table(const uint8_t *p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

ZN_FN __m256i broadcast8(const void *p) {
    long long v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi64x(v);
}

/* 8 bytes from each address. Loads that broadcast and blends run on more ports than loads that insert. */
ZN_FN __m256i gather8(const void *a, const void *b, const void *c, const void *d) {
    const __m256i ab = _mm256_blend_epi32(broadcast8(a), broadcast8(b), 0x0C);
    const __m256i cd = _mm256_blend_epi32(broadcast8(c), broadcast8(d), 0xC0);
    return _mm256_blend_epi32(ab, cd, 0xF0);
}

/* The shuffles of the four parts of a mask; in every second part the indices count from 8. */
ZN_FN __m256i gather_shuffles(const uint64_t *by_mask, uint32_t m) {
    const __m256i four =
        gather8(by_mask + (m & 255), by_mask + (m >> 8 & 255), by_mask + (m >> 16 & 255), by_mask + (m >> 24));
    return _mm256_or_si256(four, _mm256_set_epi64x(0x0808080808080808, 0, 0x0808080808080808, 0));
}

/* Words of 8 + 8 symbols each, as the unpack instructions make them, back to planes. */
ZN_FN void split_words(__m256i w0, __m256i w1, __m256i *lo, __m256i *hi) {
    const __m256i even_odd = _mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10,
                                              12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    w0 = _mm256_shuffle_epi8(w0, even_odd);
    w1 = _mm256_shuffle_epi8(w1, even_odd);
    *lo = _mm256_unpacklo_epi64(w0, w1);
    *hi = _mm256_unpackhi_epi64(w0, w1);
}

/* ---- decoding ---- */

/* Part 0 of a table has entries 0 .. 15; part j has those of 16j .. 16j + 15 ^ those of 16 before. R16 has 4 parts of
 * ranks and one of what is looked up by rank; R16W has 8 and 2. */
struct decode_tables {
    __m256i rank[8], freq[2], first[2];
    __m256i sym; /* R16W: the first symbol */
    __m256i esc; /* R16: the escape mark; R16W: the escape's rank */
    unsigned slots_log2;
};

ZN_INLINE void load_part(__m256i *part, const uint8_t *table, unsigned j) {
    part[j] = _mm256_xor_si256(load_table(table + 16 * j - 16), load_table(table + 16 * j));
}

/* Loads 1, 2, 4 or 8 parts. */
ZN_INLINE void load_parts(__m256i *part, const uint8_t *table, unsigned n) {
    part[0] = load_table(table);
    if (n >= 2) load_part(part, table, 1);
    if (n >= 4) {
        load_part(part, table, 2);
        load_part(part, table, 3);
    }
    if (n == 8)
        for (unsigned j = 4; j < 8; j++) load_part(part, table, j);
}

ZN_INLINE struct decode_tables decode_tables(const struct zn_r16_table *t, unsigned slots_log2, uint8_t esc_mark) {
    const bool wide = slots_log2 == ZN_R16W_SLOTS_LOG2;
    struct decode_tables d;
    d.slots_log2 = slots_log2;
    load_parts(d.rank, t->rank, wide ? 8 : 4);
    load_parts(d.freq, t->rank_freq, wide ? 2 : 1);
    load_parts(d.first, t->rank_first, wide ? 2 : 1);
    d.sym = wide ? _mm256_set1_epi8((char)t->base) : load_table(t->rank_sym);
    d.esc = _mm256_set1_epi8((char)(wide ? t->last : esc_mark));
    return d;
}

ZN_INLINE __m256i shuffle_part(const __m256i *part, unsigned j, __m256i index) {
    return _mm256_shuffle_epi8(part[j], _mm256_sub_epi8(index, _mm256_set1_epi8((char)(16 * j))));
}

/* A byte shuffle looks at the low four bits of an index below 128, and yields 0 where the index is negative, so part j
 * adds its difference for indices >= 16j alone. */
ZN_INLINE __m256i look_up(const __m256i *part, unsigned n, __m256i index) {
    const __m256i p0 = _mm256_shuffle_epi8(part[0], index);
    if (n == 1) return p0;
    const __m256i p01 = _mm256_xor_si256(p0, shuffle_part(part, 1, index));
    if (n == 2) return p01;
    const __m256i p23 = _mm256_xor_si256(shuffle_part(part, 2, index), shuffle_part(part, 3, index));
    const __m256i lower = _mm256_xor_si256(p01, p23);
    if (n == 4) return lower;
    const __m256i p45 = _mm256_xor_si256(shuffle_part(part, 4, index), shuffle_part(part, 5, index));
    const __m256i p67 = _mm256_xor_si256(shuffle_part(part, 6, index), shuffle_part(part, 7, index));
    return _mm256_xor_si256(lower, _mm256_xor_si256(p45, p67));
}

/* freq * (x >> slots_log2) + bias on 16 words. */
ZN_INLINE __m256i decode_words(__m256i x, __m256i freq, __m256i bias, unsigned slots_log2) {
    return _mm256_add_epi16(_mm256_mullo_epi16(freq, _mm256_srli_epi16(x, (int)slots_log2)), bias);
}

/* 32 symbols on their way. */
struct step {
    __m256i lo, hi, sym;
    __m256i is_esc; /* escapes: 255, others 0 */
    __m256i small;  /* states below 256, which still lack a byte: 255, others 0 */
};

ZN_INLINE void decode_update(const struct decode_tables *t, struct step *s) {
    const __m256i zero = _mm256_setzero_si256();
    const unsigned slots_log2 = t->slots_log2;
    const bool wide = slots_log2 == ZN_R16W_SLOTS_LOG2;
    const __m256i slot = _mm256_and_si256(s->lo, _mm256_set1_epi8((char)((1 << slots_log2) - 1)));
    const __m256i rank = look_up(t->rank, wide ? 8 : 4, slot);
    const __m256i freq = look_up(t->freq, wide ? 2 : 1, rank);
    const __m256i bias = _mm256_sub_epi8(slot, look_up(t->first, wide ? 2 : 1, rank));
    s->sym = wide ? _mm256_add_epi8(rank, t->sym) : _mm256_shuffle_epi8(t->sym, rank);
    s->is_esc = _mm256_cmpeq_epi8(wide ? rank : s->sym, t->esc);
    const __m256i w0 = decode_words(_mm256_unpacklo_epi8(s->lo, s->hi), _mm256_unpacklo_epi8(freq, zero),
                                    _mm256_unpacklo_epi8(bias, zero), slots_log2);
    const __m256i w1 = decode_words(_mm256_unpackhi_epi8(s->lo, s->hi), _mm256_unpackhi_epi8(freq, zero),
                                    _mm256_unpackhi_epi8(bias, zero), slots_log2);
    split_words(w0, w1, &s->lo, &s->hi);
    s->small = _mm256_cmpeq_epi8(s->hi, zero);
}

/* Which byte of the stream each state takes, counted for each half from its first; 255 for those that take none. The
 * sums of `small` from a half's beginning count. */
ZN_INLINE __m256i byte_places(__m256i small) {
    __m256i sum = _mm256_add_epi8(small, _mm256_slli_si256(small, 1));
    sum = _mm256_add_epi8(sum, _mm256_slli_si256(sum, 2));
    sum = _mm256_add_epi8(sum, _mm256_slli_si256(sum, 4));
    sum = _mm256_add_epi8(sum, _mm256_slli_si256(sum, 8));
    return _mm256_xor_si256(_mm256_and_si256(sum, small), _mm256_set1_epi8(-1));
}

/* x < 256: x = x << 8 | byte */
ZN_INLINE void decode_renew(struct step *s, const uint8_t **in) {
    const uint32_t mask = (uint32_t)_mm256_movemask_epi8(s->small);
    const uint8_t *const first = *in, *const second = first + __builtin_popcount(mask & 0xFFFF);
    *in = first + __builtin_popcount(mask);
    const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)first)),
                                                  _mm_loadu_si128((const void *)second), 1);
    s->hi = _mm256_or_si256(s->hi, _mm256_and_si256(s->small, s->lo));
    s->lo = _mm256_or_si256(_mm256_andnot_si256(s->small, s->lo), _mm256_shuffle_epi8(bytes, byte_places(s->small)));
}

ZN_INLINE const uint8_t *decode_step(struct planar_decoder *p, const struct decode_tables *t, const uint8_t *in,
                                     uint8_t *out, uint8_t *marks, size_t lane) {
    struct step s = {.lo = load(p->x.lo + lane), .hi = load(p->x.hi + lane)};
    decode_update(t, &s);
    store(out, s.sym);
    const uint32_t esc = (uint32_t)_mm256_movemask_epi8(s.is_esc);
    memcpy(marks, &esc, sizeof esc);
    decode_renew(&s, &in);
    store(p->x.lo + lane, s.lo);
    store(p->x.hi + lane, s.hi);
    return in;
}

/* A turn at a time where the number of lanes is the usual one: 15 of 78 instructions of a step fall away, 3 % of time.
 */
ZN_INLINE const uint8_t *decode_slots(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
                                      uint8_t *out, size_t from, size_t n, unsigned slots_log2) {
    const struct decode_tables t = decode_tables(table, slots_log2, p->esc_mark);
    uint8_t *const marks = p->marks;
    const size_t to = from + n;
    if (p->lane_mask < TURN - 1) {
        for (size_t i = from; i < to; i += STEP) in = decode_step(p, &t, in, out + i, marks + i / 8, i & p->lane_mask);
        return in;
    }
    for (size_t i = from; i < to; i += TURN)
        for (size_t k = 0; k < TURN; k += STEP) in = decode_step(p, &t, in, out + i + k, marks + i / 8 + k / 8, k);
    return in;
}

/* Apart from the usual loop, whose frame stays small. */
__attribute__((noinline, target("avx2,bmi,bmi2,lzcnt,popcnt"))) static const uint8_t *decode_wide(
    struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in, uint8_t *out, size_t from,
    size_t n) {
    return decode_slots(p, table, in, out, from, n, ZN_R16W_SLOTS_LOG2);
}

ZN_FN const uint8_t *decode_steps(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
                                  uint8_t *out, size_t from, size_t n) {
    if (p->slots_log2 != ZN_R16_SLOTS_LOG2) return decode_wide(p, table, in, out, from, n);
    return decode_slots(p, table, in, out, from, n, ZN_R16_SLOTS_LOG2);
}

ZN_FN void put(uint8_t *out, __m256i v, enum zn_store way) {
    if (way == ZN_STORE_STREAM)
        _mm256_stream_si256((__m256i *)(void *)out, v);
    else
        store(out, v);
}

/* ror16(sym << 8 | raw, 1) on 32 symbols. */
ZN_INLINE void merge_lines_16r(const uint8_t *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store way) {
    for (size_t i = 0; i < n; i += STEP) {
        const __m256i r = _mm256_permute4x64_epi64(load(raw + i), 0xD8);
        const __m256i s = _mm256_permute4x64_epi64(load(sym + i), 0xD8);
        const __m256i a = _mm256_unpacklo_epi8(r, s), b = _mm256_unpackhi_epi8(r, s);
        put(out + 2 * i, _mm256_or_si256(_mm256_srli_epi16(a, 1), _mm256_slli_epi16(a, 15)), way);
        put(out + 2 * i + 32, _mm256_or_si256(_mm256_srli_epi16(b, 1), _mm256_slli_epi16(b, 15)), way);
    }
}

/* Unpacking twice leaves words 8 j + 4 h + i at place i of half h of vector j if dword j of half h of each plane was
 * dword 2 j + h. */
ZN_INLINE __m256i load_deal(const uint8_t *plane) {
    return _mm256_permutevar8x32_epi32(load(plane), _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
}

ZN_INLINE __m256i ror32(__m256i v) {
    return _mm256_or_si256(_mm256_srli_epi32(v, 1), _mm256_slli_epi32(v, 31));
}

ZN_INLINE void merge_lines_32r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n,
                               enum zn_store way) {
    for (size_t i = 0; i < n; i += STEP, out += 4 * STEP) {
        const __m256i p0 = load_deal(raw[0] + i), p1 = load_deal(raw[1] + i);
        const __m256i p2 = load_deal(raw[2] + i), p3 = load_deal(sym + i);
        const __m256i low_a = _mm256_unpacklo_epi8(p0, p1), low_b = _mm256_unpackhi_epi8(p0, p1);
        const __m256i high_a = _mm256_unpacklo_epi8(p2, p3), high_b = _mm256_unpackhi_epi8(p2, p3);
        put(out, ror32(_mm256_unpacklo_epi16(low_a, high_a)), way);
        put(out + 32, ror32(_mm256_unpackhi_epi16(low_a, high_a)), way);
        put(out + 64, ror32(_mm256_unpacklo_epi16(low_b, high_b)), way);
        put(out + 96, ror32(_mm256_unpackhi_epi16(low_b, high_b)), way);
    }
}

ZN_FN void merge_16r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store mode) {
    if (mode == ZN_STORE_STREAM)
        merge_lines_16r(raw[0], sym, out, n, ZN_STORE_STREAM);
    else
        merge_lines_16r(raw[0], sym, out, n, ZN_STORE_CACHED);
}

ZN_FN void merge_32r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store mode) {
    if (mode == ZN_STORE_STREAM)
        merge_lines_32r(raw, sym, out, n, ZN_STORE_STREAM);
    else
        merge_lines_32r(raw, sym, out, n, ZN_STORE_CACHED);
}

/* 16 bits are taken around each number, and products bring it to their top. A half of a vector takes 14 bytes. */
ZN_FN void join_sevens(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n) {
    const __m256i first = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7));
    const __m256i second = _mm256_add_epi8(first, _mm256_set1_epi8(7));
    const __m256i up = _mm256_broadcastsi128_si256(_mm_setr_epi16(512, 4, 8, 16, 32, 64, 128, 256));
    for (size_t i = 0; i < n; i += STEP, packed += STEP / 8 * 7) {
        const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)packed)),
                                                      _mm_loadu_si128((const void *)(packed + 14)), 1);
        const __m256i a = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, first), up);
        const __m256i b = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, second), up);
        const __m256i numbers = _mm256_packus_epi16(_mm256_srli_epi16(a, 9), _mm256_srli_epi16(b, 9));
        const __m256i s = load(sym + i), top = _mm256_and_si256(_mm256_slli_epi16(s, 7), _mm256_set1_epi8(-128));
        store(low + i, _mm256_or_si256(numbers, top));
        store(sym + i, _mm256_and_si256(_mm256_srli_epi16(s, 1), _mm256_set1_epi8(127)));
    }
}

/* The same; a half takes 12 bytes. */
ZN_FN void join_sixes(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n) {
    const __m256i first = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 0, 1, 1, 2, 2, 3, 3, 4, 3, 4, 4, 5, 5, 6));
    const __m256i second = _mm256_add_epi8(first, _mm256_set1_epi8(6)), lower = _mm256_set1_epi8(63);
    const __m256i up = _mm256_broadcastsi128_si256(_mm_setr_epi16(1024, 16, 64, 256, 1024, 16, 64, 256));
    for (size_t i = 0; i < n; i += STEP, packed += STEP / 8 * 6) {
        const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)packed)),
                                                      _mm_loadu_si128((const void *)(packed + 12)), 1);
        const __m256i a = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, first), up);
        const __m256i b = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, second), up);
        const __m256i numbers = _mm256_packus_epi16(_mm256_srli_epi16(a, 10), _mm256_srli_epi16(b, 10));
        const __m256i s = load(sym + i), upper = _mm256_and_si256(_mm256_srli_epi16(s, 2), lower);
        const __m256i is_zero = _mm256_cmpeq_epi8(upper, _mm256_setzero_si256());
        store(low + i, _mm256_or_si256(numbers, _mm256_andnot_si256(lower, _mm256_slli_epi16(s, 6))));
        store(sym + i, _mm256_or_si256(upper, _mm256_andnot_si256(is_zero, _mm256_set1_epi8(64))));
    }
}

/* Takes numbers out likewise. A byte is then the symbol above bits 1 and 2 of its number; bit 0 goes to the top. */
ZN_FN void add_triples(const uint8_t *packed, uint8_t *sym, size_t n) {
    const __m256i first = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 0, 1, 0, 1, 1, 2, 1, 2, 1, 2, 2, 3, 2, 3));
    const __m256i second = _mm256_add_epi8(first, _mm256_set1_epi8(3));
    const __m256i up =
        _mm256_broadcastsi128_si256(_mm_setr_epi16(1 << 13, 1 << 10, 1 << 7, 1 << 12, 1 << 9, 1 << 6, 1 << 11, 1 << 8));
    const __m256i places =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -128, 1, -127, 2, -126, 3, -125, 0, 0, 0, 0, 0, 0, 0, 0));
    for (size_t i = 0; i < n; i += STEP, packed += STEP / 8 * 3) {
        const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadl_epi64((const void *)packed)),
                                                      _mm_loadl_epi64((const void *)(packed + 6)), 1);
        const __m256i a = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, first), up);
        const __m256i b = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, second), up);
        const __m256i numbers = _mm256_packus_epi16(_mm256_srli_epi16(a, 13), _mm256_srli_epi16(b, 13));
        store(sym + i, _mm256_or_si256(_mm256_slli_epi16(load(sym + i), 2), _mm256_shuffle_epi8(places, numbers)));
    }
}

PLANAR_JOINTS(avx2)

bool zn_r16_decode_halves_avx2(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                               enum zn_store mode) {
    (void)mode;
    return planar_decode_halves(d, packed, out, n);
}

bool zn_r16_decode_avx2(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    return planar_decode(d, out, n);
}

bool zn_r16_decode_16r_avx2(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n, enum zn_store mode) {
    return planar_decode_16r(d, raw, out, n, mode);
}

bool zn_r16_decode_32r_avx2(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                            enum zn_store mode) {
    return planar_decode_32r(d, raw, out, n, mode);
}

/* ---- encoding ---- */

/* One table by rank: the listed symbols in order, then the escape. */
struct encode_ranks {
    alignas(16) uint8_t top[16];
    uint8_t recip_lo[16], recip_hi[16], scale[16], first[16], rest[16];
    uint8_t n;           /* listed symbols: the rank of the escape */
    uint8_t base;        /* the first of them, if they are consecutive ... */
    bool consecutive;    /* ... as exponents are */
    uint8_t row[16][16]; /* otherwise rank + 1, or 0, by row of a symbol's high four bits and by its low four */
};

struct planar_encoder {
    struct planar_states x;
    uint8_t sym[256]; /* symbols that any table lists */
    unsigned n_sym, n_rows;
    uint8_t row_of[16];   /* by high four bits of a symbol */
    uint8_t row_high[16]; /* the inverse, bits in place */
    uint32_t ready;       /* bit t: ranks[t] is filled */
    struct encode_ranks ranks[ZN_R16_MAX_TABLES];
};

ZN_FN void find_rows(struct planar_encoder *a, const uint8_t *class_of) {
    a->n_sym = a->n_rows = 0;
    for (unsigned s = 0; s < 256; s++) {
        if (class_of[s] == ZN_R16_CLASSES - 1) continue;
        if (a->n_sym == 0 || s / 16 != a->sym[a->n_sym - 1] / 16u) {
            a->row_of[s / 16] = (uint8_t)a->n_rows;
            a->row_high[a->n_rows++] = (uint8_t)(s & 0xF0);
        }
        a->sym[a->n_sym++] = (uint8_t)s;
    }
}

ZN_FN void fill_rank(struct encode_ranks *r, unsigned rank, const struct zn_r16_codes *codes, unsigned class) {
    r->top[rank] = (uint8_t)(codes->top[class] >> 8);
    r->recip_lo[rank] = (uint8_t)codes->recip[class];
    r->recip_hi[rank] = (uint8_t)(codes->recip[class] >> 8);
    r->scale[rank] = (uint8_t)(128 >> codes->shift[class]);
    r->first[rank] = (uint8_t)codes->first[class];
    r->rest[rank] = (uint8_t)codes->rest[class];
}

ZN_FN void fill_ranks(struct planar_encoder *a, struct encode_ranks *r, const struct zn_r16_codes *codes,
                      const uint8_t *class_of) {
    unsigned rank = 0, last = 0;
    memset(r, 0, sizeof *r);
    r->consecutive = true;
    for (unsigned i = 0; i < a->n_sym; i++) {
        const unsigned s = a->sym[i], class = class_of[s];
        if (codes->escaped >> class & 1) continue;
        if (rank == 0) r->base = (uint8_t)s;
        r->consecutive &= rank == 0 || s == last + 1;
        last = s;
        fill_rank(r, rank, codes, class);
        r->row[a->row_of[s / 16]][s % 16] = (uint8_t)++rank;
    }
    r->n = (uint8_t)rank;
    fill_rank(r, rank, codes, ZN_R16_CLASSES - 1);
}

ZN_FN const struct encode_ranks *ranks_at(struct planar_encoder *a, const struct zn_r16_encoder *e, size_t pos) {
    const struct zn_r16_codes *const codes = zn_r16_codes_at(e, pos);
    const size_t t = (size_t)(codes - e->tables);
    if (!(a->ready >> t & 1)) fill_ranks(a, &a->ranks[t], codes, e->class_of);
    a->ready |= (uint32_t)1 << t;
    return &a->ranks[t];
}

/* Rank + 1 or 0. An index leaves its row, and gets its top bit set by the sum, if its high bits are not the row's. */
ZN_FN __m256i find_in_rows(const struct planar_encoder *a, const struct encode_ranks *r, __m256i sym) {
    __m256i found = _mm256_setzero_si256();
    for (unsigned i = 0; i < a->n_rows; i++) {
        const __m256i high = _mm256_set1_epi8((char)a->row_high[i]);
        const __m256i low = _mm256_adds_epu8(_mm256_xor_si256(sym, high), _mm256_set1_epi8(0x70));
        found = _mm256_or_si256(found, _mm256_shuffle_epi8(load_table(r->row[i]), low));
    }
    return found;
}

enum ranking { BY_BASE, BY_ROW };

/* What is not listed wraps to a high number and becomes the escape's rank. */
ZN_INLINE __m256i rank_of_symbol(const struct planar_encoder *a, const struct encode_ranks *r, __m256i sym,
                                 enum ranking ranking) {
    const __m256i rank = ranking == BY_BASE ? _mm256_sub_epi8(sym, _mm256_set1_epi8((char)r->base))
                                            : _mm256_sub_epi8(find_in_rows(a, r, sym), _mm256_set1_epi8(1));
    return _mm256_min_epu8(rank, _mm256_set1_epi8((char)r->n));
}

enum { PAIR = 2 }; /* steps side by side, at most: in turn, each would wait for its products */

/* Words 8 + 8 symbols at a time, from looked-up bytes. */
ZN_INLINE void look_up_words(const uint8_t *low, const uint8_t *high, const __m256i *rank, unsigned n_steps,
                             __m256i *words) {
    for (unsigned j = 0; j < n_steps; j++) {
        const __m256i zero = _mm256_setzero_si256();
        const __m256i l = low ? _mm256_shuffle_epi8(load_table(low), rank[j]) : zero;
        const __m256i h = high ? _mm256_shuffle_epi8(load_table(high), rank[j]) : zero;
        words[2 * j] = _mm256_unpacklo_epi8(l, h);
        words[2 * j + 1] = _mm256_unpackhi_epi8(l, h);
    }
}

/* x + x / freq * rest on words, then first on bytes: as the sum so far is x mod freq in its low six bits, first does
 * not reach beyond these. The quotient is (x + (x * recip >> 16) + 1) >> (shift + 1), below 1024, so the sum does not
 * overflow (but for freq 64, where rest is 0); `scale` is 2^(15 - shift). */
ZN_INLINE void encode_update(const struct encode_ranks *r, const __m256i *rank, unsigned n_steps, __m256i *lo,
                             __m256i *hi) {
    __m256i x[2 * PAIR], f[2 * PAIR], q[2 * PAIR];
    const unsigned n = 2 * n_steps;
    for (unsigned j = 0; j < n_steps; j++) {
        x[2 * j] = _mm256_unpacklo_epi8(lo[j], hi[j]);
        x[2 * j + 1] = _mm256_unpackhi_epi8(lo[j], hi[j]);
    }
    look_up_words(r->recip_lo, r->recip_hi, rank, n_steps, f);
    for (unsigned i = 0; i < n; i++) q[i] = _mm256_mulhi_epu16(x[i], f[i]);
    look_up_words(NULL, r->scale, rank, n_steps, f);
    for (unsigned i = 0; i < n; i++) q[i] = _mm256_add_epi16(_mm256_add_epi16(x[i], q[i]), _mm256_set1_epi16(1));
    for (unsigned i = 0; i < n; i++) q[i] = _mm256_mulhi_epu16(q[i], f[i]);
    look_up_words(r->rest, NULL, rank, n_steps, f);
    for (unsigned i = 0; i < n; i++) x[i] = _mm256_add_epi16(x[i], _mm256_mullo_epi16(q[i], f[i]));
    for (unsigned j = 0; j < n_steps; j++) {
        split_words(x[2 * j], x[2 * j + 1], &lo[j], &hi[j]);
        lo[j] = _mm256_add_epi8(lo[j], _mm256_shuffle_epi8(load_table(r->first), rank[j]));
    }
}

/* Writes the bytes of `v` at the clear bits of `kept` below `out`. Each store of 8 bytes has its bytes at the upper
 * end; the next one covers what it wrote too much. */
ZN_INLINE uint8_t *put_bytes(uint8_t *out, __m256i v, uint32_t kept) {
    v = _mm256_shuffle_epi8(v, gather_shuffles(zn_r16_compress, ~kept));
    const __m128i low = _mm256_castsi256_si128(v), high = _mm256_extracti128_si256(v, 1);
    _mm_storeh_pd((double *)(void *)(out - 8), _mm_castsi128_pd(high));
    _mm_storel_epi64((__m128i *)(void *)(out - 16 + __builtin_popcount(kept >> 24)), high);
    _mm_storeh_pd((double *)(void *)(out - 24 + __builtin_popcount(kept >> 16)), _mm_castsi128_pd(low));
    _mm_storel_epi64((__m128i *)(void *)(out - 32 + __builtin_popcount(kept >> 8)), low);
    return out - 32 + __builtin_popcount(kept);
}

/* Encodes n_steps steps on the lanes from `lane` on and returns which symbols are escapes. */
ZN_INLINE uint64_t encode_lanes(struct planar_encoder *a, const struct encode_ranks *r, size_t lane, const uint8_t *sym,
                                unsigned n_steps, uint8_t **out, enum ranking ranking) {
    __m256i rank[PAIR], lo[PAIR], hi[PAIR], keep[PAIR];
    uint64_t escapes = 0;
    for (unsigned j = n_steps; j-- > 0;) {
        rank[j] = rank_of_symbol(a, r, load(sym + j * STEP), ranking);
        const __m256i top = _mm256_shuffle_epi8(load_table(r->top), rank[j]);
        lo[j] = load(a->x.lo + lane + j * STEP);
        hi[j] = load(a->x.hi + lane + j * STEP);
        keep[j] = _mm256_cmpeq_epi8(_mm256_max_epu8(hi[j], top), top);
        const __m256i esc = _mm256_cmpeq_epi8(rank[j], _mm256_set1_epi8((char)r->n));
        escapes = escapes << STEP | (uint32_t)_mm256_movemask_epi8(esc);
    }
    for (unsigned j = n_steps; j-- > 0;) *out = put_bytes(*out, lo[j], (uint32_t)_mm256_movemask_epi8(keep[j]));
    for (unsigned j = 0; j < n_steps; j++) {
        lo[j] = _mm256_blendv_epi8(hi[j], lo[j], keep[j]);
        hi[j] = _mm256_and_si256(hi[j], keep[j]);
    }
    encode_update(r, rank, n_steps, lo, hi);
    for (unsigned j = 0; j < n_steps; j++) {
        store(a->x.lo + lane + j * STEP, lo[j]);
        store(a->x.hi + lane + j * STEP, hi[j]);
    }
    return escapes;
}

/* Encodes two steps at a time, whose marks fill one word: side by side, or one after the other if they share lanes. */
ZN_INLINE uint8_t *encode_ranked(struct planar_encoder *a, const struct encode_ranks *r, const uint8_t *sym, size_t n,
                                 uint8_t *marks, uint8_t *out, enum ranking ranking, unsigned lanes_log2) {
    for (size_t i = n; i > 0;) {
        i -= 2 * STEP;
        uint64_t escapes;
        if (lanes_log2 == FULL_LANES_LOG2) {
            escapes = encode_lanes(a, r, i % TURN, sym + i, PAIR, &out, ranking);
        } else {
            escapes = encode_lanes(a, r, 0, sym + i + STEP, 1, &out, ranking) << STEP;
            escapes |= encode_lanes(a, r, 0, sym + i, 1, &out, ranking);
        }
        zn_put_u64(marks + i / 8, escapes);
    }
    return out;
}

ZN_FN uint8_t *encode_steps(struct planar_encoder *a, const struct zn_r16_encoder *e, size_t pos, const uint8_t *sym,
                            size_t n, uint8_t *marks, uint8_t *out) {
    const struct encode_ranks *const r = ranks_at(a, e, pos);
    if (e->lanes_log2 == MIN_LANES_LOG2) return encode_ranked(a, r, sym, n, marks, out, BY_ROW, MIN_LANES_LOG2);
    return r->consecutive ? encode_ranked(a, r, sym, n, marks, out, BY_BASE, FULL_LANES_LOG2)
                          : encode_ranked(a, r, sym, n, marks, out, BY_ROW, FULL_LANES_LOG2);
}

ZN_FN void encode(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n, enum zn_shape shape) {
    struct planar_encoder a;
    if (n == 0) return;
    a.ready = 0;
    find_rows(&a, e->class_of);
    planar_load(&a.x, e->state);
    planar_encode(&a, &zn_kernels_avx2, e, src, raw, n, shape);
    planar_store(&a.x, e->state);
}

void zn_r16_encode_avx2(struct zn_r16_encoder *e, const uint8_t *src, size_t n) {
    if (e->slots_log2 != ZN_R16_SLOTS_LOG2) {
        zn_r16_encode_scalar(e, src, n);
        return;
    }
    const size_t unit = e->lanes_log2 == FULL_LANES_LOG2 ? TURN : 2 * STEP;
    const size_t whole = e->lanes_log2 == FULL_LANES_LOG2 || e->lanes_log2 == MIN_LANES_LOG2 ? n - n % unit : 0;
    zn_r16_encode_range_scalar(e, src, whole, n);
    encode(e, src, NULL, whole, ZN_SHAPE_8);
}

void zn_r16_encode_16r_avx2(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t whole = n - n % TURN;
    zn_r16_encode_range_16r_scalar(e, src, raw, whole, n);
    encode(e, src, raw, whole, ZN_SHAPE_16R);
}

void zn_r16_encode_32r_avx2(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t whole = n - n % TURN;
    zn_r16_encode_range_32r_scalar(e, src, raw, whole, n);
    encode(e, src, raw, whole, ZN_SHAPE_32R);
}

void zn_r16_encode_f16_avx2(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t whole = n - n % TURN;
    zn_r16_encode_range_f16_scalar(e, src, raw, whole, n);
    encode(e, src, raw, whole, ZN_SHAPE_F16);
}

#endif
