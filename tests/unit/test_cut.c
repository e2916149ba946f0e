/* The cutter: every rule by example, then the promises that hold for any plan. */
#include <stdio.h>

#include "base/bytes.h"
#include "chunk/cut.h"
#include "plan/dtype.h"
#include "support/plans.h"
#include "support/testdata.h"
#include "support/unit.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

struct part {
    zipnn_dtype dtype; /* UNKNOWN: a gap */
    uint64_t len;
};

static struct zn_plan plan_of(const struct part *parts, size_t n) {
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    uint64_t off = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].dtype != ZIPNN_DTYPE_UNKNOWN)
            assert_int_equal(zn_plan_add(&plan, off, parts[i].len, parts[i].dtype, "t", 1, NULL, 0, NULL), ZIPNN_OK);
        off += parts[i].len;
    }
    assert_int_equal(zn_plan_finish(&plan, NULL), ZIPNN_OK);
    return plan;
}

struct expected {
    uint32_t len;
    zipnn_dtype dtype;
    uint32_t head;
};

#define OPAQUE ZIPNN_DTYPE_UNKNOWN
#define CHECK(parts, ...)                                                                      \
    do {                                                                                       \
        const struct expected want_[] = {__VA_ARGS__};                                         \
        check(parts, sizeof(parts) / sizeof(parts)[0], want_, sizeof want_ / sizeof want_[0]); \
    } while (0)

static void check(const struct part *parts, size_t n_parts, const struct expected *expected, size_t n) {
    struct zn_plan plan = plan_of(parts, n_parts);
    struct zn_cutter cutter;
    zn_cutter_init(&cutter, &plan);
    uint64_t off = 0;
    for (size_t i = 0; i < n; i++) {
        const struct zn_cut cut = zn_cut_next(&cutter);
        assert_true(cut.off == off);
        assert_int_equal(cut.len, expected[i].len);
        assert_int_equal(cut.dtype, expected[i].dtype);
        assert_int_equal(cut.head, expected[i].head);
        off += cut.len;
    }
    zn_plan_free(&plan);
}

static void raw_files_are_cut_evenly(void **state) {
    (void)state;
    const struct part none[1] = {{OPAQUE, 0}};
    CHECK(none, {512 * KIB, OPAQUE, 0}, {512 * KIB, OPAQUE, 0}, {512 * KIB, OPAQUE, 0});
}

static void the_header_stands_alone(void **state) {
    (void)state;
    const struct part parts[] = {{OPAQUE, 257}, {ZIPNN_BF16, 64 * KIB}};
    CHECK(parts, {257, OPAQUE, 0}, {64 * KIB, ZIPNN_BF16, 0}, {512 * KIB, OPAQUE, 0});
    const struct part small[] = {{OPAQUE, 255}, {ZIPNN_BF16, 64 * KIB}};
    CHECK(small, {64 * KIB + 255, ZIPNN_BF16, 1}, {512 * KIB, OPAQUE, 0});
    const struct part before_much[] = {{OPAQUE, 128}, {ZIPNN_BF16, MIB}};
    CHECK(before_much, {128, OPAQUE, 0}, {512 * KIB, ZIPNN_BF16, 0}, {512 * KIB, ZIPNN_BF16, 0});
    const struct part before_less[] = {{OPAQUE, 128}, {ZIPNN_BF16, MIB - 2}};
    CHECK(before_less, {512 * KIB + 128, ZIPNN_BF16, 0}, {512 * KIB - 2, ZIPNN_BF16, 0});
    const struct part big[] = {{OPAQUE, 700 * KIB}, {ZIPNN_BF16, 64 * KIB}};
    CHECK(big, {512 * KIB, OPAQUE, 0}, {188 * KIB, OPAQUE, 0}, {64 * KIB, ZIPNN_BF16, 0});
}

