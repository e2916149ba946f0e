/* zipnn/gpu.h on a driver that is none (fake_driver.c): ranges of an archive reach the device, whole or in part, damage gives the error of the
 * library, and a driver that fails anywhere is reported and leaves nothing behind. */
#include <dlfcn.h>

#include "gpu/cases.h"
#include "gpu/fake_driver.h"
#include "support/samples.h"
#include "support/seal.h"
#include "support/streams.h"
#include "support/unit.h"
#include "zipnn/gpu.h"

enum { BF16 = 600000, FP32 = 300000, TEXT = 90000, LEN = 2 * BF16 + FP32 + TEXT };

static struct bench {
    zipnn_ctx *ctx;
    uint8_t *original, *archive, *damaged, *device;
    size_t archive_len;
    void (*fail_at)(unsigned call);
    unsigned (*live)(void);
    int (*wait)(void *stream);
    zipnn_gpu *gpu;
} b;

static void *find(void *library, const char *name) {
    void *at = dlsym(library, name);
    assert_non_null(at);
    return at;
}

/* bf16 whose second half repeats the first, so that there are references; fp32; text. */
static void fill(void) {
    zt_sample(ZT_BF16, 1, b.original, BF16);
    memcpy(b.original + BF16, b.original, BF16);
    gpu_cases[7].fill(b.original + 2 * BF16, FP32);
    zt_sample(ZT_TEXT, 2, b.original + 2 * BF16 + FP32, TEXT);
}

static int set_up(void **state) {
    (void)state;
    const zipnn_options options = {.size = sizeof options, .dtype = ZIPNN_BF16};
    const zipnn_gpu_options on_gpu = {.size = sizeof on_gpu, .code = FAKE_CODE, .staging = 24 << 20};
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    void *calls[] = {find(library, "fake_fail_at"), find(library, "fake_live"), find(library, "cuStreamSynchronize")};
    memcpy(&b.fail_at, &calls[0], sizeof b.fail_at);
    memcpy(&b.live, &calls[1], sizeof b.live);
    memcpy(&b.wait, &calls[2], sizeof b.wait);
    b.original = malloc(LEN);
    b.archive = malloc(zipnn_compress_bound(LEN));
    b.damaged = malloc(zipnn_compress_bound(LEN));
    if (!b.original || !b.archive || !b.damaged) return 1;
    fill();
    assert_int_equal(zipnn_create(&options, &b.ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_compress(b.ctx, b.original, LEN, b.archive, zipnn_compress_bound(LEN), &b.archive_len, NULL),
                     ZIPNN_OK);
    return zipnn_gpu_open(&on_gpu, &b.gpu, NULL) != ZIPNN_OK;
}

static int tear_down(void **state) {
    (void)state;
    zipnn_gpu_close(b.gpu);
    zipnn_destroy(b.ctx);
    free(b.original);
    free(b.archive);
    free(b.damaged);
    return b.live() != 0;
}

/* Memory of the device, as the fake driver gives it. */
static uint8_t *device_memory(size_t len) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    void *call = find(library, "cuMemAlloc_v2");
    int (*alloc)(uint64_t * at, size_t len);
    uint64_t at = 0;
    memcpy(&alloc, &call, sizeof alloc);
    assert_int_equal(alloc(&at, len), 0);
    return (uint8_t *)(uintptr_t)at;
}

static void free_device(const uint8_t *at) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    void *call = find(library, "cuMemFree_v2");
    int (*release)(uint64_t at);
    memcpy(&release, &call, sizeof release);
    assert_int_equal(release((uintptr_t)at), 0);
}

static zipnn_archive *open_bytes(struct zt_input *in) {
    const zipnn_source source = zt_file(in);
    zipnn_archive *a;
    assert_int_equal(zipnn_archive_open(b.ctx, &source, &a, NULL), ZIPNN_OK);
    return a;
}

static const struct {
    uint64_t off, len;
    unsigned at; /* address modulo 16 */
} ranges[] = {{0, LEN, 0}, {1, LEN - 3, 7}, {BF16 + 5, 1, 0}, {2 * BF16 - 700, FP32 + 1400, 2}, {LEN, 0, 0}};
enum { N_RANGES = sizeof ranges / sizeof *ranges };

static void ranges_reach_the_device(void **state) {
    (void)state;
    struct zt_input in = {.data = b.archive, .len = b.archive_len};
    zipnn_archive *a = open_bytes(&in);
    uint8_t *device = device_memory(LEN + 16);
    for (unsigned i = 0; i < N_RANGES; i++) {
        uint8_t *dst = device + ranges[i].at;
        zipnn_gpu_stats stats;
        zipnn_error err;
        memset(device, 0xEE, LEN + 16);
        const zipnn_status st =
            zipnn_gpu_load(b.gpu, b.ctx, a, ranges[i].off, ranges[i].len, (uintptr_t)dst, &stats, &err);
        if (st != ZIPNN_OK) fail_msg("range %u: %s", i, err.message);
        assert_memory_equal(dst, b.original + ranges[i].off, ranges[i].len);
        assert_int_equal(dst[ranges[i].len], 0xEE);
        assert_int_equal(stats.by_gpu + stats.by_host, ranges[i].len);
        if (i == 0) assert_true(stats.by_gpu > LEN / 3 && stats.by_host > LEN / 4);
    }
    assert_int_equal(zipnn_gpu_load(b.gpu, b.ctx, a, 1, LEN, (uintptr_t)device, NULL, NULL), ZIPNN_E_NOT_FOUND);
    free_device(device);
    zipnn_archive_close(a);
}

