#include "chunk/recognise.h"

#include "chunk/floats.h"
#include "chunk/sniff.h"
#include "codec/cost.h"
#include "plan/dtype.h"

enum {
    FEWEST = 4096,     /* bytes; fewer do not show which type they are */
    SAMPLED = 1 << 15, /* bytes that are counted */
    MOST_EXPONENT = 11 /* half bits; exponents of weights take less, the top bytes of noisy integers may take more */
};

static bool is_doubtful(zipnn_dtype dtype) {
    const unsigned kind = zn_dtype_facts(dtype)->kind;
    return kind == ZN_KIND_BYTES || kind == ZN_KIND_SIGNED || kind == ZN_KIND_UNSIGNED;
}

static uint32_t distance(uint32_t a, uint32_t b) {
    return a > b ? a - b : b - a;
}

/* Returns whether either sign, the top bit, is about equally frequent for every magnitude. */
static bool are_signs_even(const uint32_t counts[256]) {
    uint64_t apart = 0, all = 0;
    for (unsigned v = 0; v < 128; v++) {
        apart += distance(counts[v], counts[v + 128]);
        all += counts[v] + counts[v + 128];
    }
    return apart < all / 4;
}

/* Returns whether upper nibbles are clearly less even than lower ones. Sign and exponent are; numbers of four bits, two in
 * a byte, are not. */
static bool is_top_heavy(const uint32_t counts[256]) {
    uint64_t low[16] = {0}, high[16] = {0}, of_low = 0, of_high = 0;
    for (unsigned v = 0; v < 256; v++) {
        low[v & 15] += counts[v];
        high[v >> 4] += counts[v];
    }
    for (unsigned v = 0; v < 16; v++) {
        of_low += low[v] * low[v];
        of_high += high[v] * high[v];
    }
    return of_high > of_low + of_low / 2;
}

/* Returns how much the counts rise or fall at the magnitudes that are `at` modulo 8. */
static uint64_t steps(const uint32_t counts[256], unsigned at) {
    uint64_t sum = 0;
    for (unsigned v = at ? at : 8; v < 128; v += 8) {
        sum += distance(counts[v - 1] + counts[v + 127], counts[v] + counts[v + 128]);
    }
    return sum;
}

/* Returns the fp8 type whose bytes these are, or UNKNOWN. Floats have both signs equally often, but so has fp4. From each octave to the next, the values lie twice as far apart, and twice as many weights
 * round to each: in E4M3 that happens every eighth byte, in E5M2 every fourth. */
static zipnn_dtype fp8_of(const struct zn_encoder *e) {
    uint32_t counts[256] = {0};
    e->coder->codec.k->byte_hist(e->src, e->len, zn_sample_step(e->len, SAMPLED), counts);
    if (!are_signs_even(counts) || !is_top_heavy(counts)) return ZIPNN_DTYPE_UNKNOWN;
    return steps(counts, 4) > steps(counts, 0) / 2 ? ZIPNN_F8_E5M2 : ZIPNN_F8_E4M3;
}

static zipnn_dtype float_of(enum zn_shape shape) {
    switch (shape) {
        case ZN_SHAPE_16R:
            return ZIPNN_BF16;
        case ZN_SHAPE_F16:
            return ZIPNN_F16;
        case ZN_SHAPE_32R:
            return ZIPNN_F32;
        default:
            return ZIPNN_DTYPE_UNKNOWN;
    }
}

static bool are_floats(const struct zn_encoder *e) {
    struct zn_survey exponents;
    return zn_floats_are_usual(e, &exponents) && 2 * exponents.order0 < exponents.sampled * MOST_EXPONENT * ZN_COST_ONE;
}

struct zn_chunk_hint zn_recognised(const struct zn_encoder *e) {
    struct zn_encoder seen = *e;
    if (!is_doubtful(e->hint.dtype) || e->len < FEWEST) return e->hint;
    const struct zn_guess guess = zn_sniff(e->coder->codec.k, e->src, e->len);
    seen.hint.dtype = guess.shape == ZN_SHAPE_8 ? fp8_of(e) : float_of(guess.shape);
    seen.hint.head = guess.head;
    seen.hint.measured = true;
    if (seen.hint.dtype == ZIPNN_DTYPE_UNKNOWN) return e->hint;
    return guess.shape == ZN_SHAPE_8 || are_floats(&seen) ? seen.hint : e->hint;
}
