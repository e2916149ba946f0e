/* What fails outside: the n-th allocation, the n-th call of a source or a sink, for every n. The error arrives, nothing
 * leaks, and the context works again afterwards. */
#include <stdatomic.h>

#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"
#include "zipnn/zipnn.h"

/* Two threads work together from 2 MiB on; one needs no more than two chunks. */
enum { LEN = (2 << 20) + 12345, SHORT = 600011, BOUND = LEN + (1 << 20) };

struct fixture {
    uint8_t *original, *archive, *restored, *another;
    size_t len; /* of the original: LEN or SHORT */
    size_t archive_len;
};

/* ---- allocations ------------------------------------------------------------------------------------------------- */

struct heap {
    atomic_size_t calls, living;
    size_t failing_call; /* counted from 1; 0: none */
};

static void *heap_alloc(void *user, size_t size) {
    struct heap *h = user;
    if (atomic_fetch_add(&h->calls, 1) + 1 == h->failing_call) return NULL;
    void *p = malloc(size);
    if (p) atomic_fetch_add(&h->living, 1);
    return p;
}

static void heap_release(void *user, void *ptr) {
    struct heap *h = user;
    if (ptr) atomic_fetch_sub(&h->living, 1);
    free(ptr);
}

typedef zipnn_status operation(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err);

static zipnn_status do_compress(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    return zipnn_compress(ctx, f->original, f->len, f->archive, BOUND, &f->archive_len, err);
}

static zipnn_status pack_plain(struct fixture *f) {
    zipnn_ctx *ctx;
    zipnn_status status = zipnn_create(NULL, &ctx, NULL);
    if (status != ZIPNN_OK) return status;
    status = do_compress(ctx, f, NULL);
    zipnn_destroy(ctx);
    return status;
}

static zipnn_status do_decompress(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    size_t n;
    return zipnn_decompress(ctx, f->archive, f->archive_len, f->restored, f->len, &n, err);
}

