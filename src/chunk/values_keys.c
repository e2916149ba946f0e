/* The keys that groups of values are sorted by. A key is a byte that says how the values of a group are distributed,
 * and it follows from the scales beside them. If values are fractions of the group's largest, they spread wider the
 * smaller the scale is beside its neighbours. If values count from a least value, the scale and the least value say
 * where 0 lies. All levels are logarithms as the bits of a float hold them: 1024 for each octave. */
#include "chunk/values.h"

enum { OCTAVE = 1024, LEVELS = 256 /* levels that are buffered before they become keys */ };

/* Returns log2 of a whole number below 2048, in the form of a half's bits; 0 for 0. */
static int32_t log_of(unsigned i) {
    if (i == 0) return 0;
    const unsigned e = 31u - (unsigned)__builtin_clz(i);
    return (int32_t)((e + 15) * OCTAVE + ((i << 10 >> e) & (OCTAVE - 1)));
}

/* Returns log2 of a half whose two bytes lie in planes p and p + 1: its bits without the sign. */
static int32_t log_of_half(const uint8_t *const *sides, unsigned p, size_t r) {
    return sides[p][r] | (sides[p + 1][r] & 127) << 8;
}

static unsigned distance(int i) {
    return (unsigned)(i < 0 ? -i : i);
}

/* Returns one of the eight scales of a record of Q4_K or Q5_K; least_k returns one of the least values. Both have six
 * bits each, in twelve bytes. */
static unsigned scale_k(const uint8_t *q, unsigned g) {
    return g < 4 ? q[g] & 63u : (q[g + 4] & 15u) | (unsigned)q[g - 4] >> 6 << 4;
}

static unsigned least_k(const uint8_t *q, unsigned g) {
    return g < 4 ? q[g + 4] & 63u : (unsigned)q[g + 4] >> 4 | (unsigned)q[g] >> 6 << 4;
}

static unsigned scale_q3_k(const uint8_t *q, unsigned g) {
    return distance((int)((q[g % 8] >> g / 8 * 4 & 15) | (q[8 + g % 4] >> g / 4 * 2 & 3) << 4) - 32);
}

static unsigned scale_iq4_xs(const uint8_t *high, const uint8_t *low, unsigned g) {
    const unsigned h = high[g / 4] >> g % 4 * 2 & 3, l = low[g / 2] >> g % 2 * 4 & 15;
    return distance((int)(l | h << 4) - 32);
}

/* Returns log2 of the scale of group g of record r, or log2 of its least value divided by its scale. */
static inline __attribute__((always_inline)) int32_t level_of(enum zn_key key, const uint8_t *const *sides, size_t r,
                                                              unsigned g) {
    switch (key) {
        case ZN_KEY_SCALE:
            return log_of_half(sides, 0, r);
        case ZN_KEY_SCALE_Q3_K:
            return log_of_half(sides, 1, r) + log_of(scale_q3_k(sides[0] + 12 * r, g));
        case ZN_KEY_SCALE_Q6_K:
            return log_of_half(sides, 1, r) + log_of(distance((int8_t)sides[0][16 * r + g]));
        case ZN_KEY_SCALE_IQ4_XS:
            return log_of_half(sides, 0, r) + log_of(scale_iq4_xs(sides[2] + 2 * r, sides[3] + 4 * r, g));
        case ZN_KEY_SCALE_E8M0:
            return sides[0][r] * OCTAVE;
        case ZN_KEY_SCALE_E4M3:
            return (sides[0][4 * r + g] & 127) * (OCTAVE / 8);
        case ZN_KEY_ZERO:
            return log_of_half(sides, 2, r) - log_of_half(sides, 0, r);
        default: /* ZN_KEY_ZERO_K */
            return log_of_half(sides, 2, r) + log_of(least_k(sides[4] + 12 * r, g)) - log_of_half(sides, 0, r) -
                   log_of(scale_k(sides[4] + 12 * r, g));
    }
}

/* Turns levels into keys, a buffer of levels at a time. */
struct finder {
    const struct zn_values_kernels *k;
    bool relative;
    size_t have;
    int32_t levels[LEVELS];
    uint8_t *keys;
};

static void flush(struct finder *f) {
    f->k->keys(f->levels, f->have, f->relative, f->keys);
    f->keys += f->have;
    f->have = 0;
}

