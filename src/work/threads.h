/* Threads: a parallel-for over the caller's executor or our own pool, and turns that keep results in order. */
#ifndef ZN_WORK_THREADS_H
#define ZN_WORK_THREADS_H

#include <pthread.h>

#include "base/bytes.h"
#include "base/mem.h"

struct zn_pool;

/* Our own threads: none before the first run with more than one task; a process that forked gets new ones. */
zipnn_status zn_pool_create(const zipnn_allocator *alloc, unsigned n_threads, struct zn_pool **pool, zipnn_error *err);
void zn_pool_destroy(struct zn_pool *pool);

/* zipnn_executor.run with a zn_pool as user. Tasks that find no thread run on the caller's. */
void zn_pool_run(void *pool, size_t n, void (*task)(void *arg, size_t i), void *arg);

/* Workers that claim jobs 0, 1, 2 ... and take them through stages, each stage in turn. A job's predecessors were all
 * claimed by running workers, so waiting for one's turn cannot deadlock, whatever the executor. */
enum zn_stage {
    ZN_STAGE_BYTES, /* what goes in */
    ZN_STAGE_RESULT,
    ZN_N_STAGES
};

struct zn_turns {
    pthread_mutex_t claim; /* for the owner: guards the claiming of jobs, and may be held while input is read */
    pthread_mutex_t lock;  /* guards what follows */
    pthread_cond_t moved;
    uint64_t now[ZN_N_STAGES]; /* the job whose turn it is */
    bool failed;
    uint64_t failed_at; /* the job that failed, the lowest if several did */
    zipnn_error error;
};

zipnn_status zn_turns_init(struct zn_turns *t, zipnn_error *err);
void zn_turns_destroy(struct zn_turns *t);

/* Waits for the turn of job `i`; false when the run has failed meanwhile (then there are no turns any more). */
bool zn_turns_wait(struct zn_turns *t, enum zn_stage stage, uint64_t i);

/* Ends the turn of the job that has it. */
void zn_turns_pass(struct zn_turns *t, enum zn_stage stage);

/* Ends the run; everyone waiting gets false. */
void zn_turns_fail(struct zn_turns *t, uint64_t i, const zipnn_error *error);

/* Whether the run has failed. Takes the lock. */
bool zn_turns_failed(struct zn_turns *t);

#endif
