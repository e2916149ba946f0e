/* The model of the mixing codec: what it learns while coding, and how it codes one decision. Internal to the codec. */
#ifndef ZN_CODEC_MIXING_MODEL_H
#define ZN_CODEC_MIXING_MODEL_H

#include "base/cur.h"
#include "codec/mixing.h"
#include "codec/range.h"

enum {
    ZN_MIX_INPUTS = 4,
    ZN_MIX_NODES = 32,      /* kinds of decisions on an exponent: 0 the first, 1 .. 15 upwards, 16 .. 31 downwards */
    ZN_MIX_LIMIT = 127,     /* observations that a counter of mixed decisions remembers */
    ZN_MIX_LIMIT_BITS = 255 /* the same for mantissa bits and rare decisions */
};

/* A probability in the upper 22 bits, and the number of its corrections in the lower 10. */
typedef uint32_t zn_counter;

struct zn_mix_tables {
    int16_t stretch[4096];    /* probability / 4096 -> ln(p / (1 - p)) * 256 */
    uint16_t squash[4096];    /* the inverse: index + 2048 -> probability / 65536 */
    int32_t pull[1024];       /* error of a scale, in 1/128 octaves + 512 -> 2^error - 1, times 2^16 */
    uint16_t reciprocal[256]; /* 2^15 / (2 n + 3) */
    uint16_t share[301];      /* 2^14 / n, n >= 1 */
};

/* A position on an axis: how much its elements are above the others, in 2^-16 octaves, and how many elements showed
 * it. */
struct zn_mix_axis {
    int32_t scale[ZN_MIXING_MAX_AXIS];
    uint8_t count[ZN_MIXING_MAX_AXIS];
};

struct zn_mix_learnt {
    zn_counter shape[16][ZN_MIX_NODES];         /* by the fraction of the expected scale */
    zn_counter recent[16][4][ZN_MIX_NODES];     /* by the scale of the last elements and the fraction */
    zn_counter exponent[256][4];                /* by the exponent */
    zn_counter near[8][8][ZN_MIX_NODES];        /* by the elements above and to the left */
    zn_counter bits[16][8][8], bits_of[256][8]; /* of the mantissa: by distance and fraction; by the exponent */
    zn_counter rare[256];                       /* exponents far away, bit by bit */
    zn_counter zero[8], zero_of[32];
    int32_t weights[ZN_MIX_NODES][ZN_MIX_INPUTS];
};

struct zn_mixing {
    bool is_ready; /* the tables are made */
    struct zn_mix_tables tables;
    struct zn_mix_learnt learnt;
    struct zn_mix_axis axis[2];
};

/* Makes the tables at the first call. Forgets what was learnt at each call. */
void zn_mixing_reset(struct zn_mixing *m);

static inline int32_t zn_mix_clamp(int32_t x, int32_t least, int32_t most) {
    return x < least ? least : x > most ? most : x;
}

static inline void zn_counter_update(const struct zn_mix_tables *t, zn_counter *c, unsigned bit, unsigned limit) {
    const uint32_t v = *c, n = v & 1023;
    const int32_t off = ((int32_t)(bit << 22) - (int32_t)(v >> 10)) >> 5;
    *c = v + ((uint32_t)((off * (int32_t)t->reciprocal[n]) >> 9) << 10) + (n < limit);
}

/* Codes a decision with four counters whose predictions are weighted. */
static inline unsigned zn_mix_decide(struct zn_mixing *m, struct zn_range *r, unsigned bit,
                                     zn_counter *const c[ZN_MIX_INPUTS], int32_t *weights) {
    enum { RATE = 14 };
    int32_t in[ZN_MIX_INPUTS];
    uint32_t sum = 0; /* it may wrap, as the weights may, but only on invalid input */
    for (unsigned i = 0; i < ZN_MIX_INPUTS; i++) {
        in[i] = m->tables.stretch[*c[i] >> 20];
        sum += (uint32_t)in[i] * (uint32_t)weights[i];
    }
    const int32_t p = m->tables.squash[zn_mix_clamp((int32_t)sum >> 14, -2047, 2047) + 2048];
    bit = zn_range_bit(r, bit, (uint32_t)p);
    const int32_t off = (((int32_t)(bit << 16) - p) * RATE) >> 4;
    for (unsigned i = 0; i < ZN_MIX_INPUTS; i++) {
        weights[i] = (int32_t)((uint32_t)weights[i] + (uint32_t)((in[i] * off + (1 << 17)) >> 18));
        zn_counter_update(&m->tables, c[i], bit, ZN_MIX_LIMIT);
    }
    return bit;
}

/* Codes a decision with the mean of two counters, which may be the same counter. */
static inline unsigned zn_mix_decide_plainly(struct zn_mixing *m, struct zn_range *r, unsigned bit, zn_counter *a,
                                             zn_counter *b) {
    const int32_t p = zn_mix_clamp((int32_t)(*a >> 17) + (int32_t)(*b >> 17), 64, 65536 - 64);
    bit = zn_range_bit(r, bit, (uint32_t)p);
    zn_counter_update(&m->tables, a, bit, ZN_MIX_LIMIT_BITS);
    zn_counter_update(&m->tables, b, bit, ZN_MIX_LIMIT_BITS);
    return bit;
}

/* The format of the words, from the head of the stream. */
struct zn_mix_format {
    unsigned width, exponent, mantissa; /* bytes, bits, bits; 8 * width = 1 + exponent + mantissa */
    unsigned cut;                       /* number of lowest mantissa bits that are 0 in all words */
    unsigned sign;                      /* 0: signs are coded; 2: all are 0; 3: all are 1 */
    bool has_zeros;                     /* the first decision of each word is whether it is zero */
};

enum { ZN_MIX_SIGN_CODED, ZN_MIX_SIGN_PLUS = 2, ZN_MIX_SIGN_MINUS = 3 };

/* Encodes n words at `words`, or decodes them to that memory. `runs` holds their runs as in the stream. Returns false
 * when the runs are malformed, or when an encoder runs out of room. */
bool zn_mixing_walk(struct zn_mixing *m, struct zn_range *r, const struct zn_mix_format *format, struct zn_cur *runs,
                    uint8_t *words, size_t n);

/* Reads a number of the runs: 7 bits per byte, lowest first; bit 7 is set in all bytes but the last. */
uint32_t zn_mixing_number(struct zn_cur *cur);

#endif
