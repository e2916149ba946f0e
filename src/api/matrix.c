#include "api/archive.h"
#include "api/matrices.h"
#include "api/vectors.h"

enum { SLAB = 32 << 20 /* bytes of rows that are decoded, then packed; enough for all threads */ };

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static zipnn_status check_type(zipnn_dtype dtype, uint32_t rank, zipnn_error *err) {
    if (dtype == ZIPNN_BF16 && rank == 2) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                   "there are products with matrices of bf16: this has type %s and %u dimensions",
                   zipnn_dtype_name(dtype), rank);
}

static zipnn_status make(zipnn_ctx *ctx, zipnn_matrix_form form, uint64_t n_rows, uint64_t n_columns, zipnn_matrix **m,
                         zipnn_error *err) {
    if (n_columns > SIZE_MAX / 8)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "a row of %llu numbers does not fit in memory",
                       (unsigned long long)n_columns);
    *m = zn_alloc(&ctx->engine.alloc, sizeof **m);
    if (!*m) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory opening a matrix");
    **m = (zipnn_matrix){.alloc = ctx->engine.alloc,
                         .loops = zn_kernels_products(ctx->engine.k),
                         .form = form,
                         .n_rows = n_rows,
                         .n_columns = n_columns,
                         .rows = {.n_columns = (size_t)n_columns},
                         .held = sizeof **m};
    return ZIPNN_OK;
}

/* Decodes and packs slab after slab. */
static zipnn_status fill_from(struct zn_filling *f, const zipnn_archive *a, uint64_t index, zipnn_error *err) {
    const size_t row = 2 * f->m->rows.n_columns;
    const size_t some = (size_t)ZN_MIN(f->m->n_rows, (uint64_t)ZN_MAX(SLAB / row, (size_t)1));
    zipnn_status status = ZIPNN_OK;
    uint8_t *words = zn_alloc(&f->m->alloc, some * row);
    if (!words) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu bytes of rows", some * row);
    for (uint64_t r = 0; r < f->m->n_rows && status == ZIPNN_OK; r += some) {
        const size_t n = (size_t)ZN_MIN((uint64_t)some, f->m->n_rows - r);
        status = zipnn_archive_read_rows_in(f->ctx, a, index, r, n, words, n * row, err);
        if (status == ZIPNN_OK) status = zn_matrix_fill(f, words, n, err);
    }
    zn_free(&f->m->alloc, words);
    return status == ZIPNN_OK ? zn_matrix_filled(f, err) : status;
}

static zipnn_status check_size(zipnn_ctx *ctx, const zipnn_archive *a, const struct zn_tensor *t, uint64_t n_rows,
                               zipnn_error *err) {
    uint64_t len;
    ZN_TRY(zn_archive_size_values(a, t, n_rows, &len, err));
    ZN_TRY(zn_job_allows(&ctx->job, len, err));
    if (len <= a->original->length) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_LIMIT, t->off,
                   "this matrix has %llu bytes of numbers, which the whole original has not", (unsigned long long)len);
}

zipnn_status zipnn_matrix_open(zipnn_ctx *ctx, const zipnn_archive *a, uint64_t index, zipnn_matrix_form form,
                               zipnn_matrix **out, zipnn_error *err) {
    const struct zn_tensor *t;
    zipnn_matrix *m = NULL;
    ZN_TRY(zn_given("zipnn_matrix_open", ctx && a ? ctx : NULL, out, err));
    if ((unsigned)form > ZIPNN_MATRIX_FAST)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "there is no form %d of a matrix", (int)form);
    ZN_TRY(zn_archive_tensor(a, index, &t, err));
    ZN_TRY(check_type(t->type, t->rank, err));
    const uint64_t *shape = a->plan.dims + t->shape;
    if (form == ZIPNN_MATRIX_FAST) ZN_TRY(check_size(ctx, a, t, shape[0], err));
    ZN_TRY(make(ctx, form, shape[0], shape[1], &m, err));
    m->archive = form == ZIPNN_MATRIX_STORED ? a : NULL;
    m->index = index;
    struct zn_filling filling = {.ctx = ctx, .m = m};
    const bool some = form == ZIPNN_MATRIX_FAST && m->n_rows && m->n_columns;
    const zipnn_status status = some ? fill_from(&filling, a, index, err) : ZIPNN_OK;
    if (status == ZIPNN_OK)
        *out = m;
    else
        zipnn_matrix_close(m);
    return status;
}

