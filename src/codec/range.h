/* Binary range coding, both ways, and a stream of plain bits beside it (doc/format.md, section 8).
 *
 * One set of functions codes and decodes: what is handed in matters when encoding, what comes back is the same in both
 * directions, so that a model is written once and cannot drift apart. */
#ifndef ZN_CODEC_RANGE_H
#define ZN_CODEC_RANGE_H

#include "base/bytes.h"

enum zn_direction { ZN_ENCODE, ZN_DECODE };

/* The bytes of one stream. A decoder that reads past the end gets zeros, and an encoder that writes past it writes
 * nothing; `at` is advanced in both cases. */
struct zn_range_bytes {
    uint8_t *data;
    size_t at, len;
};

struct zn_range {
    enum zn_direction direction;
    uint64_t low;   /* encoder: start of the interval; decoder: distance of the code from it */
    uint64_t range; /* at least 2^32 between decisions */
    uint64_t bits;  /* plain bits that wait for their turn */
    unsigned n_bits;
    struct zn_range_bytes code, plain;
};

/* Begins coding. The data of the streams is read only when decoding. */
void zn_range_begin(struct zn_range *r, enum zn_direction direction, struct zn_range_bytes code,
                    struct zn_range_bytes plain);

/* Ends encoding: writes what the coder still holds. */
void zn_range_flush(struct zn_range *r);

/* Returns whether the encoder has run out of room. */
static inline bool zn_range_is_full(const struct zn_range *r) {
    return r->code.at > r->code.len || r->plain.at > r->plain.len;
}

/* Returns whether a decoder at its end has used both streams exactly: all bits that were written, and none beyond. */
bool zn_range_is_spent(const struct zn_range *r);

/* The rare parts of zn_range_bit and zn_range_plain. */
void zn_range_carry(struct zn_range *r);
void zn_range_shift_out(struct zn_range *r);
void zn_range_shift_in(struct zn_range *r);

/* Gets 32 more plain bits when too few are left. */
void zn_range_refill(struct zn_range *r);

/* Codes a decision that is 1 with probability p / 65536, 0 < p < 65536. Returns the decision. */
static inline unsigned zn_range_bit(struct zn_range *r, unsigned bit, uint32_t p) {
    const uint64_t bound = (r->range >> 16) * p;
    if (r->direction == ZN_DECODE) {
        bit = r->low < bound;
        const uint64_t above = (uint64_t)bit - 1; /* all ones for a 0. A branch would often be mispredicted. */
        r->low -= bound & above;
        r->range = bound + ((r->range - 2 * bound) & above);
        if (r->range >> 32 == 0) zn_range_shift_in(r);
        return bit;
    }
    const uint64_t above = (uint64_t)bit - 1;
    r->low += bound & above;
    if (r->low < (bound & above)) zn_range_carry(r);
    r->range = bound + ((r->range - 2 * bound) & above);
    if (r->range >> 32 == 0) zn_range_shift_out(r);
    return bit;
}

/* Codes n <= 32 plain bits. Returns them. */
static inline uint32_t zn_range_plain(struct zn_range *r, uint32_t value, unsigned n) {
    struct zn_range_bytes *b = &r->plain;
    if (r->direction == ZN_DECODE) {
        if (r->n_bits < n) zn_range_refill(r);
        value = (uint32_t)(r->bits & ((1ull << n) - 1));
        r->bits >>= n;
        r->n_bits -= n;
        return value;
    }
    r->bits |= (uint64_t)value << r->n_bits;
    for (r->n_bits += n; r->n_bits >= 8; r->n_bits -= 8, r->bits >>= 8, b->at++)
        if (b->at < b->len) b->data[b->at] = (uint8_t)r->bits;
    return value;
}

#endif
