#include "workers/each.h"

#include "workers/threads.h"

/* Tasks wait in seats by their number, so that passing a turn on wakes the task whose turn it is, and few others even
 * if there are more workers than seats. Empty tasks of 64 workers on two cores take 12 us each; they take 290 us when
 * all workers are woken. */
enum { N_SEATS = 32 };

struct zn_turns {
    pthread_mutex_t claim; /* held while a task is claimed, also while its input is read */
    pthread_mutex_t lock;  /* guards the fields below */
    pthread_cond_t moved[ZN_N_STAGES][N_SEATS];
    uint64_t now[ZN_N_STAGES]; /* the task whose turn it is */
    bool failed;
    uint64_t failed_at; /* the lowest number of a task that failed */
    zipnn_error error;
};

static zipnn_status turns_init(struct zn_turns *t, zipnn_error *err) {
    memset(t, 0, sizeof *t);
    bool claim = pthread_mutex_init(&t->claim, NULL) == 0;
    bool lock = pthread_mutex_init(&t->lock, NULL) == 0;
    unsigned n = 0; /* number of seats */
    pthread_cond_t *const seats = &t->moved[0][0];
    while (n < ZN_N_STAGES * N_SEATS && pthread_cond_init(&seats[n], NULL) == 0) n++;
    if (claim && lock && n == ZN_N_STAGES * N_SEATS) return ZIPNN_OK;
    if (claim) pthread_mutex_destroy(&t->claim);
    if (lock) pthread_mutex_destroy(&t->lock);
    while (n > 0) pthread_cond_destroy(&seats[--n]);
    return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "the system has no resources for another lock");
}

static void turns_destroy(struct zn_turns *t) {
    for (int stage = 0; stage < ZN_N_STAGES; stage++)
        for (int i = 0; i < N_SEATS; i++) pthread_cond_destroy(&t->moved[stage][i]);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->claim);
}

bool zn_task_wait(const struct zn_task *task, enum zn_stage stage) {
    struct zn_turns *t = task->turns;
    pthread_mutex_lock(&t->lock);
    while (t->now[stage] != task->i && !t->failed) pthread_cond_wait(&t->moved[stage][task->i % N_SEATS], &t->lock);
    const bool mine = !t->failed;
    pthread_mutex_unlock(&t->lock);
    return mine;
}

void zn_task_pass(const struct zn_task *task, enum zn_stage stage) {
    struct zn_turns *t = task->turns;
    pthread_mutex_lock(&t->lock);
    t->now[stage]++;
    pthread_cond_broadcast(&t->moved[stage][t->now[stage] % N_SEATS]);
    pthread_mutex_unlock(&t->lock);
}

void zn_task_lock(const struct zn_task *task) {
    pthread_mutex_lock(&task->turns->claim);
}

void zn_task_unlock(const struct zn_task *task) {
    pthread_mutex_unlock(&task->turns->claim);
}

/* Ends the run. Tasks that wait for a turn get none. */
static void fail(struct zn_turns *t, uint64_t i, const zipnn_error *error) {
    pthread_mutex_lock(&t->lock);
    if (!t->failed || i < t->failed_at) {
        t->failed_at = i;
        t->error = *error;
    }
    t->failed = true;
    for (int stage = 0; stage < ZN_N_STAGES; stage++)
        for (int seat = 0; seat < N_SEATS; seat++) pthread_cond_broadcast(&t->moved[stage][seat]);
    pthread_mutex_unlock(&t->lock);
}

static bool has_failed(struct zn_turns *t) {
    pthread_mutex_lock(&t->lock);
    const bool failed = t->failed;
    pthread_mutex_unlock(&t->lock);
    return failed;
}

struct run {
    struct zn_engine *e;
    const struct zn_tasks *tasks;
    struct zn_turns turns;
    /* under the claim lock */
    uint64_t next;
    bool drained; /* nothing more is claimed */
};

static zipnn_status claim(struct run *r, struct zn_task *task, bool *some, zipnn_error *err) {
    zipnn_status status = ZIPNN_OK;
    pthread_mutex_lock(&r->turns.claim);
    task->i = r->next;
    *some = !r->drained && r->next < r->tasks->n;
    if (*some && r->tasks->claim) {
        memset(task->w->task, 0, ZN_TASK_ROOM);
        status = r->tasks->claim(r->tasks->arg, task, some, err);
    }
    r->drained = status != ZIPNN_OK || !*some;
    r->next += !r->drained;
    pthread_mutex_unlock(&r->turns.claim);
    return status;
}

static void take_tasks(void *arg, size_t worker) {
    struct run *r = arg;
    while (!has_failed(&r->turns)) {
        struct zn_task task = {.w = &r->e->workers[worker], .turns = &r->turns};
        zipnn_error error = {ZIPNN_OK, ZN_NOWHERE, ""};
        bool some;
        zipnn_status status = claim(r, &task, &some, &error);
        if (status == ZIPNN_OK && !some) return;
        if (status == ZIPNN_OK) status = r->tasks->work(r->tasks->arg, &task, &error);
        error.status = status;
        if (status != ZIPNN_OK) fail(&r->turns, task.i, &error);
    }
}

zipnn_status zn_each(struct zn_engine *e, unsigned n_workers, const struct zn_tasks *tasks, zipnn_error *err) {
    struct run r = {.e = e, .tasks = tasks};
    if (tasks->n == 0) return ZIPNN_OK;
    ZN_TRY(turns_init(&r.turns, err));
    zn_engine_run(e, n_workers, take_tasks, &r);
    const zipnn_status status = r.turns.failed ? r.turns.error.status : ZIPNN_OK;
    if (status != ZIPNN_OK && err) *err = r.turns.error;
    turns_destroy(&r.turns);
    return status;
}
