/* gpu_check KERNELS FILE...: on a machine with a GPU of NVIDIA, loads archives into the device, compares every byte with what the
 * processor decodes, and times decoding of kept ranges beside copies on the device. One JSON object a line on standard output.
 * A FILE that is no archive is compressed in memory first. KERNELS is what `make gpu` builds. tools/gpu_check.sh runs it. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "zipnn/gpu.h"

enum { ROUNDS = 7, REPEATS = 8 };

/* The driver's calls that the library has no words for. */
static struct {
    int (*alloc)(uint64_t *at, size_t len);
    int (*release)(uint64_t at);
    int (*push)(void *context);
    int (*retain)(void **context, int device);
    int (*to_host)(void *to, uint64_t from, size_t len, void *stream);
    int (*on_device)(uint64_t to, uint64_t from, size_t len, void *stream);
    int (*wait)(void *stream);
} cuda;

static void fail(const char *what, const zipnn_error *err) {
    fprintf(stderr, "gpu_check: %s: %s\n", what, err ? err->message : "the driver refuses");
    exit(1);
}

static void find(void *library, const char *name, void *call, size_t size) {
    void *at = dlsym(library, name);
    if (!at) fail(name, NULL);
    memcpy(call, &at, size);
}

static void open_driver(void) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW), *context;
    if (!library) fail("libcuda.so.1 is not there", NULL);
    find(library, "cuMemAlloc_v2", &cuda.alloc, sizeof cuda.alloc);
    find(library, "cuMemFree_v2", &cuda.release, sizeof cuda.release);
    find(library, "cuCtxPushCurrent_v2", &cuda.push, sizeof cuda.push);
    find(library, "cuDevicePrimaryCtxRetain", &cuda.retain, sizeof cuda.retain);
    find(library, "cuMemcpyDtoHAsync_v2", &cuda.to_host, sizeof cuda.to_host);
    find(library, "cuMemcpyDtoDAsync_v2", &cuda.on_device, sizeof cuda.on_device);
    find(library, "cuStreamSynchronize", &cuda.wait, sizeof cuda.wait);
    if (cuda.retain(&context, 0) || cuda.push(context)) fail("device 0", NULL);
}

static unsigned char *read_file(const char *path, size_t *len) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) fail(path, &(zipnn_error){.message = "it cannot be read"});
    const long size = ftell(f);
    unsigned char *bytes = malloc((size_t)size + 1);
    rewind(f);
    if (!bytes || fread(bytes, 1, (size_t)size, f) != (size_t)size)
        fail(path, &(zipnn_error){.message = "it cannot be read"});
    fclose(f);
    bytes[size] = 0;
    *len = (size_t)size;
    return bytes;
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What is compared. */
struct subject {
    const char *name;
    zipnn_ctx *ctx;
    zipnn_gpu *gpu;
    zipnn_archive *archive;
    uint64_t len, device, other; /* two pieces of device memory of len bytes */
    unsigned char *right, *got;
    zipnn_gpu_kept *kept;
};

/* What is timed: REPEATS times, so that starting it costs little. */
static void decode(const struct subject *s) {
    zipnn_error err;
    for (int i = 0; i < REPEATS; i++)
        if (zipnn_gpu_decode(s->kept, s->device, NULL, &err) != ZIPNN_OK) fail(s->name, &err);
}

static void copy(const struct subject *s) {
    for (int i = 0; i < REPEATS; i++)
        if (cuda.on_device(s->other, s->device, (size_t)s->len, NULL)) fail(s->name, NULL);
}

static void load(const struct subject *s) {
    zipnn_error err;
    const zipnn_gpu_part part = {s->archive, 0, s->len, s->device};
    if (zipnn_gpu_load(s->gpu, s->ctx, &part, 1, NULL, &err) != ZIPNN_OK) fail(s->name, &err);
}

/* Returns GB/s, the median of ROUNDS. */
static double speed(const struct subject *s, void (*work)(const struct subject *s), int repeats) {
    double t[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        const double from = seconds();
        work(s);
        if (cuda.wait(NULL)) fail(s->name, NULL);
        t[i] = seconds() - from;
    }
    qsort(t, ROUNDS, sizeof *t, by_size);
    return (double)s->len * repeats / t[ROUNDS / 2] * 1e-9;
}

static int is_right(const struct subject *s) {
    memset(s->got, 0xEE, (size_t)s->len);
    if (cuda.to_host(s->got, s->device, (size_t)s->len, NULL) || cuda.wait(NULL)) fail(s->name, NULL);
    return memcmp(s->got, s->right, (size_t)s->len) == 0;
}

