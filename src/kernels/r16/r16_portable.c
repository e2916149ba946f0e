/* R16 in portable C, made fast: 1.5 (gcc 12) and 1.6 (clang 14) GB/s of merged words, hot, where the readable
 * loop of r16_scalar.c, the definition, has 0.6. A symbol is looked up three times with one index, its multiplication
 * is done in the width of its tables, and escapes are put in their places afterwards, eight symbols at a glance.
 */
#include <string.h>

#include "base/bytes.h"
#include "kernels/r16/r16.h"
#include "kernels/r16/r16_feed.h"

enum { SIDE_BY_SIDE = 8 }; /* symbols in a row that the compiler unrolls */

/* A table in the form that is used: frequency and bias times 256, which leaves room for a byte below the state. */
struct wide_table {
    uint32_t freq[ZN_R16W_SLOTS], bias[ZN_R16W_SLOTS];
    uint8_t sym[ZN_R16W_SLOTS];
};

struct portable_decoder {
    struct zn_r16_decoder *d;
    struct zn_r16_feed in;
    uint32_t ready; /* bit t: wide[t] is filled */
    struct wide_table wide[ZN_R16_MAX_TABLES];
};

static void begin(struct portable_decoder *p, struct zn_r16_decoder *d) {
    p->d = d;
    p->ready = 0;
    zn_r16_feed_start(&p->in, d->in, d->in_end);
}

static void end(struct portable_decoder *p) {
    p->d->in = p->d->in_end - p->in.left;
}

static const struct wide_table *wide_table_at(struct portable_decoder *p, size_t pos) {
    const struct zn_r16_table *table = zn_r16_table_at(p->d, pos);
    const size_t t = (size_t)(table - p->d->tables);
    struct wide_table *wide = &p->wide[t];
    if (p->ready >> t & 1) return wide;
    for (unsigned i = 0; i < 1u << p->d->slots_log2; i++) {
        wide->freq[i] = table->freq[i] * 256U;
        wide->bias[i] = table->bias[i] * 256U;
    }
    memcpy(wide->sym, table->sym, sizeof wide->sym);
    p->ready |= UINT32_C(1) << t;
    return wide;
}

/* One symbol; a byte is readable at `in`, whether it is taken or not. `least` is the least new state that takes none,
 * times 256. */
static inline const uint8_t *decode_lane(const struct wide_table *t, unsigned slots_log2, uint32_t least,
                                         uint16_t *state, const uint8_t *in, uint8_t *out) {
    const uint32_t x = *state, slot = x & ((UINT32_C(1) << slots_log2) - 1);
    const uint32_t y = t->freq[slot] * (x >> slots_log2) + t->bias[slot];
    *out = t->sym[slot];
    const uint32_t renewed = y | *in, same = y / 256;
    *state = (uint16_t)(y < ZN_R16_LOW * 256 ? renewed : same);
    in += y < least;
    return in;
}

/* A symbol of each of n lanes; escapes leave the escape mark. Whether a symbol takes a byte cannot be predicted: gcc
 * must not see that both selections are by one condition, nor clang that one side of the first has work to do, or they
 * branch (0.4 GB/s). On its own, with its few pointers in registers, this is a quarter faster than inlined. */
static inline const uint8_t *decode_lanes(const struct wide_table *t, unsigned slots_log2, uint16_t *state, size_t n,
                                          const uint8_t *in, uint8_t *out) {
    uint32_t least = ZN_R16_LOW * 256;
    __asm__("" : "+r"(least));
    size_t i = 0;
    for (; n - i >= SIDE_BY_SIDE; i += SIDE_BY_SIDE)
        for (size_t k = i; k < i + SIDE_BY_SIDE; k++) in = decode_lane(t, slots_log2, least, state + k, in, out + k);
    for (; i < n; i++) in = decode_lane(t, slots_log2, least, state + i, in, out + i);
    return in;
}

__attribute__((noinline)) static const uint8_t *decode_narrow(const struct wide_table *t, uint16_t *state, size_t n,
                                                              const uint8_t *in, uint8_t *out) {
    return decode_lanes(t, ZN_R16_SLOTS_LOG2, state, n, in, out);
}

__attribute__((noinline)) static const uint8_t *decode_wide(const struct wide_table *t, uint16_t *state, size_t n,
                                                            const uint8_t *in, uint8_t *out) {
    return decode_lanes(t, ZN_R16W_SLOTS_LOG2, state, n, in, out);
}

