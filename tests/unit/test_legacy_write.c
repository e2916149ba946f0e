/* Old records, written: byte for byte as the Python package wrote the samples, and restored whatever the bytes are. */
#include <stdio.h>

#include "legacy/huff0.h"
#include "legacy/record_write.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/testdata.h"
#include "support/unit.h"

enum { CAP = 2 << 20 };

struct fixture {
    uint8_t *written, *restored;
    struct zn_old_press *press;
    size_t n_files;
};

/* ---- the samples */

struct wanted {
    struct fixture *f;
    const char *stem, *suffix;
    uint8_t *data;
    size_t len;
};

static void keep_wanted(void *arg, const char *name, const uint8_t *data, size_t len) {
    struct wanted *w = arg;
    const size_t n = strlen(w->stem);
    if (strncmp(name, w->stem, n) != 0 || strcmp(name + n, w->suffix) != 0) return;
    w->len = len;
    w->data = malloc(len + 1);
    assert_non_null(w->data);
    memcpy(w->data, data, len);
}

static struct wanted find(const char *stem, const char *suffix) {
    struct wanted w = {.stem = stem, .suffix = suffix};
    zt_each_file("legacy", keep_wanted, &w);
    return w;
}

/* What the package was told, read off the record. */
static struct zn_old_make make_of(const char *name, const uint8_t *record, const struct zn_old_record *r) {
    struct zn_old_make make = zn_old_make_default(r->dtype);
    make.kind = (enum zn_old_kind)record[8];
    make.method = record[7];
    make.chunk_log = record[14];
    make.streaming_log = record[13] ? (uint8_t)(record[13] - 128) : 0;
    make.rank = r->rank;
    make.dims = r->dims;
    if (strstr(name, "thr99")) make.threshold = 0.99F;
    return make;
}