static int check(struct subject *s) {
    zipnn_gpu_stats stats;
    zipnn_error err;
    if (zipnn_archive_read(s->archive, 0, s->len, s->right, &err) != ZIPNN_OK) fail(s->name, &err);
    const zipnn_gpu_part part = {s->archive, 0, s->len, 0};
    if (zipnn_gpu_keep(s->gpu, s->ctx, &part, 1, &s->kept, &stats, &err) != ZIPNN_OK) fail(s->name, &err);
    load(s);
    const int loaded = is_right(s);
    decode(s);
    const int decoded = is_right(s);
    printf("{\"file\": \"%s\", \"bytes\": %" PRIu64 ", \"by_gpu\": %" PRIu64 ", \"kept\": %" PRIu64
           ", \"loaded_right\": %s, \"decoded_right\": %s, \"decode_gbs\": %.2f, \"copy_gbs\": %.2f, \"load_gbs\": "
           "%.2f}\n",
           s->name, s->len, stats.by_gpu, stats.copied, loaded ? "true" : "false", decoded ? "true" : "false",
           speed(s, decode, REPEATS), speed(s, copy, REPEATS), speed(s, load, 1));
    fflush(stdout);
    zipnn_gpu_drop(s->kept);
    return loaded && decoded;
}

struct memory {
    unsigned char *bytes;
    size_t len;
};

static zipnn_status read_at(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const struct memory *m = user;
    (void)err;
    memcpy(buf, m->bytes + off, len);
    return ZIPNN_OK;
}

/* Reads a file, and compresses it unless it is an archive. */
static struct memory read_archive(zipnn_ctx *ctx, const char *path) {
    struct memory m;
    uint64_t original;
    zipnn_error err = {.message = "out of memory"};
    m.bytes = read_file(path, &m.len);
    if (zipnn_original_size(m.bytes, m.len, &original, NULL) == ZIPNN_OK) return m;
    const size_t cap = (size_t)zipnn_compress_bound(m.len);
    unsigned char *archive = malloc(cap);
    if (!archive || zipnn_compress(ctx, m.bytes, m.len, archive, cap, &m.len, &err) != ZIPNN_OK) fail(path, &err);
    free(m.bytes);
    m.bytes = archive;
    return m;
}

static int check_file(zipnn_ctx *ctx, zipnn_gpu *gpu, const char *path) {
    struct subject s = {.name = path, .ctx = ctx, .gpu = gpu};
    struct memory m = read_archive(ctx, path);
    zipnn_archive_info info = {0};
    zipnn_error err;
    const zipnn_source source = {.user = &m, .read_at = read_at, .length = m.len};
    if (zipnn_archive_open(ctx, &source, &s.archive, &err) != ZIPNN_OK) fail(path, &err);
    zipnn_archive_get_info(s.archive, &info);
    s.len = info.original;
    s.right = malloc((size_t)s.len + 1);
    s.got = malloc((size_t)s.len + 1);
    if (!s.right || !s.got || cuda.alloc(&s.device, (size_t)s.len + 1) || cuda.alloc(&s.other, (size_t)s.len + 1))
        fail(path, &(zipnn_error){.message = "out of memory"});
    const int right = check(&s);
    cuda.release(s.device);
    cuda.release(s.other);
    zipnn_archive_close(s.archive);
    free(s.right);
    free(s.got);
    free(m.bytes);
    return right;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "gpu_check KERNELS FILE...\n");
        return 2;
    }
    size_t code_len;
    unsigned char *code = read_file(argv[1], &code_len);
    const zipnn_options options = {.size = sizeof options, .threads = zipnn_available_cpus()};
    const zipnn_gpu_options on_gpu = {.size = sizeof on_gpu, .code = code};
    zipnn_ctx *ctx;
    zipnn_gpu *gpu;
    zipnn_error err;
    int n_wrong = 0;
    if (zipnn_create(&options, &ctx, &err) != ZIPNN_OK) fail("zipnn", &err);
    if (zipnn_gpu_open(&on_gpu, &gpu, &err) != ZIPNN_OK) fail("the GPU", &err);
    open_driver();
    for (int i = 2; i < argc; i++) n_wrong += !check_file(ctx, gpu, argv[i]);
    zipnn_gpu_close(gpu);
    zipnn_destroy(ctx);
    free(code);
    return n_wrong != 0;
}
