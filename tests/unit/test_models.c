/* The readers of every format, on the smallest files there are of each (tests/reference/model_files.py): what they say,
 * and that damage does no harm. */
#include <stdio.h>

#include "plan/dtype.h"
#include "support/plans.h"
#include "support/unit.h"

enum { MAX_FILE = 4096, MAX_ODD = 16384 };

static const struct {
    const char *file, *container;
    zipnn_dtype b; /* type of the second tensor */
} cases[] = {
    {"torch.pt", "torch", ZIPNN_BF16},        {"old.pt", "torch", ZIPNN_BF16},
    {"arrays.pkl", "pickle", ZIPNN_I16},      {"arrays.npz", "zip", ZIPNN_I16},
    {"model.onnx", "onnx", ZIPNN_BF16},       {"model.tflite", "tflite", ZIPNN_I16},
    {"model.h5", "hdf5", ZIPNN_I16},          {"ggml.bin", "ggml", ZIPNN_F16},
    {"arrays5.pkl", "pickle", ZIPNN_I16},     {"model.tar", "tar", ZIPNN_I16},
    {"model.msgpack", "msgpack", ZIPNN_BF16}, {"latest.h5", "hdf5", ZIPNN_I16},
    {"model.pt2", "zip", ZIPNN_BF16},         {"chunked.h5", "hdf5", 0},
};
enum { N_CASES = sizeof cases / sizeof cases[0], CHUNKED = N_CASES - 1 };

static size_t load_file(const char *name, uint8_t *data, size_t cap) {
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/fuzz_readers/%s", ZT_SOURCE_DIR, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t len = fread(data, 1, cap, f);
    fclose(f);
    assert_true(len > 0 && len < cap);
    return len;
}

static size_t load(size_t i, uint8_t *data) {
    return load_file(cases[i].file, data, MAX_FILE);
}

