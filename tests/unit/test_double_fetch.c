/* Input that changes while it is read. Whatever the library has looked at may be something else when it looks again:
 * an error or other bytes, but never an access outside a buffer, and never memory that nobody wrote.
 *
 * Bytes change at the j-th call that the library makes, for every j: of the source, the allocator, the executor and the
 * progress function. With every number of the archive that says how long something is. */
#include "support/forge.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"

enum { MAX_ARCHIVE = 1 << 16, ROOM = 3 << 20, N_SMALL = 40, MANY = 4 << 20 };

/* What the library sees, and what becomes of it. */
static struct shifting {
    uint8_t *memory; /* it ends at a guard page */
    const uint8_t *before;
    size_t len;
    size_t at; /* what changes: a number of `width` bytes ... */
    unsigned width;
    uint64_t value; /* ... to this */
    size_t n_calls, changing_call;
} s;

static void call(void) {
    if (++s.n_calls != s.changing_call) return;
    for (unsigned i = 0; i < s.width; i++) s.memory[s.at + i] = (uint8_t)(s.value >> 8 * i);
}

static void *take(void *user, size_t size) {
    (void)user;
    call();
    return malloc(size);
}

static void give(void *user, void *p) {
    (void)user;
    if (p) call();
    free(p);
}

static void run_tasks(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg) {
    (void)user;
    for (size_t i = 0; i < n; i++) {
        call();
        task(arg, i);
    }
}

static int progress(void *user, uint64_t done, uint64_t total) {
    (void)user, (void)done, (void)total;
    call();
    return 0;
}

static zipnn_status read_at(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    (void)user, (void)err;
    if (off > s.len || len > s.len - off) abort();
    memcpy(buf, s.memory + off, len);
    call();
    return ZIPNN_OK;
}

static zipnn_status view(void *user, uint64_t off, size_t len, const void **bytes, zipnn_error *err) {
    (void)user, (void)err;
    if (off > s.len || len > s.len - off) abort();
    *bytes = s.memory + off;
    call();
    return ZIPNN_OK;
}

/* ---- what is done with it ---- */

struct place {
    zipnn_ctx *ctx;
    zipnn_source source; /* by read_at or by view */
    struct guard out;
    uint64_t original; /* as the archive says before it changes */
};

static void decompress(struct place *p) {
    size_t got;
    uint8_t *out = guard_high(&p->out, (size_t)p->original);
    memset(out, 0xEE, (size_t)p->original);
    if (zipnn_decompress(p->ctx, s.memory, s.len, out, (size_t)p->original, &got, NULL) == ZIPNN_OK)
        assert_true(got <= p->original);
}

static void size_up(struct place *p) {
    uint64_t original;
    (void)p;
    zipnn_original_size(s.memory, s.len, &original, NULL);
}

static void unpack(struct place *p) {
    struct zt_output out = {.data = guard_low(&p->out), .cap = ROOM};
    const zipnn_sink sink = zt_file_sink(&out);
    zipnn_unpack(p->ctx, &p->source, &sink, NULL, NULL);
}

static void test(struct place *p) {
    zipnn_test(p->ctx, &p->source, NULL, NULL);
}

static void read_archive(struct place *p, zipnn_archive *a) {
    zipnn_archive_info info;
    zipnn_archive_get_info(a, &info);
    if (info.original > ROOM) return;
    uint8_t *out = guard_high(&p->out, (size_t)info.original);
    zipnn_archive_read(a, 0, info.original, out, NULL);
    if (info.original > 9) zipnn_archive_read(a, 5, info.original - 9, out + 5, NULL);
    for (uint64_t i = 0; i < info.n_tensors; i++) {
        zipnn_tensor_info t;
        zipnn_archive_tensor(a, i, &t, NULL);
        if (t.length <= ROOM)
            zipnn_archive_read_tensor(a, i, guard_high(&p->out, (size_t)t.length), (size_t)t.length, NULL);
    }
    for (uint64_t i = 0; i < info.n_chunks; i++) {
        zipnn_coding coding;
        zipnn_archive_coding(a, i, &coding, NULL);
    }
}

