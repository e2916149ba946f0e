#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/input.h"
#include "shared/json_writer.h"
#include "shared/run_context.h"
#include "shared/run_report.h"
#include "shared/text.h"

enum { MIN_RUNS = 7, MAX_RUNS = 500, HUGE_PAGE = 2 << 20 };
static const double min_seconds = 0.5; /* of all runs of an operation together: small files are run more often */

/* What is measured. All memory has been written before the first run, so no page fault is timed. */
struct bench {
    zipnn_ctx *ctx;
    char *original, *archive, *restored;
    size_t len, cap, archive_len;
    double compress, decompress, copy; /* seconds, medians */
};

typedef zipnn_status timed_fn(struct bench *b, zipnn_error *err);

static zipnn_status do_compress(struct bench *b, zipnn_error *err) {
    return zipnn_compress(b->ctx, b->original, b->len, b->archive, b->cap, &b->archive_len, err);
}

static zipnn_status do_decompress(struct bench *b, zipnn_error *err) {
    size_t len;
    return zipnn_decompress(b->ctx, b->archive, b->archive_len, b->restored, b->len, &len, err);
}

static zipnn_status do_copy(struct bench *b, zipnn_error *err) {
    (void)err;
    memcpy(b->restored, b->original, b->len);
    return ZIPNN_OK;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static zipnn_status measure(struct bench *b, timed_fn *run, double *median, zipnn_error *err) {
    double seconds[MAX_RUNS], total = 0;
    size_t n = 0;
    zipnn_status st = run(b, err); /* warms up */
    while (st == ZIPNN_OK && n < MAX_RUNS && (n < MIN_RUNS || total < min_seconds)) {
        double start = progress_now();
        st = run(b, err);
        seconds[n] = progress_now() - start;
        total += seconds[n++];
    }
    if (st != ZIPNN_OK) return st;
    qsort(seconds, n, sizeof seconds[0], by_size);
    *median = seconds[n / 2];
    return ZIPNN_OK;
}

/* Memory in huge pages where the system gives them, every page touched. */
static char *touched_memory(size_t len) {
    if (len > SIZE_MAX - HUGE_PAGE) return NULL;
    size_t size = (len + HUGE_PAGE) & ~(size_t)(HUGE_PAGE - 1);
    char *p = aligned_alloc(HUGE_PAGE, size);
    if (!p) return NULL;
    (void)madvise(p, size, BENCH_ADVICE);
    memset(p, 1, size);
    return p;
}

static zipnn_status load(struct bench *b, const char *path, zipnn_error *err) {
    zipnn_file *in;
    zipnn_source source;
    zipnn_status st = input_open(path, &in, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(in, &source);
    uint64_t bound = source.read_at ? zipnn_compress_bound(source.length) : 0;
    b->len = (size_t)source.length;
    b->cap = (size_t)bound;
    if (!source.read_at) {
        st = cli_fail(err, ZIPNN_E_ARGUMENT, "only a regular file can be measured");
    } else if (bound >= SIZE_MAX / 2 || !(b->original = touched_memory(b->len)) ||
               !(b->archive = touched_memory(b->cap)) || !(b->restored = touched_memory(b->len))) {
        st = cli_fail(err, ZIPNN_E_MEMORY, "no memory for three times %" PRIu64 " bytes", source.length);
    } else {
        st = source.read_at(source.user, 0, b->original, b->len, err);
    }
    zipnn_file_close(in);
    return st;
}

static zipnn_status measure_all(struct bench *b, zipnn_error *err) {
    zipnn_status st = measure(b, do_copy, &b->copy, err);
    if (st == ZIPNN_OK) st = measure(b, do_compress, &b->compress, err);
    if (st == ZIPNN_OK) memset(b->restored, 0, b->len);
    if (st == ZIPNN_OK) st = measure(b, do_decompress, &b->decompress, err);
    if (st == ZIPNN_OK && memcmp(b->original, b->restored, b->len) != 0)
        st = cli_fail(err, ZIPNN_E_CORRUPT, "restoring gave other bytes");
    return st;
}

static double gbps(const struct bench *b, double seconds) {
    return seconds > 0 ? (double)b->len / seconds * 1e-9 : 0;
}

static void put_bench(struct run *run, const char *path, const struct bench *b) {
    double compress = gbps(b, b->compress), decompress = gbps(b, b->decompress), copy = gbps(b, b->copy);
    run_put_head(run, "  original     stored   ratio   compress decompress     memcpy  (GB/s)  name");
    if (!run->args->json) {
        printf("%10s %10s %6.2f%% %10.3f %10.3f %10.3f          ", text_size(b->len).text,
               text_size(b->archive_len).text, text_percent(b->archive_len, b->len), compress, decompress, copy);
        text_put(stdout, path);
        putchar('\n');
        fflush(stdout);
        return;
    }
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", path);
    json_number(&j, "original", b->len);
    json_number(&j, "stored", b->archive_len);
    json_number(&j, "compressed", b->archive_len);
    json_real(&j, "compress_gbps", compress, 4);
    json_real(&j, "decompress_gbps", decompress, 4);
    json_real(&j, "memcpy_gbps", copy, 4);
    json_number(&j, "threads", run_threads(run->args));
    json_number(&j, "level", run->args->level ? (unsigned)run->args->level : 3);
    json_text(&j, "kernel", zipnn_kernel_name(b->ctx));
    json_line_end(&j);
    fflush(stdout);
}

void bench_file(struct run *run, const char *path) {
    struct bench b = {0};
    zipnn_error err;
    zipnn_status st = run_need_context(run, &err);
    b.ctx = run->ctx;
    if (st == ZIPNN_OK) st = load(&b, path, &err);
    progress_start(&run->progress);
    if (st == ZIPNN_OK) st = measure_all(&b, &err);
    progress_end(&run->progress);
    if (st == ZIPNN_OK)
        put_bench(run, path, &b);
    else
        run_report_failure(run, path, &err);
    free(b.original);
    free(b.archive);
    free(b.restored);
}
