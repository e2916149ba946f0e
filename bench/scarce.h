/* Products while memory is scarce. Beside each step of 64 weights, lines of other memory are fetched in proportion to what
 * the product itself reads, so that a core gets for its weights what a core gets that shares the memory with many. It is
 * an imitation: the processor drops some of these fetches. */
#ifndef ZN_BENCH_SCARCE_H
#define ZN_BENCH_SCARCE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/products/products_loops.h"

struct scarce {
    const uint8_t *at;      /* other memory: read and moved on by the loops */
    unsigned plain, packed; /* lines that are fetched beside a step */
};
extern struct scarce scarce;

#define BESIDE(lines)                                                                                 \
    do {                                                                                              \
        const uint8_t *other = scarce.at;                                                             \
        for (unsigned line = 0; line < (lines); line++, other += 64) __builtin_prefetch(other, 0, 0); \
        scarce.at = other;                                                                            \
    } while (0)
#define BESIDE_PLAIN BESIDE(scarce.plain)
#define BESIDE_PACKED BESIDE(scarce.packed)

#if defined(__x86_64__)
extern const struct zn_product_loops scarce_loops_avx2;
void scarce_pairs_avx512(const struct zn_product *product, size_t first, size_t n);
#endif

#endif