static void rewrite(void *arg, const char *name, const uint8_t *data, size_t len) {
    struct fixture *f = arg;
    char stem[64];
    const size_t n = strlen(name);
    if (n < 5 || strcmp(name + n - 4, ".znn") != 0) return;
    snprintf(stem, sizeof stem, "%.*s", (int)(n - 4), name);
    struct wanted original = find(stem, ".orig"), base = find(stem, ".base");
    struct zt_input record_in = {.data = data, .len = len}, in = {.data = original.data, .len = original.len};
    struct zt_input base_in = {.data = base.data, .len = base.len};
    struct zt_output out = {.data = f->written, .cap = CAP};
    const zipnn_source record = zt_file(&record_in), source = zt_file(&in), base_source = zt_file(&base_in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    struct zn_old_record r;
    uint64_t size;
    assert_int_equal(zn_old_record_open(&record, 0, len, &r, NULL), ZIPNN_OK);
    if (!r.whole) { /* the layout up to 0.3.5 is not written */
        const struct zn_old_make make = make_of(name, data, &r);
        assert_int_equal(
            zn_old_file_write(f->press, &source, base.data ? &base_source : NULL, &make, &sink, &size, NULL), ZIPNN_OK);
        if (size != len || out.len != len || memcmp(f->written, data, len) != 0) fail_msg("%s: other bytes", name);
        f->n_files++;
    }
    free(original.data);
    free(base.data);
}

static void samples_are_written_byte_for_byte(void **state) {
    struct fixture *f = *state;
    if (!zt_each_file("legacy", rewrite, f)) skip();
    assert_true(f->n_files >= 30);
}

/* ---- any bytes */

static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Bytes of many kinds of skewness: each symbol is half as frequent as the one before, and more so for small `flat`. */
static void fill(uint8_t *bytes, size_t len, uint32_t flat, uint32_t *seed) {
    for (size_t i = 0; i < len; i++) {
        uint32_t symbol = 0;
        while (symbol < 255 && next(seed) % 1000 < flat) symbol++;
        bytes[i] = (uint8_t)(symbol * 37);
    }
}

static void whatever_is_written_restores(void **state) {
    struct fixture *f = *state;
    static const zipnn_dtype dtypes[] = {ZIPNN_BF16, ZIPNN_F16, ZIPNN_F32, ZIPNN_F8_E4M3, ZIPNN_F8_E5M2};
    static const size_t lens[] = {0, 4, 8, 12, 24, 44, 48, 52, 100, 1000, 4000, 131068, 131072, 131076, 262148, 600000};
    uint8_t *original = malloc(600000);
    assert_non_null(original);
    uint32_t seed = 1;
    for (size_t d = 0; d < 5; d++)
        for (size_t l = 0; l < sizeof lens / sizeof lens[0]; l++)
            for (uint32_t flat = 0; flat <= 1000; flat += lens[l] > 5000 ? 333 : 50) {
                zipnn_options options = {.size = sizeof options, .dtype = dtypes[d]};
                zipnn_ctx *ctx;
                zipnn_stats stats;
                size_t got;
                fill(original, lens[l], flat, &seed);
                struct zt_input in = {.data = original, .len = lens[l]};
                struct zt_output out = {.data = f->written, .cap = CAP};
                const zipnn_source source = zt_file(&in);
                const zipnn_sink sink = zt_pipe_sink(&out);
                assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
                assert_int_equal(zipnn_pack_old(ctx, ZIPNN_OLD_RECORD, &source, &sink, &stats, NULL), ZIPNN_OK);
                assert_true(stats.archive == out.len && stats.original == lens[l] && stats.unverified);
                assert_int_equal(zipnn_decompress(ctx, f->written, out.len, f->restored, CAP, &got, NULL), ZIPNN_OK);
                assert_int_equal(got, lens[l]);
                assert_memory_equal(f->restored, original, got);
                zipnn_destroy(ctx);
            }
    free(original);
}

static void broken_elements_are_refused(void **state) {
    struct fixture *f = *state;
    static const uint8_t bytes[5];
    struct zt_input in = {.data = bytes, .len = sizeof bytes};
    struct zt_output out = {.data = f->written, .cap = CAP};
    const zipnn_source source = zt_file(&in), pipe = zt_pipe(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    zipnn_options options = {.size = sizeof options, .dtype = ZIPNN_I64};
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_pack_old(ctx, ZIPNN_OLD_RECORD, &source, &sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_pack_old(ctx, ZIPNN_OLD_RECORD, &pipe, &sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_pack_old(ctx, ZIPNN_OLD_SAFETENSORS, &source, &sink, NULL, NULL), ZIPNN_E_FORMAT);
    zipnn_destroy(ctx);
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_pack_old(ctx, ZIPNN_OLD_RECORD, &source, &sink, NULL, NULL), ZIPNN_E_UNSUPPORTED);
    assert_int_equal(out.len, 0);
    zipnn_destroy(ctx);
}

/* ---- safetensors */

/* A large tensor, small ones that must keep their bytes, one that is no number of ours, and a name to be escaped. */
static size_t make_model(uint8_t *file, const char *metadata) {
    uint32_t seed = 7;
    char json[1024];
    const int n = snprintf(json, sizeof json,
                           "{%s\"big\":{\"dtype\":\"BF16\",\"shape\":[50,100],\"data_offsets\":[0,10000]},"
                           "\"q\\\"\\\\\\u0022\":{\"dtype\":\"F32\",\"shape\":[2500],\"data_offsets\":[10000,20000]},"
                           "\"small\":{\"dtype\":\"BF16\",\"shape\":[6],\"data_offsets\":[20000,20012]},"
                           "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[20012,20016]},"
                           "\"none\":{\"dtype\":\"F16\",\"shape\":[0,3],\"data_offsets\":[20016,20016]},"
                           "\"double\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[20016,20024]},"
                           "\"ids\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[20024,20040]}}",
                           metadata);
    const size_t padded = ((size_t)n + 7) / 8 * 8;
    zn_put_u64(file, padded);
    memset(file + 8, ' ', padded);
    memcpy(file + 8, json, (size_t)n);
    fill(file + 8 + padded, 20040, 500, &seed);
    return 8 + padded + 20040;
}

static void pack_tensors(struct fixture *f, const zipnn_options *options, const uint8_t *file, size_t len,
                         zipnn_status expected, struct zt_output *out) {
    struct zt_input in = {.data = file, .len = len};
    zipnn_ctx *ctx;
    *out = (struct zt_output){.data = f->written, .cap = CAP};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_pipe_sink(out);
    assert_int_equal(zipnn_create(options, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_pack_old(ctx, ZIPNN_OLD_SAFETENSORS, &source, &sink, NULL, NULL), expected);
    zipnn_destroy(ctx);
}

static void models_restore_bit_for_bit(void **state) {
    struct fixture *f = *state;
    static uint8_t file[1 << 16];
    static const char *const metadata[] = {"", "\"__metadata__\":{\"format\":\"pt\",\"\\u00e9\":\"\\\"{}\"},"};
    for (size_t i = 0; i < 2; i++) {
        const size_t len = make_model(file, metadata[i]);
        struct zt_output out;
        zipnn_ctx *ctx;
        size_t got;
        pack_tensors(f, NULL, file, len, ZIPNN_OK, &out);
        assert_true(out.len < len);
        assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_decompress(ctx, f->written, out.len, f->restored, CAP, &got, NULL), ZIPNN_OK);
        zipnn_destroy(ctx);
        assert_int_equal(got, len);
        assert_memory_equal(f->restored, file, len);
        /* Once more is once too often. */
        memcpy(f->restored, f->written, out.len);
        pack_tensors(f, NULL, f->restored, out.len, ZIPNN_E_ARGUMENT, &out);
    }
}

/* ---- trees */

enum { LONGEST_CODE = 11, SYMBOLS_LEN = 4 << LONGEST_CODE }; /* for fewer bytes the coder limits the lengths */

/* Lengths of codes that leave no code unused, of up to `most` symbols: leaves of a tree are split at random, of some
 * trees rather the deep or the shallow ones. */
static unsigned grow_tree(uint64_t *random, uint8_t length[256], unsigned most) {
    const unsigned shape = (unsigned)(zt_random(random) % 3), wanted = 2 + (unsigned)(zt_random(random) % (most - 1));
    unsigned n = 1;
    length[0] = 0;
    for (unsigned tries = 0; n < wanted && tries < 20 * wanted; tries++) {
        unsigned i = (unsigned)(zt_random(random) % n);
        const unsigned other = (unsigned)(zt_random(random) % n);
        if (shape == 1 && length[other] > length[i]) i = other;
        if (shape == 2 && length[other] < length[i]) i = other;
        if (length[i] < LONGEST_CODE) length[n++] = ++length[i];
    }
    return n;
}

/* Trees whose weights get shares by the second method: how many symbols there are of each weight, 0 for those that do
 * not occur; the weight of the last symbol. */
static const struct {
    uint8_t longest, n_of[LONGEST_CODE + 1], last;
} odd_trees[] = {
    {11, {15, 20, 8, 11, 2, 14, 12, 11, 1, 2}, 9},  {11, {43, 40, 22, 1, 27, 23, 21, 9, 1}, 5},
    {11, {27, 54, 35, 35, 47, 20, 28, 1, 1}, 6},    {10, {5, 4, 4, 3, 5, 4, 4, 2, 5}, 8},
    {11, {40, 64, 18, 13, 37, 32, 18, 2, 1, 1}, 7}, {11, {27, 52, 12, 53, 36, 44, 20, 2}, 7},
    {11, {25, 38, 25, 32, 13, 8, 32, 1, 2, 1}, 8},  {11, {1, 4, 4, 5, 4, 4, 2, 3, 5, 4}, 9},
};
enum { N_ODD_TREES = sizeof odd_trees / sizeof *odd_trees };

/* Lengths of the codes of an odd tree, 0 for a symbol that does not occur. */
static unsigned plant_tree(size_t which, uint8_t length[256]) {
    unsigned n = 0;
    for (unsigned weight = 0; weight <= LONGEST_CODE; weight++)
        for (unsigned i = weight == odd_trees[which].last; i < odd_trees[which].n_of[weight]; i++)
            length[n++] = weight ? (uint8_t)(odd_trees[which].longest + 1 - weight) : 0;
    length[n++] = (uint8_t)(odd_trees[which].longest + 1 - odd_trees[which].last);
    return n;
}

/* SYMBOLS_LEN bytes for which these are the best codes. */
static void write_symbols(const uint8_t length[256], unsigned n, uint8_t *out) {
    size_t at = 0;
    for (unsigned s = 0; s < n; s++) {
        const size_t times = length[s] ? (size_t)SYMBOLS_LEN >> length[s] : 0;
        assert_true(times <= SYMBOLS_LEN - at);
        memset(out + at, (int)s, times);
        at += times;
    }
    assert_int_equal(at, SYMBOLS_LEN);
}

static void trees_of_any_shape_come_back(void **state) {
    (void)state;
    static struct zn_huff0_code code;
    static struct zn_huff0_table table;
    static uint8_t encoded[ZN_HUFF0_BOUND];
    uint8_t original[SYMBOLS_LEN], restored[SYMBOLS_LEN], length[256];
    uint64_t random = 1;
    unsigned kept = 0;
    for (unsigned round = 0; round < 1000; round++) {
        const unsigned n =
            round < N_ODD_TREES ? plant_tree(round, length) : grow_tree(&random, length, round % 2 ? 256 : 40);
        write_symbols(length, n, original);
        size_t len;
        if (!zn_huff0_encode(&code, original, SYMBOLS_LEN, encoded, &len) || len == 1) continue;
        zipnn_error err;
        if (zn_huff0_decode(&table, encoded, len, restored, SYMBOLS_LEN, 0, &err) != ZIPNN_OK)
            fail_msg("tree %u: %s", round, err.message);
        assert_memory_equal(restored, original, SYMBOLS_LEN);
        kept++;
    }
    assert_true(kept > 500);
}

/* ---- failing memory */

struct heap {
    size_t calls, living, failing_call;
};

static void *heap_alloc(void *user, size_t size) {
    struct heap *h = user;
    if (++h->calls == h->failing_call) return NULL;
    h->living++;
    return malloc(size);
}

static void heap_release(void *user, void *ptr) {
    struct heap *h = user;
    if (ptr) h->living--;
    free(ptr);
}

static zipnn_status there_and_back(struct fixture *f, struct heap *heap, const uint8_t *file, size_t len) {
    zipnn_options options = {.size = sizeof options, .allocator = {heap_alloc, heap_release, heap}};
    struct zt_input in = {.data = file, .len = len}, again;
    struct zt_output out = {.data = f->written, .cap = CAP}, back = {.data = f->restored, .cap = CAP};
    zipnn_source source = zt_file(&in);
    zipnn_sink sink = zt_pipe_sink(&out);
    zipnn_archive *archive = NULL;
    zipnn_ctx *ctx;
    zipnn_status status = zipnn_create(&options, &ctx, NULL);
    if (status != ZIPNN_OK) return status;
    status = zipnn_pack_old(ctx, ZIPNN_OLD_SAFETENSORS, &source, &sink, NULL, NULL);
    if (status == ZIPNN_OK) {
        again = (struct zt_input){.data = f->written, .len = out.len};
        source = zt_pipe(&again);
        sink = zt_pipe_sink(&back);
        status = zipnn_unpack(ctx, &source, &sink, NULL, NULL);
    }
    if (status == ZIPNN_OK) {
        source = zt_file(&again);
        status = zipnn_archive_open(ctx, &source, &archive, NULL);
    }
    if (status == ZIPNN_OK) zipnn_archive_close(archive);
    zipnn_destroy(ctx);
    return status;
}

static void failing_allocations_are_reported(void **state) {
    struct fixture *f = *state;
    static uint8_t file[1 << 16];
    const size_t len = make_model(file, "\"__metadata__\":{\"format\":\"pt\"},");
    struct heap heap = {0, 0, 0};
    assert_int_equal(there_and_back(f, &heap, file, len), ZIPNN_OK);
    const size_t calls = heap.calls;
    for (size_t i = 1; i <= calls; i++) {
        heap = (struct heap){0, 0, i};
        assert_int_equal(there_and_back(f, &heap, file, len), ZIPNN_E_MEMORY);
        assert_int_equal(heap.living, 0);
    }
}

static int set_up(void **state) {
    static struct fixture f;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    f = (struct fixture){.written = malloc(CAP), .restored = malloc(CAP)};
    *state = &f;
    return f.written && f.restored && zn_old_press_create(&alloc, &f.press, NULL) == ZIPNN_OK ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    free(f->written);
    free(f->restored);
    zn_old_press_free(f->press);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_written_byte_for_byte), cmocka_unit_test(whatever_is_written_restores),
        cmocka_unit_test(broken_elements_are_refused),       cmocka_unit_test(models_restore_bit_for_bit),
        cmocka_unit_test(failing_allocations_are_reported),  cmocka_unit_test(trees_of_any_shape_come_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
