/* Little-endian integers at unaligned addresses, and checked arithmetic on outside numbers. */
#ifndef ZN_BASE_BYTES_H
#define ZN_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ZN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define ZN_MAX(a, b) ((a) > (b) ? (a) : (b))

static inline uint16_t zn_get_u16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t zn_get_u32(const uint8_t *p) {
    return zn_get_u16(p) | (uint32_t)zn_get_u16(p + 2) << 16;
}
static inline uint64_t zn_get_u64(const uint8_t *p) {
    return zn_get_u32(p) | (uint64_t)zn_get_u32(p + 4) << 32;
}

static inline void zn_put_u16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void zn_put_u32(uint8_t *p, uint32_t v) {
    zn_put_u16(p, (uint16_t)v);
    zn_put_u16(p + 2, (uint16_t)(v >> 16));
}
static inline void zn_put_u64(uint8_t *p, uint64_t v) {
    zn_put_u32(p, (uint32_t)v);
    zn_put_u32(p + 4, (uint32_t)(v >> 32));
}

/* A number whose bytes in memory are little-endian, for loops whose compilers make vectors only of whole numbers. */
static inline uint16_t zn_le16(uint16_t v) {
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap16(v) : v;
}

/* False on overflow; *sum and *product are then unspecified. */
static inline bool zn_add(uint64_t a, uint64_t b, uint64_t *sum) {
    return !__builtin_add_overflow(a, b, sum);
}
static inline bool zn_mul(uint64_t a, uint64_t b, uint64_t *product) {
    return !__builtin_mul_overflow(a, b, product);
}

#endif
