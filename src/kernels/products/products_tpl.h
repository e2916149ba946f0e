/* The loops of products, written once over a few operations of an instruction set. Who includes this has defined
 *
 *     ZN_FN, ZN_INLINE       storage class and target of functions
 *     TOGETHER               vectors whose sums stay in registers
 *     struct words           32 bf16
 *     struct sum             16 lanes
 *     words_load, words_store, unpack_step, sum_zero, sum_total
 *     add_words              adds 32 products to a sum, and X_BYTES, what a vector has for them
 *     packing_of             how rows are packed; only the scalar set looks
 *
 * and may define BESIDE_PLAIN and BESIDE_PACKED, what is done beside each step: benchmarks make memory scarce there.
 */
#include "base/bytes.h"

#ifndef BESIDE_PLAIN
#define BESIDE_PLAIN ((void)0)
#define BESIDE_PACKED ((void)0)
#endif

enum {
    STEP_BYTES = 2 * ZN_PRODUCT_STEP,
    X_STEP = 2 * X_BYTES, /* bytes of a vector for one step */
    TILE = 8,             /* steps that are unpacked before they are multiplied by more vectors than that */
    NEAR = 16 << 10,      /* bytes of vectors that stay in the first cache beside weights */
    GROUP = 8,            /* rows that take turns when a row has more columns than that */
    AHEAD = 4096          /* bytes that are fetched ahead within a row */
};

/* Where the numbers of a row come from. */
struct from {
    const struct zn_rows *rows;
    const uint8_t *row, *escape;
    uint8_t start;
};

/* Adds one step to the sums of `n` vectors, of which the first is at x, and `all` lie side by side. */
ZN_INLINE void add_step(const struct words w[2], const uint8_t *x, const unsigned n, const unsigned all,
                        struct sum *sums) {
    for (unsigned v = 0; v < n; v++) sums[2 * v] = add_words(sums[2 * v], w[0], x + v * X_BYTES);
    for (unsigned v = 0; v < n; v++) sums[2 * v + 1] = add_words(sums[2 * v + 1], w[1], x + (all + v) * X_BYTES);
}

/* The steps of a tile of plain words, for some vectors after the others. */
ZN_INLINE void add_tile(const uint8_t *tile, size_t n, const uint8_t *x, const unsigned all, struct sum *sums) {
    for (unsigned v = 0; v < all; v += TOGETHER) {
        struct sum some[2 * TOGETHER];
        for (unsigned i = 0; i < 2 * TOGETHER; i++) some[i] = sums[2 * v + i];
        for (size_t j = 0; j < n; j++) {
            const struct words w[2] = {words_load(tile + j * STEP_BYTES), words_load(tile + j * STEP_BYTES + 64)};
            add_step(w, x + j * all * X_STEP + v * X_BYTES, TOGETHER, all, some);
        }
        for (unsigned i = 0; i < 2 * TOGETHER; i++) sums[2 * v + i] = some[i];
    }
}

ZN_INLINE void add_words_of(const uint8_t *words, size_t n, const uint8_t *x, const uint8_t *next, const unsigned all,
                            struct sum *sums) {
    if (all > TOGETHER) {
        for (size_t j = 0; j < n; j++) {
            __builtin_prefetch(next + j * STEP_BYTES);
            __builtin_prefetch(next + j * STEP_BYTES + 64);
            BESIDE_PLAIN;
        }
        add_tile(words, n, x, all, sums);
        return;
    }
    for (size_t j = 0; j < n; j++) {
        const struct words w[2] = {words_load(words + j * STEP_BYTES), words_load(words + j * STEP_BYTES + 64)};
        add_step(w, x + j * all * X_STEP, all, all, sums);
        __builtin_prefetch(next + j * STEP_BYTES);
        __builtin_prefetch(next + j * STEP_BYTES + 64);
        BESIDE_PLAIN;
    }
}

/* Plain rows: steps [at, at + n). The last step of a row may have fewer words in memory. */
ZN_INLINE void add_plain(const struct from *f, size_t at, size_t n, const uint8_t *x, const uint8_t *next,
                         const unsigned all, struct sum *sums) {
    const size_t whole = f->rows->n_columns / ZN_PRODUCT_STEP, rest = f->rows->n_columns % ZN_PRODUCT_STEP;
    const size_t m = ZN_MIN(n, whole - ZN_MIN(at, whole));
    add_words_of(f->row + at * STEP_BYTES, m, x, next, all, sums);
    if (m == n) return;
    _Alignas(64) uint8_t last[STEP_BYTES] = {0};
    memcpy(last, f->row + whole * STEP_BYTES, 2 * rest);
    add_words_of(last, 1, x + m * all * X_STEP, last, all, sums);
}

/* Packed rows: steps [at, at + n). */
ZN_INLINE void add_packed(struct from *f, size_t at, size_t n, const uint8_t *x, const uint8_t *next,
                          const unsigned all, struct sum *sums) {
    const struct zn_packing packing = packing_of(f->rows);
    const unsigned step = zn_packed_step(packing);
    const uint8_t *from = f->row + at * step, *escape = f->escape;
    for (size_t m; n > 0; n -= m, x += m * all * X_STEP) {
        m = ZN_MIN(n, (size_t)TILE);
        _Alignas(64) uint8_t tile[TILE * STEP_BYTES];
        for (size_t j = 0; j < m; j++, from += step, next += step) {
            struct words w[2];
            escape = unpack_step(packing, from, f->start, escape, w);
            if (all <= TOGETHER) {
                add_step(w, x + j * all * X_STEP, all, all, sums);
            } else {
                words_store(tile + j * STEP_BYTES, w[0]);
                words_store(tile + j * STEP_BYTES + 64, w[1]);
            }
            __builtin_prefetch(next); /* in ascending order, or half of the gain is lost */
            __builtin_prefetch(next + 64);
            BESIDE_PACKED;
        }
        if (all > TOGETHER) add_tile(tile, m, x, all, sums);
    }
    f->escape = escape;
}

