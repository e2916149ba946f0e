/* Matrices that stay packed: zipnn._zipnn.Matrix. It never changes, so that any number of threads use it at once. */
#include <stdatomic.h>
#include <stdlib.h>
#include <zipnn/matrix.h>

#include "pyhands.h"
#include "pyzipnn.h"

enum {
    WORTH_A_THREAD = 1 << 20, /* bytes of plain rows; to start and end a thread takes 20 us */
    PIECE = 256 << 10         /* the same, that a thread takes at once */
};

struct pyz_matrix {
    PyObject_HEAD zipnn_matrix *matrix;
    zipnn_matrix_info info;
};

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* What is done to rows. No thread touches Python. */
struct task {
    const struct pyz_matrix *self;
    void (*run)(struct task *task);
    const void *vectors;
    uint64_t first, n; /* rows of the whole task; of a part: its own */
    float *y;
    uint8_t *rows;
    size_t cap;
    zipnn_status status;
    zipnn_error err;
};

static void multiply(struct task *t) {
    t->status = zipnn_matrix_multiply(NULL, t->self->matrix, t->vectors, t->first, t->n, t->y,
                                      (size_t)t->self->info.n_rows, &t->err);
}

static void read_rows(struct task *t) {
    t->status = zipnn_matrix_read(NULL, t->self->matrix, t->first, t->n, t->rows, t->cap, &t->err);
}

/* Threads take pieces of the rows until none is left, so that one of which the processor is busy holds nobody up. */
struct crew {
    const struct task *whole;
    uint64_t some; /* rows of a piece */
    atomic_ullong next;
    atomic_uint n_hands;
    struct task hands[PYZ_MOST_HANDS]; /* what each thread does now, and how it ended */
};

static void take_pieces(void *arg) {
    struct crew *crew = arg;
    const struct task *whole = crew->whole;
    const uint64_t row = 2 * whole->self->info.n_columns;
    const unsigned hand = atomic_fetch_add(&crew->n_hands, 1);
    if (hand >= PYZ_MOST_HANDS) return;
    struct task *t = &crew->hands[hand];
    *t = *whole;
    while (t->status == ZIPNN_OK) {
        const uint64_t from = atomic_fetch_add(&crew->next, crew->some);
        if (from >= whole->n) break;
        t->first = whole->first + from;
        t->n = whole->n - from < crew->some ? whole->n - from : crew->some;
        if (whole->y) t->y = whole->y + from;
        if (whole->rows) t->rows = whole->rows + from * row;
        if (whole->rows) t->cap = (size_t)(t->n * row);
        t->run(t);
    }
}

/* Runs a task on this thread and on more of them, if it has rows for them. */
static void run_task(struct task *whole, unsigned n_threads, uintptr_t parallel) {
    const uint64_t row = 2 * whole->self->info.n_columns + 1, worth = whole->n * row / WORTH_A_THREAD + 1;
    struct crew crew = {.whole = whole, .some = PIECE / row + 1};
    atomic_init(&crew.next, 0);
    atomic_init(&crew.n_hands, 0);
    pyz_run_hands(parallel, n_threads < worth ? n_threads : (unsigned)worth, take_pieces, &crew);
    const unsigned n = atomic_load(&crew.n_hands);
    for (unsigned i = 0; i < n && i < PYZ_MOST_HANDS; i++) {
        if (crew.hands[i].status == ZIPNN_OK) continue;
        whole->status = crew.hands[i].status;
        whole->err = crew.hands[i].err;
    }
}

static PyObject *finish(struct pyz_matrix *self, const struct task *t) {
    PyObject *module = PyType_GetModule(Py_TYPE((PyObject *)self));
    if (t->status == ZIPNN_OK) Py_RETURN_NONE;
    if (module) pyz_raise(pyz_state_of(module), t->status, &t->err, NULL, NULL);
    return NULL;
}

/* ---- methods ----------------------------------------------------------------------------------------------------- */

static PyObject *pack(PyTypeObject *type, const Py_buffer *rows, uint64_t n_rows, uint64_t n_columns, int threads) {
    const zipnn_options o = {.size = sizeof o, .threads = threads > 0 ? (unsigned)threads : zipnn_available_cpus()};
    PyObject *module = PyType_GetModule(type);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    zipnn_error err = {ZIPNN_OK, UINT64_MAX, ""};
    zipnn_ctx *ctx = NULL;
    zipnn_status status;
    if (n_columns && n_rows > (uint64_t)rows->len / 2 / n_columns)
        return PyErr_Format(PyExc_ValueError, "the buffer has %zd bytes, fewer than the rows", rows->len);
    struct pyz_matrix *self = module ? (struct pyz_matrix *)alloc(type, 0) : NULL;
    if (!self) return NULL;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_create(&o, &ctx, &err);
    if (status == ZIPNN_OK)
        status = zipnn_matrix_pack(ctx, ZIPNN_BF16, rows->buf, n_rows, n_columns, &self->matrix, &err);
    zipnn_destroy(ctx);
    Py_END_ALLOW_THREADS;
    if (status != ZIPNN_OK) {
        self->matrix = NULL;
        Py_DECREF(self);
        pyz_raise(pyz_state_of(module), status, &err, NULL, NULL);
        return NULL;
    }
    zipnn_matrix_get_info(self->matrix, &self->info);
    return (PyObject *)self;
}

