/* Estimates: exact when all is compressed, near when some is, the same every time. */
#include <stdio.h>

#include "base/bytes.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"
#include "zipnn/zipnn.h"

enum { MAX_LEN = 12 << 20 };

struct fixture {
    uint8_t *original, *packed;
};

static zipnn_estimate_info estimate(struct fixture *f, size_t len, unsigned threads, uint64_t sample) {
    const zipnn_options options = {.size = sizeof options, .threads = threads};
    struct zt_input in = {.data = f->original, .len = len};
    const zipnn_source source = zt_file(&in);
    zipnn_estimate_info info;
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_estimate(ctx, &source, sample, &info, NULL), ZIPNN_OK);
    assert_false(in.overrun);
    zipnn_destroy(ctx);
    return info;
}

static size_t compress(struct fixture *f, size_t len) {
    size_t packed;
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_compress(ctx, f->original, len, f->packed, MAX_LEN + (1 << 20), &packed, NULL), ZIPNN_OK);
    zipnn_destroy(ctx);
    return packed;
}

static void small_files_are_exact(void **state) {
    struct fixture *f = *state;
    static const size_t lens[] = {0, 1, 1000, 100000, 600000, 3000000};
    for (unsigned kind = 0; kind < ZT_N_SAMPLES; kind++) {
        const bool all = kind == ZT_MIXED || kind == ZT_BF16;
        for (size_t i = 0; i < sizeof lens / sizeof *lens - !all; i++) {
            zt_sample((enum zt_sample)kind, 5, f->original, lens[i]);
            const zipnn_estimate_info info = estimate(f, lens[i], 1 + kind % 2, 0);
            assert_true(info.original == lens[i] && info.sampled == lens[i] && info.margin == 0);
            assert_true(info.archive == compress(f, lens[i]));
        }
    }
}

/* Tensors of five kinds, each some chunks long. */
static size_t write_model(struct fixture *f) {
    static const struct {
        const char *dtype;
        enum zt_sample kind;
        size_t len;
    } tensors[] = {{"BF16", ZT_BF16, 3 << 20}, {"F16", ZT_F16, 2 << 20},   {"F32", ZT_F32, 2 << 20},
                   {"BF16", ZT_ZERO, 1 << 20}, {"U8", ZT_RANDOM, 1 << 20}, {"BF16", ZT_EXPONENTS, 1 << 20}};
    enum { N = sizeof tensors / sizeof *tensors };
    char *json = (char *)f->original + 8;
    size_t n = (size_t)sprintf(json, "{"), at = 0;
    for (size_t i = 0; i < N; at += tensors[i++].len)
        n += (size_t)sprintf(json + n, "%s\"%zu\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}",
                             i ? "," : "", i, tensors[i].dtype,
                             tensors[i].len / (tensors[i].dtype[0] == 'U'   ? 1
                                               : tensors[i].dtype[1] == '3' ? 4
                                                                            : 2),
                             at, at + tensors[i].len);
    n += (size_t)sprintf(json + n, "}");
    zn_put_u64(f->original, n);
    at = 8 + n;
    for (size_t i = 0; i < N; at += tensors[i++].len) zt_sample(tensors[i].kind, i, f->original + at, tensors[i].len);
    return at;
}

static void samples_come_near(void **state) {
    struct fixture *f = *state;
    const size_t len = write_model(f), packed = compress(f, len);
    for (uint64_t sample = 1; sample < len; sample *= 7) {
        const zipnn_estimate_info one = estimate(f, len, 1, sample), two = estimate(f, len, 2, sample);
        assert_memory_equal(&one, &two, sizeof one);
        const uint64_t off = one.archive > packed ? one.archive - packed : packed - one.archive;
        assert_true(one.original == len && one.sampled > 0);
        assert_true(off <= packed / (sample > len / 4 ? 50 : 20));
    }
}

static void needs_random_access(void **state) {
    struct fixture *f = *state;
    struct zt_input in = {.data = f->original, .len = 10};
    const zipnn_source source = zt_pipe(&in);
    zipnn_estimate_info info;
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_estimate(ctx, &source, 0, &info, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_estimate(ctx, &source, 0, NULL, NULL), ZIPNN_E_ARGUMENT);
    zipnn_destroy(ctx);
}

static int set_up(void **state) {
    static struct fixture f;
    f.original = malloc(MAX_LEN);
    f.packed = malloc(MAX_LEN + (1 << 20));
    *state = &f;
    return f.original && f.packed ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    free(f->original);
    free(f->packed);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_files_are_exact),
        cmocka_unit_test(samples_come_near),
        cmocka_unit_test(needs_random_access),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
