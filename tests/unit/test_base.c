/* The base room: integers, cursor, writer, errors, memory. */
#include "base/cur.h"
#include "base/mem.h"
#include "base/out.h"
#include "base/scratch.h"
#include "support/unit.h"

static void integers_are_little_endian(void **state) {
    (void)state;
    const uint8_t bytes[9] = {0, 1, 2, 3, 4, 5, 6, 7, 255};
    assert_int_equal(zn_get_u16(bytes), 0x0100);
    assert_int_equal(zn_get_u32(bytes + 1), 0x04030201);
    assert_true(zn_get_u64(bytes + 1) == 0xff07060504030201);
    uint8_t copy[8];
    zn_put_u64(copy, 0xff07060504030201);
    assert_memory_equal(copy, bytes + 1, 8);
}

static void arithmetic_reports_overflow(void **state) {
    (void)state;
    uint64_t v;
    assert_true(zn_add(UINT64_MAX - 1, 1, &v) && v == UINT64_MAX);
    assert_false(zn_add(UINT64_MAX, 1, &v));
    assert_true(zn_mul(UINT64_MAX / 3, 3, &v) && v == UINT64_MAX);
    assert_false(zn_mul(UINT64_MAX / 3 + 1, 3, &v));
}

static void short_read_gives_zero_and_sticks(void **state) {
    (void)state;
    const uint8_t bytes[6] = {1, 0, 2, 0, 3, 4};
    struct zn_cur c = zn_cur_of(bytes, sizeof bytes);
    assert_int_equal(zn_cur_u32(&c), 0x00020001);
    assert_int_equal(zn_cur_left(&c), 2);
    assert_int_equal(zn_cur_u32(&c), 0);
    assert_false(zn_cur_ok(&c));
    assert_int_equal(zn_cur_u8(&c), 0);
    assert_null(zn_cur_take(&c, 0));
}

static void counts_are_held_against_what_remains(void **state) {
    (void)state;
    const uint8_t bytes[16] = {0};
    struct zn_cur c = zn_cur_of(bytes, sizeof bytes);
    assert_true(zn_cur_count(&c, 2, 8));
    assert_false(zn_cur_count(&c, 3, 8));
    assert_false(zn_cur_ok(&c));
    c = zn_cur_of(bytes, sizeof bytes);
    assert_false(zn_cur_count(&c, UINT64_MAX, 8));
}

static void full_writer_writes_nothing_and_sticks(void **state) {
    (void)state;
    uint8_t bytes[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    struct zn_out o = zn_out_of(bytes, 5);
    zn_out_u32(&o, 1);
    zn_out_u16(&o, 0xffff);
    assert_true(o.full);
    zn_out_u8(&o, 7);
    assert_int_equal(zn_out_len(&o), 4);
    assert_memory_equal(bytes, "\1\0\0\0\11\11\11\11", 8);
}

static void failure_carries_status_place_and_sentence(void **state) {
    (void)state;
    zipnn_error err;
    assert_int_equal(zn_fail(&err, ZIPNN_E_CORRUPT, 17, "chunk %d is bad", 3), ZIPNN_E_CORRUPT);
    assert_int_equal(err.status, ZIPNN_E_CORRUPT);
    assert_int_equal(err.offset, 17);
    assert_string_equal(err.message, "chunk 3 is bad");
    zn_fail(&err, ZIPNN_E_IO, ZN_NOWHERE, "%300d", 1);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(zn_fail(NULL, ZIPNN_E_IO, 0, "nobody listens"), ZIPNN_E_IO);
}

static void allocations_are_aligned(void **state) {
    (void)state;
    zipnn_allocator a = zn_allocator_or_default(NULL);
    for (size_t size = 0; size < 300; size += 7) {
        void *p = zn_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 0xa5, size);
        zn_free(&a, p);
    }
    assert_null(zn_alloc(&a, SIZE_MAX));
    zn_free(&a, NULL);
}

static void grown_array_keeps_its_items(void **state) {
    (void)state;
    zipnn_allocator a = zn_allocator_or_default(NULL);
    void *items = NULL;
    size_t cap = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(zn_grow(&a, &items, &cap, i + 1, sizeof(uint32_t), NULL), ZIPNN_OK);
        ((uint32_t *)items)[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++) assert_int_equal(((uint32_t *)items)[i], i);
    zipnn_error err;
    assert_int_equal(zn_grow(&a, &items, &cap, SIZE_MAX / 2, 4, &err), ZIPNN_E_MEMORY);
    zn_free(&a, items);
}

static void arena_measures_what_it_then_carves(void **state) {
    (void)state;
    zipnn_allocator a = zn_allocator_or_default(NULL);
    struct zn_arena measure = {NULL, 0};
    assert_null(zn_carve(&measure, 10));
    assert_null(zn_carve(&measure, 65));
    struct zn_arena arena = {zn_alloc(&a, measure.used), 0};
    assert_non_null(arena.base);
    uint8_t *first = zn_carve(&arena, 10), *second = zn_carve(&arena, 65);
    assert_ptr_equal(first, arena.base);
    assert_true(second >= first + 64);
    assert_int_equal((uintptr_t)second % 64, 0);
    memset(first, 1, 10);
    memset(second, 2, 65);
    assert_int_equal(arena.used, measure.used);
    zn_free(&a, arena.base);
}

static void scratch_gives_back_down_to_a_mark(void **state) {
    (void)state;
    zipnn_allocator a = zn_allocator_or_default(NULL);
    struct zn_scratch s;
    struct zn_arena measure = {NULL, 0};
    zn_scratch_carve(&s, &measure, 1000);
    struct zn_arena arena = {zn_alloc(&a, measure.used), 0};
    assert_non_null(arena.base);
    zn_scratch_carve(&s, &arena, 1000);
    uint8_t *first = zn_scratch_take(&s, 10);
    const size_t mark = zn_scratch_mark(&s);
    uint8_t *second = zn_scratch_take(&s, 65);
    assert_int_equal((uintptr_t)second % 64, 0);
    assert_true(second >= first + 64);
    memset(first, 1, 10);
    memset(second, 2, 65);
    zn_scratch_back(&s, mark);
    assert_ptr_equal(zn_scratch_take(&s, 100), second);
    assert_int_equal(first[9], 1);
    zn_free(&a, arena.base);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(arithmetic_reports_overflow),
        cmocka_unit_test(short_read_gives_zero_and_sticks),
        cmocka_unit_test(counts_are_held_against_what_remains),
        cmocka_unit_test(full_writer_writes_nothing_and_sticks),
        cmocka_unit_test(failure_carries_status_place_and_sentence),
        cmocka_unit_test(allocations_are_aligned),
        cmocka_unit_test(grown_array_keeps_its_items),
        cmocka_unit_test(arena_measures_what_it_then_carves),
        cmocka_unit_test(scratch_gives_back_down_to_a_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
