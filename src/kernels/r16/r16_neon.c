/* R16 for Advanced SIMD, 16 symbols a step: tables are looked up by tbl, and the bytes that a step takes from or adds
 * to the stream are spread and gathered by one shuffle per 8 symbols.
 */
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define ZN_FN static inline
#define ZN_INLINE __attribute__((always_inline)) static inline
#include "kernels/r16/r16_planar_encode_tpl.h"
#include "kernels/r16/r16_shuffles.h"

enum { STEP = 16 };

/* ---- parts of both directions ---- */

/* Two byte masks as bits, 16 each, and how many are set in every 8. */
struct mask_bits {
    uint32_t bits;   /* a from bit 0, b from bit 16 */
    uint32_t counts; /* by byte of `bits` */
};

ZN_FN struct mask_bits mask_bits(uint8x16_t a, uint8x16_t b) {
    const uint8x16_t weights = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    uint8x16_t sums = vpaddq_u8(vandq_u8(a, weights), vandq_u8(b, weights));
    sums = vpaddq_u8(sums, sums);
    sums = vpaddq_u8(sums, sums);
    return (struct mask_bits){vgetq_lane_u32(vreinterpretq_u32_u8(sums), 0),
                              vgetq_lane_u32(vreinterpretq_u32_u8(vcntq_u8(sums)), 0)};
}

ZN_FN uint8x8_t shuffle8(uint8x8_t bytes, const uint64_t *by_mask, uint32_t mask) {
    return vtbl1_u8(bytes, vcreate_u8(by_mask[mask & 255]));
}

ZN_FN uint16x8_t widen_low(uint8x16_t v) {
    return vmovl_u8(vget_low_u8(v));
}

ZN_FN uint16x8_t widen_high(uint8x16_t v) {
    return vmovl_high_u8(v);
}

ZN_FN uint16x8_t words_low(uint8x16_t lo, uint8x16_t hi) {
    return vreinterpretq_u16_u8(vzip1q_u8(lo, hi));
}

ZN_FN uint16x8_t words_high(uint8x16_t lo, uint8x16_t hi) {
    return vreinterpretq_u16_u8(vzip2q_u8(lo, hi));
}

/* Words of 8 + 8 symbols back to planes. */
ZN_FN void split_words(uint16x8_t w0, uint16x8_t w1, uint8x16_t *lo, uint8x16_t *hi) {
    *lo = vuzp1q_u8(vreinterpretq_u8_u16(w0), vreinterpretq_u8_u16(w1));
    *hi = vuzp2q_u8(vreinterpretq_u8_u16(w0), vreinterpretq_u8_u16(w1));
}

/* ---- decoding ---- */

struct decode_tables {
    uint8x16x4_t rank, upper_rank; /* by slot; R16W: also those of slots 64 .. 127 */
    uint8x16x2_t freq, first, sym; /* R16 uses the first vector */
    uint8x16_t last;
    bool wide;
};

ZN_INLINE struct decode_tables decode_tables(const struct zn_r16_table *t, bool wide) {
    return (struct decode_tables){vld1q_u8_x4(t->rank),
                                  vld1q_u8_x4(t->rank + 64),
                                  vld1q_u8_x2(t->rank_freq),
                                  vld1q_u8_x2(t->rank_first),
                                  vld1q_u8_x2(t->rank_sym),
                                  vdupq_n_u8(t->last),
                                  wide};
}

ZN_INLINE uint8x16_t by_rank(const uint8x16x2_t *table, uint8x16_t rank, bool wide) {
    return wide ? vqtbl2q_u8(*table, rank) : vqtbl1q_u8(table->val[0], rank);
}

/* freq * (x >> slots_log2) + bias */
ZN_INLINE uint16x8_t decode_words(uint16x8_t x, uint16x8_t freq, uint16x8_t bias, bool wide) {
    return vmlaq_u16(bias, freq, wide ? vshrq_n_u16(x, 7) : vshrq_n_u16(x, 6));
}

