/* bench_files FILE...: what each level makes of each file, in memory, one thread. One JSON object per file and level:
 *   {"file":F,"level":L,"original":N,"archive":N,"encode":SECONDS,"decode":SECONDS}     medians of 5, not verified
 * FILE must not hold characters that JSON escapes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rounds.h"

enum { RUNS = 5 };

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds) {
    qsort(seconds, RUNS, sizeof *seconds, by_size);
    return seconds[RUNS / 2];
}

struct file {
    uint8_t *original, *archive, *restored;
    size_t len, cap;
};

static void measure(const struct file *f, const char *path, int level) {
    zipnn_ctx *ctx = context_of(level, 1, ZIPNN_VERIFY_OFF, ZIPNN_DTYPE_UNKNOWN, ZIPNN_CPU_BEST);
    double encode[RUNS], decode[RUNS];
    size_t archive_len = 0, restored_len;
    zipnn_error err;
    for (unsigned i = 0; i < RUNS; i++) {
        double start = seconds_now();
        must(zipnn_compress(ctx, f->original, f->len, f->archive, f->cap, &archive_len, &err), &err);
        encode[i] = seconds_now() - start;
        start = seconds_now();
        must(zipnn_decompress(ctx, f->archive, archive_len, f->restored, f->len, &restored_len, &err), &err);
        decode[i] = seconds_now() - start;
    }
    if (restored_len != f->len || memcmp(f->original, f->restored, f->len) != 0) die("restoring gave other bytes");
    printf("{\"file\":\"%s\",\"level\":%d,\"original\":%zu,\"archive\":%zu,\"encode\":%.9f,\"decode\":%.9f}\n", path,
           level, f->len, archive_len, median(encode), median(decode));
    zipnn_destroy(ctx);
}

int main(int argc, char **argv) {
    static const int levels[] = {1, 3, 9};
    for (int i = 1; i < argc; i++) {
        struct file f;
        f.original = file_read(argv[i], &f.len);
        f.cap = (size_t)zipnn_compress_bound(f.len);
        f.archive = room_alloc(f.cap);
        f.restored = room_alloc(f.len);
        for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) measure(&f, argv[i], levels[l]);
        free(f.original);
        free(f.archive);
        free(f.restored);
    }
    return 0;
}
