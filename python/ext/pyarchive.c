/* Archive: listing and random access. Any number of threads read one archive at once, each at a desk: a context of its
 * own, with what goes wrong there. Only what is read by callables of Python is read by one thread at a time. What a read
 * calls back may not use the archive that is read. */
#include "pyarchive.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static const struct pyz_state *state_of(struct pyz_archive *self) {
    return PyType_GetModuleState(Py_TYPE((PyObject *)self));
}

/* ---- desks ------------------------------------------------------------------------------------------------------- */

static struct pyz_desk *add_desk(struct pyz_archive *self) {
    struct pyz_desk *d = PyMem_Calloc(1, sizeof *d);
    PyThread_type_lock lock = d ? PyThread_allocate_lock() : NULL;
    if (!lock) {
        PyMem_Free(d);
        PyErr_NoMemory();
        return NULL;
    }
    d->lock = lock;
    self->desks[self->n_desks++] = d;
    return d;
}

/* The context of a further desk has the thread that reads there and no other: the threads are the caller's. */
static bool begin_desk(struct pyz_archive *self, struct pyz_desk *d) {
    const struct pyz_options options = {.threads = 1, .verify = 1, .progress = Py_None};
    d->begun = pyz_call_begin(&d->call, state_of(self), &options, UINT64_MAX);
    if (d->begun) d->call.filename = self->end.filename;
    return d->begun;
}

/* After a fork a holder is a thread of the parent's that does not exist here: what it was doing at its desk is left
 * alone, and the desk with it, unless it is the first, on which the archive depends. */
static bool own_desks(struct pyz_archive *self) {
    if (self->pid == getpid()) return true;
    PyThread_type_lock fresh = PyThread_allocate_lock();
    if (!fresh) return PyErr_NoMemory() != NULL;
    struct pyz_desk *first = self->desks[0];
    first->lock = fresh; /* the old one is left alone: freeing a held lock is undefined */
    first->holder = 0;
    pyz_crew_init(&first->call.crew);
    self->n_desks = 1;
    self->closing = false;
    self->pid = getpid();
    return true;
}

/* The GIL is released while waiting, for the holder may need it for callbacks; a signal's handler may end the wait. */
static bool take_lock(PyThread_type_lock lock) {
    enum { LOOK_US = 50000 };
    if (PyThread_acquire_lock(lock, NOWAIT_LOCK)) return true;
    for (;;) {
        PyLockStatus status;
        Py_BEGIN_ALLOW_THREADS;
        status = PyThread_acquire_lock_timed(lock, LOOK_US, 1);
        Py_END_ALLOW_THREADS;
        if (PyErr_CheckSignals() != 0) {
            if (status == PY_LOCK_ACQUIRED) PyThread_release_lock(lock);
            return false;
        }
        if (status == PY_LOCK_ACQUIRED) return true;
    }
}

static bool is_inside(const struct pyz_archive *self) {
    const unsigned long me = PyThread_get_thread_ident();
    for (unsigned i = 0; i < self->n_desks && self->pid == getpid(); i++)
        if (self->desks[i]->holder == me) return true;
    return false;
}

/* False with an exception on a thread that is inside of a read: it would wait for itself. */
static bool check_outside(const struct pyz_archive *self) {
    if (!is_inside(self)) return true;
    PyErr_SetString(PyExc_RuntimeError,
                    "this archive is being used by the call that waits for this one: the file "
                    "object it is read from, a progress function or a signal handler "
                    "cannot use it, too");
    return false;
}

/* A desk that nobody is at, NULL for none. */
static struct pyz_desk *find_idle(struct pyz_archive *self) {
    for (unsigned i = 0; i < self->n_desks; i++)
        if (self->desks[i]->begun && PyThread_acquire_lock(self->desks[i]->lock, NOWAIT_LOCK)) return self->desks[i];
    return NULL;
}

/* Callables of Python belong to the first desk, and so does an archive that is not open yet, or not any more. */
static bool may_share(const struct pyz_archive *self) {
    return self->archive && !self->closing && !self->end.read_at && !pyz_bases_need_python(&self->bases);
}