/* Returns the row, and where its escapes begin. */
ZN_INLINE struct from row_of(const struct zn_rows *rows, size_t r, const bool packed) {
    struct from f = {.rows = rows, .row = rows->bytes + r * rows->stride};
    if (packed) {
        f.start = rows->start[r];
        f.escape = rows->escapes + rows->escape_at[r];
    }
    return f;
}

/* Steps that the rows of a group take in turn: whole tiles, as many as keep vectors near. */
ZN_INLINE size_t steps_near(const unsigned all) {
    return ZN_MAX(NEAR / (X_STEP * (size_t)all) / TILE, (size_t)1) * TILE;
}

/* Rows whose vectors stay near as a whole: one after the other. */
ZN_INLINE void multiply_whole(const struct zn_product *p, size_t first, size_t n, size_t steps, const bool packed,
                              const unsigned all) {
    for (size_t r = 0; r < n; r++) {
        struct from f = row_of(p->rows, first + r, packed);
        struct sum sums[2 * ZN_PRODUCT_MAX_VECTORS];
        for (unsigned i = 0; i < 2 * all; i++) sums[i] = sum_zero();
        if (packed)
            add_packed(&f, 0, steps, p->x, f.row + AHEAD, all, sums);
        else
            add_plain(&f, 0, steps, p->x, f.row + AHEAD, all, sums);
        for (unsigned v = 0; v < p->n_wanted; v++) p->y[v * p->y_stride + r] = sum_total(sums[2 * v], sums[2 * v + 1]);
    }
}

/* Other rows: a group of them takes turns at the columns of which the vectors stay near. Meanwhile the next columns of
 * the same row are fetched, and at the end of the columns the next group's. */
ZN_INLINE void multiply_group(const struct zn_product *p, struct from *f, size_t n, size_t r, size_t steps,
                              const bool packed, const unsigned all) {
    struct sum kept[GROUP][2 * ZN_PRODUCT_MAX_VECTORS];
    const size_t near = steps_near(all), step = packed ? zn_packed_step(packing_of(p->rows)) : STEP_BYTES;
    for (size_t at = 0; at < steps; at += near) {
        const size_t m = ZN_MIN(near, steps - at);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *x = (const uint8_t *)p->x + at * all * X_STEP;
            const uint8_t *next =
                at + near < steps ? f[i].row + (at + near) * step : f[i].row + GROUP * p->rows->stride;
            struct sum sums[2 * ZN_PRODUCT_MAX_VECTORS];
            for (unsigned k = 0; k < 2 * all; k++) sums[k] = at ? kept[i][k] : sum_zero();
            if (packed)
                add_packed(&f[i], at, m, x, next, all, sums);
            else
                add_plain(&f[i], at, m, x, next, all, sums);
            for (unsigned k = 0; k < 2 * all; k++) kept[i][k] = sums[k];
        }
    }
    for (size_t i = 0; i < n; i++)
        for (unsigned v = 0; v < p->n_wanted; v++)
            p->y[v * p->y_stride + r + i] = sum_total(kept[i][2 * v], kept[i][2 * v + 1]);
}

ZN_INLINE void multiply_rows(const struct zn_product *p, size_t first, size_t n, const bool packed,
                             const unsigned all) {
    const size_t steps = (p->rows->n_columns + ZN_PRODUCT_STEP - 1) / ZN_PRODUCT_STEP;
    if (steps <= steps_near(all)) {
        multiply_whole(p, first, n, steps, packed, all);
        return;
    }
    for (size_t r = 0; r < n; r += GROUP) {
        struct from f[GROUP];
        const size_t some = ZN_MIN((size_t)GROUP, n - r);
        for (size_t i = 0; i < some; i++) f[i] = row_of(p->rows, first + r + i, packed);
        multiply_group(p, f, some, r, steps, packed, all);
    }
}

/* One function for each number of vectors. */
#define MULTIPLY(all)                                                                      \
    ZN_FN void multiply_packed_##all(const struct zn_product *p, size_t first, size_t n) { \
        multiply_rows(p, first, n, true, all);                                             \
    }                                                                                      \
    ZN_FN void multiply_plain_##all(const struct zn_product *p, size_t first, size_t n) {  \
        multiply_rows(p, first, n, false, all);                                            \
    }
MULTIPLY(1)
MULTIPLY(2)
MULTIPLY(4)
MULTIPLY(8)

ZN_FN void multiply(const struct zn_product *p, size_t first, size_t n) {
    static void (*const of[2][4])(const struct zn_product *, size_t, size_t) = {
        {multiply_plain_1, multiply_plain_2, multiply_plain_4, multiply_plain_8},
        {multiply_packed_1, multiply_packed_2, multiply_packed_4, multiply_packed_8}};
    of[p->rows->packed][p->n_vectors < 4 ? p->n_vectors - 1 : p->n_vectors / 4 + 1](p, first, n);
}