static void what_is_kept_is_decoded_again(void **state) {
    (void)state;
    struct zt_input in = {.data = b.archive, .len = b.archive_len};
    zipnn_archive *a = open_bytes(&in);
    uint8_t *device = device_memory(LEN + 16);
    for (unsigned i = 0; i < N_RANGES; i++) {
        zipnn_gpu_kept *kept;
        zipnn_gpu_stats stats;
        assert_int_equal(zipnn_gpu_keep(b.gpu, b.ctx, a, ranges[i].off, ranges[i].len, &kept, &stats, NULL), ZIPNN_OK);
        if (i == 0) assert_true(stats.copied < LEN);
        for (unsigned at = 0; at < 4; at += 2) {
            memset(device, 0xEE, LEN + 16);
            assert_int_equal(zipnn_gpu_decode(kept, (uintptr_t)(device + at), NULL, NULL), ZIPNN_OK);
            assert_int_equal(b.wait(NULL), 0);
            assert_memory_equal(device + at, b.original + ranges[i].off, ranges[i].len);
        }
        zipnn_gpu_drop(kept);
    }
    free_device(device);
    zipnn_archive_close(a);
}

/* Damages a byte; `sealed`: the frame's check is that of the damaged bytes, so that the kernel meets them. */
static void damage_gives_the_librarys_error(void **state) {
    (void)state;
    enum { PLACES = 12 };
    unsigned n_found = 0;
    uint8_t *device = device_memory(LEN), *right = malloc(LEN);
    for (unsigned i = 0; i < 2 * PLACES; i++) {
        memcpy(b.damaged, b.archive, b.archive_len);
        b.damaged[200 + i / 2 * (b.archive_len / PLACES - 100)] ^= 0x55;
        if (i % 2) zt_seal(b.damaged, b.archive_len);
        struct zt_input in = {.data = b.damaged, .len = b.archive_len};
        zipnn_archive *a = open_bytes(&in);
        zipnn_error cpu = {.status = ZIPNN_OK}, gpu = {.status = ZIPNN_OK};
        zipnn_archive_read_in(b.ctx, a, 0, LEN, right, &cpu);
        zipnn_gpu_load(b.gpu, b.ctx, a, 0, LEN, (uintptr_t)device, NULL, &gpu);
        assert_int_equal(gpu.status, cpu.status);
        if (cpu.status == ZIPNN_OK)
            assert_memory_equal(device, right, LEN);
        else
            assert_string_equal(gpu.message, cpu.message);
        n_found += cpu.status != ZIPNN_OK && i % 2;
        zipnn_archive_close(a);
    }
    assert_true(n_found > 0);
    free(right);
    free_device(device);
}

static void a_driver_that_fails_is_reported(void **state) {
    (void)state;
    enum { MOST = 400 };
    const zipnn_gpu_options options = {.size = sizeof options, .code = FAKE_CODE, .staging = 24 << 20};
    struct zt_input in = {.data = b.archive, .len = b.archive_len};
    zipnn_archive *a = open_bytes(&in);
    uint8_t *device = device_memory(LEN);
    const unsigned before = b.live();
    unsigned call = 1;
    for (; call < MOST; call++) {
        zipnn_gpu *gpu = NULL;
        zipnn_gpu_kept *kept = NULL;
        zipnn_error err;
        b.fail_at(call);
        zipnn_status st = zipnn_gpu_open(&options, &gpu, &err);
        if (st == ZIPNN_OK) st = zipnn_gpu_load(gpu, b.ctx, a, BF16 / 2, 2 * BF16, (uintptr_t)device, NULL, &err);
        if (st == ZIPNN_OK) st = zipnn_gpu_keep(gpu, b.ctx, a, 2 * BF16, LEN - 2 * BF16, &kept, NULL, &err);
        if (st == ZIPNN_OK) st = zipnn_gpu_decode(kept, (uintptr_t)device, NULL, &err);
        b.fail_at(0);
        assert_int_equal(b.wait(NULL), 0);
        zipnn_gpu_drop(kept);
        zipnn_gpu_close(gpu);
        assert_int_equal(b.live(), before);
        if (st == ZIPNN_OK) break;
        assert_non_null(strstr(err.message, "driver cannot"));
        assert_true(st == ZIPNN_E_UNSUPPORTED || st == ZIPNN_E_IO || st == ZIPNN_E_MEMORY);
    }
    assert_true(call > 30 && call < MOST);
    free_device(device);
    zipnn_archive_close(a);
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    zipnn_gpu *gpu;
    zipnn_error err;
    zipnn_gpu_options options = {.size = sizeof options};
    assert_int_equal(zipnn_gpu_open(&options, &gpu, &err), ZIPNN_E_ARGUMENT);
    options.code = "PTX of somebody else";
    assert_int_equal(zipnn_gpu_open(&options, &gpu, &err), ZIPNN_E_UNSUPPORTED);
    options.code = FAKE_CODE;
    options.device = 7;
    assert_int_equal(zipnn_gpu_open(&options, &gpu, &err), ZIPNN_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "compute capability 7.0"));
    options.staging = 1 << 20;
    assert_int_equal(zipnn_gpu_open(&options, &gpu, &err), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_gpu_open(NULL, &gpu, &err), ZIPNN_E_ARGUMENT);
    zipnn_gpu_close(NULL);
    zipnn_gpu_drop(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_reach_the_device),         cmocka_unit_test(what_is_kept_is_decoded_again),
        cmocka_unit_test(damage_gives_the_librarys_error), cmocka_unit_test(a_driver_that_fails_is_reported),
        cmocka_unit_test(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