static zipnn_status do_pack_pipe(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    struct zt_input in = {.data = f->original, .len = f->len};
    struct zt_output out = {.data = f->archive, .cap = BOUND};
    const zipnn_source source = zt_pipe(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    return zipnn_pack(ctx, &source, &sink, NULL, err);
}

static zipnn_status do_pack_file(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    struct zt_input in = {.data = f->original, .len = f->len};
    struct zt_output out = {.data = f->archive, .cap = BOUND};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_file_sink(&out);
    return zipnn_pack(ctx, &source, &sink, NULL, err);
}

static zipnn_status do_unpack_pipe(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    struct zt_input in = {.data = f->archive, .len = f->archive_len};
    struct zt_output out = {.data = f->restored, .cap = f->len};
    const zipnn_source source = zt_pipe(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    return zipnn_unpack(ctx, &source, &sink, NULL, err);
}

static zipnn_status do_unpack_file(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    struct zt_input in = {.data = f->archive, .len = f->archive_len};
    struct zt_output out = {.data = f->restored, .cap = f->len};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_file_sink(&out);
    return zipnn_unpack(ctx, &source, &sink, NULL, err);
}

static zipnn_status do_random_access(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    struct zt_input in = {.data = f->archive, .len = f->archive_len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *archive;
    zipnn_status status = zipnn_archive_open(ctx, &source, &archive, err);
    if (status != ZIPNN_OK) return status;
    status = zipnn_archive_read(archive, 1000, f->len - 2000, f->restored, err);
    zipnn_archive_close(archive);
    return status;
}

/* Cut short, so that the frames are searched; what is found is all there. */
static zipnn_status do_salvage(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    struct zt_input in = {.data = f->archive, .len = f->archive_len - 1};
    struct zt_output out = {.data = f->restored, .cap = f->len};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    zipnn_archive *archive;
    zipnn_status status = zipnn_archive_open_damaged(ctx, &source, &archive, err);
    if (status != ZIPNN_OK) return status;
    status = zipnn_archive_salvage(archive, &sink, NULL, NULL, NULL, err);
    if (status == ZIPNN_E_TRUNCATED && err) err->status = ZIPNN_OK;
    if (status == ZIPNN_E_TRUNCATED) status = ZIPNN_OK;
    zipnn_archive_close(archive);
    return status;
}

static zipnn_status do_verify(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    struct zt_input in = {.data = f->archive, .len = f->archive_len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *archive;
    zipnn_status status = zipnn_archive_open(ctx, &source, &archive, err);
    if (status != ZIPNN_OK) return status;
    status = zipnn_archive_verify(archive, NULL, NULL, NULL, err);
    zipnn_archive_close(archive);
    return status;
}

static zipnn_status do_recompress(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    struct zt_input in = {.data = f->archive, .len = f->archive_len};
    struct zt_output out = {.data = f->another, .cap = BOUND};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    return zipnn_recompress(ctx, &source, &sink, NULL, err);
}

static zipnn_status do_estimate(zipnn_ctx *ctx, struct fixture *f, zipnn_error *err) {
    struct zt_input in = {.data = f->original, .len = f->len};
    const zipnn_source source = zt_file(&in);
    zipnn_estimate_info info;
    return zipnn_estimate(ctx, &source, f->len / 3, &info, err);
}

static const struct {
    const char *name;
    operation *run;
} operations[] = {
    {"compress", do_compress},           {"decompress", do_decompress},
    {"pack pipe", do_pack_pipe},         {"pack file", do_pack_file},
    {"unpack pipe", do_unpack_pipe},     {"unpack file", do_unpack_file},
    {"random access", do_random_access}, {"salvage", do_salvage},
    {"estimate", do_estimate},           {"verify", do_verify},
    {"recompress", do_recompress},
};
enum { N_OPERATIONS = sizeof operations / sizeof *operations };

/* Creates a context and runs one operation with the n-th allocation failing; false when n is past the last. */
static bool survives(struct fixture *f, size_t which, unsigned threads, size_t n) {
    struct heap heap = {.failing_call = n};
    const zipnn_options options = {
        .size = sizeof options, .threads = threads, .level = 1, .allocator = {heap_alloc, heap_release, &heap}};
    zipnn_ctx *ctx = NULL;
    zipnn_error err = {ZIPNN_OK, 0, ""};
    zipnn_status status = zipnn_create(&options, &ctx, &err);
    const bool created = status == ZIPNN_OK;
    if (created) status = operations[which].run(ctx, f, &err);
    const bool failed = heap.calls >= n;
    if (status != (failed ? ZIPNN_E_MEMORY : ZIPNN_OK) || err.status != status || (failed && !err.message[0]))
        fail_msg("%s, allocation %zu: %s", operations[which].name, n, zipnn_status_name(status));
    if (created && failed) {
        status = operations[which].run(ctx, f, &err);
        if (status != ZIPNN_OK) fail_msg("%s after allocation %zu: %s", operations[which].name, n, err.message);
    }
    if (created) zipnn_destroy(ctx);
    if (heap.living != 0) fail_msg("%s, allocation %zu: %zu left", operations[which].name, n, (size_t)heap.living);
    return failed;
}

static void resize(struct fixture *f, unsigned threads) {
    f->len = threads > 1 ? LEN : SHORT;
    assert_int_equal(pack_plain(f), ZIPNN_OK);
}

static void every_allocation_may_fail(void **state) {
    struct fixture *f = *state;
    for (unsigned threads = 1; threads <= 2; threads++) {
        resize(f, threads);
        for (size_t which = 0; which < N_OPERATIONS; which++) {
            size_t n = 1;
            while (survives(f, which, threads, n)) n++;
            assert_true(n > 3);
        }
    }
}

/* A context that has worked needs memory for the tables of a job alone, not for each chunk. Recompressing takes a
 * second context. */
static void chunks_cost_no_allocations(void **state) {
    struct fixture *f = *state;
    struct heap heap = {.failing_call = 0};
    const zipnn_options options = {.size = sizeof options, .level = 1, .allocator = {heap_alloc, heap_release, &heap}};
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    for (size_t which = 0; which < N_OPERATIONS; which++) {
        assert_int_equal(operations[which].run(ctx, f, NULL), ZIPNN_OK);
        const size_t calls = heap.calls, living = heap.living;
        assert_int_equal(operations[which].run(ctx, f, NULL), ZIPNN_OK);
        const size_t most = operations[which].run == do_recompress ? 16 : 8;
        if (heap.calls - calls > most) fail_msg("%s: %zu allocations", operations[which].name, heap.calls - calls);
        assert_int_equal(heap.living, living);
    }
    zipnn_destroy(ctx);
}

/* ---- sources and sinks ------------------------------------------------------------------------------------------- */

enum direction { PACK, UNPACK, TEST };

/* One operation with the n-th call of the source or of the sink failing; false when n is past the last. */
static bool fault_is_passed_on(struct fixture *f, zipnn_ctx *ctx, enum direction direction, bool file, bool in_sink,
                               size_t n) {
    struct zt_input in = {.data = direction == PACK ? f->original : f->archive,
                          .len = direction == PACK ? f->len : f->archive_len,
                          .longest = 100003,
                          .failing_call = in_sink ? 0 : n};
    struct zt_output out = {.data = direction == PACK ? f->archive : f->restored,
                            .cap = direction == PACK ? BOUND : f->len,
                            .failing_call = in_sink ? n : 0};
    const zipnn_source source = file ? zt_file(&in) : zt_pipe(&in);
    const zipnn_sink sink = file ? zt_file_sink(&out) : zt_pipe_sink(&out);
    zipnn_error err = {ZIPNN_OK, 0, ""};
    zipnn_status status = direction == PACK     ? zipnn_pack(ctx, &source, &sink, NULL, &err)
                          : direction == UNPACK ? zipnn_unpack(ctx, &source, &sink, NULL, &err)
                                                : zipnn_test(ctx, &source, NULL, &err);
    const bool failed = (in_sink ? out.calls : in.calls) >= n;
    if (status != (failed ? ZIPNN_E_IO : ZIPNN_OK) || in.overrun || out.overrun)
        fail_msg("call %zu: %s (%s)", n, zipnn_status_name(status), err.message);
    if (failed) assert_string_equal(err.message, "the device is on fire");
    return failed;
}

static void every_call_of_source_and_sink_may_fail(void **state) {
    struct fixture *f = *state;
    assert_int_equal(do_compress(NULL, f, NULL), ZIPNN_E_ARGUMENT);
    for (unsigned threads = 1; threads <= 2; threads++) {
        resize(f, threads);
        const zipnn_options options = {.size = sizeof options, .threads = threads, .level = 1};
        zipnn_ctx *ctx;
        assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
        for (unsigned i = 0; i < 12; i++) {
            assert_int_equal(do_compress(ctx, f, NULL), ZIPNN_OK);
            const enum direction direction = (enum direction)(i % 3);
            if (direction == TEST && i >= 6) continue; /* it has no sink */
            size_t n = 1;
            while (fault_is_passed_on(f, ctx, direction, i / 3 % 2, i >= 6, n)) n++;
            assert_true(n > 2);
        }
        zipnn_destroy(ctx);
    }
}

static zipnn_status read_too_much(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err) {
    (void)user;
    (void)buf;
    (void)err;
    *got = cap + 1;
    return ZIPNN_OK;
}

static zipnn_status fail_silently(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err) {
    (void)buf;
    (void)cap;
    (void)got;
    (void)err;
    return *(zipnn_status *)user;
}

static void a_source_that_lies_or_says_nothing(void **state) {
    struct fixture *f = *state;
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    struct zt_output out = {.data = f->archive, .cap = BOUND};
    const zipnn_sink sink = zt_pipe_sink(&out);
    zipnn_source source = {.read = read_too_much, .length = UINT64_MAX};
    zipnn_error err;
    assert_int_equal(zipnn_pack(ctx, &source, &sink, NULL, &err), ZIPNN_E_IO);
    assert_int_equal(zipnn_unpack(ctx, &source, &sink, NULL, &err), ZIPNN_E_IO);
    zipnn_status status = ZIPNN_E_LIMIT; /* passed on as it is */
    source = (zipnn_source){.read = fail_silently, .length = UINT64_MAX, .user = &status};
    assert_int_equal(zipnn_pack(ctx, &source, &sink, NULL, &err), ZIPNN_E_LIMIT);
    assert_true(err.status == ZIPNN_E_LIMIT && err.message[0] != '\0');
    assert_int_equal(zipnn_test(ctx, &source, NULL, NULL), ZIPNN_E_LIMIT);
    zipnn_destroy(ctx);
}

static int set_up(void **state) {
    static struct fixture f;
    f.original = malloc(LEN);
    f.archive = malloc(BOUND);
    f.restored = malloc(LEN);
    f.another = malloc(BOUND);
    if (!f.original || !f.archive || !f.restored || !f.another) return -1;
    zt_sample(ZT_MIXED, 1, f.original, LEN);
    f.len = LEN;
    *state = &f;
    return pack_plain(&f) != ZIPNN_OK;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    free(f->original);
    free(f->archive);
    free(f->restored);
    free(f->another);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(chunks_cost_no_allocations),
        cmocka_unit_test(every_call_of_source_and_sink_may_fail),
        cmocka_unit_test(a_source_that_lies_or_says_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
