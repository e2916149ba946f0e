/* Weights in memory and updates of them (zipnn/sync.h): zipnn._zipnn.Weights, changes, merge, update_info. */
#include <stdlib.h>
#include <string.h>
#include <zipnn/sync.h>

#include "pyzipnn.h"

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* The caller's tensors, and the memory that they are in. */
struct tensors {
    zipnn_tensor *t;
    Py_buffer *views;
    uint64_t *shapes; /* MAX_RANK for each */
    int64_t *strides;
    PyObject *list; /* a tuple of (name, dtype, shape, strides or None, buffer, offset of the first element in it) */
    size_t n, n_views;
};

enum { MAX_RANK = ZIPNN_TENSOR_MAX_RANK };

static void tensors_end(struct tensors *all) {
    for (size_t i = 0; i < all->n_views; i++) PyBuffer_Release(&all->views[i]);
    free(all->t);
    free(all->views);
    free(all->shapes);
    free(all->strides);
    Py_CLEAR(all->list);
    memset(all, 0, sizeof *all);
}

/* Numbers of a tuple. Returns how many, or -1 with an exception. */
static int take_numbers(PyObject *tuple, const char *what, int64_t *to) {
    const Py_ssize_t n = PyTuple_Size(tuple);
    if (n < 0) return -1;
    if (n > MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "%s of %zd dimensions, %d are allowed", what, n, MAX_RANK);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        to[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, i));
        if (to[i] == -1 && PyErr_Occurred()) return -1;
    }
    return (int)n;
}

/* Finds the bytes that all elements take one after the other, and those of one element (1 if that is no whole number).
 * Returns false if they are too many to say. */
static bool measure(const zipnn_tensor *t, uint64_t *bytes, uint64_t *width) {
    zipnn_dtype_info info = {.size = sizeof info};
    uint64_t n = 1;
    const bool known = zipnn_dtype_describe(t->dtype, &info, NULL) == ZIPNN_OK;
    const uint64_t bits = known ? info.bits : 8;
    for (uint32_t d = 0; d < t->rank; d++)
        if (__builtin_mul_overflow(n, t->shape[d], &n)) return false;
    *width = bits >= 8 ? bits / 8 : 1;
    if (known && info.block_bytes)
        return n % info.block_elements == 0 &&
               !__builtin_mul_overflow(n / info.block_elements, info.block_bytes, bytes);
    if (__builtin_mul_overflow(n, bits, &n) || n > UINT64_MAX - 7) return false;
    *bytes = (n + 7) / 8;
    return true;
}

/* Returns whether all elements, of `width` bytes, are inside of the buffer, as far as strides lead. */
static bool is_inside(const zipnn_tensor *t, uint64_t width, const Py_buffer *view, uint64_t offset) {
    uint64_t low = offset, high = offset, len = (uint64_t)view->len;
    for (uint32_t d = 0; d < t->rank; d++)
        if (t->shape[d] == 0) return true;
    for (uint32_t d = 0; d < t->rank; d++) {
        const bool down = t->strides[d] < 0;
        const uint64_t step = down ? -(uint64_t)t->strides[d] : (uint64_t)t->strides[d], n = t->shape[d] - 1;
        uint64_t far;
        if (__builtin_mul_overflow(step, n, &far)) return false;
        if (down ? far > low : __builtin_add_overflow(high, far, &high)) return false;
        if (down) low -= far;
    }
    return high <= len && width <= len - high;
}

