/* Fixed-point code lengths: integers only, so that every CPU takes the same decisions. */
#ifndef ZN_CODEC_COST_H
#define ZN_CODEC_COST_H

#include "base/bytes.h"

enum {
    ZN_COST_ONE = 256,   /* one bit; the unit of all costs */
    ZN_COST_UNSEEN = 185 /* how much a sample underestimates entropy, per used symbol (Miller and Madow) */
};

/* Returns log2(x) for x >= 1 in units of 1/256, with an error below 1/256. log2(1 + y) is approximated by y + y (1 - y)
 * (0.3455 - 0.0635 (2 y - 1)). */
static inline uint32_t zn_log2_computed(uint32_t x) {
    uint32_t exponent = 31u - (uint32_t)__builtin_clz(x);
    uint32_t y = (uint32_t)(((uint64_t)x << 32 >> exponent) >> 16) - 65536u; /* fraction in 1/65536 */
    uint32_t bow = (uint32_t)((uint64_t)y * (65536u - y) >> 16);
    uint32_t factor = 22643u + 4162u - (uint32_t)((uint64_t)y * 8324u >> 16);
    uint32_t fraction = y + (uint32_t)((uint64_t)bow * factor >> 16);
    return exponent * ZN_COST_ONE + (fraction >> 8);
}

/* The same values for x < 256, in a table: most counts and all frequencies are that small. */
extern const uint16_t zn_log2_small[256];

static inline uint32_t zn_log2(uint32_t x) {
    return x < 256 ? zn_log2_small[x] : zn_log2_computed(x);
}

/* Returns the sum of c log2(n / c), from n, the sum of c, and `inner`, the sum of c log2(c). */
static inline uint64_t zn_entropy_of_logs(uint64_t n, uint64_t inner) {
    const uint64_t outer = n ? n * zn_log2((uint32_t)n) : 0;
    return outer > inner ? outer - inner : 0;
}

/* Returns the cost of symbols with these counts at their own entropy: the sum of c log2(n / c). */
static inline uint64_t zn_entropy(const uint32_t *counts, size_t n_counts) {
    uint64_t n = 0, inner = 0;
    for (size_t i = 0; i < n_counts; i++) {
        if (!counts[i]) continue;
        n += counts[i];
        inner += (uint64_t)counts[i] * zn_log2(counts[i]);
    }
    return zn_entropy_of_logs(n, inner);
}

/* The range of symbols from .. to - 1 that contains all symbols in use. Exponents use few of the 256. */
struct zn_used {
    unsigned from, to;
};

static inline struct zn_used zn_used_of(const uint32_t counts[256]) {
    struct zn_used used = {0, 256};
    const uint32_t *c = counts;
    for (; used.from < 256 && !(c[0] | c[1] | c[2] | c[3]); c += 4) used.from += 4;
    for (c = counts + 252; used.to > used.from && !(c[0] | c[1] | c[2] | c[3]); c -= 4) used.to -= 4;
    return used;
}

#endif