/* Decodes symbols of 16 lanes; states below 256 still lack a byte. *esc: which are escapes. */
ZN_INLINE uint8x16_t decode_step(const struct decode_tables *t, uint8x16_t *lo, uint8x16_t *hi, uint8x16_t *esc) {
    const bool wide = t->wide;
    const uint8x16_t slot = vandq_u8(*lo, vdupq_n_u8(wide ? 127 : 63));
    uint8x16_t rank = vqtbl4q_u8(t->rank, slot);
    if (wide) rank = vqtbx4q_u8(rank, t->upper_rank, vsubq_u8(slot, vdupq_n_u8(64)));
    const uint8x16_t freq = by_rank(&t->freq, rank, wide);
    const uint8x16_t bias = vsubq_u8(slot, by_rank(&t->first, rank, wide));
    const uint16x8_t w0 = decode_words(words_low(*lo, *hi), widen_low(freq), widen_low(bias), wide);
    const uint16x8_t w1 = decode_words(words_high(*lo, *hi), widen_high(freq), widen_high(bias), wide);
    split_words(w0, w1, lo, hi);
    *esc = vceqq_u8(rank, t->last);
    return by_rank(&t->sym, rank, wide);
}

ZN_INLINE const uint8_t *decode_slots(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
                                      uint8_t *out, size_t from, size_t n, bool wide) {
    const struct decode_tables t = decode_tables(table, wide);
    for (size_t i = from; i < from + n; i += STEP) {
        uint8_t *const plo = p->x.lo + (i & p->lane_mask), *const phi = p->x.hi + (i & p->lane_mask);
        uint8x16_t lo = vld1q_u8(plo), hi = vld1q_u8(phi);
        uint8x16_t is_esc;
        const uint8x16_t sym = decode_step(&t, &lo, &hi, &is_esc), small = vceqzq_u8(hi);
        const struct mask_bits m = mask_bits(small, is_esc);
        const uint16_t esc = (uint16_t)(m.bits >> 16);
        memcpy(p->marks + i / 8, &esc, sizeof esc);
        vst1q_u8(out + i, sym);
        /* x < 256: x = x << 8 | byte */
        const uint8x8_t y0 = shuffle8(vld1_u8(in), zn_r16_expand, m.bits);
        in += m.counts & 255;
        const uint8x8_t y1 = shuffle8(vld1_u8(in), zn_r16_expand, m.bits >> 8);
        in += m.counts >> 8 & 255;
        vst1q_u8(phi, vorrq_u8(hi, vandq_u8(small, lo)));
        vst1q_u8(plo, vbslq_u8(small, vcombine_u8(y0, y1), lo));
    }
    return in;
}

ZN_FN const uint8_t *decode_steps(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
                                  uint8_t *out, size_t from, size_t n) {
    return p->slots_log2 == ZN_R16_SLOTS_LOG2 ? decode_slots(p, table, in, out, from, n, false)
                                              : decode_slots(p, table, in, out, from, n, true);
}

/* ror16(word, 1) */
ZN_FN void store_rotated16(uint8_t *out, uint16x8_t word) {
    vst1q_u8(out, vreinterpretq_u8_u16(vsliq_n_u16(vshrq_n_u16(word, 1), word, 15)));
}

/* ror32(high << 16 | low, 1) */
ZN_FN void store_rotated32(uint8_t *out, uint16x8_t low, uint16x8_t high) {
    const uint32x4_t a = vreinterpretq_u32_u16(vzip1q_u16(low, high)), b = vreinterpretq_u32_u16(vzip2q_u16(low, high));
    vst1q_u8(out, vreinterpretq_u8_u32(vsliq_n_u32(vshrq_n_u32(a, 1), a, 31)));
    vst1q_u8(out + 16, vreinterpretq_u8_u32(vsliq_n_u32(vshrq_n_u32(b, 1), b, 31)));
}

ZN_FN void merge_16r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store mode) {
    (void)mode;
    for (size_t i = 0; i < n; i += STEP) {
        const uint8x16_t r = vld1q_u8(raw[0] + i), s = vld1q_u8(sym + i);
        store_rotated16(out + 2 * i, words_low(r, s));
        store_rotated16(out + 2 * i + STEP, words_high(r, s));
    }
}

