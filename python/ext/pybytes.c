/* compress and decompress: bytes in, bytes out. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pyzipnn.h"

/* A new bytes object of `len` bytes, not initialised. */
static PyObject *new_bytes(uint64_t len) {
    if (len > (uint64_t)PY_SSIZE_T_MAX) return PyErr_NoMemory();
    return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
}

/* Bases for one call; they are to be closed. False with an exception. */
static bool open_bases(PyObject *module, PyObject *list, struct pyz_bases *bases, struct pyz_options *options) {
    options->bases = bases;
    return pyz_bases_open(bases, list, pyz_state_of(module), NULL);
}

static bool begin(struct pyz_call *call, PyObject *module, const struct pyz_options *options, uint64_t len) {
    if (!pyz_call_begin(call, pyz_state_of(module), options, len)) return false;
    pyz_bases_call((struct pyz_bases *)options->bases, call);
    return true;
}

/* ---- compressing ------------------------------------------------------------------------------------------------- */

/* Memory of the greatest size that an archive can have; what the archive does not reach is never touched. The limited
 * API cannot shrink bytes, so the archive is copied into bytes of its own size, and large memory given back meanwhile.
 */
struct scratch {
    char *start;
    size_t len;
    bool mapped;
};

static bool scratch_begin(struct scratch *s, uint64_t len) {
    enum { LARGE = 8 << 20 };
    *s = (struct scratch){.len = (size_t)len};
    if (len > (uint64_t)PY_SSIZE_T_MAX) return PyErr_NoMemory() != NULL;
    void *memory = MAP_FAILED;
    if (len >= LARGE) memory = mmap(NULL, s->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    s->mapped = memory != MAP_FAILED; /* never on Windows */
    s->start = s->mapped ? memory : malloc(s->len);
    return s->start || PyErr_NoMemory() != NULL;
}

static void scratch_end(struct scratch *s) {
    if (!s->mapped)
        free(s->start);
    else if (s->len)
        munmap(s->start, s->len);
}

/* The first `len` bytes as an object. Whole pieces go back to the system as soon as they are copied. */
static PyObject *scratch_take(struct scratch *s, size_t len) {
    enum { PIECE = 4 << 20 };
    PyObject *bytes = new_bytes(len);
    char *to = bytes ? PyBytes_AsString(bytes) : NULL;
    while (to && len) {
        const size_t n = len < PIECE ? len : PIECE;
        memcpy(to, s->start, n);
        to += n;
        len -= n;
        if (!s->mapped || n < PIECE) continue;
        munmap(s->start, n);
        s->start += n;
        s->len -= n;
    }
    return bytes;
}

static PyObject *compress_view(PyObject *module, const Py_buffer *data, const struct pyz_options *options) {
    struct pyz_call call;
    struct scratch scratch;
    size_t len = (size_t)data->len, out_len = 0;
    zipnn_status status;
    PyObject *archive = NULL;
    if (!scratch_begin(&scratch, zipnn_compress_bound(len))) return NULL;
    if (begin(&call, module, options, len)) {
        Py_BEGIN_ALLOW_THREADS;
        status = zipnn_compress(call.ctx, data->buf, len, scratch.start, scratch.len, &out_len, &call.err);
        Py_END_ALLOW_THREADS;
        if (pyz_call_end(&call, status)) archive = scratch_take(&scratch, out_len);
    }
    scratch_end(&scratch);
    return archive;
}

PyObject *pyz_compress(PyObject *module, PyObject *args) {
    Py_buffer data;
    PyObject *from = NULL, *archive = NULL;
    struct pyz_bases bases;
    struct pyz_options o;
    if (!PyArg_ParseTuple(args, "y*ziippO|O:compress", &data, &o.dtype, &o.level, &o.threads, &o.verify, &o.sha256,
                          &o.progress, &from))
        return NULL;
    if (open_bases(module, from, &bases, &o)) {
        archive = compress_view(module, &data, &o);
        pyz_bases_close(&bases);
    }
    PyBuffer_Release(&data);
    return archive;
}

/* ---- restoring --------------------------------------------------------------------------------------------------- */

/* Restores into dst[0, cap); false with an exception. */
static bool decompress_view(PyObject *module, const Py_buffer *data, void *dst, size_t cap,
                            const struct pyz_options *options, size_t *len) {
    struct pyz_call call;
    zipnn_status status;
    if (!begin(&call, module, options, cap)) return false;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_decompress(call.ctx, data->buf, (size_t)data->len, dst, cap, len, &call.err);
    Py_END_ALLOW_THREADS;
    return pyz_call_end(&call, status);
}

static bool original_size(PyObject *module, const Py_buffer *data, uint64_t *original) {
    zipnn_error err = {ZIPNN_OK, UINT64_MAX, ""};
    zipnn_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_original_size(data->buf, (size_t)data->len, original, &err);
    Py_END_ALLOW_THREADS;
    if (status != ZIPNN_OK) pyz_raise(pyz_state_of(module), status, &err, NULL, NULL);
    return status == ZIPNN_OK;
}

/* A new bytes object of the size that the archive has said before; if it says another one now, what it leaves of the
 * object would be memory of others. */
static PyObject *decompress_new(PyObject *module, const Py_buffer *data, const struct pyz_options *options) {
    uint64_t size;
    size_t len = 0;
    PyObject *original = original_size(module, data, &size) ? new_bytes(size) : NULL;
    if (original && !decompress_view(module, data, PyBytes_AsString(original), (size_t)size, options, &len))
        Py_CLEAR(original);
    if (original && len != size) {
        const zipnn_error err = {ZIPNN_E_CORRUPT, UINT64_MAX, "the archive changed while it was restored"};
        pyz_raise(pyz_state_of(module), err.status, &err, NULL, NULL);
        Py_CLEAR(original);
    }
    return original;
}

PyObject *pyz_decompress(PyObject *module, PyObject *args) {
    Py_buffer data;
    PyObject *from = NULL, *original = NULL;
    struct pyz_bases bases;
    struct pyz_options o = {.verify = 1};
    if (!PyArg_ParseTuple(args, "y*iO|O:decompress", &data, &o.threads, &o.progress, &from)) return NULL;
    if (open_bases(module, from, &bases, &o)) {
        original = decompress_new(module, &data, &o);
        pyz_bases_close(&bases);
    }
    PyBuffer_Release(&data);
    return original;
}

PyObject *pyz_decompress_into(PyObject *module, PyObject *args) {
    Py_buffer data, buffer;
    PyObject *from = NULL, *result = NULL;
    struct pyz_bases bases;
    struct pyz_options o = {.verify = 1};
    if (!PyArg_ParseTuple(args, "y*w*iO|O:decompress_into", &data, &buffer, &o.threads, &o.progress, &from))
        return NULL;
    if (open_bases(module, from, &bases, &o)) {
        size_t len;
        if (decompress_view(module, &data, buffer.buf, (size_t)buffer.len, &o, &len)) result = PyLong_FromSize_t(len);
        pyz_bases_close(&bases);
    }
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