static void tensors_of_one_type_share_a_chunk(void **state) {
    (void)state;
    const struct part parts[] = {{ZIPNN_F32, 200 * KIB},
                                 {ZIPNN_F32, 200 * KIB},
                                 {ZIPNN_F32, 100 * KIB},
                                 {ZIPNN_F32, 100 * KIB},
                                 {ZIPNN_F16, 9 * KIB}};
    CHECK(parts, {500 * KIB, ZIPNN_F32, 0}, {100 * KIB, ZIPNN_F32, 0}, {9 * KIB, ZIPNN_F16, 0}, {512 * KIB, OPAQUE, 0});
    const struct part over[] = {{ZIPNN_F32, 250 * KIB}, {ZIPNN_F32, 250 * KIB}, {ZIPNN_F32, 76 * KIB}, {ZIPNN_F32, 1}};
    CHECK(over, {250 * KIB, ZIPNN_F32, 0}, {326 * KIB + 1, ZIPNN_F32, 0}, {512 * KIB, OPAQUE, 0}); /* by their names */
}

static void large_tensors_begin_chunks(void **state) {
    (void)state;
    const struct part late[] = {{ZIPNN_BF16, 64 * KIB + 2}, {ZIPNN_BF16, 256 * KIB}};
    CHECK(late, {64 * KIB + 2, ZIPNN_BF16, 0}, {256 * KIB, ZIPNN_BF16, 0});
    const struct part early[] = {{ZIPNN_BF16, 63 * KIB}, {ZIPNN_BF16, 256 * KIB}};
    CHECK(early, {319 * KIB, ZIPNN_BF16, 0});
}

static void large_tensors_are_cut_on_elements(void **state) {
    (void)state;
    const struct part parts[] = {{OPAQUE, 1001}, {ZIPNN_F32, MIB + 64 * KIB}, {ZIPNN_F32, 8}};
    CHECK(parts, {1001, OPAQUE, 0}, {512 * KIB, ZIPNN_F32, 0}, {576 * KIB, ZIPNN_F32, 0}, {8, ZIPNN_F32, 0});
    const struct part more[] = {{ZIPNN_F32, MIB + 64 * KIB + 4}, {ZIPNN_F32, 8}};
    CHECK(more, {512 * KIB, ZIPNN_F32, 0}, {512 * KIB, ZIPNN_F32, 0}, {64 * KIB + 12, ZIPNN_F32, 0});
    const struct part shifted[] = {{ZIPNN_F64, 8}, {ZIPNN_F64, MIB}};
    CHECK(shifted, {512 * KIB + 8, ZIPNN_F64, 0}, {512 * KIB, ZIPNN_F64, 0});
}

/* Returns how long the chunks of a matrix are that begins behind `before` bytes of its type. All but the last have one
 * length, and the first begins where the matrix does. */
