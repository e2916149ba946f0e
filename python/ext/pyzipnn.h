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
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include <zipnn/zipnn.h>

struct pyz_state {
    PyObject *error_of; /* zipnn.errors.error_of(status, offset, message, filename, new_name) */
    PyObject *archive_type, *gpu_type, *weights_type;
    unsigned long main_thread; /* of the process `pid` */
    pid_t pid;
};

struct pyz_state *pyz_state_of(PyObject *module);

/* ---- the thread that meets Python -------------------------------------------------------------------------------- */

/* The library's workers never run Python. What they need of it, callbacks, they ask of the thread that called, which
 * meanwhile does nothing but answer them and look for signals: so an interrupt is answered whatever the workers do,
 * callables run where they were given, and no collection of garbage begins on a thread that others wait for. */
struct pyz_request {
    void (*run)(void *arg); /* called with the GIL held */
    void *arg;
    bool done;
    struct pyz_request *next;
};

struct pyz_crew {
    unsigned long caller; /* the thread that called */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t asked, answered;
    struct pyz_request *requests; /* in no order */
    size_t n_running;             /* workers */
};

struct pyz_call;
struct pyz_bases;

/* For a call, or for an object that makes calls one after the other. A crew can be made anew after a fork. */
void pyz_crew_init(struct pyz_crew *crew);
void pyz_crew_end(struct pyz_crew *crew);

/* zipnn_executor.run, with a struct pyz_call. */
void pyz_crew_run(void *call, size_t n, void (*task)(void *arg, size_t i), void *arg);

/* Has `run` called with the GIL held by the thread that called the library; called without it. */
void pyz_crew_ask(struct pyz_call *call, void (*run)(void *arg), void *arg);

/* ---- one call of the library ------------------------------------------------------------------------------------- */

/* What the options of a call may be; everything is borrowed. */
struct pyz_options {
    const char *dtype; /* as safetensors spells it, NULL to measure */
    int level, threads, verify, sha256;
    PyObject *progress;            /* called with (done, total or None); None for nothing */
    const struct pyz_bases *bases; /* what differences are made against; NULL for none */
};

/* A context, and what goes wrong while it is used. The first exception of a callback, or of a signal's handler
 * (KeyboardInterrupt), is kept here and stops the call. */
struct pyz_call {
    const struct pyz_state *state;
    zipnn_ctx *ctx;
    zipnn_error err;
    PyObject *progress;            /* borrowed, or NULL */
    PyObject *filename, *new_name; /* of what is read and written, for messages; borrowed, or NULL */
    PyObject *type, *value, *traceback;
    atomic_bool stopped; /* an exception is kept */
    struct timespec reported, looked;
    struct pyz_crew crew;
};

/* Makes the context. `len` is the length of the input, UINT64_MAX when unknown; it limits the number of threads when
 * the caller leaves that open. On failure an exception is set and nothing needs ending. */
bool pyz_call_begin(struct pyz_call *call, const struct pyz_state *state, const struct pyz_options *options,
                    uint64_t len);

/* Frees the context and turns a failure into an exception; true when `status` is ZIPNN_OK. */
bool pyz_call_end(struct pyz_call *call, zipnn_status status);

/* For a context that lives on: this thread calls now. */
void pyz_call_again(struct pyz_call *call, PyObject *progress);

/* The second half of pyz_call_end, for a context that lives on. */
bool pyz_call_check(struct pyz_call *call, zipnn_status status);

/* Keeps the exception that is set now. */
void pyz_call_caught(struct pyz_call *call);

/* Whether handlers of signals would run on the thread that calls: it is the main thread, or may be, after a fork. */
bool pyz_call_looks(const struct pyz_call *call);

/* Runs the handlers of signals that have come, on the main thread, and keeps what they raise. */
void pyz_call_look_for_signals(struct pyz_call *call);

/* A length, a position or a number of something: an int, but no bool, that fits. False with an exception. */
bool pyz_as_u64(PyObject *number, const char *what, uint64_t *value);

/* ---- sources and sinks ------------------------------------------------------------------------------------------- */

/* Where bytes come from or go: a path (str), a descriptor (int), memory (buffer protocol), or callables.
 *
 * A source of callables is a tuple (read, None, None) or (None, read_at, length): read(view) fills the start of a
 * memoryview and returns how many bytes, 0 at the end; read_at(offset, n) returns exactly n bytes. A sink is the
 * callable write(bytes) or None for nowhere. No callable ever sees memory of the library's: whatever it keeps is safe
 * to keep. */
