/* The extension zipnn._zipnn: what its files share. Limited API of CPython 3.11, so that one build serves every later
 * version.
 *
 * Every function here is called with the GIL held unless it says otherwise; the library is always called without. */
#ifndef PYZIPNN_H
#define PYZIPNN_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <stdbool.h>
#include <time.h>
#include <zipnn/zipnn.h>

struct pyz_state {
    PyObject *error_of; /* zipnn.errors.error_of(status, offset, message, filename) -> exception */
    PyObject *archive_type;
};

struct pyz_state *pyz_state_of(PyObject *module);

/* ---- one call of the library ------------------------------------------------------------------------------------- */

/* What the options of a call may be; everything is borrowed. */
struct pyz_options {
    const char *dtype; /* as safetensors spells it, NULL to measure */
    int level, threads, verify, sha256;
    PyObject *progress; /* called with (done, total or None); None for nothing */
};

/* A context for the length of one call, and what goes wrong during it. The first exception that a callback raises is
 * kept here and stops the call. */
struct pyz_call {
    const struct pyz_state *state;
    zipnn_ctx *ctx;
    zipnn_error err;
    PyObject *progress;
    PyObject *type, *value, *traceback;
    struct timespec reported;
};

enum pyz_signals {
    PYZ_SIGNALS_LATER, /* a signal waits until the call is over */
    PYZ_SIGNALS_STOP   /* an exception of a signal's handler (KeyboardInterrupt) stops the call */
};

/* Makes the context. `len` is the length of the input, UINT64_MAX when unknown; it limits the number of threads when
 * the caller leaves that open. On failure an exception is set and nothing needs ending. */
bool pyz_call_begin(struct pyz_call *call, const struct pyz_state *state, const struct pyz_options *options,
                    uint64_t len, enum pyz_signals signals);

/* Frees the context and turns a failure into an exception; true when `status` is ZIPNN_OK. `filename` may be NULL. */
bool pyz_call_end(struct pyz_call *call, zipnn_status status, PyObject *filename);

/* Only the second half, for a context that lives on. */
bool pyz_call_check(struct pyz_call *call, zipnn_status status, PyObject *filename);

/* Keeps the exception that is set now. */
void pyz_call_caught(struct pyz_call *call);

/* ---- sources and sinks ------------------------------------------------------------------------------------------- */

/* Where bytes come from or go: a path (str), a descriptor (int), memory (buffer protocol), or callables.
 *
 * A source of callables is a tuple (read, None, None) or (None, read_at, length): read(view) fills the start of a
 * memoryview and returns how many bytes, 0 at the end; read_at(offset, view) fills all of it. A sink is the callable
 * write(view) or None for nowhere. The views are gone when the callable returns. */
struct pyz_end {
    zipnn_file *file;
    Py_buffer view; /* of memory, when view.obj is set */
    PyObject *read, *read_at, *write;
    PyObject *filename; /* for messages; NULL when there is none */
    struct pyz_call *call;
    zipnn_source source;
    zipnn_sink sink;
};

/* On failure an exception is set and nothing needs closing. `call` may be set later, before the library reads. */
/* How an archive's file is read: by reads alone; mapped if the page cache has it; or also ahead of a reader of the whole,
 * if it has not. */
enum pyz_access { PYZ_ACCESS_READ, PYZ_ACCESS_MAP, PYZ_ACCESS_WHOLE };
void pyz_source_speed_up(struct pyz_end *end, enum pyz_access access);

bool pyz_source_open(struct pyz_end *end, PyObject *from, const struct pyz_state *state, struct pyz_call *call);

/* `like`: an open source whose permissions and times a new file gets. */
bool pyz_sink_open(struct pyz_end *end, PyObject *to, unsigned flags, const struct pyz_end *like,
                   const struct pyz_state *state, struct pyz_call *call);

/* A file that was not committed is gone. */
void pyz_end_close(struct pyz_end *end);

/* Sets the exception for a failure outside of any context. */
void pyz_raise(const struct pyz_state *state, zipnn_status status, const zipnn_error *err, PyObject *filename);

/* ---- what the module offers -------------------------------------------------------------------------------------- */

PyObject *pyz_compress(PyObject *module, PyObject *args);
PyObject *pyz_decompress(PyObject *module, PyObject *args);
PyObject *pyz_decompress_into(PyObject *module, PyObject *args);
PyObject *pyz_original_size(PyObject *module, PyObject *args);
PyObject *pyz_pack(PyObject *module, PyObject *args);
PyObject *pyz_unpack(PyObject *module, PyObject *args);
PyObject *pyz_test(PyObject *module, PyObject *args);

extern PyType_Spec pyz_archive_spec;

#endif