/* Returns the top bit of each byte that is 0. */
static uint64_t zero_bytes(uint64_t v) {
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    return ~(((v & low7) + low7) | v | low7);
}

/* Returns the next escaped symbol, which is symbol `pos` of the stream. */
static inline uint8_t next_escape(struct zn_r16_decoder *d, size_t pos) {
    const uint8_t escape = *d->esc++;
    if (d->slots_log2 == ZN_R16_SLOTS_LOG2) return escape;
    const struct zn_r16_table *t = zn_r16_table_at(d, pos);
    return zn_r16w_escaped(t->base, t->last, escape);
}

/* Puts the escapes in the places of their marks among the n symbols before d->pos, at most ZN_R16_REACH; false if there
 * are more marks than escapes. One group of 8 in twelve has any, which cannot be predicted: those are listed first, without a branch.
 */
static bool put_escapes(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    const uint64_t marks = d->esc_mark * UINT64_C(0x0101010101010101);
    uint16_t group[ZN_R16_REACH / 8 + 1];
    size_t n_groups = 0, i = 0;
    for (; n - i >= 8; i += 8) {
        group[n_groups] = (uint16_t)i;
        n_groups += zero_bytes(zn_get_u64(out + i) ^ marks) != 0;
    }
    for (size_t g = 0; g < n_groups; g++) {
        uint8_t *const at = out + group[g];
        for (uint64_t m = zero_bytes(zn_get_u64(at) ^ marks); m; m &= m - 1) {
            if (d->esc == d->esc_end) return false;
            const size_t k = (size_t)__builtin_ctzll(m) / 8;
            at[k] = next_escape(d, d->pos - n + group[g] + k);
        }
    }
    for (; i < n; i++) {
        if (out[i] != d->esc_mark) continue;
        if (d->esc == d->esc_end) return false;
        out[i] = next_escape(d, d->pos - n + i);
    }
    return true;
}

/* Decodes the next n symbols, at most ZN_R16_REACH. */
static bool decode_burst(struct portable_decoder *p, uint8_t *out, size_t n) {
    struct zn_r16_decoder *d = p->d;
    const size_t lanes = (size_t)1 << d->lanes_log2, block = (size_t)1 << d->block_log2;
    zn_r16_feed_reach(&p->in);
    const uint8_t *at = p->in.p;
    for (size_t i = 0, len; i < n; i += len) {
        const size_t lane = d->pos & (lanes - 1);
        len = ZN_MIN(ZN_MIN(n - i, lanes - lane), block - (d->pos & (block - 1)));
        at = (d->slots_log2 == ZN_R16_SLOTS_LOG2 ? decode_narrow : decode_wide)(wide_table_at(p, d->pos),
                                                                                d->state + lane, len, at, out + i);
        zn_r16_fetch(&d->ahead, len / ZN_R16_LANES);
        d->pos += len;
    }
    return zn_r16_feed_take(&p->in, at) && put_escapes(d, out, n);
}

bool zn_r16_decode_portable(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    struct portable_decoder p;
    begin(&p, d);
    for (size_t done = 0, len; done < n; done += len) {
        len = ZN_MIN(n - done, (size_t)ZN_R16_REACH);
        if (!decode_burst(&p, out + done, len)) return false;
    }
    end(&p);
    return true;
}

/* Merges the symbols with the n_raw planes below to words of `shape`. */
static bool decode_words(struct zn_r16_decoder *d, const uint8_t *const *raw, size_t n_raw, enum zn_shape shape,
                         uint8_t *out, size_t n) {
    struct portable_decoder p;
    uint8_t symbols[ZN_R16_REACH];
    begin(&p, d);
    for (size_t done = 0, len; done < n; done += len) {
        const uint8_t *planes[4];
        len = ZN_MIN(n - done, sizeof symbols);
        if (!decode_burst(&p, symbols, len)) return false;
        for (size_t i = 0; i < n_raw; i++) planes[i] = raw[i] + done;
        planes[n_raw] = symbols;
        zn_kernels_scalar.merge[shape](planes, len, out + (n_raw + 1) * done, ZN_STORE_CACHED);
    }
    end(&p);
    return true;
}

bool zn_r16_decode_16r_portable(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                                enum zn_store store) {
    (void)store;
    return decode_words(d, &raw, 1, ZN_SHAPE_16R, out, n);
}

bool zn_r16_decode_32r_portable(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                                enum zn_store store) {
    (void)store;
    return decode_words(d, raw, 3, ZN_SHAPE_32R, out, n);
}