/* Takes a desk, whether the archive is open or not; NULL with an exception. */
static struct pyz_desk *enter_any(struct pyz_archive *self) {
    struct pyz_desk *d = NULL;
    if (self->n_desks == 0 || !own_desks(self)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "the archive is not open yet");
        return NULL;
    }
    if (!check_outside(self)) return NULL;
    if (may_share(self)) d = find_idle(self);
    if (!d && may_share(self) && self->n_desks < MAX_DESKS) {
        if (!(d = add_desk(self))) return NULL;
        PyThread_acquire_lock(d->lock, NOWAIT_LOCK);
        if (!begin_desk(self, d)) {
            PyThread_release_lock(d->lock);
            return NULL;
        }
    }
    if (!d && !take_lock((d = self->desks[0])->lock)) return NULL;
    d->holder = PyThread_get_thread_ident();
    return d;
}

void pyz_archive_leave(struct pyz_desk *d) {
    d->holder = 0;
    PyThread_release_lock(d->lock);
}

struct pyz_desk *pyz_archive_enter(struct pyz_archive *self) {
    struct pyz_desk *d = enter_any(self);
    if (!d || self->archive) return d;
    pyz_archive_leave(d);
    PyErr_SetString(PyExc_ValueError, "the archive is closed");
    return NULL;
}

/* For what an opened archive says of itself: it does not change, and nobody closes it while the GIL is held and no Python
 * runs. */
