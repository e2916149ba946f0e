#include "legacy/groups.h"

/* The two upper bytes of a bfloat16 or float32 are s eeeeeee | e mmmmmmm. With moved exponents they are eeeeeeee | s
 * mmmmmmm. */
static inline uint8_t upper_moved(uint8_t upper, uint8_t next) {
    return (uint8_t)(upper << 1 | next >> 7);
}
static inline uint8_t next_moved(uint8_t upper, uint8_t next) {
    return (upper & 0x80) | (next & 0x7F);
}
static inline uint8_t upper_back(uint8_t upper, uint8_t next) {
    return (uint8_t)((next & 0x80) | upper >> 1);
}
static inline uint8_t next_back(uint8_t upper, uint8_t next) {
    return (uint8_t)(upper << 7 | (next & 0x7F));
}

/* Joins elements [0, n) of two bytes. */
static void join_2(const uint8_t *restrict low, const uint8_t *restrict high, uint8_t *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = next_back(high[i], low[i]);
        out[2 * i + 1] = upper_back(high[i], low[i]);
    }
}

/* Joins elements [0, n) of four bytes. */
static void join_4(const uint8_t *const group[], uint8_t *restrict out, size_t n) {
    const uint8_t *restrict a = group[0], *restrict b = group[1], *restrict c = group[2], *restrict d = group[3];
    for (size_t i = 0; i < n; i++) {
        out[4 * i] = a[i];
        out[4 * i + 1] = b[i];
        out[4 * i + 2] = next_back(d[i], c[i]);
        out[4 * i + 3] = upper_back(d[i], c[i]);
    }
}

/* Joins bytes [at, len) as they are. `at` is a multiple of n_groups. */
static void interleave(const uint8_t *const group[], unsigned n_groups, uint8_t *restrict out, size_t at, size_t len) {
    for (size_t g = 0; g < n_groups; g++) {
        const uint8_t *restrict from = group[g] + at / n_groups;
        for (size_t i = at + g; i < len; i += n_groups) out[i] = *from++;
    }
}

void zn_groups_join(const uint8_t *const group[], unsigned n_groups, bool rotated, uint8_t *out, size_t len) {
    const size_t whole = rotated ? len / 4 * 4 : 0; /* bytes in whole words */
    if (whole && n_groups == 2) join_2(group[0], group[1], out, whole / 2);
    if (whole && n_groups == 4) join_4(group, out, whole / 4);
    interleave(group, n_groups, out, whole, len);
}

void zn_groups_rotate(uint8_t *chunk, size_t len, unsigned n_groups) {
    for (size_t i = n_groups - 2; i + 1 < len / 4 * 4; i += n_groups) {
        const uint8_t next = chunk[i], upper = chunk[i + 1];
        chunk[i] = next_moved(upper, next);
        chunk[i + 1] = upper_moved(upper, next);
    }
}

void zn_groups_extract(const uint8_t *chunk, size_t len, unsigned n_groups, unsigned g, uint8_t *group) {
    for (size_t i = g, n = 0; i < len; i += n_groups) group[n++] = chunk[i];
}
