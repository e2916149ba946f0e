/* The keys that groups of values are sorted by. A key is a byte that says how the values of a group are distributed,
 * and it follows from the scales beside them. If values are fractions of the group's largest, they spread wider the
 * smaller the scale is beside its neighbours. If values count from a least value, the scale and the least value say
 * where 0 lies. All levels are logarithms as the bits of a float hold them: 1024 for each octave. */
#include "chunk/values.h"

enum { OCTAVE = 1024, LEVELS = 256 /* groups whose levels are buffered before they become keys */ };

/* Levels of groups become keys, a buffer at a time. Where a type has a small scale for each group, `up` holds it, and
 * `down` what a level is to be divided by: the kernel takes the logarithms. */
struct finder {
    const struct zn_values_kernels *k;
    bool relative;
    size_t have;
    int32_t levels[LEVELS];
    uint8_t up[LEVELS], down[LEVELS];
    uint8_t *keys;
};

static inline void flush(struct finder *f, bool up, bool down) {
    f->k->keys(f->levels, up ? f->up : NULL, down ? f->down : NULL, f->have, f->relative, f->keys);
    f->keys += f->have;
    f->have = 0;
}

/* Returns log2 of a half whose two bytes lie in planes p and p + 1: its bits without the sign. */
static inline int32_t log_of_half(const uint8_t *const *sides, unsigned p, size_t r) {
    return sides[p][r] | (sides[p + 1][r] & 127) << 8;
}

static inline uint8_t distance(int i) {
    return (uint8_t)(i < 0 ? -i : i);
}

/* The eight scales and the eight least values of a record of Q4_K or Q5_K have six bits each, in twelve bytes: the first
 * four of both in the lower bits of eight bytes, which hold the upper two bits of the others. */
static void put_scales_k(const uint8_t *q, uint8_t *scales, uint8_t *least) {
    const uint32_t s = zn_get_u32(q), l = zn_get_u32(q + 4), both = zn_get_u32(q + 8);
    zn_put_u32(scales, s & 0x3f3f3f3f);
    zn_put_u32(least, l & 0x3f3f3f3f);
    zn_put_u32(scales + 4, (both & 0x0f0f0f0f) | (s >> 2 & 0x30303030));
    zn_put_u32(least + 4, (both >> 4 & 0x0f0f0f0f) | (l >> 2 & 0x30303030));
}

/* The sixteen scales of a record of Q3_K count from 32. */
static void put_scales_q3_k(const uint8_t *q, uint8_t *up) {
    const uint32_t high = zn_get_u32(q + 8);
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t low = zn_get_u32(q + i % 2 * 4) >> i / 2 * 4 & 0x0f0f0f0f;
        zn_put_u32(up + 4 * i, low | (high >> 2 * i & 0x03030303) << 4);
    }
    for (unsigned g = 0; g < 16; g++) up[g] = distance(up[g] - 32);
}

static void put_scales_q6_k(const uint8_t *scales, uint8_t *up) {
    for (unsigned g = 0; g < 16; g++) up[g] = distance((int8_t)scales[g]);
}

static void put_scales_iq4_xs(const uint8_t *high, const uint8_t *low, uint8_t *up) {
    for (unsigned g = 0; g < 8; g++) {
        const unsigned h = high[g / 4] >> g % 4 * 2 & 3, l = low[g / 2] >> g % 2 * 4 & 15;
        up[g] = distance((int)(l | h << 4) - 32);
    }
}