static bool is_open(struct pyz_archive *self) {
    if (!check_outside(self)) return false;
    if (self->archive) return true;
    struct pyz_desk *d = pyz_archive_enter(self); /* waits for the thread that opens it */
    if (d) pyz_archive_leave(d);
    return d != NULL;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* What is opened, and how. */
struct opening {
    PyObject *from, *bases;
    int threads;
    enum pyz_access access;
};

static bool open_source(struct pyz_archive *self, const struct opening *o) {
    const struct pyz_state *state = state_of(self);
    struct pyz_options options = {.threads = o->threads, .verify = 1, .progress = Py_None, .bases = &self->bases};
    struct pyz_desk *first = self->desks[0];
    zipnn_archive *archive = NULL;
    zipnn_status status;
    if (!pyz_source_open(&self->end, o->from, state, &first->call)) return false;
    pyz_source_speed_up(&self->end, o->access);
    if (!pyz_bases_open(&self->bases, o->bases, state, &first->call)) return false;
    first->begun = pyz_call_begin(&first->call, state, &options, UINT64_MAX);
    if (!first->begun) return false;
    first->call.filename = self->end.filename;
    Py_BEGIN_ALLOW_THREADS;
    status = o->access == PYZ_ACCESS_MODEL
                 ? zipnn_model_open(first->call.ctx, &self->end.source, &archive, &first->call.err)
                 : zipnn_archive_open(first->call.ctx, &self->end.source, &archive, &first->call.err);
    Py_END_ALLOW_THREADS;
    self->archive = status == ZIPNN_OK ? archive : NULL;
    return pyz_call_check(&first->call, status);
}

/* The desk is held meanwhile: whoever asks the collector for all objects has found this one already. */
static bool open_archive(struct pyz_archive *self, const struct opening *o) {
    self->pid = getpid();
    if (!add_desk(self)) return false;
    struct pyz_desk *first = enter_any(self);
    if (!first) return false;
    const bool opened = open_source(self, o);
    pyz_archive_leave(first);
    return opened;
}

static PyObject *archive_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    struct opening o = {.bases = NULL};
    int access = PYZ_ACCESS_READ;
    if (kwargs && PyDict_Size(kwargs))
        return PyErr_Format(PyExc_TypeError, "_zipnn.Archive() takes no keyword arguments");
    if (!PyArg_ParseTuple(args, "O|iiO:Archive", &o.from, &o.threads, &access, &o.bases)) return NULL;
    if (access < PYZ_ACCESS_READ || access > PYZ_ACCESS_MODEL)
        return PyErr_Format(PyExc_ValueError, "access %d is none of 0, 1, 2, 3", access);
    o.access = (enum pyz_access)access;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct pyz_archive *self = (struct pyz_archive *)alloc(type, 0);
    if (self && !open_archive(self, &o)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* What is held through a Py_buffer is not visited: its owner may not give its memory up while it is lent, and a
 * collector that takes the owner apart first (as it does memoryviews) would leave a buffer without one. */
static int archive_traverse(struct pyz_archive *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->end.read_at);
    for (size_t i = 0; i < self->bases.n; i++) Py_VISIT(self->bases.ends[i].read_at);
    return 0;
}

/* Breaks cycles and no more: the rest goes with the object. A read that comes yet finds its callable gone. */
static int archive_clear(struct pyz_archive *self) {
    Py_CLEAR(self->end.read_at);
    for (size_t i = 0; i < self->bases.n; i++) Py_CLEAR(self->bases.ends[i].read_at);
    return 0;
}

/* Contexts, the one that opened the archive last. In no need of the GIL. */
static void destroy_contexts(struct pyz_archive *self) {
    for (unsigned i = self->n_desks; i-- > 0;) {
        zipnn_destroy(self->desks[i]->call.ctx);
        self->desks[i]->call.ctx = NULL;
    }
}

/* Desks but the first that nobody can be at any more. */
static void free_desks(struct pyz_archive *self, unsigned keep) {
    const bool ours = self->pid == getpid();
    while (self->n_desks > keep) {
        struct pyz_desk *d = self->desks[--self->n_desks];
        if (d->begun && ours) pyz_crew_end(&d->call.crew);
        if (ours) PyThread_free_lock(d->lock);
        PyMem_Free(d);
    }
}

/* May run in the middle of a collection: the GIL is kept. No worker waits for it, since no call is going on. */
static void archive_dealloc(struct pyz_archive *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject *error, *value, *traceback;
    PyObject_GC_UnTrack(self);
    PyErr_Fetch(&error, &value, &traceback);
    zipnn_archive_close(self->archive);
    destroy_contexts(self);
    free_desks(self, 0);
    pyz_end_drop(&self->end);
    pyz_bases_drop(&self->bases);
    PyErr_Restore(error, value, traceback);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* Waits until nobody is at any desk, and keeps others away. False with an exception. */
static bool clear_desks(struct pyz_archive *self) {
    self->closing = true;
    for (unsigned i = 1; i < self->n_desks; i++) {
        if (take_lock(self->desks[i]->lock)) continue;
        while (--i > 0) PyThread_release_lock(self->desks[i]->lock);
        self->closing = false;
        return false;
    }
    return true;
}

static PyObject *archive_close(struct pyz_archive *self, PyObject *unused) {
    (void)unused;
    if (!check_outside(self)) return NULL;
    if (self->n_desks && own_desks(self)) self->closing = true; /* the first desk is the one to wait for */
    struct pyz_desk *first = enter_any(self);
    if (!first || !self->archive || !clear_desks(self)) {
        self->closing = false;
        if (first) pyz_archive_leave(first);
        if (PyErr_Occurred()) return NULL;
        Py_RETURN_NONE;
    }
    zipnn_archive *archive = self->archive;
    self->archive = NULL;
    Py_BEGIN_ALLOW_THREADS;
    zipnn_archive_close(archive);
    destroy_contexts(self);
    Py_END_ALLOW_THREADS;
    for (unsigned i = 1; i < self->n_desks; i++) PyThread_release_lock(self->desks[i]->lock);
    free_desks(self, 1);
    pyz_end_close(&self->end);
    pyz_bases_close(&self->bases);
    first->call.filename = NULL;
    pyz_archive_leave(first);
    Py_RETURN_NONE;
}

static PyObject *archive_check(struct pyz_archive *self, PyObject *unused) {
    (void)unused;
    if (!check_outside(self)) return NULL;
    Py_RETURN_NONE;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

/* (original, archive, n_chunks, n_tensors, container, level, xxh3, sha256 or None, n_left_out, n_bases, has_repeats,
 * unverified) */
static PyObject *info_tuple(const zipnn_archive_info *i, uint64_t n_left_out) {
    PyObject *sha256 =
        i->has_sha256 ? PyBytes_FromStringAndSize((const char *)i->sha256, sizeof i->sha256) : Py_NewRef(Py_None);
    if (!sha256) return NULL;
    return Py_BuildValue("KKKKsiy#NKINN", (unsigned long long)i->original, (unsigned long long)i->archive,
                         (unsigned long long)i->n_chunks, (unsigned long long)i->n_tensors, i->container, i->level,
                         (const char *)i->xxh3, (Py_ssize_t)sizeof i->xxh3, sha256, (unsigned long long)n_left_out,
                         i->n_bases, PyBool_FromLong(i->has_repeats), PyBool_FromLong(i->unverified));
}

static PyObject *archive_info(struct pyz_archive *self, PyObject *unused) {
    zipnn_archive_info info;
    (void)unused;
    if (!is_open(self)) return NULL;
    zipnn_archive_get_info(self->archive, &info);
    const uint64_t n_left_out = zipnn_archive_n_left_out(self->archive);
    return info_tuple(&info, n_left_out);
}

/* (offset, length, archive_offset, stored, check) */
static PyObject *archive_chunk(struct pyz_archive *self, PyObject *args) {
    PyObject *number;
    uint64_t index;
    zipnn_chunk_info info;
    zipnn_error err;
    if (!PyArg_ParseTuple(args, "O:chunk", &number) || !pyz_as_u64(number, "the number of a chunk", &index) ||
        !is_open(self))
        return NULL;
    const zipnn_status status = zipnn_archive_chunk(self->archive, index, &info, &err);
    if (status != ZIPNN_OK) {
        pyz_raise(state_of(self), status, &err, self->end.filename, NULL);
        return NULL;
    }
    return Py_BuildValue("KKKKK", (unsigned long long)info.offset, (unsigned long long)info.length,
                         (unsigned long long)info.archive_offset, (unsigned long long)info.stored,
                         (unsigned long long)info.check);
}

/* (layout, [(codec, original, stored), ...]) */
static PyObject *coding_tuple(const zipnn_coding *coding) {
    PyObject *planes = PyList_New(0);
    for (unsigned i = 0; planes && i < coding->n_planes; i++) {
        PyObject *plane = Py_BuildValue("sKK", coding->planes[i].codec, (unsigned long long)coding->planes[i].original,
                                        (unsigned long long)coding->planes[i].stored);
        if (!plane || PyList_Append(planes, plane) != 0) Py_CLEAR(planes);
        Py_XDECREF(plane);
    }
    return planes ? Py_BuildValue("sN", coding->layout, planes) : NULL;
}

static PyObject *archive_coding(struct pyz_archive *self, PyObject *args) {
    PyObject *number;
    uint64_t index;
    zipnn_coding coding;
    zipnn_status status;
    if (!PyArg_ParseTuple(args, "O:coding", &number) || !pyz_as_u64(number, "the number of a chunk", &index))
        return NULL;
    struct pyz_desk *d = pyz_archive_enter(self);
    if (!d) return NULL;
    pyz_call_again(&d->call, Py_None);
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_archive_coding(self->archive, index, &coding, &d->call.err);
    Py_END_ALLOW_THREADS;
    const bool known = pyz_call_check(&d->call, status);
    pyz_archive_leave(d);
    return known ? coding_tuple(&coding) : NULL;
}

/* (name, original, xxh3, at_hand) of a base */
static PyObject *archive_base(struct pyz_archive *self, PyObject *args) {
    unsigned index;
    zipnn_base_info base;
    zipnn_error err;
    if (!PyArg_ParseTuple(args, "I:base", &index) || !is_open(self)) return NULL;
    const zipnn_status status = zipnn_archive_base(self->archive, index, &base, &err);
    if (status != ZIPNN_OK) {
        pyz_raise(state_of(self), status, &err, self->end.filename, NULL);
        return NULL;
    }
    PyObject *name = PyUnicode_DecodeUTF8(base.name, (Py_ssize_t)strlen(base.name), "backslashreplace");
    if (!name) return NULL;
    return Py_BuildValue("NKy#N", name, (unsigned long long)base.original, (const char *)base.xxh3,
                         (Py_ssize_t)sizeof base.xxh3, PyBool_FromLong(base.at_hand));
}

static PyObject *tuple_of(const uint64_t *numbers, uint32_t n) {
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    for (uint32_t i = 0; tuple && i < n; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(numbers[i]);
        if (!number || PyTuple_SetItem(tuple, (Py_ssize_t)i, number) != 0) Py_CLEAR(tuple);
    }
    return tuple;
}

/* (name, dtype, shape, offset, length, stored, flags, strides or None, bytes of the values). A file may hold names that
 * are not UTF-8. */
static PyObject *tensor_tuple(const zipnn_tensor_info *t, const zipnn_tensor_layout *layout) {
    PyObject *name = PyUnicode_DecodeUTF8(t->name, (Py_ssize_t)strlen(t->name), "backslashreplace");
    PyObject *shape = name ? tuple_of(t->shape, t->rank) : NULL;
    PyObject *strides = layout->strides ? tuple_of(layout->strides, t->rank) : Py_NewRef(Py_None);
    if (!shape || !strides) {
        Py_XDECREF(name);
        Py_XDECREF(shape);
        Py_XDECREF(strides);
        return NULL;
    }
    return Py_BuildValue("NsNKKKINK", name, zipnn_dtype_name(t->dtype), shape, (unsigned long long)t->offset,
                         (unsigned long long)t->length, (unsigned long long)t->stored, layout->flags, strides,
                         (unsigned long long)layout->values);
}

static PyObject *list_tensors(struct pyz_archive *self, struct pyz_call *call) {
    zipnn_archive_info info;
    zipnn_archive_get_info(self->archive, &info);
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < info.n_tensors; i++) {
        zipnn_tensor_info t;
        zipnn_tensor_layout layout = {.size = sizeof layout};
        PyObject *item = NULL;
        zipnn_status status = zipnn_archive_tensor(self->archive, i, &t, &call->err);
        if (status == ZIPNN_OK) status = zipnn_archive_tensor_layout(self->archive, i, &layout, &call->err);
        if (pyz_call_check(call, status)) item = tensor_tuple(&t, &layout);
        if (!item || PyList_Append(list, item) != 0) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *archive_tensors(struct pyz_archive *self, PyObject *unused) {
    (void)unused;
    struct pyz_desk *d = pyz_archive_enter(self); /* making objects may run Python */
    if (!d) return NULL;
    PyObject *list = list_tensors(self, &d->call);
    pyz_archive_leave(d);
    return list;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* What is read: bytes from an offset on, or rows of a tensor. */
struct wanted {
    uint64_t offset;
    uint64_t index, first, n;
    bool rows;
};

static zipnn_status read_wanted(const zipnn_archive *archive, struct pyz_call *call, const struct wanted *w,
                                const Py_buffer *buffer) {
    const size_t len = (size_t)buffer->len;
    if (!w->rows) return zipnn_archive_read_in(call->ctx, archive, w->offset, len, buffer->buf, &call->err);
    return zipnn_archive_read_rows_in(call->ctx, archive, w->index, w->first, w->n, buffer->buf, len, &call->err);
}

static bool read_view(struct pyz_archive *self, const struct wanted *w, const Py_buffer *buffer, PyObject *progress) {
    zipnn_status status;
    struct pyz_desk *d = pyz_archive_enter(self);
    if (!d) return false;
    pyz_call_again(&d->call, progress);
    Py_BEGIN_ALLOW_THREADS;
    status = read_wanted(self->archive, &d->call, w, buffer);
    Py_END_ALLOW_THREADS;
    d->call.progress = NULL;
    bool done = pyz_call_check(&d->call, status);
    pyz_archive_leave(d);
    return done;
}

/* Large memory that will be written whole: where it is fresh, huge pages halve the time. A hint. */
static void advise_huge(const Py_buffer *buffer) {
#if defined(MADV_HUGEPAGE)
    enum { HUGE_PAGE = 2 << 20, WORTH_IT = 4 * HUGE_PAGE };
    uintptr_t start = ((uintptr_t)buffer->buf + HUGE_PAGE - 1) & ~((uintptr_t)HUGE_PAGE - 1);
    uintptr_t end = ((uintptr_t)buffer->buf + (size_t)buffer->len) & ~((uintptr_t)HUGE_PAGE - 1);
    if (buffer->len >= WORTH_IT) (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
    (void)buffer;
#endif
}

static PyObject *archive_read_into(struct pyz_archive *self, PyObject *args) {
    PyObject *offset, *progress = Py_None;
    Py_buffer buffer;
    struct wanted w = {.rows = false};
    if (!PyArg_ParseTuple(args, "Ow*|O:read_into", &offset, &buffer, &progress)) return NULL;
    advise_huge(&buffer);
    bool done = pyz_as_u64(offset, "an offset", &w.offset) && read_view(self, &w, &buffer, progress);
    PyBuffer_Release(&buffer);
    if (!done) return NULL;
    Py_RETURN_NONE;
}

static PyObject *archive_read_rows(struct pyz_archive *self, PyObject *args) {
    PyObject *index, *first, *n;
    Py_buffer buffer;
    struct wanted w = {.rows = true};
    if (!PyArg_ParseTuple(args, "OOOw*:read_rows", &index, &first, &n, &buffer)) return NULL;
    advise_huge(&buffer);
    bool done = pyz_as_u64(index, "the number of a tensor", &w.index) && pyz_as_u64(first, "a row", &w.first) &&
                pyz_as_u64(n, "a number of rows", &w.n) && read_view(self, &w, &buffer, Py_None);
    PyBuffer_Release(&buffer);
    if (!done) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"close", (PyCFunction)(void (*)(void))archive_close, METH_NOARGS, "Frees everything; later calls raise."},
    {"info", (PyCFunction)(void (*)(void))archive_info, METH_NOARGS,
     "(original, archive, n_chunks, n_tensors, container, level, xxh3, sha256, n_left_out, n_bases, has_repeats, "
     "unverified)"},
    {"chunk", (PyCFunction)(void (*)(void))archive_chunk, METH_VARARGS,
     "(offset, length, archive_offset, stored, check) of a chunk"},
    {"coding", (PyCFunction)(void (*)(void))archive_coding, METH_VARARGS,
     "(layout, [(codec, original, stored), ...]) of a chunk"},
    {"base", (PyCFunction)(void (*)(void))archive_base, METH_VARARGS, "(name, original, xxh3, at_hand) of a base"},
    {"tensors", (PyCFunction)(void (*)(void))archive_tensors, METH_NOARGS,
     "List of (name, dtype, shape, offset, length, stored, flags, strides, bytes of the values)"},
    {"read_into", (PyCFunction)(void (*)(void))archive_read_into, METH_VARARGS,
     "read_into(offset, buffer, progress=None): fills the buffer with original bytes"},
    {"read_rows", (PyCFunction)(void (*)(void))archive_read_rows, METH_VARARGS,
     "read_rows(index, first, n, buffer): fills the buffer with values, row after row, little-endian"},
    {"ranges", (PyCFunction)(void (*)(void))pyz_archive_ranges, METH_VARARGS,
     "ranges(offset, length): list of (source, offset, length), the stored bytes that a read takes"},
    {"decode", (PyCFunction)(void (*)(void))pyz_archive_decode, METH_VARARGS,
     "decode(offset, buffer, pieces): fills the buffer from a list of (source, offset, bytes), or lists what is "
     "missing"},
    {"multiply", (PyCFunction)(void (*)(void))pyz_archive_multiply, METH_VARARGS,
     "multiply(index, values, result, n, pairs, threads, parallel): n vectors of bf16 by a matrix of bf16; results are "
     "fp32"},
    {"check", (PyCFunction)(void (*)(void))archive_check, METH_NOARGS,
     "RuntimeError on a thread that is inside of a read of this archive"},
    {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {{Py_tp_new, (void *)archive_new},
                              {Py_tp_dealloc, (void *)archive_dealloc},
                              {Py_tp_traverse, (void *)archive_traverse},
                              {Py_tp_clear, (void *)archive_clear},
                              {Py_tp_methods, methods},
                              {0, NULL}};

PyType_Spec pyz_archive_spec = {"zipnn._zipnn.Archive", sizeof(struct pyz_archive), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, slots};