ZN_FN void merge_32r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store mode) {
    (void)mode;
    for (size_t i = 0; i < n; i += STEP) {
        const uint8x16_t p0 = vld1q_u8(raw[0] + i), p1 = vld1q_u8(raw[1] + i), p2 = vld1q_u8(raw[2] + i);
        const uint8x16_t s = vld1q_u8(sym + i);
        store_rotated32(out + 4 * i, words_low(p0, p1), words_low(p2, s));
        store_rotated32(out + 4 * i + 32, words_high(p0, p1), words_high(p2, s));
    }
}

/* Takes 16 bits around each number and shifts out what lies below it. */
ZN_FN void join_sevens(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n) {
    static const uint8_t first_bytes[16] = {0, 1, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7};
    static const int16_t downs[8] = {0, -7, -6, -5, -4, -3, -2, -1};
    const uint8x16_t first = vld1q_u8(first_bytes), second = vaddq_u8(first, vdupq_n_u8(7));
    const int16x8_t down = vld1q_s16(downs);
    for (size_t i = 0; i < n; i += STEP, packed += STEP / 8 * 7) {
        const uint8x16_t bytes = vld1q_u8(packed), s = vld1q_u8(sym + i);
        const uint16x8_t a = vshlq_u16(vreinterpretq_u16_u8(vqtbl1q_u8(bytes, first)), down);
        const uint16x8_t b = vshlq_u16(vreinterpretq_u16_u8(vqtbl1q_u8(bytes, second)), down);
        vst1q_u8(low + i, vsliq_n_u8(vuzp1q_u8(vreinterpretq_u8_u16(a), vreinterpretq_u8_u16(b)), s, 7));
        vst1q_u8(sym + i, vshrq_n_u8(s, 1));
    }
}

/* The same for numbers of 6 bits. */
ZN_FN void join_sixes(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n) {
    static const uint8_t first_bytes[16] = {0, 1, 0, 1, 1, 2, 2, 3, 3, 4, 3, 4, 4, 5, 5, 6};
    static const int16_t downs[8] = {0, -6, -4, -2, 0, -6, -4, -2};
    const uint8x16_t first = vld1q_u8(first_bytes), second = vaddq_u8(first, vdupq_n_u8(6));
    const int16x8_t down = vld1q_s16(downs);
    for (size_t i = 0; i < n; i += STEP, packed += STEP / 8 * 6) {
        const uint8x16_t bytes = vld1q_u8(packed), s = vld1q_u8(sym + i), upper = vshrq_n_u8(s, 2);
        const uint16x8_t a = vshlq_u16(vreinterpretq_u16_u8(vqtbl1q_u8(bytes, first)), down);
        const uint16x8_t b = vshlq_u16(vreinterpretq_u16_u8(vqtbl1q_u8(bytes, second)), down);
        vst1q_u8(low + i, vsliq_n_u8(vuzp1q_u8(vreinterpretq_u8_u16(a), vreinterpretq_u8_u16(b)), s, 6));
        vst1q_u8(sym + i, vorrq_u8(upper, vandq_u8(vtstq_u8(upper, upper), vdupq_n_u8(64))));
    }
}

/* Takes numbers out likewise. A byte is then the symbol above bits 1 and 2 of its number; bit 0 goes to the top. */
ZN_FN void add_triples(const uint8_t *packed, uint8_t *sym, size_t n) {
    static const uint8_t first_bytes[16] = {0, 1, 0, 1, 0, 1, 1, 2, 1, 2, 1, 2, 2, 3, 2, 3};
    static const int16_t downs[8] = {0, -3, -6, -1, -4, -7, -2, -5};
    static const uint8_t places[16] = {0, 128, 1, 129, 2, 130, 3, 131};
    const uint8x16_t first = vld1q_u8(first_bytes), second = vaddq_u8(first, vdupq_n_u8(3));
    const int16x8_t down = vld1q_s16(downs);
    for (size_t i = 0; i < n; i += STEP, packed += STEP / 8 * 3) {
        const uint8x16_t bytes = vcombine_u8(vld1_u8(packed), vdup_n_u8(0));
        const uint16x8_t a = vshlq_u16(vreinterpretq_u16_u8(vqtbl1q_u8(bytes, first)), down);
        const uint16x8_t b = vshlq_u16(vreinterpretq_u16_u8(vqtbl1q_u8(bytes, second)), down);
        const uint8x16_t numbers = vuzp1q_u8(vreinterpretq_u8_u16(a), vreinterpretq_u8_u16(b));
        const uint8x16_t low = vqtbl1q_u8(vld1q_u8(places), vandq_u8(numbers, vdupq_n_u8(7)));
        vst1q_u8(sym + i, vorrq_u8(vshlq_n_u8(vld1q_u8(sym + i), 2), low));
    }
}

