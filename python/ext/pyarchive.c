/* Archive: listing and random access. Methods may be called from several threads; they take turns. */
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
    PyThread_type_lock lock;
    pid_t pid; /* whose threads may hold the lock */
};

static const struct pyz_state *state_of(struct archive_object *self) {
    return PyType_GetModuleState(Py_TYPE((PyObject *)self));
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

/* Takes the lock and checks that the archive is open; false with an exception and without the lock. The GIL is released
 * while waiting, for the holder may need it for callbacks. After a fork a holder is a thread of the parent's that does
 * not exist here, so the child has a lock of its own. */
static bool enter(struct archive_object *self) {
    if (self->pid != getpid()) {
        PyThread_type_lock fresh = PyThread_allocate_lock();
        if (!fresh) return PyErr_NoMemory() != NULL;
        self->lock = fresh; /* the old one is left alone: freeing a held lock is undefined */
        self->pid = getpid();
    }
    PyThread_type_lock lock = self->lock;
    Py_BEGIN_ALLOW_THREADS;
    PyThread_acquire_lock(lock, WAIT_LOCK);
    Py_END_ALLOW_THREADS;
    if (self->archive) return true;
    PyThread_release_lock(lock);
    PyErr_SetString(PyExc_ValueError, "the archive is closed");
    return false;
}

static void leave(struct archive_object *self) {
    PyThread_release_lock(self->lock);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void shut(struct archive_object *self) {
    zipnn_archive *archive = self->archive;
    zipnn_ctx *ctx = self->call.ctx;
    self->archive = NULL;
    self->call.ctx = NULL;
    Py_BEGIN_ALLOW_THREADS;
    zipnn_archive_close(archive);
    zipnn_destroy(ctx);
    Py_END_ALLOW_THREADS;
    pyz_end_close(&self->end);
}

static bool open_archive(struct archive_object *self, PyObject *from, int threads, enum pyz_access access) {
    const struct pyz_state *state = state_of(self);
    struct pyz_options options = {.threads = threads, .verify = 1, .progress = Py_None};
    zipnn_status status;
    self->pid = getpid();
    self->lock = PyThread_allocate_lock();
    if (!self->lock) return PyErr_NoMemory() != NULL;
    if (!pyz_source_open(&self->end, from, state, &self->call)) return false;
    pyz_source_speed_up(&self->end, access);
    if (!pyz_call_begin(&self->call, state, &options, UINT64_MAX, PYZ_SIGNALS_LATER)) return false;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_archive_open(self->call.ctx, &self->end.source, &self->archive, &self->call.err);
    Py_END_ALLOW_THREADS;
    if (status != ZIPNN_OK) self->archive = NULL;
    return pyz_call_check(&self->call, status, self->end.filename);
}

static PyObject *archive_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *from;
    int threads = 0, access = PYZ_ACCESS_READ;
    (void)kwargs;
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

static int archive_traverse(struct archive_object *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->end.read_at);
    Py_VISIT(self->end.view.obj);
    return 0;
}

static int archive_clear(struct archive_object *self) {
    shut(self);
    return 0;
}

static void archive_dealloc(struct archive_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    shut(self);
    if (self->lock && self->pid == getpid()) PyThread_free_lock(self->lock);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *archive_close(struct archive_object *self, PyObject *unused) {
    (void)unused;
    if (self->archive && enter(self)) {
        shut(self);
        leave(self);
    }
    if (PyErr_Occurred()) PyErr_Clear(); /* closed meanwhile by another thread */
    Py_RETURN_NONE;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

/* (original, archive, n_chunks, n_tensors, container, level, xxh3, sha256 or None, n_left_out) */
static PyObject *info_tuple(const zipnn_archive_info *i) {
    PyObject *sha256 =
        i->has_sha256 ? PyBytes_FromStringAndSize((const char *)i->sha256, sizeof i->sha256) : Py_NewRef(Py_None);
    if (!sha256) return NULL;
    return Py_BuildValue("KKKKsiy#NK", (unsigned long long)i->original, (unsigned long long)i->archive,
                         (unsigned long long)i->n_chunks, (unsigned long long)i->n_tensors, i->container, i->level,
                         (const char *)i->xxh3, (Py_ssize_t)sizeof i->xxh3, sha256,
                         (unsigned long long)i->n_left_out);
}

static PyObject *archive_info(struct archive_object *self, PyObject *unused) {
    zipnn_archive_info info;
    (void)unused;
    if (!enter(self)) return NULL;
    zipnn_archive_get_info(self->archive, &info);
    leave(self);
    return info_tuple(&info);
}

/* (offset, length, archive_offset, stored, check) */
static PyObject *archive_chunk(struct archive_object *self, PyObject *args) {
    unsigned long long index;
    zipnn_chunk_info info;
    if (!PyArg_ParseTuple(args, "K:chunk", &index) || !enter(self)) return NULL;
    bool found = pyz_call_check(&self->call, zipnn_archive_chunk(self->archive, index, &info, &self->call.err),
                                self->end.filename);
    leave(self);
    if (!found) return NULL;
    return Py_BuildValue("KKKKK", (unsigned long long)info.offset, (unsigned long long)info.length,
                         (unsigned long long)info.archive_offset, (unsigned long long)info.stored,
                         (unsigned long long)info.check);
}

static PyObject *shape_tuple(const zipnn_tensor_info *t) {
    PyObject *shape = PyTuple_New((Py_ssize_t)t->rank);
    for (uint32_t i = 0; shape && i < t->rank; i++) {
        PyObject *dim = PyLong_FromUnsignedLongLong(t->shape[i]);
        if (!dim || PyTuple_SetItem(shape, (Py_ssize_t)i, dim) != 0) Py_CLEAR(shape);
    }
    return shape;
}

/* (name, dtype, shape, offset, length, stored). A file may hold names that are not UTF-8. */
static PyObject *tensor_tuple(const zipnn_tensor_info *t) {
    PyObject *name = PyUnicode_DecodeUTF8(t->name, (Py_ssize_t)strlen(t->name), "backslashreplace");
    PyObject *shape = name ? shape_tuple(t) : NULL;
    if (!shape) {
        Py_XDECREF(name);
        return NULL;
    }
    return Py_BuildValue("NsNKKK", name, zipnn_dtype_name(t->dtype), shape, (unsigned long long)t->offset,
                         (unsigned long long)t->length, (unsigned long long)t->stored);
}

static PyObject *list_tensors(struct archive_object *self) {
    zipnn_archive_info info;
    zipnn_archive_get_info(self->archive, &info);
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < info.n_tensors; i++) {
        zipnn_tensor_info t;
        PyObject *item = NULL;
        zipnn_status status = zipnn_archive_tensor(self->archive, i, &t, &self->call.err);
        if (pyz_call_check(&self->call, status, self->end.filename)) item = tensor_tuple(&t);
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

static bool read_view(struct archive_object *self, uint64_t off, const Py_buffer *buffer) {
    zipnn_status status;
    if (!enter(self)) return false;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_archive_read(self->archive, off, (uint64_t)buffer->len, buffer->buf, &self->call.err);
    Py_END_ALLOW_THREADS;
    bool done = pyz_call_check(&self->call, status, self->end.filename);
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
    PyObject *offset;
    Py_buffer buffer;
    if (!PyArg_ParseTuple(args, "O!w*:read_into", &PyLong_Type, &offset, &buffer)) return NULL;
    uint64_t off = PyLong_AsUnsignedLongLong(offset);
    advise_huge(&buffer);
    bool done = !PyErr_Occurred() && read_view(self, off, &buffer);
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
     "List of (name, dtype, shape, offset, length, stored)"},
    {"read_into", (PyCFunction)(void (*)(void))archive_read_into, METH_VARARGS,
     "read_into(offset, buffer): fills the buffer with original bytes"},
    {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {{Py_tp_new, (void *)archive_new},
                              {Py_tp_dealloc, (void *)archive_dealloc},
                              {Py_tp_traverse, (void *)archive_traverse},
                              {Py_tp_clear, (void *)archive_clear},
                              {Py_tp_methods, methods},
                              {0, NULL}};

PyType_Spec pyz_archive_spec = {"zipnn._zipnn.Archive", sizeof(struct archive_object), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, slots};
