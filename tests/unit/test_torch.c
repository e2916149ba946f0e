/* PyTorch's files, zips and pickles: what gives hints. */
#include "plan/dtype.h"
#include "support/checkpoints.h"
#include "support/testdata.h"

/* ---- checks */

static const struct zn_tensor *tensor_of(const struct zn_plan *plan, const char *name) {
    for (size_t i = 0; i < plan->n_tensors; i++)
        if (strcmp(plan->names + plan->tensors[i].name, name) == 0) return &plan->tensors[i];
    return NULL;
}

static void expect(const struct zn_plan *plan, const char *name, uint64_t off, uint64_t len, zipnn_dtype dtype) {
    const struct zn_tensor *t = tensor_of(plan, name);
    if (!t) fail_msg("no tensor %s", name);
    if (t->off != off || t->len != len || t->dtype != dtype)
        fail_msg("%s: at %llu, %llu bytes of %s", name, (unsigned long long)t->off, (unsigned long long)t->len,
                 zn_dtype_name(t->dtype));
}

static void expect_same(const struct zn_plan *a, const struct zn_plan *b) {
    assert_int_equal(a->n_tensors, b->n_tensors);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const struct zn_tensor *x = &a->tensors[i], *y = &b->tensors[i];
        assert_true(x->off == y->off && x->len == y->len && x->dtype == y->dtype);
    }
}

/* Where the bytes of the n-th member with data of this length and these aligned headers are: looked up by name. */
static uint64_t place_of(const struct bytes *file, const char *member) {
    const size_t len = strlen(member);
    for (size_t at = 30; at + len < file->len; at++) {
        const uint8_t *header = file->at + at - 30;
        if (memcmp(file->at + at, member, len) == 0 && zn_get_u32(header) == 0x04034b50 &&
            zn_get_u16(header + 26) == len)
            return at + len + zn_get_u16(header + 28);
    }
    fail_msg("no member %s", member);
    return 0;
}

/* ---- checkpoints */

static void a_checkpoint_is_understood(void **state) {
    (void)state;
    for (int style = NEW; style <= OLD; style++) {
        struct bytes file = checkpoint((enum style)style);
        struct zn_plan plan = plan_of(&file, file.len, ZN_VIEW_WHOLE);
        assert_string_equal(plan.container, "torch");
        const uint64_t two = place_of(&file, "archive/data/2");
        expect(&plan, "a.weight", place_of(&file, "archive/data/0"), 24, ZIPNN_F32);
        expect(&plan, "a.bias", place_of(&file, "archive/data/1"), 16, ZIPNN_BF16);
        expect(&plan, "b.first", two, 12, ZIPNN_F16);
        expect(&plan, "archive/data/2", two + 12, 4, ZIPNN_F16); /* what no tensor covers */
        expect(&plan, "b.second", two + 16, 16, ZIPNN_F16);
        expect(&plan, "archive/data/3", place_of(&file, "archive/data/3"), 48, ZIPNN_I64);
        expect(&plan, "e4m3", place_of(&file, "archive/data/10"), 10, ZIPNN_F8_E4M3);
        expect(&plan, "archive/data/4", place_of(&file, "archive/data/4"), 16, ZIPNN_F32);
        expect(&plan, "empty", place_of(&file, "archive/data/4"), 0, ZIPNN_F32);
        assert_null(tensor_of(&plan, "b.alias")); /* it has a name only */
        assert_null(tensor_of(&plan, "turned"));
        assert_null(tensor_of(&plan, "beyond"));
        assert_int_equal(plan.n_aliases, 2);
        const struct zn_tensor *alias = &plan.tensors[plan.n_tensors], *turned = alias + 1;
        assert_string_equal(plan.names + alias->name, "b.alias");
        assert_true(alias->off == two && alias->len == 12 && alias->strides == ZN_NO_STRIDES);
        assert_string_equal(plan.names + turned->name, "turned");
        assert_true(turned->len == 48 && turned->meaning == (ZN_ALIAS | ZN_COLUMN_MAJOR) && turned->type == ZIPNN_I64);
        const struct zn_tensor *a = tensor_of(&plan, "a.weight");
        assert_true(a->rank == 2 && plan.dims[a->shape] == 2 && plan.dims[a->shape + 1] == 3);
        zn_plan_free(&plan);
        free(file.at);
    }
}

/* The pickle and the first headers tell where everything is, wherever sight ends. */
static void the_beginning_tells_all(void **state) {
    (void)state;
    for (int style = NEW; style <= OLD; style++) {
        struct bytes file = checkpoint((enum style)style);
        struct zn_plan whole = plan_of(&file, file.len, ZN_VIEW_WHOLE);
        const size_t from = (size_t)place_of(&file, style == NEW ? "archive/byteorder" : "archive/data/0") + 64;
        for (size_t len = from; len < file.len; len++) {
            struct zn_plan plan = plan_of(&file, len, ZN_VIEW_CUT);
            expect_same(&whole, &plan);
            zn_plan_free(&plan);
        }
        zn_plan_free(&whole);
        free(file.at);
    }
}

