/* Multiplies a matrix of bf16 weights with a vector, and never has the matrix in memory: rows are decoded into the
 * processor's cache, used, and forgotten. The same product over the plain matrix gives the same bits; both are timed.
 *
 *   cc -O3 -march=native multiply.c $(pkg-config --cflags --libs zipnn) -pthread -o multiply
 *   ./multiply model.safetensors.znn model.layers.0.mlp.up_proj.weight 2
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zipnn/tiles.h>

enum { MAX_THREADS = 256, N_RUNS = 7, LANES = 64 };

/* One matrix, one vector, and two results. */
struct product {
    const zipnn_archive *archive;
    uint64_t index, n_rows, n_columns;
    const uint16_t *plain; /* the whole matrix, to compare with */
    const float *x;
    float *y;
    unsigned n_threads;
};

/* The rows of one thread, and what it works with. */
struct share {
    const struct product *p;
    uint64_t first, end;
    zipnn_ctx *ctx;
    void *buffer;
    size_t cap;
    int from_archive;
    zipnn_status status;
    zipnn_error err;
};

static float value(uint16_t bf16) {
    const uint32_t bits = (uint32_t)bf16 << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* The order of the sums depends on n alone: any way to cut the matrix gives the same bits. */
static float dot(const uint16_t *w, const float *x, size_t n) {
    float sum[LANES] = {0}, total = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++) sum[k] += value(w[i + k]) * x[i + k];
    for (size_t k = 0; i + k < n; k++) sum[k] += value(w[i + k]) * x[i + k];
    for (size_t k = 0; k < LANES; k++) total += sum[k];
    return total;
}

static zipnn_status multiply_rows(void *user, uint64_t first, uint64_t n, const void *rows, zipnn_error *err) {
    const struct product *p = user;
    const uint16_t *w = rows;
    (void)err;
    for (uint64_t i = 0; i < n; i++) p->y[first + i] = dot(w + i * p->n_columns, p->x, (size_t)p->n_columns);
    return ZIPNN_OK;
}

static void *work(void *arg) {
    struct share *s = arg;
    const struct product *p = s->p;
    const zipnn_tiles tiles = {s->buffer, s->cap, multiply_rows, (void *)(uintptr_t)p};
    if (s->from_archive)
        s->status = zipnn_archive_tiles(s->ctx, p->archive, p->index, s->first, s->end - s->first, &tiles, &s->err);
    else
        s->status = multiply_rows((void *)(uintptr_t)p, s->first, s->end - s->first, p->plain + s->first * p->n_columns,
                                  &s->err);
    return NULL;
}

/* One product. Returns its seconds, and a negative number if it failed. */
static double run(struct share *shares, unsigned n, int from_archive) {
    pthread_t threads[MAX_THREADS];
    struct timespec begin, end;
    int failed = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < n; i++) {
        shares[i].from_archive = from_archive;
        if (i && pthread_create(&threads[i], NULL, work, &shares[i]) != 0) exit(EXIT_FAILURE);
    }
    work(&shares[0]);
    for (unsigned i = 1; i < n; i++) pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (unsigned i = 0; i < n; i++) {
        if (shares[i].status != ZIPNN_OK) fprintf(stderr, "multiply: %s\n", shares[i].err.message);
        failed |= shares[i].status != ZIPNN_OK;
    }
    return failed ? -1 : (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}

/* Cuts the rows where chunks begin, so that no chunk is decoded twice. */
static int divide(const struct product *p, uint64_t offset, struct share *shares) {
    const uint64_t row = 2 * p->n_columns;
    uint64_t first = 0;
    for (unsigned i = 0; i < p->n_threads; i++) {
        struct share *s = &shares[i];
        uint64_t end = p->n_rows * (i + 1) / p->n_threads, index;
        zipnn_chunk_info chunk;
        if (end < p->n_rows && zipnn_archive_chunk_at(p->archive, offset + end * row, &index, NULL) == ZIPNN_OK &&
            zipnn_archive_chunk(p->archive, index, &chunk, NULL) == ZIPNN_OK && chunk.offset > offset)
            end = (chunk.offset - offset + row - 1) / row;
        const zipnn_options options = {.size = sizeof options, .threads = 1};
        *s = (struct share){
            .p = p, .first = first, .end = end > first ? end : first, .cap = (size_t)row + ZIPNN_TILE_BYTES};
        s->buffer = aligned_alloc(64, (s->cap + 63) / 64 * 64);
        if (!s->buffer || zipnn_create(&options, &s->ctx, &s->err) != ZIPNN_OK) return 0;
        first = s->end;
    }
    return 1;
}

