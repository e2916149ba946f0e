/* R16 for WebAssembly's vectors of 128 bits, 16 symbols a step, as in r16_neon.c: what NEON looks up in tables of 64
 * bytes takes four swizzles of 16. Encoding is left to the scalar functions.
 */
#include "kernels/r16/r16.h"
#include "kernels/sets.h"

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>

#define ZN_FN static inline
#define ZN_INLINE __attribute__((always_inline)) static inline
#include "kernels/r16/r16_planar_tpl.h"
#include "kernels/r16/r16_shuffles.h"

enum { STEP = 16 };

/* Hides that a vector is a constant. V8 makes a constant anew each time it is used: joining symbols of 7 bits took 4 times
 * as long, and all of decoding 1.4 times. */
ZN_INLINE v128_t kept(v128_t v) {
    __asm__("" : "+r"(v));
    return v;
}

ZN_INLINE v128_t kept_bytes(uint8_t byte) {
    return kept(wasm_u8x16_splat(byte));
}

/* ---- decoding ---- */

struct decode_tables {
    v128_t rank[8];                   /* by slot, 16 a vector; R16 uses four vectors */
    v128_t freq[2], first[2], sym[2]; /* R16 uses the first vector */
    v128_t last;
    v128_t slots, sixteen, low_bytes; /* constants */
    bool wide;
};

ZN_INLINE struct decode_tables decode_tables(const struct zn_r16_table *table, bool wide) {
    struct decode_tables t = {.last = wasm_u8x16_splat(table->last),
                              .slots = kept_bytes(wide ? 127 : 63),
                              .sixteen = kept_bytes(16),
                              .low_bytes = kept(wasm_u16x8_const_splat(255)),
                              .wide = wide};
    for (unsigned i = 0; i < (wide ? 8 : 4); i++) t.rank[i] = wasm_v128_load(table->rank + 16 * i);
    for (unsigned i = 0; i < (wide ? 2 : 1); i++) {
        t.freq[i] = wasm_v128_load(table->rank_freq + 16 * i);
        t.first[i] = wasm_v128_load(table->rank_first + 16 * i);
        t.sym[i] = wasm_v128_load(table->rank_sym + 16 * i);
    }
    return t;
}

/* A swizzle gives 0 for an index of 16 and more, so that the vectors of a table are looked up one by one, and added. */
ZN_INLINE v128_t look_up(const v128_t *table, unsigned n, v128_t index, v128_t sixteen) {
    v128_t found = wasm_i8x16_swizzle(table[0], index);
    for (unsigned i = 1; i < n; i++) {
        index = wasm_i8x16_sub(index, sixteen);
        found = wasm_v128_or(found, wasm_i8x16_swizzle(table[i], index));
    }
    return found;
}

