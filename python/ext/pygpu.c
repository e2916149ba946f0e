/* GPUs: zipnn._zipnn.Gpu and Kept (zipnn/gpu.h). One thread at a time loads or keeps by a GPU; what is kept is decoded by any thread. Addresses and streams are
 * numbers: the package around this knows whose memory they are. */
#include <zipnn/gpu.h>

#include "pyarchive.h"

struct pyz_gpu {
    PyObject_HEAD zipnn_gpu *gpu;
    PyThread_type_lock lock;
};

struct pyz_kept {
    PyObject_HEAD zipnn_gpu_kept *kept;
    PyObject *gpu; /* which it needs */
    zipnn_gpu_stats stats;
};

static PyObject *refuse_keywords(PyTypeObject *type) {
    (void)type;
    return PyErr_Format(PyExc_TypeError, "objects of _zipnn take no keyword arguments");
}

static void *make_object(PyTypeObject *type) {
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return alloc(type, 0);
}

static void free_object(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

/* Reads (offset, length, address). */
static bool read_part(PyObject *item, const zipnn_archive *archive, zipnn_gpu_part *part) {
    PyObject *off, *len, *dst;
    part->archive = archive;
    return PyTuple_Check(item) && PyArg_ParseTuple(item, "OOO:part", &off, &len, &dst) &&
           pyz_as_u64(off, "an offset", &part->off) && pyz_as_u64(len, "a length", &part->len) &&
           pyz_as_u64(dst, "an address", &part->dst);
}

static zipnn_gpu_part *read_parts(PyObject *list, const zipnn_archive *archive, size_t *n) {
    const Py_ssize_t count = PyList_Check(list) ? PyList_Size(list) : -1;
    if (count < 0) {
        PyErr_SetString(PyExc_TypeError, "the parts must be a list");
        return NULL;
    }
    zipnn_gpu_part *parts = PyMem_Calloc((size_t)count + 1, sizeof *parts);
    if (!parts) return (zipnn_gpu_part *)PyErr_NoMemory();
    *n = (size_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (read_part(PyList_GetItem(list, i), archive, &parts[i])) continue;
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a part must be (offset, length, address)");
        PyMem_Free(parts);
        return NULL;
    }
    return parts;
}

/* Loads parts, or keeps them where `kept` is not NULL. */
static bool load_parts(struct pyz_gpu *self, struct pyz_archive *from, PyObject *list, zipnn_gpu_kept **kept,
                       zipnn_gpu_stats *stats) {
    size_t n;
    zipnn_status status;
    struct pyz_desk *d = pyz_archive_enter(from);
    if (!d) return false;
    zipnn_gpu_part *parts = read_parts(list, from->archive, &n);
    bool done = parts != NULL;
    if (done) {
        pyz_call_again(&d->call, Py_None);
        Py_BEGIN_ALLOW_THREADS;
        PyThread_acquire_lock(self->lock, WAIT_LOCK);
        if (kept)
            status = zipnn_gpu_keep(self->gpu, d->call.ctx, parts, n, kept, stats, &d->call.err);
        else
            status = zipnn_gpu_load(self->gpu, d->call.ctx, parts, n, stats, &d->call.err);
        PyThread_release_lock(self->lock);
        Py_END_ALLOW_THREADS;
        d->call.progress = NULL;
        done = pyz_call_check(&d->call, status);
    }
    PyMem_Free(parts);
    pyz_archive_leave(d);
    return done;
}

static PyObject *stats_tuple(const zipnn_gpu_stats *s) {
    return Py_BuildValue("KKK", (unsigned long long)s->by_gpu, (unsigned long long)s->by_host,
                         (unsigned long long)s->copied);
}

/* ---- Gpu --------------------------------------------------------------------------------------------------------- */

static PyObject *open_gpu(PyTypeObject *type, int device, const void *code, size_t staging) {
    const zipnn_gpu_options options = {.size = sizeof options, .device = device, .code = code, .staging = staging};
    struct pyz_gpu *self = make_object(type);
    zipnn_error err;
    zipnn_status status;
    if (!self) return NULL;
    self->lock = PyThread_allocate_lock();
    if (!self->lock) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_gpu_open(&options, &self->gpu, &err);
    Py_END_ALLOW_THREADS;
    if (status == ZIPNN_OK) return (PyObject *)self;
    self->gpu = NULL;
    Py_DECREF(self);
    pyz_raise(PyType_GetModuleState(type), status, &err, NULL, NULL);
    return NULL;
}

/* Code ends with a zero, which `bytes` have behind them anyway. */
static PyObject *gpu_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    int device;
    const char *code;
    Py_ssize_t code_len, staging;
    if (kwargs && PyDict_Size(kwargs)) return refuse_keywords(type);
    if (!PyArg_ParseTuple(args, "iz#n:Gpu", &device, &code, &code_len, &staging)) return NULL;
    if (staging < 0) return PyErr_Format(PyExc_ValueError, "the staging memory has %zd bytes", staging);
    return open_gpu(type, device, code, (size_t)staging);
}

