/* Threads under strain: cancelled at every call of the progress callback, given to executors that are slow or have
 * their own idea of order, several contexts at once, processes that fork. Whatever happens, the next run of the same
 * context gives the same bytes as ever. */
#define _GNU_SOURCE /* nanosleep */
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"
#include "zipnn/zipnn.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_THREADS_AFTER_FORK /* ThreadSanitizer ends a forked process that makes any */
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define NO_THREADS_AFTER_FORK
#endif

enum { LEN = (2 << 20) + 12345, BOUND = LEN + (1 << 20), MAX_THREADS = 4, WORLDS = 3 };

static struct {
    uint8_t original[LEN], archive[BOUND];
    size_t archive_len;
} expected;

/* What one caller works with. */
struct world {
    zipnn_ctx *ctx;
    uint8_t *archive, *restored;
    unsigned long calls, cancel_at; /* of the progress callback; 0: never */
    bool sound;
};

static int count_progress(void *user, uint64_t done, uint64_t total) {
    struct world *w = user;
    if (total != UINT64_MAX && done > total) fail_msg("progress says more is done than there is");
    return ++w->calls == w->cancel_at;
}

static void create_world(struct world *w, zipnn_options options) {
    *w = (struct world){.archive = malloc(BOUND), .restored = malloc(LEN)};
    options.size = sizeof options;
    options.level = 1;
    options.progress = count_progress;
    options.progress_user = w;
    assert_true(w->archive && w->restored);
    assert_int_equal(zipnn_create(&options, &w->ctx, NULL), ZIPNN_OK);
}

static void destroy_world(struct world *w) {
    zipnn_destroy(w->ctx);
    free(w->archive);
    free(w->restored);
}

enum job { PACK_PIPE, PACK_FILE, UNPACK_PIPE, UNPACK_FILE, TEST_FILE, DECOMPRESS, READ, N_JOBS };

static zipnn_status read_range(struct world *w, zipnn_error *err) {
    struct zt_input in = {.data = expected.archive, .len = expected.archive_len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *archive = NULL;
    zipnn_status status = zipnn_archive_open(w->ctx, &source, &archive, err);
    if (status != ZIPNN_OK) return status;
    status = zipnn_archive_read(archive, 0, LEN, w->restored, err);
    zipnn_archive_close(archive);
    return status;
}

static zipnn_status do_job(struct world *w, enum job job, zipnn_error *err) {
    const bool pack = job <= PACK_FILE, pipe = job == PACK_PIPE || job == UNPACK_PIPE;
    struct zt_input in = {.data = pack ? expected.original : expected.archive,
                          .len = pack ? LEN : expected.archive_len,
                          .longest = 70001};
    struct zt_output out = {.data = pack ? w->archive : w->restored, .cap = pack ? BOUND : LEN};
    const zipnn_source source = pipe ? zt_pipe(&in) : zt_file(&in);
    const zipnn_sink sink = pipe ? zt_pipe_sink(&out) : zt_file_sink(&out);
    if (job == TEST_FILE) return zipnn_test(w->ctx, &source, NULL, err);
    if (job == READ) return read_range(w, err);
    if (job == DECOMPRESS)
        return zipnn_decompress(w->ctx, expected.archive, expected.archive_len, w->restored, LEN, &(size_t){0}, err);
    return pack ? zipnn_pack(w->ctx, &source, &sink, NULL, err) : zipnn_unpack(w->ctx, &source, &sink, NULL, err);
}

/* Both ways, with the bytes that are expected. */
static bool is_sound(struct world *w) {
    size_t n = 0;
    if (zipnn_compress(w->ctx, expected.original, LEN, w->archive, BOUND, &n, NULL) != ZIPNN_OK) return false;
    if (n != expected.archive_len || memcmp(w->archive, expected.archive, n) != 0) return false;
    memset(w->restored, 0, LEN);
    if (zipnn_decompress(w->ctx, w->archive, n, w->restored, LEN, &n, NULL) != ZIPNN_OK) return false;
    return n == LEN && memcmp(w->restored, expected.original, LEN) == 0;
}

/* ---- cancelling */

static void cancelled_at_every_call(void **state) {
    (void)state;
    for (unsigned threads = 1; threads <= MAX_THREADS; threads += 3) {
        struct world w;
        create_world(&w, (zipnn_options){.threads = threads});
        for (enum job job = 0; job < N_JOBS; job++) {
            for (unsigned long n = 1;; n++) {
                zipnn_error err = {ZIPNN_OK, 0, ""};
                w.calls = 0;
                w.cancel_at = n;
                const zipnn_status status = do_job(&w, job, &err);
                if (status != (w.calls < n ? ZIPNN_OK : ZIPNN_E_CANCELLED))
                    fail_msg("job %d, %u threads, call %lu: %s", (int)job, threads, n, err.message);
                if (w.calls < n) break;
                if (w.calls > n) fail_msg("job %d, %u threads: called after it said stop", (int)job, threads);
            }
            assert_true(w.calls > 3);
            w.cancel_at = 0;
            assert_true(is_sound(&w));
        }
        destroy_world(&w);
    }
}

/* ---- executors */

static void pause_a_little(uint64_t random) {
    const struct timespec some = {.tv_nsec = (long)(random % 2000000)};
    nanosleep(&some, NULL);
}

/* One task on a thread of its own, after a while. */
struct late_task {
    void (*task)(void *arg, size_t i);
    void *arg;
    size_t i;
    uint64_t random;
    pthread_t thread;
};

static void *run_late(void *user) {
    struct late_task *t = user;
    pause_a_little(t->random);
    t->task(t->arg, t->i);
    pause_a_little(t->random >> 32);
    return NULL;
}

static void run_slowly(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    struct late_task tasks[64];
    assert_true(n <= 64);
    for (size_t i = n; i-- > 0;) {
        tasks[i] = (struct late_task){task, arg, i, zt_random(user), 0};
        assert_int_equal(pthread_create(&tasks[i].thread, NULL, run_late, &tasks[i]), 0);
    }
    for (size_t i = 0; i < n; i++) pthread_join(tasks[i].thread, NULL);
}

/* One after the other in any order, though as many were promised as there are threads. */
static void run_shuffled(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    size_t order[64];
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        const size_t k = (size_t)(zt_random(user) % (i + 1));
        order[i] = order[k];
        order[k] = i;
    }
    for (size_t i = 0; i < n; i++) task(arg, order[i]);
}