PLANAR_JOINTS(neon)

bool zn_r16_decode_halves_neon(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                               enum zn_store mode) {
    (void)mode;
    return planar_decode_halves(d, packed, out, n);
}

bool zn_r16_decode_neon(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    return planar_decode(d, out, n);
}

bool zn_r16_decode_16r_neon(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n, enum zn_store mode) {
    return planar_decode_16r(d, raw, out, n, mode);
}

bool zn_r16_decode_32r_neon(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                            enum zn_store mode) {
    return planar_decode_32r(d, raw, out, n, mode);
}

/* ---- encoding ---- */

/* One table by class, a byte each. */
struct encode_tables {
    uint8x16x2_t top, recip_lo, recip_hi, shift, first, rest; /* shift: negative */
    uint8x16x2_t escaped;                                     /* 255 or 0 */
};

/* Low and high bytes of 32 words. */
ZN_FN void load_words(const uint16_t *words, uint8x16x2_t *lo, uint8x16x2_t *hi) {
    const uint8x16x2_t a = vld2q_u8((const uint8_t *)words), b = vld2q_u8((const uint8_t *)(words + 16));
    *lo = (uint8x16x2_t){{a.val[0], b.val[0]}};
    *hi = (uint8x16x2_t){{a.val[1], b.val[1]}};
}

ZN_FN uint8x16_t negate(uint8x16_t v) {
    return vsubq_u8(vdupq_n_u8(0), v);
}

ZN_FN uint8x16_t spread_bits(uint32_t bits) {
    const uint8x16_t weights = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    return vtstq_u8(vcombine_u8(vdup_n_u8((uint8_t)bits), vdup_n_u8((uint8_t)(bits >> 8))), weights);
}

ZN_FN struct encode_tables encode_tables(const struct zn_r16_codes *c) {
    struct encode_tables t;
    uint8x16x2_t unused, shift;
    load_words(c->top, &unused, &t.top);
    load_words(c->recip, &t.recip_lo, &t.recip_hi);
    load_words(c->shift, &shift, &unused);
    load_words(c->first, &t.first, &unused);
    load_words(c->rest, &t.rest, &unused);
    t.shift = (uint8x16x2_t){{negate(shift.val[0]), negate(shift.val[1])}};
    t.escaped = (uint8x16x2_t){{spread_bits(c->escaped), spread_bits(c->escaped >> 16)}};
    return t;
}

ZN_FN uint8x16_t class_of_symbol(const uint8_t *class_of, uint8x16_t sym) {
    uint8x16_t class = vqtbl4q_u8(vld1q_u8_x4(class_of), sym);
    for (unsigned row = 64; row < 256; row += 64)
        class = vqtbx4q_u8(class, vld1q_u8_x4(class_of + row), vsubq_u8(sym, vdupq_n_u8((uint8_t)row)));
    return class;
}

/* x + first + x / freq * rest; see r16_codes.c for the division. */
ZN_FN uint16x8_t encode_words(uint16x8_t x, uint16x8_t recip, int16x8_t shift, uint16x8_t first, uint16x8_t rest) {
    const uint32x4_t p0 = vmull_u16(vget_low_u16(x), vget_low_u16(recip)), p1 = vmull_high_u16(x, recip);
    const uint16x8_t high = vuzp2q_u16(vreinterpretq_u16_u32(p0), vreinterpretq_u16_u32(p1));
    const uint16x8_t q = vshlq_u16(vrhaddq_u16(x, high), shift);
    return vmlaq_u16(vaddq_u16(x, first), q, rest);
}

