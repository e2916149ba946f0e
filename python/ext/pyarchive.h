/* An archive as Python has it, for the files that read it. */
#ifndef PYZ_ARCHIVE_H
#define PYZ_ARCHIVE_H

#include <sys/types.h>

#include "pyzipnn.h"

enum { MAX_DESKS = 64 };

/* Where one thread at a time reads. */
struct pyz_desk {
    struct pyz_call call;
    PyThread_type_lock lock;
    unsigned long holder; /* the thread that has the lock; 0 for none. Changed with the GIL */
    bool begun;           /* `call` has been begun */
};

struct pyz_archive {
    PyObject_HEAD struct pyz_end end;
    struct pyz_bases bases;
    zipnn_archive *archive; /* NULL before it is open, and when it is closed. Changed with the GIL */
    struct pyz_desk *desks[MAX_DESKS];
    unsigned n_desks; /* the first opened the archive: it is the last to go */
    bool closing;     /* a thread waits until all others are gone */
    pid_t pid;        /* whose threads may be at the desks */
};

/* Waits for a desk of an open archive. NULL with an exception if it is closed, or if this thread reads it already. */
struct pyz_desk *pyz_archive_enter(struct pyz_archive *self);

void pyz_archive_leave(struct pyz_desk *d);

/* Methods: ranges(offset, length), and decode(offset, buffer, pieces). */
PyObject *pyz_archive_ranges(struct pyz_archive *self, PyObject *args);
PyObject *pyz_archive_decode(struct pyz_archive *self, PyObject *args);

/* Method: multiply(index, values, result, n, pairs, threads, parallel). */
PyObject *pyz_archive_multiply(struct pyz_archive *self, PyObject *args);

#endif
