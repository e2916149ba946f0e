/* bench_cores turns|digest [ROUNDS]: what workers pay for going in turn. JSON lines.
 *
 *   turns    tasks without work on 1 to 64 workers: a claim, a turn for the bytes, a turn for the result.
 *            {"group":"turns","workers":N,"seconds":[one task's, one time per round]}
 *   digest   the digest of an original, a chunk of 512 KiB at a time, from memory.
 *            {"group":"digest","name":"XXH3-128","bytes":B,"seconds":[one chunk's, one time per round]}
 *
 * With more workers than processors most of them sleep, and passing a turn on wakes those who wait for one: that is the
 * cost which grows with the number of workers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rounds.h"
#include "workers/digest.h"
#include "workers/each.h"

enum { MAX_ROUNDS = 64, MAX_WORKERS = 64, N_TASKS = 20000, CHUNK = 512 << 10, N_CHUNKS = 256 };

static zipnn_status take_turns(void *arg, struct zn_task *task, zipnn_error *err) {
    (void)arg;
    (void)err;
    for (int stage = 0; stage < ZN_N_STAGES; stage++)
        if (zn_task_wait(task, (enum zn_stage)stage)) zn_task_pass(task, (enum zn_stage)stage);
    return ZIPNN_OK;
}

static void print_seconds(const double *seconds, unsigned n) {
    printf("\"seconds\":[");
    for (unsigned i = 0; i < n; i++) printf("%s%.9f", i ? "," : "", seconds[i]);
    printf("]}\n");
}

static void bench_workers(unsigned n_workers, unsigned n_rounds) {
    zipnn_options options = {.size = sizeof options, .threads = n_workers};
    struct zn_engine e;
    zipnn_error err;
    const struct zn_tasks tasks = {.n = N_TASKS, .work = take_turns};
    double seconds[MAX_ROUNDS];
    must(zn_engine_init(&e, &options, &err), &err);
    must(zn_engine_prepare(&e, CHUNK, ZN_USE_DECODE, &err), &err);
    for (unsigned i = 0; i <= n_rounds; i++) { /* the first round starts the threads */
        const double start = seconds_now();
        must(zn_each(&e, n_workers, &tasks, &err), &err);
        if (i > 0) seconds[i - 1] = (seconds_now() - start) / N_TASKS;
    }
    printf("{\"group\":\"turns\",\"workers\":%u,", n_workers);
    print_seconds(seconds, n_rounds);
    zn_engine_release(&e);
}

static void bench_turns(unsigned n_rounds) {
    for (unsigned n = 1; n <= MAX_WORKERS; n *= 2) bench_workers(n, n_rounds);
}

static void bench_digest(unsigned n_rounds) {
    uint8_t *data = room_alloc((size_t)N_CHUNKS * CHUNK), sum[16], sha256[ZN_SHA256_LEN];
    zipnn_options options = {.size = sizeof options, .threads = 1};
    struct zn_engine e;
    struct zn_digest d;
    zipnn_error err;
    double seconds[MAX_ROUNDS];
    must(zn_engine_init(&e, &options, &err), &err);
    for (unsigned i = 0; i <= n_rounds; i++) {
        zn_digest_begin(&d, e.k, false);
        const double start = seconds_now();
        for (size_t c = 0; c < N_CHUNKS; c++) zn_digest_update(&d, data + c * CHUNK, CHUNK);
        if (i > 0) seconds[i - 1] = (seconds_now() - start) / N_CHUNKS;
        zn_digest_result(&d, sum, sha256);
    }
    printf("{\"group\":\"digest\",\"name\":\"XXH3-128\",\"bytes\":%d,", CHUNK);
    print_seconds(seconds, n_rounds);
    zn_engine_release(&e);
    free(data);
}

int main(int argc, char **argv) {
    const unsigned n_rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 7;
    if (argc < 2 || n_rounds == 0 || n_rounds > MAX_ROUNDS) die("usage: bench_cores turns|digest [ROUNDS]");
    if (strcmp(argv[1], "turns") == 0) bench_turns(n_rounds);
    if (strcmp(argv[1], "digest") == 0) bench_digest(n_rounds);
    return 0;
}
