/* Floats that are small integers times a scale (doc/format.md, section 5.1, layout 18): weights that were quantised,
 * and then written as bf16 or fp16. */
#ifndef ZN_CHUNK_SCALED_H
#define ZN_CHUNK_SCALED_H

#include "chunk/chunk.h"

enum {
    ZN_SCALED_LEAST = 64, /* elements of a chunk */
    ZN_SCALED_GROUP = 16, /* at least so many have a scale */
    ZN_SCALED_MOST = 127  /* no integer is further from 0; -128 is the zero that has a sign */
};

/* In place of a scale: the elements of the group are no scaled integers. */
#define ZN_SCALED_NONE UINT32_C(0x7f800000)

/* How many groups n elements are in, of which the first has `first`. */
static inline uint32_t zn_scaled_groups(size_t n, uint32_t group, uint32_t first) {
    return n <= first ? 1 : (uint32_t)((n - first - 1) / group) + 2;
}

/* q times the float whose bits are `scale` (not negative, a number), rounded to a float of 32 bits and that to one of
 * 16: bf16, or fp16. Integers only: what a processor is told of denormals and rounding does not matter. */
uint16_t zn_scaled_product(unsigned q, uint32_t scale, bool is_f16);

#endif
