/* Random access: ranges against the original, tensors by name and number, chunks, and what is not there. */
#include <stdio.h>

#include "base/bytes.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"
#include "zipnn/tiles.h"

struct tensor {
    const char *name, *dtype;
    enum zt_sample kind;
    uint64_t rows, columns, width;
};

/* In the order of the file, which is not that of the names; no two chunks alike. */
static const struct tensor tensors[] = {
    {"embed.weight", "BF16", ZT_BF16, 700, 1000, 2},
    {"a.small", "BF16", ZT_BF16, 3, 5, 2},
    {"zz.norm", "F32", ZT_F32, 1, 4097, 4},
    {"b.half", "F16", ZT_F16, 333, 333, 2},
    {"empty", "F32", ZT_ZERO, 0, 7, 4},
    {"ids", "I64", ZT_SMALL_INTS, 1, 99, 8},
    {"b.wide", "F64", ZT_F64, 64, 1025, 8},
    {"h\xc3\xa9", "U8", ZT_NIBBLES, 1, 70001, 1},
};
enum { N_TENSORS = sizeof tensors / sizeof *tensors, MAX_FILE = 4 << 20 };

struct fixture {
    zipnn_ctx *ctx;
    uint8_t *original, *packed, *restored;
    size_t original_len;
    uint64_t offsets[N_TENSORS];
    struct zt_input in;
    zipnn_source source;
    zipnn_archive *archive;
};

static uint64_t size_of(const struct tensor *t) {
    return t->rows * t->columns * t->width;
}

/* A safetensors file of these tensors. */
static void write_model(struct fixture *f) {
    char *json = (char *)f->original + 8;
    size_t n = (size_t)sprintf(json, "{\"__metadata__\":{\"format\":\"pt\"}");
    uint64_t at = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        const struct tensor *t = &tensors[i];
        f->offsets[i] = at;
        n += (size_t)sprintf(json + n, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%llu,%llu],\"data_offsets\":[%llu,%llu]}",
                             t->name, t->dtype, (unsigned long long)t->rows, (unsigned long long)t->columns,
                             (unsigned long long)at, (unsigned long long)(at + size_of(t)));
        at += size_of(t);
    }
    n += (size_t)sprintf(json + n, "}");
    zn_put_u64(f->original, n);
    for (size_t i = 0; i < N_TENSORS; i++) {
        f->offsets[i] += 8 + n;
        zt_sample(tensors[i].kind, i, f->original + f->offsets[i], (size_t)size_of(&tensors[i]));
    }
    f->original_len = 8 + n + (size_t)at;
}

static void info_tells_what_is_in(void **state) {
    struct fixture *f = *state;
    zipnn_archive_info info;
    zipnn_archive_get_info(f->archive, &info);
    assert_true(info.original == f->original_len && info.archive == f->in.len);
    assert_true(info.n_tensors == N_TENSORS && info.n_chunks >= 4 && info.level == 3);
    assert_string_equal(info.container, "safetensors");
    zipnn_stats stats;
    assert_int_equal(zipnn_test(f->ctx, &f->source, &stats, NULL), ZIPNN_OK);
    assert_memory_equal(info.xxh3, stats.xxh3, sizeof info.xxh3);
    assert_int_equal(info.has_sha256, stats.has_sha256);
    assert_true(stats.n_chunks == info.n_chunks && stats.archive == info.archive);
}

static void every_tensor_is_found_and_read(void **state) {
    struct fixture *f = *state;
    uint64_t stored = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        uint64_t index;
        zipnn_tensor_info info;
        zipnn_error err;
        const size_t len = (size_t)size_of(&tensors[i]);
        struct guard g = guard_make(len + 1);
        assert_int_equal(zipnn_archive_find(f->archive, tensors[i].name, &index, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_archive_tensor(f->archive, index, &info, NULL), ZIPNN_OK);
        assert_string_equal(info.name, tensors[i].name);
        assert_string_equal(zipnn_dtype_name(info.dtype), tensors[i].dtype);
        assert_true(info.rank == 2 && info.shape[0] == tensors[i].rows && info.shape[1] == tensors[i].columns);
        assert_true(info.length == len);
        if (len) assert_true(info.offset == f->offsets[i] && info.stored > 0 && info.stored <= len + 200);
        stored += info.stored;
        uint8_t *dst = guard_high(&g, len);
        assert_int_equal(zipnn_archive_read_tensor(f->archive, index, dst, len, NULL), ZIPNN_OK);
        assert_memory_equal(dst, f->original + f->offsets[i], len);
        if (len) {
            assert_int_equal(zipnn_archive_read_tensor(f->archive, index, dst, len - 1, &err), ZIPNN_E_SPACE);
            assert_int_equal(err.status, ZIPNN_E_SPACE);
        }
        guard_free(&g);
    }
    assert_true(stored <= f->in.len);
}