static void archives_in_a_row_are_found(void **state) {
    (void)state;
    static const struct tensor one = {"w", "FloatStorage", "0", 6, 0, 2, 3, 3, 1, NULL};
    struct zip z = {.n = 0};
    struct bytes pickle = pickle_of(&one, 1);
    const char *const keys[] = {"0"};
    const size_t lens[] = {24};
    size_t starts[4];
    for (int i = 0; i < 4; i++) {
        if (i == 1) put_text(&z.out, "a blob of other bytes"); /* what lies before it is not looked for */
        starts[i] = z.base = z.out.len;
        put_member(&z, "archive/data.pkl", pickle.at, pickle.len, ALIGNED | DESCRIBED);
        put_storages(&z, keys, lens, 1);
        put_end(&z, i == 3 ? "comment" : "");
    }
    struct zn_plan plan = plan_of(&z.out, z.out.len, ZN_VIEW_WHOLE);
    assert_string_equal(plan.container, "torch");
    assert_int_equal(plan.n_tensors, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(plan.tensors[i].off > starts[i + 1] && plan.tensors[i].len == 24);
        assert_int_equal((plan.tensors[i].off - starts[i + 1]) % 64, 0);
    }
    zn_plan_free(&plan);
    free(pickle.at);
    free(z.out.at);
}

static void files_in_zips_are_looked_into(void **state) {
    (void)state;
    struct bytes inner = checkpoint(NEW);
    struct zip z = {.n = 0};
    put_member(&z, "x.npy", npy, sizeof npy - 1, 0);
    put_member(&z, "notes.txt", "nothing", 7, 0);
    put_member(&z, "packed.npy", npy, sizeof npy - 1, DEFLATED);
    put_member(&z, "policy.pth", inner.at, inner.len, 0);
    put_end(&z, "");
    struct zn_plan plan = plan_of(&z.out, z.out.len, ZN_VIEW_WHOLE);
    const uint64_t at = place_of(&z.out, "policy.pth");
    assert_string_equal(plan.container, "zip");
    expect(&plan, "x", place_of(&z.out, "x.npy") + sizeof npy - 9, 8, ZIPNN_F32);
    assert_null(tensor_of(&plan, "packed"));
    expect(&plan, "policy.pth/a.weight", at + place_of(&inner, "archive/data/0"), 24, ZIPNN_F32);
    for (size_t len = (size_t)(at + place_of(&inner, "archive/byteorder") + 64); len < z.out.len; len++) {
        struct zn_plan cut = plan_of(&z.out, len, ZN_VIEW_CUT);
        expect(&cut, "policy.pth/a.weight", at + place_of(&inner, "archive/data/0"), 24, ZIPNN_F32);
        zn_plan_free(&cut);
    }
    zn_plan_free(&plan);
    free(inner.at);
    free(z.out.at);
}

/* ---- files of old */

static void files_of_old_are_understood(void **state) {
    (void)state;
    struct bytes file = old_file();
    struct zn_plan whole = plan_of(&file, file.len, ZN_VIEW_WHOLE);
    const uint64_t data = file.len - (24 + 16 + 32 + 48 + 32);
    assert_string_equal(whole.container, "torch");
    expect(&whole, "a.weight", data + 8, 24, ZIPNN_F32);
    expect(&whole, "a.bias", data + 8 + 24 + 8, 16, ZIPNN_BF16);
    expect(&whole, "3", file.len - 48, 48, ZIPNN_I64);
    for (size_t len = (size_t)data; len < file.len; len++) {
        struct zn_plan plan = plan_of(&file, len, ZN_VIEW_CUT);
        expect_same(&whole, &plan);
        zn_plan_free(&plan);
    }
    file.at[data + 32]++; /* not as long as the pickle says: what follows is anybody's guess */
    struct zn_plan plan = plan_of(&file, file.len, ZN_VIEW_WHOLE);
    assert_int_equal(plan.n_tensors, 1);
    zn_plan_free(&plan);
    zn_plan_free(&whole);
    free(file.at);
}

static void arrays_in_pickles_are_found(void **state) {
    (void)state;
    static const char dtype[] =
        "cnumpy\ndtype\nX\x02\0\0\0f4K\0K\1\x87R(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb";
    struct bytes b = {NULL, 0, 0};
    put_text(&b, "\x80\x03}(X\1");
    put(&b, "\0\0\0w", 4);
    put_text(&b, "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK");
    put(&b,
        "\0\x85"
        "C\1b\x87R(K\1K\2K\3\x86",
        15);
    put(&b, dtype, sizeof dtype - 1);
    put(&b,
        "\x89"
        "C\x18",
        3);
    const size_t at = b.len;
    put_zeros(&b, 24);
    put_text(&b, "tbu.");
    struct zn_plan plan = plan_of(&b, b.len, ZN_VIEW_WHOLE);
    assert_string_equal(plan.container, "pickle");
    expect(&plan, "w", at, 24, ZIPNN_F32);
    zn_plan_free(&plan);
    free(b.at);
}

