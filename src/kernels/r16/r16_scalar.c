/* R16 in portable C: the definition of the bitstream. */
#include <string.h>

#include "base/bytes.h"
#include "kernels/r16/r16.h"
#include "kernels/r16/r16_feed.h"
#include "kernels/r16/r16_one.h"

/* Stores symbol i, alone or merged with its raw byte into the word that ZN_SHAPE_16R came from. */
static inline void put(uint8_t *out, const uint8_t *raw, size_t i, uint32_t sym) {
    if (raw)
        zn_put_u16(out + 2 * i, (uint16_t)(sym << 7 | raw[i] >> 1 | (raw[i] & 1U) << 15));
    else
        out[i] = (uint8_t)sym;
}

static inline bool decode(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n) {
    const size_t block = (size_t)1 << d->block_log2, lane_mask = ((size_t)1 << d->lanes_log2) - 1;
    const uint8_t esc_mark = d->esc_mark;
    const unsigned slots_log2 = d->slots_log2;
    struct zn_r16_feed in, esc;
    zn_r16_feed_start(&in, d->in, d->in_end);
    zn_r16_feed_start(&esc, d->esc, d->esc_end);
    size_t pos = d->pos;
    for (size_t i = 0; i < n;) {
        /* To the end of the block, whose table this is. A symbol takes at most one byte of each feed. */
        const size_t end = i + ZN_MIN(ZN_MIN(n - i, block - (pos & (block - 1))), ZN_R16_REACH);
        const struct zn_r16_table *t = zn_r16_table_at(d, pos);
        zn_r16_feed_reach(&in);
        zn_r16_feed_reach(&esc);
        struct zn_r16_cursors c = {in.p, esc.p};
        for (; i < end; i++)
            put(out, raw, i, zn_r16_decode_one(t, slots_log2, esc_mark, &d->state[pos++ & lane_mask], &c));
        if (!zn_r16_feed_take(&in, c.in) || !zn_r16_feed_take(&esc, c.esc)) return false;
    }
    d->in = d->in_end - in.left;
    d->esc = d->esc_end - esc.left;
    d->pos = pos;
    return true;
}

bool zn_r16_decode_scalar(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    return decode(d, NULL, out, n);
}

bool zn_r16_decode_16r_scalar(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                              enum zn_store store) {
    (void)store;
    return decode(d, raw, out, n);
}

bool zn_r16_decode_32r_scalar(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                              enum zn_store store) {
    uint8_t symbols[ZN_R16_REACH];
    for (size_t done = 0, len; done < n; done += len) {
        len = ZN_MIN(n - done, sizeof symbols);
        const uint8_t *planes[4] = {raw[0] + done, raw[1] + done, raw[2] + done, symbols};
        if (!decode(d, NULL, symbols, len)) return false;
        zn_kernels_scalar.merge[ZN_SHAPE_32R](planes, len, out + 4 * done, store);
    }
    return true;
}

bool zn_r16_decode_halves_scalar(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                                 enum zn_store store) {
    (void)store;
    if (!decode(d, NULL, out, n)) return false;
    const unsigned k = d->halves.bits, mask = (1u << k) - 1;
    for (size_t i = 0; i < n; i++) {
        const size_t byte = k * i / 8, bit = k * i % 8;
        const unsigned two = packed[byte] | (bit + k > 8 ? (unsigned)packed[byte + 1] << 8 : 0),
                       low = two >> bit & mask;
        const unsigned whole = (unsigned)out[i] << k | low;
        d->halves.seen |= out[i];
        out[i] = (uint8_t)((d->halves.rotated ? whole >> 1 | whole << 7 : whole) ^ d->halves.flip);
    }
    return true;
}

/* Splits the top byte off word i of ZN_SHAPE_16R. */
static inline uint8_t take_16r(const uint8_t *src, uint8_t *raw, size_t i) {
    const uint32_t w = zn_get_u16(src + 2 * i);
    raw[i] = (uint8_t)(w << 1 | w >> 15);
    return (uint8_t)(w >> 7);
}

/* The same for ZN_SHAPE_F16, whose words come from the last to the first: three bits of the top byte go to the masks of
 * its group, which begin empty. */
