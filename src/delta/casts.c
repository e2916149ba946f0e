#include "delta/casts.h"

/* ---- single values ---- */

enum { F32_NAN = 0x7f800000, F16_NAN = 0x7c00 };

/* Returns x >> shift, rounded to the nearest, ties to even. shift is 1 .. 31. */
static inline uint32_t rounded(uint32_t x, unsigned shift) {
    const uint32_t half = (UINT32_C(1) << (shift - 1)) - 1;
    return (x + half + (x >> shift & 1)) >> shift;
}

/* A NaN keeps its sign and the upper bits of its mantissa, whose top bit is set. */
static inline uint16_t bf16_of_f32(uint32_t x) {
    const uint32_t nan = x >> 16 | 0x40;
    return (uint16_t)((x & 0x7fffffff) > F32_NAN ? nan : rounded(x & 0x7fffffff, 16) | (x >> 16 & 0x8000));
}

static inline uint16_t f16_of_f32(uint32_t x) {
    const uint32_t sign = x >> 16 & 0x8000, y = x & 0x7fffffff;
    if (y > F32_NAN) return (uint16_t)(sign | F16_NAN | 0x200 | (y >> 13 & 0x3ff));
    if (y >= 0x47800000) return (uint16_t)(sign | F16_NAN); /* 65536 and more */
    if (y >= 0x38800000) return (uint16_t)(sign | rounded(y - 0x38000000, 13));
    const unsigned shift = 126 - (y >> 23); /* below 2^-14: the last place is 2^-24 */
    if (shift > 24) return (uint16_t)sign;
    return (uint16_t)(sign | rounded((y & 0x7fffff) | 0x800000, shift));
}

static inline uint32_t f32_of_f16(uint16_t x) {
    const uint32_t sign = (uint32_t)(x & 0x8000) << 16, y = x & 0x7fff;
    if (y >= F16_NAN) return sign | F32_NAN | (y > F16_NAN ? 0x400000u : 0) | (y & 0x3ff) << 13;
    if (y >= 0x400) return sign | ((y << 13) + 0x38000000);
    if (y == 0) return sign;
    const unsigned up = (unsigned)__builtin_clz(y) - 21; /* so that the top bit is that of 2^-14 */
    return sign | ((113 - up) << 23) | (y << up << 13 & 0x7fffff);
}

/* ---- runs ---- */

static void bf16_from_f32(const uint8_t *from, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) zn_put_u16(to + 2 * i, bf16_of_f32(zn_get_u32(from + 4 * i)));
}

static void bf16_cut_from_f32(const uint8_t *from, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) zn_put_u16(to + 2 * i, zn_get_u16(from + 4 * i + 2));
}

static void f16_from_f32(const uint8_t *from, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) zn_put_u16(to + 2 * i, f16_of_f32(zn_get_u32(from + 4 * i)));
}

static void f32_from_bf16(const uint8_t *from, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) zn_put_u32(to + 4 * i, (uint32_t)zn_get_u16(from + 2 * i) << 16);
}

static void f32_from_f16(const uint8_t *from, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) zn_put_u32(to + 4 * i, f32_of_f16(zn_get_u16(from + 2 * i)));
}

static void f16_from_bf16(const uint8_t *from, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) zn_put_u16(to + 2 * i, f16_of_f32((uint32_t)zn_get_u16(from + 2 * i) << 16));
}

static void bf16_from_f16(const uint8_t *from, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) zn_put_u16(to + 2 * i, bf16_of_f32(f32_of_f16(zn_get_u16(from + 2 * i))));
}

void zn_cast(enum zn_cast cast, const uint8_t *from, size_t n, uint8_t *to) {
    static void (*const casts[ZN_N_CASTS])(const uint8_t *, size_t, uint8_t *) = {
        [ZN_CAST_F32_BF16] = bf16_from_f32, [ZN_CAST_F32_BF16_CUT] = bf16_cut_from_f32,
        [ZN_CAST_F32_F16] = f16_from_f32,   [ZN_CAST_BF16_F32] = f32_from_bf16,
        [ZN_CAST_F16_F32] = f32_from_f16,   [ZN_CAST_BF16_F16] = f16_from_bf16,
        [ZN_CAST_F16_BF16] = bf16_from_f16,
    };
    casts[cast](from, n, to);
}
