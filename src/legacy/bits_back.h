/* A bit stream that is read from its end: the highest set bit of the last byte marks where it starts, and each read
 * takes bits below the previous ones. */
#ifndef ZN_LEGACY_BITS_BACK_H
#define ZN_LEGACY_BITS_BACK_H

#include "base/bytes.h"

struct zn_bits_back {
    const uint8_t *data;
    size_t left;    /* bits that were not read yet */
    bool exhausted; /* more bits were read than there are; the excess ones were zeros */
};

static inline unsigned zn_log2(uint32_t v) {
    return 31 - (unsigned)__builtin_clz(v);
}

/* Opens a stream. Returns false when it has no end mark. */
static inline bool zn_bits_back_open(struct zn_bits_back *b, const uint8_t *data, size_t len) {
    if (len == 0 || data[len - 1] == 0) return false;
    *b = (struct zn_bits_back){data, 8 * (len - 1) + zn_log2(data[len - 1]), false};
    return true;
}

/* Returns the next n <= 12 bits without consuming them. Zeros follow the start of the stream. */
static inline unsigned zn_bits_back_peek(const struct zn_bits_back *b, unsigned n) {
    const size_t missing = b->left < n ? n - b->left : 0;
    const size_t first = b->left - (n - missing);
    uint32_t word = 0;
    for (size_t i = first / 8; 8 * i < b->left; i++) word |= (uint32_t)b->data[i] << 8 * (i - first / 8);
    return (word >> first % 8 & ((1u << (n - missing)) - 1)) << missing;
}

static inline void zn_bits_back_skip(struct zn_bits_back *b, unsigned n) {
    b->exhausted = b->exhausted || n > b->left;
    b->left -= ZN_MIN(b->left, (size_t)n);
}

static inline unsigned zn_bits_back_take(struct zn_bits_back *b, unsigned n) {
    const unsigned bits = zn_bits_back_peek(b, n);
    zn_bits_back_skip(b, n);
    return bits;
}

/* The writer. Bits are written from low to high, and the stream is read from its end. The caller provides the room. */
struct zn_bits_out {
    uint8_t *at;
    uint64_t word;
    unsigned n; /* bits in word */
};

/* Adds a value below 2^n. At most 56 bits may be added between two flushes. */
static inline void zn_bits_out_add(struct zn_bits_out *b, uint32_t value, unsigned n) {
    b->word |= (uint64_t)value << b->n;
    b->n += n;
}

/* Writes the whole bytes. It touches up to 8 bytes from `at` on. */
static inline void zn_bits_out_flush(struct zn_bits_out *b) {
    zn_put_u64(b->at, b->word);
    b->at += b->n / 8;
    b->word >>= b->n & ~7u;
    b->n &= 7;
}

/* Writes the end mark. Returns where the next byte goes. */
static inline uint8_t *zn_bits_out_close(struct zn_bits_out *b) {
    zn_bits_out_add(b, 1, 1);
    zn_bits_out_flush(b);
    return b->at + (b->n > 0);
}

#endif
