/* The module zipnn._zipnn. Its functions take positional arguments only: the package around it has the signatures that
 * people use. */
#include <unistd.h>

#include "pyzipnn.h"

struct pyz_state *pyz_state_of(PyObject *module) {
    return PyModule_GetState(module);
}

static PyObject *cpus(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    return PyLong_FromUnsignedLong(zipnn_available_cpus());
}

/* List of (id, name, kind, bits, exponent_bits, block_bytes, block_elements, numpy, ml_dtypes, torch, aliases) */
static PyObject *list_dtypes(PyObject *module, PyObject *unused) {
    zipnn_dtype_info t = {.size = sizeof t};
    PyObject *list = PyList_New(0);
    (void)module;
    (void)unused;
    for (int i = 1; list && zipnn_dtype_describe((zipnn_dtype)i, &t, NULL) == ZIPNN_OK; i++) {
        PyObject *row = Py_BuildValue("sssIIIIssss", t.id, t.name, t.kind, t.bits, t.exponent_bits, t.block_bytes,
                                      t.block_elements, t.numpy, t.ml_dtypes, t.torch, t.aliases);
        if (!row || PyList_Append(list, row) != 0) Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

static PyMethodDef methods[] = {
    {"command", pyz_command, METH_O, "command(argv) ends the process: it is the command zipnn"},
    {"compress", pyz_compress, METH_VARARGS,
     "compress(data, dtype, level, threads, verify, sha256, progress, bases=None)"},
    {"decompress", pyz_decompress, METH_VARARGS, "decompress(data, threads, progress, bases=None)"},
    {"decompress_into", pyz_decompress_into, METH_VARARGS,
     "decompress_into(data, buffer, threads, progress, bases=None)"},
    {"original_size", pyz_original_size, METH_VARARGS, "original_size(data)"},
    {"pack", pyz_pack, METH_VARARGS,
     "pack(source, sink, flags, dtype, level, threads, verify, sha256, progress, bases=None) -> stats"},
    {"unpack", pyz_unpack, METH_VARARGS, "unpack(source, sink, flags, threads, progress, bases=None) -> stats"},
    {"test", pyz_test, METH_VARARGS, "test(source, threads, progress, bases=None) -> stats"},
    {"recompress", pyz_recompress, METH_VARARGS, "recompress(source, sink, flags, level, threads, progress) -> stats"},
    {"estimate", pyz_estimate, METH_VARARGS,
     "estimate(source, dtype, level, threads, max_sampled, progress, bases=None) -> (original, archive, margin, "
     "sampled, n_chunks)"},
    {"apply", pyz_apply, METH_VARARGS, "apply(source, memory, threads, progress) -> stats"},
    {"survey", pyz_survey, METH_VARARGS,
     "survey(source, sink or None, flags, threads, progress, bases=None) -> (message, fault, original, intact, "
     "unplaced, unchecked, length_unknown, xxh3, damage)"},
    {"changes", pyz_changes, METH_VARARGS, "changes(weights or None, source, threads, take or None) -> (stats, info)"},
    {"merge", pyz_merge, METH_VARARGS, "merge(first, second, sink) -> stats"},
    {"dtypes", list_dtypes, METH_NOARGS,
     "List of (id, name, kind, bits, exponent_bits, block_bytes, block_elements, numpy, ml_dtypes, torch, aliases)"},
    {"cpus", cpus, METH_NOARGS, "Processors this process may run on"},
    {NULL, NULL, 0, NULL}};

static int add_constants(PyObject *module) {
    if (PyModule_AddStringConstant(module, "version", zipnn_version()) != 0) return -1;
    if (PyModule_AddIntConstant(module, "FILE_REPLACE", ZIPNN_FILE_REPLACE) != 0) return -1;
    if (PyModule_AddIntConstant(module, "FILE_SYNC", ZIPNN_FILE_SYNC) != 0) return -1;
    static const struct {
        const char *name;
        int flag;
    } layouts[] = {{"BIG_ENDIAN", ZIPNN_TENSOR_BIG_ENDIAN}, {"COLUMN_MAJOR", ZIPNN_TENSOR_COLUMN_MAJOR},
                   {"CONJUGATE", ZIPNN_TENSOR_CONJUGATE},   {"NEGATIVE", ZIPNN_TENSOR_NEGATIVE},
                   {"STRIDED", ZIPNN_TENSOR_STRIDED},       {"IN_PIECES", ZIPNN_TENSOR_IN_PIECES},
                   {"FILTERED", ZIPNN_TENSOR_FILTERED},     {"SHARED", ZIPNN_TENSOR_SHARED}};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (PyModule_AddIntConstant(module, layouts[i].name, layouts[i].flag) != 0) return -1;
    return 0;
}

static bool find_main_thread(struct pyz_state *state) {
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *thread = threading ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
    PyObject *ident = thread ? PyObject_GetAttrString(thread, "ident") : NULL;
    if (ident) state->main_thread = PyLong_AsUnsignedLong(ident);
    state->pid = getpid();
    Py_XDECREF(ident);
    Py_XDECREF(thread);
    Py_XDECREF(threading);
    return !PyErr_Occurred();
}

static int exec_module(PyObject *module) {
    struct pyz_state *state = pyz_state_of(module);
    if (!find_main_thread(state)) return -1;
    PyObject *errors = PyImport_ImportModule("zipnn.errors");
    if (!errors) return -1;
    state->error_of = PyObject_GetAttrString(errors, "error_of");
    Py_DECREF(errors);
    if (!state->error_of) return -1;
    state->archive_type = PyType_FromModuleAndSpec(module, &pyz_archive_spec, NULL);
    if (!state->archive_type || PyModule_AddType(module, (PyTypeObject *)state->archive_type) != 0) return -1;
    state->gpu_type = PyType_FromModuleAndSpec(module, &pyz_gpu_spec, NULL);
    if (!state->gpu_type || PyModule_AddType(module, (PyTypeObject *)state->gpu_type) != 0) return -1;
    state->weights_type = PyType_FromModuleAndSpec(module, &pyz_weights_spec, NULL);
    if (!state->weights_type || PyModule_AddType(module, (PyTypeObject *)state->weights_type) != 0) return -1;
    PyType_Spec *const others[] = {&pyz_kept_spec, &pyz_matrix_spec};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        PyObject *type = PyType_FromModuleAndSpec(module, others[i], NULL);
        const int added = type ? PyModule_AddType(module, (PyTypeObject *)type) : -1;
        Py_XDECREF(type);
        if (added != 0) return -1;
    }
    return add_constants(module);
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    struct pyz_state *state = pyz_state_of(module);
    Py_VISIT(state->error_of);
    Py_VISIT(state->archive_type);
    Py_VISIT(state->gpu_type);
    Py_VISIT(state->weights_type);
    return 0;
}

static int clear(PyObject *module) {
    struct pyz_state *state = pyz_state_of(module);
    Py_CLEAR(state->error_of);
    Py_CLEAR(state->archive_type);
    Py_CLEAR(state->gpu_type);
    Py_CLEAR(state->weights_type);
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)(uintptr_t)exec_module}, {0, NULL}};

static struct PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT,
                                        .m_name = "zipnn._zipnn",
                                        .m_size = sizeof(struct pyz_state),
                                        .m_methods = methods,
                                        .m_slots = slots,
                                        .m_traverse = traverse,
                                        .m_clear = clear};

PyMODINIT_FUNC PyInit__zipnn(void) {
    return PyModuleDef_Init(&definition);
}
