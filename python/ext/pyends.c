/* Sources and sinks: paths, descriptors, memory, callables. */
#include <string.h>

#include "pyzipnn.h"

/* ---- callables --------------------------------------------------------------------------------------------------- */

/* Calls with (view) or (offset, view), then takes the view back: who kept it finds it released, and who took memory out
 * of it (BufferError) is refused. */
static PyObject *call_with_view(PyObject *callable, PyObject *offset, PyObject *view) {
    PyObject *result = offset ? PyObject_CallFunctionObjArgs(callable, offset, view, NULL)
                              : PyObject_CallFunctionObjArgs(callable, view, NULL);
    if (!result) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyObject *released = PyObject_CallMethod(view, "release", NULL);
        Py_XDECREF(released);
        PyErr_Restore(type, value, traceback);
        return NULL;
    }
    PyObject *released = PyObject_CallMethod(view, "release", NULL);
    if (!released) Py_CLEAR(result);
    Py_XDECREF(released);
    return result;
}

static PyObject *call_on_memory(PyObject *callable, PyObject *offset, void *buf, size_t len, int flags) {
    PyObject *view = PyMemoryView_FromMemory(buf, (Py_ssize_t)len, flags);
    PyObject *result = view ? call_with_view(callable, offset, view) : NULL;
    Py_XDECREF(view);
    return result;
}

/* The status of a callback that ends; a pending exception is kept. */
static zipnn_status leave(struct pyz_end *end, PyGILState_STATE gil) {
    zipnn_status status = ZIPNN_OK;
    if (PyErr_Occurred()) {
        pyz_call_caught(end->call);
        status = ZIPNN_E_IO;
    }
    PyGILState_Release(gil);
    return status;
}

static zipnn_status call_read(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err) {
    struct pyz_end *end = user;
    (void)err; /* the exception says it better */
    *got = 0;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *result = call_on_memory(end->read, NULL, buf, cap, PyBUF_WRITE);
    if (result) {
        size_t n = PyLong_AsSize_t(result);
        if (!PyErr_Occurred() && n > cap) PyErr_Format(PyExc_ValueError, "%zu bytes read into %zu", n, cap);
        if (!PyErr_Occurred()) *got = n;
        Py_DECREF(result);
    }
    return leave(end, gil);
}

static zipnn_status call_read_at(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    struct pyz_end *end = user;
    (void)err;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *offset = PyLong_FromUnsignedLongLong(off);
    PyObject *result = offset ? call_on_memory(end->read_at, offset, buf, len, PyBUF_WRITE) : NULL;
    Py_XDECREF(offset);
    Py_XDECREF(result);
    return leave(end, gil);
}

static zipnn_status call_write(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct pyz_end *end = user;
    (void)err;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *result = call_on_memory(end->write, NULL, (void *)(uintptr_t)buf, len, PyBUF_READ);
    Py_XDECREF(result);
    return leave(end, gil);
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
    uint64_t len = PyLong_AsUnsignedLongLong(length);
    if (PyErr_Occurred()) return false;
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
    end->source = (zipnn_source){
        .read_at = memory_read_at, .view = memory_view, .length = (uint64_t)end->view.len, .user = end};
    return true;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bool open_descriptor(struct pyz_end *end, PyObject *descriptor, const struct pyz_state *state) {
    long fd = PyLong_AsLong(descriptor);
    char name[32];
    if (PyErr_Occurred()) return false;
    PyOS_snprintf(name, sizeof name, "descriptor %ld", fd);
    zipnn_error err = {ZIPNN_OK, UINT64_MAX, ""};
    zipnn_status status =
        fd < 0 || fd > INT32_MAX ? ZIPNN_E_ARGUMENT : zipnn_file_from_fd((int)fd, name, &end->file, &err);
    if (status != ZIPNN_OK) pyz_raise(state, status, &err, NULL);
    return status == ZIPNN_OK;
}

/* The bytes of a path without NUL; NULL with an exception. */
static PyObject *encode_path(PyObject *path, char **bytes) {
    PyObject *encoded = NULL;
    if (PyUnicode_FSConverter(path, &encoded) == 0) return NULL;
    if (PyBytes_AsStringAndSize(encoded, bytes, NULL) != 0) Py_CLEAR(encoded);
    return encoded;
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
    if (status != ZIPNN_OK) pyz_raise(state, status, &err, path);
    end->filename = status == ZIPNN_OK ? Py_NewRef(path) : NULL;
    return status == ZIPNN_OK;
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
    if (status != ZIPNN_OK) pyz_raise(state, status, &err, path);
    return status == ZIPNN_OK;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

bool pyz_source_open(struct pyz_end *end, PyObject *from, const struct pyz_state *state, struct pyz_call *call) {
    memset(end, 0, sizeof *end);
    end->call = call;
    bool opened = PyTuple_Check(from)     ? open_callables(end, from)
                  : PyUnicode_Check(from) ? open_path(end, from, state)
                  : PyLong_Check(from)    ? open_descriptor(end, from, state)
                                          : open_memory(end, from);
    if (opened && end->file) zipnn_file_source(end->file, &end->source);
    return opened;
}

/* Speed only: what cannot be had is done without. */
void pyz_source_speed_up(struct pyz_end *end, enum pyz_access access) {
    if (!end->file || access == PYZ_ACCESS_READ) return;
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

void pyz_end_close(struct pyz_end *end) {
    zipnn_file *file = end->file;
    end->file = NULL;
    Py_BEGIN_ALLOW_THREADS;
    zipnn_file_close(file);
    Py_END_ALLOW_THREADS;
    if (end->view.obj) PyBuffer_Release(&end->view);
    Py_CLEAR(end->read);
    Py_CLEAR(end->read_at);
    Py_CLEAR(end->write);
    Py_CLEAR(end->filename);
}
