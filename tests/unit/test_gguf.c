/* The GGUF reader: what gives hints, what gives none, how much of a file it asks for, and that nothing makes it read
 * outside its input. */
#include <stdio.h>

#include "base/bytes.h"
#include "plan/dtype.h"
#include "readers/gguf.h"
#include "support/plans.h"
#include "support/testdata.h"
#include "support/unit.h"

enum { U8 = 0, U32 = 4, BOOL = 7, STRING = 8, ARRAY = 9, U64 = 10 };
enum byte_order { LITTLE, BIG };

/* A file under construction. */
struct file {
    enum byte_order order;
    uint8_t *bytes;
    size_t len, cap;
};

static void put(struct file *f, const void *data, size_t len) {
    if (f->len + len > f->cap) {
        f->cap = 2 * (f->len + len);
        f->bytes = realloc(f->bytes, f->cap);
        assert_non_null(f->bytes);
    }
    if (len) memcpy(f->bytes + f->len, data, len);
    f->len += len;
}

static void put_number(struct file *f, uint64_t value, unsigned n_bytes) {
    uint8_t b[8];
    for (unsigned i = 0; i < n_bytes; i++) b[f->order == LITTLE ? i : n_bytes - 1 - i] = (uint8_t)(value >> 8 * i);
    put(f, b, n_bytes);
}

static void put_string(struct file *f, const char *s) {
    put_number(f, strlen(s), 8);
    put(f, s, strlen(s));
}

static struct file begin(enum byte_order order, uint32_t version, uint64_t n_tensors, uint64_t n_pairs) {
    struct file f = {.order = order};
    put(&f, "GGUF", 4);
    put_number(&f, version, 4);
    put_number(&f, n_tensors, 8);
    put_number(&f, n_pairs, 8);
    return f;
}

static void put_pair(struct file *f, const char *key, uint32_t type, uint64_t value, unsigned n_bytes) {
    put_string(f, key);
    put_number(f, type, 4);
    put_number(f, value, n_bytes);
}

static void put_array(struct file *f, const char *key, uint32_t type, uint64_t n) {
    put_string(f, key);
    put_number(f, ARRAY, 4);
    put_number(f, type, 4);
    put_number(f, n, 8);
}

static void put_tensor(struct file *f, const char *name, uint32_t type, uint64_t row, uint64_t rows, uint64_t off) {
    put_string(f, name);
    put_number(f, 2, 4);
    put_number(f, row, 8);
    put_number(f, rows, 8);
    put_number(f, type, 4);
    put_number(f, off, 8);
}

/* As the library does: asks, fetches, asks again. The reader sees copies of exactly the size it asked for. */
static struct zn_plan plan_of(const uint8_t *bytes, size_t file_len) {
    size_t len = ZN_MIN(file_len, (size_t)ZN_SNIFF_LEN), total = 0;
    for (;;) {
        uint8_t *head = malloc(len ? len : 1);
        assert_non_null(head);
        if (len) memcpy(head, bytes, len);
        const size_t want = zn_gguf_want(head, len);
        assert_true(want <= ZN_MAX_HEAD);
        total += len;
        if (want > len && len < file_len) {
            assert_true(want >= ZN_MIN(2 * len, (size_t)ZN_MAX_HEAD));
            len = ZN_MIN(file_len, want);
            free(head);
            continue;
        }
        struct zn_plan plan = zt_plan_of(head, len, ZN_VIEW_WHOLE);
        assert_true(total <= 3 * len);
        free(head);
        return plan;
    }
}

static struct zn_plan finish(struct file *f) {
    struct zn_plan plan = plan_of(f->bytes, f->len);
    free(f->bytes);
    return plan;
}

static void expect_no_hints(struct file *f, const char *what) {
    struct zn_plan plan = finish(f);
    if (plan.n_tensors != 0 || strcmp(plan.container, "raw") != 0) fail_msg("understood: %s", what);
    zn_plan_free(&plan);
}

