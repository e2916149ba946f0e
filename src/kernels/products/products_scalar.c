/* Products in plain C: the readable twin, which takes rows as any set packs them. */
#include <float.h>
#include <math.h>

#include "base/bytes.h"
#include "kernels/products/products_loops.h"

#define ZN_FN static
#define ZN_INLINE static inline

enum { TOGETHER = 1, X_BYTES = 128 };

struct words {
    uint16_t w[32];
};
struct sum {
    float lane[16];
};

/* This set packs in the order of columns, and takes any packing. */
ZN_INLINE struct zn_packing packing_of(const struct zn_rows *rows) {
    return rows ? rows->packing : (struct zn_packing){.code_bits = 3, .parts = 1};
}

/* w * x + sum, rounded once. A bf16 and an fp32 have a product that is exact in fp64. Its sum is rounded to odd, so that
 * rounding once more to fp32 gives what one rounding gives. */
ZN_INLINE float multiply_add(float w, float x, float sum) {
#if FLT_EVAL_METHOD == 0
    const double product = (double)w * x, add = sum, total = product + add;
    const double part = total - product, lost = (product - (total - part)) + (add - part);
    uint64_t bits;
    memcpy(&bits, &total, sizeof bits);
    if (!isfinite(total) || lost == 0 || (bits & 1)) return (float)total;
    bits = (lost > 0) == (total > 0) ? bits + 1 : bits - 1;
    double odd;
    memcpy(&odd, &bits, sizeof odd);
    return (float)odd;
#else
    return fmaf(w, x, sum);
#endif
}

ZN_INLINE float float_of(uint16_t word) {
    const uint32_t bits = (uint32_t)word << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

ZN_INLINE struct sum sum_zero(void) {
    return (struct sum){{0}};
}

/* Adds up by halves, then the two. */
ZN_INLINE float sum_total(struct sum a, struct sum b) {
    for (unsigned half = 8; half > 0; half /= 2) {
        for (unsigned l = 0; l < half; l++) {
            a.lane[l] += a.lane[l + half];
            b.lane[l] += b.lane[l + half];
        }
    }
    return a.lane[0] + b.lane[0];
}

ZN_INLINE struct sum add_words(struct sum s, struct words w, const uint8_t *x) {
    float v[32];
    memcpy(v, x, sizeof v);
    for (unsigned l = 0; l < 16; l++) {
        s.lane[l] = multiply_add(float_of(w.w[2 * l]), v[l], s.lane[l]);
        s.lane[l] = multiply_add(float_of(w.w[2 * l + 1]), v[16 + l], s.lane[l]);
    }
    return s;
}

ZN_INLINE struct words words_load(const uint8_t *p) {
    struct words w;
    for (unsigned i = 0; i < 32; i++) w.w[i] = zn_get_u16(p + 2 * i);
    return w;
}

ZN_INLINE void words_store(uint8_t *p, struct words w) {
    for (unsigned i = 0; i < 32; i++) zn_put_u16(p + 2 * i, w.w[i]);
}

/* The code at a place of a step. Codes of 3 bits are packed from the low bit up; of each 32 codes of 4 bits the first 16
 * are the low halves of bytes. */
ZN_INLINE unsigned code_get(struct zn_packing packing, const uint8_t *codes, unsigned place) {
    if (packing.code_bits == 4) return codes[place / 32 * 16 + place % 16] >> (place % 32 < 16 ? 0 : 4) & 15;
    const uint8_t *three = codes + place / 8 * 3;
    return (three[0] | (unsigned)three[1] << 8 | (unsigned)three[2] << 16) >> 3 * (place % 8) & 7;
}

ZN_INLINE void code_put(struct zn_packing packing, uint8_t *codes, unsigned place, unsigned code) {
    if (packing.code_bits == 4) {
        codes[place / 32 * 16 + place % 16] |= (uint8_t)(code << (place % 32 < 16 ? 0 : 4));
        return;
    }
    const unsigned bit = 3 * (place % 8);
    uint8_t *at = codes + place / 8 * 3 + bit / 8;
    at[0] |= (uint8_t)(code << bit % 8);
    if (bit % 8 > 5) at[1] |= (uint8_t)(code >> (8 - bit % 8));
}

ZN_INLINE const uint8_t *unpack_step(struct zn_packing packing, const uint8_t *raw, uint8_t start,
                                     const uint8_t *escape, struct words *w) {
    const uint8_t *codes = raw + ZN_PRODUCT_STEP;
    const unsigned last = (1u << packing.code_bits) - 1;
    uint16_t at_place[ZN_PRODUCT_STEP];
    for (unsigned i = 0; i < ZN_PRODUCT_STEP; i++) {
        const unsigned code = code_get(packing, codes, i);
        const unsigned exponent = code == last ? *escape++ : start - code;
        at_place[i] = (uint16_t)((exponent & 255) << 7 | raw[i] >> 1 | (unsigned)(raw[i] & 1) << 15);
    }
    for (unsigned i = 0; i < ZN_PRODUCT_STEP; i++) w[i / 32].w[i % 32] = at_place[zn_packed_place(packing, i)];
    return escape;
}

ZN_INLINE uint8_t *pack_step(struct zn_packing packing, const uint8_t *words, uint8_t start, uint8_t *raw,
                             uint8_t *escape) {
    uint8_t *codes = raw + ZN_PRODUCT_STEP;
    const unsigned last = (1u << packing.code_bits) - 1;
    uint16_t at_place[ZN_PRODUCT_STEP];
    for (unsigned i = 0; i < ZN_PRODUCT_STEP; i++) at_place[zn_packed_place(packing, i)] = zn_get_u16(words + 2 * i);
    memset(codes, 0, zn_packed_step(packing) - ZN_PRODUCT_STEP);
    for (unsigned i = 0; i < ZN_PRODUCT_STEP; i++) {
        const unsigned exponent = at_place[i] >> 7 & 255, below = (start - exponent) & 255;
        raw[i] = (uint8_t)(at_place[i] << 1 | at_place[i] >> 15);
        code_put(packing, codes, i, ZN_MIN(below, last));
        if (below >= last) *escape++ = (uint8_t)exponent;
    }
    return escape;
}

#include "kernels/products/packing_tpl.h"
#include "kernels/products/products_tpl.h"

size_t zn_pack_scalar(struct zn_packing packing, const uint8_t *words, size_t n, uint8_t start, uint8_t *row,
                      uint8_t *escapes) {
    return pack_row(packing, words, n, start, row, escapes);
}

const struct zn_product_loops zn_product_loops_scalar = {
    .name = "scalar",
    .packing = {.code_bits = 3, .parts = 1},
    .multiply = {multiply, NULL},
    .exponents = exponents,
    .pack = pack,
    .unpack = unpack,
};
