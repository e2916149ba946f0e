/* The plan: dtype table, sorting, overlaps, tiling. */
#include <stdio.h>

#include "plan/dtype.h"
#include "plan/plan.h"
#include "support/unit.h"

static void add(struct zn_plan *plan, uint64_t off, uint64_t len, zipnn_dtype dtype, const char *name) {
    const uint64_t dims[2] = {len, 1};
    assert_int_equal(zn_plan_add(plan, off, len, dtype, name, strlen(name), dims, 2, NULL), ZIPNN_OK);
}

static const char *name_of(const struct zn_plan *plan, size_t i) {
    return plan->names + plan->tensors[i].name;
}

static void dtype_names_lead_back(void **state) {
    (void)state;
    for (unsigned i = 1; i <= ZIPNN_C64; i++) {
        const zipnn_dtype dtype = (zipnn_dtype)i;
        const char *name = zn_dtype_name(dtype);
        assert_int_equal(zn_dtype_from_safetensors(name, strlen(name)), i);
        assert_int_equal(zn_dtype_from_safetensors(name, strlen(name) - 1), ZIPNN_DTYPE_UNKNOWN);
        assert_true(zn_dtype_bits(dtype) >= 4 && zn_dtype_bits(dtype) <= 64);
        const unsigned word = zn_dtype_word(dtype);
        assert_true(word == 1 || word == 2 || word == 4 || word == 8);
        assert_true(word * 8 == zn_dtype_bits(dtype) || word == 1 || dtype == ZIPNN_C64);
    }
}

static void block_types_have_a_size(void **state) {
    (void)state;
    for (unsigned i = ZIPNN_Q4_0; i <= ZIPNN_Q2_0; i++) {
        const zipnn_dtype dtype = (zipnn_dtype)i;
        const char *name = zn_dtype_name(dtype);
        assert_int_equal(zn_dtype_from_safetensors(name, strlen(name)), ZIPNN_DTYPE_UNKNOWN);
        assert_int_equal(zn_dtype_bits(dtype), 0);
        assert_true(zn_dtype_word(dtype) >= 17 && zn_dtype_word(dtype) <= ZN_MAX_WORD);
        assert_true(zn_dtype_elements(dtype) % 32 == 0);
    }
}

static void complex_types_are_two_parts(void **state) {
    (void)state;
    static const zipnn_dtype types[] = {ZIPNN_C32, ZIPNN_C64, ZIPNN_C128};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(zn_dtype_bits(types[i]), 32 << i);
        assert_int_equal(zn_dtype_unit(types[i]), 2 << i);
        assert_int_equal(zn_dtype_word(types[i]), 2 << i);
    }
}

/* Whatever a row of the list has as a name leads to that row, in upper and lower case, and to no other. */
static void every_name_is_found(void **state) {
    (void)state;
    for (unsigned i = 1; i < ZN_N_DTYPES; i++) {
        const struct zn_dtype_facts *f = zn_dtype_facts((zipnn_dtype)i);
        const char *const names[] = {f->id, f->name, f->ml_dtypes, f->torch, f->aliases};
        assert_true(f->id[0] && f->name[0] && strlen(f->numpy) >= 3);
        for (size_t n = 0; n < 5; n++) {
            char name[64];
            zipnn_dtype found = ZIPNN_DTYPE_UNKNOWN;
            for (const char *word = names[n]; *word; word += strcspn(word, " "), word += *word == ' ') {
                snprintf(name, sizeof name, "%.*s", (int)strcspn(word, " "), word);
                assert_true(zn_dtype_from_text(name, &found) && found == (zipnn_dtype)i);
                for (char *c = name; *c; c++) *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
                assert_true(zn_dtype_from_text(name, &found) && found == (zipnn_dtype)i);
            }
        }
    }
    zipnn_dtype none;
    static const char *const wrong[] = {"", " ", "?", "f", "bf16 ", "fp16 half", "f320", "unknown"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) assert_false(zn_dtype_from_text(wrong[i], &none));
}

