/* One call of the library: its context, its progress reports, its exceptions. */
#include <string.h>
#include <unistd.h>

#include "pyzipnn.h"

enum {
    REPORT_MS = 100,           /* at most ten reports a second, so that the GIL is not fought over */
    LOOK_MS = 50,              /* how often a thread that works looks for signals */
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

/* ---- arguments --------------------------------------------------------------------------------------------------- */

bool pyz_as_u64(PyObject *number, const char *what, uint64_t *value) {
    if (PyBool_Check(number) || !PyIndex_Check(number)) {
        PyErr_Format(PyExc_TypeError, "%s: an int is wanted", what);
        return false;
    }
    PyObject *index = PyNumber_Index(number);
    if (!index) return false;
    *value = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    if (!PyErr_Occurred()) return true;
    PyErr_Clear();
    PyErr_Format(PyExc_OverflowError, "%s: %R is negative or too large", what, number);
    return false;
}

/* ---- progress and signals ---------------------------------------------------------------------------------------- */

static bool is_due(struct timespec *last, int every_ms) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    long long ms = (long long)(now.tv_sec - last->tv_sec) * 1000 + (now.tv_nsec - last->tv_nsec) / 1000000;
    if (ms >= 0 && ms < every_ms) return false;
    *last = now;
    return true;
}

bool pyz_call_looks(const struct pyz_call *call) {
    return call->crew.caller == call->state->main_thread || call->state->pid != getpid();
}

void pyz_call_look_for_signals(struct pyz_call *call) {
    if (PyErr_CheckSignals() != 0) pyz_call_caught(call);
}

struct report {
    struct pyz_call *call;
    uint64_t done, total;
};

/* What progress() returns is ignored: functions like update() of tqdm return true. */
static void report(void *arg) {
    const struct report *r = arg;
    pyz_call_look_for_signals(r->call);
    if (!r->call->progress || atomic_load(&r->call->stopped)) return;
    PyObject *answer =
        r->total == UINT64_MAX
            ? PyObject_CallFunction(r->call->progress, "KO", (unsigned long long)r->done, Py_None)
            : PyObject_CallFunction(r->call->progress, "KK", (unsigned long long)r->done, (unsigned long long)r->total);
    Py_XDECREF(answer);
}

static int on_progress(void *user, uint64_t done, uint64_t total) {
    struct pyz_call *call = user;
    struct report r = {call, done, total};
    const bool here = PyThread_get_thread_ident() == call->crew.caller;
    const bool look = here && pyz_call_looks(call) && is_due(&call->looked, LOOK_MS); /* else it looks as it waits */
    const bool tell = call->progress && (is_due(&call->reported, REPORT_MS) || done == total);
    if ((look || tell) && !atomic_load(&call->stopped)) pyz_crew_ask(call, report, &r);
    return atomic_load(&call->stopped);
}

/* ---- exceptions -------------------------------------------------------------------------------------------------- */

void pyz_call_caught(struct pyz_call *call) {
    if (!call->type)
        PyErr_Fetch(&call->type, &call->value, &call->traceback);
    else
        PyErr_Clear();
    atomic_store(&call->stopped, true);
}

static PyObject *none_for_null(PyObject *object) {
    return object ? object : Py_None;
}

void pyz_raise(const struct pyz_state *state, zipnn_status status, const zipnn_error *err, PyObject *filename,
               PyObject *new_name) {
    const bool told = err->status == status && err->message[0];
    const char *text = told ? err->message : zipnn_status_name(status);
    PyObject *message = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
    PyObject *offset =
        told && err->offset != UINT64_MAX ? PyLong_FromUnsignedLongLong(err->offset) : Py_NewRef(Py_None);
    PyObject *error = NULL;
    if (message && offset)
        error = PyObject_CallFunction(state->error_of, "iOOOO", (int)status, offset, message, none_for_null(filename),
                                      none_for_null(new_name));
    Py_XDECREF(message);
    Py_XDECREF(offset);
    if (!error) return;
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
}

bool pyz_call_check(struct pyz_call *call, zipnn_status status) {
    atomic_store(&call->stopped, false);
    if (call->type) {
        PyErr_Restore(call->type, call->value, call->traceback);
        call->type = call->value = call->traceback = NULL;
        return false;
    }
    if (status == ZIPNN_OK) return true;
    pyz_raise(call->state, status, &call->err, call->filename, call->new_name);
    return false;
}

/* ---- begin and end ----------------------------------------------------------------------------------------------- */

void pyz_call_again(struct pyz_call *call, PyObject *progress) {
    call->crew.caller = PyThread_get_thread_ident();
    call->progress = progress == Py_None ? NULL : progress;
    timespec_get(&call->looked, TIME_UTC);
    call->reported = (struct timespec){0, 0};
}

/* The context alone. A record of zipnn 0.x does not say which its base is: it is the first. */
static bool create(struct pyz_call *call, const struct pyz_options *options, uint64_t len) {
    const struct pyz_bases none = {.n = 0}, *bases = options->bases ? options->bases : &none;
    zipnn_options o = {.size = sizeof o,
                       .level = options->level,
                       .threads = choose_threads(options->threads, len),
                       .verify = options->verify ? ZIPNN_VERIFY_DEFAULT : ZIPNN_VERIFY_OFF,
                       .sha256 = options->sha256,
                       .base = bases->n ? bases->sources : NULL,
                       .bases = bases->sources,
                       .n_bases = bases->n,
                       .base_names = bases->names,
                       .n_direct = bases->n_direct,
                       .executor = {pyz_crew_run, call},
                       .progress = on_progress,
                       .progress_user = call};
    if (options->threads < 0) {
        PyErr_SetString(PyExc_ValueError, "threads is negative");
        return false;
    }
    if (!find_dtype(options->dtype, &o.dtype)) return false;
    return pyz_call_check(call, zipnn_create(&o, &call->ctx, &call->err));
}

bool pyz_call_begin(struct pyz_call *call, const struct pyz_state *state, const struct pyz_options *options,
                    uint64_t len) {
    memset(call, 0, sizeof *call);
    call->state = state;
    pyz_crew_init(&call->crew);
    pyz_call_again(call, options->progress);
    if (create(call, options, len)) return true;
    pyz_crew_end(&call->crew);
    return false;
}

bool pyz_call_end(struct pyz_call *call, zipnn_status status) {
    zipnn_ctx *ctx = call->ctx;
    call->ctx = NULL;
    Py_BEGIN_ALLOW_THREADS;
    zipnn_destroy(ctx);
    Py_END_ALLOW_THREADS;
    pyz_crew_end(&call->crew);
    return pyz_call_check(call, status);
}
