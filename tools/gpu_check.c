/* gpu_check KERNELS WHAT...: on a machine with a GPU of NVIDIA, loads archives into the device, compares every byte, or the error, with what the
 * processor gives, and times decoding of kept parts beside copies on the device. One JSON object a line on standard output.
 *
 *     WHAT   an archive; any other file, which is compressed in memory first; or TYPE:MEGABYTES:LEVEL, made weights of
 *            bf16, fp16, fp32, fp8 (E4M3) or int8. After -q, files are compared and not timed: one line for all of them
 *
 * KERNELS is what `make gpu` builds. tools/gpu_check.sh runs it. */
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

/* Returns whether processor and GPU give the same bytes or the same error, and whether these are bytes. */
static int is_same(struct subject *s, zipnn_gpu_stats *stats, int *sound) {
    const zipnn_gpu_part part = {s->archive, 0, s->len, s->device};
    zipnn_error by_cpu = {.status = ZIPNN_OK}, by_gpu = {.status = ZIPNN_OK};
    zipnn_archive_read(s->archive, 0, s->len, s->right, &by_cpu);
    zipnn_gpu_load(s->gpu, s->ctx, &part, 1, stats, &by_gpu);
    *sound = by_cpu.status == ZIPNN_OK;
    if (by_cpu.status != by_gpu.status || (!*sound && strcmp(by_cpu.message, by_gpu.message) != 0)) {
        fprintf(stderr, "gpu_check: %s: \"%s\" on the processor, \"%s\" on the GPU\n", s->name, by_cpu.message,
                by_gpu.message);
        return 0;
    }
    return !*sound || is_right(s);
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
    const double speed_of_decode = speed(s, decode, REPEATS);
    printf("{\"file\": \"%s\", \"bytes\": %" PRIu64 ", \"by_gpu\": %" PRIu64 ", \"kept\": %" PRIu64
           ", \"loaded_right\": %s, \"decoded_right\": %s, \"decode_gbs\": %.2f, \"copy_gbs\": %.2f, \"load_gbs\": "
           "%.2f, \"decode_ms\": %.3f}\n",
           s->name, s->len, stats.by_gpu, stats.copied, loaded ? "true" : "false", decoded ? "true" : "false",
           speed_of_decode, speed(s, copy, REPEATS), speed(s, load, 1), (double)s->len / speed_of_decode * 1e-6);
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

/* ---- made weights ------------------------------------------------------------------------------------------------ */

static const struct made {
    const char *name;
    zipnn_dtype dtype;
    unsigned width;
} made[] = {{"bf16", ZIPNN_BF16, 2},
            {"fp16", ZIPNN_F16, 2},
            {"fp32", ZIPNN_F32, 4},
            {"fp8", ZIPNN_F8_E4M3, 1},
            {"int8", ZIPNN_I8, 1}};

static uint64_t random_bits(uint64_t *seed) {
    *seed += 0x9E3779B97F4A7C15u;
    uint64_t z = (*seed ^ *seed >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* A number near 0 whose distribution is nearly that of Gauss: eight dice of 8 bits each. */
static float near_zero(uint64_t *seed) {
    uint64_t r = random_bits(seed);
    int sum = -4 * 255;
    for (int i = 0; i < 8; i++, r >>= 8) sum += (int)(r & 255);
    return ((float)sum + (float)(random_bits(seed) & 0xffff) / 65536) * 1e-4f;
}

static void put_element(unsigned char *at, const struct made *m, float value) {
    uint32_t w;
    memcpy(&w, &value, sizeof w);
    const uint32_t sign = w >> 31, exponent = w >> 23 & 255, mantissa = w & 0x7fffff;
    if (m->dtype == ZIPNN_BF16) w >>= 16;
    if (m->dtype == ZIPNN_F16) w = exponent < 113 ? sign << 15 : sign << 15 | (exponent - 112) << 10 | mantissa >> 13;
    if (m->dtype == ZIPNN_F8_E4M3) w = exponent < 115 ? sign << 7 : sign << 7 | (exponent - 114) << 3 | mantissa >> 20;
    if (m->dtype == ZIPNN_I8) w = (uint32_t)(int32_t)(value * 1000) & 255;
    for (unsigned i = 0; i < m->width; i++) at[i] = (unsigned char)(w >> 8 * i);
}

/* Reads TYPE:MEGABYTES:LEVEL; returns whether it is one. */
static int read_made(const char *what, const struct made **m, size_t *len, int *level) {
    const size_t n = strcspn(what, ":");
    unsigned megabytes;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        if (strlen(made[i].name) != n || strncmp(made[i].name, what, n) != 0) continue;
        if (sscanf(what + n, ":%u:%d", &megabytes, level) != 2 || megabytes == 0) return 0;
        *m = &made[i];
        *len = (size_t)megabytes << 20;
        return 1;
    }
    return 0;
}

/* Makes weights. Beyond the first 16 MiB they are the same with other signs of a few, so that nothing repeats. */
static struct memory make_archive(const char *what, const struct made *m, size_t len, int level) {
    enum { FRESH = 16 << 20, STEP = 512 };
    const size_t fresh = len < FRESH ? len : FRESH, cap = (size_t)zipnn_compress_bound(len);
    const zipnn_options options = {
        .size = sizeof options, .dtype = m->dtype, .level = level, .threads = zipnn_available_cpus()};
    struct memory archive = {malloc(cap), 0};
    unsigned char *weights = malloc(len);
    uint64_t seed = 1;
    zipnn_ctx *ctx;
    zipnn_error err = {.message = "out of memory"};
    if (!weights || !archive.bytes) fail(what, &err);
    for (size_t at = 0; at < fresh; at += m->width) put_element(weights + at, m, near_zero(&seed));
    for (size_t at = fresh; at < len; at += fresh) memcpy(weights + at, weights, len - at < fresh ? len - at : fresh);
    for (size_t at = fresh; at + STEP <= len; at += STEP)
        weights[at + random_bits(&seed) % (STEP / m->width) * m->width + m->width - 1] ^= 0x80;
    if (zipnn_create(&options, &ctx, &err) != ZIPNN_OK ||
        zipnn_compress(ctx, weights, len, archive.bytes, cap, &archive.len, &err) != ZIPNN_OK)
        fail(what, &err);
    zipnn_destroy(ctx);
    free(weights);
    return archive;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static struct { unsigned n_sound, n_refused, n_unopened, n_wrong; } quiet;

/* Returns whether all is right. */
static int check_archive(struct subject *s, struct memory m, int is_quiet) {
    zipnn_archive_info info = {0};
    zipnn_error err;
    const zipnn_source source = {.user = &m, .read_at = read_at, .length = m.len};
    if (zipnn_archive_open(s->ctx, &source, &s->archive, &err) != ZIPNN_OK) {
        if (!is_quiet) fail(s->name, &err);
        quiet.n_unopened++;
        return 1;
    }
    zipnn_archive_get_info(s->archive, &info);
    s->len = info.original;
    s->right = malloc((size_t)s->len + 1);
    s->got = malloc((size_t)s->len + 1);
    if (!s->right || !s->got || cuda.alloc(&s->device, (size_t)s->len + 1) || cuda.alloc(&s->other, (size_t)s->len + 1))
        fail(s->name, &(zipnn_error){.message = "out of memory"});
    int right, sound = 1;
    zipnn_gpu_stats stats;
    if (is_quiet)
        right = is_same(s, &stats, &sound);
    else
        right = check(s);
    if (is_quiet) (*(!right ? &quiet.n_wrong : sound ? &quiet.n_sound : &quiet.n_refused))++;
    cuda.release(s->device);
    cuda.release(s->other);
    zipnn_archive_close(s->archive);
    free(s->right);
    free(s->got);
    return right;
}

static int check_what(zipnn_ctx *ctx, zipnn_gpu *gpu, const char *what, int is_quiet) {
    struct subject s = {.name = what, .ctx = ctx, .gpu = gpu};
    const struct made *m;
    size_t len;
    int level;
    const struct memory archive =
        read_made(what, &m, &len, &level) ? make_archive(what, m, len, level) : read_archive(ctx, what);
    const int right = check_archive(&s, archive, is_quiet);
    free(archive.bytes);
    return right;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "gpu_check KERNELS [TYPE:MEGABYTES:LEVEL | FILE]... [-q FILE...]\n");
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
    int is_quiet = 0;
    for (int i = 2; i < argc; i++) {
        const int turns_quiet = strcmp(argv[i], "-q") == 0;
        is_quiet |= turns_quiet;
        if (!turns_quiet) n_wrong += !check_what(ctx, gpu, argv[i], is_quiet);
    }
    if (is_quiet)
        printf("{\"compared\": %u, \"refused_by_both\": %u, \"no_archives\": %u, \"wrong\": %u}\n", quiet.n_sound,
               quiet.n_refused, quiet.n_unopened, quiet.n_wrong);
    zipnn_gpu_close(gpu);
    zipnn_destroy(ctx);
    free(code);
    return n_wrong != 0;
}