static void gpu_dealloc(struct pyz_gpu *self) {
    zipnn_gpu_close(self->gpu);
    if (self->lock) PyThread_free_lock(self->lock);
    free_object((PyObject *)self);
}

static struct pyz_archive *archive_of(PyTypeObject *type, PyObject *thing) {
    const struct pyz_state *state = PyType_GetModuleState(type);
    if (PyObject_TypeCheck(thing, (PyTypeObject *)state->archive_type)) return (struct pyz_archive *)thing;
    PyErr_SetString(PyExc_TypeError, "parts are of an Archive of _zipnn");
    return NULL;
}

static PyObject *gpu_load(struct pyz_gpu *self, PyObject *args) {
    PyObject *archive, *parts;
    zipnn_gpu_stats stats = {0};
    if (!PyArg_ParseTuple(args, "OO:load", &archive, &parts)) return NULL;
    struct pyz_archive *from = archive_of(Py_TYPE((PyObject *)self), archive);
    return from && load_parts(self, from, parts, NULL, &stats) ? stats_tuple(&stats) : NULL;
}

static PyMethodDef gpu_methods[] = {
    {"load", (PyCFunction)(void (*)(void))gpu_load, METH_VARARGS,
     "load(archive, [(offset, length, address), ...]) -> bytes (by the GPU, by the host, copied)"},
    {NULL, NULL, 0, NULL}};

static PyType_Slot gpu_slots[] = {
    {Py_tp_new, (void *)gpu_new}, {Py_tp_dealloc, (void *)gpu_dealloc}, {Py_tp_methods, gpu_methods}, {0, NULL}};

PyType_Spec pyz_gpu_spec = {"zipnn._zipnn.Gpu", sizeof(struct pyz_gpu), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, gpu_slots};

/* ---- Kept -------------------------------------------------------------------------------------------------------- */

static PyObject *kept_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *gpu, *archive, *parts;
    const struct pyz_state *state = PyType_GetModuleState(type);
    if (kwargs && PyDict_Size(kwargs)) return refuse_keywords(type);
    if (!PyArg_ParseTuple(args, "OOO:Kept", &gpu, &archive, &parts)) return NULL;
    if (!PyObject_TypeCheck(gpu, (PyTypeObject *)state->gpu_type))
        return PyErr_Format(PyExc_TypeError, "what is kept needs a Gpu of _zipnn");
    struct pyz_archive *from = archive_of(type, archive);
    struct pyz_kept *self = from ? make_object(type) : NULL;
    if (!self) return NULL;
    if (!load_parts((struct pyz_gpu *)gpu, from, parts, &self->kept, &self->stats)) {
        Py_DECREF(self);
        return NULL;
    }
    self->gpu = Py_NewRef(gpu);
    return (PyObject *)self;
}

static void kept_dealloc(struct pyz_kept *self) {
    if (self->gpu) zipnn_gpu_drop(self->kept);
    Py_XDECREF(self->gpu);
    free_object((PyObject *)self);
}

static PyObject *kept_decode(struct pyz_kept *self, PyObject *args) {
    PyObject *address, *stream;
    uint64_t dst, on;
    zipnn_error err;
    zipnn_status status;
    if (!PyArg_ParseTuple(args, "OO:decode", &address, &stream) || !pyz_as_u64(address, "an address", &dst) ||
        !pyz_as_u64(stream, "a stream", &on))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_gpu_decode(self->kept, dst, (void *)(uintptr_t)on, &err);
    Py_END_ALLOW_THREADS;
    if (status == ZIPNN_OK) Py_RETURN_NONE;
    pyz_raise(PyType_GetModuleState(Py_TYPE((PyObject *)self)), status, &err, NULL, NULL);
    return NULL;
}

static PyObject *kept_stats(struct pyz_kept *self, PyObject *unused) {
    (void)unused;
    return stats_tuple(&self->stats);
}

static PyMethodDef kept_methods[] = {{"decode", (PyCFunction)(void (*)(void))kept_decode, METH_VARARGS,
                                      "decode(address, stream): in order on the stream; waits for nothing"},
                                     {"stats", (PyCFunction)(void (*)(void))kept_stats, METH_NOARGS,
                                      "bytes (that the GPU decodes, that are kept as they are, of device memory)"},
                                     {NULL, NULL, 0, NULL}};

static PyType_Slot kept_slots[] = {
    {Py_tp_new, (void *)kept_new}, {Py_tp_dealloc, (void *)kept_dealloc}, {Py_tp_methods, kept_methods}, {0, NULL}};

PyType_Spec pyz_kept_spec = {"zipnn._zipnn.Kept", sizeof(struct pyz_kept), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, kept_slots};