/* Finds scales that are halves, one per record. The compiler makes vector code of this loop. */
static void find_halves(struct finder *f, const uint8_t *const *sides, size_t n) {
    for (size_t r = 0; r < n; r += f->have, flush(f)) {
        f->have = ZN_MIN(n - r, (size_t)LEVELS);
        for (size_t i = 0; i < f->have; i++) f->levels[i] = sides[0][r + i] | (sides[1][r + i] & 127) << 8;
    }
}

static inline __attribute__((always_inline)) void find_levels(struct finder *f, enum zn_key key, unsigned groups,
                                                              const uint8_t *const *sides, size_t n) {
    for (size_t r = 0; r < n; r++) {
        for (unsigned g = 0; g < groups; g++) f->levels[f->have + g] = level_of(key, sides, r, g);
        f->have += groups;
        if (f->have == LEVELS) flush(f);
    }
    if (f->have) flush(f);
}

/* The buffer is flushed when it is full. The number of groups in a record divides its length. */
static void find_keys(const struct zn_values_type *t, const struct zn_values_kernels *k, const uint8_t *const *sides,
                      size_t n, uint8_t *keys) {
    const unsigned groups = t->n >> t->group_log2;
    struct finder f = {.k = k, .relative = t->key < ZN_KEY_ZERO, .keys = keys};
    switch (t->key) { /* a constant key for each loop, so that the compiler removes the inner switch */
        case ZN_KEY_SCALE:
            find_halves(&f, sides, n);
            break;
        case ZN_KEY_SCALE_Q6_K:
            find_levels(&f, ZN_KEY_SCALE_Q6_K, 16, sides, n);
            break;
        case ZN_KEY_ZERO:
            find_levels(&f, ZN_KEY_ZERO, 1, sides, n);
            break;
        case ZN_KEY_ZERO_K:
            find_levels(&f, ZN_KEY_ZERO_K, 8, sides, n);
            break;
        default:
            find_levels(&f, (enum zn_key)t->key, groups, sides, n);
    }
}

/* Counts keys in two tables in turn. Neighbouring keys are often equal, and with one table each addition would wait for
 * the one before. */
static void count_keys(const uint8_t *keys, size_t n, uint32_t counts[256]) {
    uint32_t other[256] = {0};
    size_t g = 0;
    for (; g + 2 <= n; g += 2) {
        counts[keys[g]]++;
        other[keys[g + 1]]++;
    }
    if (g < n) counts[keys[g]]++;
    for (unsigned key = 0; key < 256; key++) counts[key] += other[key];
}

/* A group takes five bytes of `room`, and every group has more than five bytes in its record. */
const uint32_t *zn_values_places(const struct zn_values_type *t, const struct zn_values_kernels *k,
                                 const uint8_t *const *sides, size_t n, bool sorted, uint8_t *room) {
    const size_t n_groups = n * (t->n >> t->group_log2);
    uint32_t *places = (uint32_t *)(void *)room, next[256] = {0}, sum = 0;
    uint8_t *keys = room + n_groups * sizeof *places;
    if (!sorted) {
        for (size_t g = 0; g < n_groups; g++) places[g] = (uint32_t)g;
        return places;
    }
    find_keys(t, k, sides, n, keys);
    count_keys(keys, n_groups, next);
    for (unsigned key = 0; key < 256; key++) {
        const uint32_t count = next[key];
        next[key] = sum;
        sum += count;
    }
    for (size_t g = 0; g < n_groups; g++) places[g] = next[keys[g]]++;
    return places;
}

bool zn_values_of_dtype(zipnn_dtype dtype, enum zn_values_id *id) {
    static const zipnn_dtype dtypes[ZN_N_VALUES] = {
#define VALUES(id, number, ...) [number] = ZIPNN_##id,
#include "format/value_types.def"
#undef VALUES
    };
    for (unsigned i = 0; i < ZN_N_VALUES; i++) {
        if (dtypes[i] != dtype) continue;
        *id = (enum zn_values_id)i;
        return true;
    }
    return false;
}

struct zn_values_shape zn_values_shape_of(const struct zn_values_type *t) {
    return (struct zn_values_shape){.width = t->width,
                                    .n = t->n,
                                    .low = {t->low.at, t->low.bits, t->low.stride},
                                    .high = {t->high.at, t->high.bits, t->high.stride}};
}
