/* PyTorch's files, zips and pickles: nothing hostile does harm. */
#include <time.h>

#include "support/checkpoints.h"

/* ---- hostile files */

static void every_truncation_and_many_flips_are_survived(void **state) {
    (void)state;
    struct bytes files[] = {checkpoint(NEW), old_file()};
    for (size_t f = 0; f < 2; f++) {
        for (size_t len = 0; len < files[f].len; len += 1 + len / 512) {
            for (int end = ZN_VIEW_WHOLE; end <= ZN_VIEW_CUT; end++) {
                struct zn_plan plan = plan_of(&files[f], len, (enum zn_view_end)end);
                zn_plan_free(&plan);
            }
            files[f].at[len] ^= (uint8_t)(1 << len % 8);
            struct zn_plan plan = plan_of(&files[f], files[f].len, ZN_VIEW_WHOLE);
            zn_plan_free(&plan);
            files[f].at[len] ^= (uint8_t)(1 << len % 8);
        }
        free(files[f].at);
    }
}

/* Pickles that grow, sink, loop or lie; each in front of what makes it a file. */
static void hostile_pickles_give_no_hints(void **state) {
    (void)state;
    enum { N = 1000000 };
    static const struct {
        const char *begin, *repeated, *end;
    } cases[] = {
        {"", "(", "."},     /* marks */
        {"", ")", "."},     /* values */
        {"", "]", "."},     /* containers */
        {"]", "]a", "."},   /* deep? no: side by side */
        {"", "]\x85", "."}, /* tuples in a row */
        {")", "\x85", "."}, /* a tuple in a tuple in a tuple ... */
        {"]q\x01",
         "h\x01"
         "a",
         "."},                               /* a list in itself */
        {"]\x94", "(h\0h\0h\0h\0lq\1", "."}, /* memo exchanged */
        {"X\1\0\0\0a", "2", "."},            /* copies */
        {"", "0", "."},                      /* below the bottom */
        {"", "\x94", "."},                   /* memo of nothing */
        {"]", "\x94", "."},                  /* memo without end */
        {"](", "K\1", "e."},                 /* a list of millions */
        {"", "B\xff\xff\xff\xff", "."},      /* bytes that are not there */
        {"", "ca\nb\n)R", "."},              /* calls */
        {"", "ca\nb\nQ", "."},               /* persistent ids that are none */
        {"", "r\xff\xff\xff\xff", "."},      /* a memo of 4 billion */
        {"]r\xff\xff\x0f", "", "."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes b = {NULL, 0, 0};
        put_text(&b, "\x80\x02}");
        put_text(&b, cases[i].begin);
        const size_t each = strlen(cases[i].repeated);
        for (size_t n = 0; each && n < N; n += each) put_text(&b, cases[i].repeated);
        put_text(&b, cases[i].end);
        const clock_t start = clock();
        struct zn_plan plan = plan_of(&b, b.len, ZN_VIEW_WHOLE);
        if ((clock() - start) / CLOCKS_PER_SEC > 2) fprintf(stderr, "case %zu takes long\n", i);
        assert_int_equal(plan.n_tensors, 0);
        zn_plan_free(&plan);
        free(b.at);
    }
}

/* Directories that lie; the numbers are offsets from the end record. */
static void lying_directories_are_survived(void **state) {
    (void)state;
    static const struct {
        int at;
        uint32_t value;
    } lies[] = {
        {12, 0},           {12, 1},           {12, 0xffffffff}, {12, 0x7fffffff},  {16, 0},
        {16, 0xffffffff},  {16, 0xfffffff0},  {20, 0xffff},     {8, 0xffffffff},   {-46, 0},
        {-26, 0xffffffff}, {-22, 0xffffffff}, {-4, 0xffffffff}, {-10, 0xffffffff},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct bytes file = checkpoint(NEW);
        const size_t at = (size_t)((int64_t)file.len - 22 + lies[i].at);
        zn_put_u32(file.at + ZN_MIN(at, file.len - 4), lies[i].value);
        struct zn_plan plan = plan_of(&file, file.len, ZN_VIEW_WHOLE);
        zn_plan_free(&plan);
        free(file.at);
    }
}

/* Extra fields that are cut short, or of which the last is; and members before and after. */
static void odd_extra_fields_are_passed_over(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } extras[] = {{"", 0}, {"\1", 1}, {"\1\0\10", 3}, {"\7\0\377\377z", 5}, {"\1\0\1\0z", 5}, {"\7\0\0\0\1\0\0\0", 8}};
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
        struct zip z = {.n = 0};
        put_member(&z, "x.npy", npy, sizeof npy - 1, 0);
        zn_put_u16(z.directory.at + 30, (uint16_t)extras[i].len);
        put(&z.directory, extras[i].bytes, extras[i].len);
        put_member(&z, "y.npy", npy, sizeof npy - 1, 0);
        put_end(&z, "");
        struct zn_plan plan = plan_of(&z.out, z.out.len, ZN_VIEW_WHOLE);
        assert_int_equal(plan.n_tensors, 2);
        zn_plan_free(&plan);
        free(z.out.at);
    }
}

