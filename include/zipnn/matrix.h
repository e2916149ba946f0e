/* zipnn, matrix: products of a matrix of bf16 weights with vectors, while the weights stay compressed.
 *
 *     zipnn_matrix_open(ctx, archive, index, ZIPNN_MATRIX_FAST, &matrix, &err);
 *     void *x = aligned_alloc(64, zipnn_vectors_size(n_columns, 1));
 *     zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F32, values, 0, n_columns, 1, x, &err);
 *     zipnn_matrix_multiply(NULL, matrix, x, 0, n_rows, y, 0, &err);
 *
 * zipnn/zipnn.h does not include this header.
 *
 * A product of one vector waits for memory. Rows of the fast form take 0.70 of their bytes (0.75 without AVX-512), and
 * are unpacked in registers, so that it waits less: doc/internals/products.md says how much, and where it does not help. No
 * product has threads of its own: callers share out the rows.
 *
 * The same bits. Each result depends on its row, its vector and the kind of sum alone: not on how rows are divided, on
 * the other vectors, on the form of the matrix, or on whether it was packed at all. Sums are taken in this order:
 *  - Row and vector are filled up with zeros to a multiple of 64 (the zeros of the row are positive numbers, or zeros).
 *  - There are two sums of 16 lanes. Number i belongs to sum i / 32 % 2, lane i % 32 / 2. A lane adds its numbers in
 *    ascending order of i.
 *  - At the end each sum is added up by halves: lane l and l + 8, then l + 4, l + 2, l + 1. The second sum is added to
 *    the first.
 * ZIPNN_SUM_F32 has the same bits on all processors, except for those of a NaN. If the processor was told to treat
 * subnormal numbers as zeros, it does so here, too.
 */
#ifndef ZIPNN_MATRIX_H
#define ZIPNN_MATRIX_H

#include "tiles.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zipnn_matrix zipnn_matrix;

typedef enum zipnn_matrix_form {
    ZIPNN_MATRIX_STORED =
        0,                /* stays in the archive, which is read and decoded for each product: no memory is taken, and
                                products are slower than of plain weights, unless memory is very slow */
    ZIPNN_MATRIX_FAST = 1 /* packed in memory. The archive is not needed afterwards */
} zipnn_matrix_form;

/* How a lane adds numbers. */
typedef enum zipnn_sum {
    ZIPNN_SUM_F32 = 0,       /* fp32: one after the other, each by a fused multiply-add. Vectors are fp32 */
    ZIPNN_SUM_BF16_PAIRS = 1 /* two by two, by the instruction for that (AVX512_BF16), which takes subnormal numbers as
                                zeros. Vectors are rounded to bf16. In rows of a multiple of 64 it is the order of ggml,
                                which llama.cpp uses, for the same instruction */
} zipnn_sum;

typedef struct zipnn_matrix_info {
    zipnn_dtype dtype; /* ZIPNN_BF16 */
    zipnn_matrix_form form;
    uint64_t n_rows, n_columns;
    uint64_t held;      /* bytes of memory */
    int has_bf16_pairs; /* whether this processor has ZIPNN_SUM_BF16_PAIRS */
} zipnn_matrix_info;

enum { ZIPNN_MAX_VECTORS = 8 };

/* Opens a tensor of rank 2 and of bf16 for products.
 *  - FAST: all of it is decoded and packed by the threads of `ctx`, whose progress function counts the rows' bytes. Each
 *    frame is verified once. Where packing would not make it smaller, rows stay as they are.
 *  - STORED: the archive must stay open. What it lacks or has damaged is found by the products.
 *  - Memory comes from the allocator of `ctx`, which may be destroyed before the matrix, if its allocator may.
 *  - ZIPNN_E_UNSUPPORTED: another type or rank. ZIPNN_E_LIMIT: FAST, and the tensor has more bytes than
 *    zipnn_options.max_original, or than the original has. */
ZIPNN_API zipnn_status zipnn_matrix_open(zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t index,
                                         zipnn_matrix_form form, zipnn_matrix **matrix, zipnn_error *err);

/* Packs a matrix of plain memory, by the threads of `ctx`. Rows lie one after the other; numbers are little-endian bf16
 * (any other dtype is ZIPNN_E_UNSUPPORTED). They are not needed afterwards. */
ZIPNN_API zipnn_status zipnn_matrix_pack(zipnn_ctx *ctx, zipnn_dtype dtype, const void *rows, uint64_t n_rows,
                                         uint64_t n_columns, zipnn_matrix **matrix, zipnn_error *err);

/* Frees a matrix. NULL is allowed. */
ZIPNN_API void zipnn_matrix_close(zipnn_matrix *matrix);

ZIPNN_API void zipnn_matrix_get_info(const zipnn_matrix *matrix, zipnn_matrix_info *info);

/* Returns the bytes that n vectors take, made ready for products; SIZE_MAX if they are too many to say, or n is not 1 to
 * ZIPNN_MAX_VECTORS. */
ZIPNN_API size_t zipnn_vectors_size(uint64_t n_columns, unsigned n);

/* Makes n vectors of n_columns numbers (ZIPNN_F32 or ZIPNN_BF16, in the processor's order of bytes) ready for any number
 * of products, in `vectors`: the caller's memory, of zipnn_vectors_size bytes and aligned to 64. Vector v begins at
 * values + v * stride numbers. Any number of threads may use them at the same time afterwards. */
ZIPNN_API zipnn_status zipnn_vectors_pack(zipnn_sum sum, zipnn_dtype dtype, const void *values, size_t stride,
                                          uint64_t n_columns, unsigned n, void *vectors, zipnn_error *err);

/* Multiplies rows [first, first + n) with all vectors: y[v * y_stride + i] becomes the product of vector v and row
 * first + i.
 *  - It works on the thread that calls. Any number of threads may multiply a matrix at the same time. STORED: each with
 *    a context of its own, and best in as few runs of rows as there are threads, since a chunk is decoded for each run
 *    that has a part of it. FAST: `ctx` is not used, and may be NULL.
 *  - ZIPNN_E_ARGUMENT: the vectors were not made by zipnn_vectors_pack, or have another number of columns.
 *    ZIPNN_E_UNSUPPORTED: this processor has no such sum. ZIPNN_E_NOT_FOUND: the matrix has fewer rows. Otherwise what
 *    reading the archive returns; y then has some of the results. */
ZIPNN_API zipnn_status zipnn_matrix_multiply(zipnn_ctx *ctx, const zipnn_matrix *matrix, const void *vectors,
                                             uint64_t first, uint64_t n, float *y, size_t y_stride, zipnn_error *err);

/* Gives rows [first, first + n) back as they were, little-endian: cap is at least 2 * n_columns * n. Threads and `ctx` as
 * above. FAST finds single rows fast, so that tables of embeddings can be packed, too. */
ZIPNN_API zipnn_status zipnn_matrix_read(zipnn_ctx *ctx, const zipnn_matrix *matrix, uint64_t first, uint64_t n,
                                         void *dst, size_t cap, zipnn_error *err);

/* Hands rows [first, first + n) to tiles->take, as zipnn_archive_tiles does, for kernels of your own: products with many
 * vectors, copies to other devices. Threads and `ctx` as above. FAST: rows that could not be packed are handed on where
 * they lie, and not in the buffer. */
ZIPNN_API zipnn_status zipnn_matrix_tiles(zipnn_ctx *ctx, const zipnn_matrix *matrix, uint64_t first, uint64_t n,
                                          const zipnn_tiles *tiles, zipnn_error *err);

#ifdef __cplusplus
}
#endif
#endif
