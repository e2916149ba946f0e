/* Archive: reads from bytes that the caller fetched. */
#include "pyarchive.h"

/* List of (source, offset, length). */
static PyObject *list_ranges(const zipnn_range *ranges, size_t n) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *item = Py_BuildValue("IKK", ranges[i].source, (unsigned long long)ranges[i].offset,
                                       (unsigned long long)ranges[i].length);
        if (!item || PyList_Append(list, item) != 0) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* Counts, takes memory, lists. The archive does not change, so the count holds. */
static zipnn_status find_ranges(const zipnn_archive *a, uint64_t off, uint64_t len, zipnn_range **ranges, size_t *n,
                                zipnn_error *err) {
    *ranges = NULL;
    zipnn_status status = zipnn_archive_ranges(a, off, len, NULL, 0, n, err);
    if (status != ZIPNN_OK) return status;
    *ranges = PyMem_Calloc(*n + 1, sizeof **ranges);
    return *ranges ? zipnn_archive_ranges(a, off, len, *ranges, *n, n, err) : ZIPNN_E_MEMORY;
}

PyObject *pyz_archive_ranges(struct pyz_archive *self, PyObject *args) {
    PyObject *offset, *length, *list = NULL;
    uint64_t off, len;
    zipnn_range *ranges;
    size_t n = 0;
    if (!PyArg_ParseTuple(args, "OO:ranges", &offset, &length) || !pyz_as_u64(offset, "an offset", &off) ||
        !pyz_as_u64(length, "a length", &len))
        return NULL;
    struct pyz_desk *d = pyz_archive_enter(self);
    if (!d) return NULL;
    const zipnn_status status = find_ranges(self->archive, off, len, &ranges, &n, &d->call.err);
    if (pyz_call_check(&d->call, status)) list = list_ranges(ranges, n);
    PyMem_Free(ranges);
    pyz_archive_leave(d);
    return list;
}

/* Pieces as Python has them, and their memory. */
struct pieces {
    zipnn_piece *piece;
    Py_buffer *buffer;
    size_t n; /* whose buffers are held */
};

static bool add_piece(struct pieces *p, PyObject *item) {
    PyObject *offset;
    unsigned source;
    zipnn_piece *piece = &p->piece[p->n];
    Py_buffer *buffer = &p->buffer[p->n];
    if (!PyArg_ParseTuple(item, "IOy*;a piece is (source, offset, bytes)", &source, &offset, buffer)) return false;
    p->n++;
    piece->bytes = buffer->buf;
    piece->range.source = source;
    piece->range.length = (uint64_t)buffer->len;
    return pyz_as_u64(offset, "an offset", &piece->range.offset);
}

static void free_pieces(struct pieces *p) {
    for (size_t i = 0; i < p->n; i++) PyBuffer_Release(&p->buffer[i]);
    PyMem_Free(p->buffer);
    PyMem_Free(p->piece);
}

static bool take_pieces(struct pieces *p, PyObject *list) {
    const Py_ssize_t n = PyList_Size(list);
    *p = (struct pieces){.piece = PyMem_Calloc((size_t)n + 1, sizeof *p->piece),
                         .buffer = PyMem_Calloc((size_t)n + 1, sizeof *p->buffer)};
    if (!p->piece || !p->buffer) PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n && !PyErr_Occurred(); i++) {
        PyObject *item = PyList_GetItem(list, i); /* borrowed; NULL when the list became shorter meanwhile */
        if (!item || !PyTuple_Check(item)) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a piece is (source, offset, bytes)");
            break;
        }
        Py_INCREF(item);
        (void)add_piece(p, item);
        Py_DECREF(item);
    }
    if (!PyErr_Occurred()) return true;
    free_pieces(p);
    return false;
}

/* What is missing is a list again: none when the buffer is filled. */
static PyObject *decode_pieces(struct pyz_archive *self, uint64_t off, const Py_buffer *to, const struct pieces *p) {
    enum { ROOM = 256 };
    zipnn_range missing[ROOM];
    zipnn_fetched f = {
        .size = sizeof f, .pieces = p->piece, .n_pieces = p->n, .missing = missing, .cap = ROOM, .n_missing = 0};
    PyObject *list = NULL;
    zipnn_status status;
    struct pyz_desk *d = pyz_archive_enter(self);
    if (!d) return NULL;
    pyz_call_again(&d->call, Py_None);
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_archive_decode(d->call.ctx, self->archive, off, (uint64_t)to->len, to->buf, &f, &d->call.err);
    Py_END_ALLOW_THREADS;
    if (pyz_call_check(&d->call, status)) list = list_ranges(missing, f.n_missing);
    pyz_archive_leave(d);
    return list;
}

PyObject *pyz_archive_decode(struct pyz_archive *self, PyObject *args) {
    PyObject *offset, *list, *missing = NULL;
    Py_buffer to;
    struct pieces pieces;
    uint64_t off;
    if (!PyArg_ParseTuple(args, "Ow*O!:decode", &offset, &to, &PyList_Type, &list)) return NULL;
    if (pyz_as_u64(offset, "an offset", &off) && take_pieces(&pieces, list)) {
        missing = decode_pieces(self, off, &to, &pieces);
        free_pieces(&pieces);
    }
    PyBuffer_Release(&to);
    return missing;
}