static int compare(struct product *p, struct share *shares, double ratio) {
    double best[2] = {1e9, 1e9};
    float *y[2] = {calloc((size_t)p->n_rows, sizeof(float)), calloc((size_t)p->n_rows, sizeof(float))};
    int ok = y[0] && y[1];
    for (int i = 0; ok && i < 2 * N_RUNS; i++) {
        p->y = y[i % 2];
        const double seconds = run(shares, p->n_threads, i % 2);
        ok = seconds >= 0;
        if (seconds < best[i % 2]) best[i % 2] = seconds;
    }
    const double gigabytes = 2e-9 * (double)p->n_rows * (double)p->n_columns;
    if (ok) {
        printf("plain      %8.2f GB/s\n", gigabytes / best[0]);
        printf("archive    %8.2f GB/s of weights, %.2f of what is stored\n", gigabytes / best[1],
               ratio * gigabytes / best[1]);
        ok = memcmp(y[0], y[1], (size_t)p->n_rows * sizeof(float)) == 0;
        printf("the products are %s\n", ok ? "identical" : "DIFFERENT");
    }
    free(y[0]);
    free(y[1]);
    return ok;
}

static int multiply(zipnn_archive *archive, const char *name, unsigned n_threads, zipnn_error *err) {
    static struct share shares[MAX_THREADS];
    struct product p = {.archive = archive, .n_threads = n_threads};
    zipnn_tensor_info t;
    if (zipnn_archive_find(archive, name, &p.index, err) != ZIPNN_OK) return 0;
    if (zipnn_archive_tensor(archive, p.index, &t, err) != ZIPNN_OK) return 0;
    if (t.dtype != ZIPNN_BF16 || t.rank != 2 || t.length == 0) {
        snprintf(err->message, sizeof err->message, "%s is no matrix of bf16", name);
        return 0;
    }
    p.n_rows = t.shape[0];
    p.n_columns = t.shape[1];
    uint16_t *plain = malloc((size_t)t.length);
    float *x = malloc((size_t)p.n_columns * sizeof(float));
    int ok = plain && x && zipnn_archive_read_tensor(archive, p.index, plain, (size_t)t.length, err) == ZIPNN_OK;
    for (uint64_t i = 0; ok && i < p.n_columns; i++) x[i] = 1.0F / (float)(i % 97 + 3);
    p.plain = plain;
    p.x = x;
    ok = ok && divide(&p, t.offset, shares) && compare(&p, shares, (double)t.stored / (double)t.length);
    for (unsigned i = 0; i < n_threads; i++) {
        zipnn_destroy(shares[i].ctx);
        free(shares[i].buffer);
    }
    free(plain);
    free(x);
    return ok;
}

int main(int argc, char **argv) {
    zipnn_error err = {.message = "out of memory"};
    zipnn_ctx *ctx = NULL;
    zipnn_file *file = NULL;
    zipnn_archive *archive = NULL;
    zipnn_source source;
    const unsigned n_threads = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 1;
    if (argc < 3 || argc > 4 || n_threads < 1 || n_threads > MAX_THREADS) {
        fprintf(stderr, "usage: multiply ARCHIVE TENSOR [THREADS]\n");
        return 2;
    }
    int ok = zipnn_create(NULL, &ctx, &err) == ZIPNN_OK && zipnn_file_open(argv[1], &file, &err) == ZIPNN_OK &&
             zipnn_file_map(file, &err) == ZIPNN_OK;
    if (ok) zipnn_file_source(file, &source);
    ok = ok && zipnn_archive_open(ctx, &source, &archive, &err) == ZIPNN_OK &&
         multiply(archive, argv[2], n_threads, &err);
    if (!ok) fprintf(stderr, "%s: %s\n", argv[1], err.message);
    zipnn_archive_close(archive);
    zipnn_file_close(file);
    zipnn_destroy(ctx);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
