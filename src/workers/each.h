/* Tasks that workers claim until none is left. Every job of the library that runs on several threads is such a loop,
 * and this is the only one: jobs know neither threads nor locks. */
#ifndef ZN_WORKERS_EACH_H
#define ZN_WORKERS_EACH_H

#include "workers/engine.h"

struct zn_turns;

/* Tasks are numbered in the order in which they are claimed. Where results leave in this order, a task takes its turn
 * at a stage: its predecessors were all claimed by running workers, so waiting cannot deadlock, whatever the executor.
 */
enum zn_stage {
    ZN_STAGE_BYTES, /* the turn for the input's bytes */
    ZN_STAGE_RESULT,
    ZN_N_STAGES
};

/* A task that a worker has claimed. */
struct zn_task {
    struct zn_worker *w;
    struct zn_turns *turns;
    uint64_t i; /* its number */
};

struct zn_tasks {
    uint64_t n; /* number of tasks; UINT64_MAX: `claim` says when there are no more */
    /* Called by one thread at a time, in order. *some is true; set it to false when there are no more tasks. It leaves
     * what `work` needs in task->w->task, which holds zeros before. NULL: a task is only its number. */
    zipnn_status (*claim)(void *arg, struct zn_task *task, bool *some, zipnn_error *err);
    /* Called by the worker that claimed the task, at the same time as others. */
    zipnn_status (*work)(void *arg, struct zn_task *task, zipnn_error *err);
    void *arg;
};

/* Runs all tasks on this many workers. The first failure ends the run. If several tasks fail at once, the failure of
 * the lowest number is returned. */
zipnn_status zn_each(struct zn_engine *e, unsigned n_workers, const struct zn_tasks *tasks, zipnn_error *err);

/* Waits for the task's turn. Returns false when the run has failed meanwhile; the task must then end with ZIPNN_OK. */
bool zn_task_wait(const struct zn_task *task, enum zn_stage stage);

/* Ends the turn of the task that has it. */
void zn_task_pass(const struct zn_task *task, enum zn_stage stage);

/* Keeps the other workers from claiming tasks, and from calling this function, until zn_task_unlock. */
void zn_task_lock(const struct zn_task *task);
void zn_task_unlock(const struct zn_task *task);

#endif