static const struct zn_tensor *tensor_of(const struct zn_plan *plan, const char *name) {
    for (size_t i = 0; i < plan->n_tensors; i++)
        if (strcmp(plan->names + plan->tensors[i].name, name) == 0) return &plan->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void files_are_understood(void **state) {
    (void)state;
    static const uint8_t w[] = {0, 0, 0, 0x3f, 0, 0, 0x80, 0xbe}, b[] = {0x80, 0x3f, 0x80, 0xbf};
    for (size_t i = 0; i < CHUNKED; i++) {
        uint8_t data[MAX_FILE];
        const size_t len = load(i, data);
        struct zn_plan plan = zt_plan_of(data, len, ZN_VIEW_WHOLE);
        assert_string_equal(plan.container, cases[i].container);
        assert_int_equal(plan.n_tensors, 2);
        const struct zn_tensor *tw = tensor_of(&plan, "w"), *tb = tensor_of(&plan, "b");
        assert_true(tw->len == 24 && tb->len == 8 && tw->dtype == ZIPNN_F32 && tb->dtype == cases[i].b);
        assert_memory_equal(data + tw->off, w, sizeof w);
        assert_memory_equal(data + tb->off, b, sizeof b);
        assert_true(tw->rank == 2 && plan.dims[tw->shape] == 2 && plan.dims[tw->shape + 1] == 3);
        assert_true(tb->rank == 1 && plan.dims[tb->shape] == 4);
        zn_plan_free(&plan);
    }
}

/* The chunks of a data set make one tensor; what filters made has a name, but no values. */
static void chunks_of_hdf5_make_a_tensor(void **state) {
    (void)state;
    static const uint8_t rows[2][4] = {{0, 0, 0, 0x3f}, {0, 0, 0x20, 0x40}};
    uint8_t data[MAX_FILE];
    const size_t len = load(CHUNKED, data);
    struct zn_plan plan = zt_plan_of(data, len, ZN_VIEW_WHOLE);
    assert_string_equal(plan.container, "hdf5");
    assert_int_equal(plan.n_tensors, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct zn_tensor *t = &plan.tensors[i];
        assert_string_equal(plan.names + t->name, "w");
        assert_true(t->len == 12 && t->dtype == ZIPNN_F32 && t->rank == 1 && plan.dims[t->shape] == 3);
        assert_memory_equal(data + t->off, rows[i], sizeof rows[i]);
        assert_int_equal(t->meaning, ZN_HIDDEN);
    }
    assert_int_equal(plan.n_aliases, 2);
    const struct zn_tensor *b = &plan.tensors[2], *w = &plan.tensors[3];
    assert_string_equal(plan.names + b->name, "b");
    assert_true(b->meaning == (ZN_ALIAS | ZN_UNREADABLE) && b->len == 0);
    assert_string_equal(plan.names + w->name, "w");
    assert_true(w->meaning == ZN_ALIAS && w->rank == 2 && plan.dims[w->shape] == 2 && plan.dims[w->shape + 1] == 3);
    const struct zn_grid *g = &plan.grids[w->grid];
    assert_true(g->n == 2 && g->piece_len == 12 && plan.dims[g->shape] == 1 && plan.dims[g->shape + 1] == 3);
    for (size_t i = 0; i < 2; i++) {
        const struct zn_grid_piece *p = &plan.pieces[g->first + i];
        assert_true(p->cell == i);
        assert_memory_equal(data + p->off, rows[i], sizeof rows[i]);
    }
    zn_plan_free(&plan);
}

/* Names in the order of the plan, the longer of them cut. */
static void names_of(const struct zn_plan *plan, char *to) {
    *to = '\0';
    for (size_t i = 0; i < plan->n_tensors + plan->n_aliases; i++)
        snprintf(to + strlen(to), 24, "%s%.16s", i ? " " : "", plan->names + plan->tensors[i].name);
}

/* What is allowed and seldom: every tensor has a name of its own, or is counted. */
static void odd_files_are_listed(void **state) {
    (void)state;
    static const struct {
        const char *file, *container, *names;
        unsigned n_left_out;
    } odd[] = {
        {"containers.pkl", "pickle",
         "p.w dd.w dd.b cfg.w cfg.extra od.w obj.w slots.v slots.w dq.0 dq.1 set.0 set.1.0 one.w 7 11 two.w", 0},
        {"hard_names.pkl", "pickle",
         "deep.0.0.0.0.0.0 kkkkkkkkkkkkkkkk nnnnnnnnnnnnnnnn mmmmmmmmmmmmmmmm a.b a.b#1 z\\u0000z ", 0},
        {"roots.zip", "zip", "a.pkl/ b.pkl/0", 0},
        {"unnamed.onnx", "onnx", "inner if W  none", 1},
        {"nested.gguf", "gguf", "w\\u0000w", 1},
        {"links.h5", "hdf5", "w empty", 0},
        {"odd.pt2", "zip", "a tied row", 5},
        {"heap.h5", "hdf5", "w b", 0},
        {"table.h5", "hdf5", "w b", 0},
        {"behind.tflite", "tflite", "w b", 0},
        {"twice.npz", "zip", "w#1 v w", 1},
        {"names.tar", "tar", "long/long/long/w pax/w z.npz/w big huge", 1},
        {"record.tar", "raw", "", 0},
        {"maps.msgpack", "msgpack", "what comes first what comes first b 7 s", 3},
        {"depth.msgpack", "raw", "", 0},
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        static uint8_t data[MAX_ODD];
        char names[1000];
        const size_t len = load_file(odd[i].file, data, sizeof data);
        struct zn_plan plan = zt_plan_of(data, len, ZN_VIEW_WHOLE);
        names_of(&plan, names);
        assert_string_equal(plan.container, odd[i].container);
        assert_string_equal(names, odd[i].names);
        assert_int_equal(plan.n_left_out, odd[i].n_left_out);
        for (size_t t = 0; t < plan.n_tensors; t++) assert_true(plan.tensors[t].off + plan.tensors[t].len <= len);
        zn_plan_free(&plan);
    }
}

/* An array of n numbers of fp16 whose bytes Python 3 spelled as text of protocol 2. */
static size_t spell_array(uint16_t n, uint32_t text_len, uint8_t *to) {
    static const char before[] =
        "\x80\2}(X\1\0\0\0wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1M";
    static const char type[] =
        "\x85"
        "cnumpy\ndtype\nX\2\0\0\0f2K\0K\1\x87R\x89"
        "c_codecs\nencode\nX";
    static const char after[] = "X\6\0\0\0latin1\x86Rtbu.";
    uint8_t *at = to;
    memcpy(at, before, sizeof before - 1);
    at += sizeof before - 1;
    zn_put_u16(at, n);
    memcpy(at + 2, type, sizeof type - 1);
    at += 2 + sizeof type - 1;
    zn_put_u32(at, text_len);
    memset(at + 4, 'a', text_len);
    at += 4 + text_len;
    memcpy(at, after, sizeof after - 1);
    return (size_t)(at - to) + sizeof after - 1;
}

static void spelled_arrays_have_a_place_and_no_values(void **state) {
    (void)state;
    static uint8_t data[80000];
    size_t len = spell_array(33000, 66001, data);
    struct zn_plan plan = zt_plan_of(data, len, ZN_VIEW_WHOLE);
    assert_int_equal(plan.n_tensors, 1);
    const struct zn_tensor *t = tensor_of(&plan, "w");
    assert_true(t->len == 66001 && t->type == ZIPNN_F16 && t->dtype == ZIPNN_DTYPE_UNKNOWN);
    assert_true(t->meaning == ZN_UNREADABLE && t->rank == 1 && plan.dims[t->shape] == 33000);
    assert_true(data[t->off] == 'a' && data[t->off - 1] == 0 && data[t->off + 66000] == 'a');
    zn_plan_free(&plan);
    static const uint16_t impossible[] = {33001, 16000, 0}; /* more bytes than the text has, less than half of them */
    for (size_t i = 0; i < 3; i++) {
        len = spell_array(impossible[i], 66001, data);
        plan = zt_plan_of(data, len, ZN_VIEW_WHOLE);
        assert_true(plan.n_tensors == 0 && plan.n_left_out == 1);
        zn_plan_free(&plan);
    }
    len = spell_array(33000, 66001, data);
    for (size_t at = 0; at < len; at += at < 200 || at + 200 > len ? 1 : 8000) {
        plan = zt_plan_of(data, at, ZN_VIEW_WHOLE);
        assert_int_equal(plan.n_tensors, 0);
        zn_plan_free(&plan);
    }
}

/* A dictionary of one that is in it twice, and so on: names stay within a multiple of what the file has. */
static void paths_are_bounded(void **state) {
    (void)state;
    uint8_t data[MAX_FILE];
    const size_t len = load_file("many_paths.pkl", data, sizeof data);
    struct zn_work work = zn_work_of(len);
    struct zn_plan plan = zt_plan_paid(data, len, ZN_VIEW_WHOLE, &work);
    assert_int_equal(plan.n_tensors + plan.n_aliases, 64);
    assert_true(work.steps < 100 * len && work.memory < 200 * len);
    zn_plan_free(&plan);
}

/* A copy of exactly the length, so that a sanitizer sees reads beyond. */
static void plan_copy(const uint8_t *data, size_t len, enum zn_view_end end) {
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, data, len);
    struct zn_plan plan = zt_plan_of(copy, len, end);
    zn_plan_free(&plan);
    free(copy);
}