zipnn_status zipnn_matrix_pack(zipnn_ctx *ctx, zipnn_dtype dtype, const void *rows, uint64_t n_rows, uint64_t n_columns,
                               zipnn_matrix **out, zipnn_error *err) {
    zipnn_matrix *m = NULL;
    uint64_t len;
    ZN_TRY(zn_given("zipnn_matrix_pack", n_rows && n_columns && !rows ? NULL : ctx, out, err));
    ZN_TRY(check_type(dtype, 2, err));
    if (!zn_mul(n_rows, n_columns, &len) || len > SIZE_MAX / 2)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "%llu rows of %llu numbers cannot be in memory",
                       (unsigned long long)n_rows, (unsigned long long)n_columns);
    ZN_TRY(make(ctx, ZIPNN_MATRIX_FAST, n_rows, n_columns, &m, err));
    struct zn_filling filling = {.ctx = ctx, .m = m};
    zipnn_status status = len ? zn_matrix_fill(&filling, rows, (size_t)n_rows, err) : ZIPNN_OK;
    if (status == ZIPNN_OK && len) status = zn_matrix_filled(&filling, err);
    if (status == ZIPNN_OK)
        *out = m;
    else
        zipnn_matrix_close(m);
    return status;
}

void zipnn_matrix_close(zipnn_matrix *m) {
    if (!m) return;
    const zipnn_allocator alloc = m->alloc;
    zn_free(&alloc, m->bytes);
    zn_free(&alloc, m->start);
    zn_free(&alloc, m->escapes);
    zn_free(&alloc, m->escape_at);
    zn_free(&alloc, m);
}

void zipnn_matrix_get_info(const zipnn_matrix *m, zipnn_matrix_info *info) {
    *info = (zipnn_matrix_info){.dtype = ZIPNN_BF16,
                                .form = m->form,
                                .n_rows = m->n_rows,
                                .n_columns = m->n_columns,
                                .held = m->held,
                                .has_bf16_pairs = m->loops->multiply[ZN_SUM_PAIRS] != NULL};
}

/* ---- using ------------------------------------------------------------------------------------------------------- */

/* Rows [first, first + n) are there, and whoever reads an archive has a context. */
static zipnn_status check_rows(const char *function, const zipnn_ctx *ctx, const zipnn_matrix *m, uint64_t first,
                               uint64_t n, zipnn_error *err) {
    ZN_TRY(zn_given(function, m, m && m->form == ZIPNN_MATRIX_STORED ? (const void *)ctx : m, err));
    if (first <= m->n_rows && n <= m->n_rows - first) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "rows %llu to %llu are not all inside a matrix of %llu rows",
                   (unsigned long long)first, (unsigned long long)(first + n), (unsigned long long)m->n_rows);
}

/* A product of rows that an archive hands over. */
struct stored_product {
    struct zn_product product;
    const struct zn_product_loops *loops;
    unsigned sum;
    uint64_t first; /* row of the result that y begins with */
    float *y;
};

static zipnn_status multiply_tile(void *user, uint64_t first, uint64_t n, const void *rows, zipnn_error *err) {
    struct stored_product *s = user;
    const size_t columns = s->product.rows->n_columns;
    const struct zn_rows tile = {.bytes = rows, .stride = 2 * columns, .n_columns = columns};
    struct zn_product product = s->product;
    (void)err;
    product.rows = &tile;
    product.y = s->y + (first - s->first);
    s->loops->multiply[s->sum](&product, 0, (size_t)n);
    return ZIPNN_OK;
}

/* The context's tile has room for a row and more. */
static zipnn_status tile_of(zipnn_ctx *ctx, const zipnn_matrix *m, zipnn_tiles *tiles, zipnn_error *err) {
    const size_t cap = ZIPNN_TILE_BYTES + 2 * m->rows.n_columns;
    void *tile = ctx->tile;
    const zipnn_status status = zn_grow(&ctx->engine.alloc, &tile, &ctx->tile_cap, cap, 1, err);
    ctx->tile = tile;
    tiles->buffer = tile;
    tiles->cap = cap;
    return status;
}

static void all_zeros(const struct zn_product *p, size_t n) {
    for (unsigned v = 0; v < p->n_wanted; v++)
        for (size_t r = 0; r < n; r++) p->y[v * p->y_stride + r] = 0;
}

