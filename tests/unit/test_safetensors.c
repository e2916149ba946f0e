/* The safetensors reader: what gives hints, what gives none, and that nothing makes it read outside its input. */
#include <stdio.h>
#include <time.h>

#include "base/bytes.h"
#include "plan/dtype.h"
#include "readers/safetensors.h"
#include "support/plans.h"
#include "support/testdata.h"
#include "support/unit.h"

/* Plans a file that consists of this header and nothing else; the copy has exactly the file's size. */
static struct zn_plan plan_of(const char *json, size_t json_len) {
    uint8_t *file = malloc(8 + json_len);
    assert_non_null(file);
    zn_put_u64(file, json_len);
    memcpy(file + 8, json, json_len);
    struct zn_plan plan = zt_plan_of(file, 8 + json_len, ZN_VIEW_WHOLE);
    free(file);
    return plan;
}

#define T(name, dtype, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void a_model_is_understood(void **state) {
    (void)state;
    const char json[] = " \t\r\n{\"__metadata__\":{\"a\":\"}{\\\"\"}," T("b\\u00e9\\\"", "F32", "[2,3]", 8, 32) " , " T(
        "a", "BF16", "[4]", 0, 8) "," T("s", "I64", "[]", 32, 40) "," T("e", "U8", "[0,7]", 40, 40) "}  \n";
    struct zn_plan plan = plan_of(json, sizeof json - 1);
    const uint64_t data = 8 + sizeof json - 1;
    assert_string_equal(plan.container, "safetensors");
    assert_int_equal(plan.n_tensors, 4);
    assert_string_equal(plan.names + plan.tensors[0].name, "a");
    assert_true(plan.tensors[0].off == data && plan.tensors[0].len == 8);
    assert_string_equal(plan.names + plan.tensors[1].name, "b\xc3\xa9\"");
    assert_int_equal(plan.tensors[1].dtype, ZIPNN_F32);
    assert_int_equal(plan.tensors[1].rank, 2);
    assert_true(plan.dims[plan.tensors[1].shape] == 2 && plan.dims[plan.tensors[1].shape + 1] == 3);
    assert_int_equal(plan.tensors[2].rank, 0);
    assert_int_equal(plan.tensors[3].len, 0);
    zn_plan_free(&plan);
}

static void malformed_headers_give_no_hints(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "{",
        "[]",
        "{}x",
        "{},",
        "{,}",
        "{\"a\"}",
        "{\"a\":1}",
        "{\"a\":{}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}",
        "{" T("a", "U8", "[1]", 0, 1) ",}",
        "{" T("a", "U8", "[1]", 0, 1) T("b", "U8", "[1]", 1, 2) "}",
        "{" T("a", "U8", "[1]", 0, 1) "," T("a", "U8", "[1]", 1, 2) "}",
        "{" T("a", "U8", "[1]", 0, 1) "," T("\\u0061", "U8", "[1]", 1, 2) "}",
        "{" T("\xff", "U8", "[1]", 0, 1) "}",
        "{" T("a", "U8", "[01]", 0, 1) "}",
        "{" T("a", "U8", "[1,]", 0, 1) "}",
        "{" T("a", "U8", "[,1]", 0, 1) "}",
        "{" T("a\\x", "U8", "[1]", 0, 1) "}",
        "{" T("a\\u12g4", "U8", "[1]", 0, 1) "}",
        "{" T("a\\ud800", "U8", "[1]", 0, 1) "}",
        "{" T("a\tb", "U8", "[1]", 0, 1) "}",
        "{\"a\":{\"x\":[}],\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"x\":nul,\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"x\":1.,\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"x\":{\"y\"},\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"x\":\"\xed\xa0\x80\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"__metadata__\":7}",
        "{\"__metadata__\":nothing}",
        "{" T("a", "U8", "[1.0]", 0, 1) "}",
        "{" T("a", "U8", "[-1]", 0, 1) "}",
        "{" T("a", "U8", "1", 0, 1) "}",
        "{" T("a", "U8", "[1]", -1, 1) "}",
        "{" T("a", "U8", "[1]", 0, 18446744073709551616) "}",
        "{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}",
        "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1},\"data_offsets\":[0,1]]}",
        "{\"__metadata__\":{},\"__metadata__\":{}}",
        "{\"a\\",
        "{\"a",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zn_plan plan = plan_of(cases[i], strlen(cases[i]));
        if (plan.n_tensors != 0 || strcmp(plan.container, "raw") != 0) fail_msg("understood: %s", cases[i]);
        zn_plan_free(&plan);
    }
}

