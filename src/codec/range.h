/* Binary range coding, both ways, and a stream of plain bits beside it (doc/format.md, section 8).
 *
 * One set of functions codes and decodes: what is handed in matters when encoding, what comes back is the same in both
 * directions, so that a model is written once and cannot drift apart. */
#ifndef ZN_CODEC_RANGE_H
#define ZN_CODEC_RANGE_H

#include "base/bytes.h"

enum zn_direction { ZN_ENCODE, ZN_DECODE };

/* Bytes of one stream. A decoder that reads past the end gets zeros; an encoder that writes past it writes nothing.
 * `at` goes on counting in both cases. */
struct zn_range_bytes {
    uint8_t *data;
    size_t at, len;
};

struct zn_range {
    enum zn_direction direction;
    uint64_t low;   /* encoder: start of the interval; decoder: the code's distance from it */
    uint64_t range; /* at least 2^32 between decisions */
    uint64_t bits;  /* plain bits on their way */
    unsigned n_bits;
    struct zn_range_bytes code, plain;
};

/* Begins. The streams' data is read only when decoding. */
void zn_range_begin(struct zn_range *r, enum zn_direction direction, struct zn_range_bytes code,
                    struct zn_range_bytes plain);

/* Ends encoding: writes what is still inside. */
void zn_range_flush(struct zn_range *r);

/* Whether encoding has run out of room. */
static inline bool zn_range_is_full(const struct zn_range *r) {
    return r->code.at > r->code.len || r->plain.at > r->plain.len;
}

/* Whether decoding, come to its end, has used up both streams exactly: all bits that were written, none beyond. */
bool zn_range_is_spent(const struct zn_range *r);

/* The rare parts of zn_range_bit and zn_range_plain. */
void zn_range_carry(struct zn_range *r);
void zn_range_shift_out(struct zn_range *r);
void zn_range_shift_in(struct zn_range *r);

/* Gets 32 plain bits more; fewer are there. */
void zn_range_refill(struct zn_range *r);

/* A decision whose chance to be 1 is p / 65536, 0 < p < 65536. */
static inline unsigned zn_range_bit(struct zn_range *r, unsigned bit, uint32_t p) {
    const uint64_t bound = (r->range >> 16) * p;
    if (r->direction == ZN_DECODE) {
        bit = r->low < bound;
        const uint64_t above = (uint64_t)bit - 1; /* all ones for a 0: no branch, the bit is as good as random */
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

/* n <= 32 plain bits. */
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