static void foreign_values_are_unknown(void **state) {
    (void)state;
    assert_string_equal(zn_dtype_name((zipnn_dtype)ZN_N_DTYPES), "?");
    assert_int_equal(zn_dtype_bits((zipnn_dtype)-1), 0);
    assert_int_equal(zn_dtype_word(ZIPNN_DTYPE_UNKNOWN), 1);
    assert_int_equal(zn_dtype_from_safetensors("?", 1), ZIPNN_DTYPE_UNKNOWN);
    assert_int_equal(zn_dtype_from_safetensors("bf16", 4), ZIPNN_DTYPE_UNKNOWN);
}

static void tensors_are_sorted_and_overlaps_are_aliases(void **state) {
    (void)state;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    add(&plan, 100, 50, ZIPNN_F32, "late");
    add(&plan, 10, 20, ZIPNN_BF16, "first");
    add(&plan, 10, 5, ZIPNN_BF16, "alias");
    add(&plan, 29, 40, ZIPNN_U8, "overlap");
    add(&plan, 12, 0, ZIPNN_U8, "empty");
    add(&plan, 30, 70, ZIPNN_F16, "touching");
    add(&plan, UINT64_MAX - 8, 8, ZIPNN_F64, "far");
    assert_int_equal(zn_plan_finish(&plan, NULL), ZIPNN_OK);

    const char *expected[] = {"first", "empty", "touching", "late", "far"};
    assert_int_equal(plan.n_tensors, 5);
    for (size_t i = 0; i < 5; i++) assert_string_equal(name_of(&plan, i), expected[i]);
    assert_int_equal(plan.n_aliases, 2);
    assert_string_equal(name_of(&plan, 5), "alias");
    assert_string_equal(name_of(&plan, 6), "overlap");
    assert_true(plan.dims[plan.tensors[2].shape] == 70);
    assert_int_equal(plan.n_left_out, 0);
    zn_plan_free(&plan);
    assert_int_equal(plan.n_tensors, 0);
    zn_plan_free(&plan);
}

static void spans_tile_the_file(void **state) {
    (void)state;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    add(&plan, 10, 20, ZIPNN_BF16, "a");
    add(&plan, 30, 0, ZIPNN_U8, "empty");
    add(&plan, 30, 4, ZIPNN_F32, "b");
    add(&plan, 50, 1, ZIPNN_U8, "c");
    assert_int_equal(zn_plan_finish(&plan, NULL), ZIPNN_OK);

    const struct zn_span expected[] = {
        {0, 10, ZIPNN_DTYPE_UNKNOWN, 0},        {10, 20, ZIPNN_BF16, 1}, {30, 4, ZIPNN_F32, 1},
        {34, 16, ZIPNN_DTYPE_UNKNOWN, 0},       {50, 1, ZIPNN_U8, 1},    {51, UINT64_MAX - 51, ZIPNN_DTYPE_UNKNOWN, 0},
        {UINT64_MAX, 0, ZIPNN_DTYPE_UNKNOWN, 0}};
    struct zn_plan_walk walk = {&plan, 0, 0};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const struct zn_span span = zn_plan_next(&walk);
        assert_true(span.off == expected[i].off && span.len == expected[i].len);
        assert_int_equal(span.dtype, expected[i].dtype);
        assert_true(span.row == expected[i].row);
    }
    zn_plan_free(&plan);
}

static void too_many_dimensions_are_left_out(void **state) {
    (void)state;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    const uint64_t dims[ZN_MAX_RANK + 1] = {0};
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    assert_int_equal(zn_plan_add(&plan, 0, 0, ZIPNN_U8, "", 0, dims, ZN_MAX_RANK + 1, NULL), ZIPNN_OK);
    assert_int_equal(plan.n_left_out, 1);
    assert_int_equal(zn_plan_add(&plan, 0, 0, ZIPNN_U8, "", 0, dims, ZN_MAX_RANK, NULL), ZIPNN_OK);
    assert_int_equal(plan.n_tensors, 1);
    zn_plan_free(&plan);
}

