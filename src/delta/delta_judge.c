/* Chooses how to code a chunk against its reference, by a sample: 64 runs of 16 elements are precise to a few
 * percent. */
#include "codec/cost.h"
#include "delta/delta_parts.h"

enum { RUNS = 64, RUN = 16, BINS = 6, UNSEEN = 185 /* see ZN_COST_UNSEEN */, NOISE = 7 * ZN_COST_ONE };

/* Counts of tokens for each of several contexts. */
struct table {
    uint32_t counts[BINS][256];
};

static uint64_t entropy(const struct table *t) {
    uint64_t sum = 0;
    for (unsigned b = 0; b < BINS; b++) {
        uint64_t used = 0;
        for (unsigned s = 0; s < 256; s++) used += t->counts[b][s] != 0;
        sum += zn_entropy(t->counts[b], 256) + (used > 1 ? (used - 1) * UNSEEN : 0);
    }
    return sum;
}

static unsigned bit_length(uint32_t x) {
    return x ? 32u - (unsigned)__builtin_clz(x) : 0;
}

static bool is_float(enum zn_number number) {
    return number == ZN_NUMBER_F16 || number == ZN_NUMBER_BF16 || number == ZN_NUMBER_F32;
}

/* Returns the ordered integer of an element, or of its reference, by the definition. */
static int64_t value_at(const struct zn_pair *pair, const uint8_t *p, size_t i) {
    const uint8_t *at = p + pair->head + i * pair->width;
    const uint32_t w = pair->width == 1 ? *at : pair->width == 2 ? zn_get_u16(at) : zn_get_u32(at);
    const uint32_t sign = UINT32_C(1) << (8 * pair->width - 1);
    const bool magnitude = pair->number == ZN_NUMBER_F8 || is_float(pair->number);
    const int64_t v = (int64_t)(w & (sign - 1)) - (w & sign ? (int64_t)sign : 0);
    return magnitude && v < 0 ? -(int64_t)(w & (sign - 1)) - 1 : v;
}

/* Returns the symbol that an element alone has: its exponent, or a whole byte. */
static uint8_t alone_symbol(const struct zn_pair *pair, const uint8_t *p, size_t i) {
    const uint8_t *at = p + pair->head + i * pair->width;
    switch (pair->number) {
        case ZN_NUMBER_F16:
            return (uint8_t)(zn_get_u16(at) >> 10 & 31);
        case ZN_NUMBER_BF16:
            return (uint8_t)(zn_get_u16(at) >> 7);
        case ZN_NUMBER_F32:
            return (uint8_t)(zn_get_u32(at) >> 23);
        default:
            return at[pair->width - 1];
    }
}

static unsigned stored_bits(enum zn_number number) {
    static const uint8_t bits[ZN_N_NUMBERS] = {0, 0, 8, 11, 8, 24, 24};
    return bits[number];
}

struct zn_delta_verdict zn_delta_judge(const struct zn_pair *pair) {
    static const struct table none;
    struct table alone = none, delta = none, given = none, lowest = none;
    const size_t runs = ZN_MIN((pair->n + RUN - 1) / RUN, (size_t)RUNS), stride = pair->n / runs;
    uint64_t n = 0, stored = 0;
    unsigned highest = 0;
    for (size_t i = 0; i < pair->n; i += ZN_MAX(stride / 4, (size_t)1)) highest = ZN_MAX(highest, pair->context[i]);
    for (size_t r = 0; r < runs; r++)
        for (size_t i = r * stride; i < ZN_MIN(r * stride + RUN, pair->n); i++, n++) {
            const int64_t d = value_at(pair, pair->src, i) - value_at(pair, pair->ref, i);
            const unsigned length = bit_length((uint32_t)(d < 0 ? -d : d));
            const unsigned bin = ZN_MIN(highest - ZN_MIN(highest, pair->context[i]), BINS - 1U);
            const uint8_t own = alone_symbol(pair, pair->src, i);
            lowest.counts[0][pair->src[pair->head + i * pair->width]]++;
            alone.counts[0][own]++;
            given.counts[bin][own]++;
            delta.counts[bin][2 * length + (d < 0)]++;
            stored += length > 1 ? length - 1 : 0;
        }
    const uint64_t rest = stored_bits(pair->number) * (uint64_t)ZN_COST_ONE;
    return (struct zn_delta_verdict){.alone = entropy(&alone) / n + rest,
                                     .delta = (entropy(&delta) + stored * ZN_COST_ONE) / n,
                                     .given = entropy(&given) / n + rest,
                                     .certain = entropy(&lowest) / n > NOISE && is_float(pair->number)};
}
