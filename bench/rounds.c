#define _DEFAULT_SOURCE
#include "rounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { LARGE_PAGE = 2 << 20 };

void die(const char *what) {
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

void must(zipnn_status status, const zipnn_error *err) {
    if (status != ZIPNN_OK) die(err->message);
}

void *room_alloc(size_t len) {
    size_t size = (len + LARGE_PAGE) & ~(size_t)(LARGE_PAGE - 1);
    void *p = aligned_alloc(LARGE_PAGE, size);
    if (!p) die("no memory");
    (void)madvise(p, size, MADV_HUGEPAGE);
    memset(p, 1, size);
    return p;
}

zipnn_ctx *context_of(int level, unsigned threads, zipnn_verify verify, zipnn_dtype dtype, zipnn_cpu cpu) {
    zipnn_options options = {
        .size = sizeof options, .level = level, .threads = threads, .cpu = cpu, .dtype = dtype, .verify = verify};
    zipnn_ctx *ctx = NULL;
    zipnn_error err;
    must(zipnn_create(&options, &ctx, &err), &err);
    return ctx;
}

uint8_t *file_read(const char *path, size_t *len) {
    zipnn_file *file;
    zipnn_source source;
    zipnn_error err;
    must(zipnn_file_open(path, &file, &err), &err);
    zipnn_file_source(file, &source);
    if (!source.read_at) die("not a regular file");
    *len = (size_t)source.length;
    uint8_t *p = room_alloc(*len);
    must(source.read_at(source.user, 0, p, *len, &err), &err);
    zipnn_file_close(file);
    return p;
}

double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double time_once(const struct contender *c, unsigned reps) {
    if (c->before) c->before(c->arg);
    double start = seconds_now();
    for (unsigned i = 0; i < reps; i++) c->run(c->arg);
    double seconds = (seconds_now() - start) / reps;
    if (c->after) c->after(c->arg);
    return seconds;
}

void rounds_run(const char *group, size_t bytes, unsigned n_rounds, unsigned reps, const struct contender *contenders,
                size_t n) {
    double *seconds = calloc(n * n_rounds, sizeof *seconds);
    if (!seconds) die("no memory");
    for (size_t c = 0; c < n; c++) time_once(&contenders[c], 1);
    for (unsigned r = 0; r < n_rounds; r++)
        for (size_t c = 0; c < n; c++) seconds[c * n_rounds + r] = time_once(&contenders[c], reps);
    for (size_t c = 0; c < n; c++) {
        printf("{\"group\":\"%s\",\"name\":\"%s\",\"bytes\":%zu,\"seconds\":[", group, contenders[c].name, bytes);
        for (unsigned r = 0; r < n_rounds; r++) printf("%s%.9g", r ? "," : "", seconds[c * n_rounds + r]);
        puts("]}");
    }
    fflush(stdout);
    free(seconds);
}
