/* Workers, and the thread that called, which runs all Python for them. */
#include <errno.h>
#include <signal.h>

#include "pyzipnn.h"

enum { MAX_WORKERS = 256, LOOK_MS = 50 };

void pyz_crew_init(struct pyz_crew *crew) {
    *crew = (struct pyz_crew){.caller = PyThread_get_thread_ident()};
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->asked, NULL);
    pthread_cond_init(&crew->answered, NULL);
}

void pyz_crew_end(struct pyz_crew *crew) {
    pthread_cond_destroy(&crew->answered);
    pthread_cond_destroy(&crew->asked);
    pthread_mutex_destroy(&crew->lock);
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

/* The tasks of one run: whoever comes takes the next. */
struct shift {
    struct pyz_crew *crew;
    void (*task)(void *arg, size_t i);
    void *arg;
    size_t n;
    atomic_size_t next;
};

static void take_tasks(struct shift *s) {
    for (size_t i; (i = atomic_fetch_add(&s->next, 1)) < s->n;) s->task(s->arg, i);
}

static void *thread_main(void *arg) {
    struct shift *s = arg;
    take_tasks(s);
    pthread_mutex_lock(&s->crew->lock);
    s->crew->n_running--;
    pthread_cond_signal(&s->crew->asked);
    pthread_mutex_unlock(&s->crew->lock);
    return NULL;
}

/* How many could be started. Signals are for the threads of Python. */
static size_t start_threads(struct shift *s, pthread_t *threads, size_t n) {
    sigset_t all, before;
    size_t started = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&s->crew->lock);
    while (started < n && pthread_create(&threads[started], NULL, thread_main, s) == 0) started++;
    s->crew->n_running = started;
    pthread_mutex_unlock(&s->crew->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* ---- the thread that called -------------------------------------------------------------------------------------- */

/* With the GIL. What a request runs may find a call that has been stopped. */
static void answer(struct pyz_call *call, struct pyz_request *request) {
    PyGILState_STATE gil = PyGILState_Ensure();
    request->run(request->arg);
    if (PyErr_Occurred()) pyz_call_caught(call);
    PyGILState_Release(gil);
}

/* False when it is time to look for signals. */
static bool wait_for_requests(struct pyz_call *call) {
    struct pyz_crew *crew = &call->crew;
    struct timespec until;
    if (!pyz_call_looks(call)) return pthread_cond_wait(&crew->asked, &crew->lock) == 0;
    timespec_get(&until, TIME_UTC);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_cond_timedwait(&crew->asked, &crew->lock, &until) != ETIMEDOUT;
}

static void look_for_signals(struct pyz_call *call) {
    PyGILState_STATE gil = PyGILState_Ensure();
    pyz_call_look_for_signals(call);
    PyGILState_Release(gil);
}

/* Until the last worker is done. Called and left with the lock held. */
static void serve(struct pyz_call *call) {
    struct pyz_crew *crew = &call->crew;
    while (crew->n_running) {
        struct pyz_request *request = crew->requests;
        if (!request && wait_for_requests(call)) continue;
        if (request) crew->requests = request->next;
        pthread_mutex_unlock(&crew->lock);
        if (request)
            answer(call, request);
        else
            look_for_signals(call);
        pthread_mutex_lock(&crew->lock);
        if (!request) continue;
        request->done = true;
        pthread_cond_broadcast(&crew->answered);
    }
}

void pyz_crew_run(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    struct pyz_call *call = user;
    struct shift shift = {.crew = &call->crew, .task = task, .arg = arg, .n = n};
    pthread_t threads[MAX_WORKERS];
    const size_t started = start_threads(&shift, threads, n < MAX_WORKERS ? n : MAX_WORKERS);
    if (started == 0) take_tasks(&shift); /* no thread to be had: everything is done here */
    pthread_mutex_lock(&call->crew.lock);
    serve(call);
    pthread_mutex_unlock(&call->crew.lock);
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

void pyz_crew_ask(struct pyz_call *call, void (*run)(void *arg), void *arg) {
    struct pyz_crew *crew = &call->crew;
    struct pyz_request request = {.run = run, .arg = arg};
    if (PyThread_get_thread_ident() == crew->caller) {
        answer(call, &request);
        return;
    }
    pthread_mutex_lock(&crew->lock);
    request.next = crew->requests;
    crew->requests = &request;
    pthread_cond_signal(&crew->asked);
    while (!request.done) pthread_cond_wait(&crew->answered, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}
