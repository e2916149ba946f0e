#include "codec/range.h"

enum { STEP = 4 }; /* bytes moved at a time */

static void put_step(struct zn_range_bytes *b, uint32_t v) {
    for (unsigned i = 0; i < STEP; i++, b->at++)
        if (b->at < b->len) b->data[b->at] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get_step(struct zn_range_bytes *b) {
    uint32_t v = 0;
    for (unsigned i = 0; i < STEP; i++, b->at++) v = v << 8 | (b->at < b->len ? b->data[b->at] : 0u);
    return v;
}

void zn_range_begin(struct zn_range *r, enum zn_direction direction, struct zn_range_bytes code,
                    struct zn_range_bytes plain) {
    *r = (struct zn_range){.direction = direction, .range = UINT64_MAX, .code = code, .plain = plain};
    if (direction == ZN_ENCODE) return;
    r->low = (uint64_t)get_step(&r->code) << 32;
    r->low |= get_step(&r->code);
}

/* The interval is at least 2^32 wide: it holds a multiple of that, and zeros follow the last byte. */
void zn_range_flush(struct zn_range *r) {
    const uint64_t up = r->low + UINT32_MAX;
    if (up < r->low) zn_range_carry(r);
    put_step(&r->code, (uint32_t)(up >> 32));
    if (r->n_bits == 0) return;
    if (r->plain.at < r->plain.len) r->plain.data[r->plain.at] = (uint8_t)r->bits;
    r->plain.at++;
}

bool zn_range_is_spent(const struct zn_range *r) {
    return r->code.at == r->code.len + STEP && r->plain.at == r->plain.len && r->bits == 0;
}

/* Adds one to the bytes written, which are a number below 1: it cannot run off their front. */
void zn_range_carry(struct zn_range *r) {
    if (r->code.at > r->code.len) return; /* the output is lost already */
    size_t i = r->code.at;
    while (i > 0 && ++r->code.data[--i] == 0) continue;
}

void zn_range_shift_out(struct zn_range *r) {
    put_step(&r->code, (uint32_t)(r->low >> 32));
    r->low <<= 32;
    r->range <<= 32;
}

void zn_range_shift_in(struct zn_range *r) {
    r->low = r->low << 32 | get_step(&r->code);
    r->range <<= 32;
}
