/* compress and decompress: bytes in, bytes out. */
#include <stdlib.h>

#include "pyzipnn.h"

static bool begin(struct pyz_call *call, PyObject *module, const struct pyz_options *options, uint64_t len) {
    enum pyz_signals signals = options->progress == Py_None ? PYZ_SIGNALS_LATER : PYZ_SIGNALS_STOP;
    return pyz_call_begin(call, pyz_state_of(module), options, len, signals);
}

/* A new bytes object of `len` bytes, not initialised. */
static PyObject *new_bytes(uint64_t len) {
    if (len > (uint64_t)PY_SSIZE_T_MAX) return PyErr_NoMemory();
    return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
}

/* The archive is made in memory of the greatest size it can have, then copied into bytes of its own size: the limited
 * API cannot shrink bytes. What the archive does not reach of that memory is never touched. */
static PyObject *compress_view(PyObject *module, const Py_buffer *data, const struct pyz_options *options) {
    struct pyz_call call;
    size_t len = (size_t)data->len, out_len = 0;
    uint64_t bound = zipnn_compress_bound(len);
    char *dst = bound > (uint64_t)PY_SSIZE_T_MAX ? NULL : malloc((size_t)bound);
    if (!dst) return PyErr_NoMemory();
    zipnn_status status;
    PyObject *archive = NULL;
    if (pyz_call_begin(&call, pyz_state_of(module), options, len, PYZ_SIGNALS_STOP)) {
        Py_BEGIN_ALLOW_THREADS;
        status = zipnn_compress(call.ctx, data->buf, len, dst, (size_t)bound, &out_len, &call.err);
        Py_END_ALLOW_THREADS;
        if (pyz_call_end(&call, status, NULL)) archive = PyBytes_FromStringAndSize(dst, (Py_ssize_t)out_len);
    }
    free(dst);
    return archive;
}

PyObject *pyz_compress(PyObject *module, PyObject *args) {
    Py_buffer data;
    struct pyz_options o;
    if (!PyArg_ParseTuple(args, "y*ziippO:compress", &data, &o.dtype, &o.level, &o.threads, &o.verify, &o.sha256,
                          &o.progress))
        return NULL;
    PyObject *archive = compress_view(module, &data, &o);
    PyBuffer_Release(&data);
    return archive;
}

/* Restores into dst[0, cap); false with an exception. */
static bool decompress_view(PyObject *module, const Py_buffer *data, void *dst, size_t cap,
                            const struct pyz_options *options, size_t *len) {
    struct pyz_call call;
    zipnn_status status;
    if (!begin(&call, module, options, cap)) return false;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_decompress(call.ctx, data->buf, (size_t)data->len, dst, cap, len, &call.err);
    Py_END_ALLOW_THREADS;
    return pyz_call_end(&call, status, NULL);
}

static bool original_size(PyObject *module, const Py_buffer *data, uint64_t *original) {
    zipnn_error err = {ZIPNN_OK, UINT64_MAX, ""};
    zipnn_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_original_size(data->buf, (size_t)data->len, original, &err);
    Py_END_ALLOW_THREADS;
    if (status != ZIPNN_OK) pyz_raise(pyz_state_of(module), status, &err, NULL);
    return status == ZIPNN_OK;
}

PyObject *pyz_decompress(PyObject *module, PyObject *args) {
    Py_buffer data;
    struct pyz_options o = {.verify = 1};
    if (!PyArg_ParseTuple(args, "y*iO:decompress", &data, &o.threads, &o.progress)) return NULL;
    uint64_t size;
    size_t len;
    PyObject *original = original_size(module, &data, &size) ? new_bytes(size) : NULL;
    if (original &&
        !decompress_view(module, &data, PyBytes_AsString(original), (size_t)PyBytes_Size(original), &o, &len))
        Py_CLEAR(original);
    PyBuffer_Release(&data);
    return original;
}

PyObject *pyz_decompress_into(PyObject *module, PyObject *args) {
    Py_buffer data, buffer;
    struct pyz_options o = {.verify = 1};
    if (!PyArg_ParseTuple(args, "y*w*iO:decompress_into", &data, &buffer, &o.threads, &o.progress)) return NULL;
    size_t len;
    PyObject *result = NULL;
    if (decompress_view(module, &data, buffer.buf, (size_t)buffer.len, &o, &len)) result = PyLong_FromSize_t(len);
    PyBuffer_Release(&buffer);
    PyBuffer_Release(&data);
    return result;
}

PyObject *pyz_original_size(PyObject *module, PyObject *args) {
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "y*:original_size", &data)) return NULL;
    uint64_t size;
    PyObject *result = original_size(module, &data, &size) ? PyLong_FromUnsignedLongLong(size) : NULL;
    PyBuffer_Release(&data);
    return result;
}