/* Puts the scales of the groups of record r into the buffer. Returns the level of the record, which they share. */
static inline __attribute__((always_inline)) int32_t level_of(enum zn_key key, const uint8_t *const *sides, size_t r,
                                                              uint8_t *up, uint8_t *down) {
    switch (key) {
        case ZN_KEY_SCALE_Q3_K:
            put_scales_q3_k(sides[0] + 12 * r, up);
            return log_of_half(sides, 1, r);
        case ZN_KEY_SCALE_Q6_K:
            put_scales_q6_k(sides[0] + 16 * r, up);
            return log_of_half(sides, 1, r);
        case ZN_KEY_SCALE_IQ4_XS:
            put_scales_iq4_xs(sides[2] + 2 * r, sides[3] + 4 * r, up);
            return log_of_half(sides, 0, r);
        case ZN_KEY_ZERO_K:
            put_scales_k(sides[4] + 12 * r, down, up);
            return log_of_half(sides, 2, r) - log_of_half(sides, 0, r);
        case ZN_KEY_ZERO:
            return log_of_half(sides, 2, r) - log_of_half(sides, 0, r);
        default: /* ZN_KEY_SCALE_E8M0 */
            return sides[0][r] * OCTAVE;
    }
}

/* The number of groups in a record divides the length of the buffer. */
static inline __attribute__((always_inline)) void find_levels(struct finder *f, enum zn_key key, unsigned groups,
                                                              const uint8_t *const *sides, size_t n) {
    const bool up = groups > 1, down = key == ZN_KEY_ZERO_K;
    for (size_t r = 0; r < n; r++) {
        const int32_t level = level_of(key, sides, r, f->up + f->have, f->down + f->have);
        for (unsigned g = 0; g < groups; g++) f->levels[f->have + g] = level;
        f->have += groups;
        if (f->have == LEVELS) flush(f, up, down);
    }
    if (f->have) flush(f, up, down);
}

/* Finds scales that are halves, one per record. The compiler makes vector code of this loop. */
static void find_halves(struct finder *f, const uint8_t *const *sides, size_t n) {
    for (size_t r = 0; r < n; r += LEVELS) {
        f->have = ZN_MIN(n - r, (size_t)LEVELS);
        for (size_t i = 0; i < f->have; i++) f->levels[i] = log_of_half(sides, 0, r + i);
        flush(f, false, false);
    }
}

/* The four groups of a record of NVFP4 have a scale each, and nothing in common. */
static void find_e4m3(struct finder *f, const uint8_t *scales, size_t n_groups) {
    for (size_t g = 0; g < n_groups; g += LEVELS) {
        f->have = ZN_MIN(n_groups - g, (size_t)LEVELS);
        for (size_t i = 0; i < f->have; i++) f->levels[i] = (scales[g + i] & 127) * (OCTAVE / 8);
        flush(f, false, false);
    }
}

static void find_keys(const struct zn_values_type *t, const struct zn_values_kernels *k, const uint8_t *const *sides,
                      size_t n, uint8_t *keys) {
    struct finder f = {.k = k, .relative = t->key < ZN_KEY_ZERO, .keys = keys};
    switch (t->key) { /* a constant key for each loop, so that the compiler removes the inner switch */
        case ZN_KEY_SCALE:
            find_halves(&f, sides, n);
            break;
        case ZN_KEY_SCALE_Q3_K:
            find_levels(&f, ZN_KEY_SCALE_Q3_K, 16, sides, n);
            break;
        case ZN_KEY_SCALE_Q6_K:
            find_levels(&f, ZN_KEY_SCALE_Q6_K, 16, sides, n);
            break;
        case ZN_KEY_SCALE_IQ4_XS:
            find_levels(&f, ZN_KEY_SCALE_IQ4_XS, 8, sides, n);
            break;
        case ZN_KEY_SCALE_E8M0:
            find_levels(&f, ZN_KEY_SCALE_E8M0, 1, sides, n);
            break;
        case ZN_KEY_SCALE_E4M3:
            find_e4m3(&f, sides[0], 4 * n);
            break;
        case ZN_KEY_ZERO:
            find_levels(&f, ZN_KEY_ZERO, 1, sides, n);
            break;
        default: /* ZN_KEY_ZERO_K */
            find_levels(&f, ZN_KEY_ZERO_K, 8, sides, n);
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
