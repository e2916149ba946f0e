/* Files made to send readers round in circles: the work that is counted stays within what their bytes pay for, and what
 * is left out is counted, too. */
#include "readers/readers.h"
#include "support/checkpoints.h"

static void put_zip_header(struct bytes *b, const char *name, const struct bytes *data) {
    put_text(b, "PK\3\4");
    put_zeros(b, 14);
    put_number(b, data->len, 4);
    put_number(b, data->len, 4);
    put_number(b, strlen(name), 4);
    put_text(b, name);
    put(b, data->at, data->len);
}

static void put_zip_entry(struct bytes *b, const char *name, size_t len, size_t header) {
    put_text(b, "PK\1\2");
    put_zeros(b, 16);
    put_number(b, len, 4);
    put_number(b, len, 4);
    put_number(b, strlen(name), 2);
    put_zeros(b, 12);
    put_number(b, header, 4);
    put_text(b, name);
}

/* A zip of n members, each of the same bytes; name(i) says what they are called. */
static struct bytes zip_of(size_t n, void (*name)(char *to, size_t i), const struct bytes *data) {
    struct bytes file = {NULL, 0, 0}, directory = {NULL, 0, 0};
    for (size_t i = 0; i < n; i++) {
        char text[600];
        name(text, i);
        put_zip_entry(&directory, text, data->len, file.len);
        put_zip_header(&file, text, data);
    }
    const size_t at = file.len;
    put(&file, directory.at, directory.len);
    put_text(&file, "PK\5\6");
    put_zeros(&file, 8);
    put_number(&file, directory.len, 4);
    put_number(&file, at, 4);
    put_zeros(&file, 2);
    free(directory.at);
    return file;
}

/* Plans the file as one that takes `present` bytes, checks that the purse was kept to, and frees the file. */
static struct zn_plan plan_within(struct bytes *file, uint64_t present, struct zn_work *work) {
    *work = zn_work_of(present);
    struct zn_plan plan = zt_plan_paid(file->at, file->len, ZN_VIEW_WHOLE, work);
    assert_true(work->steps <= work->most_steps + 64 + ZN_MAX_HEAD / 8);
    assert_true(work->memory <= work->most_memory);
    assert_true(plan.names_len <= work->most_memory / ZN_WORK_PLAN * 2); /* names that are told apart are there twice */
    free(file->at);
    return plan;
}

/* ---- zips */

static void name_alike(char *to, size_t i) {
    snprintf(to, 64, i % 2 ? "a/data/%zx" : "a/data.pkl", i);
}

/* Folders in folders, each with a pickle of storages: all that lies deeper is no storage of its. */
static void name_nested(char *to, size_t i) {
    char *at = to;
    for (size_t depth = i % 64; depth > 0; depth--) at += snprintf(at, 8, "data/");
    snprintf(at, 64, i < 64 ? "data.pkl" : "%zx", i);
}

static uint64_t steps_of_zip(size_t n, void (*name)(char *to, size_t i)) {
    struct bytes pickle = {NULL, 0, 0};
    put_text(&pickle, "\x80\2N.");
    struct bytes file = zip_of(n, name, &pickle);
    struct zn_work work;
    struct zn_plan plan = plan_within(&file, UINT64_MAX, &work);
    assert_string_equal(plan.container, "torch");
    zn_plan_free(&plan);
    free(pickle.at);
    return work.steps;
}

static void members_of_one_name_are_linear(void **state) {
    (void)state;
    void (*const names[])(char *, size_t) = {name_alike, name_nested};
    for (size_t i = 0; i < 2; i++) {
        const uint64_t once = steps_of_zip(2000, names[i]), twice = steps_of_zip(4000, names[i]);
        assert_true(twice < once * 9 / 4);
    }
}

static void name_long(char *to, size_t i) {
    memset(to, 'n', 500);
    snprintf(to + 500, 64, "%06zu", i);
}

/* Members with long names whose tensors take little room in a small archive. */
static void names_are_bounded_by_what_is_there(void **state) {
    (void)state;
    struct bytes header = {NULL, 0, 0}, member = {NULL, 0, 0};
    for (size_t i = 0; i < 20000; i++) {
        char entry[100];
        snprintf(entry, sizeof entry, "%c\"%zx\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                 i ? ',' : '{', i);
        put_text(&header, entry);
    }
    put_text(&header, "}");
    put_number(&member, header.len, 8);
    put(&member, header.at, header.len);
    struct bytes file = zip_of(12, name_long, &member);
    struct zn_work work;
    struct zn_plan plan = plan_within(&file, 100000, &work);
    assert_int_equal(plan.n_tensors + plan.n_left_out, 12 * 20000);
    assert_true(plan.n_tensors > 100000 && plan.n_left_out > 50000);
    zn_plan_free(&plan);
    free(header.at);
    free(member.at);
}

/* As long as the package safetensors allows; nothing of it is read when not all can be seen. */
static void long_headers_are_read(void **state) {
    (void)state;
    enum { LONG = 40 << 20 };
    const char tensor[] = "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    for (int end = ZN_VIEW_WHOLE; end <= ZN_VIEW_CUT; end++) {
        struct bytes file = {NULL, 0, 0};
        put_number(&file, LONG, 8);
        put_text(&file, "{");
        put_zeros(&file, LONG);
        memset(file.at + 9, ' ', LONG);
        memcpy(file.at + 8 + LONG - (sizeof tensor - 1), tensor, sizeof tensor - 1);
        struct zn_work work = zn_work_of(1000);
        struct zn_plan plan =
            zt_plan_paid(file.at, end == ZN_VIEW_CUT ? ZN_WINDOW : file.len, (enum zn_view_end)end, &work);
        assert_int_equal(plan.n_tensors, end == ZN_VIEW_CUT ? 0 : 1);
        zn_plan_free(&plan);
        free(file.at);
    }
}

