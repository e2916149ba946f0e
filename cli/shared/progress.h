/* Shows on the terminal how far a long operation is. */
#ifndef ZIPNN_CLI_PROGRESS_H
#define ZIPNN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool wanted, running, shown;
    double start, last; /* seconds */
};

/* Standard error is a terminal and the user did not ask for quiet: the line may be shown. */
void progress_init(struct progress *p, bool quiet);

/* A new operation starts now: its line appears after a second. Reads outside of one, such as those that open an archive,
 * show nothing. */
void progress_start(struct progress *p);

/* A zipnn_progress_fn; `user` is the struct progress. Never stops the operation. */
int progress_tick(void *user, uint64_t done, uint64_t total);

/* Removes the line. No other appears before progress_start. */
void progress_end(struct progress *p);

/* Returns seconds of a clock that only goes forward. */
double progress_now(void);

#endif
