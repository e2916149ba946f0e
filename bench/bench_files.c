/* bench_files LEVELS FILE...: what each level, as in 139, makes of each file, in memory, one thread. One JSON object
 * per file and level:
 *   {"file":F,"level":L,"original":N,"archive":N,"encode":SECONDS,"decode":SECONDS}     not verified; medians of 5,
 *   of one above level 3, which is slow
 * FILE must not hold characters that JSON escapes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rounds.h"

enum { MAX_RUNS = 5, LAST_FAST_LEVEL = 3 };

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

static void measure(const struct file *f, const char *path, int level) {
    zipnn_ctx *ctx = context_of(level, 1, ZIPNN_VERIFY_OFF, ZIPNN_DTYPE_UNKNOWN, ZIPNN_CPU_BEST);
    const unsigned runs = level > LAST_FAST_LEVEL ? 1 : MAX_RUNS;
    double encode[MAX_RUNS], decode[MAX_RUNS];
    size_t archive_len = 0, restored_len;
    zipnn_error err;
    for (unsigned i = 0; i < runs; i++) {
        double start = seconds_now();
        must(zipnn_compress(ctx, f->original, f->len, f->archive, f->cap, &archive_len, &err), &err);
        encode[i] = seconds_now() - start;
        start = seconds_now();
        must(zipnn_decompress(ctx, f->archive, archive_len, f->restored, f->len, &restored_len, &err), &err);
        decode[i] = seconds_now() - start;
    }
    if (restored_len != f->len || memcmp(f->original, f->restored, f->len) != 0) die("restoring gave other bytes");
    printf("{\"file\":\"%s\",\"level\":%d,\"original\":%zu,\"archive\":%zu,\"encode\":%.9f,\"decode\":%.9f}\n", path,
           level, f->len, archive_len, median(encode, runs), median(decode, runs));
    zipnn_destroy(ctx);
}

int main(int argc, char **argv) {
    if (argc < 2) die("usage: bench_files LEVELS FILE...");
    for (int i = 2; i < argc; i++) {
        struct file f;
        f.original = file_read(argv[i], &f.len);
        f.cap = (size_t)zipnn_compress_bound(f.len);
        f.archive = room_alloc(f.cap);
        f.restored = room_alloc(f.len);
        for (const char *level = argv[1]; *level; level++) measure(&f, argv[i], *level - '0');
        free(f.original);
        free(f.archive);
        free(f.restored);
    }
    return 0;
}
