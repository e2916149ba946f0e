/* Values of tensors whose bytes are not row after row, little-endian: read through a plan that says so. */
#include "api/archive.h"
#include "support/unit.h"
#include "zipnn/tiles.h"

enum { N_BYTES = 4096 };

struct memory {
    uint8_t bytes[N_BYTES];
};

static zipnn_status read_memory(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const struct memory *m = user;
    (void)err;
    assert_true(off <= N_BYTES && len <= N_BYTES - off); /* nothing outside is ever asked for */
    memcpy(buf, m->bytes + off, len);
    return ZIPNN_OK;
}

struct fixture {
    struct memory memory;
    zipnn_ctx *ctx;
    zipnn_archive *a;
};

static void begin(struct fixture *f) {
    const zipnn_source source = {.read_at = read_memory, .length = N_BYTES, .user = &f->memory};
    for (size_t i = 0; i < N_BYTES; i++) f->memory.bytes[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(zipnn_create(NULL, &f->ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_model_open(f->ctx, &source, &f->a, NULL), ZIPNN_OK);
}

static void end(struct fixture *f) {
    zipnn_archive_close(f->a);
    zipnn_destroy(f->ctx);
}

static struct zn_tensor *add(struct fixture *f, uint64_t off, uint64_t len, zipnn_dtype type, const uint64_t *dims,
                             uint32_t rank) {
    struct zn_plan *plan = &f->a->plan;
    const struct zn_plan_mark mark = zn_plan_mark(plan);
    assert_int_equal(zn_plan_add(plan, off, len, type, "t", 1, dims, rank, NULL), ZIPNN_OK);
    return zn_plan_last(plan, &mark);
}

static void list(struct fixture *f) {
    assert_int_equal(zn_plan_finish(&f->a->plan, NULL), ZIPNN_OK);
    assert_int_equal(zn_archive_list(f->a, NULL), ZIPNN_OK);
    assert_int_equal(f->a->n_listed, 1);
}

/* Every run of rows, into memory of just the size and through a sink, against element(): the bytes of one value. */
static zipnn_status append(void *user, const void *buf, size_t len, zipnn_error *err) {
    uint8_t **to = user;
    (void)err;
    memcpy(*to, buf, len);
    *to += len;
    return ZIPNN_OK;
}

/* Tiles that are put together again. */
struct taken {
    uint8_t bytes[N_BYTES];
    uint64_t next;
    size_t row, cap;
};

static zipnn_status take(void *user, uint64_t first, uint64_t n, const void *rows, zipnn_error *err) {
    struct taken *t = user;
    (void)err;
    assert_true(first == t->next && n > 0 && n * t->row <= t->cap);
    memcpy(t->bytes + first * t->row, rows, (size_t)n * t->row);
    t->next += n;
    return ZIPNN_OK;
}

/* The same rows by tiles, in a buffer of every size from a row to four. */
static void expect_tiles(struct fixture *f, uint64_t first, uint64_t n, size_t row, const uint8_t *expected) {
    uint8_t *buffer = malloc(4 * row);
    assert_non_null(buffer);
    for (size_t cap = row; cap <= 4 * row; cap += row > 8 ? 3 : 1) {
        struct taken taken = {.next = first, .row = row, .cap = cap};
        const zipnn_tiles tiles = {buffer, cap, take, &taken};
        assert_int_equal(zipnn_archive_tiles(f->ctx, f->a, 0, first, n, &tiles, NULL), ZIPNN_OK);
        assert_true(taken.next == first + n);
        assert_memory_equal(taken.bytes + first * row, expected + first * row, (size_t)n * row);
    }
    const zipnn_tiles less = {buffer, row - 1, take, NULL};
    if (n) assert_int_equal(zipnn_archive_tiles(f->ctx, f->a, 0, first, n, &less, NULL), ZIPNN_E_SPACE);
    free(buffer);
}

static void expect_rows(struct fixture *f, uint64_t rows, size_t row_len, const uint8_t *expected) {
    uint8_t got[N_BYTES];
    zipnn_tensor_layout layout = {.size = sizeof layout};
    assert_int_equal(zipnn_archive_tensor_layout(f->a, 0, &layout, NULL), ZIPNN_OK);
    assert_int_equal(layout.values, rows * row_len);
    for (uint64_t first = 0; first <= rows; first++) {
        for (uint64_t n = 0; first + n <= rows; n++) {
            const size_t len = (size_t)n * row_len;
            memset(got, 0xaa, sizeof got);
            assert_int_equal(zipnn_archive_read_rows(f->a, 0, first, n, got, len, NULL), ZIPNN_OK);
            assert_memory_equal(got, expected + first * row_len, len);
            assert_int_equal(got[len], 0xaa);
            uint8_t *to = got;
            const zipnn_sink sink = {.write = append, .user = &to};
            assert_int_equal(zipnn_archive_write_rows(f->a, 0, first, n, &sink, NULL), ZIPNN_OK);
            assert_true(to == got + len);
            assert_memory_equal(got, expected + first * row_len, len);
            if (len) assert_int_equal(zipnn_archive_read_rows(f->a, 0, first, n, got, len - 1, NULL), ZIPNN_E_SPACE);
            expect_tiles(f, first, n, row_len, expected);
        }
    }
    assert_int_equal(zipnn_archive_read_rows(f->a, 0, rows, 1, got, sizeof got, NULL), ZIPNN_E_NOT_FOUND);
}

static void columns_become_rows(void **state) {
    (void)state;
    struct fixture f;
    static const uint64_t dims[] = {3, 4, 5};
    uint8_t expected[60 * 4];
    begin(&f);
    add(&f, 100, sizeof expected, ZIPNN_F32, dims, 3)->meaning = ZN_COLUMN_MAJOR | ZN_BIG_ENDIAN;
    list(&f);
    for (size_t i = 0; i < 60; i++) {
        const size_t x = i / 20, y = i / 5 % 4, z = i % 5;
        for (size_t b = 0; b < 4; b++) expected[4 * i + b] = f.memory.bytes[100 + 4 * (x + 3 * y + 12 * z) + 3 - b];
    }
    expect_rows(&f, 3, 80, expected);
    end(&f);
}

static void strides_are_followed(void **state) {
    (void)state;
    static const struct {
        uint64_t dims[3], strides[3];
    } cases[] = {
        {{3, 4, 5}, {1, 3, 12}},   {{3, 4, 5}, {40, 10, 2}}, {{2, 3, 4}, {0, 4, 1}}, {{4, 4, 4}, {1, 1, 1}},
        {{5, 1, 3}, {1, 1000, 5}}, {{3, 4, 5}, {0, 0, 0}},   {{7, 2, 2}, {9, 1, 2}}, {{1, 1, 1}, {99, 99, 99}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct fixture f;
        uint8_t expected[N_BYTES];
        const uint64_t *d = cases[c].dims, *s = cases[c].strides;
        const uint64_t len = 2 * (1 + (d[0] - 1) * s[0] + (d[1] - 1) * s[1] + (d[2] - 1) * s[2]);
        begin(&f);
        struct zn_tensor *t = add(&f, 33, len, ZIPNN_I16, d, 3);
        assert_int_equal(zn_plan_set_strides(&f.a->plan, t, s, NULL), ZIPNN_OK);
        list(&f);
        const size_t n = (size_t)(d[0] * d[1] * d[2]);
        for (size_t i = 0; i < n; i++) {
            const uint64_t at = i / (d[1] * d[2]) * s[0] + i / d[2] % d[1] * s[1] + i % d[2] * s[2];
            memcpy(expected + 2 * i, f.memory.bytes + 33 + 2 * at, 2);
        }
        expect_rows(&f, d[0], (size_t)(2 * d[1] * d[2]), expected);
        end(&f);
    }
}

/* A file that lies about its strides leads to an error, and never to a read outside the tensor. */
static void strides_that_lie_are_refused(void **state) {
    (void)state;
    static const struct {
        uint64_t len, dims[2], strides[2];
    } cases[] = {
        {24, {2, 3}, {3, 2}},          {24, {2, 3}, {UINT64_MAX, 1}}, {24, {2, 3}, {UINT64_MAX / 4, 1}},
        {24, {UINT64_MAX, 3}, {1, 1}}, {3, {1, 1}, {1, 1}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct fixture f;
        uint8_t got[64], *to = got;
        const zipnn_sink sink = {.write = append, .user = &to};
        begin(&f);
        struct zn_tensor *t = add(&f, N_BYTES - cases[c].len, cases[c].len, ZIPNN_F32, cases[c].dims, 2);
        assert_int_equal(zn_plan_set_strides(&f.a->plan, t, cases[c].strides, NULL), ZIPNN_OK);
        list(&f);
        const uint64_t rows = cases[c].dims[0];
        assert_int_equal(zipnn_archive_write_rows(f.a, 0, 0, rows, &sink, NULL), ZIPNN_E_CORRUPT);
        assert_true(to == got);
        end(&f);
    }
}

/* Values without end out of four bytes: the buffer's size, or the sink, ends it. */
static void a_bomb_is_bounded_by_its_output(void **state) {
    (void)state;
    struct fixture f;
    static const uint64_t dims[] = {1 << 25, 1 << 25}, strides[] = {0, 0};
    uint8_t got[64];
    begin(&f);
    struct zn_tensor *t = add(&f, 0, 4, ZIPNN_F32, dims, 2);
    assert_int_equal(zn_plan_set_strides(&f.a->plan, t, strides, NULL), ZIPNN_OK);
    list(&f);
    zipnn_tensor_layout layout = {.size = sizeof layout};
    assert_int_equal(zipnn_archive_tensor_layout(f.a, 0, &layout, NULL), ZIPNN_OK);
    assert_true(layout.values == (uint64_t)4 << 50 && layout.flags == ZIPNN_TENSOR_STRIDED);
    assert_int_equal(zipnn_archive_read_tensor(f.a, 0, got, sizeof got, NULL), ZIPNN_E_SPACE);
    end(&f);
}

static void signs_are_turned(void **state) {
    (void)state;
    static const uint64_t dims[] = {6};
    static const struct {
        zipnn_dtype type;
        uint32_t meaning;
        uint8_t in[16], out[16];
        size_t size;
    } cases[] = {
        {ZIPNN_C64, ZN_CONJUGATE, {1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 3, 4, 5, 6, 7, 0x88}, 8},
        {ZIPNN_C64, ZN_CONJUGATE | ZN_BIG_ENDIAN, {1, 2, 3, 4, 5, 6, 7, 8}, {4, 3, 2, 1, 8, 7, 6, 0x85}, 8},
        {ZIPNN_C32, ZN_NEGATIVE, {1, 2, 3, 4}, {1, 0x82, 3, 0x84}, 4},
        {ZIPNN_C128, ZN_CONJUGATE | ZN_NEGATIVE, {0}, {[7] = 0x80}, 16},
        {ZIPNN_BF16, ZN_NEGATIVE, {1, 0x80}, {1, 0}, 2},
        {ZIPNN_I16, ZN_NEGATIVE, {0, 1}, {0, 0xff}, 2},
        {ZIPNN_I32, ZN_NEGATIVE, {1}, {0xff, 0xff, 0xff, 0xff}, 4},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct fixture f;
        uint8_t expected[96];
        begin(&f);
        for (size_t i = 0; i < 6; i++) {
            memcpy(f.memory.bytes + i * cases[c].size, cases[c].in, cases[c].size);
            memcpy(expected + i * cases[c].size, cases[c].out, cases[c].size);
        }
        add(&f, 0, 6 * cases[c].size, cases[c].type, dims, 1)->meaning = cases[c].meaning;
        list(&f);
        expect_rows(&f, 6, cases[c].size, expected);
        end(&f);
    }
}

/* 5 x 7 in pieces of 2 x 3, the one in the middle missing. */
static void pieces_are_put_together(void **state) {
    (void)state;
    struct fixture f;
    static const uint64_t dims[] = {5, 7}, piece[] = {2, 3};
    static const uint8_t fill[ZN_MAX_FILL] = {0x12, 0x34};
    uint8_t expected[70];
    uint32_t grid;
    begin(&f);
    struct zn_plan *plan = &f.a->plan;
    assert_int_equal(zn_plan_add_grid(plan, piece, 2, 12, fill, &grid, NULL), ZIPNN_OK);
    for (uint64_t cell = 9; cell-- > 0;)
        if (cell != 4) assert_int_equal(zn_plan_add_piece(plan, cell, 100 + 50 * (cell * 5 % 9), NULL), ZIPNN_OK);
    struct zn_tensor *t = add(&f, 0, 0, ZIPNN_U16, dims, 2);
    t->grid = grid;
    t->meaning = ZN_ALIAS;
    list(&f);
    for (size_t i = 0; i < 35; i++) {
        const size_t x = i / 7, y = i % 7, cell = x / 2 * 3 + y / 3;
        const uint8_t *bytes = f.memory.bytes + 100 + 50 * (cell * 5 % 9) + 2 * (x % 2 * 3 + y % 3);
        memcpy(expected + 2 * i, cell == 4 ? fill : bytes, 2);
    }
    expect_rows(&f, 5, 14, expected);
    end(&f);
}

static void one_dimension_of_pieces(void **state) {
    (void)state;
    struct fixture f;
    static const uint64_t dims[] = {10}, piece[] = {4};
    static const uint8_t fill[ZN_MAX_FILL] = {9};
    uint8_t expected[10];
    uint32_t grid;
    begin(&f);
    assert_int_equal(zn_plan_add_grid(&f.a->plan, piece, 1, 4, fill, &grid, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_add_piece(&f.a->plan, 2, 500, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_add_piece(&f.a->plan, 0, 600, NULL), ZIPNN_OK);
    struct zn_tensor *t = add(&f, 0, 0, ZIPNN_U8, dims, 1);
    t->grid = grid;
    t->meaning = ZN_ALIAS;
    list(&f);
    memset(expected, 9, sizeof expected);
    memcpy(expected, f.memory.bytes + 600, 4);
    memcpy(expected + 8, f.memory.bytes + 500, 2);
    expect_rows(&f, 10, 1, expected);
    end(&f);
}

/* Types smaller than a byte, and blocks, have rows only where those are whole. */
static void rows_inside_bytes_are_refused(void **state) {
    (void)state;
    static const uint64_t bits[] = {8}, blocks[] = {64};
    uint8_t got[64];
    struct fixture f;
    begin(&f);
    add(&f, 10, 4, ZIPNN_F4_E2M1, bits, 1);
    list(&f);
    assert_int_equal(zipnn_archive_read_tensor(f.a, 0, got, 4, NULL), ZIPNN_OK);
    assert_memory_equal(got, f.memory.bytes + 10, 4);
    assert_int_equal(zipnn_archive_read_rows(f.a, 0, 2, 4, got, 2, NULL), ZIPNN_OK);
    assert_memory_equal(got, f.memory.bytes + 11, 2);
    assert_int_equal(zipnn_archive_read_rows(f.a, 0, 1, 4, got, 4, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_archive_read_rows(f.a, 0, 0, 3, got, 4, NULL), ZIPNN_E_ARGUMENT);
    const zipnn_tiles tiles = {got, sizeof got, take, NULL};
    assert_int_equal(zipnn_archive_tiles(f.ctx, f.a, 0, 2, 4, &tiles, NULL), ZIPNN_E_ARGUMENT);
    end(&f);
    begin(&f);
    add(&f, 0, 36, ZIPNN_Q4_0, blocks, 1);
    list(&f);
    assert_int_equal(zipnn_archive_read_rows(f.a, 0, 32, 32, got, 18, NULL), ZIPNN_OK);
    assert_memory_equal(got, f.memory.bytes + 18, 18);
    assert_int_equal(zipnn_archive_read_rows(f.a, 0, 16, 16, got, 18, NULL), ZIPNN_E_ARGUMENT);
    end(&f);
}

static void filtered_values_are_refused(void **state) {
    (void)state;
    static const uint64_t dims[] = {8};
    uint8_t got[64];
    zipnn_error err;
    struct fixture f;
    begin(&f);
    add(&f, 10, 8, ZIPNN_U8, dims, 1)->meaning = ZN_UNREADABLE;
    list(&f);
    assert_int_equal(zipnn_archive_read_tensor(f.a, 0, got, sizeof got, &err), ZIPNN_E_UNSUPPORTED);
    assert_true(strstr(err.message, "restored file") != NULL);
    const zipnn_tiles tiles = {got, sizeof got, take, NULL};
    assert_int_equal(zipnn_archive_tiles(f.ctx, f.a, 0, 0, 1, &tiles, NULL), ZIPNN_E_UNSUPPORTED);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_become_rows),
        cmocka_unit_test(strides_are_followed),
        cmocka_unit_test(strides_that_lie_are_refused),
        cmocka_unit_test(a_bomb_is_bounded_by_its_output),
        cmocka_unit_test(signs_are_turned),
        cmocka_unit_test(pieces_are_put_together),
        cmocka_unit_test(one_dimension_of_pieces),
        cmocka_unit_test(rows_inside_bytes_are_refused),
        cmocka_unit_test(filtered_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
