#include "legacy/groups.h"

/* s eeeeeeee m(7) in each half, from eeeeeeee s m(7). */
static inline uint32_t unrotate_halves(uint32_t w) {
    return (w >> 1 & 0x7F807F80) | (w << 8 & 0x80008000) | (w & 0x007F007F);
}

/* s eeeeeeee m(23), from eeeeeeee s m(23). */
static inline uint32_t unrotate_word(uint32_t w) {
    return (w >> 1 & 0x7F800000) | (w << 8 & 0x80000000) | (w & 0x007FFFFF);
}

static inline uint32_t rotate_halves(uint32_t w) {
    return (w << 1 & 0xFF00FF00) | (w >> 8 & 0x00800080) | (w & 0x007F007F);
}

static inline uint32_t rotate_word(uint32_t w) {
    return (w << 1 & 0xFF000000) | (w >> 8 & 0x00800000) | (w & 0x007FFFFF);
}

static void interleave_2(const uint8_t *const group[], uint8_t *out, size_t len) {
    for (size_t i = 0; i < len / 2; i++) {
        out[2 * i] = group[0][i];
        out[2 * i + 1] = group[1][i];
    }
    if (len % 2) out[len - 1] = group[0][len / 2];
}

static void interleave_4(const uint8_t *const group[], uint8_t *out, size_t len) {
    for (size_t i = 0; i < len / 4; i++)
        for (size_t g = 0; g < 4; g++) out[4 * i + g] = group[g][i];
    for (size_t g = 0; g < len % 4; g++) out[len / 4 * 4 + g] = group[g][len / 4];
}

void zn_groups_join(const uint8_t *const group[], unsigned n_groups, bool rotated, uint8_t *out, size_t len) {
    if (n_groups == 1) {
        memcpy(out, group[0], len);
        return;
    }
    if (n_groups == 2)
        interleave_2(group, out, len);
    else
        interleave_4(group, out, len);
    if (!rotated) return;
    uint32_t (*unrotate)(uint32_t) = n_groups == 2 ? unrotate_halves : unrotate_word;
    for (size_t i = 0; i < len / 4; i++) zn_put_u32(out + 4 * i, unrotate(zn_get_u32(out + 4 * i)));
}

void zn_groups_rotate(uint8_t *chunk, size_t len, unsigned n_groups) {
    uint32_t (*rotate)(uint32_t) = n_groups == 2 ? rotate_halves : rotate_word;
    for (size_t i = 0; i < len / 4; i++) zn_put_u32(chunk + 4 * i, rotate(zn_get_u32(chunk + 4 * i)));
}

void zn_groups_extract(const uint8_t *chunk, size_t len, unsigned n_groups, unsigned g, uint8_t *group) {
    for (size_t i = g, n = 0; i < len; i += n_groups) group[n++] = chunk[i];
}
