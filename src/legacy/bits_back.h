/* A bit stream that is read from its end: the highest set bit of the last byte marks where it starts, and each read
 * takes bits below the previous ones. */
#ifndef ZN_LEGACY_BITS_BACK_H
#define ZN_LEGACY_BITS_BACK_H

#include "base/bytes.h"

struct zn_bits_back {
    const uint8_t *data;
    size_t left;    /* bits not yet read */
    bool exhausted; /* more bits were taken than there are; those were zeros */
};

static inline unsigned zn_log2(uint32_t v) {
    return 31 - (unsigned)__builtin_clz(v);
}

/* False when there is no end mark. */
static inline bool zn_bits_back_open(struct zn_bits_back *b, const uint8_t *data, size_t len) {
    if (len == 0 || data[len - 1] == 0) return false;
    *b = (struct zn_bits_back){data, 8 * (len - 1) + zn_log2(data[len - 1]), false};
    return true;
}

/* The next n <= 12 bits without taking them; zeros follow the start of the stream. */
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

#endif
