/* Floats that are small integers times a scale (doc/format.md, section 5.1, layout 18). Such weights were quantised and
 * then written as bf16 or fp16. */
#ifndef ZN_CHUNK_SCALED_H
#define ZN_CHUNK_SCALED_H

#include "chunk/chunk.h"

enum {
    ZN_SCALED_LEAST = 64, /* elements of a chunk, at least */
    ZN_SCALED_GROUP = 16, /* elements that share a scale, at least */
    ZN_SCALED_MOST = 127  /* largest magnitude of an integer; -128 stands for the zero with a sign */
};

/* Stands in place of a scale: the elements of this group are not scaled integers. */
#define ZN_SCALED_NONE UINT32_C(0x7f800000)

/* Returns the number of groups that n elements form, when the first group has `first` elements. */
static inline uint32_t zn_scaled_groups(size_t n, uint32_t group, uint32_t first) {
    return n <= first ? 1 : (uint32_t)((n - first - 1) / group) + 2;
}

/* Returns q times the float whose bits are `scale` (a number, not negative), rounded to a float of 32 bits and then to
 * bf16 or fp16. It computes with integers only, so the processor's modes for denormals and rounding do not matter. */
uint16_t zn_scaled_product(unsigned q, uint32_t scale, bool is_f16);

/* Fills in word[q] for q = 1 .. highest, at most ZN_SCALED_MOST. Words up to that one may be changed. */
void zn_scaled_products(uint32_t scale, unsigned highest, bool is_f16, uint16_t word[ZN_SCALED_MOST + 1]);

#endif