ZN_FN void encode_step(const struct encode_tables *t, uint8x16_t class, uint8x16_t *lo, uint8x16_t *hi) {
    const uint8x16_t recip_lo = vqtbl2q_u8(t->recip_lo, class), recip_hi = vqtbl2q_u8(t->recip_hi, class);
    const int8x16_t shift = vreinterpretq_s8_u8(vqtbl2q_u8(t->shift, class));
    const uint8x16_t first = vqtbl2q_u8(t->first, class), rest = vqtbl2q_u8(t->rest, class);
    const uint16x8_t w0 = encode_words(words_low(*lo, *hi), words_low(recip_lo, recip_hi), vmovl_s8(vget_low_s8(shift)),
                                       widen_low(first), widen_low(rest));
    const uint16x8_t w1 = encode_words(words_high(*lo, *hi), words_high(recip_lo, recip_hi), vmovl_high_s8(shift),
                                       widen_high(first), widen_high(rest));
    split_words(w0, w1, lo, hi);
}

struct planar_encoder {
    struct planar_states x;
};

ZN_FN uint8_t *encode_steps(struct planar_encoder *p, const struct zn_r16_encoder *e, size_t pos, const uint8_t *sym,
                            size_t n, uint8_t *marks, uint8_t *out) {
    const struct encode_tables t = encode_tables(zn_r16_codes_at(e, pos));
    for (size_t i = n; i > 0;) {
        i -= STEP;
        uint8_t *const plo = p->x.lo + i % TURN, *const phi = p->x.hi + i % TURN;
        uint8x16_t lo = vld1q_u8(plo), hi = vld1q_u8(phi);
        const uint8x16_t class = class_of_symbol(e->class_of, vld1q_u8(sym + i));
        const uint8x16_t emit = vcgtq_u8(hi, vqtbl2q_u8(t.top, class));
        const struct mask_bits m = mask_bits(emit, vqtbl2q_u8(t.escaped, class));
        const uint16_t esc = (uint16_t)(m.bits >> 16);
        memcpy(marks + i / 8, &esc, sizeof esc);
        /* Each store has its bytes at the upper end; the next one covers what it wrote too much. */
        vst1_u8(out - 8, shuffle8(vget_high_u8(lo), zn_r16_compress, m.bits >> 8));
        out -= m.counts >> 8 & 255;
        vst1_u8(out - 8, shuffle8(vget_low_u8(lo), zn_r16_compress, m.bits));
        out -= m.counts & 255;
        lo = vbslq_u8(emit, hi, lo);
        hi = vbicq_u8(hi, emit);
        encode_step(&t, class, &lo, &hi);
        vst1q_u8(plo, lo);
        vst1q_u8(phi, hi);
    }
    return out;
}

ZN_FN void encode(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n, enum zn_shape shape) {
    struct planar_encoder p;
    if (n == 0) return;
    planar_load(&p.x, e->state);
    planar_encode(&p, &zn_kernels_neon, e, src, raw, n, shape);
    planar_store(&p.x, e->state);
}

void zn_r16_encode_neon(struct zn_r16_encoder *e, const uint8_t *src, size_t n) {
    const size_t whole = e->lanes_log2 == 7 && e->slots_log2 == ZN_R16_SLOTS_LOG2 ? n - n % TURN : 0;
    zn_r16_encode_range_scalar(e, src, whole, n);
    encode(e, src, NULL, whole, ZN_SHAPE_8);
}

void zn_r16_encode_16r_neon(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t whole = n - n % TURN;
    zn_r16_encode_range_16r_scalar(e, src, raw, whole, n);
    encode(e, src, raw, whole, ZN_SHAPE_16R);
}

void zn_r16_encode_32r_neon(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t whole = n - n % TURN;
    zn_r16_encode_range_32r_scalar(e, src, raw, whole, n);
    encode(e, src, raw, whole, ZN_SHAPE_32R);
}

void zn_r16_encode_f16_neon(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t whole = n - n % TURN;
    zn_r16_encode_range_f16_scalar(e, src, raw, whole, n);
    encode(e, src, raw, whole, ZN_SHAPE_F16);
}

#endif
