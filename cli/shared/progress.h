/* Tells how far a long operation is: as a line on the terminal, as lines of JSON, or when a signal asks. */
#ifndef ZIPNN_CLI_PROGRESS_H
#define ZIPNN_CLI_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "line/args.h"

/* Guarded by `lock`: workers, and the thread that waits for signals, look at it. */
struct progress {
    pthread_mutex_t lock;
    enum progress_form form;
    bool running, shown;
    double start, last;   /* of the operation, and of its last line, in seconds */
    uint64_t done, total; /* original bytes of the operation; total UINT64_MAX: unknown */
    const char *file;     /* the present file; NULL: none is known */
    size_t n, n_files;    /* it is file n of these, counted from 1 */
    uint64_t size;        /* its bytes, 0 if not known */
    uint64_t before, all; /* bytes of the files before it, and of all files */
    double run_start;     /* when the first file began */
};

void progress_init(struct progress *p, enum progress_form form, bool quiet);

/* The run will work on `n` files of so many bytes together; 0: it is done with files. */
void progress_files(struct progress *p, size_t n, uint64_t bytes);

/* The run comes to the next file. `path` must live until the next call. Calls outside of operations. */
void progress_file(struct progress *p, const char *path, uint64_t size);

/* A new operation starts now: its line appears after a second. Reads outside of one, such as those that open an archive,
 * show nothing. */
void progress_start(struct progress *p);

/* A zipnn_progress_fn; `user` is the struct progress. Never stops the operation. */
int progress_tick(void *user, uint64_t done, uint64_t total);

/* Removes the line, and ends the operation. No other line appears before progress_start. */
void progress_end(struct progress *p);

/* Prints a line that stays, whatever the form is; `user` is the struct progress. For any thread. */
void progress_tell(void *user);

/* Returns seconds of a clock that only goes forward. */
double progress_now(void);

#endif
