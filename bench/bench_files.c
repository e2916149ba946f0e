/* bench_files RUNS LEVELS FILE...: compresses each file at each level (139: levels 1, 3 and 9), in memory, with one
 * thread. It prints one JSON object per file and level:
 *   {"file":F,"level":L,"original":N,"archive":N,"encode":SECONDS,"decode":SECONDS,"memcpy":SECONDS}
 * Nothing is verified. Times are medians of RUNS (1 to 9) that take turns; level 6 has at most 3 runs, slower levels
 * have one. Memory has been touched before. FILE must not contain characters that JSON escapes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rounds.h"

enum { MAX_RUNS = 9, SOME_RUNS = 3, LAST_FAST_LEVEL = 3, LAST_SWIFT_LEVEL = 6 };

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds, size_t n) {
    qsort(seconds, n, sizeof *seconds, by_size);
    return seconds[n / 2];
}

struct file {
    uint8_t *original, *archive, *restored;
    size_t len, cap;
};

static unsigned runs_of(int level, unsigned asked) {
    if (level > LAST_SWIFT_LEVEL) return 1;
    return level > LAST_FAST_LEVEL && asked > SOME_RUNS ? SOME_RUNS : asked;
}

static void measure(const struct file *f, const char *path, int level, unsigned asked) {
    zipnn_ctx *ctx = context_of(level, 1, ZIPNN_VERIFY_OFF, ZIPNN_DTYPE_UNKNOWN, ZIPNN_CPU_BEST);
    const unsigned runs = runs_of(level, asked);
    double encode[MAX_RUNS], decode[MAX_RUNS], copy[MAX_RUNS];
    size_t archive_len = 0, restored_len;
    zipnn_error err;
    for (unsigned i = 0; i < runs; i++) {
        double start = seconds_now();
        must(zipnn_compress(ctx, f->original, f->len, f->archive, f->cap, &archive_len, &err), &err);
        encode[i] = seconds_now() - start;
        start = seconds_now();
        must(zipnn_decompress(ctx, f->archive, archive_len, f->restored, f->len, &restored_len, &err), &err);
        decode[i] = seconds_now() - start;
        if (restored_len != f->len || memcmp(f->original, f->restored, f->len) != 0) die("restoring gave other bytes");
        start = seconds_now();
        memcpy(f->restored, f->original, f->len);
        copy[i] = seconds_now() - start;
    }
    printf(
        "{\"file\":\"%s\",\"level\":%d,\"original\":%zu,\"archive\":%zu,\"encode\":%.9f,\"decode\":%.9f,"
        "\"memcpy\":%.9f}\n",
        path, level, f->len, archive_len, median(encode, runs), median(decode, runs), median(copy, runs));
    zipnn_destroy(ctx);
}

int main(int argc, char **argv) {
    const int runs = argc > 3 ? atoi(argv[1]) : 0;
    if (runs < 1 || runs > MAX_RUNS) die("usage: bench_files RUNS LEVELS FILE...");
    for (int i = 3; i < argc; i++) {
        struct file f;
        f.original = file_read(argv[i], &f.len);
        f.cap = (size_t)zipnn_compress_bound(f.len);
        f.archive = room_alloc(f.cap);
        f.restored = room_alloc(f.len);
        for (const char *level = argv[2]; *level; level++) measure(&f, argv[i], *level - '0', (unsigned)runs);
        free(f.original);
        free(f.archive);
        free(f.restored);
    }
    return 0;
}