static bool take_tensor(struct tensors *all, size_t i, int flags) {
    zipnn_tensor *t = &all->t[i];
    PyObject *shape, *strides, *memory;
    const char *name, *dtype;
    Py_ssize_t name_len, offset;
    uint64_t bytes, width;
    uint64_t *dims = all->shapes + i * MAX_RANK;
    int64_t *steps = all->strides + i * MAX_RANK, signed_dims[MAX_RANK];
    if (!PyArg_ParseTuple(PyTuple_GetItem(all->list, (Py_ssize_t)i), "s#sO!OOn;a tensor", &name, &name_len, &dtype,
                          &PyTuple_Type, &shape, &strides, &memory, &offset))
        return false;
    if (strlen(name) != (size_t)name_len) return PyErr_Format(PyExc_ValueError, "%s: a name with a zero", name) != NULL;
    const int rank = take_numbers(shape, "a shape", signed_dims);
    if (rank < 0 || PyObject_GetBuffer(memory, &all->views[i], flags) != 0) return false;
    all->n_views = i + 1;
    for (int d = 0; d < rank; d++) dims[d] = (uint64_t)signed_dims[d];
    *t = (zipnn_tensor){.name = name, .rank = (uint32_t)rank, .shape = dims};
    if (dtype[0] && zipnn_dtype_find(dtype, &t->dtype, NULL) != ZIPNN_OK)
        return PyErr_Format(PyExc_ValueError, "%s: no element type is named \"%s\"", name, dtype) != NULL;
    if (strides != Py_None) {
        if (take_numbers(strides, "strides", steps) != rank)
            return PyErr_Occurred() == NULL && PyErr_Format(PyExc_ValueError, "%s: strides", name) != NULL;
        t->strides = steps;
    }
    const Py_buffer *view = &all->views[i];
    const bool fits =
        measure(t, &bytes, &width) && offset >= 0 &&
        (t->strides ? is_inside(t, width, view, (uint64_t)offset) : offset == 0 && bytes == (uint64_t)view->len);
    if (!fits) return PyErr_Format(PyExc_ValueError, "%s: elements are outside of its memory", name) != NULL;
    t->data = (char *)view->buf + offset;
    return true;
}

/* On failure an exception is set and nothing needs ending. */
static bool tensors_begin(struct tensors *all, PyObject *list, bool writable) {
    memset(all, 0, sizeof *all);
    const Py_ssize_t n = PyTuple_Size(list);
    if (n < 0) return false;
    all->list = Py_NewRef(list);
    all->n = (size_t)n;
    all->t = calloc(all->n + 1, sizeof *all->t);
    all->views = calloc(all->n + 1, sizeof *all->views);
    all->shapes = calloc(all->n + 1, MAX_RANK * sizeof *all->shapes);
    all->strides = calloc(all->n + 1, MAX_RANK * sizeof *all->strides);
    bool ok = all->t && all->views && all->shapes && all->strides;
    if (!ok) PyErr_NoMemory();
    for (size_t i = 0; ok && i < all->n; i++) ok = take_tensor(all, i, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE);
    if (!ok) tensors_end(all);
    return ok;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

enum how { IN_PLACE, COPY, READ /* in place, and never changed */ };

struct pyz_weights {
    PyObject_HEAD zipnn_weights *weights;
    struct tensors held; /* of weights that are where they are */
    bool is_read_only;
    bool busy; /* a thread uses them. Under the GIL */
};

static const struct pyz_state *state_of(struct pyz_weights *self) {
    PyObject *module = PyType_GetModule(Py_TYPE((PyObject *)self));
    return module ? pyz_state_of(module) : NULL;
}

/* Takes the weights for one call, which may change them. */
static bool use(struct pyz_weights *self, bool changes) {
    if (changes && self->is_read_only) {
        PyErr_SetString(PyExc_ValueError, "these weights are only read");
        return false;
    }
    if (!self->weights || self->busy) {
        PyErr_SetString(PyExc_ValueError, self->busy ? "another thread uses these weights" : "the weights are closed");
        return false;
    }
    self->busy = true;
    return true;
}

static bool open_weights(struct pyz_weights *self, const struct pyz_state *state, struct tensors *all, int copy,
                         uint64_t version, int threads) {
    const struct pyz_options o = {.verify = 1, .threads = threads, .progress = Py_None};
    struct pyz_call call;
    zipnn_status status;
    if (!pyz_call_begin(&call, state, &o, UINT64_MAX)) return false;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_weights_open(call.ctx, all->t, all->n, copy, version, &self->weights, &call.err);
    Py_END_ALLOW_THREADS;
    if (status != ZIPNN_OK) self->weights = NULL;
    return pyz_call_end(&call, status);
}

static PyObject *weights_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *list, *number, *module = PyType_GetModule(type);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct tensors all;
    uint64_t version;
    int how, threads;
    if (kwargs && PyDict_Size(kwargs))
        return PyErr_Format(PyExc_TypeError, "_zipnn.Weights() takes no keyword arguments");
    if (!module || !PyArg_ParseTuple(args, "O!iOi:Weights", &PyTuple_Type, &list, &how, &number, &threads) ||
        !pyz_as_u64(number, "a version", &version) || !tensors_begin(&all, list, how == IN_PLACE))
        return NULL;
    struct pyz_weights *self = (struct pyz_weights *)alloc(type, 0);
    const bool ok = self && open_weights(self, pyz_state_of(module), &all, how == COPY, version, threads);
    if (self) self->is_read_only = how == READ;
    if (ok && how != COPY)
        self->held = all;
    else
        tensors_end(&all);
    if (!ok) Py_CLEAR(self);
    return (PyObject *)self;
}