/* ---- pipes and files */

struct pipe {
    const struct bytes *from;
    size_t at;
};

static zipnn_status read_pipe(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err) {
    struct pipe *p = user;
    (void)err;
    *got = ZN_MIN(ZN_MIN(cap, p->from->len - p->at), (size_t)100000);
    if (*got) memcpy(buf, p->from->at + p->at, *got);
    p->at += *got;
    return ZIPNN_OK;
}

static zipnn_status write_bytes(void *user, const void *buf, size_t len, zipnn_error *err) {
    (void)err;
    put(user, buf, len);
    return ZIPNN_OK;
}

static zipnn_status read_bytes(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const struct bytes *b = user;
    (void)err;
    memcpy(buf, b->at + off, len);
    return ZIPNN_OK;
}

static struct bytes pack(zipnn_ctx *ctx, const zipnn_source *source) {
    struct bytes out = {NULL, 0, 0};
    const zipnn_sink sink = {.write = write_bytes, .user = &out};
    assert_int_equal(zipnn_pack(ctx, source, &sink, NULL, NULL), ZIPNN_OK);
    return out;
}

static uint64_t count_tensors(zipnn_ctx *ctx, struct bytes *archive) {
    const zipnn_source source = {.read_at = read_bytes, .length = archive->len, .user = archive};
    zipnn_archive *a;
    zipnn_archive_info info;
    assert_int_equal(zipnn_archive_open(ctx, &source, &a, NULL), ZIPNN_OK);
    zipnn_archive_get_info(a, &info);
    zipnn_archive_close(a);
    assert_string_equal(info.container, "torch");
    return info.n_tensors;
}

/* A checkpoint of which the end is in sight, and one that is longer. */
static void pipes_and_files_give_one_archive(void **state) {
    (void)state;
    enum { SIDE = 3000 };
    static const struct tensor t[] = {
        {"large", "FloatStorage", "0", (uint64_t)SIDE * SIDE, 0, SIDE, SIDE, SIDE, 1, NULL},
        {"small", "HalfStorage", "1", 6, 0, 2, 3, 3, 1, NULL},
    };
    const char *const keys[] = {"0", "1"};
    const size_t lens[] = {4 * SIDE * SIDE, 12};
    struct bytes pickle = pickle_of(t, 2);
    struct zip z = {.n = 0};
    put_member(&z, "archive/data.pkl", pickle.at, pickle.len, ALIGNED | DESCRIBED);
    put_storages(&z, keys, lens, 2);
    put_end(&z, "");
    struct bytes files[] = {checkpoint(NEW), z.out};
    const uint64_t n_tensors[] = {10, 2}; /* two have names only, one remainder has none */
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    assert_true(z.out.len > ZN_WINDOW);
    for (size_t i = 0; i < 2; i++) {
        struct pipe p = {&files[i], 0};
        const zipnn_source pipe = {.read = read_pipe, .length = UINT64_MAX, .user = &p};
        const zipnn_source file = {.read_at = read_bytes, .length = files[i].len, .user = &files[i]};
        struct bytes a = pack(ctx, &pipe), b = pack(ctx, &file);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.at, b.at, a.len);
        assert_int_equal(count_tensors(ctx, &a), n_tensors[i]);
        free(a.at);
        free(b.at);
        free(files[i].at);
    }
    zipnn_destroy(ctx);
    free(pickle.at);
}

/* ---- real files */

static void plan_real_file(void *arg, const char *name, const uint8_t *data, size_t len) {
    (void)arg;
    const struct bytes file = {(uint8_t *)(uintptr_t)data, len, len};
    struct zn_plan whole = plan_of(&file, len, ZN_VIEW_WHOLE);
    printf("%8zu tensors of %-12s %s\n", whole.n_tensors, whole.container, name);
    /* A checkpoint of which half is seen. */
    if (strcmp(whole.container, "torch") == 0 && !strstr(name, ".jit")) {
        struct zn_plan half = plan_of(&file, len / 2, ZN_VIEW_CUT);
        expect_same(&whole, &half);
        zn_plan_free(&half);
    }
    zn_plan_free(&whole);
}

static void real_files_are_understood(void **state) {
    (void)state;
    if (!zt_each_file("originals", plan_real_file, NULL)) skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_is_understood),       cmocka_unit_test(the_beginning_tells_all),
        cmocka_unit_test(archives_in_a_row_are_found),      cmocka_unit_test(files_in_zips_are_looked_into),
        cmocka_unit_test(files_of_old_are_understood),      cmocka_unit_test(arrays_in_pickles_are_found),
        cmocka_unit_test(pipes_and_files_give_one_archive), cmocka_unit_test(real_files_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
