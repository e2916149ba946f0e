/* When a signal ends the program, the temporary file is removed first. */
#ifndef ZIPNN_CLI_INTERRUPT_H
#define ZIPNN_CLI_INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "zipnn/zipnn.h"

/* SIGINT, SIGTERM and SIGHUP are blocked in every thread but one, which waits for them. So nothing has to be safe in a
 * signal handler, and nothing is global. */
struct interrupt {
    sigset_t signals;
    pthread_mutex_t lock;
    zipnn_file *file;         /* the one that would be left over; guarded by lock */
    atomic_bool gently;       /* the first signal is only noted */
    atomic_bool asked;        /* that has come */
    void (*tell)(void *user); /* called when SIGUSR1 comes, which then does not end the program */
    void *user;
};

/* Must be called before other threads are created; *in must live until the process ends. `tell` must be safe in a thread
 * of its own. */
void interrupt_start(struct interrupt *in, void (*tell)(void *user), void *user);

/* After this call, bytes of a mapped file that another process cuts off are read as zeros; otherwise SIGBUS would end
 * the program. Checksums and zipnn_file_unchanged then report the change. */
void interrupt_survive_cut_files(void);

/* After this call, `file` is discarded when a signal comes; NULL for none. */
void interrupt_watch(struct interrupt *in, zipnn_file *file);

/* From now on the first signal only asks the program to stop, as soon as it leaves nothing half done. A second one ends it.
 * */
void interrupt_gently(struct interrupt *in);

/* Returns whether that signal has come. */
bool interrupt_asked(struct interrupt *in);

#endif
