/* One call of the library: its context, its progress reports, its exceptions. */
#include <string.h>

#include "pyzipnn.h"

enum {
    REPORT_MS = 100,           /* at most ten reports a second, so that the GIL is not fought over */
    BYTES_PER_THREAD = 1 << 20 /* a thread for less is not worth waking */
};

static bool find_dtype(const char *name, zipnn_dtype *dtype) {
    *dtype = ZIPNN_DTYPE_UNKNOWN;
    if (!name) return true;
    if (zipnn_dtype_find(name, dtype, NULL) == ZIPNN_OK) return true;
    PyErr_Format(PyExc_ValueError, "no element type is named \"%s\"", name);
    return false;
}

static unsigned choose_threads(int wanted, uint64_t len) {
    if (wanted > 0) return (unsigned)wanted;
    uint64_t useful = len / BYTES_PER_THREAD + 1;
    unsigned cpus = zipnn_available_cpus();
    return useful < cpus ? (unsigned)useful : cpus;
}

/* ---- progress ---------------------------------------------------------------------------------------------------- */

static bool is_due(struct pyz_call *call, bool last) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    long long ms =
        (long long)(now.tv_sec - call->reported.tv_sec) * 1000 + (now.tv_nsec - call->reported.tv_nsec) / 1000000;
    if (!last && ms >= 0 && ms < REPORT_MS) return false;
    call->reported = now;
    return true;
}

static bool report(struct pyz_call *call, uint64_t done, uint64_t total) {
    if (PyErr_CheckSignals() != 0) return false;
    if (!call->progress) return true;
    PyObject *answer = total == UINT64_MAX ? PyObject_CallFunction(call->progress, "KO", done, Py_None)
                                           : PyObject_CallFunction(call->progress, "KK", done, total);
    int stop = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return stop == 0;
}

static int on_progress(void *user, uint64_t done, uint64_t total) {
    struct pyz_call *call = user;
    if (!is_due(call, done == total)) return 0;
    PyGILState_STATE gil = PyGILState_Ensure();
    bool go_on = !call->type && report(call, done, total);
    if (PyErr_Occurred()) pyz_call_caught(call);
    PyGILState_Release(gil);
    return go_on ? 0 : 1;
}

/* ---- exceptions -------------------------------------------------------------------------------------------------- */

void pyz_call_caught(struct pyz_call *call) {
    if (!call->type)
        PyErr_Fetch(&call->type, &call->value, &call->traceback);
    else
        PyErr_Clear();
}

void pyz_raise(const struct pyz_state *state, zipnn_status status, const zipnn_error *err, PyObject *filename) {
    bool told = err->status == status && err->message[0];
    PyObject *message =
        PyUnicode_DecodeUTF8(told ? err->message : zipnn_status_name(status),
                             (Py_ssize_t)strlen(told ? err->message : zipnn_status_name(status)), "backslashreplace");
    PyObject *offset =
        told && err->offset != UINT64_MAX ? PyLong_FromUnsignedLongLong(err->offset) : Py_NewRef(Py_None);
    PyObject *error = NULL;
    if (message && offset)
        error =
            PyObject_CallFunction(state->error_of, "iOOO", (int)status, offset, message, filename ? filename : Py_None);
    Py_XDECREF(message);
    Py_XDECREF(offset);
    if (!error) return;
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
}

bool pyz_call_check(struct pyz_call *call, zipnn_status status, PyObject *filename) {
    if (call->type) {
        PyErr_Restore(call->type, call->value, call->traceback);
        call->type = call->value = call->traceback = NULL;
        return false;
    }
    if (status == ZIPNN_OK) return true;
    pyz_raise(call->state, status, &call->err, filename);
    return false;
}

/* ---- begin and end ----------------------------------------------------------------------------------------------- */

bool pyz_call_begin(struct pyz_call *call, const struct pyz_state *state, const struct pyz_options *options,
                    uint64_t len, enum pyz_signals signals) {
    memset(call, 0, sizeof *call);
    call->state = state;
    call->progress = options->progress == Py_None ? NULL : options->progress;
    zipnn_options o = {.size = sizeof o,
                       .level = options->level,
                       .threads = choose_threads(options->threads, len),
                       .verify = options->verify ? ZIPNN_VERIFY_DEFAULT : ZIPNN_VERIFY_OFF,
                       .sha256 = options->sha256};
    if (options->threads < 0) {
        PyErr_SetString(PyExc_ValueError, "threads is negative");
        return false;
    }
    if (!find_dtype(options->dtype, &o.dtype)) return false;
    if (call->progress || signals == PYZ_SIGNALS_STOP) {
        o.progress = on_progress;
        o.progress_user = call;
    }
    return pyz_call_check(call, zipnn_create(&o, &call->ctx, &call->err), NULL);
}

bool pyz_call_end(struct pyz_call *call, zipnn_status status, PyObject *filename) {
    Py_BEGIN_ALLOW_THREADS;
    zipnn_destroy(call->ctx);
    Py_END_ALLOW_THREADS;
    return pyz_call_check(call, status, filename);
}
