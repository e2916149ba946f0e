/* The .npy reader: what gives hints, and what gives none. */
#include "base/bytes.h"
#include "support/plans.h"
#include "support/unit.h"

/* Plans a file of this header and nothing else; the copy has exactly the file's size. */
static struct zn_plan plan_of(unsigned version, const char *header) {
    const size_t len = strlen(header), start = version == 1 ? 10 : 12;
    uint8_t *file = malloc(start + len);
    assert_non_null(file);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (uint8_t)version;
    file[7] = 0;
    if (version == 1)
        zn_put_u16(file + 8, (uint16_t)len);
    else
        zn_put_u32(file + 8, (uint32_t)len);
    memcpy(file + start, header, len);
    struct zn_plan plan = zt_plan_of(file, start + len, ZN_VIEW_WHOLE);
    free(file);
    return plan;
}

#define HEADER(descr, shape) "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }     \n"

static void arrays_are_understood(void **state) {
    (void)state;
    static const struct {
        const char *header;
        zipnn_dtype dtype;
        uint64_t len;
        uint32_t rank;
    } cases[] = {
        {HEADER("<f4", "(3, 5)"), ZIPNN_F32, 60, 2},
        {HEADER("<f4", "()"), ZIPNN_F32, 4, 0},
        {HEADER("<f2", "(7,)"), ZIPNN_F16, 14, 1},
        {HEADER(">f8", "(2, 3, 4)"), ZIPNN_F64, 192, 3},
        {HEADER("|u1", "(0, 4)"), ZIPNN_U8, 0, 2},
        {HEADER("|b1", "(9,)"), ZIPNN_BOOL, 9, 1},
        {HEADER("<i8", "(10L,)"), ZIPNN_I64, 80, 1},
        {HEADER("<c8", "(2,)"), ZIPNN_C64, 16, 1},
        {HEADER("<V2", "(5,)"), ZIPNN_DTYPE_UNKNOWN, 10, 1},
        {"{\"shape\":(2,),\"descr\":\"=i4\",\"fortran_order\":True}\n", ZIPNN_I32, 8, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned version = 1; version <= 3; version++) {
            struct zn_plan plan = plan_of(version, cases[i].header);
            assert_string_equal(plan.container, "npy");
            assert_int_equal(plan.n_tensors, 1);
            const struct zn_tensor *t = &plan.tensors[0];
            assert_true(t->off == strlen(cases[i].header) + (version == 1 ? 10 : 12) && t->len == cases[i].len);
            assert_int_equal(t->dtype, cases[i].dtype);
            assert_int_equal(t->rank, cases[i].rank);
            zn_plan_free(&plan);
        }
}

static void other_headers_give_no_hints(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "{}",
        "{'descr': '<f4', 'shape': (3, 5)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), 'x': False}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 5)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)",
        "{'descr': '<f4', 'fortran_order': false, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [3]}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4",
        HEADER("|O", "(3,)"),
        HEADER("<f3", "(3,)"),
        HEADER("<f16", "(3,)"),
        HEADER("<\\f4", "(3,)"),
        HEADER("<f4", "(-3,)"),
        HEADER("<f4", "(3 5)"),
        HEADER("<f4", "(99999999999999999999,)"),
        HEADER("<f4", "(9223372036854775807, 9)"),
        HEADER("<f4", "(18446744073709551615,)"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zn_plan plan = plan_of(1 + (unsigned)i % 3, cases[i]);
        if (plan.n_tensors != 0 || strcmp(plan.container, "raw") != 0) fail_msg("understood: %s", cases[i]);
        zn_plan_free(&plan);
    }
    for (unsigned version = 0; version <= 4; version += 4) {
        struct zn_plan plan = plan_of(version, HEADER("<f4", "(3,)"));
        assert_string_equal(plan.container, "raw");
        zn_plan_free(&plan);
    }
}

static void every_truncation_and_many_flips_are_survived(void **state) {
    (void)state;
    char header[] = HEADER("<f4", "(3, 5)");
    for (size_t i = 0; i + 1 < sizeof header; i++) {
        for (int bit = 0; bit < 8; bit++) {
            header[i] = (char)(header[i] ^ 1 << bit);
            struct zn_plan plan = plan_of(1, header);
            zn_plan_free(&plan);
            header[i] = (char)(header[i] ^ 1 << bit);
        }
    }
    for (size_t len = sizeof header - 1; len > 0; len--) {
        header[len - 1] = '\0';
        struct zn_plan plan = plan_of(2, header);
        zn_plan_free(&plan);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_understood),
        cmocka_unit_test(other_headers_give_no_hints),
        cmocka_unit_test(every_truncation_and_many_flips_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