/* The names of eight tensors in the order of the file, and those they are listed by. */
static void names_are_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *name, *listed;
    } cases[] = {{"w", "w"}, {"w", "w#2"},     {"w#1", "w#1"}, {"", ""},  {"w", "w#3"},
                 {"", "#1"}, {"w#1", "w#1#1"}, {"v", "v#1"},   {"v", "v"}};
    enum { N = sizeof cases / sizeof cases[0] };
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    for (size_t i = N; i-- > 0;) {
        plan.superseded = i == N - 2;
        add(&plan, 10 * i, 10, ZIPNN_U8, cases[i].name);
    }
    assert_int_equal(zn_plan_finish(&plan, NULL), ZIPNN_OK);
    for (size_t i = 0; i < N; i++) assert_string_equal(name_of(&plan, i), cases[i].listed);
    zn_plan_free(&plan);
}

static void zeros_in_names_are_spelled(void **state) {
    (void)state;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    plan.prefix = "p/";
    assert_int_equal(zn_plan_add(&plan, 0, 0, ZIPNN_U8, "a\0b\0", 4, NULL, 0, NULL), ZIPNN_OK);
    assert_string_equal(name_of(&plan, 0), "p/a\\u0000b\\u0000");
    zn_plan_free(&plan);
}

/* What the purse does not pay for is counted, and costs nothing. */
static void tensors_are_paid_for(void **state) {
    (void)state;
    enum { NAME = 100000, MANY = ZN_WORK_FREE_MEMORY / NAME };
    static char name[NAME];
    memset(name, 'n', sizeof name);
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    struct zn_work work = zn_work_of(0);
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    plan.work = &work;
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(zn_plan_add(&plan, i, 1, ZIPNN_U8, name, NAME, NULL, 0, NULL), ZIPNN_OK);
    assert_true(plan.n_tensors > MANY / 3 && plan.n_tensors < MANY);
    assert_int_equal(plan.n_tensors + plan.n_left_out, MANY);
    assert_true(plan.names_len <= ZN_WORK_FREE_MEMORY / ZN_WORK_PLAN && work.memory <= ZN_WORK_FREE_MEMORY);
    zn_plan_free(&plan);
}

static void bytes_pay_for_work(void **state) {
    (void)state;
    struct zn_work work = zn_work_of(1000);
    zn_work_see(&work, 100);
    assert_int_equal(work.most_steps, ZN_WORK_FREE_STEPS + 100 * ZN_WORK_STEPS_SEEN);
    zn_work_see(&work, 50);
    assert_int_equal(work.most_memory, ZN_WORK_FREE_MEMORY + 100 * ZN_WORK_MEMORY_SEEN);
    zn_work_see(&work, UINT64_MAX);
    assert_int_equal(work.most_steps, ZN_WORK_FREE_STEPS + 1000 * ZN_WORK_STEPS_PRESENT);
    assert_int_equal(work.most_memory, ZN_WORK_FREE_MEMORY + 1000 * ZN_WORK_MEMORY_PRESENT);
    assert_int_equal(zn_work_step(&work, work.most_steps, NULL), ZIPNN_OK);
    assert_int_equal(zn_work_step(&work, 1, NULL), ZIPNN_E_LIMIT);
    assert_int_equal(zn_work_keep(&work, work.most_memory + 1, NULL), ZIPNN_E_LIMIT);
    assert_int_equal(zn_work_keep(&work, work.most_memory, NULL), ZIPNN_OK);
    assert_int_equal(zn_work_keep(&work, 1, NULL), ZIPNN_E_LIMIT);
    assert_int_equal(zn_work_step(NULL, UINT64_MAX, NULL), ZIPNN_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtype_names_lead_back),       cmocka_unit_test(block_types_have_a_size),
        cmocka_unit_test(foreign_values_are_unknown),  cmocka_unit_test(tensors_are_sorted_and_overlaps_are_aliases),
        cmocka_unit_test(spans_tile_the_file),         cmocka_unit_test(too_many_dimensions_are_left_out),
        cmocka_unit_test(names_are_told_apart),        cmocka_unit_test(zeros_in_names_are_spelled),
        cmocka_unit_test(tensors_are_paid_for),        cmocka_unit_test(bytes_pay_for_work),
        cmocka_unit_test(complex_types_are_two_parts), cmocka_unit_test(every_name_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