static uint32_t chunks_of_matrix(zipnn_dtype dtype, uint64_t before, uint64_t n_rows, uint64_t row) {
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    const uint64_t dims[2] = {n_rows, row * 8 / zn_dtype_bits(dtype)}, end = before + n_rows * row;
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    if (before) assert_int_equal(zn_plan_add(&plan, 0, before, dtype, "b", 1, NULL, 0, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_add(&plan, before, n_rows * row, dtype, "m", 1, dims, 2, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_add(&plan, end, 100 * KIB, dtype, "a", 1, NULL, 0, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_finish(&plan, NULL), ZIPNN_OK);
    struct zn_cutter cutter;
    zn_cutter_init(&cutter, &plan);
    struct zn_cut cut = zn_cut_next(&cutter);
    if (before) assert_int_equal(cut.len, before);
    if (before) cut = zn_cut_next(&cutter);
    const uint32_t len = cut.len;
    assert_true(cut.off == before);
    for (; cut.off + len < end; cut = zn_cut_next(&cutter)) {
        assert_true((cut.off - before) % len == 0);
        if (end - cut.off > ZN_CUT_MAX) assert_int_equal(cut.len, len);
    }
    zn_plan_free(&plan);
    return len;
}

static void large_matrices_are_cut_at_whole_rows(void **state) {
    (void)state;
    assert_int_equal(chunks_of_matrix(ZIPNN_BF16, 0, 1024, 28 * KIB), 18 * 28 * KIB);
    assert_int_equal(chunks_of_matrix(ZIPNN_BF16, 8 * KIB, 1024, 8 * KIB), 512 * KIB); /* begins a chunk */
    assert_int_equal(chunks_of_matrix(ZIPNN_BF16, 8 * KIB, 30000, 768), 682 * 768);
    assert_int_equal(chunks_of_matrix(ZIPNN_BF16, 2, 1024, 9088), 56 * 9088); /* 4544 columns: an even number of rows */
    assert_int_equal(chunks_of_matrix(ZIPNN_BF16, 6, 100, 190 * KIB), 570 * KIB); /* three rows rather than two */
    assert_int_equal(chunks_of_matrix(ZIPNN_F32, 8, 100000, 1020), 512 * 1020);   /* 255 columns: 128 rows */
    assert_int_equal(chunks_of_matrix(ZIPNN_F8_E4M3, 128, 4096, 14336), 36 * 14336);
    assert_int_equal(chunks_of_matrix(ZIPNN_BF16, 0, 200, 300 * KIB), 512 * KIB); /* none is near */
}

static void a_skip_passes_chunks_of_one_length(void **state) {
    (void)state;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    const uint64_t dims[2] = {1024, 14336};
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    assert_int_equal(zn_plan_add(&plan, 0, 1024 * 28 * KIB, ZIPNN_BF16, "m", 1, dims, 2, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_finish(&plan, NULL), ZIPNN_OK);
    struct zn_cutter cutter;
    zn_cutter_init(&cutter, &plan);
    uint64_t bytes = 0;
    assert_true(zn_cut_skip(&cutter, 1, &bytes) == 0);
    (void)zn_cut_next(&cutter);
    assert_true(zn_cut_skip(&cutter, 10, &bytes) == 10);
    assert_true(bytes == 10 * 504 * KIB);
    const struct zn_cut cut = zn_cut_next(&cutter);
    assert_true(cut.off == 11 * 504 * KIB);
    assert_int_equal(cut.len, 504 * KIB);
    zn_plan_free(&plan);
}

static void tiny_strangers_are_absorbed(void **state) {
    (void)state;
    const struct part parts[] = {{ZIPNN_BF16, 100 * KIB},
                                 {OPAQUE, 10},
                                 {ZIPNN_BF16, 100 * KIB},
                                 {ZIPNN_F32, 4 * KIB - 4},
                                 {ZIPNN_BF16, 10 * KIB}};
    CHECK(parts, {214 * KIB + 6, ZIPNN_BF16, 0}, {512 * KIB, OPAQUE, 0});
    const struct part first[] = {{ZIPNN_F32, 12}, {OPAQUE, 1}, {ZIPNN_F32, 8 * KIB}, {ZIPNN_I64, 8 * KIB}};
    CHECK(first, {8 * KIB + 13, ZIPNN_F32, 1}, {8 * KIB, ZIPNN_I64, 0});
    const struct part out_of_phase[] = {{ZIPNN_BF16, 100 * KIB}, {OPAQUE, 1}, {ZIPNN_BF16, 100 * KIB}};
    CHECK(out_of_phase, {100 * KIB + 1, ZIPNN_BF16, 0}, {100 * KIB, ZIPNN_BF16, 0});
}

static void tiny_ones_of_a_kind_are_no_strangers(void **state) {
    (void)state;
    struct part parts[102] = {{ZIPNN_BF16, 100 * KIB}};
    for (int i = 1; i < 102; i++) parts[i] = (struct part){ZIPNN_F32, KIB};
    CHECK(parts, {100 * KIB, ZIPNN_BF16, 0}, {101 * KIB, ZIPNN_F32, 0});
}

static void the_open_end_is_never_mixed_with_weights(void **state) {
    (void)state;
    const struct part parts[] = {{ZIPNN_F32, 4}};
    CHECK(parts, {4, ZIPNN_F32, 0}, {512 * KIB, OPAQUE, 0}, {512 * KIB, OPAQUE, 0});
}

/* ---- any plan */

static void check_promises(const struct zn_plan *plan, uint64_t file_len, size_t *n_chunks) {
    struct zn_cutter cutter;
    zn_cutter_init(&cutter, plan);
    uint64_t off = 0;
    for (*n_chunks = 0; off < file_len; ++*n_chunks) {
        const struct zn_cut cut = zn_cut_next(&cutter);
        assert_true(cut.off == off);
        assert_true(cut.len > 0 && cut.len <= ZN_CUT_MAX);
        assert_true(cut.head < zn_dtype_word(cut.dtype));
        off += cut.len;
    }
}

static void many_small_tensors_give_few_chunks(void **state) {
    (void)state;
    enum { N = 100000 };
    static struct part parts[N];
    uint64_t total = 0;
    for (size_t i = 0; i < N; i++) {
        parts[i] = i % 2 ? (struct part){ZIPNN_F32, 4 + 4 * (i % 7)} : (struct part){ZIPNN_F8_E4M3, 1 + i % 5000};
        total += parts[i].len;
    }
    struct zn_plan plan = plan_of(parts, N);
    size_t n_chunks;
    check_promises(&plan, total, &n_chunks);
    printf("%d tensors, %llu bytes: %zu chunks\n", N, (unsigned long long)total, n_chunks);
    assert_true(n_chunks <= total / (500 * KIB) + 2);
    zn_plan_free(&plan);
}

static void random_plans_are_tiled(void **state) {
    (void)state;
    static struct part parts[200];
    uint32_t seed = 1;
    for (int round = 0; round < 500; round++) {
        uint64_t total = 0;
        for (size_t i = 0; i < 200; i++) {
            seed = seed * 1664525u + 1013904223u;
            const unsigned scale = seed >> 27 & 15; /* up to 2 MiB */
            parts[i] = (struct part){(zipnn_dtype)(seed >> 8 & 0xff) % 8, (seed >> 16 & 63) << scale};
            total += parts[i].len;
        }
        struct zn_plan plan = plan_of(parts, 200);
        size_t n_chunks;
        check_promises(&plan, total + 3 * MIB, &n_chunks);
        zn_plan_free(&plan);
    }
}

static void tensors_at_the_end_of_the_world(void **state) {
    (void)state;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    assert_int_equal(zn_plan_add(&plan, 9, UINT64_MAX - 9, ZIPNN_F4_E2M1, "", 0, NULL, 0, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_finish(&plan, NULL), ZIPNN_OK);
    struct zn_cutter cutter;
    zn_cutter_init(&cutter, &plan);
    size_t n_chunks;
    check_promises(&plan, 100 * (uint64_t)MIB, &n_chunks);
    zn_plan_free(&plan);
    zn_plan_init(&plan, &alloc);
    assert_int_equal(zn_plan_add(&plan, UINT64_MAX - 8, 8, ZIPNN_F64, "", 0, NULL, 0, NULL), ZIPNN_OK);
    check_promises(&plan, 100 * (uint64_t)MIB, &n_chunks);
    zn_plan_free(&plan);
}

static void cut_real_file(void *arg, const char *name, const uint8_t *data, size_t len) {
    (void)arg, (void)name;
    struct zn_plan plan = zt_plan_of(data, len, ZN_VIEW_WHOLE);
    size_t n_chunks;
    check_promises(&plan, len, &n_chunks);
    zn_plan_free(&plan);
}

static void real_models_are_tiled(void **state) {
    (void)state;
    if (!zt_each_file("weights", cut_real_file, NULL)) skip();
    zt_each_file("edge", cut_real_file, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_files_are_cut_evenly),
        cmocka_unit_test(the_header_stands_alone),
        cmocka_unit_test(tensors_of_one_type_share_a_chunk),
        cmocka_unit_test(large_tensors_begin_chunks),
        cmocka_unit_test(large_tensors_are_cut_on_elements),
        cmocka_unit_test(large_matrices_are_cut_at_whole_rows),
        cmocka_unit_test(a_skip_passes_chunks_of_one_length),
        cmocka_unit_test(tiny_strangers_are_absorbed),
        cmocka_unit_test(tiny_ones_of_a_kind_are_no_strangers),
        cmocka_unit_test(the_open_end_is_never_mixed_with_weights),
        cmocka_unit_test(many_small_tensors_give_few_chunks),
        cmocka_unit_test(random_plans_are_tiled),
        cmocka_unit_test(tensors_at_the_end_of_the_world),
        cmocka_unit_test(real_models_are_tiled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
