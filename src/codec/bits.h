/* Bytes of which some bits are always the same. The varying bits are packed (doc/format.md, section 5, codec 7). */
#ifndef ZN_CODEC_BITS_H
#define ZN_CODEC_BITS_H

#include "codec/codec.h"

enum { ZN_BITS_HEAD = 2 };

/* The bits that differ among some bytes, and the value of the others. */
struct zn_bits {
    uint8_t mask, base;
};

/* Returns the exact bits of plane[0, n), n >= 1. */
struct zn_bits zn_bits_find(const uint8_t *plane, size_t n);

/* Returns the bits of symbols with these counts. */
struct zn_bits zn_bits_of_counts(const uint32_t *counts);

/* Returns the length of n coded symbols. */
size_t zn_bits_len(struct zn_bits bits, size_t n);

/* Appends n coded symbols. Every symbol must have the constant bits of `bits`. 0 < mask < 255. */
void zn_bits_write(const struct zn_kernels *k, struct zn_bits bits, const uint8_t *plane, size_t n, struct zn_out *out);

zipnn_status zn_bits_decode(const struct zn_kernels *k, const struct zn_coded *in, uint8_t *out, size_t n,
                            zipnn_error *err);

#endif