static void put_every_kind_of_pair(struct file *f) {
    static const unsigned size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    for (uint32_t type = 0; type < 13; type++)
        if (type == STRING) {
            put_string(f, "a string");
            put_number(f, STRING, 4);
            put_string(f, "value");
        } else if (type == ARRAY) {
            put_array(f, "numbers", U32, 3);
            for (int i = 0; i < 3; i++) put_number(f, 7, 4);
            put_array(f, "strings", STRING, 2);
            put_string(f, "");
            put_string(f, "token");
        } else {
            put_pair(f, "a number", type, 1, size[type]);
        }
}

static void a_model_is_understood(void **state) {
    (void)state;
    for (int order = LITTLE; order <= BIG; order++)
        for (uint32_t version = 2; version <= 3; version++) {
            struct file f = begin((enum byte_order)order, version, 2, 15);
            put_every_kind_of_pair(&f);
            put_pair(&f, "general.alignment", U32, 64, 4);
            put_tensor(&f, "token_embd.weight", 0, 5, 3, 0);
            put_tensor(&f, "blk.0.attn_q.weight", 2, 64, 3, 64);
            const uint64_t data = (f.len + 63) / 64 * 64;
            struct zn_plan plan = finish(&f);
            assert_string_equal(plan.container, "gguf");
            assert_int_equal(plan.n_tensors, 2);
            const struct zn_tensor *t = plan.tensors;
            assert_string_equal(plan.names + t[0].name, "token_embd.weight");
            assert_true(t[0].dtype == ZIPNN_F32 && t[0].off == data && t[0].len == 60);
            assert_true(plan.dims[t[0].shape] == 3 && plan.dims[t[0].shape + 1] == 5);
            assert_string_equal(plan.names + t[1].name, "blk.0.attn_q.weight");
            assert_true(t[1].dtype == ZIPNN_Q4_0 && t[1].off == data + 64 && t[1].len == 6 * 18);
            zn_plan_free(&plan);
        }
}

static void every_type_has_its_size(void **state) {
    (void)state;
    static const struct {
        uint32_t id, elements, bytes;
        const char *name;
    } types[] = {
        {0, 1, 4, "F32"},         {1, 1, 2, "F16"},         {2, 32, 18, "Q4_0"},      {3, 32, 20, "Q4_1"},
        {6, 32, 22, "Q5_0"},      {7, 32, 24, "Q5_1"},      {8, 32, 34, "Q8_0"},      {9, 32, 36, "Q8_1"},
        {10, 256, 84, "Q2_K"},    {11, 256, 110, "Q3_K"},   {12, 256, 144, "Q4_K"},   {13, 256, 176, "Q5_K"},
        {14, 256, 210, "Q6_K"},   {15, 256, 292, "Q8_K"},   {16, 256, 66, "IQ2_XXS"}, {17, 256, 74, "IQ2_XS"},
        {18, 256, 98, "IQ3_XXS"}, {19, 256, 50, "IQ1_S"},   {20, 32, 18, "IQ4_NL"},   {21, 256, 110, "IQ3_S"},
        {22, 256, 82, "IQ2_S"},   {23, 256, 136, "IQ4_XS"}, {24, 1, 1, "I8"},         {25, 1, 2, "I16"},
        {26, 1, 4, "I32"},        {27, 1, 8, "I64"},        {28, 1, 8, "F64"},        {29, 256, 56, "IQ1_M"},
        {30, 1, 2, "BF16"},       {34, 256, 54, "TQ1_0"},   {35, 256, 66, "TQ2_0"},   {39, 32, 17, "MXFP4"},
        {40, 64, 36, "NVFP4"},    {41, 128, 18, "Q1_0"},    {42, 64, 18, "Q2_0"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct file f = begin(LITTLE, 3, 2, 0);
        put_tensor(&f, "t", types[i].id, 3 * types[i].elements, 5, 0);
        put_tensor(&f, "half a block", types[i].id, 3 * types[i].elements / 2, 5, 1 << 20);
        struct zn_plan plan = finish(&f);
        assert_int_equal(plan.n_tensors, types[i].elements > 1 ? 1 : 2);
        assert_true(plan.tensors[0].len == 15 * types[i].bytes);
        assert_string_equal(zn_dtype_name(plan.tensors[0].dtype), types[i].name);
        zn_plan_free(&plan);
    }
}

static void malformed_heads_give_no_hints(void **state) {
    (void)state;
    static const uint32_t versions[] = {0, 1, 4, 0x00010000, 0x02000000, 0x01000000};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        struct file f = begin(LITTLE, versions[i], 1, 0);
        put_tensor(&f, "t", 0, 1, 1, 0);
        expect_no_hints(&f, "a version");
    }
    static const uint32_t alignments[] = {0, 3, 48};
    for (size_t i = 0; i < sizeof alignments / sizeof alignments[0]; i++) {
        struct file f = begin(LITTLE, 3, 1, 1);
        put_pair(&f, "general.alignment", U32, alignments[i], 4);
        put_tensor(&f, "t", 0, 1, 1, 0);
        expect_no_hints(&f, "an alignment");
    }
    struct file f = begin(LITTLE, 3, 1, 1);
    put_pair(&f, "general.alignment", U64, 32, 8);
    put_tensor(&f, "t", 0, 1, 1, 0);
    expect_no_hints(&f, "an alignment of another type");
    f = begin(LITTLE, 3, 1, 1);
    put_pair(&f, "key", 13, 0, 8);
    put_tensor(&f, "t", 0, 1, 1, 0);
    expect_no_hints(&f, "a value of type 13");
    f = begin(LITTLE, 3, 1, 0);
    put_tensor(&f, "t", 0, 1, 1, 4);
    expect_no_hints(&f, "a tensor out of line");
    f = begin(LITTLE, 3, 1, 0);
    put_string(&f, "t");
    put_number(&f, 5, 4);
    for (int i = 0; i < 10; i++) put_number(&f, 0, 8);
    expect_no_hints(&f, "five dimensions");
}

