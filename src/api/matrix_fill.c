/* Packs the rows of a matrix. */
#include "api/matrices.h"
#include "base/pages.h"
#include "workers/each.h"

enum {
    AT_ONCE = 1 << 20, /* bytes of words that a thread packs at once */
    LARGEST = 254      /* of exponents that rows may start from: the one above is of infinities and NaNs */
};

/* What one row costs: where its codes start, and how many escapes it has. */
struct fit {
    uint8_t start;
    size_t n_escapes;
};

/* Finds the exponents, side by side, that most of the row's have. */
static struct fit fit_row(const struct zn_product_loops *loops, const uint8_t *words, size_t n) {
    const unsigned n_codes = (1u << loops->packing.code_bits) - 1;
    uint32_t hist[256] = {0};
    loops->exponents(words, n, hist);
    uint32_t inside = 0, most = 0;
    struct fit fit = {.start = LARGEST, .n_escapes = n};
    for (unsigned e = 0; e <= LARGEST; e++) {
        inside += hist[e] - (e >= n_codes ? hist[e - n_codes] : 0);
        if (e + 1 < n_codes || inside <= most) continue;
        most = inside;
        fit = (struct fit){(uint8_t)e, n - inside};
    }
    return fit;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static zipnn_status take_memory(zipnn_matrix *m, size_t size, void *to, zipnn_error *err) {
    void *memory = zn_alloc(&m->alloc, size);
    if (!memory) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu bytes of a matrix", size);
    zn_pages_large(memory, size);
    memcpy(to, &memory, sizeof memory);
    m->held += size;
    return ZIPNN_OK;
}

/* Returns whether packing makes the rows smaller, judged by these, and the bytes from row to row if it does. */
static bool is_worth_packing(const struct zn_filling *f, const uint8_t *words, size_t n, size_t *stride) {
    enum { LOOK = 256, PER_ROW = sizeof(uint64_t) + 1 };
    const size_t columns = f->m->rows.n_columns, step = n / LOOK + 1;
    const size_t steps = columns / ZN_PRODUCT_STEP + (columns % ZN_PRODUCT_STEP != 0);
    uint64_t packed = 0, plain = 0;
    *stride = (steps * zn_packed_step(f->m->loops->packing) + 63) / 64 * 64;
    for (size_t r = 0; r < n; r += step) {
        packed += *stride + PER_ROW + fit_row(f->m->loops, words + r * 2 * columns, columns).n_escapes;
        plain += 2 * columns;
    }
    return packed < plain - plain / 16;
}

/* Takes the memory of all rows. */
static zipnn_status begin(struct zn_filling *f, const uint8_t *words, size_t n, zipnn_error *err) {
    zipnn_matrix *m = f->m;
    uint64_t len;
    size_t stride;
    m->rows.packed = is_worth_packing(f, words, n, &stride);
    m->rows.packing = m->loops->packing;
    m->rows.stride = m->rows.packed ? stride : 2 * m->rows.n_columns;
    if (!zn_mul(m->n_rows, m->rows.stride, &len) || len > SIZE_MAX - ZN_PRODUCT_SLACK)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "%llu rows of %zu bytes do not fit in memory",
                       (unsigned long long)m->n_rows, m->rows.stride);
    ZN_TRY(take_memory(m, (size_t)len + ZN_PRODUCT_SLACK, &m->bytes, err));
    m->rows.bytes = m->bytes;
    if (!m->rows.packed) return ZIPNN_OK;
    ZN_TRY(take_memory(m, (size_t)m->n_rows, &m->start, err));
    ZN_TRY(take_memory(m, (size_t)m->n_rows * sizeof *m->escape_at, &m->escape_at, err));
    memset(m->bytes + len, 0, ZN_PRODUCT_SLACK);
    m->rows.start = m->start;
    m->rows.escape_at = m->escape_at;
    return ZIPNN_OK;
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static size_t rows_at_once(const zipnn_matrix *m) {
    return ZN_MAX(AT_ONCE / (2 * m->rows.n_columns), (size_t)1);
}

/* The rows of a task. */
static size_t rows_of_task(const struct zn_filling *f, uint64_t i, size_t *end) {
    const size_t some = rows_at_once(f->m), from = (size_t)i * some;
    *end = f->first + ZN_MIN(f->n, from + some);
    return f->first + from;
}

static const uint8_t *words_of(const struct zn_filling *f, size_t r) {
    return f->words + (r - f->first) * 2 * f->m->rows.n_columns;
}

/* Counts escapes, which escape_at holds until they have a place. */
static zipnn_status fit_rows(void *arg, struct zn_task *task, zipnn_error *err) {
    const struct zn_filling *f = arg;
    size_t end;
    (void)err;
    for (size_t r = rows_of_task(f, task->i, &end); r < end; r++) {
        const struct fit fit = fit_row(f->m->loops, words_of(f, r), f->m->rows.n_columns);
        f->m->start[r] = fit.start;
        f->m->escape_at[r] = fit.n_escapes;
    }
    return ZIPNN_OK;
}

static zipnn_status pack_rows(void *arg, struct zn_task *task, zipnn_error *err) {
    const struct zn_filling *f = arg;
    const zipnn_matrix *m = f->m;
    size_t end;
    (void)err;
    for (size_t r = rows_of_task(f, task->i, &end); r < end; r++)
        m->loops->pack(words_of(f, r), m->rows.n_columns, m->start[r], m->bytes + r * m->rows.stride,
                       m->escapes + m->escape_at[r]);
    return ZIPNN_OK;
}

static zipnn_status copy_rows(void *arg, struct zn_task *task, zipnn_error *err) {
    const struct zn_filling *f = arg;
    size_t end;
    (void)err;
    const size_t r = rows_of_task(f, task->i, &end);
    memcpy(f->m->bytes + r * f->m->rows.stride, words_of(f, r), (end - r) * f->m->rows.stride);
    return ZIPNN_OK;
}

static zipnn_status each_task(struct zn_filling *f,
                              zipnn_status (*work)(void *arg, struct zn_task *task, zipnn_error *err),
                              zipnn_error *err) {
    struct zn_engine *e = &f->ctx->engine;
    const size_t some = rows_at_once(f->m);
    const struct zn_tasks tasks = {.n = f->n / some + (f->n % some != 0), .work = work, .arg = f};
    return zn_each(e, zn_engine_crew(e, (uint64_t)f->n * 2 * f->m->rows.n_columns), &tasks, err);
}

/* Gives each row's escapes their place. */
static zipnn_status place_escapes(struct zn_filling *f, zipnn_error *err) {
    zipnn_matrix *m = f->m;
    const size_t before = f->n_escapes;
    for (size_t r = f->first; r < f->first + f->n; r++) {
        const size_t n = (size_t)m->escape_at[r];
        m->escape_at[r] = f->n_escapes;
        f->n_escapes += n;
    }
    void *escapes = m->escapes;
    const size_t need = f->n_escapes + ZN_PRODUCT_SLACK;
    if (f->n_escapes < before) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "a matrix does not fit in memory");
    const zipnn_status status = zn_grow(&m->alloc, &escapes, &f->escapes_cap, need, 1, err);
    m->escapes = escapes;
    return status;
}

