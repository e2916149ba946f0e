/* References that are made of parts: casts of floats, and small tensors from many places. */
#include <stdio.h>

#include "base/bytes.h"
#include "delta/casts.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"

enum { MAX_FILE = 2 << 20, COUNT = 100000, SMALL = 20, SMALL_LEN = 700, LARGE_LEN = 40000 };

/* ---- casts ---- */

/* Every F16 survives F32, and every BF16 too; a NaN stays one, with its top bit set. */
static void narrow_floats_come_back(void **state) {
    (void)state;
    for (uint32_t x = 0; x < 1 << 16; x++) {
        uint8_t narrow[2], wide[4], back[2];
        zn_put_u16(narrow, (uint16_t)x);
        zn_cast(ZN_CAST_F16_F32, narrow, 1, wide);
        zn_cast(ZN_CAST_F32_F16, wide, 1, back);
        assert_int_equal(zn_get_u16(back), (x & 0x7fff) > 0x7c00 ? x | 0x200 : x);
        zn_cast(ZN_CAST_BF16_F32, narrow, 1, wide);
        zn_cast(ZN_CAST_F32_BF16, wide, 1, back);
        assert_int_equal(zn_get_u16(back), (x & 0x7fff) > 0x7f80 ? x | 0x40 : x);
        zn_cast(ZN_CAST_F32_BF16_CUT, wide, 1, back);
        assert_int_equal(zn_get_u16(back), x);
    }
}

/* Casts are monotonous, and the middle between two neighbours goes to the even one. */
static void casts_round_to_nearest(void **state) {
    (void)state;
    static const struct {
        enum zn_cast widen, narrow;
        uint16_t infinity;
    } kinds[] = {{ZN_CAST_F16_F32, ZN_CAST_F32_F16, 0x7c00}, {ZN_CAST_BF16_F32, ZN_CAST_F32_BF16, 0x7f80}};
    for (unsigned k = 0; k < 2; k++)
        for (uint16_t x = 0; x + 1 < kinds[k].infinity; x++) {
            uint8_t word[2], wide[4], back[2];
            uint32_t ends[2];
            for (unsigned i = 0; i < 2; i++) {
                zn_put_u16(word, (uint16_t)(x + i));
                zn_cast(kinds[k].widen, word, 1, wide);
                ends[i] = zn_get_u32(wide);
            }
            const uint32_t middle = ends[0] + (ends[1] - ends[0]) / 2;
            if (ends[0] < 0x800000 && k == 0) continue; /* the middle of bits is that of values from here on */
            const uint32_t tried[] = {middle - 1, middle, middle + 1};
            const unsigned expected[] = {x, x + (x & 1), x + 1u};
            for (unsigned i = 0; i < 3; i++) {
                zn_put_u32(wide, tried[i]);
                zn_cast(kinds[k].narrow, wide, 1, back);
                assert_int_equal(zn_get_u16(back), expected[i]);
            }
        }
}

/* ---- files ---- */

struct file {
    uint8_t bytes[MAX_FILE];
    size_t len;
};

struct tensor {
    char name[16];
    const char *dtype;
    const uint8_t *bytes;
    size_t len;
    size_t rows; /* of a matrix; 0: the tensor has one dimension */
};

/* Writes the shape of a tensor of n elements. */
static size_t put_shape(char *json, const struct tensor *t, size_t n) {
    return (size_t)(t->rows ? sprintf(json, "%zu,%zu", t->rows, n / t->rows) : sprintf(json, "%zu", n));
}

static void build(struct file *f, const struct tensor *t, unsigned n) {
    char *json = (char *)f->bytes + 8;
    size_t len = 0, at = 0;
    for (unsigned i = 0; i < n; i++) {
        const size_t width = strcmp(t[i].dtype, "F32") == 0 ? 4 : 2;
        len +=
            (size_t)sprintf(json + len, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "{", t[i].name, t[i].dtype);
        len += put_shape(json + len, &t[i], t[i].len / width);
        len += (size_t)sprintf(json + len, "],\"data_offsets\":[%zu,%zu]}", at, at + t[i].len);
        at += t[i].len;
    }
    json[len++] = '}';
    zn_put_u64(f->bytes, len);
    f->len = 8 + len;
    for (unsigned i = 0; i < n; i++) {
        memcpy(f->bytes + f->len, t[i].bytes, t[i].len);
        f->len += t[i].len;
    }
}

struct packed {
    uint8_t archive[MAX_FILE + 4096];
    size_t len;
};

