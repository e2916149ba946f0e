/* The public interface: options, arguments, buffer sizes, executors, progress, contexts side by side. */
#include <pthread.h>
#include <stdio.h>

#include "base/bytes.h"
#include "plan/dtype.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"
#include "zipnn/zipnn.h"

enum { LARGE = 5 << 20, BOUND = LARGE + (1 << 20) };

static zipnn_ctx *context(zipnn_options options) {
    zipnn_ctx *ctx;
    options.size = sizeof options;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    return ctx;
}

static uint8_t *new_sample(enum zt_sample kind, size_t len) {
    uint8_t *p = malloc(len ? len : 1);
    assert_non_null(p);
    zt_sample(kind, 3, p, len);
    return p;
}

static uint8_t *new_room(size_t len) {
    uint8_t *p = malloc(len);
    assert_non_null(p);
    return p;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static void names_and_numbers(void **state) {
    (void)state;
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", ZIPNN_VERSION_MAJOR, ZIPNN_VERSION_MINOR, ZIPNN_VERSION_PATCH);
    assert_string_equal(zipnn_version(), version);
    assert_string_equal(zipnn_status_name(ZIPNN_E_CORRUPT), "corrupt");
    assert_string_equal(zipnn_status_name(ZIPNN_E_CANCELLED), "cancelled");
    assert_string_equal(zipnn_status_name(ZIPNN_E_BASE), "base");
    assert_string_equal(zipnn_status_name((zipnn_status)13), "unknown");
    assert_string_equal(zipnn_status_name((zipnn_status)-1), "unknown");
    assert_string_equal(zipnn_dtype_name(ZIPNN_BF16), "BF16");
    assert_string_equal(zipnn_dtype_name((zipnn_dtype)1000), "?");
    assert_int_equal(zipnn_dtype_bits(ZIPNN_F4_E2M1), 4);
    assert_int_equal(zipnn_dtype_bits((zipnn_dtype)1000), 0);
    assert_true(zipnn_compress_bound(UINT64_MAX) == UINT64_MAX);
    assert_true(zipnn_compress_bound(UINT64_MAX - 1000) == UINT64_MAX);
    assert_true(zipnn_available_cpus() >= 1);
}

static zipnn_status try_options(const zipnn_options *options) {
    zipnn_ctx *ctx = NULL;
    zipnn_error err = {ZIPNN_OK, 0, ""};
    zipnn_status status = zipnn_create(options, &ctx, &err);
    if (status == ZIPNN_OK) {
        assert_non_null(zipnn_kernel_name(ctx));
        zipnn_destroy(ctx);
    } else {
        assert_int_equal(err.status, status);
        assert_true(err.message[0] != '\0');
    }
    return status;
}

static void options_are_held_to_their_rules(void **state) {
    (void)state;
    const zipnn_options plain = {.size = sizeof plain};
    zipnn_options o = plain;
    assert_int_equal(try_options(NULL), ZIPNN_OK);
    assert_int_equal(try_options(&plain), ZIPNN_OK);
    o.size = 0;
    assert_int_equal(try_options(&o), ZIPNN_E_ARGUMENT);
    for (o = plain, o.level = -1; o.level <= 10; o.level++)
        assert_int_equal(try_options(&o), o.level < 0 || o.level > 9 ? ZIPNN_E_ARGUMENT : ZIPNN_OK);
    o = plain, o.cpu = (zipnn_cpu)5;
    assert_int_equal(try_options(&o), ZIPNN_E_ARGUMENT);
    o = plain, o.cpu = (zipnn_cpu)-1;
    assert_int_equal(try_options(&o), ZIPNN_E_ARGUMENT);
    o = plain, o.dtype = (zipnn_dtype)ZN_N_DTYPES;
    assert_int_equal(try_options(&o), ZIPNN_E_ARGUMENT);
    o = plain, o.verify = (zipnn_verify)2;
    assert_int_equal(try_options(&o), ZIPNN_E_ARGUMENT);
    o = plain, o.threads = 1000000;
    assert_int_equal(try_options(&o), ZIPNN_OK);
}

/* Two fields more than this library knows. */
static void a_longer_struct_must_be_zero_past_the_known(void **state) {
    (void)state;
    struct {
        zipnn_options known;
        uint64_t more[2];
    } o;
    memset(&o, 0, sizeof o);
    o.known.size = sizeof o;
    assert_int_equal(try_options(&o.known), ZIPNN_OK);
    o.more[1] = 1;
    assert_true(try_options(&o.known) != ZIPNN_OK);
}

static void a_shorter_struct_means_defaults(void **state) {
    (void)state;
    zipnn_options o;
    memset(&o, 0xFF, sizeof o);
    o.size = offsetof(zipnn_options, level) + sizeof o.level;
    o.level = 1;
    assert_int_equal(try_options(&o), ZIPNN_OK);
}

static void kernel_sets_have_their_names(void **state) {
    (void)state;
    static const char *const names[] = {"", "scalar", "avx2", "avx512", "neon"};
    for (int cpu = ZIPNN_CPU_SCALAR; cpu <= ZIPNN_CPU_NEON; cpu++) {
        const zipnn_options o = {.size = sizeof o, .cpu = (zipnn_cpu)cpu};
        zipnn_ctx *ctx;
        zipnn_status status = zipnn_create(&o, &ctx, NULL);
        if (status == ZIPNN_OK) {
            assert_string_equal(zipnn_kernel_name(ctx), names[cpu]);
            zipnn_destroy(ctx);
        } else {
            assert_int_equal(status, ZIPNN_E_UNSUPPORTED);
            assert_true(cpu != ZIPNN_CPU_SCALAR);
        }
    }
    zipnn_destroy(NULL);
    zipnn_archive_close(NULL);
    zipnn_file_close(NULL);
}

/* ---- arguments and buffers --------------------------------------------------------------------------------------- */

static void impossible_arguments_are_refused(void **state) {
    (void)state;
    zipnn_ctx *ctx = context((zipnn_options){.threads = 1});
    struct zt_input in = {.data = (const uint8_t *)"weights", .len = 7};
    uint8_t room[300];
    struct zt_output out = {.data = room, .cap = sizeof room};
    const zipnn_source good = zt_pipe(&in), none = {.length = 7};
    zipnn_source endless = zt_file(&in);
    endless.length = UINT64_MAX;
    const zipnn_sink sink = zt_pipe_sink(&out), no_sink = {.user = NULL};
    zipnn_archive *archive;
    size_t n;
    uint64_t original;
    assert_int_equal(zipnn_pack(ctx, &none, &sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_pack(ctx, &endless, &sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_pack(ctx, &good, &no_sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_pack(ctx, NULL, &sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_unpack(ctx, &none, &sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_unpack(ctx, &good, &no_sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_test(ctx, &none, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_archive_open(ctx, &good, &archive, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_compress(ctx, NULL, 1, room, sizeof room, &n, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_decompress(ctx, NULL, 1, room, sizeof room, &n, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_original_size(NULL, 1, &original, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_compress(ctx, NULL, 0, room, sizeof room, &n, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_decompress(ctx, room, n, NULL, 0, &n, NULL), ZIPNN_OK);
    assert_int_equal(n, 0);
    zipnn_destroy(ctx);
}

static void foreign_input_is_named(void **state) {
    (void)state;
    zipnn_ctx *ctx = context((zipnn_options){.threads = 1});
    uint8_t out[64];
    size_t n;
    uint64_t original;
    zipnn_error err;
    static const char text[] = "this is not an archive, it only looks like text";
    assert_int_equal(zipnn_decompress(ctx, text, sizeof text, out, sizeof out, &n, &err), ZIPNN_E_FORMAT);
    assert_int_equal(err.status, ZIPNN_E_FORMAT);
    assert_true(err.offset == 0);
    assert_int_equal(zipnn_original_size(text, sizeof text, &original, NULL), ZIPNN_E_FORMAT);
    assert_int_equal(zipnn_decompress(ctx, "", 0, out, sizeof out, &n, NULL), ZIPNN_E_TRUNCATED);
    zipnn_destroy(ctx);
}

/* Every size of the output buffer ends in success or ZIPNN_E_SPACE, and nothing is written past it. */
static void buffers_of_every_size(void **state) {
    (void)state;
    enum { LEN = 701 };
    zipnn_ctx *ctx = context((zipnn_options){.dtype = ZIPNN_BF16});
    uint8_t *original = new_sample(ZT_BF16, LEN);
    const size_t bound = (size_t)zipnn_compress_bound(LEN);
    struct guard g = guard_make(bound);
    uint8_t *archive = new_room(bound);
    size_t full, n;
    assert_int_equal(zipnn_compress(ctx, original, LEN, archive, bound, &full, NULL), ZIPNN_OK);
    for (size_t cap = 0; cap <= bound; cap++) {
        zipnn_status status = zipnn_compress(ctx, original, LEN, guard_high(&g, cap), cap, &n, NULL);
        assert_int_equal(status, cap < full ? ZIPNN_E_SPACE : ZIPNN_OK);
        if (status == ZIPNN_OK) assert_memory_equal(guard_high(&g, cap), archive, full);
    }
    for (size_t cap = 0; cap <= LEN + 9; cap++) {
        zipnn_status status = zipnn_decompress(ctx, archive, full, guard_high(&g, cap), cap, &n, NULL);
        assert_int_equal(status, cap < LEN ? ZIPNN_E_SPACE : ZIPNN_OK);
        if (status == ZIPNN_OK) assert_memory_equal(guard_high(&g, cap), original, LEN);
    }
    guard_free(&g);
    free(original);
    free(archive);
    zipnn_destroy(ctx);
}

/* ---- executors --------------------------------------------------------------------------------------------------- */

struct executor {
    void (*run)(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg);
    size_t most, runs;
};

static void count_run(struct executor *e, size_t n) {
    e->most = ZN_MAX(e->most, n);
    e->runs++;
}

static void run_in_order(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    count_run(user, n);
    for (size_t i = 0; i < n; i++) task(arg, i);
}

static void run_reversed(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    count_run(user, n);
    for (size_t i = n; i-- > 0;) task(arg, i);
}

struct thread_task {
    void (*task)(void *arg, size_t i);
    void *arg;
    size_t i;
};

static void *thread_main(void *arg) {
    const struct thread_task *t = arg;
    t->task(t->arg, t->i);
    return NULL;
}

static void run_on_threads(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    enum { MOST = 16 };
    pthread_t threads[MOST];
    struct thread_task tasks[MOST];
    count_run(user, n);
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++) {
        tasks[i] = (struct thread_task){task, arg, i};
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &tasks[i]), 0);
    }
    for (size_t i = 0; i < n; i++) pthread_join(threads[i], NULL);
}

/* So large that several workers write past the caches, into pages that have been in use. */
static void threads_make_no_difference(void **state) {
    (void)state;
    enum { LEN = (9 << 20) + 1001 };
    const size_t cap = (size_t)zipnn_compress_bound(LEN);
    uint8_t *original = new_sample(ZT_MIXED, LEN), *expected = new_room(cap), *archive = new_room(cap);
    size_t expected_len, n;
    memset(archive, 0xA5, cap);
    for (unsigned threads = 1; threads <= 3; threads++) {
        zipnn_ctx *ctx = context((zipnn_options){.threads = threads, .level = ZIPNN_LEVEL_FAST});
        uint8_t *to = threads == 1 ? expected : archive;
        assert_int_equal(zipnn_compress(ctx, original, LEN, to, cap, &n, NULL), ZIPNN_OK);
        if (threads == 1) expected_len = n;
        assert_int_equal(n, expected_len);
        assert_memory_equal(to, expected, n);
        zipnn_error err;
        assert_int_equal(zipnn_compress(ctx, original, LEN, archive, expected_len / 2, &n, &err), ZIPNN_E_SPACE);
        zipnn_destroy(ctx);
    }
    free(original);
    free(expected);
    free(archive);
}

static void executors_make_no_difference(void **state) {
    (void)state;
    uint8_t *original = new_sample(ZT_MIXED, LARGE), *expected = new_room(BOUND), *archive = new_room(BOUND);
    uint8_t *restored = new_room(LARGE);
    size_t expected_len, n;
    zipnn_ctx *ctx = context((zipnn_options){.threads = 1});
    assert_int_equal(zipnn_compress(ctx, original, LARGE, expected, BOUND, &expected_len, NULL), ZIPNN_OK);
    zipnn_destroy(ctx);
    struct executor executors[] = {{run_in_order, 0, 0}, {run_reversed, 0, 0}, {run_on_threads, 0, 0}};
    for (size_t i = 0; i < sizeof executors / sizeof *executors; i++) {
        struct executor *e = &executors[i];
        ctx = context((zipnn_options){.threads = 4, .executor = {e->run, e}});
        assert_int_equal(zipnn_compress(ctx, original, LARGE, archive, BOUND, &n, NULL), ZIPNN_OK);
        assert_int_equal(n, expected_len);
        assert_memory_equal(archive, expected, n);
        assert_int_equal(zipnn_decompress(ctx, archive, n, restored, LARGE, &n, NULL), ZIPNN_OK);
        assert_memory_equal(restored, original, LARGE);
        struct zt_input in = {.data = archive, .len = expected_len};
        const zipnn_source source = zt_pipe(&in);
        struct zt_output out = {.data = restored, .cap = LARGE};
        const zipnn_sink sink = zt_pipe_sink(&out);
        assert_int_equal(zipnn_unpack(ctx, &source, &sink, NULL, NULL), ZIPNN_OK);
        assert_memory_equal(restored, original, LARGE);
        assert_true(e->runs >= 3 && e->most >= 2 && e->most <= 4);
        zipnn_destroy(ctx);
    }
    free(original);
    free(expected);
    free(archive);
    free(restored);
}

/* ---- progress ---------------------------------------------------------------------------------------------------- */

struct progress {
    uint64_t done, total;
    size_t calls, stop_at;
    bool backwards;
};

static int on_progress(void *user, uint64_t done, uint64_t total) {
    struct progress *p = user;
    p->backwards |= done < p->done;
    p->done = done;
    p->total = total;
    return ++p->calls == p->stop_at;
}

/* Packs and unpacks by pipe or file; the status of the one that failed. */
static zipnn_status there_and_back(zipnn_ctx *ctx, struct progress *p, bool file, const uint8_t *original,
                                   uint8_t *archive, uint8_t *restored) {
    struct zt_input in = {.data = original, .len = LARGE};
    struct zt_output out = {.data = archive, .cap = BOUND};
    zipnn_source source = file ? zt_file(&in) : zt_pipe(&in);
    zipnn_sink sink = file ? zt_file_sink(&out) : zt_pipe_sink(&out);
    zipnn_error err;
    zipnn_status status = zipnn_pack(ctx, &source, &sink, NULL, &err);
    if (status != ZIPNN_OK) return status == err.status ? status : ZIPNN_E_ARGUMENT;
    assert_true(p->done == LARGE && p->total == (file ? LARGE : UINT64_MAX) && !p->backwards && p->calls > 1);
    p->done = 0;

    struct zt_input packed = {.data = archive, .len = out.written};
    struct zt_output back = {.data = restored, .cap = LARGE};
    source = file ? zt_file(&packed) : zt_pipe(&packed);
    sink = file ? zt_file_sink(&back) : zt_pipe_sink(&back);
    status = zipnn_unpack(ctx, &source, &sink, NULL, &err);
    if (status != ZIPNN_OK) return status == err.status ? status : ZIPNN_E_ARGUMENT;
    assert_true(p->done == LARGE && p->total == (file ? LARGE : UINT64_MAX) && !p->backwards);
    assert_memory_equal(restored, original, LARGE);
    return ZIPNN_OK;
}

static void progress_is_told_and_can_stop(void **state) {
    (void)state;
    uint8_t *original = new_sample(ZT_BF16, LARGE), *archive = new_room(BOUND), *restored = new_room(LARGE);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        for (unsigned file = 0; file < 2; file++) {
            struct progress p = {.stop_at = 0};
            zipnn_ctx *ctx = context((zipnn_options){
                .threads = threads, .level = ZIPNN_LEVEL_FAST, .progress = on_progress, .progress_user = &p});
            assert_int_equal(there_and_back(ctx, &p, file, original, archive, restored), ZIPNN_OK);
            const size_t calls = p.calls;
            for (size_t stop = 1; stop <= calls; stop++) {
                p = (struct progress){.stop_at = stop};
                assert_int_equal(there_and_back(ctx, &p, file, original, archive, restored), ZIPNN_E_CANCELLED);
                assert_int_equal(p.calls, stop);
            }
            zipnn_destroy(ctx);
        }
    }
    free(original);
    free(archive);
    free(restored);
}

/* ---- contexts side by side --------------------------------------------------------------------------------------- */

struct side {
    enum zt_sample kind;
    bool fine;
};

static void *work_alone(void *arg) {
    enum { LEN = 300001, ROUNDS = 10 };
    struct side *s = arg;
    uint8_t *original = malloc(LEN), *archive = malloc(2 * LEN), *restored = malloc(LEN);
    const zipnn_options options = {.size = sizeof options, .threads = 2};
    zipnn_ctx *ctx = NULL;
    size_t n;
    s->fine = original && archive && restored && zipnn_create(&options, &ctx, NULL) == ZIPNN_OK;
    for (unsigned i = 0; i < ROUNDS && s->fine; i++) {
        zt_sample(s->kind, i, original, LEN);
        s->fine = zipnn_compress(ctx, original, LEN, archive, 2 * LEN, &n, NULL) == ZIPNN_OK &&
                  zipnn_decompress(ctx, archive, n, restored, LEN, &n, NULL) == ZIPNN_OK &&
                  memcmp(original, restored, LEN) == 0;
    }
    zipnn_destroy(ctx);
    free(original);
    free(archive);
    free(restored);
    return NULL;
}

static void contexts_do_not_touch_each_other(void **state) {
    (void)state;
    struct side sides[] = {{ZT_BF16, false}, {ZT_F32, false}, {ZT_MIXED, false}};
    pthread_t threads[3];
    for (unsigned i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, work_alone, &sides[i]), 0);
    for (unsigned i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 3; i++) assert_true(sides[i].fine);
}

/* What readers of version 1.0 must know has no joint symbols; a version that does not exist is no version. */
static void older_readers_are_heeded(void **state) {
    (void)state;
    enum { N = 1 << 18 };
    static const struct {
        unsigned readers;
        zipnn_status status;
    } cases[] = {{0, ZIPNN_OK},
                 {100, ZIPNN_OK},
                 {100 * ZIPNN_VERSION_MAJOR + ZIPNN_VERSION_MINOR, ZIPNN_OK},
                 {99, ZIPNN_E_ARGUMENT},
                 {100 * ZIPNN_VERSION_MAJOR + ZIPNN_VERSION_MINOR + 1, ZIPNN_E_ARGUMENT}};
    const size_t cap = (size_t)zipnn_compress_bound(N);
    uint8_t *data = malloc(N), *packed = malloc(cap);
    size_t lens[sizeof cases / sizeof cases[0]] = {0};
    assert_true(data && packed);
    zt_sample(ZT_BF16, 1, data, N);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const zipnn_options options = {.size = sizeof options, .dtype = ZIPNN_BF16, .readers = cases[i].readers};
        enum { LAYOUT_AT = 24 + 16 + 1, LAYOUT_16R = 2, LAYOUT_JOINT = 13 };
        zipnn_ctx *ctx = NULL;
        assert_int_equal(zipnn_create(&options, &ctx, NULL), cases[i].status);
        if (!ctx) continue;
        assert_int_equal(zipnn_compress(ctx, data, N, packed, cap, &lens[i], NULL), ZIPNN_OK);
        assert_int_equal(packed[LAYOUT_AT], cases[i].readers == 100 ? LAYOUT_16R : LAYOUT_JOINT);
        zipnn_destroy(ctx);
    }
    assert_true(lens[0] == lens[2] && lens[0] < lens[1]);
    free(data);
    free(packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers),
        cmocka_unit_test(options_are_held_to_their_rules),
        cmocka_unit_test(a_longer_struct_must_be_zero_past_the_known),
        cmocka_unit_test(a_shorter_struct_means_defaults),
        cmocka_unit_test(kernel_sets_have_their_names),
        cmocka_unit_test(impossible_arguments_are_refused),
        cmocka_unit_test(foreign_input_is_named),
        cmocka_unit_test(buffers_of_every_size),
        cmocka_unit_test(threads_make_no_difference),
        cmocka_unit_test(executors_make_no_difference),
        cmocka_unit_test(progress_is_told_and_can_stop),
        cmocka_unit_test(contexts_do_not_touch_each_other),
        cmocka_unit_test(older_readers_are_heeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
