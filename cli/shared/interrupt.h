/* Signals that end the program take the temporary file with them. */
#ifndef ZIPNN_CLI_INTERRUPT_H
#define ZIPNN_CLI_INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "zipnn/zipnn.h"

/* SIGINT, SIGTERM and SIGHUP are blocked in every thread but one, which waits for them. So nothing has to be safe in a
 * signal handler, and nothing is global. */
struct interrupt {
    bool started;
    sigset_t signals;
    pthread_mutex_t lock;
    zipnn_file *file; /* what would be left over; guarded by lock */
};

/* To be called before other threads are made; *in must live until the process ends. Later calls do nothing. */
void interrupt_start(struct interrupt *in);

/* From now on bytes of a mapped file that another process cut off read as zeros, as if they had been overwritten,
 * instead of ending the program: checks and zipnn_file_unchanged tell. */
void interrupt_survive_cut_files(void);

/* From now on `file` is discarded when a signal comes; NULL for none. */
void interrupt_watch(struct interrupt *in, zipnn_file *file);

#endif
