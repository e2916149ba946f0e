/* Sources and sinks: paths, descriptors, memory, callables. */
#include <string.h>

#include "pyzipnn.h"

/* ---- callables --------------------------------------------------------------------------------------------------- */

/* One move of bytes by a callable, as the library asks for it. */
struct move {
    struct pyz_end *end;
    uint64_t off;
    void *to;
    const void *from;
    size_t len, got;
    bool done;
};

/* A callable may be gone when the collector has taken the object it belongs to apart. */
static bool is_callable(const struct move *m, PyObject *callable) {
    if (atomic_load(&m->end->call->stopped)) return false;
    if (!callable) PyErr_SetString(PyExc_ValueError, "the archive is closed");
    return callable != NULL;
}

/* A view of the first `len` bytes of the stage, which grows as it must. */
static PyObject *view_of_stage(struct pyz_end *end, size_t len) {
    if (!end->stage || (size_t)PyByteArray_Size(end->stage) < len) {
        PyObject *stage = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)len);
        if (!stage) return NULL;
        memset(PyByteArray_AsString(stage), 0, len);
        Py_XDECREF(end->stage);
        end->stage = stage;
    }
    PyObject *whole = PyMemoryView_FromObject(end->stage);
    PyObject *view = whole ? PySequence_GetSlice(whole, 0, (Py_ssize_t)len) : NULL;
    Py_XDECREF(whole);
    return view;
}

/* The stage cannot be resized while it is viewed. */
static void run_read(void *arg) {
    struct move *m = arg;
    uint64_t n;
    if (!is_callable(m, m->end->read)) return;
    PyObject *view = view_of_stage(m->end, m->len);
    PyObject *result = view ? PyObject_CallFunctionObjArgs(m->end->read, view, NULL) : NULL;
    if (result && pyz_as_u64(result, "what read() returned", &n)) {
        if (n > m->len)
            PyErr_Format(PyExc_ValueError, "read() returned %R for a view of %zu bytes", result, m->len);
        else
            memcpy(m->to, PyByteArray_AsString(m->end->stage), (size_t)n);
        m->got = (size_t)n;
        m->done = n <= m->len;
    }
    Py_XDECREF(result);
    Py_XDECREF(view);
}

static void run_read_at(void *arg) {
    struct move *m = arg;
    Py_buffer bytes;
    if (!is_callable(m, m->end->read_at)) return;
    PyObject *result = PyObject_CallFunction(m->end->read_at, "Kn", (unsigned long long)m->off, (Py_ssize_t)m->len);
    if (!result) return;
    if (PyObject_GetBuffer(result, &bytes, PyBUF_SIMPLE) == 0) {
        m->done = (size_t)bytes.len == m->len;
        if (m->done)
            memcpy(m->to, bytes.buf, m->len);
        else
            PyErr_Format(PyExc_ValueError, "%zu bytes were to be read, %zd came", m->len, bytes.len);
        PyBuffer_Release(&bytes);
    }
    Py_DECREF(result);
}

static void run_write(void *arg) {
    struct move *m = arg;
    if (!is_callable(m, m->end->write)) return;
    PyObject *bytes = PyBytes_FromStringAndSize(m->from, (Py_ssize_t)m->len);
    PyObject *result = bytes ? PyObject_CallFunctionObjArgs(m->end->write, bytes, NULL) : NULL;
    m->done = result != NULL;
    Py_XDECREF(result);
    Py_XDECREF(bytes);
}

/* The exception is kept, and says it better than an error could. */
static zipnn_status moved(void (*run)(void *arg), struct move *m) {
    pyz_crew_ask(m->end->call, run, m);
    return m->done ? ZIPNN_OK : ZIPNN_E_IO;
}

static zipnn_status call_read(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err) {
    struct move m = {.end = user, .to = buf, .len = cap};
    (void)err;
    zipnn_status status = moved(run_read, &m);
    *got = m.done ? m.got : 0;
    return status;
}

static zipnn_status call_read_at(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    struct move m = {.end = user, .off = off, .to = buf, .len = len};
    (void)err;
    return moved(run_read_at, &m);
}

static zipnn_status call_write(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct move m = {.end = user, .from = buf, .len = len};
    (void)err;
    return moved(run_write, &m);
}