ZN_FN v128_t words_low(v128_t lo, v128_t hi) {
    return wasm_i8x16_shuffle(lo, hi, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

ZN_FN v128_t words_high(v128_t lo, v128_t hi) {
    return wasm_i8x16_shuffle(lo, hi, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/* freq * (x >> slots_log2) + bias */
ZN_INLINE v128_t decode_words(v128_t x, v128_t freq, v128_t bias, bool wide) {
    return wasm_i16x8_add(wasm_i16x8_mul(freq, wasm_u16x8_shr(x, wide ? 7 : 6)), bias);
}

/* Decodes symbols of 16 lanes; states below 256 still lack a byte. *esc: which are escapes. */
ZN_INLINE v128_t decode_step(const struct decode_tables *t, v128_t *lo, v128_t *hi, v128_t *esc) {
    const unsigned n = t->wide ? 2 : 1;
    const v128_t slot = wasm_v128_and(*lo, t->slots), rank = look_up(t->rank, t->wide ? 8 : 4, slot, t->sixteen);
    const v128_t freq = look_up(t->freq, n, rank, t->sixteen);
    const v128_t bias = wasm_i8x16_sub(slot, look_up(t->first, n, rank, t->sixteen));
    const v128_t w0 = decode_words(words_low(*lo, *hi), wasm_u16x8_extend_low_u8x16(freq),
                                   wasm_u16x8_extend_low_u8x16(bias), t->wide);
    const v128_t w1 = decode_words(words_high(*lo, *hi), wasm_u16x8_extend_high_u8x16(freq),
                                   wasm_u16x8_extend_high_u8x16(bias), t->wide);
    *lo = wasm_u8x16_narrow_i16x8(wasm_v128_and(w0, t->low_bytes), wasm_v128_and(w1, t->low_bytes));
    *hi = wasm_u8x16_narrow_i16x8(wasm_u16x8_shr(w0, 8), wasm_u16x8_shr(w1, 8));
    *esc = wasm_i8x16_eq(rank, t->last);
    return look_up(t->sym, n, rank, t->sixteen);
}

/* The bytes at `in`, spread over the set bits of the mask; the bytes of other bits are 0. */
ZN_INLINE v128_t spread16(const uint8_t *in, uint32_t mask) {
    const uint64_t taken = (uint64_t)__builtin_popcount(mask & 255) * UINT64_C(0x0101010101010101);
    const v128_t places = wasm_u64x2_make(zn_r16_expand[mask & 255], zn_r16_expand[mask >> 8] + taken);
    return wasm_i8x16_swizzle(wasm_v128_load(in), places);
}

ZN_INLINE const uint8_t *decode_slots(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
                                      uint8_t *out, size_t from, size_t n, bool wide) {
    const struct decode_tables t = decode_tables(table, wide);
    const v128_t zero = kept_bytes(0);
    for (size_t i = from; i < from + n; i += STEP) {
        uint8_t *const plo = p->x.lo + (i & p->lane_mask), *const phi = p->x.hi + (i & p->lane_mask);
        v128_t lo = wasm_v128_load(plo), hi = wasm_v128_load(phi), is_esc;
        const v128_t sym = decode_step(&t, &lo, &hi, &is_esc), small = wasm_i8x16_eq(hi, zero);
        const uint32_t mask = wasm_i8x16_bitmask(small);
        const uint16_t esc = (uint16_t)wasm_i8x16_bitmask(is_esc);
        memcpy(p->marks + i / 8, &esc, sizeof esc);
        wasm_v128_store(out + i, sym);
        /* x < 256: x = x << 8 | byte */
        wasm_v128_store(phi, wasm_v128_or(hi, wasm_v128_and(small, lo)));
        wasm_v128_store(plo, wasm_v128_bitselect(spread16(in, mask), lo, small));
        in += __builtin_popcount(mask);
    }
    return in;
}

ZN_FN const uint8_t *decode_steps(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
                                  uint8_t *out, size_t from, size_t n) {
    return p->slots_log2 == ZN_R16_SLOTS_LOG2 ? decode_slots(p, table, in, out, from, n, false)
                                              : decode_slots(p, table, in, out, from, n, true);
}

/* ror16(word, 1) */
ZN_FN void store_rotated16(uint8_t *out, v128_t word) {
    wasm_v128_store(out, wasm_v128_or(wasm_u16x8_shr(word, 1), wasm_i16x8_shl(word, 15)));
}

/* ror32(high << 16 | low, 1) */
ZN_FN void store_rotated32(uint8_t *out, v128_t low, v128_t high) {
    const v128_t a = wasm_i16x8_shuffle(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
    const v128_t b = wasm_i16x8_shuffle(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
    wasm_v128_store(out, wasm_v128_or(wasm_u32x4_shr(a, 1), wasm_i32x4_shl(a, 31)));
    wasm_v128_store(out + 16, wasm_v128_or(wasm_u32x4_shr(b, 1), wasm_i32x4_shl(b, 31)));
}

ZN_FN void merge_16r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store store) {
    (void)store;
    for (size_t i = 0; i < n; i += STEP) {
        const v128_t r = wasm_v128_load(raw[0] + i), s = wasm_v128_load(sym + i);
        store_rotated16(out + 2 * i, words_low(r, s));
        store_rotated16(out + 2 * i + STEP, words_high(r, s));
    }
}

ZN_FN void merge_32r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store store) {
    (void)store;
    for (size_t i = 0; i < n; i += STEP) {
        const v128_t p0 = wasm_v128_load(raw[0] + i), p1 = wasm_v128_load(raw[1] + i), p2 = wasm_v128_load(raw[2] + i);
        const v128_t s = wasm_v128_load(sym + i);
        store_rotated32(out + 4 * i, words_low(p0, p1), words_low(p2, s));
        store_rotated32(out + 4 * i + 32, words_high(p0, p1), words_high(p2, s));
    }
}

/* Where 16 packed numbers of `bits` bits lie: each in two bytes, which begin at one of `first` (the second eight: `bits`
 * further on). These 16 bits times `up` have the number at their top. */
struct number_places {
    v128_t first, second, up;
    unsigned bits;
};

ZN_INLINE struct number_places number_places(unsigned bits, v128_t first, v128_t up) {
    const v128_t second = wasm_i8x16_add(first, wasm_u8x16_splat((uint8_t)bits));
    return (struct number_places){kept(first), kept(second), kept(up), bits};
}

ZN_INLINE v128_t take_numbers(v128_t bytes, const struct number_places *at) {
    const v128_t a = wasm_i16x8_mul(wasm_i8x16_swizzle(bytes, at->first), at->up);
    const v128_t b = wasm_i16x8_mul(wasm_i8x16_swizzle(bytes, at->second), at->up);
    return wasm_u8x16_narrow_i16x8(wasm_u16x8_shr(a, 16 - at->bits), wasm_u16x8_shr(b, 16 - at->bits));
}

/* Shifts of bytes; `mask` has the bits that may be set then, in each byte. */
ZN_INLINE v128_t bytes_up(v128_t v, unsigned by, v128_t mask) {
    return wasm_v128_and(wasm_i16x8_shl(v, by), mask);
}

ZN_INLINE v128_t bytes_down(v128_t v, unsigned by, v128_t mask) {
    return wasm_v128_and(wasm_u16x8_shr(v, by), mask);
}

ZN_FN void join_sevens(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n) {
    const struct number_places places =
        number_places(7, wasm_u8x16_const(0, 1, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7),
                      wasm_u16x8_const(1 << 9, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8));
    const v128_t top = kept_bytes(128), rest = kept_bytes(127);
    for (size_t i = 0; i < n; i += STEP, packed += STEP / 8 * 7) {
        const v128_t s = wasm_v128_load(sym + i), number = take_numbers(wasm_v128_load(packed), &places);
        wasm_v128_store(low + i, wasm_v128_or(number, bytes_up(s, 7, top)));
        wasm_v128_store(sym + i, bytes_down(s, 1, rest));
    }
}

ZN_FN void join_sixes(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n) {
    const struct number_places places =
        number_places(6, wasm_u8x16_const(0, 1, 0, 1, 1, 2, 2, 3, 3, 4, 3, 4, 4, 5, 5, 6),
                      wasm_u16x8_const(1 << 10, 1 << 4, 1 << 6, 1 << 8, 1 << 10, 1 << 4, 1 << 6, 1 << 8));
    const v128_t top = kept_bytes(192), rest = kept_bytes(63), bit6 = kept_bytes(64), zero = kept_bytes(0);
    for (size_t i = 0; i < n; i += STEP, packed += STEP / 8 * 6) {
        const v128_t s = wasm_v128_load(sym + i), number = take_numbers(wasm_v128_load(packed), &places);
        const v128_t upper = bytes_down(s, 2, rest), is_some = wasm_i8x16_ne(upper, zero);
        wasm_v128_store(low + i, wasm_v128_or(number, bytes_up(s, 6, top)));
        wasm_v128_store(sym + i, wasm_v128_or(upper, wasm_v128_and(is_some, bit6)));
    }
}

/* A byte is the symbol above bits 1 and 2 of its number; bit 0 goes to the top. */
ZN_FN void add_triples(const uint8_t *packed, uint8_t *sym, size_t n) {
    const struct number_places places =
        number_places(3, wasm_u8x16_const(0, 1, 0, 1, 0, 1, 1, 2, 1, 2, 1, 2, 2, 3, 2, 3),
                      wasm_u16x8_const(1 << 13, 1 << 10, 1 << 7, 1 << 12, 1 << 9, 1 << 6, 1 << 11, 1 << 8));
    const v128_t turned = kept(wasm_u8x16_const(0, 128, 1, 129, 2, 130, 3, 131, 0, 0, 0, 0, 0, 0, 0, 0));
    const v128_t upper = kept_bytes(252);
    for (size_t i = 0; i < n; i += STEP, packed += STEP / 8 * 3) {
        const v128_t number = take_numbers(wasm_v128_load64_zero(packed), &places);
        const v128_t symbols = bytes_up(wasm_v128_load(sym + i), 2, upper);
        wasm_v128_store(sym + i, wasm_v128_or(symbols, wasm_i8x16_swizzle(turned, number)));
    }
}

PLANAR_JOINTS(simd128)

bool zn_r16_decode_halves_simd128(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                                  enum zn_store store) {
    (void)store;
    return planar_decode_halves(d, packed, out, n);
}

bool zn_r16_decode_simd128(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    return planar_decode(d, out, n);
}

bool zn_r16_decode_16r_simd128(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                               enum zn_store store) {
    return planar_decode_16r(d, raw, out, n, store);
}

bool zn_r16_decode_32r_simd128(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                               enum zn_store store) {
    return planar_decode_32r(d, raw, out, n, store);
}

#endif