static void senseless_tensors_are_left_out(void **state) {
    (void)state;
    const char json[] = "{" T("short", "F32", "[2]", 0, 7) "," T("backwards", "U8", "[1]", 9, 8) "," T(
        "overflow", "U8", "[9223372036854775807,9]", 0, 8) "," T("odd bits", "F4", "[3]", 0, 2) "," T("odd", "FUTURE",
                                                                                                      "[3]", 10, 12) ","
        T("ok", "F4", "[4]", 20, 22) "," T("same bytes", "U8", "[1]", 20, 21) ",\"extra\":{\"dtype\":\"U8\",\"shape\":[1],"
        "\"data_offsets\":[30,31],\"more\":[{}]}}";
    struct zn_plan plan = plan_of(json, sizeof json - 1);
    assert_string_equal(plan.container, "safetensors");
    assert_int_equal(plan.n_tensors, 3);
    assert_string_equal(plan.names + plan.tensors[0].name, "odd");
    assert_int_equal(plan.tensors[0].dtype, ZIPNN_DTYPE_UNKNOWN);
    assert_string_equal(plan.names + plan.tensors[1].name, "ok");
    assert_string_equal(plan.names + plan.tensors[2].name, "extra");
    assert_int_equal(plan.n_left_out, 6); /* one of them is listed without a type */
    zn_plan_free(&plan);
}

/* What the package safetensors reads, too. */
static void odd_headers_are_read(void **state) {
    (void)state;
    const char json[] = "{\"__metadata__\": null ," T("a\\u0000b", "U8", "[1]", 0, 1) "," T(
        "\\ud83d\\ude00", "U8", "[2]", 1, 3) ",\"c\":{\"shape\":[0,18446744073709551615],\"x\":[-0.5e+3,[],{\"y\":[true]}],"
                                           "\"data_offsets\":[3,3],\"\\u0064type\":\"\\u00558\"}}";
    struct zn_plan plan = plan_of(json, sizeof json - 1);
    assert_string_equal(plan.container, "safetensors");
    assert_int_equal(plan.n_tensors, 3);
    assert_int_equal(plan.n_left_out, 0);
    assert_string_equal(plan.names + plan.tensors[0].name, "a\\u0000b");
    assert_string_equal(plan.names + plan.tensors[1].name, "\xf0\x9f\x98\x80");
    assert_string_equal(plan.names + plan.tensors[2].name, "c");
    assert_int_equal(plan.tensors[2].dtype, ZIPNN_U8);
    zn_plan_free(&plan);
}

/* Names, white space and nesting beyond any model's. */
static void long_entries_are_read(void **state) {
    (void)state;
    enum { LONG = 100000 };
    const char entry[] = "\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}," T("ok", "U8", "[1]", 0, 1) "}";
    char *json = malloc(4 * LONG);
    assert_non_null(json);
    for (int kind = 0; kind < 3; kind++) {
        const size_t name_len = kind == 0 ? LONG : 1, deep = kind == 1 ? LONG : 0, spaces = kind == 2 ? LONG : 0;
        size_t len = 0;
        memcpy(json, "{\"", 2);
        memset(json + 2, 'n', name_len);
        len = 2 + name_len;
        memcpy(json + len, "\":{\"x\":", 7);
        len += 7;
        memset(json + len, ' ', spaces);
        memset(json + len + spaces, '[', deep + 1);
        memset(json + len + spaces + deep + 1, ']', deep + 1);
        len += spaces + 2 * deep + 2;
        json[len++] = ',';
        memcpy(json + len, entry, sizeof entry - 1);
        len += sizeof entry - 1;
        struct zn_plan plan = plan_of(json, len);
        assert_int_equal(plan.n_tensors, 2);
        assert_int_equal(plan.n_left_out, 0);
        assert_int_equal(strlen(plan.names + plan.tensors[1].name), name_len);
        zn_plan_free(&plan);
    }
    free(json);
}

static void the_sniffer_needs_sixteen_bytes(void **state) {
    (void)state;
    uint8_t head[ZN_SNIFF_LEN] = {100, 0, 0, 0, 0, 0, 0, 0, '{', '"'};
    assert_int_equal(zn_safetensors_want(head, sizeof head), 108);
    assert_int_equal(zn_safetensors_want(head, 9), 108);
    assert_int_equal(zn_safetensors_want(head, 8), 0);
    head[8] = ' ';
    assert_int_equal(zn_safetensors_want(head, sizeof head), 0); /* '"' after the space */
    memset(head + 8, '\n', 8);
    assert_int_equal(zn_safetensors_want(head, sizeof head), 108);
    zn_put_u32(head, ZN_SAFETENSORS_MAX_HEADER);
    assert_int_equal(zn_safetensors_want(head, sizeof head), 8 + ZN_SAFETENSORS_MAX_HEADER);
    zn_put_u32(head, ZN_SAFETENSORS_MAX_HEADER + 1);
    assert_int_equal(zn_safetensors_want(head, sizeof head), 0);
}