static void every_truncation_and_change_is_survived(void **state) {
    (void)state;
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    for (size_t i = 0; i < N_CASES; i++) {
        uint8_t data[MAX_FILE];
        const size_t len = load(i, data);
        for (size_t at = 0; at < len; at++) {
            const uint8_t kept = data[at];
            plan_copy(data, at, ZN_VIEW_WHOLE);
            plan_copy(data, at, ZN_VIEW_CUT);
            for (size_t v = 0; v < sizeof values; v++) {
                data[at] = values[v];
                plan_copy(data, len, ZN_VIEW_WHOLE);
            }
            data[at] = kept;
            if (at + 4 > len) continue;
            uint8_t number[4];
            memcpy(number, data + at, 4);
            memset(data + at, 0xff, 4);
            plan_copy(data, len, ZN_VIEW_WHOLE);
            plan_copy(data, len, ZN_VIEW_CUT);
            memcpy(data + at, number, 4);
        }
    }
}

/* Where every count and place is as large as can be. */
static void files_of_ones_are_survived(void **state) {
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        uint8_t data[MAX_FILE];
        const size_t len = load(i, data);
        for (size_t from = 8; from < len; from += 7) {
            memset(data + from, 0xff, len - from);
            plan_copy(data, len, ZN_VIEW_WHOLE);
            load(i, data);
        }
    }
}

