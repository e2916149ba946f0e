#include "workers/threads.h"

#include <unistd.h>

struct zn_pool {
    zipnn_allocator alloc;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    unsigned n_threads; /* threads that are wanted besides the caller's */
    unsigned started;
    pid_t pid; /* threads do not survive fork: they belong to this process */
    bool stop;
    uint64_t round; /* counts runs, so that a thread notices a new one */
    size_t n, next, finished;
    void (*task)(void *arg, size_t i);
    void *arg;
    pthread_t threads[];
};

/* After a fork the threads exist in the parent only, and one of them may have held the lock. */
static void own_pool(struct zn_pool *p) {
    if (p->pid == getpid()) return;
    p->pid = getpid();
    p->started = 0;
    p->n = p->next = 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
}

zipnn_status zn_pool_create(const zipnn_allocator *alloc, unsigned n_threads, struct zn_pool **out, zipnn_error *err) {
    struct zn_pool *p = zn_alloc(alloc, sizeof *p + n_threads * sizeof p->threads[0]);
    if (!p) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory creating a pool of %u threads", n_threads);
    memset(p, 0, sizeof *p);
    p->alloc = *alloc;
    p->n_threads = n_threads;
    own_pool(p);
    *out = p;
    return ZIPNN_OK;
}

/* Runs tasks until none is left. Called and left with the lock held. */
static void take_tasks(struct zn_pool *p) {
    while (p->next < p->n) {
        size_t i = p->next++;
        pthread_mutex_unlock(&p->lock);
        p->task(p->arg, i);
        pthread_mutex_lock(&p->lock);
        if (++p->finished == p->n) pthread_cond_signal(&p->done);
    }
}

static void *thread_main(void *arg) {
    struct zn_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        take_tasks(p);
        if (!p->stop && p->next >= p->n) pthread_cond_wait(&p->work, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Starts the threads that are missing, at most n_threads. If the system refuses one, the others do its work. */
static void start_threads(struct zn_pool *p, size_t wanted) {
    while (p->started < p->n_threads && p->started < wanted) {
        if (pthread_create(&p->threads[p->started], NULL, thread_main, p) != 0) return;
        p->started++;
    }
}

void zn_pool_run(void *pool, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    struct zn_pool *p = pool;
    own_pool(p);
    if (n > 1) start_threads(p, n - 1);
    pthread_mutex_lock(&p->lock);
    p->task = task;
    p->arg = arg;
    p->n = n;
    p->next = p->finished = 0;
    if (n > 1) pthread_cond_broadcast(&p->work);
    take_tasks(p);
    while (p->finished < p->n) pthread_cond_wait(&p->done, &p->lock);
    p->n = p->next = 0;
    pthread_mutex_unlock(&p->lock);
}

void zn_pool_destroy(struct zn_pool *p) {
    if (!p) return;
    if (p->pid == getpid()) {
        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_cond_broadcast(&p->work);
        pthread_mutex_unlock(&p->lock);
        for (unsigned i = 0; i < p->started; i++) pthread_join(p->threads[i], NULL);
        pthread_cond_destroy(&p->done);
        pthread_cond_destroy(&p->work);
        pthread_mutex_destroy(&p->lock);
    }
    zipnn_allocator alloc = p->alloc;
    zn_free(&alloc, p);
}