zipnn_status zn_matrix_fill(struct zn_filling *f, const uint8_t *words, size_t n, zipnn_error *err) {
    if (n == 0) return ZIPNN_OK;
    if (!f->m->bytes) ZN_TRY(begin(f, words, n, err));
    f->words = words;
    f->n = n;
    if (f->m->rows.packed) {
        ZN_TRY(each_task(f, fit_rows, err));
        ZN_TRY(place_escapes(f, err));
    }
    ZN_TRY(each_task(f, f->m->rows.packed ? pack_rows : copy_rows, err));
    f->first += n;
    return ZIPNN_OK;
}

/* Escapes had room to grow: now they get what they need. */
zipnn_status zn_matrix_filled(struct zn_filling *f, zipnn_error *err) {
    zipnn_matrix *m = f->m;
    if (!m->rows.packed) return ZIPNN_OK;
    uint8_t *grown = m->escapes;
    m->escapes = NULL;
    const zipnn_status status = take_memory(m, f->n_escapes + ZN_PRODUCT_SLACK, &m->escapes, err);
    if (status == ZIPNN_OK) {
        memcpy(m->escapes, grown, f->n_escapes);
        memset(m->escapes + f->n_escapes, 0, ZN_PRODUCT_SLACK);
    }
    zn_free(&m->alloc, grown);
    m->rows.escapes = m->escapes;
    return status;
}
