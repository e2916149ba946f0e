/* Archive: listing and random access. Methods may be called from several threads; they take turns. What a read calls
 * back may not use the archive that is read. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "pyzipnn.h"

struct archive_object {
    PyObject_HEAD struct pyz_call call;
    struct pyz_end end;
    zipnn_archive *archive; /* NULL when closed */
    bool begun;             /* `call` has been begun; its context goes when the archive is closed */
    PyThread_type_lock lock;
    unsigned long holder; /* the thread that has the lock; 0 for none. Changed with the GIL */
    pid_t pid;            /* whose threads may hold the lock */
};

static const struct pyz_state *state_of(struct archive_object *self) {
    return PyType_GetModuleState(Py_TYPE((PyObject *)self));
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

/* After a fork a holder is a thread of the parent's that does not exist here, so the child has a lock of its own, and a
 * crew. */
static bool own_lock(struct archive_object *self) {
    if (self->pid == getpid()) return true;
    PyThread_type_lock fresh = PyThread_allocate_lock();
    if (!fresh) return PyErr_NoMemory() != NULL;
    self->lock = fresh; /* the old one is left alone: freeing a held lock is undefined */
    self->holder = 0;
    self->pid = getpid();
    pyz_crew_init(&self->call.crew);
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

/* Takes the lock, whether the archive is open or not; false with an exception and without the lock. A callback of a
 * read runs on the thread that reads, and would wait for itself. */
static bool enter_any(struct archive_object *self) {
    if (!self->lock || !own_lock(self)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "the archive is not open yet");
        return false;
    }
    if (self->holder == PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this archive is being used by the call that waits for this one: the file "
                        "object it is read from, a progress function or a signal handler "
                        "cannot use it, too");
        return false;
    }
    if (!take_lock(self->lock)) return false;
    self->holder = PyThread_get_thread_ident();
    return true;
}

static void leave(struct archive_object *self) {
    self->holder = 0;
    PyThread_release_lock(self->lock);
}

