/* Products with a matrix that stays in an archive: Archive.multiply. */
#include <pthread.h>
#include <stdlib.h>
#include <zipnn/matrix.h>

#include "pyarchive.h"

enum { MOST_THREADS = 64, WORTH_A_THREAD = 1 << 20 /* bytes of plain rows */ };

/* The rows of one thread, which has a context of its own. No thread touches Python. */
struct run {
    zipnn_ctx *ctx;
    const zipnn_matrix *matrix;
    const void *vectors;
    uint64_t first, n, n_rows;
    float *y;
    zipnn_status status;
    zipnn_error err;
};

static void *run_main(void *arg) {
    struct run *r = arg;
    zipnn_ctx *own = NULL;
    const zipnn_options options = {.size = sizeof options, .threads = 1};
    if (!r->ctx) r->status = zipnn_create(&options, &own, &r->err);
    if (r->status == ZIPNN_OK)
        r->status = zipnn_matrix_multiply(r->ctx ? r->ctx : own, r->matrix, r->vectors, r->first, r->n, r->y + r->first,
                                          (size_t)r->n_rows, &r->err);
    zipnn_destroy(own);
    return NULL;
}

/* Runs of rows, one for each thread: a chunk that two of them have parts of is decoded twice. */
static zipnn_status multiply_runs(zipnn_ctx *ctx, const zipnn_matrix *m, const void *vectors, unsigned n_threads,
                                  float *y, zipnn_error *err) {
    struct run runs[MOST_THREADS];
    pthread_t threads[MOST_THREADS];
    zipnn_matrix_info info;
    zipnn_status status = ZIPNN_OK;
    zipnn_matrix_get_info(m, &info);
    const uint64_t worth = info.n_rows * info.n_columns / (WORTH_A_THREAD / 2) + 1;
    unsigned n = n_threads < MOST_THREADS ? n_threads : MOST_THREADS, started = 1;
    if (n > worth) n = (unsigned)worth;
    for (unsigned i = 0; i < n; i++) {
        const uint64_t first = info.n_rows / n * i + info.n_rows % n * i / n;
        const uint64_t end = info.n_rows / n * (i + 1) + info.n_rows % n * (i + 1) / n;
        runs[i] = (struct run){i ? NULL : ctx, m, vectors, first, end - first, info.n_rows, y, ZIPNN_OK, {0}};
    }
    while (started < n && pthread_create(&threads[started], NULL, run_main, &runs[started]) == 0) started++;
    run_main(&runs[0]);
    for (unsigned i = started; i < n; i++) run_main(&runs[i]); /* the system gave no more threads */
    for (unsigned i = 1; i < started; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < n && status == ZIPNN_OK; i++) {
        status = runs[i].status;
        if (status != ZIPNN_OK) *err = runs[i].err;
    }
    return status;
}

struct stored {
    uint64_t index;
    int n, pairs, threads;
    const Py_buffer *values, *result;
};

static zipnn_status multiply(struct pyz_call *call, const zipnn_archive *archive, const struct stored *s) {
    zipnn_matrix *m = NULL;
    zipnn_matrix_info info;
    void *vectors = NULL;
    zipnn_status status = zipnn_matrix_open(call->ctx, archive, s->index, ZIPNN_MATRIX_STORED, &m, &call->err);
    if (status != ZIPNN_OK) return status;
    zipnn_matrix_get_info(m, &info);
    const size_t size = s->n > 0 ? zipnn_vectors_size(info.n_columns, (unsigned)s->n) : SIZE_MAX;
    const bool fits = size != SIZE_MAX && (uint64_t)s->values->len == 2 * info.n_columns * (unsigned)s->n &&
                      (uint64_t)s->result->len == sizeof(float) * info.n_rows * (unsigned)s->n &&
                      (uintptr_t)s->result->buf % sizeof(float) == 0;
    if (fits) vectors = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!vectors) {
        status = fits ? ZIPNN_E_MEMORY : ZIPNN_E_ARGUMENT;
        call->err = (zipnn_error){status, UINT64_MAX, "the vectors or their results are not of the matrix's size"};
    } else {
        const zipnn_sum sum = s->pairs && info.has_bf16_pairs ? ZIPNN_SUM_BF16_PAIRS : ZIPNN_SUM_F32;
        status = zipnn_vectors_pack(sum, ZIPNN_BF16, s->values->buf, (size_t)info.n_columns, info.n_columns,
                                    (unsigned)s->n, vectors, &call->err);
        if (status == ZIPNN_OK)
            status = multiply_runs(call->ctx, m, vectors, (unsigned)s->threads, s->result->buf, &call->err);
    }
    free(vectors);
    zipnn_matrix_close(m);
    return status;
}

PyObject *pyz_archive_multiply(struct pyz_archive *self, PyObject *args) {
    Py_buffer values, result;
    PyObject *index;
    struct stored s = {.values = &values, .result = &result};
    bool done = false;
    if (!PyArg_ParseTuple(args, "Oy*w*ipi:multiply", &index, &values, &result, &s.n, &s.pairs, &s.threads)) return NULL;
    struct pyz_desk *d = pyz_as_u64(index, "an index", &s.index) ? pyz_archive_enter(self) : NULL;
    if (d) {
        const bool alone = s.threads < 1 || self->end.read_at || pyz_bases_need_python(&self->bases);
        zipnn_status status;
        if (alone) s.threads = 1;
        pyz_call_again(&d->call, Py_None);
        Py_BEGIN_ALLOW_THREADS;
        status = multiply(&d->call, self->archive, &s);
        Py_END_ALLOW_THREADS;
        done = pyz_call_check(&d->call, status);
        pyz_archive_leave(d);
    }
    PyBuffer_Release(&values);
    PyBuffer_Release(&result);
    if (!done) return NULL;
    Py_RETURN_NONE;
}