zipnn_status zipnn_matrix_multiply(zipnn_ctx *ctx, const zipnn_matrix *m, const void *vectors, uint64_t first,
                                   uint64_t n, float *y, size_t y_stride, zipnn_error *err) {
    struct zn_vectors head;
    ZN_TRY(check_rows("zipnn_matrix_multiply", ctx, m, first, n, err));
    ZN_TRY(zn_given("zipnn_matrix_multiply", vectors, n ? y : vectors, err));
    memcpy(&head, vectors, sizeof head);
    if (head.mark != ZN_VECTORS_MARK || head.n_columns != m->n_columns || head.sum >= ZN_N_SUMS)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                       "the vectors have to be made by zipnn_vectors_pack, with the %llu columns of the matrix",
                       (unsigned long long)m->n_columns);
    if (!m->loops->multiply[head.sum])
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                       "this processor multiplies no pairs of bf16: take ZIPNN_SUM_F32");
    const struct zn_product p = {.rows = &m->rows,
                                 .x = (const uint8_t *)vectors + ZN_VECTORS_HEAD,
                                 .n_vectors = head.n_filled,
                                 .n_wanted = head.n,
                                 .y = y,
                                 .y_stride = y_stride};
    if (n == 0) return ZIPNN_OK;
    if (m->n_columns == 0) {
        all_zeros(&p, (size_t)n);
        return ZIPNN_OK;
    }
    if (m->form == ZIPNN_MATRIX_FAST) {
        m->loops->multiply[head.sum](&p, (size_t)first, (size_t)n);
        return ZIPNN_OK;
    }
    struct stored_product s = {p, m->loops, head.sum, first, y};
    zipnn_tiles tiles = {.take = multiply_tile, .user = &s};
    ZN_TRY(tile_of(ctx, m, &tiles, err));
    return zipnn_archive_tiles(ctx, m->archive, m->index, first, n, &tiles, err);
}

/* Unpacks or copies rows that are there. */
static void give_back(const zipnn_matrix *m, uint64_t first, uint64_t n, uint8_t *dst) {
    const size_t row = 2 * m->rows.n_columns;
    if (row == 0) return;
    if (!m->rows.packed) memcpy(dst, m->bytes + (size_t)first * row, (size_t)n * row);
    for (size_t i = 0; i < n && m->rows.packed; i++) m->loops->unpack(&m->rows, (size_t)first + i, dst + i * row);
}

zipnn_status zipnn_matrix_read(zipnn_ctx *ctx, const zipnn_matrix *m, uint64_t first, uint64_t n, void *dst, size_t cap,
                               zipnn_error *err) {
    uint64_t len;
    ZN_TRY(check_rows("zipnn_matrix_read", ctx, m, first, n, err));
    if (m->form == ZIPNN_MATRIX_STORED)
        return zipnn_archive_read_rows_in(ctx, m->archive, m->index, first, n, dst, cap, err);
    const uint64_t row = 2 * m->n_columns;
    if (!zn_mul(n, row, &len) || len > cap)
        return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "%llu rows take %llu bytes each, and the buffer has %zu",
                       (unsigned long long)n, (unsigned long long)row, cap);
    ZN_TRY(zn_given("zipnn_matrix_read", m, len ? dst : (const void *)m, err));
    if (n) give_back(m, first, n, dst);
    return ZIPNN_OK;
}

zipnn_status zipnn_matrix_tiles(zipnn_ctx *ctx, const zipnn_matrix *m, uint64_t first, uint64_t n,
                                const zipnn_tiles *tiles, zipnn_error *err) {
    ZN_TRY(check_rows("zipnn_matrix_tiles", ctx, m, first, n, err));
    ZN_TRY(zn_given("zipnn_matrix_tiles", tiles, m, err));
    if (m->form == ZIPNN_MATRIX_STORED) return zipnn_archive_tiles(ctx, m->archive, m->index, first, n, tiles, err);
    const size_t row = 2 * m->rows.n_columns;
    if (!tiles->take || (!tiles->buffer && tiles->cap))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_matrix_tiles needs a buffer, and somebody who takes");
    if (n == 0) return ZIPNN_OK;
    if (row > tiles->cap)
        return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "a row takes %zu bytes, and the buffer has %zu", row,
                       tiles->cap);
    if (row == 0) return tiles->take(tiles->user, first, n, tiles->buffer, err);
    const bool here = !m->rows.packed;
    for (uint64_t r = first, some; r < first + n; r += some) {
        some = ZN_MIN(first + n - r, (uint64_t)(tiles->cap / row));
        if (!here) give_back(m, r, some, tiles->buffer);
        ZN_TRY(tiles->take(tiles->user, r, some, here ? m->bytes + (size_t)r * row : tiles->buffer, err));
    }
    return ZIPNN_OK;
}
