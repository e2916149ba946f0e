/* Bytes some of whose bits are always the same: what varies, packed (doc/format.md, section 5, codec 7). */
#ifndef ZN_CODEC_BITS_H
#define ZN_CODEC_BITS_H

#include "codec/codec.h"

enum { ZN_BITS_HEAD = 2 };

/* Which bits of some bytes differ, and the others' value. */
struct zn_bits {
    uint8_t mask, base;
};

/* Of plane[0, n), n >= 1, exactly. */
struct zn_bits zn_bits_find(const uint8_t *plane, size_t n);

/* Of the symbols that were counted. */
struct zn_bits zn_bits_of_counts(const uint32_t *counts);

/* Coded bytes of n symbols. */
size_t zn_bits_len(struct zn_bits bits, size_t n);

/* Appends them; every symbol has the constant bits as they were found. 0 < mask < 255. */
void zn_bits_write(const struct zn_kernels *k, struct zn_bits bits, const uint8_t *plane, size_t n, struct zn_out *out);

zipnn_status zn_bits_decode(const struct zn_kernels *k, const struct zn_coded *in, uint8_t *out, size_t n,
                            zipnn_error *err);

#endif