static void open_and_read(struct place *p) {
    zipnn_archive *a;
    if (zipnn_archive_open(p->ctx, &p->source, &a, NULL) != ZIPNN_OK) return;
    read_archive(p, a);
    zipnn_archive_close(a);
}

static void salvage(struct place *p) {
    struct zt_output out = {.data = guard_low(&p->out), .cap = ROOM};
    const zipnn_sink sink = zt_pipe_sink(&out);
    zipnn_archive *a;
    if (zipnn_archive_open_damaged(p->ctx, &p->source, &a, NULL) != ZIPNN_OK) return;
    read_archive(p, a);
    zipnn_archive_salvage(a, &sink, NULL, NULL, NULL, NULL);
    zipnn_archive_close(a);
}

static void apply(struct place *p) {
    uint8_t *memory = guard_high(&p->out, (size_t)p->original);
    memset(memory, 7, (size_t)p->original);
    zipnn_apply(p->ctx, &p->source, memory, (size_t)p->original, NULL, NULL);
}

static void recompress(struct place *p) {
    struct zt_output out = {.data = guard_low(&p->out), .cap = ROOM};
    const zipnn_sink sink = zt_pipe_sink(&out);
    zipnn_recompress(p->ctx, &p->source, &sink, NULL, NULL);
}

/* The changing archive is the base of another, of which it is the whole original. */
static void restore_from(struct place *p) {
    struct zt_forge f;
    uint8_t xxh3[16];
    zipnn_archive *a;
    zipnn_archive_info info;
    if (zipnn_archive_open(p->ctx, &p->source, &a, NULL) != ZIPNN_OK) return;
    zipnn_archive_get_info(a, &info);
    zipnn_archive_close(a);
    if (info.original == 0 || info.original > ROOM) return;
    memcpy(xxh3, info.xxh3, sizeof xxh3);
    zt_forge_begin(&f, ZN_FLAG_BASES, ZN_MAX_CHUNK);
    zt_forge_base(&f, xxh3, info.original, "base");
    zt_forge_copy(&f, 1, 0, (uint32_t)info.original, 0);
    zt_forge_copy(&f, 1, 1, (uint32_t)info.original - 1, 0);
    zt_forge_end(&f, xxh3);
    struct zt_input in = {.data = f.data, .len = f.len};
    struct zt_output out = {.data = guard_low(&p->out), .cap = ROOM};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_file_sink(&out);
    zipnn_unpack(p->ctx, &source, &sink, NULL, NULL);
    zt_forge_free(&f);
}

static const struct {
    const char *name;
    void (*run)(struct place *p);
} operations[] = {
    {"decompress", decompress}, {"original_size", size_up}, {"unpack", unpack}, {"test", test},
    {"open", open_and_read},    {"salvage", salvage},       {"apply", apply},   {"recompress", recompress},
    {"base", restore_from}};

static const struct {
    const char *name;
    unsigned threads;
    bool by_view;
} manners[] = {{"one thread, read_at", 1, false}, {"three threads, view", 3, true}};

static void run_once(unsigned operation, unsigned manner, struct place *p, size_t changing_call) {
    p->source = (zipnn_source){.read_at = read_at, .view = manners[manner].by_view ? view : NULL, .length = s.len};
    const zipnn_options options = {.size = sizeof options,
                                   .threads = manners[manner].threads,
                                   .allocator = {take, give, NULL},
                                   .executor = {run_tasks, NULL},
                                   .progress = progress,
                                   .max_original = ROOM,
                                   .bases = &p->source,
                                   .n_bases = 1};
    memcpy(s.memory, s.before, s.len);
    s.n_calls = s.changing_call = 0;
    assert_int_equal(zipnn_create(&options, &p->ctx, NULL), ZIPNN_OK);
    s.n_calls = 0;
    s.changing_call = changing_call;
    operations[operation].run(p);
    const size_t n_calls = s.n_calls;
    s.changing_call = 0;
    zipnn_destroy(p->ctx);
    s.n_calls = n_calls;
}