/* ---- views that fail */

struct failing {
    struct zn_memory_view memory;
    int reads; /* that succeed */
};

static zipnn_status failing_read(void *user, uint64_t off, uint8_t *buf, size_t len, size_t *got, zipnn_error *err) {
    struct failing *f = user;
    if (f->reads-- <= 0) return ZIPNN_E_IO;
    const struct zn_view view = zn_view_of_memory(&f->memory);
    return zn_view_read(&view, off, buf, len, got, err);
}

static zipnn_status failing_measure(void *user, uint64_t *len, enum zn_view_end *end, zipnn_error *err) {
    struct failing *f = user;
    if (f->reads-- <= 0) return ZIPNN_E_IO;
    const struct zn_view view = zn_view_of_memory(&f->memory);
    return zn_view_measure(&view, len, end, err);
}

static void each_failing_read_is_reported(void **state) {
    (void)state;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    for (size_t i = 0; i < N_CASES; i++) {
        uint8_t data[MAX_FILE];
        const size_t len = load(i, data);
        zipnn_status st = ZIPNN_E_IO;
        for (int reads = 0; st != ZIPNN_OK; reads++) {
            struct failing f = {{data, len, ZN_VIEW_WHOLE}, reads};
            const struct zn_view view = {failing_read, failing_measure, &f, 0, UINT64_MAX, 0, NULL};
            struct zn_plan plan;
            zn_plan_init(&plan, &alloc);
            st = zn_reader_plan(&view, &plan, NULL);
            if (st != ZIPNN_OK && st != ZIPNN_E_IO) fail_msg("%s: status %d", cases[i].file, (int)st);
            assert_int_equal(plan.n_tensors, st == ZIPNN_OK ? 2 : 0);
            zn_plan_free(&plan);
        }
    }
}

static void each_failing_allocation_is_reported(void **state) {
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        uint8_t data[MAX_FILE];
        const size_t len = load(i, data);
        zipnn_status st = ZIPNN_E_MEMORY;
        for (int failures = 0; st != ZIPNN_OK; failures++) {
            int left = failures;
            const zipnn_allocator alloc = zt_budget(&left);
            struct zn_plan plan;
            st = zt_plan(data, len, &alloc, &plan);
            assert_true(st == ZIPNN_OK || st == ZIPNN_E_MEMORY);
            assert_int_equal(plan.n_tensors, st == ZIPNN_OK ? 2 : 0);
            zn_plan_free(&plan);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_understood),
        cmocka_unit_test(chunks_of_hdf5_make_a_tensor),
        cmocka_unit_test(odd_files_are_listed),
        cmocka_unit_test(spelled_arrays_have_a_place_and_no_values),
        cmocka_unit_test(paths_are_bounded),
        cmocka_unit_test(every_truncation_and_change_is_survived),
        cmocka_unit_test(files_of_ones_are_survived),
        cmocka_unit_test(each_failing_read_is_reported),
        cmocka_unit_test(each_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
