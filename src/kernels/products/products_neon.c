/* Products, packing and unpacking with Advanced SIMD: codes of 4 bits, of which few are escapes. */
#include "kernels/products/products_loops.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

#define ZN_FN static inline
#define ZN_INLINE __attribute__((always_inline)) static inline

enum { TOGETHER = 2, X_BYTES = 128 };

#define PACKED_4_BITS \
    { .code_bits = 4, .parts = 1 }

struct words {
    uint16x8_t v[4];
};
struct sum {
    float32x4_t v[4];
};

ZN_INLINE struct zn_packing packing_of(const struct zn_rows *rows) {
    (void)rows;
    return (struct zn_packing)PACKED_4_BITS;
}

ZN_INLINE struct sum sum_zero(void) {
    struct sum s;
    for (unsigned i = 0; i < 4; i++) s.v[i] = vdupq_n_f32(0);
    return s;
}

/* Adds up by halves, then the two. */
ZN_INLINE float sum_of(struct sum s) {
    const float32x4_t q = vaddq_f32(vaddq_f32(s.v[0], s.v[2]), vaddq_f32(s.v[1], s.v[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(q), vget_high_f32(q));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
ZN_INLINE float sum_total(struct sum a, struct sum b) {
    return sum_of(a) + sum_of(b);
}

ZN_INLINE struct words words_load(const uint8_t *p) {
    struct words w;
    for (unsigned i = 0; i < 4; i++) w.v[i] = vreinterpretq_u16_u8(vld1q_u8(p + 16 * i));
    return w;
}
ZN_INLINE void words_store(uint8_t *p, struct words w) {
    for (unsigned i = 0; i < 4; i++) vst1q_u8(p + 16 * i, vreinterpretq_u8_u16(w.v[i]));
}

ZN_INLINE struct sum add_words(struct sum s, struct words w, const uint8_t *x) {
    const uint32x4_t top = vdupq_n_u32(0xffff0000);
    for (unsigned i = 0; i < 4; i++) {
        const uint32x4_t v = vreinterpretq_u32_u16(w.v[i]);
        const float32x4_t even = vreinterpretq_f32_u32(vshlq_n_u32(v, 16));
        const float32x4_t odd = vreinterpretq_f32_u32(vandq_u32(v, top));
        s.v[i] = vfmaq_f32(s.v[i], even, vld1q_f32((const void *)(x + 16 * i)));
        s.v[i] = vfmaq_f32(s.v[i], odd, vld1q_f32((const void *)(x + 64 + 16 * i)));
    }
    return s;
}

/* Puts escapes into their places of 16, if there are any. */
ZN_INLINE const uint8_t *put_escapes(uint8x16_t *exponent, uint8x16_t code, const uint8_t *escape) {
    if (__builtin_expect(vmaxvq_u8(code) < 15, 1)) return escape;
    uint8_t bytes[16], codes[16];
    vst1q_u8(bytes, *exponent);
    vst1q_u8(codes, code);
    for (unsigned i = 0; i < 16; i++)
        if (codes[i] == 15) bytes[i] = *escape++;
    *exponent = vld1q_u8(bytes);
    return escape;
}

/* 16 words. */
ZN_INLINE void join(uint8x16_t raw, uint8x16_t exponent, uint16x8_t *w) {
    const uint16x8_t a = vreinterpretq_u16_u8(vzip1q_u8(raw, exponent));
    const uint16x8_t b = vreinterpretq_u16_u8(vzip2q_u8(raw, exponent));
    w[0] = vsriq_n_u16(vshlq_n_u16(a, 15), a, 1);
    w[1] = vsriq_n_u16(vshlq_n_u16(b, 15), b, 1);
}

ZN_INLINE const uint8_t *unpack_step(struct zn_packing packing, const uint8_t *raw, uint8_t start,
                                     const uint8_t *escape, struct words *w) {
    const uint8_t *codes = raw + ZN_PRODUCT_STEP;
    (void)packing;
    for (unsigned i = 0; i < 2; i++) {
        const uint8x16_t both = vld1q_u8(codes + 16 * i), from = vdupq_n_u8(start);
        const uint8x16_t low = vandq_u8(both, vdupq_n_u8(15)), high = vshrq_n_u8(both, 4);
        uint8x16_t a = vsubq_u8(from, low), b = vsubq_u8(from, high);
        escape = put_escapes(&a, low, escape);
        escape = put_escapes(&b, high, escape);
        join(vld1q_u8(raw + 32 * i), a, &w[i].v[0]);
        join(vld1q_u8(raw + 32 * i + 16), b, &w[i].v[2]);
    }
    return escape;
}

/* 16 words; returns their codes. */
ZN_INLINE uint8x16_t pack_part(const uint8_t *words, uint8_t start, uint8_t *raw, uint8_t **escape) {
    const uint8x16x2_t bytes = vld2q_u8(words); /* low bytes, high bytes */
    const uint8x16_t low = vsriq_n_u8(vshlq_n_u8(bytes.val[0], 1), bytes.val[1], 7);
    const uint8x16_t exponent = vsriq_n_u8(vshlq_n_u8(bytes.val[1], 1), bytes.val[0], 7);
    const uint8x16_t code = vminq_u8(vsubq_u8(vdupq_n_u8(start), exponent), vdupq_n_u8(15));
    vst1q_u8(raw, low);
    if (vmaxvq_u8(code) == 15) {
        uint8_t codes[16], exponents[16];
        vst1q_u8(codes, code);
        vst1q_u8(exponents, exponent);
        for (unsigned i = 0; i < 16; i++)
            if (codes[i] == 15) *(*escape)++ = exponents[i];
    }
    return code;
}

ZN_INLINE uint8_t *pack_step(struct zn_packing packing, const uint8_t *words, uint8_t start, uint8_t *raw,
                             uint8_t *escape) {
    uint8_t *codes = raw + ZN_PRODUCT_STEP;
    (void)packing;
    for (unsigned i = 0; i < 2; i++) {
        const uint8x16_t low = pack_part(words + 64 * i, start, raw + 32 * i, &escape);
        const uint8x16_t high = pack_part(words + 64 * i + 32, start, raw + 32 * i + 16, &escape);
        vst1q_u8(codes + 16 * i, vorrq_u8(low, vshlq_n_u8(high, 4)));
    }
    return escape;
}

#include "kernels/products/packing_tpl.h"
#include "kernels/products/products_tpl.h"

const struct zn_product_loops zn_product_loops_neon = {
    .name = "neon",
    .packing = PACKED_4_BITS,
    .multiply = {multiply, NULL},
    .exponents = exponents,
    .pack = pack,
    .unpack = unpack,
};
#endif
