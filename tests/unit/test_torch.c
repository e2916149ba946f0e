/* PyTorch's files, zips and pickles: what gives hints, and that nothing hostile does harm. */
#include <stdio.h>
#include <time.h>

#include "base/bytes.h"
#include "plan/dtype.h"
#include "support/plans.h"
#include "support/testdata.h"
#include "support/unit.h"

/* ---- files by hand */

struct bytes {
    uint8_t *at;
    size_t len, cap;
};

static void put(struct bytes *b, const void *data, size_t len) {
    if (b->len + len > b->cap) {
        b->cap = 2 * (b->len + len);
        b->at = realloc(b->at, b->cap);
        assert_non_null(b->at);
    }
    if (len) memcpy(b->at + b->len, data, len);
    b->len += len;
}

static void put_number(struct bytes *b, uint64_t v, size_t len) {
    uint8_t le[8];
    zn_put_u64(le, v);
    put(b, le, len);
}

static void put_text(struct bytes *b, const char *text) {
    put(b, text, strlen(text));
}

static void put_zeros(struct bytes *b, size_t len) {
    while (len-- > 0) put_number(b, 0, 1);
}

/* ---- pickles */

static void pickle_string(struct bytes *b, const char *text) {
    put_text(b, "X");
    put_number(b, strlen(text), 4);
    put_text(b, text);
}

static void pickle_int(struct bytes *b, uint64_t i) {
    put_text(b, "J");
    put_number(b, i, 4);
}

/* A persistent id: ("storage", torch.CLASS, KEY, "cpu", n). */
static void pickle_storage(struct bytes *b, const char *class, const char *key, uint64_t n) {
    put_text(b, "(");
    pickle_string(b, "storage");
    put_text(b, "ctorch\n");
    put_text(b, class);
    put_text(b, "\n");
    pickle_string(b, key);
    pickle_string(b, "cpu");
    pickle_int(b, n);
    put_text(b, "tQ");
}

struct tensor {
    const char *name, *class, *key;
    uint64_t n, first, rows, columns, row_stride, column_stride;
    const char *dtype; /* of untyped storages */
};

static void pickle_tensor(struct bytes *b, const struct tensor *t) {
    pickle_string(b, t->name);
    put_text(b, "ctorch._utils\n_rebuild_tensor_v");
    put_text(b, t->dtype ? "3\n(" : "2\n(");
    pickle_storage(b, t->class, t->key, t->n);
    pickle_int(b, t->first);
    pickle_int(b, t->rows);
    pickle_int(b, t->columns);
    put_text(b, "\x86");
    pickle_int(b, t->row_stride);
    pickle_int(b, t->column_stride);
    put_text(b, "\x86\x89");
    put_text(b, "ccollections\nOrderedDict\n)R");
    if (t->dtype) {
        put_text(b, "ctorch\n");
        put_text(b, t->dtype);
        put_text(b, "\n");
    }
    put_text(b, "tR");
}

/* A state dictionary. */
static struct bytes pickle_of(const struct tensor *t, size_t n) {
    struct bytes b = {NULL, 0, 0};
    put_text(&b,
             "\x80\x02"
             "ccollections\nOrderedDict\n)R(");
    for (size_t i = 0; i < n; i++) pickle_tensor(&b, &t[i]);
    put_text(&b, "u.");
    return b;
}

/* ---- zips as PyTorch writes them */

struct zip {
    struct bytes out, directory;
    size_t base; /* where the archive begins */
    unsigned n;
};

enum { ALIGNED = 1, DESCRIBED = 2, DEFLATED = 4 }; /* kinds of members */