static zipnn_ctx *context(const zipnn_source *base, unsigned readers) {
    const zipnn_options options = {
        .size = sizeof options, .bases = base, .n_bases = base != NULL, .threads = 2, .readers = readers};
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    return ctx;
}

/* Packs, restores and compares. */
static void pack(const struct file *f, const zipnn_source *base, unsigned readers, struct packed *to) {
    static uint8_t back[MAX_FILE];
    zipnn_ctx *ctx = context(base, readers);
    zipnn_error err;
    size_t restored = 0;
    if (zipnn_compress(ctx, f->bytes, f->len, to->archive, sizeof to->archive, &to->len, &err) != ZIPNN_OK ||
        zipnn_decompress(ctx, to->archive, to->len, back, sizeof back, &restored, &err) != ZIPNN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(restored, f->len);
    assert_memory_equal(back, f->bytes, f->len);
    zipnn_destroy(ctx);
}

struct files {
    struct file base, next;
    struct packed alone, given, compatible, archived;
    uint8_t wide[4 * COUNT], bf16[2 * COUNT], cut[2 * COUNT], f16[2 * COUNT];
};

static struct files *new_files(void) {
    struct files *f = calloc(1, sizeof *f);
    assert_non_null(f);
    zt_sample(ZT_F32, 3, f->wide, sizeof f->wide);
    zn_cast(ZN_CAST_F32_BF16, f->wide, COUNT, f->bf16);
    zn_cast(ZN_CAST_F32_BF16_CUT, f->wide, COUNT, f->cut);
    zn_cast(ZN_CAST_F32_F16, f->wide, COUNT, f->f16);
    return f;
}

/* At most `permille` of the file, given the base as it is or as an archive; readers of 1.0 get what they can read. */
static void expect_share(struct files *f, unsigned permille) {
    struct zt_input in = {.data = f->base.bytes, .len = f->base.len};
    const zipnn_source base = zt_file(&in);
    pack(&f->next, NULL, 0, &f->alone);
    pack(&f->next, &base, 0, &f->given);
    if (f->given.len * 1000 > f->next.len * permille)
        fail_msg("%zu bytes given the base, %zu alone, of %zu", f->given.len, f->alone.len, f->next.len);
    pack(&f->next, &base, 100, &f->compatible);
    assert_true(f->compatible.len > f->given.len);
    pack(&f->base, NULL, 0, &f->archived);
    struct zt_input archived = {.data = f->archived.archive, .len = f->archived.len};
    const zipnn_source archive = zt_file(&archived);
    pack(&f->next, &archive, 0, &f->compatible);
    assert_int_equal(f->compatible.len, f->given.len);
}

static void casts_of_a_base_cost_nothing(void **state) {
    (void)state;
    struct files *f = new_files();
    const struct tensor wide = {"w", "F32", f->wide, sizeof f->wide, 0},
                        bf16 = {"w", "BF16", f->bf16, sizeof f->bf16, 0}, cut = {"w", "BF16", f->cut, sizeof f->cut, 0},
                        f16 = {"w", "F16", f->f16, sizeof f->f16, 0},
                        other = {"other", "BF16", f->bf16, sizeof f->bf16, 0};
    const struct {
        const struct tensor *base, *next;
        unsigned permille;
    } cases[] = {{&wide, &bf16, 5},  {&wide, &cut, 5},   {&wide, &f16, 5},   {&bf16, &wide, 520},
                 {&f16, &wide, 520}, {&bf16, &f16, 300}, {&f16, &bf16, 150}, {&wide, &other, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        build(&f->base, cases[i].base, 1);
        build(&f->next, cases[i].next, 1);
        expect_share(f, cases[i].permille);
    }
    free(f);
}

/* Weights beside their masters, in one file. */
static void weights_beside_their_masters_cost_nothing(void **state) {
    (void)state;
    struct files *f = new_files();
    const struct tensor master[] = {{"m", "F32", f->wide, sizeof f->wide, 0}},
                        both[] = {{"a", "BF16", f->bf16, sizeof f->bf16, 0},
                                  {"h", "F16", f->f16, sizeof f->f16, 0},
                                  {"m", "F32", f->wide, sizeof f->wide, 0}};
    build(&f->next, master, 1);
    pack(&f->next, NULL, 0, &f->alone);
    build(&f->next, both, 3);
    pack(&f->next, NULL, 0, &f->given);
    assert_true(f->given.len < f->alone.len + 2000);
    pack(&f->next, NULL, 100, &f->compatible);
    assert_true(f->compatible.len > f->given.len + COUNT);
    /* With a repeat of the weights, no chunk refers to one that refers to another: restored all the same. */
    const struct tensor thrice[] = {both[0], {"b", "BF16", f->bf16, sizeof f->bf16, 0}, both[2]};
    build(&f->next, thrice, 3);
    pack(&f->next, NULL, 0, &f->given);
    free(f);
}

/* Columns of the base's matrix in front, at the end and as a rank's part, and the matrix turned over; also after some
 * training. */
static void matrices_are_seen_otherwise(void **state) {
    (void)state;
    struct files *f = new_files();
    enum { ROWS = 250, COLUMNS = 400 };
    static const struct {
        size_t from, columns; /* 0 columns: turned over */
    } cases[] = {{0, 150}, {250, 150}, {200, 100}, {0, 0}};
    const struct tensor base = {"w", "BF16", f->bf16, sizeof f->bf16, ROWS};
    _Static_assert(ROWS * COLUMNS == (int)COUNT, "all of the weights");
    build(&f->base, &base, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned trained = 0; trained < 2; trained++) {
            const size_t columns = cases[i].columns;
            const struct tensor next = {"w", "BF16", f->cut, 2 * ROWS * (columns ? columns : COLUMNS),
                                        columns ? ROWS : COLUMNS};
            for (size_t r = 0; r < ROWS; r++)
                for (size_t c = 0; c < (columns ? columns : COLUMNS); c++) {
                    const uint16_t word = zn_get_u16(f->bf16 + 2 * (r * COLUMNS + cases[i].from + c));
                    uint8_t *to = f->cut + 2 * (columns ? r * columns + c : c * ROWS + r);
                    zn_put_u16(to, (uint16_t)(word + (trained && (r + c) % 9 == 0)));
                }
            build(&f->next, &next, 1);
            expect_share(f, trained ? 150 : 10);
        }
    free(f);
}

/* A file that holds only the small tensors of its base, which lie between large ones. */
static void small_tensors_from_many_places(void **state) {
    (void)state;
    struct files *f = new_files();
    struct tensor all[2 * SMALL], small[SMALL];
    for (unsigned i = 0; i < SMALL; i++) {
        small[i] = (struct tensor){"", "BF16", f->bf16 + i * SMALL_LEN, SMALL_LEN, 0};
        sprintf(small[i].name, "n%02u", i);
        all[2 * i] = small[i];
        all[2 * i + 1] = (struct tensor){"", "BF16", (uint8_t *)f->wide + (i % 10) * LARGE_LEN, LARGE_LEN, 0};
        sprintf(all[2 * i + 1].name, "z%02u", i);
    }
    build(&f->base, all, 2 * SMALL);
    build(&f->next, small, SMALL);
    expect_share(f, 60); /* half of it for the file's own header */
    free(f);
}

/* What is made of other parts cannot be applied in place: it is refused, and the memory is as before. */
static void parts_are_not_applied_in_place(void **state) {
    (void)state;
    struct files *f = new_files();
    const struct tensor x = {"x", "BF16", f->bf16, SMALL_LEN, 0},
                        y = {"y", "BF16", f->bf16 + COUNT, SMALL_LEN + 100, 0};
    const struct tensor base[] = {x, y}, next[] = {y, x};
    build(&f->base, base, 2);
    build(&f->next, next, 2);
    assert_int_equal(f->base.len, f->next.len);
    struct zt_input in = {.data = f->base.bytes, .len = f->base.len};
    const zipnn_source source = zt_file(&in);
    pack(&f->next, &source, 0, &f->given);
    zipnn_ctx *ctx = context(NULL, 0);
    struct zt_input delta = {.data = f->given.archive, .len = f->given.len};
    const zipnn_source from = zt_file(&delta);
    memcpy(f->archived.archive, f->base.bytes, f->base.len);
    assert_int_equal(zipnn_apply(ctx, &from, f->archived.archive, f->base.len, NULL, NULL), ZIPNN_E_UNSUPPORTED);
    assert_memory_equal(f->archived.archive, f->base.bytes, f->base.len);
    zipnn_destroy(ctx);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow_floats_come_back),        cmocka_unit_test(casts_round_to_nearest),
        cmocka_unit_test(casts_of_a_base_cost_nothing),   cmocka_unit_test(weights_beside_their_masters_cost_nothing),
        cmocka_unit_test(matrices_are_seen_otherwise),    cmocka_unit_test(small_tensors_from_many_places),
        cmocka_unit_test(parts_are_not_applied_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
