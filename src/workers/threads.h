/* Threads of the library's own, for callers that bring no executor. */
#ifndef ZN_WORKERS_THREADS_H
#define ZN_WORKERS_THREADS_H

#include <pthread.h>

#include "base/bytes.h"
#include "base/mem.h"

struct zn_pool;

/* Makes a pool. Its threads start with the first run of more than one task, and again in a process that forked. */
zipnn_status zn_pool_create(const zipnn_allocator *alloc, unsigned n_threads, struct zn_pool **pool, zipnn_error *err);
void zn_pool_destroy(struct zn_pool *pool);

/* Runs tasks: zipnn_executor.run with a zn_pool as user. Tasks that find no thread run on the caller's. */
void zn_pool_run(void *pool, size_t n, void (*task)(void *arg, size_t i), void *arg);

#endif