/* 100 000 tensors: time and memory stay proportional, whatever the machine. */
static void many_tensors_are_no_trouble(void **state) {
    (void)state;
    enum { N = 100000, EACH = 120 };
    char *json = malloc((size_t)N * EACH);
    assert_non_null(json);
    size_t len = 0;
    for (int i = 0; i < N; i++)
        len += (size_t)snprintf(
            json + len, EACH,
            "%c\"model.layers.%d.weight_scale_inv\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[%d,"
            "%d]}",
            i ? ',' : '{', i, 8 * i, 8 * i + 8);
    json[len++] = '}';
    const clock_t start = clock();
    struct zn_plan plan = plan_of(json, len);
    printf("%d tensors, %zu header bytes: %.3f s\n", N, len, (double)(clock() - start) / CLOCKS_PER_SEC);
    assert_int_equal(plan.n_tensors, N);
    zn_plan_free(&plan);
    free(json);
}

static void every_truncation_and_many_flips_are_survived(void **state) {
    (void)state;
    const char json[] =
        "{\"__metadata__\":{\"format\":\"pt\"}," T("a", "F32", "[2,3]", 0, 24) "," T("b\\n", "BF16", "[4]", 24, 32) "}";
    char copy[sizeof json];
    for (size_t len = 0; len < sizeof json; len++) {
        struct zn_plan plan = plan_of(json, len);
        zn_plan_free(&plan);
        for (int bit = 0; bit < 8; bit++) {
            memcpy(copy, json, sizeof json);
            copy[len] = (char)(copy[len] ^ 1 << bit);
            plan = plan_of(copy, sizeof json - 1);
            zn_plan_free(&plan);
        }
    }
}

/* ---- allocation failures */

struct budget {
    int left;
};

static void *budget_alloc(void *user, size_t size) {
    struct budget *b = user;
    return b->left-- > 0 ? malloc(size) : NULL;
}

static void budget_release(void *user, void *ptr) {
    (void)user;
    free(ptr);
}

static void each_failing_allocation_is_reported(void **state) {
    (void)state;
    uint8_t file[300];
    const char json[] = "{" T("a", "F32", "[2,3]", 0, 24) "," T("b", "BF16", "[4]", 24, 32) "}";
    zn_put_u64(file, sizeof json - 1);
    memcpy(file + 8, json, sizeof json - 1);
    zipnn_status st = ZIPNN_E_MEMORY;
    int failures = 0;
    for (; st != ZIPNN_OK; failures++) {
        struct budget budget = {failures};
        const zipnn_allocator alloc = {budget_alloc, budget_release, &budget};
        struct zn_plan plan;
        st = zt_plan(file, 8 + sizeof json - 1, &alloc, &plan);
        assert_true(st == ZIPNN_OK || (st == ZIPNN_E_MEMORY && plan.n_tensors == 0));
        zn_plan_free(&plan);
    }
    assert_int_equal(failures, 8); /* the head twice, tensors, names, dims, lists of names here and there; then none */
}

/* ---- real files */

static void plan_real_file(void *arg, const char *name, const uint8_t *data, size_t len) {
    size_t *n = arg;
    struct zn_plan plan = zt_plan_of(data, len, ZN_VIEW_WHOLE);
    struct zn_plan_walk walk = {&plan, 0, 0};
    uint64_t at = 0;
    for (size_t i = 0; i <= 2 * plan.n_tensors + 1; i++) {
        const struct zn_span span = zn_plan_next(&walk);
        assert_true(span.off == at);
        at += span.len;
    }
    assert_true(at == UINT64_MAX);
    n[0] += plan.n_tensors > 0;
    const size_t name_len = strlen(name);
    const bool st = name_len > 12 && strcmp(name + name_len - 12, ".safetensors") == 0;
    if (st && n[1]) {
        if (plan.n_tensors == 0) fail_msg("not understood: %s", name);
        const struct zn_tensor *last = &plan.tensors[plan.n_tensors - 1];
        assert_true(last->off + last->len == len);
    }
    zn_plan_free(&plan);
}

static void edge_cases_are_survived(void **state) {
    (void)state;
    size_t n[2] = {0, 0};
    if (!zt_each_file("edge", plan_real_file, n)) skip();
    printf("%zu edge cases give hints\n", n[0]);
    assert_true(n[0] > 10);
}

static void real_models_are_understood(void **state) {
    (void)state;
    size_t n[2] = {0, 1};
    if (!zt_each_file("weights", plan_real_file, n)) skip();
    assert_true(n[0] > 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_understood),
        cmocka_unit_test(malformed_headers_give_no_hints),
        cmocka_unit_test(senseless_tensors_are_left_out),
        cmocka_unit_test(odd_headers_are_read),
        cmocka_unit_test(long_entries_are_read),
        cmocka_unit_test(the_sniffer_needs_sixteen_bytes),
        cmocka_unit_test(many_tensors_are_no_trouble),
        cmocka_unit_test(every_truncation_and_many_flips_are_survived),
        cmocka_unit_test(each_failing_allocation_is_reported),
        cmocka_unit_test(edge_cases_are_survived),
        cmocka_unit_test(real_models_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
