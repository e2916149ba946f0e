/* Speed of the loops of every kernel set with one thread, in GB/s of original bytes: hot (256 KiB, repeatedly) and
 * streaming (256 MiB, once, with streaming stores where the set has them). memcpy in the same run gives the scale.
 * Usage: bench_kernels [set] */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/bytes.h"
#include "kernels/hash/hash.h"
#include "kernels/kernels.h"

enum { HOT = 256 << 10, STREAM = 256 << 20, MAX_PLANES = 8 };

struct job {
    const struct zn_kernels *kernels;
    enum zn_shape shape;
    unsigned width;
    enum zn_store store;
    size_t len; /* original bytes */
    uint8_t *words, *planes[MAX_PLANES];
    uint8_t map[256];
    uint16_t (*hist)[ZN_R16_CLASSES], (*cost)[ZN_R16_CLASSES];
    _Alignas(64) uint8_t hash[ZN_XXH3_STATE_SIZE];
    uint64_t result;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Returns memory in large pages, every page touched. */
static uint8_t *room(size_t len) {
    uint8_t *p = NULL;
    if (posix_memalign((void **)&p, 2 << 20, len) != 0) exit(1);
    madvise(p, len, MADV_HUGEPAGE);
    memset(p, 1, len);
    return p;
}

/* Returns the best of several runs of about 20 ms, or of three long ones. */
static double speed(void (*run)(struct job *), struct job *job) {
    double best = 1e9, start = now();
    run(job);
    const unsigned reps = 1 + (unsigned)(0.02 / (now() - start + 1e-9));
    for (unsigned k = 0; k < (reps > 1 ? 10 : 2); k++) {
        start = now();
        for (unsigned i = 0; i < reps; i++) run(job);
        best = ZN_MIN(best, (now() - start) / reps);
    }
    return (double)job->len / best * 1e-9;
}

static void run_memcpy(struct job *j) {
    memcpy(j->planes[0], j->words, j->len);
}
static void run_split(struct job *j) {
    j->kernels->split[j->shape](j->words, j->len / j->width, j->planes);
}
static void run_merge(struct job *j) {
    j->kernels->merge[j->shape]((const uint8_t *const *)j->planes, j->len / j->width, j->words, j->store);
}
/* Merges as a decoder does: planes piece by piece in the L2 cache, words to memory. */
static void run_merge_pieces(struct job *j) {
    for (size_t at = 0; at < j->len; at += HOT)
        j->kernels->merge[j->shape]((const uint8_t *const *)j->planes, HOT / j->width, j->words + at, j->store);
}
static void run_class_hist(struct job *j) {
    j->kernels->class_hist(j->words, j->len, 11, j->map, 15, 1, j->hist);
}
static void run_class_hist_4(struct job *j) {
    j->kernels->class_hist(j->words, j->len, 11, j->map, 15, 4, j->hist);
}
static void run_byte_hist(struct job *j) {
    uint32_t hist[256] = {0};
    j->kernels->byte_hist(j->words, j->len, 1, hist);
}
static void run_assign(struct job *j) {
    j->kernels->assign((void *)j->hist, j->len >> 11, (void *)j->cost, 16, j->planes[0]);
}
static void run_xxh3(struct job *j) {
    j->result = j->kernels->xxh3_64(j->words, j->len);
}
static void run_xxh3_update(struct job *j) {
    zn_xxh3_128_reset(j->hash);
    j->kernels->xxh3_update(j->hash, j->words, j->len);
}

static double streaming(void (*run)(struct job *), struct job *job, enum zn_store store) {
    job->len = STREAM;
    job->store = store;
    return speed(run, job);
}

static void print_row(const char *name, void (*run)(struct job *), struct job *job) {
    job->len = HOT;
    job->store = ZN_STORE_CACHED;
    const double hot = speed(run, job);
    printf("%-8s %-14s %8.1f %10.1f", job->kernels->name, name, hot, streaming(run, job, ZN_STORE_STREAM));
    if (run == run_merge)
        printf(" %10.1f %10.1f", streaming(run_merge_pieces, job, ZN_STORE_CACHED),
               streaming(run_merge_pieces, job, ZN_STORE_STREAM));
    printf("\n");
    fflush(stdout);
}

static void bench_shapes(struct job *job) {
    static const struct {
        const char *name;
        enum zn_shape shape;
        unsigned width;
    } shapes[] = {{"8", ZN_SHAPE_8, 1},     {"16", ZN_SHAPE_16, 2}, {"16r", ZN_SHAPE_16R, 2}, {"32", ZN_SHAPE_32, 4},
                  {"32r", ZN_SHAPE_32R, 4}, {"64", ZN_SHAPE_64, 8}, {"64r", ZN_SHAPE_64R, 8}, {"f16", ZN_SHAPE_F16, 2}};
    char name[32];
    for (unsigned s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        job->shape = shapes[s].shape;
        job->width = shapes[s].width;
        snprintf(name, sizeof name, "split %s", shapes[s].name);
        print_row(name, run_split, job);
        snprintf(name, sizeof name, "merge %s", shapes[s].name);
        print_row(name, run_merge, job);
    }
}

/* Fills in bell-shaped symbols, 15 of them listed, and different costs. */
static void fill(struct job *job) {
    uint32_t seed = 1;
    memset(job->map, 31, sizeof job->map);
    for (unsigned s = 0; s < 15; s++) job->map[113 + s] = (uint8_t)s;
    for (size_t i = 0; i < STREAM; i++) {
        seed = seed * 1664525 + 1013904223;
        job->words[i] = (uint8_t)(112 + (seed >> 30) + (seed >> 26 & 3) + (seed >> 22 & 7));
    }
    for (unsigned t = 0; t < 16; t++)
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++) job->cost[t][c] = (uint16_t)((t * 37 + c * 101) & 511);
}

int main(int argc, char **argv) {
    struct job job = {.kernels = zn_kernels_at(0), .words = room(STREAM)};
    for (unsigned p = 0; p < MAX_PLANES; p++) job.planes[p] = room(p == 0 ? STREAM : STREAM / 2);
    job.hist = (void *)room(STREAM / 2048 * 64);
    job.cost = (void *)room(16 * 64);
    fill(&job);
    printf("%-8s %-14s %8s %10s %10s %10s   GB/s\n", "set", "kernel", "hot", "streaming", "out", "out, NT");
    print_row("memcpy", run_memcpy, &job);
    for (unsigned i = 0; (job.kernels = zn_kernels_at(i)) != NULL; i++) {
        if (argc > 1 && strcmp(argv[1], job.kernels->name) != 0) continue;
        fill(&job);
        print_row("class_hist", run_class_hist, &job);
        print_row("class_hist/4", run_class_hist_4, &job);
        print_row("byte_hist", run_byte_hist, &job);
        print_row("assign", run_assign, &job);
        print_row("xxh3_64", run_xxh3, &job);
        print_row("xxh3_update", run_xxh3_update, &job);
        bench_shapes(&job);
    }
    return 0;
}