static void what_is_not_there(void **state) {
    struct fixture *f = *state;
    static const char *const names[] = {"", "a", "a.smal", "a.small ", "zz", "zzz", "EMPTY", "\xff"};
    uint64_t index;
    uint8_t byte;
    zipnn_tensor_info tensor;
    zipnn_chunk_info chunk;
    zipnn_archive_info info;
    zipnn_archive_get_info(f->archive, &info);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(zipnn_archive_find(f->archive, names[i], &index, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_tensor(f->archive, N_TENSORS, &tensor, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_tensor(f->archive, UINT64_MAX, &tensor, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_read_tensor(f->archive, N_TENSORS, &byte, 1, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_chunk(f->archive, info.n_chunks, &chunk, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_read(f->archive, f->original_len, 1, &byte, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_read(f->archive, 0, f->original_len + 1, &byte, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_read(f->archive, 1, UINT64_MAX, &byte, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_read(f->archive, UINT64_MAX, 1, &byte, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_read(f->archive, f->original_len, 0, &byte, NULL), ZIPNN_OK);
}

static void chunks_tile_the_original(void **state) {
    struct fixture *f = *state;
    zipnn_archive_info info;
    zipnn_archive_get_info(f->archive, &info);
    uint64_t at = 0, archive_at = 24;
    for (uint64_t i = 0; i < info.n_chunks; i++) {
        zipnn_chunk_info chunk;
        assert_int_equal(zipnn_archive_chunk(f->archive, i, &chunk, NULL), ZIPNN_OK);
        assert_true(chunk.offset == at && chunk.archive_offset == archive_at && chunk.length > 0);
        assert_true(chunk.check == zn_get_u64(f->packed + chunk.archive_offset));
        at += chunk.length;
        archive_at += chunk.stored;
    }
    assert_true(at == f->original_len);
}

static void codings_add_up(void **state) {
    struct fixture *f = *state;
    zipnn_archive_info info;
    zipnn_coding coding;
    uint64_t index;
    zipnn_archive_get_info(f->archive, &info);
    for (uint64_t i = 0; i < info.n_chunks; i++) {
        zipnn_chunk_info chunk;
        uint64_t original = 0, stored = 0;
        assert_int_equal(zipnn_archive_chunk(f->archive, i, &chunk, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_archive_coding(f->archive, i, &coding, NULL), ZIPNN_OK);
        assert_true(coding.n_planes >= 1 && coding.layout[0] != '?');
        for (unsigned p = 0; p < coding.n_planes; p++) {
            assert_true(coding.planes[p].codec[0] != '?');
            original += coding.planes[p].original;
            stored += coding.planes[p].stored;
        }
        assert_true(stored <= chunk.stored && chunk.stored - stored < 200);
        /* The five bits of an exponent of fp16 take a byte. */
        assert_true(original <= chunk.length + chunk.length / 4 && original + 16 > chunk.length);
        assert_int_equal(zipnn_archive_chunk_at(f->archive, chunk.offset, &index, NULL), ZIPNN_OK);
        assert_true(index == i);
        assert_int_equal(zipnn_archive_chunk_at(f->archive, chunk.offset + chunk.length - 1, &index, NULL), ZIPNN_OK);
        assert_true(index == i);
    }
    assert_int_equal(zipnn_archive_coding(f->archive, 1, &coding, NULL), ZIPNN_OK);
    assert_string_equal(coding.layout, "joint");
    assert_int_equal(zipnn_archive_coding(f->archive, info.n_chunks, &coding, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_chunk_at(f->archive, info.original, &index, NULL), ZIPNN_E_NOT_FOUND);
}

/* Whatever the library writes it can name. */
static void every_coding_has_a_name(void **state) {
    (void)state;
    enum { LEN = 20000 };
    static const zipnn_dtype dtypes[] = {ZIPNN_DTYPE_UNKNOWN, ZIPNN_BF16, ZIPNN_F32, ZIPNN_F8_E4M3, ZIPNN_I8,
                                         ZIPNN_Q8_0,          ZIPNN_Q4_K};
    static const int levels[] = {1, 3, 9};
    for (unsigned i = 0; i < ZT_N_SAMPLES * sizeof dtypes / sizeof *dtypes * 3; i++) {
        const zipnn_options options = {
            .size = sizeof options, .level = levels[i % 3], .dtype = dtypes[i / 3 % (sizeof dtypes / sizeof *dtypes)]};
        uint8_t data[LEN], packed[LEN + 4096];
        struct zt_input in = {.data = packed};
        zipnn_archive *archive;
        zipnn_coding coding;
        zipnn_ctx *ctx;
        zt_sample((enum zt_sample)(i % ZT_N_SAMPLES), i, data, LEN);
        memcpy(data + LEN / 2, data, i % 2 ? LEN / 2 : 0);
        assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_compress(ctx, data, LEN, packed, sizeof packed, &in.len, NULL), ZIPNN_OK);
        const zipnn_source source = zt_file(&in);
        assert_int_equal(zipnn_archive_open(ctx, &source, &archive, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_archive_coding(archive, 0, &coding, NULL), ZIPNN_OK);
        bool named = coding.layout[0] != '?' && coding.n_planes > 0;
        for (unsigned p = 0; p < coding.n_planes; p++) named = named && coding.planes[p].codec[0] != '?';
        if (!named) fail_msg("sample %u, level %d: %s", i % ZT_N_SAMPLES, options.level, coding.layout);
        zipnn_archive_close(archive);
        zipnn_destroy(ctx);
    }
}

static void rows(void **state) {
    struct fixture *f = *state;
    uint64_t random = 4;
    for (uint64_t i = 0; i < N_TENSORS; i++) {
        zipnn_tensor_info t;
        assert_int_equal(zipnn_archive_tensor(f->archive, i, &t, NULL), ZIPNN_OK);
        const uint64_t n_rows = t.shape[0], row = n_rows ? t.length / n_rows : 0;
        for (unsigned k = 0; k < 20; k++) {
            const uint64_t first = zt_random(&random) % (n_rows + 1), n = zt_random(&random) % (n_rows - first + 1);
            const size_t len = (size_t)(n * row);
            struct guard g = guard_make(len + 1);
            uint8_t *dst = guard_high(&g, len);
            assert_int_equal(zipnn_archive_read_rows(f->archive, i, first, n, dst, len, NULL), ZIPNN_OK);
            assert_memory_equal(dst, f->original + t.offset + first * row, len);
            if (len)
                assert_int_equal(zipnn_archive_read_rows(f->archive, i, first, n, dst, len - 1, NULL), ZIPNN_E_SPACE);
            guard_free(&g);
        }
        uint8_t byte;
        assert_int_equal(zipnn_archive_read_rows(f->archive, i, n_rows, 1, &byte, 1, NULL), ZIPNN_E_NOT_FOUND);
        assert_int_equal(zipnn_archive_read_rows(f->archive, i, 1, UINT64_MAX, &byte, 1, NULL), ZIPNN_E_NOT_FOUND);
    }
    assert_int_equal(zipnn_archive_read_rows(f->archive, N_TENSORS, 0, 0, NULL, 0, NULL), ZIPNN_E_NOT_FOUND);
}

/* Somebody who takes rows, and compares them; he has enough after some. */
struct taker {
    const uint8_t *expected; /* row 0 */
    uint64_t next, enough;
    size_t row;
    unsigned tiles;
};

static zipnn_status take(void *user, uint64_t first, uint64_t n, const void *rows, zipnn_error *err) {
    struct taker *t = user;
    assert_true(first == t->next && n > 0);
    if (t->row) assert_memory_equal(rows, t->expected + first * t->row, (size_t)n * t->row);
    t->next += n;
    t->tiles++;
    if (t->next < t->enough) return ZIPNN_OK;
    *err = (zipnn_error){ZIPNN_E_CANCELLED, UINT64_MAX, "enough"};
    return ZIPNN_E_CANCELLED;
}

/* Any rows of any tensor in a buffer of any size, which nothing is written behind. */
static void rows_by_tiles(void **state) {
    struct fixture *f = *state;
    uint64_t random = 5;
    for (uint64_t i = 0; i < N_TENSORS; i++) {
        zipnn_tensor_info t;
        assert_int_equal(zipnn_archive_tensor(f->archive, i, &t, NULL), ZIPNN_OK);
        const uint64_t n_rows = t.shape[0];
        const size_t row = n_rows ? (size_t)(t.length / n_rows) : 0;
        for (unsigned k = 0; k < 20; k++) {
            const uint64_t first = zt_random(&random) % (n_rows + 1), n = zt_random(&random) % (n_rows - first + 1);
            const size_t cap = k % 2 ? row + ZIPNN_TILE_BYTES : row + (size_t)(zt_random(&random) % (3 * row + 1));
            struct guard g = guard_make(cap + 1);
            struct taker taker = {f->original + t.offset, first, UINT64_MAX, row, 0};
            const zipnn_tiles tiles = {guard_high(&g, cap), cap, take, &taker};
            assert_int_equal(zipnn_archive_tiles(f->ctx, f->archive, i, first, n, &tiles, NULL), ZIPNN_OK);
            assert_true(taker.next == first + n);
            guard_free(&g);
        }
        struct taker taker = {f->original + t.offset, 0, n_rows, row, 0};
        const zipnn_tiles tiles = {f->restored, row, take, &taker};
        assert_int_equal(zipnn_archive_tiles(f->ctx, f->archive, i, n_rows, 1, &tiles, NULL), ZIPNN_E_NOT_FOUND);
        assert_int_equal(zipnn_archive_tiles(f->ctx, f->archive, i, 1, UINT64_MAX, &tiles, NULL), ZIPNN_E_NOT_FOUND);
        zipnn_error err;
        if (n_rows == 0) continue;
        assert_int_equal(zipnn_archive_tiles(f->ctx, f->archive, i, 0, n_rows, &tiles, &err), ZIPNN_E_CANCELLED);
        assert_string_equal(err.message, "enough");
        assert_true(taker.next == n_rows);
    }
    assert_int_equal(
        zipnn_archive_tiles(f->ctx, f->archive, N_TENSORS, 0, 0, &(zipnn_tiles){f->restored, 1, take, NULL}, NULL),
        ZIPNN_E_NOT_FOUND);
}

/* Each chunk is read once, whatever the rows are; damage is found before its rows are handed on. */
static void tiles_cost_no_chunk_twice(void **state) {
    struct fixture *f = *state;
    zipnn_tensor_info t, best = {.length = 0};
    uint64_t index = 0, first, last;
    for (uint64_t i = 0; i < N_TENSORS; i++) {
        assert_int_equal(zipnn_archive_tensor(f->archive, i, &t, NULL), ZIPNN_OK);
        if (t.length > best.length) best = t, index = i;
    }
    const size_t row = (size_t)(best.length / best.shape[0]), cap = row + ZIPNN_TILE_BYTES;
    assert_int_equal(zipnn_archive_chunk_at(f->archive, best.offset, &first, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_archive_chunk_at(f->archive, best.offset + best.length - 1, &last, NULL), ZIPNN_OK);
    assert_true(last > first + 1);
    uint8_t *buffer = malloc(cap);
    assert_non_null(buffer);
    struct taker taker = {f->original + best.offset, 0, UINT64_MAX, row, 0};
    const zipnn_tiles tiles = {buffer, cap, take, &taker};
    const size_t calls = f->in.calls;
    assert_int_equal(zipnn_archive_tiles(f->ctx, f->archive, index, 0, best.shape[0], &tiles, NULL), ZIPNN_OK);
    assert_true(f->in.calls - calls <= last - first + 1);
    assert_true(taker.tiles <= last - first + 1);

    zipnn_chunk_info chunk;
    assert_int_equal(zipnn_archive_chunk(f->archive, first + 1, &chunk, NULL), ZIPNN_OK);
    uint8_t *damaged = f->packed + chunk.archive_offset + chunk.stored / 2;
    *damaged ^= 4;
    taker.next = 0;
    assert_int_equal(zipnn_archive_tiles(f->ctx, f->archive, index, 0, best.shape[0], &tiles, NULL), ZIPNN_E_CORRUPT);
    assert_true(taker.next == (chunk.offset - best.offset) / row);
    *damaged ^= 4;
    free(buffer);
}

/* The original as it is, behind the same face. */
static void plain_models_are_read_too(void **state) {
    struct fixture *f = *state;
    struct zt_input in = {.data = f->original, .len = f->original_len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *plain;
    zipnn_archive_info info;
    zipnn_coding coding;
    assert_int_equal(zipnn_archive_open(f->ctx, &source, &plain, NULL), ZIPNN_E_FORMAT);
    assert_int_equal(zipnn_model_open(f->ctx, &source, &plain, NULL), ZIPNN_OK);
    zipnn_archive_get_info(plain, &info);
    assert_true(info.original == f->original_len && info.n_tensors == N_TENSORS && info.n_chunks == 0);
    assert_true(info.unverified);
    for (size_t i = 0; i < N_TENSORS; i++) {
        uint64_t index;
        zipnn_tensor_info t;
        assert_int_equal(zipnn_archive_find(plain, tensors[i].name, &index, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_archive_tensor(plain, index, &t, NULL), ZIPNN_OK);
        assert_true(t.stored == t.length && t.length == size_of(&tensors[i]));
        assert_int_equal(zipnn_archive_read_tensor(plain, index, f->restored, MAX_FILE, NULL), ZIPNN_OK);
        assert_memory_equal(f->restored, f->original + t.offset, (size_t)t.length);
    }
    assert_int_equal(zipnn_archive_coding(plain, 0, &coding, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_archive_read(plain, f->original_len, 1, f->restored, NULL), ZIPNN_E_NOT_FOUND);
    zipnn_archive_close(plain);
}

static void random_ranges(void **state) {
    struct fixture *f = *state;
    struct guard g = guard_make(MAX_FILE);
    uint64_t random = 9;
    for (unsigned i = 0; i < 400; i++) {
        const uint64_t off = zt_random(&random) % (f->original_len + 1);
        const uint64_t most = i % 4 ? ZN_MIN(f->original_len - off, 5000u) : f->original_len - off;
        const size_t len = (size_t)(zt_random(&random) % (most + 1));
        uint8_t *dst = guard_high(&g, len);
        assert_int_equal(zipnn_archive_read(f->archive, off, len, dst, NULL), ZIPNN_OK);
        assert_memory_equal(dst, f->original + off, len);
    }
    guard_free(&g);
}

/* A byte costs one chunk, not the archive. */
static void only_touched_chunks_are_read(void **state) {
    struct fixture *f = *state;
    zipnn_chunk_info chunk;
    uint8_t byte;
    assert_int_equal(zipnn_archive_chunk(f->archive, 1, &chunk, NULL), ZIPNN_OK);
    const size_t calls = f->in.calls;
    assert_int_equal(zipnn_archive_read(f->archive, chunk.offset, 1, &byte, NULL), ZIPNN_OK);
    assert_int_equal(f->in.calls - calls, 1);
    assert_true(byte == f->original[chunk.offset]);
}

static void other_originals_have_no_tensors(void **state) {
    struct fixture *f = *state;
    uint8_t packed[4096];
    for (size_t len = 0; len < 1000; len += 37) {
        struct zt_input in = {.data = packed};
        zipnn_archive *archive;
        zipnn_archive_info info;
        uint64_t index;
        zt_sample(ZT_TEXT, 1, f->restored, len);
        assert_int_equal(zipnn_compress(f->ctx, f->restored, len, packed, sizeof packed, &in.len, NULL), ZIPNN_OK);
        const zipnn_source source = zt_file(&in);
        assert_int_equal(zipnn_archive_open(f->ctx, &source, &archive, NULL), ZIPNN_OK);
        zipnn_archive_get_info(archive, &info);
        assert_true(info.n_tensors == 0 && info.original == len && info.n_chunks == (len > 0));
        assert_string_equal(info.container, "raw");
        assert_int_equal(zipnn_archive_find(archive, "embed.weight", &index, NULL), ZIPNN_E_NOT_FOUND);
        zipnn_archive_close(archive);
    }
}

static int set_up(void **state) {
    static struct fixture f;
    const zipnn_options options = {.size = sizeof options, .threads = 2};
    f.original = malloc(MAX_FILE);
    f.packed = malloc(MAX_FILE);
    f.restored = malloc(MAX_FILE);
    if (!f.original || !f.packed || !f.restored || zipnn_create(&options, &f.ctx, NULL) != ZIPNN_OK) return -1;
    write_model(&f);
    size_t len;
    if (zipnn_compress(f.ctx, f.original, f.original_len, f.packed, MAX_FILE, &len, NULL) != ZIPNN_OK) return -1;
    f.in = (struct zt_input){.data = f.packed, .len = len};
    f.source = zt_file(&f.in);
    *state = &f;
    return zipnn_archive_open(f.ctx, &f.source, &f.archive, NULL) != ZIPNN_OK;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    zipnn_archive_close(f->archive);
    zipnn_destroy(f->ctx);
    free(f->original);
    free(f->packed);
    free(f->restored);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_tells_what_is_in),
        cmocka_unit_test(every_tensor_is_found_and_read),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(chunks_tile_the_original),
        cmocka_unit_test(codings_add_up),
        cmocka_unit_test(every_coding_has_a_name),
        cmocka_unit_test(rows),
        cmocka_unit_test(rows_by_tiles),
        cmocka_unit_test(tiles_cost_no_chunk_twice),
        cmocka_unit_test(plain_models_are_read_too),
        cmocka_unit_test(random_ranges),
        cmocka_unit_test(only_touched_chunks_are_read),
        cmocka_unit_test(other_originals_have_no_tensors),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