/* Every call for the first few, then some of them. */
static void run_all(unsigned operation, unsigned manner, struct place *p) {
    run_once(operation, manner, p, 0);
    const size_t n = s.n_calls, step = n / 40 + 1;
    for (size_t j = 1; j <= n; j += j < 30 ? 1 : step) run_once(operation, manner, p, j);
}

/* Lengths in the archive, of which each becomes too large, too small, and nonsense. */
static void change_numbers(const uint8_t *archive, size_t len, const size_t *numbers, size_t n, uint64_t original) {
    const struct guard memory = guard_make(len);
    struct place p = {.out = guard_make(ROOM), .original = original};
    s = (struct shifting){.memory = guard_high(&memory, len), .before = archive, .len = len, .width = 4};
    for (size_t i = 0; i < n; i++) {
        const uint64_t values[] = {MANY, 1, 0, UINT32_MAX};
        for (size_t v = 0; v < sizeof values / sizeof *values; v++)
            for (unsigned o = 0; o < sizeof operations / sizeof *operations; o++) {
                s.at = numbers[i];
                s.value = values[v];
                run_all(o, (unsigned)(i + v + o) % 2, &p);
            }
    }
    struct guard first = memory;
    guard_free(&first);
    guard_free(&p.out);
}

/* Many small chunks, one large one behind them, then a few that refer to it. */
static void chunks_and_their_index(void **state) {
    static uint8_t large[100000];
    struct zt_forge f;
    (void)state;
    memset(large, 9, sizeof large);
    zt_forge_begin(&f, ZN_FLAG_SELF, ZN_MAX_CHUNK);
    for (unsigned i = 0; i < N_SMALL; i++) zt_forge_constant(&f, (uint8_t)i, 1 + i);
    const uint64_t at = f.original;
    zt_forge_constant(&f, 9, sizeof large);
    const size_t copy = f.len;
    zt_forge_copy(&f, 0, at + 1, 5000, zt_check_of(large, 5000));
    zt_forge_constant(&f, 1, MANY);
    zt_forge_list_as(&f, 1); /* until the index changes */
    const size_t index = f.len;
    zt_forge_end(&f, NULL);
    const size_t entries = index + ZN_FRAME_LEN + ZN_INDEX_LEN, last = f.len - ZN_TRAILER_LEN - ZN_ENTRY_LEN;
    const size_t numbers[] = {entries + 4,
                              entries,
                              entries + 7 * ZN_ENTRY_LEN + 4,
                              last + 4,
                              last,
                              last - 2 * ZN_ENTRY_LEN + 4,
                              index + 8,
                              index + ZN_FRAME_LEN + 4,
                              f.len - ZN_TRAILER_LEN,
                              12 /* max_chunk */,
                              ZN_HEADER_LEN + 8,
                              ZN_HEADER_LEN + 12,
                              copy + 8,
                              copy + 12,
                              copy + ZN_FRAME_LEN + 4,
                              copy + ZN_FRAME_LEN + 8};
    change_numbers(f.data, f.len, numbers, sizeof numbers / sizeof *numbers, f.original);
    zt_forge_free(&f);
}

/* What the Python package wrote: its header, its table of sizes, its chunks. */
static void old_records(void **state) {
    static uint8_t original[70000], record[MAX_ARCHIVE * 2];
    zipnn_ctx *ctx;
    struct zt_input in = {.data = original, .len = sizeof original};
    struct zt_output out = {.data = record, .cap = sizeof record};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    (void)state;
    zt_sample(ZT_BF16, 3, original, sizeof original);
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_pack_old(ctx, ZIPNN_OLD_RECORD, &source, &sink, NULL, NULL), ZIPNN_OK);
    zipnn_destroy(ctx);
    const size_t numbers[] = {5, 8, 9, 12, 16, 20, 24, 32, 34, 36, 38, 44, 46, 52};
    change_numbers(record, out.len, numbers, sizeof numbers / sizeof *numbers, sizeof original);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_and_their_index),
        cmocka_unit_test(old_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