struct pyz_end {
    zipnn_file *file;
    Py_buffer view; /* of memory, when view.obj is set */
    PyObject *read, *read_at, *write;
    PyObject *stage;    /* a bytearray that `read` fills */
    PyObject *filename; /* for messages; NULL when there is none */
    struct pyz_call *call;
    zipnn_source source;
    zipnn_sink sink;
};

/* How an archive's file is read: by reads alone; mapped if the page cache has it; or also ahead of a reader of the
 * whole, if it has not; by reads, and it is a model file as it is, no archive. */
enum pyz_access { PYZ_ACCESS_READ, PYZ_ACCESS_MAP, PYZ_ACCESS_WHOLE, PYZ_ACCESS_MODEL };
void pyz_source_speed_up(struct pyz_end *end, enum pyz_access access);

/* On failure an exception is set and nothing needs closing. `call` may be set later, before the library reads. */
bool pyz_source_open(struct pyz_end *end, PyObject *from, const struct pyz_state *state, struct pyz_call *call);

/* `like`: an open source whose permissions and times a new file gets. */
bool pyz_sink_open(struct pyz_end *end, PyObject *to, unsigned flags, const struct pyz_end *like,
                   const struct pyz_state *state, struct pyz_call *call);

/* A file that was not committed is gone. The GIL is released meanwhile. */
void pyz_end_close(struct pyz_end *end);

/* The same without releasing the GIL, for objects that are collected. */
void pyz_end_drop(struct pyz_end *end);

/* ---- bases ------------------------------------------------------------------------------------------------------- */

/* What differences are made against and restored from. Zero: none. */
struct pyz_bases {
    struct pyz_end *ends;
    zipnn_source *sources;
    const char **names; /* NULL for what has none */
    PyObject *held;     /* the tuple that the names are of */
    size_t n;
    size_t n_direct; /* differences are made against the first of them only; the others are needed to read those */
};

/* Opens a tuple of (source, name or None, direct), the direct ones first; NULL and None stand for no bases. On failure an exception is set and nothing
 * needs closing. `call` may be set later, before the library reads. */
bool pyz_bases_open(struct pyz_bases *bases, PyObject *list, const struct pyz_state *state, struct pyz_call *call);
void pyz_bases_call(struct pyz_bases *bases, struct pyz_call *call);

/* Whether one of them is read by callables, which one thread at a time may use. */
bool pyz_bases_need_python(const struct pyz_bases *bases);

/* As pyz_end_close and pyz_end_drop. */
void pyz_bases_close(struct pyz_bases *bases);
void pyz_bases_drop(struct pyz_bases *bases);

/* Sets the exception for a failure. `new_name`: of the file that was to be written, NULL if there is none. */
void pyz_raise(const struct pyz_state *state, zipnn_status status, const zipnn_error *err, PyObject *filename,
               PyObject *new_name);

/* ---- what the module offers -------------------------------------------------------------------------------------- */

PyObject *pyz_command(PyObject *module, PyObject *argument);
PyObject *pyz_compress(PyObject *module, PyObject *args);
PyObject *pyz_decompress(PyObject *module, PyObject *args);
PyObject *pyz_decompress_into(PyObject *module, PyObject *args);
PyObject *pyz_original_size(PyObject *module, PyObject *args);
PyObject *pyz_pack(PyObject *module, PyObject *args);
PyObject *pyz_unpack(PyObject *module, PyObject *args);
PyObject *pyz_test(PyObject *module, PyObject *args);
PyObject *pyz_recompress(PyObject *module, PyObject *args);
PyObject *pyz_estimate(PyObject *module, PyObject *args);
PyObject *pyz_apply(PyObject *module, PyObject *args);
PyObject *pyz_survey(PyObject *module, PyObject *args);
PyObject *pyz_changes(PyObject *module, PyObject *args);
PyObject *pyz_merge(PyObject *module, PyObject *args);

/* (original, archive, n_chunks, xxh3, sha256 or None) */
PyObject *pyz_stats_tuple(const zipnn_stats *stats);

extern PyType_Spec pyz_archive_spec;
extern PyType_Spec pyz_gpu_spec;
extern PyType_Spec pyz_kept_spec;
extern PyType_Spec pyz_matrix_spec;
extern PyType_Spec pyz_weights_spec;

#endif