static void put_member(struct zip *z, const char *name, const void *data, size_t len, unsigned kind) {
    const size_t at = z->out.len - z->base, name_len = strlen(name), bare = at + 34 + name_len;
    const size_t padding = kind & ALIGNED ? (64 - bare % 64) % 64 : 0;
    put_text(&z->out, "PK\x03\x04");
    put_zeros(&z->out, 2);
    put_number(&z->out, kind & DESCRIBED ? 0x808 : 0, 2);
    put_number(&z->out, kind & DEFLATED ? 8 : 0, 2);
    put_zeros(&z->out, 8);
    put_number(&z->out, kind & DESCRIBED ? 0 : len, 4);
    put_number(&z->out, kind & DESCRIBED ? 0 : len, 4);
    put_number(&z->out, name_len, 2);
    put_number(&z->out, kind & ALIGNED ? 4 + padding : 0, 2);
    put_text(&z->out, name);
    if (kind & ALIGNED) {
        put_text(&z->out, "FB");
        put_number(&z->out, padding, 2);
        for (size_t i = 0; i < padding; i++) put_text(&z->out, "Z");
    }
    put(&z->out, data, len);
    if (kind & DESCRIBED) {
        put_text(&z->out, "PK\x07\x08");
        put_zeros(&z->out, 4);
        put_number(&z->out, len, 4);
        put_number(&z->out, len, 4);
    }
    put_text(&z->directory, "PK\x01\x02");
    put_zeros(&z->directory, 4);
    put_number(&z->directory, kind & DESCRIBED ? 0x808 : 0, 2);
    put_number(&z->directory, kind & DEFLATED ? 8 : 0, 2);
    put_zeros(&z->directory, 8);
    put_number(&z->directory, len, 4);
    put_number(&z->directory, len, 4);
    put_number(&z->directory, name_len, 2);
    put_zeros(&z->directory, 12);
    put_number(&z->directory, at, 4);
    put_text(&z->directory, name);
    z->n++;
}

static void put_end(struct zip *z, const char *comment) {
    const size_t at = z->out.len - z->base;
    put(&z->out, z->directory.at, z->directory.len);
    put_text(&z->out, "PK\x05\x06");
    put_zeros(&z->out, 4);
    put_number(&z->out, z->n, 2);
    put_number(&z->out, z->n, 2);
    put_number(&z->out, z->directory.len, 4);
    put_number(&z->out, at, 4);
    put_number(&z->out, strlen(comment), 2);
    put_text(&z->out, comment);
    free(z->directory.at);
    z->directory = (struct bytes){NULL, 0, 0};
    z->base = z->out.len;
    z->n = 0;
}

/* Each storage once, in the order given. */
static void put_storages(struct zip *z, const char *const *keys, const size_t *lens, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char name[64];
        void *data = calloc(1, lens[i] + 1);
        snprintf(name, sizeof name, "archive/data/%s", keys[i]);
        put_member(z, name, data, lens[i], ALIGNED | DESCRIBED);
        free(data);
    }
}

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

/* The plan of an exact copy, so that a sanitizer sees reads beyond. */
static struct zn_plan plan_of(const struct bytes *b, size_t len, enum zn_view_end end) {
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len) memcpy(copy, b->at, len);
    struct zn_plan plan = zt_plan_of(copy, len, end);
    free(copy);
    return plan;
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

static const struct tensor mixed[] = {
    {"a.weight", "FloatStorage", "0", 6, 0, 2, 3, 3, 1, NULL},
    {"a.bias", "BFloat16Storage", "1", 8, 0, 2, 4, 4, 1, NULL},
    {"b.first", "HalfStorage", "2", 16, 0, 2, 3, 3, 1, NULL},
    {"b.second", "HalfStorage", "2", 16, 8, 2, 4, 4, 1, NULL},
    {"b.alias", "HalfStorage", "2", 16, 0, 2, 3, 3, 1, NULL},
    {"turned", "LongStorage", "3", 6, 0, 2, 3, 1, 2, NULL},
    {"e4m3", "UntypedStorage", "10", 10, 0, 2, 5, 5, 1, "float8_e4m3fn"},
    {"beyond", "FloatStorage", "4", 4, 2, 2, 3, 3, 1, NULL},
    {"empty", "FloatStorage", "4", 4, 0, 0, 3, 3, 1, NULL},
};
enum { N_MIXED = sizeof mixed / sizeof mixed[0] };
static const char *const mixed_keys[] = {"0", "1", "2", "3", "10", "4"};
static const char *const sorted_keys[] = {"0", "1", "10", "2", "3", "4"};
static const size_t mixed_lens[] = {24, 16, 32, 48, 10, 16}, sorted_lens[] = {24, 16, 10, 32, 48, 16};

enum style { NEW, OLD };

