/* One symbol of R16: what the scalar loops repeat. Selections are arithmetic on masks, since whether a symbol takes a
 * byte or is an escape cannot be predicted.
 */
#ifndef ZN_KERNELS_R16_ONE_H
#define ZN_KERNELS_R16_ONE_H

#include "kernels/kernels.h"
#include "kernels/r16/r16_feed.h"

/* Decodes one symbol. A byte must be readable at both cursors, whether it is used or not. */
static inline uint32_t zn_r16_decode_one(const struct zn_r16_table *t, unsigned slots_log2, uint8_t esc_mark,
                                         uint16_t *state, struct zn_r16_cursors *c) {
    uint32_t x = *state, slot = x & ((UINT32_C(1) << slots_log2) - 1);
    x = t->freq[slot] * (x >> slots_log2) + t->bias[slot];
    uint32_t low = (x - ZN_R16_LOW) >> 31; /* 1 if x < 256 */
    x += (x * 255 + *c->in) & (0 - low);   /* x << 8 | byte */
    c->in += low;
    *state = (uint16_t)x;

    uint32_t sym = t->sym[slot], escaped = ((sym ^ esc_mark) - 1) >> 31;
    const uint32_t other = slots_log2 == ZN_R16_SLOTS_LOG2 ? *c->esc : zn_r16w_escaped(t->base, t->last, *c->esc);
    sym ^= (sym ^ other) & (0 - escaped);
    c->esc += escaped;
    return sym;
}

/* The positions of an encoder's streams. */
struct zn_r16_ends {
    uint8_t *out, *esc;
};

/* Encodes one symbol of class c, `esc` where it escapes. A byte is writable below both ends. */
static inline void zn_r16_encode_one(const struct zn_r16_codes *t, unsigned c, uint8_t esc, uint16_t *state,
                                     struct zn_r16_ends *e) {
    uint32_t x = *state;

    /* Both bytes are always written, below what counts so far, and counted if they are wanted. */
    uint32_t emit = (t->top[c] - x) >> 31;
    e->out[-1] = (uint8_t)x;
    e->out -= emit;
    x >>= 8 * emit;
    e->esc[-1] = esc;
    e->esc -= t->escaped >> c & 1;

    uint32_t q = (x + (x * t->recip[c] >> 16) + 1) >> 1 >> t->shift[c];
    *state = (uint16_t)(x + t->first[c] + q * t->rest[c]);
}

#endif