static PyObject *matrix_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    Py_buffer rows;
    PyObject *n_rows, *n_columns, *made = NULL;
    uint64_t r, c;
    int threads;
    if (kwargs && PyDict_Size(kwargs))
        return PyErr_Format(PyExc_TypeError, "_zipnn.Matrix() takes no keyword arguments");
    if (!PyArg_ParseTuple(args, "y*OOi:Matrix", &rows, &n_rows, &n_columns, &threads)) return NULL;
    if (pyz_as_u64(n_rows, "a number of rows", &r) && pyz_as_u64(n_columns, "a number of columns", &c))
        made = pack(type, &rows, r, c, threads);
    PyBuffer_Release(&rows);
    return made;
}

static void matrix_dealloc(struct pyz_matrix *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    zipnn_matrix_close(self->matrix);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *matrix_info(struct pyz_matrix *self, PyObject *unused) {
    (void)unused;
    return Py_BuildValue("KKKO", (unsigned long long)self->info.n_rows, (unsigned long long)self->info.n_columns,
                         (unsigned long long)self->info.held, self->info.has_bf16_pairs ? Py_True : Py_False);
}

/* Multiplies n vectors of bf16. */
static PyObject *multiply_views(struct pyz_matrix *self, const Py_buffer *values, const Py_buffer *result, int n,
                                int pairs, int threads, uintptr_t parallel) {
    const uint64_t columns = self->info.n_columns, rows = self->info.n_rows;
    const size_t size = n > 0 ? zipnn_vectors_size(columns, (unsigned)n) : SIZE_MAX;
    if (size == SIZE_MAX || (uint64_t)values->len != 2 * columns * (unsigned)n ||
        (uint64_t)result->len != sizeof(float) * rows * (unsigned)n || (uintptr_t)result->buf % sizeof(float))
        return PyErr_Format(PyExc_ValueError, "%d vectors or their results are not of the matrix's size", n);
    void *vectors = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!vectors) return PyErr_NoMemory();
    struct task t = {.self = self, .run = multiply, .vectors = vectors, .n = rows, .y = result->buf};
    Py_BEGIN_ALLOW_THREADS;
    t.status = zipnn_vectors_pack(pairs ? ZIPNN_SUM_BF16_PAIRS : ZIPNN_SUM_F32, ZIPNN_BF16, values->buf,
                                  (size_t)columns, columns, (unsigned)n, vectors, &t.err);
    if (t.status == ZIPNN_OK) run_task(&t, threads > 0 ? (unsigned)threads : 1, parallel);
    Py_END_ALLOW_THREADS;
    free(vectors);
    return finish(self, &t);
}

static PyObject *matrix_multiply(struct pyz_matrix *self, PyObject *args) {
    Py_buffer values, result;
    PyObject *address, *done = NULL;
    uint64_t parallel;
    int n, pairs, threads;
    if (!PyArg_ParseTuple(args, "y*w*ipiO:multiply", &values, &result, &n, &pairs, &threads, &address)) return NULL;
    if (pyz_as_u64(address, "an address", &parallel))
        done = multiply_views(self, &values, &result, n, pairs, threads, (uintptr_t)parallel);
    PyBuffer_Release(&values);
    PyBuffer_Release(&result);
    return done;
}

static PyObject *matrix_read(struct pyz_matrix *self, PyObject *args) {
    Py_buffer view;
    PyObject *first, *n;
    int threads;
    struct task t = {.self = self, .run = read_rows};
    if (!PyArg_ParseTuple(args, "OOw*i:read", &first, &n, &view, &threads)) return NULL;
    PyObject *done = NULL;
    if (pyz_as_u64(first, "a row", &t.first) && pyz_as_u64(n, "a number of rows", &t.n)) {
        t.rows = view.buf;
        t.cap = (size_t)view.len;
        const uint64_t row = 2 * self->info.n_columns;
        if (t.n > self->info.n_rows || t.first > self->info.n_rows - t.n || (uint64_t)view.len != t.n * row) {
            PyErr_Format(PyExc_ValueError, "the buffer has not the size of these rows, or the matrix has fewer");
        } else {
            Py_BEGIN_ALLOW_THREADS;
            run_task(&t, threads > 0 ? (unsigned)threads : 1, 0);
            Py_END_ALLOW_THREADS;
            done = finish(self, &t);
        }
    }
    PyBuffer_Release(&view);
    return done;
}

static PyMethodDef methods[] = {
    {"info", (PyCFunction)(void (*)(void))matrix_info, METH_NOARGS,
     "(rows, columns, bytes held, whether the processor multiplies pairs of bf16)"},
    {"multiply", (PyCFunction)(void (*)(void))matrix_multiply, METH_VARARGS,
     "multiply(values, result, n, pairs, threads, parallel): n vectors of bf16, one after the other; results are fp32. "
     "parallel is the address of GOMP_parallel, or 0"},
    {"read", (PyCFunction)(void (*)(void))matrix_read, METH_VARARGS,
     "read(first, n, buffer, threads): fills the buffer with rows"},
    {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)matrix_new}, {Py_tp_dealloc, (void *)matrix_dealloc}, {Py_tp_methods, methods}, {0, NULL}};

PyType_Spec pyz_matrix_spec = {"zipnn._zipnn.Matrix", sizeof(struct pyz_matrix), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};
