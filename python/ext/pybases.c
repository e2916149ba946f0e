/* Bases: what differences are made against and restored from. */
#include <string.h>

#include "pyzipnn.h"

/* One row (source, name or None, direct). The name lives as long as the tuple that is held. */
static bool open_one(struct pyz_bases *b, PyObject *row, const struct pyz_state *state, struct pyz_call *call) {
    PyObject *from;
    const char *name;
    int direct;
    struct pyz_end *end = &b->ends[b->n];
    if (!PyArg_ParseTuple(row, "Ozp;a base is (source, name or None, direct)", &from, &name, &direct)) return false;
    if (!pyz_source_open(end, from, state, call)) return false;
    if (direct) b->n_direct = b->n + 1;
    b->names[b->n] = name;
    b->sources[b->n++] = end->source;
    if (end->source.read_at) return true;
    PyErr_SetString(PyExc_ValueError, "a base is a file, memory or an object that can be read at any position");
    return false;
}

static bool open_all(struct pyz_bases *b, const struct pyz_state *state, struct pyz_call *call) {
    const Py_ssize_t n = PyTuple_Size(b->held);
    b->ends = PyMem_Calloc((size_t)n, sizeof *b->ends);
    b->sources = PyMem_Calloc((size_t)n, sizeof *b->sources);
    b->names = PyMem_Calloc((size_t)n, sizeof *b->names);
    if (!b->ends || !b->sources || !b->names) return PyErr_NoMemory() != NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *row = PyTuple_GetItem(b->held, i);
        if (!PyTuple_Check(row)) {
            PyErr_SetString(PyExc_TypeError, "a base is a tuple");
            return false;
        }
        if (!open_one(b, row, state, call)) return false;
    }
    return true;
}

bool pyz_bases_open(struct pyz_bases *b, PyObject *list, const struct pyz_state *state, struct pyz_call *call) {
    *b = (struct pyz_bases){.n = 0};
    if (!list || list == Py_None) return true;
    if (!PyTuple_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "bases are a tuple of tuples");
        return false;
    }
    if (PyTuple_Size(list) == 0) return true;
    b->held = Py_NewRef(list);
    if (open_all(b, state, call)) return true;
    pyz_bases_close(b);
    return false;
}

void pyz_bases_call(struct pyz_bases *b, struct pyz_call *call) {
    for (size_t i = 0; i < b->n; i++) b->ends[i].call = call;
}

bool pyz_bases_need_python(const struct pyz_bases *b) {
    for (size_t i = 0; i < b->n; i++)
        if (b->ends[i].read_at) return true;
    return false;
}

static void forget(struct pyz_bases *b) {
    PyMem_Free(b->ends);
    PyMem_Free(b->sources);
    PyMem_Free((void *)b->names);
    Py_CLEAR(b->held);
    *b = (struct pyz_bases){.n = 0};
}

void pyz_bases_close(struct pyz_bases *b) {
    for (size_t i = 0; i < b->n; i++) pyz_end_close(&b->ends[i]);
    forget(b);
}

void pyz_bases_drop(struct pyz_bases *b) {
    for (size_t i = 0; i < b->n; i++) pyz_end_drop(&b->ends[i]);
    forget(b);
}
