/* zipnn/gpu.h on a driver that is none (fake_driver.c): ranges of an archive reach the device, whole or in part, damage gives the error of the
 * library, and a driver that fails anywhere is reported and leaves nothing behind. */
#include <dlfcn.h>

#include "gpu/cases.h"
#include "gpu/embedded_kernels.h"
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

static zipnn_status load(const zipnn_archive *a, uint64_t off, uint64_t len, const uint8_t *dst, zipnn_gpu_stats *stats,
                         zipnn_error *err) {
    const zipnn_gpu_part part = {a, off, len, (uintptr_t)dst};
    return zipnn_gpu_load(b.gpu, b.ctx, &part, 1, stats, err);
}

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
        const zipnn_status st = load(a, ranges[i].off, ranges[i].len, dst, &stats, &err);
        if (st != ZIPNN_OK) fail_msg("range %u: %s", i, err.message);
        assert_memory_equal(dst, b.original + ranges[i].off, ranges[i].len);
        assert_int_equal(dst[ranges[i].len], 0xEE);
        assert_int_equal(stats.by_gpu + stats.by_host, ranges[i].len);
        if (i == 0) assert_true(stats.by_gpu > LEN / 3 && stats.by_host > LEN / 4);
    }
    assert_int_equal(load(a, 1, LEN, device, NULL, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(load(NULL, 0, 1, device, NULL, NULL), ZIPNN_E_ARGUMENT);
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
        const zipnn_gpu_part part = {a, ranges[i].off, ranges[i].len, 0};
        assert_int_equal(zipnn_gpu_keep(b.gpu, b.ctx, &part, 1, &kept, &stats, NULL), ZIPNN_OK);
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
        load(a, 0, LEN, device, NULL, &gpu);
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

/* ---- many parts, many archives ----------------------------------------------------------------------------------- */

enum { N_PARTS = 9 };

/* Lays parts of the original one after the other, 3 bytes apart: backwards, so that they are in no order, and so short that some have no chunk of
 * their own. Returns the bytes that they reach. */
static uint64_t cut_parts(const zipnn_archive *a, uint64_t dst, zipnn_gpu_part *parts) {
    uint64_t at = 0;
    for (unsigned i = 0; i < N_PARTS; i++) {
        const uint64_t n = LEN / N_PARTS, first = (N_PARTS - 1 - i) * n + (i % 2 ? 1000 : 0);
        parts[i] = (zipnn_gpu_part){a, first, i == 4 ? 0 : i % 2 ? n - 1000 : n, dst + at};
        at += parts[i].len + 3;
    }
    return at;
}

static void check_parts(const zipnn_gpu_part *parts, const uint8_t *at) {
    for (unsigned i = 0; i < N_PARTS; i++) {
        assert_memory_equal(at, b.original + parts[i].off, parts[i].len);
        at += parts[i].len;
        for (unsigned gap = 0; gap < 3; gap++) assert_int_equal(*at++, 0xEE);
    }
}

static void many_parts_at_once(void **state) {
    (void)state;
    struct zt_input in = {.data = b.archive, .len = b.archive_len};
    zipnn_archive *a = open_bytes(&in);
    uint8_t *device = device_memory(LEN + 64);
    zipnn_gpu_part parts[N_PARTS];
    zipnn_gpu_stats stats;
    zipnn_gpu_kept *kept;
    const uint64_t reach = cut_parts(a, (uintptr_t)device, parts);
    memset(device, 0xEE, LEN + 64);
    assert_int_equal(zipnn_gpu_load(b.gpu, b.ctx, parts, N_PARTS, &stats, NULL), ZIPNN_OK);
    check_parts(parts, device);
    assert_int_equal(stats.by_gpu + stats.by_host, reach - 3 * N_PARTS);
    cut_parts(a, 0, parts);
    assert_int_equal(zipnn_gpu_keep(b.gpu, b.ctx, parts, N_PARTS, &kept, NULL, NULL), ZIPNN_OK);
    zipnn_archive_close(a);
    memset(device, 0xEE, LEN + 64);
    assert_int_equal(zipnn_gpu_decode(kept, (uintptr_t)device + 5, NULL, NULL), ZIPNN_OK);
    assert_int_equal(b.wait(NULL), 0);
    check_parts(parts, device + 5);
    zipnn_gpu_drop(kept);
    free_device(device);
}

static void what_is_cut_out_of_no_original_is_refused(void **state) {
    (void)state;
    struct zt_input in = {.data = b.archive, .len = b.archive_len};
    zipnn_archive *a = open_bytes(&in);
    zipnn_gpu_kept *kept;
    const zipnn_gpu_part wrong[] = {{a, LEN, 1, 0}, {a, UINT64_MAX, 2, 0}, {a, 0, UINT64_MAX, 0}};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(zipnn_gpu_keep(b.gpu, b.ctx, &wrong[i], 1, &kept, NULL, NULL), ZIPNN_E_NOT_FOUND);
    const zipnn_gpu_part far = {a, 0, 2, UINT64_MAX - 1};
    assert_int_equal(zipnn_gpu_keep(b.gpu, b.ctx, &far, 1, &kept, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_gpu_load(b.gpu, b.ctx, &far, 0, NULL, NULL), ZIPNN_OK);
    zipnn_archive_close(a);
}

enum { N_BUFFERS = 7 };

/* Archives of others' containers: pieces of the original, compressed each by itself. */
static void compress_pieces(zipnn_gpu_buffer *buffers, uint8_t *device) {
    for (size_t i = 0; i < N_BUFFERS; i++) {
        const size_t n = i == 3 ? 0 : LEN / N_BUFFERS, cap = (size_t)zipnn_compress_bound(n);
        uint8_t *archive = malloc(cap);
        size_t len = 0;
        assert_non_null(archive);
        assert_int_equal(zipnn_compress(b.ctx, b.original + i * (LEN / N_BUFFERS), n, archive, cap, &len, NULL),
                         ZIPNN_OK);
        buffers[i] = (zipnn_gpu_buffer){archive, len, (uintptr_t)device + i * (LEN / N_BUFFERS), n};
    }
}

static void buffers_of_others_containers(void **state) {
    (void)state;
    uint8_t *device = device_memory(LEN);
    zipnn_gpu_buffer buffers[N_BUFFERS];
    const size_t n = LEN / N_BUFFERS, whole = n * N_BUFFERS;
    zipnn_gpu_stats stats;
    zipnn_error err;
    size_t failed = 0;
    compress_pieces(buffers, device);
    memset(device, 0xEE, LEN);
    assert_int_equal(zipnn_gpu_decompress(b.gpu, b.ctx, buffers, N_BUFFERS, &failed, &stats, NULL), ZIPNN_OK);
    assert_int_equal(failed, N_BUFFERS);
    assert_int_equal(stats.by_gpu + stats.by_host, whole - n);
    assert_true(stats.by_gpu > whole / 3);
    assert_memory_equal(device, b.original, 3 * n);
    assert_int_equal(device[3 * n], 0xEE);
    assert_memory_equal(device + 4 * n, b.original + 4 * n, whole - 4 * n);
    assert_int_equal(zipnn_gpu_decompress(b.gpu, b.ctx, buffers, 0, &failed, NULL, NULL), ZIPNN_OK);

    buffers[5].cap--;
    assert_int_equal(zipnn_gpu_decompress(b.gpu, b.ctx, buffers, N_BUFFERS, &failed, NULL, &err), ZIPNN_E_SPACE);
    assert_int_equal(failed, 5);
    buffers[5].cap++;
    for (size_t i = 0; i < N_BUFFERS; i++) { /* a damaged chunk, found by its check, and by the kernel or the host */
        if (i == 3) continue;
        for (int sealed = 0; sealed < 2; sealed++) {
            memcpy(b.damaged, buffers[i].archive, buffers[i].len);
            for (size_t at = 700; at < 740; at++) b.damaged[at] ^= 0x55;
            if (sealed) zt_seal(b.damaged, buffers[i].len);
            const zipnn_gpu_buffer sound = buffers[i];
            uint8_t *right = malloc(n);
            size_t got;
            zipnn_error cpu = {.status = ZIPNN_OK};
            buffers[i].archive = b.damaged;
            zipnn_decompress(b.ctx, b.damaged, sound.len, right, n, &got, &cpu);
            assert_int_equal(zipnn_gpu_decompress(b.gpu, b.ctx, buffers, N_BUFFERS, &failed, NULL, &err), cpu.status);
            assert_int_equal(failed, cpu.status == ZIPNN_OK ? N_BUFFERS : i);
            if (!sealed) assert_int_equal(cpu.status, ZIPNN_E_CORRUPT);
            buffers[i] = sound;
            free(right);
        }
    }
    const zipnn_gpu_buffer none = {NULL, 10, 0, 0}, text = {"no archive", 10, 0, 0};
    assert_int_equal(zipnn_gpu_decompress(b.gpu, b.ctx, &none, 1, &failed, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_gpu_decompress(b.gpu, b.ctx, &text, 1, &failed, NULL, NULL), ZIPNN_E_FORMAT);
    assert_int_equal(failed, 0);
    for (size_t i = 0; i < N_BUFFERS; i++) free((void *)(uintptr_t)buffers[i].archive);
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
    const zipnn_gpu_part now = {a, BF16 / 2, 2 * BF16, (uintptr_t)device};
    const zipnn_gpu_part later[] = {{a, 2 * BF16, FP32, 0}, {a, 2 * BF16 + FP32, TEXT, FP32}};
    unsigned call = 1;
    for (; call < MOST; call++) {
        zipnn_gpu *gpu = NULL;
        zipnn_gpu_kept *kept = NULL;
        zipnn_error err;
        b.fail_at(call);
        zipnn_status st = zipnn_gpu_open(&options, &gpu, &err);
        if (st == ZIPNN_OK) st = zipnn_gpu_load(gpu, b.ctx, &now, 1, NULL, &err);
        if (st == ZIPNN_OK) st = zipnn_gpu_keep(gpu, b.ctx, later, 2, &kept, NULL, &err);
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
    assert_int_equal(zipnn_gpu_has_kernels(), zn_gpu_kernels_len > 0);
    assert_int_equal(zipnn_gpu_open(&options, &gpu, &err), ZIPNN_E_UNSUPPORTED);
    if (!zipnn_gpu_has_kernels()) assert_non_null(strstr(err.message, "built without kernels"));
    options.code = FAKE_OLD_CODE;
    assert_int_equal(zipnn_gpu_open(&options, &gpu, &err), ZIPNN_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "of another version of zipnn"));
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
        cmocka_unit_test(ranges_reach_the_device),
        cmocka_unit_test(what_is_kept_is_decoded_again),
        cmocka_unit_test(damage_gives_the_librarys_error),
        cmocka_unit_test(a_driver_that_fails_is_reported),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(many_parts_at_once),
        cmocka_unit_test(what_is_cut_out_of_no_original_is_refused),
        cmocka_unit_test(buffers_of_others_containers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
