#include "codec/range.h"

enum { STEP = 4 }; /* bytes moved at a time */

static void put_step(struct zn_range_bytes *b, uint32_t v) {
    for (unsigned i = 0; i < STEP; i++, b->at++)
        if (b->at < b->len) b->data[b->at] = (uint8_t)(v >> (24 - 8 * i));
}

/* Returns the next four bytes, the first one highest. */
static uint32_t get_step(struct zn_range_bytes *b) {
    uint8_t last[STEP] = {0};
    const uint8_t *p = last;
    if (b->at < b->len && b->len - b->at >= STEP)
        p = b->data + b->at;
    else if (b->at < b->len)
        memcpy(last, b->data + b->at, b->len - b->at);
    b->at += STEP;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void zn_range_begin(struct zn_range *r, enum zn_direction direction, struct zn_range_bytes code,
                    struct zn_range_bytes plain) {
    *r = (struct zn_range){.direction = direction, .range = UINT64_MAX, .code = code, .plain = plain};
    if (direction == ZN_ENCODE) return;
    r->low = (uint64_t)get_step(&r->code) << 32;
    r->low |= get_step(&r->code);
}

/* The interval is at least 2^32 wide, so it contains a multiple of 2^32; the bytes after the last one are zeros. */
void zn_range_flush(struct zn_range *r) {
    const uint64_t up = r->low + UINT32_MAX;
    if (up < r->low) zn_range_carry(r);
    put_step(&r->code, (uint32_t)(up >> 32));
    if (r->n_bits == 0) return;
    if (r->plain.at < r->plain.len) r->plain.data[r->plain.at] = (uint8_t)r->bits;
    r->plain.at++;
}

bool zn_range_is_spent(const struct zn_range *r) {
    const size_t ahead = r->n_bits / 8; /* whole bytes that were read but not used */
    return r->code.at == r->code.len + STEP && r->plain.at - ahead == r->plain.len && r->bits == 0;
}

/* Adds one to the bytes written. They are a number below 1, so the carry cannot pass their first byte. */
void zn_range_carry(struct zn_range *r) {
    if (r->code.at > r->code.len) return; /* the output does not fit, and is lost already */
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

void zn_range_refill(struct zn_range *r) {
    const uint32_t v = get_step(&r->plain);
    const uint32_t low_first = v >> 24 | (v >> 8 & 0xFF00) | (v & 0xFF00) << 8 | v << 24;
    r->bits |= (uint64_t)low_first << r->n_bits;
    r->n_bits += 32;
}