static inline uint8_t take_f16(const uint8_t *src, uint8_t *const *raw, size_t i, bool last) {
    const unsigned top = take_16r(src, raw[0], i), bit = i % 64;
    uint8_t *masks = raw[1] + i / 64 * 24;
    if (last || bit == 63) memset(masks, 0, 24);
    for (unsigned b = 0; b < 3; b++) masks[8 * b + bit / 8] |= (uint8_t)((top >> (2 - b) & 1) << bit % 8);
    return (uint8_t)(top >> 3);
}

/* Returns symbol i of a plane, or of a word, whose other bits go to the planes below. */
static inline uint8_t take(const uint8_t *src, uint8_t *const *raw, enum zn_shape shape, size_t i, bool last) {
    if (shape == ZN_SHAPE_8) return src[i];
    if (shape == ZN_SHAPE_16R) return take_16r(src, raw[0], i);
    if (shape == ZN_SHAPE_F16) return take_f16(src, raw, i, last);
    uint32_t w = zn_get_u32(src + 4 * i);
    w = w << 1 | w >> 31;
    for (unsigned p = 0; p < 3; p++) raw[p][i] = (uint8_t)(w >> 8 * p);
    return (uint8_t)(w >> 24);
}

static inline void encode_range(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, enum zn_shape shape,
                                size_t from, size_t to) {
    const size_t lane_mask = ((size_t)1 << e->lanes_log2) - 1;
    struct zn_r16_ends ends = {e->out, e->esc};
    for (size_t i = to; i-- > from;) {
        const uint8_t symbol = take(src, raw, shape, i, i + 1 == to);
        zn_r16_encode_one(zn_r16_codes_at(e, i), e->class_of[symbol], symbol, &e->state[i & lane_mask], &ends);
    }
    e->out = ends.out;
    e->esc = ends.esc;
}

/* The same for the symbols of a plane by R16W. */
static void encode_wide(struct zn_r16_encoder *e, const uint8_t *src, size_t from, size_t to) {
    const size_t lane_mask = ((size_t)1 << e->lanes_log2) - 1;
    struct zn_r16_ends ends = {e->out, e->esc};
    for (size_t i = to; i-- > from;) {
        const struct zn_r16_codes *const t = zn_r16_codes_at(e, i);
        const uint8_t rank = (uint8_t)(src[i] - t->base), escape = zn_r16w_escape(t->base, t->last, src[i]);
        zn_r16_encode_one(t, ZN_MIN(rank, t->last), escape, &e->state[i & lane_mask], &ends);
    }
    e->out = ends.out;
    e->esc = ends.esc;
}

void zn_r16_encode_range_scalar(struct zn_r16_encoder *e, const uint8_t *src, size_t from, size_t to) {
    if (e->slots_log2 == ZN_R16_SLOTS_LOG2)
        encode_range(e, src, NULL, ZN_SHAPE_8, from, to);
    else
        encode_wide(e, src, from, to);
}

void zn_r16_encode_range_16r_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t from,
                                    size_t to) {
    encode_range(e, src, raw, ZN_SHAPE_16R, from, to);
}

void zn_r16_encode_range_32r_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t from,
                                    size_t to) {
    encode_range(e, src, raw, ZN_SHAPE_32R, from, to);
}

void zn_r16_encode_scalar(struct zn_r16_encoder *e, const uint8_t *src, size_t n) {
    if (e->slots_log2 == ZN_R16_SLOTS_LOG2)
        encode_range(e, src, NULL, ZN_SHAPE_8, 0, n);
    else
        encode_wide(e, src, 0, n);
}

void zn_r16_encode_16r_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    encode_range(e, src, raw, ZN_SHAPE_16R, 0, n);
}

void zn_r16_encode_32r_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    encode_range(e, src, raw, ZN_SHAPE_32R, 0, n);
}

void zn_r16_encode_range_f16_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t from,
                                    size_t to) {
    encode_range(e, src, raw, ZN_SHAPE_F16, from, to);
}

void zn_r16_encode_f16_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    encode_range(e, src, raw, ZN_SHAPE_F16, 0, n);
}
