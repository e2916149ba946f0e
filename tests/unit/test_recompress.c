/* An archive moves between levels: the bytes are those of packing the original, whatever threads, executor or faults.
 */
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"
#include "workers/windows.h"

enum { LEN = 1300001 };

struct packed {
    uint8_t *bytes;
    size_t len;
};

static zipnn_ctx *context(zipnn_options options) {
    zipnn_ctx *ctx;
    options.size = sizeof options;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    return ctx;
}

static struct packed pack(const uint8_t *src, size_t len, zipnn_options options) {
    const size_t cap = (size_t)zipnn_compress_bound(len);
    struct packed p = {malloc(cap), 0};
    struct zt_input in = {.data = src, .len = len};
    struct zt_output out = {.data = p.bytes, .cap = cap};
    zipnn_ctx *ctx = context(options);
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    assert_non_null(p.bytes);
    assert_int_equal(zipnn_pack(ctx, &source, &sink, NULL, NULL), ZIPNN_OK);
    zipnn_destroy(ctx);
    p.len = out.len;
    return p;
}

/* Recompresses into fresh memory; these calls of source and sink fail, 0 for none. */
static zipnn_status recompress(zipnn_ctx *ctx, const struct packed *from, struct packed *to, zipnn_stats *stats,
                               size_t failing_source, size_t failing_sink, zipnn_error *err) {
    const size_t cap = (size_t)zipnn_compress_bound(LEN);
    struct zt_input in = {.data = from->bytes, .len = from->len, .failing_call = failing_source, .dies = true};
    struct zt_output out = {.data = malloc(cap), .cap = cap, .failing_call = failing_sink};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    assert_non_null(out.data);
    const zipnn_status status = zipnn_recompress(ctx, &source, &sink, stats, err);
    assert_false(in.overrun || out.overrun);
    *to = (struct packed){out.data, out.len};
    return status;
}

static void run_in_turn(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    (void)user;
    for (size_t i = 0; i < n; i++) task(arg, i);
}

static void archives_become_those_of_the_level(void **state) {
    (void)state;
    static const zipnn_options options[] = {
        {.level = 1},
        {.level = 3, .threads = 3},
        {.level = 3, .threads = 2, .executor = {run_in_turn, NULL}},
        {.level = 9, .threads = 2},
    };
    static const size_t lengths[] = {0, 1, 5000, LEN};
    uint8_t *src = malloc(LEN);
    assert_non_null(src);
    zt_sample(ZT_BF16, 1, src, LEN);
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
        for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
            zipnn_stats stats;
            struct packed to;
            struct packed from = pack(src, lengths[l], (zipnn_options){.level = i == 0 ? 3 : 1});
            struct packed expected = pack(src, lengths[l], options[i]);
            zipnn_ctx *ctx = context(options[i]);
            assert_int_equal(recompress(ctx, &from, &to, &stats, 0, 0, NULL), ZIPNN_OK);
            assert_int_equal(to.len, expected.len);
            assert_memory_equal(to.bytes, expected.bytes, to.len);
            assert_true(stats.original == lengths[l] && stats.archive == to.len && !stats.has_sha256);
            zipnn_destroy(ctx);
            free(from.bytes);
            free(to.bytes);
            free(expected.bytes);
        }
    free(src);
}

static void faults_are_told(void **state) {
    (void)state;
    enum { N = 600000 };
    uint8_t *src = malloc(N);
    assert_non_null(src);
    zt_sample(ZT_MIXED, 1, src, N);
    struct packed from = pack(src, N, (zipnn_options){.level = 1}), to;
    zipnn_ctx *ctx = context((zipnn_options){.level = 3});
    zipnn_error err;
    for (size_t call = 1; call <= 3; call++) {
        assert_int_equal(recompress(ctx, &from, &to, NULL, call, 0, &err), ZIPNN_E_IO);
        free(to.bytes);
        assert_int_equal(recompress(ctx, &from, &to, NULL, 0, call, &err), ZIPNN_E_IO);
        assert_true(err.status == ZIPNN_E_IO && err.message[0]);
        free(to.bytes);
    }
    from.bytes[from.len / 2] ^= 1;
    assert_int_equal(recompress(ctx, &from, &to, NULL, 0, 0, &err), ZIPNN_E_CORRUPT);
    free(to.bytes);
    from.len = 10;
    assert_int_equal(recompress(ctx, &from, &to, NULL, 0, 0, &err), ZIPNN_E_TRUNCATED);
    free(to.bytes);
    const zipnn_source none = {.length = 0};
    const zipnn_sink sink = {NULL, NULL, NULL};
    assert_int_equal(zipnn_recompress(NULL, &none, &sink, NULL, &err), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_recompress(ctx, &none, &sink, NULL, &err), ZIPNN_E_ARGUMENT);
    zipnn_destroy(ctx);
    free(from.bytes);
    free(src);
}

/* The new archive says what the old one said of the original. */
static void sha256_is_carried(void **state) {
    (void)state;
    uint8_t src[5000];
    zipnn_options with = {.size = sizeof with, .sha256 = 1};
    zipnn_ctx *ctx;
    zipnn_stats stats;
    struct packed to;
    zt_sample(ZT_TEXT, 1, src, sizeof src);
    struct packed from = pack(src, sizeof src, with);
    ctx = context((zipnn_options){.level = 1});
    assert_int_equal(recompress(ctx, &from, &to, &stats, 0, 0, NULL), ZIPNN_OK);
    assert_true(stats.has_sha256 != 0);
    free(to.bytes);
    free(from.bytes);
    from = pack(src, sizeof src, (zipnn_options){.level = 3});
    assert_int_equal(recompress(ctx, &from, &to, &stats, 0, 0, NULL), ZIPNN_OK);
    assert_false(stats.has_sha256 != 0);
    zipnn_destroy(ctx);
    free(to.bytes);
    free(from.bytes);
}

static zipnn_status fetch(void *user, uint64_t off, uint64_t len, void *dst, zipnn_error *err) {
    (void)err;
    memcpy(dst, (const uint8_t *)user + off, (size_t)len);
    return ZIPNN_OK;
}

static void windows_show_all_there_is_and_no_more(void **state) {
    (void)state;
    enum { ALL = 5000, WINDOW = 600 };
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    uint8_t bytes[ALL], seen[ALL];
    struct zn_windows w;
    uint64_t random = 1;
    zt_sample(ZT_RANDOM, 1, bytes, ALL);
    assert_int_equal(zn_windows_open(&w, &alloc, fetch, bytes, ALL, WINDOW, NULL), ZIPNN_OK);
    for (unsigned i = 0; i < 2000; i++) {
        const uint64_t off = zt_random(&random) % (ALL + 100);
        const size_t len = (size_t)(zt_random(&random) % (2 * WINDOW));
        const zipnn_status status = zn_windows_read_at(&w, off, seen, len, NULL);
        assert_int_equal(status, off + len <= ALL ? ZIPNN_OK : ZIPNN_E_NOT_FOUND);
        if (status == ZIPNN_OK) assert_memory_equal(seen, bytes + off, len);
    }
    assert_int_equal(zn_windows_read_at(&w, UINT64_MAX, seen, 2, NULL), ZIPNN_E_NOT_FOUND);
    zn_windows_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_become_those_of_the_level),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(sha256_is_carried),
        cmocka_unit_test(windows_show_all_there_is_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