/* The same for an archive that must be open. */
static bool enter(struct archive_object *self) {
    if (!enter_any(self)) return false;
    if (self->archive) return true;
    leave(self);
    PyErr_SetString(PyExc_ValueError, "the archive is closed");
    return false;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static bool open_source(struct archive_object *self, PyObject *from, int threads, enum pyz_access access) {
    const struct pyz_state *state = state_of(self);
    struct pyz_options options = {.threads = threads, .verify = 1, .progress = Py_None};
    zipnn_archive *archive = NULL;
    zipnn_status status;
    if (!pyz_source_open(&self->end, from, state, &self->call)) return false;
    pyz_source_speed_up(&self->end, access);
    self->begun = pyz_call_begin(&self->call, state, &options, UINT64_MAX);
    if (!self->begun) return false;
    self->call.filename = self->end.filename;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_archive_open(self->call.ctx, &self->end.source, &archive, &self->call.err);
    Py_END_ALLOW_THREADS;
    self->archive = status == ZIPNN_OK ? archive : NULL;
    return pyz_call_check(&self->call, status);
}

/* The lock is held meanwhile: whoever asks the collector for all objects has found this one already. */
static bool open_archive(struct archive_object *self, PyObject *from, int threads, enum pyz_access access) {
    self->pid = getpid();
    self->lock = PyThread_allocate_lock();
    if (!self->lock) return PyErr_NoMemory() != NULL;
    if (!enter_any(self)) return false;
    const bool opened = open_source(self, from, threads, access);
    leave(self);
    return opened;
}

static PyObject *archive_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *from;
    int threads = 0, access = PYZ_ACCESS_READ;
    if (kwargs && PyDict_Size(kwargs))
        return PyErr_Format(PyExc_TypeError, "_zipnn.Archive() takes no keyword arguments");
    if (!PyArg_ParseTuple(args, "O|ii:Archive", &from, &threads, &access)) return NULL;
    if (access < PYZ_ACCESS_READ || access > PYZ_ACCESS_WHOLE)
        return PyErr_Format(PyExc_ValueError, "access %d is none of 0, 1, 2", access);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct archive_object *self = (struct archive_object *)alloc(type, 0);
    if (self && !open_archive(self, from, threads, (enum pyz_access)access)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* What is held through a Py_buffer is not visited: its owner may not give its memory up while it is lent, and a
 * collector that takes the owner apart first (as it does memoryviews) would leave a buffer without one. */
static int archive_traverse(struct archive_object *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->end.read_at);
    return 0;
}

/* Breaks cycles and no more: the rest goes with the object. A read that comes yet finds its callable gone. */
static int archive_clear(struct archive_object *self) {
    Py_CLEAR(self->end.read_at);
    return 0;
}

/* May run in the middle of a collection: the GIL is kept. No worker waits for it, since no call is going on. */
static void archive_dealloc(struct archive_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject *error, *value, *traceback;
    PyObject_GC_UnTrack(self);
    PyErr_Fetch(&error, &value, &traceback);
    zipnn_archive_close(self->archive);
    zipnn_destroy(self->call.ctx);
    if (self->begun && self->pid == getpid()) pyz_crew_end(&self->call.crew);
    pyz_end_drop(&self->end);
    if (self->lock && self->pid == getpid()) PyThread_free_lock(self->lock);
    PyErr_Restore(error, value, traceback);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *archive_close(struct archive_object *self, PyObject *unused) {
    (void)unused;
    if (!enter_any(self)) return NULL;
    zipnn_archive *archive = self->archive;
    zipnn_ctx *ctx = self->call.ctx;
    self->archive = NULL;
    self->call.ctx = NULL;
    if (archive) {
        Py_BEGIN_ALLOW_THREADS;
        zipnn_archive_close(archive);
        zipnn_destroy(ctx);
        Py_END_ALLOW_THREADS;
        pyz_end_close(&self->end);
        self->call.filename = NULL;
    }
    leave(self);
    Py_RETURN_NONE;
}

static PyObject *archive_check(struct archive_object *self, PyObject *unused) {
    (void)unused;
    if (self->holder != PyThread_get_thread_ident() || self->pid != getpid()) Py_RETURN_NONE;
    (void)enter_any(self); /* says why not */
    return NULL;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

/* (original, archive, n_chunks, n_tensors, container, level, xxh3, sha256 or None, n_left_out) */
static PyObject *info_tuple(const zipnn_archive_info *i, uint64_t n_left_out) {
    PyObject *sha256 =
        i->has_sha256 ? PyBytes_FromStringAndSize((const char *)i->sha256, sizeof i->sha256) : Py_NewRef(Py_None);
    if (!sha256) return NULL;
    return Py_BuildValue("KKKKsiy#NK", (unsigned long long)i->original, (unsigned long long)i->archive,
                         (unsigned long long)i->n_chunks, (unsigned long long)i->n_tensors, i->container, i->level,
                         (const char *)i->xxh3, (Py_ssize_t)sizeof i->xxh3, sha256, (unsigned long long)n_left_out);
}

static PyObject *archive_info(struct archive_object *self, PyObject *unused) {
    zipnn_archive_info info;
    (void)unused;
    if (!enter(self)) return NULL;
    zipnn_archive_get_info(self->archive, &info);
    const uint64_t n_left_out = zipnn_archive_n_left_out(self->archive);
    leave(self);
    return info_tuple(&info, n_left_out);
}

/* (offset, length, archive_offset, stored, check) */
static PyObject *archive_chunk(struct archive_object *self, PyObject *args) {
    PyObject *number;
    uint64_t index;
    zipnn_chunk_info info;
    if (!PyArg_ParseTuple(args, "O:chunk", &number) || !pyz_as_u64(number, "the number of a chunk", &index) ||
        !enter(self))
        return NULL;
    bool found = pyz_call_check(&self->call, zipnn_archive_chunk(self->archive, index, &info, &self->call.err));
    leave(self);
    if (!found) return NULL;
    return Py_BuildValue("KKKKK", (unsigned long long)info.offset, (unsigned long long)info.length,
                         (unsigned long long)info.archive_offset, (unsigned long long)info.stored,
                         (unsigned long long)info.check);
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

static PyObject *list_tensors(struct archive_object *self) {
    zipnn_archive_info info;
    zipnn_archive_get_info(self->archive, &info);
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < info.n_tensors; i++) {
        zipnn_tensor_info t;
        zipnn_tensor_layout layout = {.size = sizeof layout};
        PyObject *item = NULL;
        zipnn_status status = zipnn_archive_tensor(self->archive, i, &t, &self->call.err);
        if (status == ZIPNN_OK) status = zipnn_archive_tensor_layout(self->archive, i, &layout, &self->call.err);
        if (pyz_call_check(&self->call, status)) item = tensor_tuple(&t, &layout);
        if (!item || PyList_Append(list, item) != 0) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *archive_tensors(struct archive_object *self, PyObject *unused) {
    (void)unused;
    if (!enter(self)) return NULL;
    PyObject *list = list_tensors(self);
    leave(self);
    return list;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* What is read: bytes from an offset on, or rows of a tensor. */
struct wanted {
    uint64_t offset;
    uint64_t index, first, n;
    bool rows;
};

static zipnn_status read_wanted(struct archive_object *self, const struct wanted *w, const Py_buffer *buffer) {
    const size_t len = (size_t)buffer->len;
    if (!w->rows) return zipnn_archive_read(self->archive, w->offset, len, buffer->buf, &self->call.err);
    return zipnn_archive_read_rows(self->archive, w->index, w->first, w->n, buffer->buf, len, &self->call.err);
}

static bool read_view(struct archive_object *self, const struct wanted *w, const Py_buffer *buffer,
                      PyObject *progress) {
    zipnn_status status;
    if (!enter(self)) return false;
    pyz_call_again(&self->call, progress);
    Py_BEGIN_ALLOW_THREADS;
    status = read_wanted(self, w, buffer);
    Py_END_ALLOW_THREADS;
    self->call.progress = NULL;
    bool done = pyz_call_check(&self->call, status);
    leave(self);
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

static PyObject *archive_read_into(struct archive_object *self, PyObject *args) {
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

static PyObject *archive_read_rows(struct archive_object *self, PyObject *args) {
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
     "(original, archive, n_chunks, n_tensors, container, level, xxh3, sha256, n_left_out)"},
    {"chunk", (PyCFunction)(void (*)(void))archive_chunk, METH_VARARGS,
     "(offset, length, archive_offset, stored, check) of a chunk"},
    {"tensors", (PyCFunction)(void (*)(void))archive_tensors, METH_NOARGS,
     "List of (name, dtype, shape, offset, length, stored, flags, strides, bytes of the values)"},
    {"read_into", (PyCFunction)(void (*)(void))archive_read_into, METH_VARARGS,
     "read_into(offset, buffer, progress=None): fills the buffer with original bytes"},
    {"read_rows", (PyCFunction)(void (*)(void))archive_read_rows, METH_VARARGS,
     "read_rows(index, first, n, buffer): fills the buffer with values, row after row, little-endian"},
    {"check", (PyCFunction)(void (*)(void))archive_check, METH_NOARGS,
     "RuntimeError on a thread that is inside of a read of this archive"},
    {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {{Py_tp_new, (void *)archive_new},
                              {Py_tp_dealloc, (void *)archive_dealloc},
                              {Py_tp_traverse, (void *)archive_traverse},
                              {Py_tp_clear, (void *)archive_clear},
                              {Py_tp_methods, methods},
                              {0, NULL}};

PyType_Spec pyz_archive_spec = {"zipnn._zipnn.Archive", sizeof(struct archive_object), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, slots};