static struct bytes checkpoint(enum style style) {
    struct zip z = {.n = 0};
    struct bytes pickle = pickle_of(mixed, N_MIXED);
    put_member(&z, "archive/data.pkl", pickle.at, pickle.len, ALIGNED | DESCRIBED);
    if (style == NEW) put_member(&z, "archive/.format_version", "1", 1, ALIGNED | DESCRIBED);
    if (style == NEW) put_member(&z, "archive/byteorder", "little", 6, ALIGNED | DESCRIBED);
    put_storages(&z, style == NEW ? mixed_keys : sorted_keys, style == NEW ? mixed_lens : sorted_lens, 6);
    put_member(&z, "archive/version", "3\n", 2, ALIGNED | DESCRIBED);
    put_end(&z, "");
    free(pickle.at);
    return z.out;
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
        assert_null(tensor_of(&plan, "b.alias"));
        assert_null(tensor_of(&plan, "turned"));
        assert_null(tensor_of(&plan, "beyond"));
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
        const size_t from = place_of(&file, style == NEW ? "archive/byteorder" : "archive/data/0") + 64;
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

static const char npy[] =
    "\x93NUMPY\x01\x00\x38\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n\1\2\3\4\5\6\7\10";

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
    for (size_t len = at + place_of(&inner, "archive/byteorder") + 64; len < z.out.len; len++) {
        struct zn_plan cut = plan_of(&z.out, len, ZN_VIEW_CUT);
        expect(&cut, "policy.pth/a.weight", at + place_of(&inner, "archive/data/0"), 24, ZIPNN_F32);
        zn_plan_free(&cut);
    }
    zn_plan_free(&plan);
    free(inner.at);
    free(z.out.at);
}

/* ---- files of old */

static struct bytes old_file(void) {
    struct bytes b = pickle_of(mixed, 6), file = {NULL, 0, 0};
    put(&file, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.", 25);
    put(&file, b.at, b.len);
    put_text(&file, "\x80\x02]");
    for (int i = 0; i < 4; i++) { /* one at a time: a list of several runs */
        pickle_string(&file, mixed_keys[i]);
        put_text(&file, "a");
    }
    put_text(&file, ".");
    for (int i = 0; i < 4; i++) {
        static const uint64_t counts[] = {6, 8, 16, 6};
        put_number(&file, counts[i], 8);
        put_zeros(&file, mixed_lens[i]);
    }
    free(b.at);
    return file;
}

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
    const uint64_t n_tensors[] = {9, 2};
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

static void *budget_alloc(void *user, size_t size) {
    int *left = user;
    return (*left)-- > 0 ? malloc(size) : NULL;
}

static void budget_release(void *user, void *ptr) {
    (void)user;
    free(ptr);
}

static void each_failing_allocation_is_reported(void **state) {
    (void)state;
    struct bytes files[] = {checkpoint(NEW), old_file()};
    for (size_t f = 0; f < 2; f++) {
        zipnn_status st = ZIPNN_E_MEMORY;
        for (int failures = 0; st != ZIPNN_OK; failures++) {
            int left = failures;
            const zipnn_allocator alloc = {budget_alloc, budget_release, &left};
            struct zn_plan plan;
            st = zt_plan(files[f].at, files[f].len, &alloc, &plan);
            assert_true(st == ZIPNN_OK || (st == ZIPNN_E_MEMORY && plan.n_tensors == 0));
            if (st == ZIPNN_OK) assert_true(plan.n_tensors > 0);
            zn_plan_free(&plan);
        }
        free(files[f].at);
    }
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
        cmocka_unit_test(a_checkpoint_is_understood),
        cmocka_unit_test(the_beginning_tells_all),
        cmocka_unit_test(archives_in_a_row_are_found),
        cmocka_unit_test(files_in_zips_are_looked_into),
        cmocka_unit_test(files_of_old_are_understood),
        cmocka_unit_test(arrays_in_pickles_are_found),
        cmocka_unit_test(pipes_and_files_give_one_archive),
        cmocka_unit_test(every_truncation_and_many_flips_are_survived),
        cmocka_unit_test(hostile_pickles_give_no_hints),
        cmocka_unit_test(lying_directories_are_survived),
        cmocka_unit_test(odd_extra_fields_are_passed_over),
        cmocka_unit_test(overlapping_members_are_left_out),
        cmocka_unit_test(many_tensors_are_no_trouble),
        cmocka_unit_test(each_failing_allocation_is_reported),
        cmocka_unit_test(real_files_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