static void monstrous_counts_are_refused_at_once(void **state) {
    (void)state;
    static const uint64_t huge[] = {UINT64_MAX, (uint64_t)INT64_MAX, (uint64_t)1 << 61, 1 << 26};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        struct file f = begin(LITTLE, 3, huge[i], 0);
        expect_no_hints(&f, "a count of tensors");
        f = begin(LITTLE, 3, 0, huge[i]);
        expect_no_hints(&f, "a count of pairs");
        f = begin(LITTLE, 3, 0, 1);
        put_number(&f, huge[i], 8);
        expect_no_hints(&f, "the length of a key");
        for (uint32_t type = 0; type < 13; type++) {
            f = begin(LITTLE, 3, 0, 1);
            put_array(&f, "array", type, huge[i]);
            expect_no_hints(&f, "the length of an array");
        }
    }
    struct file f = begin(LITTLE, 3, 0, 1);
    put_array(&f, "array of arrays of arrays ...", ARRAY, 1);
    for (int i = 0; i < 100; i++) {
        put_number(&f, ARRAY, 4);
        put_number(&f, 1, 8);
    }
    put_number(&f, U8, 4);
    put_number(&f, 0, 8);
    expect_no_hints(&f, "arrays nested a hundred deep");
}

static void senseless_tensors_are_left_out(void **state) {
    (void)state;
    struct file f = begin(LITTLE, 3, 7, 0);
    put_tensor(&f, "overflow", 0, (uint64_t)1 << 61, 4, 0);
    put_tensor(&f, "past the end", 0, (uint64_t)1 << 61, 1, UINT64_MAX - 31);
    put_tensor(&f, "type 43", 43, 32, 1, 0);
    put_tensor(&f, "retired type", 4, 32, 1, 0);
    put_tensor(&f, "ok", 0, 32, 1, 0);
    put_tensor(&f, "overlap", 0, 32, 1, 64);
    put_tensor(&f, "empty", 0, 0, 1, 1024);
    struct zn_plan plan = finish(&f);
    assert_int_equal(plan.n_tensors, 2);
    assert_string_equal(plan.names + plan.tensors[0].name, "ok");
    assert_string_equal(plan.names + plan.tensors[1].name, "empty");
    zn_plan_free(&plan);
}