/* Against the contract: what is given to them is not done, or not all of it. */
static void run_none(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    (void)user, (void)n, (void)task, (void)arg;
}

static void run_last(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    (void)user;
    task(arg, n - 1);
}

static void executors_that_dawdle_and_shuffle(void **state) {
    (void)state;
    void (*const runs[])(void *, size_t, void (*)(void *, size_t), void *) = {run_slowly, run_shuffled, run_none,
                                                                              run_last};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        uint64_t random = 7;
        struct world w;
        create_world(&w, (zipnn_options){.threads = MAX_THREADS, .executor = {runs[i], &random}});
        for (unsigned k = 0; k < 5; k++) {
            w.calls = 0;
            w.cancel_at = k; /* 0: runs to its end */
            const zipnn_status status = do_job(&w, (enum job)(k % N_JOBS), NULL);
            assert_int_equal(status, k ? ZIPNN_E_CANCELLED : ZIPNN_OK);
            w.cancel_at = 0;
            assert_true(is_sound(&w));
        }
        destroy_world(&w);
    }
}

/* ---- contexts side by side */

static void *work(void *user) {
    struct world *w = user;
    w->sound = true;
    for (unsigned k = 0; k < 4 && w->sound; k++) {
        w->calls = 0;
        w->cancel_at = k % 2 ? 2 : 0;
        const zipnn_status status = do_job(w, (enum job)(k % N_JOBS), NULL);
        w->cancel_at = 0;
        w->sound = status == (k % 2 ? ZIPNN_E_CANCELLED : ZIPNN_OK) && is_sound(w);
    }
    return NULL;
}

static void contexts_do_not_meet(void **state) {
    (void)state;
    struct world worlds[WORLDS];
    pthread_t threads[WORLDS];
    for (unsigned i = 0; i < WORLDS; i++) create_world(&worlds[i], (zipnn_options){.threads = 1 + i});
    for (unsigned i = 0; i < WORLDS; i++) assert_int_equal(pthread_create(&threads[i], NULL, work, &worlds[i]), 0);
    for (unsigned i = 0; i < WORLDS; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < WORLDS; i++) {
        assert_true(worlds[i].sound);
        destroy_world(&worlds[i]);
    }
}

/* ---- processes */

/* Whether the context works in a child of this process, and still works here. */
static void fork_and_use(struct world *w) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        const bool sound = is_sound(w) && is_sound(w);
        zipnn_destroy(w->ctx);
        _exit(sound ? 0 : 1);
    }
    assert_true(is_sound(w));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void forked_before_and_after_use(void **state) {
    (void)state;
#if defined(NO_THREADS_AFTER_FORK)
    const unsigned most = 1;
#else
    const unsigned most = MAX_THREADS;
#endif
    for (unsigned threads = 1; threads <= most; threads += 3) {
        struct world w;
        create_world(&w, (zipnn_options){.threads = threads});
        fork_and_use(&w);
        fork_and_use(&w);
        destroy_world(&w);
    }
}

static int set_up(void **state) {
    (void)state;
    const zipnn_options options = {.size = sizeof options, .level = 1};
    zipnn_ctx *ctx;
    zt_sample(ZT_MIXED, 1, expected.original, LEN);
    if (zipnn_create(&options, &ctx, NULL) != ZIPNN_OK) return -1;
    const zipnn_status status =
        zipnn_compress(ctx, expected.original, LEN, expected.archive, BOUND, &expected.archive_len, NULL);
    zipnn_destroy(ctx);
    return status != ZIPNN_OK;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelled_at_every_call),
        cmocka_unit_test(executors_that_dawdle_and_shuffle),
        cmocka_unit_test(contexts_do_not_meet),
        cmocka_unit_test(forked_before_and_after_use),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
