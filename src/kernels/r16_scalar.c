/* R16 in portable C: the definition of the bitstream. Selections are arithmetic on masks, since whether a symbol takes
 * a byte or is an escape cannot be predicted.
 */
#include "base/bytes.h"
#include "kernels/r16.h"

enum { BURST_MIN = 32 }; /* shorter bursts do not pay for their set-up */

enum bounds {
    PROVED, /* both feeds hold a byte for every symbol of the run */
    CHECKED /* a feed that is used up reads as zeros and counts on */
};

struct feed {
    const uint8_t *p;
    size_t used, left;
};

static inline uint32_t peek(const struct feed *f, enum bounds bounds) {
    return bounds == PROVED || f->used < f->left ? f->p[f->used] : 0;
}

static inline uint32_t decode_one(const struct zn_r16_table *t, uint8_t esc_mark, uint16_t *state, struct feed *in,
                                  struct feed *esc, enum bounds bounds) {
    uint32_t x = *state, slot = x % ZN_R16_SLOTS;
    x = t->freq[slot] * (x / ZN_R16_SLOTS) + t->bias[slot];
    uint32_t low = (x - ZN_R16_LOW) >> 31; /* 1 if x < 256 */
    x = x << (8 * low) | (peek(in, bounds) & (0 - low));
    in->used += low;
    *state = (uint16_t)x;

    uint32_t sym = t->sym[slot], escaped = ((sym ^ esc_mark) - 1) >> 31;
    sym ^= (sym ^ peek(esc, bounds)) & (0 - escaped);
    esc->used += escaped;
    return sym;
}

/* Puts symbol i: as such, or merged with its raw byte into the word that ZN_SHAPE_16R came from. */
static inline void put(uint8_t *out, const uint8_t *raw, size_t i, uint32_t sym) {
    if (raw)
        zn_put_u16(out + 2 * i, (uint16_t)(sym << 7 | raw[i] >> 1 | (raw[i] & 1U) << 15));
    else
        out[i] = (uint8_t)sym;
}

/* Symbols [from, to) of out, all in one block. False if a feed ran out. */
static inline bool decode_run(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t from, size_t to,
                              enum bounds bounds) {
    const struct zn_r16_table *t = zn_r16_table_at(d, d->pos);
    size_t lane_mask = ((size_t)1 << d->lanes_log2) - 1, lane = d->pos;
    uint8_t esc_mark = d->esc_mark;
    struct feed in = {d->in, 0, (size_t)(d->in_end - d->in)}, esc = {d->esc, 0, (size_t)(d->esc_end - d->esc)};
    for (size_t i = from; i < to; i++, lane++)
        put(out, raw, i, decode_one(t, esc_mark, &d->state[lane & lane_mask], &in, &esc, bounds));
    if (in.used > in.left || esc.used > esc.left) return false;
    d->in += in.used;
    d->esc += esc.used;
    d->pos += to - from;
    return true;
}

static inline bool decode(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n) {
    size_t block = (size_t)1 << d->block_log2;
    for (size_t i = 0; i < n;) {
        size_t run = ZN_MIN(n - i, block - (d->pos & (block - 1)));
        size_t burst = ZN_MIN(run, (size_t)(d->in_end - d->in)); /* a symbol takes at most one byte of each feed */
        burst = ZN_MIN(burst, (size_t)(d->esc_end - d->esc));
        if (burst >= BURST_MIN)
            decode_run(d, raw, out, i, i + (run = burst), PROVED);
        else if (!decode_run(d, raw, out, i, i + run, CHECKED))
            return false;
        i += run;
    }
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

void zn_r16_encode_range_scalar(struct zn_r16_encoder *e, const uint8_t *src, size_t from, size_t to) {
    size_t lane_mask = ((size_t)1 << e->lanes_log2) - 1;
    uint8_t *out = e->out, *esc = e->esc;
    for (size_t i = to; i-- > from;) {
        const struct zn_r16_codes *t = zn_r16_codes_at(e, i);
        unsigned c = e->class_of[src[i]];
        uint32_t x = e->state[i & lane_mask];

        /* Both bytes are always written, below what counts so far, and counted if they are wanted. */
        uint32_t emit = (t->top[c] - x) >> 31;
        out[-1] = (uint8_t)x;
        out -= emit;
        x >>= 8 * emit;
        esc[-1] = src[i];
        esc -= t->escaped >> c & 1;

        uint32_t q = (x + (x * t->recip[c] >> 16) + 1) >> 1 >> t->shift[c];
        e->state[i & lane_mask] = (uint16_t)(x + t->first[c] + q * t->rest[c]);
    }
    e->out = out;
    e->esc = esc;
}

void zn_r16_encode_scalar(struct zn_r16_encoder *e, const uint8_t *src, size_t n) {
    zn_r16_encode_range_scalar(e, src, 0, n);
}