static bool open_callables(struct pyz_end *end, PyObject *from) {
    PyObject *read, *read_at, *length;
    if (!PyArg_ParseTuple(from, "OOO;a source is (read, None, None) or (None, read_at, length)", &read, &read_at,
                          &length))
        return false;
    if (read_at == Py_None) {
        end->source = (zipnn_source){.read = call_read, .length = UINT64_MAX, .user = end};
        end->read = Py_NewRef(read);
        return true;
    }
    uint64_t len;
    if (!pyz_as_u64(length, "the length of a source", &len)) return false;
    end->source = (zipnn_source){.read_at = call_read_at, .length = len, .user = end};
    end->read_at = Py_NewRef(read_at);
    return true;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static zipnn_status memory_read_at(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const struct pyz_end *end = user;
    (void)err;
    memcpy(buf, (const char *)end->view.buf + off, len); /* the library asks inside `length` only */
    return ZIPNN_OK;
}

static zipnn_status memory_view(void *user, uint64_t off, size_t len, const void **bytes, zipnn_error *err) {
    const struct pyz_end *end = user;
    (void)len, (void)err;
    *bytes = (const char *)end->view.buf + off;
    return ZIPNN_OK;
}

static bool open_memory(struct pyz_end *end, PyObject *from) {
    if (PyObject_GetBuffer(from, &end->view, PyBUF_SIMPLE) != 0) return false;
    end->source =
        (zipnn_source){.read_at = memory_read_at, .view = memory_view, .length = (uint64_t)end->view.len, .user = end};
    return true;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bool open_descriptor(struct pyz_end *end, PyObject *descriptor, const struct pyz_state *state) {
    uint64_t fd;
    char name[32];
    zipnn_error err = {ZIPNN_OK, UINT64_MAX, ""};
    if (!pyz_as_u64(descriptor, "a descriptor", &fd)) return false;
    if (fd > INT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "a descriptor: %R is too large", descriptor);
        return false;
    }
    PyOS_snprintf(name, sizeof name, "descriptor %d", (int)fd);
    zipnn_status status = zipnn_file_from_fd((int)fd, name, &end->file, &err);
    if (status != ZIPNN_OK) pyz_raise(state, status, &err, NULL, NULL);
    return status == ZIPNN_OK;
}

/* The bytes of a path without NUL; NULL with an exception. */
static PyObject *encode_path(PyObject *path, char **bytes) {
    PyObject *encoded = NULL;
    if (PyUnicode_FSConverter(path, &encoded) == 0) return NULL;
    if (PyBytes_AsStringAndSize(encoded, bytes, NULL) != 0) Py_CLEAR(encoded);
    return encoded;
}

/* An interrupt ends the wait for the other side of a FIFO. */
static bool has_opened(struct pyz_end *end, PyObject *path, const struct pyz_state *state, zipnn_status status,
                       const zipnn_error *err) {
    if (status == ZIPNN_OK)
        end->filename = Py_NewRef(path);
    else if (PyErr_CheckSignals() == 0)
        pyz_raise(state, status, err, path, NULL);
    return status == ZIPNN_OK;
}

static bool open_path(struct pyz_end *end, PyObject *path, const struct pyz_state *state) {
    zipnn_error err = {ZIPNN_OK, UINT64_MAX, ""};
    zipnn_status status;
    char *bytes;
    PyObject *encoded = encode_path(path, &bytes);
    if (!encoded) return false;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_file_open(bytes, &end->file, &err);
    Py_END_ALLOW_THREADS;
    Py_DECREF(encoded);
    return has_opened(end, path, state, status, &err);
}

static bool create_path(struct pyz_end *end, PyObject *path, unsigned flags, const struct pyz_end *like,
                        const struct pyz_state *state) {
    zipnn_error err = {ZIPNN_OK, UINT64_MAX, ""};
    zipnn_status status;
    char *bytes;
    PyObject *encoded = encode_path(path, &bytes);
    if (!encoded) return false;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_file_create(bytes, like ? like->file : NULL, flags, &end->file, &err);
    Py_END_ALLOW_THREADS;
    Py_DECREF(encoded);
    return has_opened(end, path, state, status, &err);
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

/* True is an int, yet nobody means standard output by it. */
static bool is_no_bool(PyObject *object) {
    if (PyBool_Check(object)) PyErr_SetString(PyExc_TypeError, "a bool is neither a path nor a descriptor nor memory");
    return !PyBool_Check(object);
}

bool pyz_source_open(struct pyz_end *end, PyObject *from, const struct pyz_state *state, struct pyz_call *call) {
    memset(end, 0, sizeof *end);
    end->call = call;
    if (!is_no_bool(from)) return false;
    bool opened = PyTuple_Check(from)     ? open_callables(end, from)
                  : PyUnicode_Check(from) ? open_path(end, from, state)
                  : PyLong_Check(from)    ? open_descriptor(end, from, state)
                                          : open_memory(end, from);
    if (opened && end->file) zipnn_file_source(end->file, &end->source);
    return opened;
}

/* Speed only: what cannot be had is done without. */
void pyz_source_speed_up(struct pyz_end *end, enum pyz_access access) {
    if (!end->file || access == PYZ_ACCESS_READ || access == PYZ_ACCESS_MODEL) return;
    Py_BEGIN_ALLOW_THREADS;
    if (zipnn_file_is_cached(end->file))
        (void)zipnn_file_map(end->file, NULL);
    else if (access == PYZ_ACCESS_WHOLE)
        (void)zipnn_file_read_ahead(end->file, NULL);
    Py_END_ALLOW_THREADS;
    zipnn_file_source(end->file, &end->source);
}

bool pyz_sink_open(struct pyz_end *end, PyObject *to, unsigned flags, const struct pyz_end *like,
                   const struct pyz_state *state, struct pyz_call *call) {
    memset(end, 0, sizeof *end);
    end->call = call;
    if (!is_no_bool(to)) return false;
    if (PyUnicode_Check(to) || PyLong_Check(to)) {
        bool opened = PyUnicode_Check(to) ? create_path(end, to, flags, like, state) : open_descriptor(end, to, state);
        if (opened) zipnn_file_sink(end->file, &end->sink);
        return opened;
    }
    if (!PyCallable_Check(to)) {
        PyErr_SetString(PyExc_TypeError, "a sink is a path, a descriptor or a callable");
        return false;
    }
    end->write = Py_NewRef(to);
    end->sink = (zipnn_sink){.write = call_write, .user = end};
    return true;
}

static void drop_objects(struct pyz_end *end) {
    if (end->view.obj) PyBuffer_Release(&end->view);
    Py_CLEAR(end->read);
    Py_CLEAR(end->read_at);
    Py_CLEAR(end->write);
    Py_CLEAR(end->stage);
    Py_CLEAR(end->filename);
}

void pyz_end_close(struct pyz_end *end) {
    zipnn_file *file = end->file;
    end->file = NULL;
    Py_BEGIN_ALLOW_THREADS;
    zipnn_file_close(file);
    Py_END_ALLOW_THREADS;
    drop_objects(end);
}

void pyz_end_drop(struct pyz_end *end) {
    zipnn_file *file = end->file;
    end->file = NULL;
    zipnn_file_close(file);
    drop_objects(end);
}