/* Members that share their bytes are left out, all but the last. */
static void overlapping_members_are_left_out(void **state) {
    (void)state;
    struct zip z = {.n = 0};
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.npy", i);
        put_member(&z, name, npy, sizeof npy - 1, 0);
    }
    for (size_t at = 0; at + 46 < z.directory.len; at += 46 + zn_get_u16(z.directory.at + at + 28)) {
        zn_put_u32(z.directory.at + at + 20, 30000);
        zn_put_u32(z.directory.at + at + 24, 30000);
    }
    put_end(&z, "");
    struct zn_plan plan = plan_of(&z.out, z.out.len, ZN_VIEW_WHOLE);
    assert_true(plan.n_tensors <= 1);
    zn_plan_free(&plan);
    free(z.out.at);
}

static void many_tensors_are_no_trouble(void **state) {
    (void)state;
    enum { N = 100000 };
    struct zip z = {.n = 0};
    struct bytes pickle = {NULL, 0, 0};
    char text[64], key[16];
    put_text(&pickle, "\x80\x02}(");
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "model.layers.%d.weight_scale", i);
        snprintf(key, sizeof key, "%d", i);
        pickle_tensor(&pickle, &(struct tensor){text, "FloatStorage", key, 2, 0, 1, 2, 2, 1, NULL});
    }
    put_text(&pickle, "u.");
    put_member(&z, "archive/data.pkl", pickle.at, pickle.len, ALIGNED | DESCRIBED);
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "archive/data/%d", i);
        put_member(&z, text, "12345678", 8, ALIGNED | DESCRIBED);
    }
    put_end(&z, "");
    const clock_t start = clock();
    struct zn_plan plan = plan_of(&z.out, z.out.len, ZN_VIEW_WHOLE);
    printf("%d tensors, %zu bytes: %.3f s\n", N, z.out.len, (double)(clock() - start) / CLOCKS_PER_SEC);
    assert_int_equal(plan.n_tensors, N);
    zn_plan_free(&plan);
    free(pickle.at);
    free(z.out.at);
}

/* ---- allocation failures */

static void each_failing_allocation_is_reported(void **state) {
    (void)state;
    struct bytes files[] = {checkpoint(NEW), old_file()};
    for (size_t f = 0; f < 2; f++) {
        zipnn_status st = ZIPNN_E_MEMORY;
        for (int failures = 0; st != ZIPNN_OK; failures++) {
            int left = failures;
            const zipnn_allocator alloc = zt_budget(&left);
            struct zn_plan plan;
            st = zt_plan(files[f].at, files[f].len, &alloc, &plan);
            assert_true(st == ZIPNN_OK || (st == ZIPNN_E_MEMORY && plan.n_tensors == 0));
            if (st == ZIPNN_OK) assert_true(plan.n_tensors > 0);
            zn_plan_free(&plan);
        }
        free(files[f].at);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_and_many_flips_are_survived),
        cmocka_unit_test(hostile_pickles_give_no_hints),
        cmocka_unit_test(lying_directories_are_survived),
        cmocka_unit_test(odd_extra_fields_are_passed_over),
        cmocka_unit_test(overlapping_members_are_left_out),
        cmocka_unit_test(many_tensors_are_no_trouble),
        cmocka_unit_test(each_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