static void a_file_without_tensors_is_understood(void **state) {
    (void)state;
    struct file f = begin(LITTLE, 3, 0, 0);
    struct zn_plan plan = finish(&f);
    assert_string_equal(plan.container, "gguf");
    assert_int_equal(plan.n_tensors, 0);
    zn_plan_free(&plan);
}

/* A vocabulary of several megabytes: the head is asked for in steps that at least double. */
static void long_heads_are_fetched_in_steps(void **state) {
    (void)state;
    struct file f = begin(LITTLE, 3, 1, 2);
    put_array(&f, "tokenizer.ggml.tokens", STRING, 200000);
    for (int i = 0; i < 200000; i++) put_string(&f, "\xe2\x96\x81token");
    put_array(&f, "tokenizer.ggml.scores", 6, 200000);
    for (int i = 0; i < 200000; i++) put_number(&f, 0, 4);
    put_tensor(&f, "t", 30, 8, 1, 0);
    for (int i = 0; i < 100000; i++) put_number(&f, 0, 8);
    struct zn_plan plan = plan_of(f.bytes, f.len);
    assert_int_equal(plan.n_tensors, 1);
    zn_plan_free(&plan);
    /* Longer than any head may be. */
    f.len = 24;
    put_array(&f, "tokens", U8, ZN_MAX_HEAD);
    expect_no_hints(&f, "a head of more than 32 MiB");
}

static void every_truncation_and_many_flips_are_survived(void **state) {
    (void)state;
    for (int order = LITTLE; order <= BIG; order++) {
        struct file f = begin((enum byte_order)order, 3, 2, 15);
        put_every_kind_of_pair(&f);
        put_pair(&f, "general.alignment", U32, 64, 4);
        put_tensor(&f, "a", 0, 5, 3, 0);
        put_tensor(&f, "b", 8, 64, 3, 64);
        for (size_t len = 0; len < f.len; len++) {
            struct zn_plan plan = plan_of(f.bytes, len);
            assert_int_equal(plan.n_tensors, 0);
            zn_plan_free(&plan);
            for (int bit = 0; bit < 8; bit++) {
                f.bytes[len] = (uint8_t)(f.bytes[len] ^ 1 << bit);
                plan = plan_of(f.bytes, f.len);
                zn_plan_free(&plan);
                f.bytes[len] = (uint8_t)(f.bytes[len] ^ 1 << bit);
            }
        }
        free(f.bytes);
    }
}

static void plan_real_file(void *arg, const char *name, const uint8_t *data, size_t len) {
    size_t *n = arg;
    const size_t name_len = strlen(name);
    if (name_len < 5 || strcmp(name + name_len - 5, ".gguf") != 0) return;
    struct zn_plan plan = plan_of(data, len);
    assert_string_equal(plan.container, "gguf");
    if (n[1] && plan.n_tensors) {
        const struct zn_tensor *last = &plan.tensors[plan.n_tensors - 1];
        assert_true(last->off + last->len <= len && last->off + last->len + 32 > len);
    }
    zn_plan_free(&plan);
    n[0]++;
}

static void real_models_are_understood(void **state) {
    (void)state;
    size_t n[2] = {0, 1}; /* files understood; whether they are complete */
    if (!zt_each_file("weights", plan_real_file, n)) skip();
    assert_true(n[0] >= 7);
    n[1] = 0;
    assert_true(zt_each_file("edge", plan_real_file, n));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_understood),
        cmocka_unit_test(every_type_has_its_size),
        cmocka_unit_test(malformed_heads_give_no_hints),
        cmocka_unit_test(monstrous_counts_are_refused_at_once),
        cmocka_unit_test(senseless_tensors_are_left_out),
        cmocka_unit_test(a_file_without_tensors_is_understood),
        cmocka_unit_test(long_heads_are_fetched_in_steps),
        cmocka_unit_test(every_truncation_and_many_flips_are_survived),
        cmocka_unit_test(real_models_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
