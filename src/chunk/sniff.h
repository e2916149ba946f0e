/* What opaque bytes are made of, by measurement. */
#ifndef ZN_CHUNK_SNIFF_H
#define ZN_CHUNK_SNIFF_H

#include "kernels/kernels.h"

struct zn_guess {
    enum zn_shape shape;
    unsigned head; /* 0 .. 7: bytes before the first whole element */
};

/* The shape whose planes promise the smallest order-0 size, judging by a sample of up to 16 KiB; the simpler one unless
 * a richer one gains. ZN_SHAPE_8 for text, zeros and what does not compress. It computes with integers only, so every
 * CPU returns the same. */
struct zn_guess zn_sniff(const struct zn_kernels *k, const uint8_t *data, size_t len);

#endif
