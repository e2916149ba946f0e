/* Products of rows of bf16 numbers with vectors, from plain rows and from packed ones.
 *
 * A packed row is made of steps of 64 numbers; the last step is filled up with positive numbers, which meet zeros of the
 * vector. A number is a raw byte (mantissa and sign: its word rotated left by one, the low byte) and a code of 3 or 4
 * bits, which is how far its exponent lies below the row's `start`. The largest code says that the exponent is an escape,
 * a byte of another area. Exponent 255 always is one, so that what fills up is finite.
 *
 *     | 64 raw bytes | 24 (32) bytes of codes |     a step; the next one follows
 *
 * One stream of ascending addresses lets processors fetch ahead: with the codes of 512 numbers behind their raw bytes,
 * products from memory took 1.15 times as long, and with those of a row behind them twice as long. The order of bytes in a step differs by instruction set, so that unpacking needs no
 * instruction for it: `parts` 16-byte parts of words are made at once, and the first halves of these parts come before
 * the second halves.
 */
#ifndef ZN_KERNELS_PRODUCTS_LOOPS_H
#define ZN_KERNELS_PRODUCTS_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ZN_PRODUCT_STEP = 64, /* numbers; rows and vectors are filled up to a multiple of it */
    ZN_PRODUCT_MAX_VECTORS = 8,
    ZN_PRODUCT_SLACK = 64 /* bytes that are readable behind packed rows, and behind escapes */
};

/* How sums are taken. Both have two sums of 16 lanes for a row and a vector. Number i of a row belongs to step i / 64,
 * sum i / 32 % 2 and lane i % 32 / 2. At the end each sum is added up by halves (lane l and l + 8, then l + 4, l + 2,
 * l + 1), and the second is added to the first. */
enum zn_sum {
    ZN_SUM_F32,   /* a lane takes its even number by a fused multiply-add, then its odd one */
    ZN_SUM_PAIRS, /* a lane takes both numbers by the processor's dot product of pairs of bf16 */
    ZN_N_SUMS
};

/* How numbers are packed. */
struct zn_packing {
    uint8_t code_bits; /* 3 or 4 */
    uint8_t parts;     /* 1, 2 or 4 */
};

static inline unsigned zn_packed_step(struct zn_packing packing) {
    return ZN_PRODUCT_STEP + ZN_PRODUCT_STEP / 8u * packing.code_bits;
}

/* The place of number i (0 to 63) within a step. */
static inline unsigned zn_packed_place(struct zn_packing packing, unsigned i) {
    const unsigned group = 16u * packing.parts, k = i % group, half = group / 2;
    return i - k + k % half / 8 * 16 + (k < half ? 0 : 8) + k % 8;
}

struct zn_rows {
    const uint8_t *bytes;
    size_t stride;    /* from row to row; of packed rows a multiple of 64 */
    size_t n_columns; /* > 0 */
    bool packed;      /* if not, rows are little-endian words, and the rest is unused */
    struct zn_packing packing;
    const uint8_t *start;      /* by row */
    const uint64_t *escape_at; /* by row: where its escapes begin */
    const uint8_t *escapes;    /* exponents, in the order in which numbers lie in packed rows */
};

/* The vectors have zeros behind their last number, up to a multiple of 64. For each 32 numbers, vector after vector, `x`
 * has: for pairs, 32 bf16; for fp32, the 16 even numbers, then the 16 odd ones. Aligned to 64. */
struct zn_product {
    const struct zn_rows *rows;
    const void *x;
    unsigned n_vectors; /* in x: 1, 2, 4 or 8 */
    unsigned n_wanted;  /* of which results are stored: 1 .. n_vectors */
    float *y;           /* vector v's result for the first row is at y[v * y_stride], and the next row's beside it */
    size_t y_stride;
};

struct zn_product_loops {
    const char *name;
    struct zn_packing packing; /* that this set's loops take. Those of the scalar set take any */

    /* Multiplies rows [first, first + n). NULL: the processor has no such sum. */
    void (*multiply[ZN_N_SUMS])(const struct zn_product *product, size_t first, size_t n);

    /* Adds up how often each exponent occurs among n words. */
    void (*exponents)(const uint8_t *words, size_t n, uint32_t *hist);

    /* Packs a row of n > 0 words into `row`, of zn_packed_step bytes a step, and returns the number of its escapes.
     * `start` is below 255. Writes
     * no byte more to either. */
    size_t (*pack)(const uint8_t *words, size_t n, uint8_t start, uint8_t *row, uint8_t *escapes);

    /* Gives a packed row back as n_columns words. */
    void (*unpack)(const struct zn_rows *rows, size_t row, uint8_t *words);
};

extern const struct zn_product_loops zn_product_loops_scalar;
#if defined(__x86_64__)
extern const struct zn_product_loops zn_product_loops_avx2;
extern const struct zn_product_loops zn_product_loops_avx512;       /* without dot products of pairs */
extern const struct zn_product_loops zn_product_loops_avx512_pairs; /* AVX512_BF16 */
void zn_multiply_pairs_avx512(const struct zn_product *product, size_t first, size_t n);
#elif defined(__aarch64__)
extern const struct zn_product_loops zn_product_loops_neon;
#endif

/* Packs as any set does, the readable definition. */
size_t zn_pack_scalar(struct zn_packing packing, const uint8_t *words, size_t n, uint8_t start, uint8_t *row,
                      uint8_t *escapes);

#endif
