/* What a zipnn_matrix is, and how one is filled. */
#ifndef ZN_API_MATRICES_H
#define ZN_API_MATRICES_H

#include "api/context.h"
#include "zipnn/matrix.h"

struct zipnn_matrix {
    zipnn_allocator alloc;
    const struct zn_product_loops *loops;
    zipnn_matrix_form form;
    uint64_t n_rows, n_columns;
    const zipnn_archive *archive; /* STORED */
    uint64_t index;
    struct zn_rows rows; /* FAST: what lies in the memory below */
    uint8_t *bytes, *start, *escapes;
    uint64_t *escape_at;
    size_t held;
};

/* Rows on their way into a matrix. */
struct zn_filling {
    zipnn_ctx *ctx;
    zipnn_matrix *m;
    size_t n_escapes, escapes_cap; /* bytes */
    const uint8_t *words;          /* of the rows that are packed now: [first, first + n) */
    size_t first, n;
};

/* Takes the next n rows of a matrix whose size is set. Memory is taken with the first of them, which decide whether rows
 * are packed. If it fails, the matrix is closed as usual. */
zipnn_status zn_matrix_fill(struct zn_filling *f, const uint8_t *words, size_t n, zipnn_error *err);

/* All rows are there. */
zipnn_status zn_matrix_filled(struct zn_filling *f, zipnn_error *err);

#endif