static void name_numbered(char *to, size_t i) {
    snprintf(to, 64, "%zu.pkl", i);
}

/* Pickles that say long names again and again by their numbers in the memo. */
static void texts_of_pickles_are_bounded_together(void **state) {
    (void)state;
    struct bytes pickle = {NULL, 0, 0};
    char text[4001];
    memset(text, 'n', 4000);
    text[4000] = '\0';
    put_text(&pickle, "\x80\4}");
    pickle_string(&pickle, text);
    put_text(&pickle, "\x94");
    for (size_t i = 0; i < 8000; i++) put(&pickle, "h\0h\0\x93", 5);
    put_text(&pickle, ".");
    struct bytes file = zip_of(200, name_numbered, &pickle);
    struct zn_work work;
    struct zn_plan plan = plan_within(&file, 14000, &work);
    zn_plan_free(&plan);
    free(pickle.at);
}

/* ---- HDF5: names that all lead to one header of many messages, `stride` bytes apart */

static void put_hdf5_root(struct bytes *b, size_t n_leaves, size_t n_names, size_t *object) {
    const size_t heap = 96 + 16 + 24, names = heap + 32, tree = names + 16, leaf = tree + 24 + 16 * n_leaves;
    *object = leaf + 8 + 40 * n_names;
    put(b, "\x89HDF\r\n\x1a\n\0\0\0\0\0\10\10", 15);
    put_zeros(b, 49);
    put_number(b, 96, 8);
    put_zeros(b, 24);
    put(b, "\1\0\1\0\1\0\0\0\30\0\0\0\0\0\0\0\21\0\20\0\0\0\0\0", 24);
    put_number(b, tree, 8);
    put_number(b, heap, 8);
    b->len = heap;
    put(b, "HEAP\0\0\0\0", 8);
    put_number(b, 16, 8);
    put_number(b, 0, 8);
    put_number(b, names, 8);
    put_zeros(b, 16);
    put_text(b, "TREE");
    put_number(b, 0, 2);
    put_number(b, n_leaves, 2);
    put_zeros(b, 16);
    for (size_t i = 0; i < n_leaves; i++) {
        put_zeros(b, 8);
        put_number(b, leaf, 8);
    }
    put_text(b, "SNOD\1");
    put_zeros(b, 1);
    put_number(b, n_names, 2);
    for (size_t i = 0; i < n_names; i++) {
        put_zeros(b, 8);
        put_number(b, *object, 8);
        put_zeros(b, 24);
    }
}

static void messages_of_hdf5_are_counted(void **state) {
    (void)state;
    enum { N = 4096 };
    static const size_t strides[] = {8, 4600};
    for (size_t i = 0; i < 2; i++) {
        struct bytes file = {NULL, 0, 0};
        size_t object;
        put_hdf5_root(&file, 1000, 100, &object);
        assert_int_equal(file.len, object);
        put(&file, "\1\0", 2);
        put_number(&file, N, 2);
        put_number(&file, 1, 4);
        put_number(&file, N * strides[i], 4);
        put_zeros(&file, 4);
        for (size_t m = 0; m < N; m++) {
            put_number(&file, 0, 2);
            put_number(&file, strides[i] - 8, 2);
            put_zeros(&file, strides[i] - 4);
        }
        const size_t len = file.len;
        struct zn_work work;
        struct zn_plan plan = plan_within(&file, i ? UINT64_MAX : 753, &work);
        assert_true(work.steps <= ZN_WORK_FREE_STEPS + ZN_WORK_STEPS_SEEN * (uint64_t)len + 1000);
        assert_int_equal(plan.n_tensors, 0);
        assert_int_equal(plan.n_left_out, 1);
        zn_plan_free(&plan);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_one_name_are_linear), cmocka_unit_test(names_are_bounded_by_what_is_there),
        cmocka_unit_test(long_headers_are_read),          cmocka_unit_test(texts_of_pickles_are_bounded_together),
        cmocka_unit_test(messages_of_hdf5_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