static void weights_end(struct pyz_weights *self) {
    zipnn_weights_close(self->weights);
    self->weights = NULL;
    tensors_end(&self->held);
}

static void weights_dealloc(struct pyz_weights *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    weights_end(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *weights_close(struct pyz_weights *self, PyObject *unused) {
    (void)unused;
    if (self->busy) return PyErr_Format(PyExc_ValueError, "another thread uses these weights");
    weights_end(self);
    Py_RETURN_NONE;
}

static PyObject *weights_info(struct pyz_weights *self, PyObject *unused) {
    zipnn_weights_info info = {.size = sizeof info};
    (void)unused;
    if (!use(self, false)) return NULL;
    (void)zipnn_weights_get_info(self->weights, &info, NULL);
    self->busy = false;
    return Py_BuildValue("KKKy#O", (unsigned long long)info.version, (unsigned long long)info.bytes,
                         (unsigned long long)info.n_tensors, (const char *)info.digest, (Py_ssize_t)sizeof info.digest,
                         info.torn ? Py_True : Py_False);
}

/* (bytes, chunks, sent, already, exact) */
static PyObject *stats_tuple(const zipnn_update_stats *s) {
    return Py_BuildValue("KKKKO", (unsigned long long)s->update, (unsigned long long)s->n_chunks,
                         (unsigned long long)s->n_sent, (unsigned long long)s->n_already,
                         s->is_exact ? Py_True : Py_False);
}

/* ---- pack -------------------------------------------------------------------------------------------------------- */

static PyObject *pack_into(struct pyz_weights *self, const struct tensors *now, const zipnn_update_options *options,
                           PyObject *to, const struct pyz_options *o) {
    const struct pyz_state *state = state_of(self);
    zipnn_update_stats stats = {.size = sizeof stats};
    struct pyz_end out;
    struct pyz_call call;
    zipnn_status status;
    if (!state || !pyz_call_begin(&call, state, o, UINT64_MAX)) return NULL;
    if (!pyz_sink_open(&out, to, 0, NULL, state, &call)) {
        (void)pyz_call_end(&call, ZIPNN_OK);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_update_pack(call.ctx, self->weights, now->t, now->n, options, &out.sink, &stats, &call.err);
    Py_END_ALLOW_THREADS;
    pyz_end_close(&out);
    return pyz_call_end(&call, status) ? stats_tuple(&stats) : NULL;
}

static PyObject *weights_pack(struct pyz_weights *self, PyObject *args) {
    PyObject *list, *to, *number, *result = NULL;
    Py_buffer note;
    struct pyz_options o = {.verify = 1};
    zipnn_update_options options = {.size = sizeof options};
    struct tensors now;
    int form, keep;
    if (!PyArg_ParseTuple(args, "O!OiOy*piiO:pack", &PyTuple_Type, &list, &to, &form, &number, &note, &keep, &o.level,
                          &o.threads, &o.progress))
        return NULL;
    options.form = (zipnn_update_form)form;
    options.note = note.buf;
    options.note_len = (size_t)note.len;
    options.keep_base = keep;
    if (pyz_as_u64(number, "a version", &options.version) && use(self, !keep)) {
        if (tensors_begin(&now, list, false)) {
            result = pack_into(self, &now, &options, to, &o);
            tensors_end(&now);
        }
        self->busy = false;
    }
    PyBuffer_Release(&note);
    return result;
}

/* ---- apply and changes ------------------------------------------------------------------------------------------- */

/* What Python hears of an update. */
struct hearing {
    struct pyz_call call;
    struct pyz_end in;
    PyObject *done, *take; /* callables, or NULL */
    PyObject *info;        /* what the update says of itself */
    bool wants_info;
};

/* One thing heard, for the thread that called. */
struct heard {
    struct hearing *hearing;
    uint64_t tensor;
    const zipnn_changes *changes;
    const zipnn_update_info *info;
    bool ok;
};

static void run_done(void *arg) {
    struct heard *h = arg;
    PyObject *answer = PyObject_CallFunction(h->hearing->done, "K", (unsigned long long)h->tensor);
    h->ok = answer != NULL;
    Py_XDECREF(answer);
}

static zipnn_status on_done(void *user, uint64_t tensor, zipnn_error *err) {
    struct heard h = {.hearing = user, .tensor = tensor};
    (void)err;
    if (!h.hearing->done) return ZIPNN_OK;
    pyz_crew_ask(&h.hearing->call, run_done, &h);
    return h.ok ? ZIPNN_OK : ZIPNN_E_CANCELLED;
}

static void run_take(void *arg) {
    struct heard *h = arg;
    const zipnn_changes *c = h->changes;
    PyObject *answer = PyObject_CallFunction(h->hearing->take, "KIy#y#", (unsigned long long)c->tensor, c->width,
                                             (const char *)c->indices, (Py_ssize_t)(c->n * sizeof *c->indices),
                                             (const char *)c->values, (Py_ssize_t)(c->n * c->width));
    h->ok = answer != NULL;
    Py_XDECREF(answer);
}

static zipnn_status on_changes(void *user, const zipnn_changes *changes, zipnn_error *err) {
    struct heard h = {.hearing = user, .changes = changes};
    (void)err;
    pyz_crew_ask(&h.hearing->call, run_take, &h);
    return h.ok ? ZIPNN_OK : ZIPNN_E_CANCELLED;
}

static PyObject *describe(const zipnn_tensor *t) {
    PyObject *shape = PyTuple_New((Py_ssize_t)t->rank);
    for (uint32_t d = 0; shape && d < t->rank; d++) {
        PyObject *dim = PyLong_FromUnsignedLongLong(t->shape[d]);
        if (!dim || PyTuple_SetItem(shape, (Py_ssize_t)d, dim) != 0) Py_CLEAR(shape);
    }
    if (!shape) return NULL;
    PyObject *name = PyUnicode_DecodeUTF8(t->name, (Py_ssize_t)strlen(t->name), "surrogateescape");
    return Py_BuildValue("NsN", name, t->dtype == ZIPNN_DTYPE_UNKNOWN ? "" : zipnn_dtype_name(t->dtype), shape);
}

/* (form, from, to, digest of the base, note, [(name, dtype, shape)]) */
static PyObject *info_tuple(const zipnn_update_info *info) {
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < info->n_tensors; i++) {
        PyObject *row = describe(&info->tensors[i]);
        if (!row || PyList_Append(list, row) != 0) Py_CLEAR(list);
        Py_XDECREF(row);
    }
    if (!list) return NULL;
    return Py_BuildValue("iKKy#y#N", (int)info->form, (unsigned long long)info->from, (unsigned long long)info->to,
                         (const char *)info->base, (Py_ssize_t)sizeof info->base, (const char *)info->note,
                         (Py_ssize_t)info->note_len, list);
}

static void run_begin(void *arg) {
    struct heard *h = arg;
    h->hearing->info = info_tuple(h->info);
    h->ok = h->hearing->info != NULL;
}

static zipnn_status on_begin(void *user, const zipnn_update_info *info, zipnn_error *err) {
    struct heard h = {.hearing = user, .info = info};
    (void)err;
    pyz_crew_ask(&h.hearing->call, run_begin, &h);
    return h.ok ? ZIPNN_OK : ZIPNN_E_CANCELLED;
}

/* On failure an exception is set and nothing needs ending. */
static bool hearing_begin(struct hearing *h, const struct pyz_state *state, PyObject *from, PyObject *progress,
                          int threads) {
    const struct pyz_options o = {.verify = 1, .threads = threads, .progress = progress};
    memset(h, 0, sizeof *h);
    if (!pyz_call_begin(&h->call, state, &o, UINT64_MAX)) return false;
    if (pyz_source_open(&h->in, from, state, &h->call)) {
        h->call.filename = h->in.filename;
        return true;
    }
    (void)pyz_call_end(&h->call, ZIPNN_OK);
    return false;
}

/* Returns (stats, info) or NULL with an exception. */
static PyObject *hearing_end(struct hearing *h, zipnn_status status, const zipnn_update_stats *stats) {
    PyObject *result = NULL;
    if (pyz_call_end(&h->call, status)) {
        PyObject *numbers = stats_tuple(stats);
        if (numbers) result = Py_BuildValue("NN", numbers, h->info ? h->info : Py_NewRef(Py_None));
        if (numbers) h->info = NULL;
    }
    pyz_end_close(&h->in);
    Py_CLEAR(h->info);
    return result;
}

static PyObject *weights_apply(struct pyz_weights *self, PyObject *args) {
    const struct pyz_state *state = state_of(self);
    PyObject *from, *done, *progress, *result = NULL;
    zipnn_update_stats stats = {.size = sizeof stats};
    struct hearing h;
    zipnn_status status;
    int threads;
    if (!state || !PyArg_ParseTuple(args, "OiOO:apply", &from, &threads, &progress, &done) || !use(self, true))
        return NULL;
    if (hearing_begin(&h, state, from, progress, threads)) {
        const zipnn_update_listener listener = {
            .size = sizeof listener, .user = &h, .begin = on_begin, .done = on_done};
        h.done = done == Py_None ? NULL : done;
        Py_BEGIN_ALLOW_THREADS;
        status = zipnn_update_apply(h.call.ctx, self->weights, &h.in.source, &listener, &stats, &h.call.err);
        Py_END_ALLOW_THREADS;
        result = hearing_end(&h, status, &stats);
    }
    self->busy = false;
    return result;
}

/* changes(weights or None, source, threads, take or None) -> (stats, info) */
PyObject *pyz_changes(PyObject *module, PyObject *args) {
    const struct pyz_state *state = pyz_state_of(module);
    PyObject *base, *from, *take, *result = NULL;
    zipnn_update_stats stats = {.size = sizeof stats};
    struct hearing h;
    zipnn_status status;
    int threads;
    if (!PyArg_ParseTuple(args, "OOiO:changes", &base, &from, &threads, &take)) return NULL;
    struct pyz_weights *weights = NULL;
    if (base != Py_None) {
        if (!PyObject_TypeCheck(base, (PyTypeObject *)state->weights_type))
            return PyErr_Format(PyExc_TypeError, "the base is a %R, not Weights", (PyObject *)Py_TYPE(base));
        weights = (struct pyz_weights *)base;
    }
    if (weights && !use(weights, false)) return NULL;
    if (hearing_begin(&h, state, from, Py_None, threads)) {
        const zipnn_update_listener listener = {.size = sizeof listener, .user = &h, .begin = on_begin};
        h.take = take;
        Py_BEGIN_ALLOW_THREADS;
        status = zipnn_update_changes(h.call.ctx, weights ? weights->weights : NULL, &h.in.source, &listener,
                                      take == Py_None ? NULL : on_changes, &h, &stats, &h.call.err);
        Py_END_ALLOW_THREADS;
        result = hearing_end(&h, status, &stats);
    }
    if (weights) weights->busy = false;
    return result;
}

/* merge(first, second, to) -> stats */
PyObject *pyz_merge(PyObject *module, PyObject *args) {
    const struct pyz_state *state = pyz_state_of(module);
    PyObject *first, *second, *to, *result = NULL;
    zipnn_update_stats stats = {.size = sizeof stats};
    struct hearing h;
    struct pyz_end other, out;
    zipnn_status status = ZIPNN_OK;
    if (!PyArg_ParseTuple(args, "OOO:merge", &first, &second, &to) || !hearing_begin(&h, state, first, Py_None, 1))
        return NULL;
    if (pyz_source_open(&other, second, state, &h.call)) {
        if (pyz_sink_open(&out, to, 0, NULL, state, &h.call)) {
            Py_BEGIN_ALLOW_THREADS;
            status = zipnn_update_merge(h.call.ctx, &h.in.source, &other.source, &out.sink, &stats, &h.call.err);
            Py_END_ALLOW_THREADS;
            pyz_end_close(&out);
            result = stats_tuple(&stats);
        }
        pyz_end_close(&other);
    }
    PyObject *heard = NULL;
    if (result)
        heard = hearing_end(&h, status, &stats);
    else {
        pyz_end_close(&h.in);
        (void)pyz_call_end(&h.call, ZIPNN_OK);
    }
    if (result && !heard) Py_CLEAR(result);
    Py_XDECREF(heard);
    return result;
}

static PyMethodDef methods[] = {
    {"close", (PyCFunction)(void (*)(void))weights_close, METH_NOARGS, "close()"},
    {"info", (PyCFunction)(void (*)(void))weights_info, METH_NOARGS, "(version, bytes, tensors, digest, torn)"},
    {"pack", (PyCFunction)(void (*)(void))weights_pack, METH_VARARGS,
     "pack(tensors, sink, form, version, note, keep, level, threads, progress) -> stats"},
    {"apply", (PyCFunction)(void (*)(void))weights_apply, METH_VARARGS,
     "apply(source, threads, progress, done) -> (stats, info)"},
    {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)weights_new}, {Py_tp_dealloc, (void *)weights_dealloc}, {Py_tp_methods, methods}, {0, NULL}};

PyType_Spec pyz_weights_spec = {"zipnn._zipnn.Weights", sizeof(struct pyz_weights), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};
