/* Products with a matrix that stays in an archive: Archive.multiply. */
#include <stdatomic.h>
#include <stdlib.h>
#include <zipnn/matrix.h>

#include "pyarchive.h"
#include "pyhands.h"

enum { WORTH_A_THREAD = 1 << 20 /* bytes of plain rows */ };

/* The rows of one thread, which has a context of its own. */
struct run {
    zipnn_ctx *ctx;
    const zipnn_matrix *matrix;
    const void *vectors;
    uint64_t first, n, n_rows;
    float *y;
    zipnn_status status;
    zipnn_error err;
};

static void multiply_run(struct run *r) {
    zipnn_ctx *own = NULL;
    const zipnn_options options = {.size = sizeof options, .threads = 1};
    if (!r->ctx) r->status = zipnn_create(&options, &own, &r->err);
    if (r->status == ZIPNN_OK)
        r->status = zipnn_matrix_multiply(r->ctx ? r->ctx : own, r->matrix, r->vectors, r->first, r->n, r->y + r->first,
                                          (size_t)r->n_rows, &r->err);
    zipnn_destroy(own);
}

struct runs {
    struct run run[PYZ_MOST_HANDS];
    unsigned n;
    atomic_uint next;
};

static void take_runs(void *arg) {
    struct runs *runs = arg;
    for (unsigned i; (i = atomic_fetch_add(&runs->next, 1)) < runs->n;) multiply_run(&runs->run[i]);
}

/* Runs of rows, one for each thread: a chunk that two of them have parts of is decoded twice. */
static zipnn_status multiply_runs(const struct run *whole, unsigned n_threads, uintptr_t parallel, zipnn_error *err) {
    struct runs runs = {.n = n_threads < PYZ_MOST_HANDS ? n_threads : PYZ_MOST_HANDS};
    zipnn_matrix_info info;
    zipnn_matrix_get_info(whole->matrix, &info);
    const uint64_t worth = info.n_rows * info.n_columns / (WORTH_A_THREAD / 2) + 1;
    if (runs.n > worth) runs.n = (unsigned)worth;
    atomic_init(&runs.next, 0);
    for (unsigned i = 0; i < runs.n; i++) {
        const uint64_t first = info.n_rows / runs.n * i + info.n_rows % runs.n * i / runs.n;
        const uint64_t end = info.n_rows / runs.n * (i + 1) + info.n_rows % runs.n * (i + 1) / runs.n;
        struct run *r = &runs.run[i];
        *r = *whole;
        r->first = first;
        r->n = end - first;
        if (i) r->ctx = NULL;
    }
    pyz_run_hands(parallel, runs.n, take_runs, &runs);
    for (unsigned i = 0; i < runs.n; i++) {
        if (runs.run[i].status == ZIPNN_OK) continue;
        *err = runs.run[i].err;
        return runs.run[i].status;
    }
    return ZIPNN_OK;
}

struct stored {
    uint64_t index;
    uint64_t parallel;
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
        const struct run whole = {
            .ctx = call->ctx, .matrix = m, .vectors = vectors, .n_rows = info.n_rows, .y = s->result->buf};
        if (status == ZIPNN_OK)
            status = multiply_runs(&whole, (unsigned)s->threads, (uintptr_t)s->parallel, &call->err);
    }
    free(vectors);
    zipnn_matrix_close(m);
    return status;
}

PyObject *pyz_archive_multiply(struct pyz_archive *self, PyObject *args) {
    Py_buffer values, result;
    PyObject *index, *address;
    struct stored s = {.values = &values, .result = &result};
    bool done = false;
    if (!PyArg_ParseTuple(args, "Oy*w*ipiO:multiply", &index, &values, &result, &s.n, &s.pairs, &s.threads, &address))
        return NULL;
    const bool right = pyz_as_u64(index, "an index", &s.index) && pyz_as_u64(address, "an address", &s.parallel);
    struct pyz_desk *d = right ? pyz_archive_enter(self) : NULL;
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
