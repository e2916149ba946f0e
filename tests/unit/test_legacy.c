/* The old format: every sample record restores, whatever happens to a record is an error or some output, and what is
 * listed is there. */
#include <stdio.h>

#include "base/bytes.h"
#include "support/heap.h"
#include "support/restore.h"
#include "support/streams.h"
#include "support/testdata.h"
#include "support/unit.h"

/* ---- the samples */

struct file {
    char name[64];
    uint8_t *data;
    size_t len;
};

struct files {
    struct file file[128];
    size_t n;
};

static void keep(void *arg, const char *name, const uint8_t *data, size_t len) {
    struct files *all = arg;
    if (all->n == 128) return;
    struct file *f = &all->file[all->n++];
    snprintf(f->name, sizeof f->name, "%s", name);
    f->len = len;
    f->data = malloc(len ? len : 1);
    assert_non_null(f->data);
    memcpy(f->data, data, len);
}

static const struct file *find(const struct files *all, const char *stem, const char *suffix) {
    char name[160];
    snprintf(name, sizeof name, "%s%s", stem, suffix);
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->file[i].name, name) == 0) return &all->file[i];
    return NULL;
}

/* The sample's original, and the name without suffix; NULL for files that are no records. */
static const struct file *original_of(const struct files *all, const struct file *f, char stem[64]) {
    static const char *const suffixes[][2] = {{".znn.safetensors", ".safetensors"}, {".znn", ".orig"}};
    for (size_t i = 0; i < 2; i++) {
        const size_t len = strlen(f->name), cut = strlen(suffixes[i][0]);
        if (len <= cut || strcmp(f->name + len - cut, suffixes[i][0]) != 0) continue;
        snprintf(stem, 64, "%.*s", (int)(len - cut), f->name);
        return find(all, stem, suffixes[i][1]);
    }
    return NULL;
}

static zipnn_ctx *context_with_base(const struct file *base, struct zt_input *in) {
    zipnn_options options = {.size = sizeof options};
    zipnn_source source;
    zipnn_ctx *ctx;
    if (base) {
        *in = (struct zt_input){.data = base->data, .len = base->len};
        source = zt_file(in);
        options.base = &source;
    }
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    return ctx;
}

static void check_ways(zipnn_ctx *ctx, const struct file *f, const struct file *original) {
    uint8_t *out = malloc(original->len + 1);
    assert_non_null(out);
    for (size_t i = 0; i < ZT_N_WAYS; i++) {
        zipnn_error err = {ZIPNN_OK, 0, ""};
        size_t got = 0;
        memset(out, 0xEE, original->len + 1);
        zipnn_status status = zt_ways[i].restore(ctx, f->data, f->len, out, original->len, &got, &err);
        if (status != ZIPNN_OK) fail_msg("%s, %s: %s", f->name, zt_ways[i].name, err.message);
        assert_int_equal(got, original->len);
        if (memcmp(out, original->data, got) != 0) fail_msg("%s, %s: other bytes", f->name, zt_ways[i].name);
    }
    uint64_t size;
    assert_int_equal(zipnn_original_size(f->data, f->len, &size, NULL), ZIPNN_OK);
    assert_true(size == original->len);
    free(out);
}

/* Ranges that begin and end anywhere. */
static void check_ranges(zipnn_ctx *ctx, const struct file *f, const struct file *original) {
    struct zt_input in = {.data = f->data, .len = f->len};
    zipnn_source source = zt_file(&in);
    zipnn_archive *archive;
    zipnn_archive_info info;
    uint8_t *out = malloc(original->len + 1);
    assert_non_null(out);
    assert_int_equal(zipnn_archive_open(ctx, &source, &archive, NULL), ZIPNN_OK);
    zipnn_archive_get_info(archive, &info);
    assert_string_equal(info.container, "zipnn 0.x");
    assert_true(info.unverified && info.original == original->len && info.archive == f->len && info.n_tensors > 0);
    for (uint64_t i = 0, off = 0; i < 12; i++, off = (off * 7 + 4099) % (original->len + 1)) {
        const uint64_t len = (original->len - off) / (i + 1);
        assert_int_equal(zipnn_archive_read(archive, off, len, out, NULL), ZIPNN_OK);
        assert_memory_equal(out, original->data + off, (size_t)len);
    }
    for (uint64_t i = 0; i < info.n_tensors; i++) {
        zipnn_tensor_info t;
        assert_int_equal(zipnn_archive_tensor(archive, i, &t, NULL), ZIPNN_OK);
        assert_true(t.stored <= f->len);
        assert_int_equal(zipnn_archive_read_tensor(archive, i, out, original->len, NULL), ZIPNN_OK);
        assert_memory_equal(out, original->data + t.offset, (size_t)t.length);
        uint64_t index;
        assert_int_equal(zipnn_archive_find(archive, t.name, &index, NULL), ZIPNN_OK);
        assert_true(index == i);
    }
    zipnn_archive_close(archive);
    free(out);
}

static void free_files(struct files *all) {
    for (size_t i = 0; i < all->n; i++) free(all->file[i].data);
    free(all);
}

static void every_sample_restores(void **state) {
    (void)state;
    struct files *all = calloc(1, sizeof *all);
    size_t n = 0;
    assert_non_null(all);
    if (!zt_each_file("legacy", keep, all)) {
        free(all);
        skip();
    }
    for (size_t i = 0; i < all->n; i++) {
        char stem[64];
        struct zt_input in;
        const struct file *original = original_of(all, &all->file[i], stem);
        if (!original) continue;
        zipnn_ctx *ctx = context_with_base(find(all, stem, ".base"), &in);
        check_ways(ctx, &all->file[i], original);
        check_ranges(ctx, &all->file[i], original);
        zipnn_destroy(ctx);
        n++;
    }
    assert_true(n >= 30);
    free_files(all);
}

/* ---- small records, made by hand */

enum { HEADER = 32, SMALL = 4096 };

struct record {
    uint8_t bytes[SMALL];
    size_t len;
};

static void put(struct record *r, const void *bytes, size_t len) {
    assert_true(len <= sizeof r->bytes - r->len);
    if (len) memcpy(r->bytes + r->len, bytes, len);
    r->len += len;
}

static void put_u64(struct record *r, uint64_t v) {
    uint8_t bytes[8];
    zn_put_u64(bytes, v);
    put(r, bytes, sizeof bytes);
}

static void begin(struct record *r, uint8_t reorder, uint8_t rotate, uint8_t format, uint8_t dtype, uint64_t original) {
    const uint8_t header[16] = {'Z', 'N', 0, 5, 3, reorder, rotate, 1, format, 0, 0, 0, 0, 0, 18, dtype};
    r->len = 0;
    put(r, header, sizeof header);
    put_u64(r, original);
    put_u64(r, 0);
}

static void end(struct record *r) {
    zn_put_u64(r->bytes + 24, r->len);
}

/* bf16, shape [2, 300]: low bytes stored, exponents in a Huffman block with weights as nibbles. */
static void make_bf16(struct record *r) {
    const uint8_t shape[] = {2, 1, 2, 2, 300 & 255, 300 >> 8}, types[] = {0, 1};
    /* Two symbols, 0 and 1, of one bit: 150 symbols a stream are 18 bytes and 6 bits. */
    const uint8_t tree[] = {128, 0x10};
    uint8_t stream[19];
    memset(stream, 0xA5, sizeof stream);
    stream[18] = 0x40 | 0x25;
    begin(r, 0x0A, 1, 2, 6, 1200);
    put(r, shape, sizeof shape);
    put(r, types, sizeof types);
    put_u64(r, 600);
    put_u64(r, sizeof tree + 6 + 4 * sizeof stream);
    for (size_t i = 0; i < 600; i++) put(r, (const uint8_t[]){(uint8_t)(i * 7)}, 1);
    put(r, tree, sizeof tree);
    for (int k = 0; k < 3; k++) put(r, (const uint8_t[]){sizeof stream, 0}, 2);
    for (int k = 0; k < 4; k++) put(r, stream, sizeof stream);
    end(r);
}

/* fp16 bytes, both groups constant. */
static void make_constant(struct record *r) {
    begin(r, 0x0A, 0, 1, 4, 100);
    put(r, (const uint8_t[]){1, 1}, 2);
    put_u64(r, 1);
    put_u64(r, 1);
    put(r, (const uint8_t[]){7, 8}, 2);
    end(r);
}

/* float32 of zipnn 0.3.1: three groups stored, the last one a zstd frame with one raw block. */
static void make_whole(struct record *r) {
    const uint8_t frame[] = {0x28, 0xB5, 0x2F, 0xFD, 0x20, 10, 81, 0, 0};
    begin(r, 0xDC, 1, 1, 1, 0);
    put(r, (const uint8_t[]){0, 0, 0, 1}, 4);
    put_u64(r, 11);
    put_u64(r, 11);
    put_u64(r, 10);
    put_u64(r, sizeof frame + 10);
    put(r, "abcdefghijkABCDEFGHIJK0123456789", 32);
    put(r, frame, sizeof frame);
    put(r, "qrstuvwxyz", 10);
    end(r);
}

static void make_stream(struct record *r) {
    struct record one;
    r->len = 0;
    for (int i = 0; i < 3; i++) {
        make_constant(&one);
        one.bytes[13] = 148;
        put(r, one.bytes, one.len);
    }
}

/* A safetensors file with a record, and a plain tensor before it. */
static void make_tensors(struct record *r) {
    struct record one;
    char json[512];
    make_bf16(&one);
    const int n =
        snprintf(json, sizeof json,
                 "{\"__metadata__\": {\"format\": \"pt\", \"znn_compressed_vectors\": \"{\\\"w\\\": {\\\"dtype\\\": "
                 "\\\"bfloat16\\\", \\\"shape\\\": \\\"[2, 300]\\\"}}\"}, \"i\": {\"dtype\": \"I64\", \"shape\": "
                 "[1], \"data_offsets\": [0, 8]}, \"w\": {\"dtype\": \"U8\", \"shape\": [%zu], "
                 "\"data_offsets\": [8, %zu]}}",
                 one.len, 8 + one.len);
    r->len = 0;
    put_u64(r, (uint64_t)n);
    put(r, json, (size_t)n);
    put(r, "plain i6", 8);
    put(r, one.bytes, one.len);
}

static void (*const makers[])(struct record *r) = {make_bf16, make_constant, make_whole, make_stream, make_tensors};

enum { N_MAKERS = sizeof makers / sizeof makers[0], CAP = 1 << 14 };

static zipnn_status restore(zipnn_ctx *ctx, const uint8_t *bytes, size_t len, uint8_t *out, size_t *got,
                            zipnn_error *err) {
    uint8_t *copy = malloc(len ? len : 1); /* of exactly that size, for the sanitizer */
    assert_non_null(copy);
    if (len) memcpy(copy, bytes, len);
    zipnn_status status = zipnn_decompress(ctx, copy, len, out, CAP, got, err);
    free(copy);
    return status;
}

static void records_made_by_hand_restore(void **state) {
    (void)state;
    static const size_t lengths[N_MAKERS] = {1200, 100, 42, 300, 0};
    static uint8_t out[CAP];
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    for (size_t i = 0; i < N_MAKERS; i++) {
        struct record r;
        zipnn_error err;
        size_t got;
        makers[i](&r);
        if (restore(ctx, r.bytes, r.len, out, &got, &err) != ZIPNN_OK) fail_msg("%zu: %s", i, err.message);
        if (lengths[i]) assert_int_equal(got, lengths[i]);
        if (i == 1) assert_true(out[0] == 7 && out[1] == 8 && out[99] == 8);
        if (i == 2) assert_memory_equal(out + 40, "kK", 2);
        if (i == 4) {
            const char json[] =
                "{\"__metadata__\":{\"format\":\"pt\"},\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                "\"w\":{\"dtype\":\"BF16\",\"shape\":[2,300],\"data_offsets\":[8,1208]}}";
            assert_memory_equal(out + 8, json, sizeof json - 1);
            assert_int_equal(got, 8 + zn_get_u64(out) + 1208);
        }
    }
    zipnn_destroy(ctx);
}

/* A record is one tensor; what a file of tensors restores to lists its own. */
static void records_made_by_hand_are_listed(void **state) {
    (void)state;
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    for (size_t i = 0; i < N_MAKERS; i++) {
        struct record r;
        makers[i](&r);
        struct zt_input in = {.data = r.bytes, .len = r.len};
        const zipnn_source source = zt_file(&in);
        zipnn_archive *archive;
        zipnn_archive_info info;
        assert_int_equal(zipnn_archive_open(ctx, &source, &archive, NULL), ZIPNN_OK);
        zipnn_archive_get_info(archive, &info);
        assert_int_equal(info.n_tensors, makers[i] == make_tensors ? 2 : 1);
        zipnn_archive_close(archive);
    }
    zipnn_destroy(ctx);
}

static void truncation_is_an_error(void **state) {
    (void)state;
    static uint8_t out[CAP];
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    for (size_t i = 0; i < N_MAKERS; i++) {
        struct record r;
        makers[i](&r);
        for (size_t len = 0; len < r.len; len++) {
            zipnn_error err;
            size_t got;
            zipnn_status status = restore(ctx, r.bytes, len, out, &got, &err);
            const bool whole_records = makers[i] == make_stream && len && len % (r.len / 3) == 0;
            if ((status == ZIPNN_OK) != whole_records) fail_msg("record %zu, %zu bytes of it: %s", i, len, err.message);
            if (status != ZIPNN_OK && makers[i] != make_tensors && len >= 2) assert_true(err.offset != UINT64_MAX);
        }
    }
    zipnn_destroy(ctx);
}

/* Without checksums some flips are wrong output, and that is all they may be. */
static void flipped_bits_do_no_harm(void **state) {
    (void)state;
    static uint8_t out[CAP];
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    for (size_t i = 0; i < N_MAKERS; i++) {
        struct record r;
        makers[i](&r);
        for (size_t bit = 0; bit < 8 * r.len; bit++) {
            size_t got = 0;
            r.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            const zipnn_status status = restore(ctx, r.bytes, r.len, out, &got, NULL);
            assert_true(status <= ZIPNN_E_BASE && got <= CAP);
            r.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    zipnn_destroy(ctx);
}

/* ---- what is refused, and how */

static void expect(const uint8_t *bytes, size_t len, zipnn_status status, const char *words) {
    static uint8_t out[CAP];
    zipnn_error err = {ZIPNN_OK, 0, ""};
    zipnn_ctx *ctx;
    size_t got;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    const zipnn_status found = restore(ctx, bytes, len, out, &got, &err);
    if (found != status) fail_msg("status %d, not %d: %s", (int)found, (int)status, err.message);
    if (!strstr(err.message, words)) fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    zipnn_destroy(ctx);
}

static void malformed_records_are_explained(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        zipnn_status status;
        const char *words;
    } cases[] = {
        {5, 1, ZIPNN_E_UNSUPPORTED, "unknown way 1"},   {6, 2, ZIPNN_E_CORRUPT, "never written"},
        {8, 4, ZIPNN_E_CORRUPT, "never written"},       {9, 1, ZIPNN_E_BASE, "delta"},
        {14, 63, ZIPNN_E_CORRUPT, "never written"},     {14, 0, ZIPNN_E_CORRUPT, "no room for the tables of 1200"},
        {15, 3, ZIPNN_E_UNSUPPORTED, "element type 3"}, {23, 0x80, ZIPNN_E_CORRUPT, "no room for the tables"},
        {25, 0x7F, ZIPNN_E_TRUNCATED, "too early"},     {32, 65, ZIPNN_E_LIMIT, "65 dimensions"},
        {33, 3, ZIPNN_E_CORRUPT, "has 3 bytes"},        {38, 2, ZIPNN_E_CORRUPT, "type 2"},
        {41, 200, ZIPNN_E_CORRUPT, "remain"},           {656, 127, ZIPNN_E_CORRUPT, "tree"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record r;
        make_bf16(&r);
        r.bytes[cases[i].at] = cases[i].value;
        expect(r.bytes, r.len, cases[i].status, cases[i].words);
    }
    struct record r;
    make_bf16(&r);
    put(&r, "x", 1);
    expect(r.bytes, r.len, ZIPNN_E_CORRUPT, "1 bytes follow");
}

static void a_list_that_does_not_fit_is_refused(void **state) {
    (void)state;
    struct record r;
    make_tensors(&r);
    r.bytes[r.len - 640] ^= 1; /* somewhere in the record's stored bytes: no matter */
    expect(r.bytes, r.len, ZIPNN_OK, "");
    struct record one;
    make_bf16(&one);
    r.bytes[r.len - one.len] = 'Y'; /* no record any more */
    expect(r.bytes, r.len, ZIPNN_E_CORRUPT, "lists 1 compressed tensors, 0 hold");
    make_tensors(&r);
    put(&r, "x", 1);
    expect(r.bytes, r.len, ZIPNN_E_CORRUPT, "follow the last tensor");
}

static void a_delta_needs_the_base_it_was_made_against(void **state) {
    (void)state;
    struct record r;
    struct zt_input in;
    uint8_t bytes[100], out[100];
    size_t got;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
    struct file base = {.name = "", .data = bytes, .len = sizeof bytes};
    make_constant(&r);
    r.bytes[9] = 2;
    zipnn_ctx *ctx = context_with_base(&base, &in);
    assert_int_equal(zipnn_decompress(ctx, r.bytes, r.len, out, sizeof out, &got, NULL), ZIPNN_OK);
    for (size_t i = 0; i < sizeof out; i++) assert_int_equal(out[i], (i % 2 ? 8 : 7) ^ (int)i);
    zipnn_destroy(ctx);
    base.len = 99;
    ctx = context_with_base(&base, &in);
    assert_int_equal(zipnn_decompress(ctx, r.bytes, r.len, out, sizeof out, &got, NULL), ZIPNN_E_BASE);
    zipnn_destroy(ctx);
}

/* A pipe is read to its end before it is known whether the file is an old one. */
static void what_only_looks_old_leaves_nothing(void **state) {
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"znn_compressed_vectors\":\"{\"},"
        "\"w\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    struct zt_heap heap = {0};
    const zipnn_options options = {.size = sizeof options, .allocator = zt_heap_hooks(&heap)};
    struct record r = {.len = 0};
    zipnn_ctx *ctx;
    uint8_t out[100];
    size_t got;
    put_u64(&r, sizeof header - 1);
    put(&r, header, sizeof header - 1);
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    for (unsigned w = 0; w < ZT_N_WAYS; w++) {
        size_t kept = 0;
        for (unsigned round = 0; round < 2; round++) {
            assert_int_not_equal(zt_ways[w].restore(ctx, r.bytes, r.len, out, sizeof out, &got, NULL), ZIPNN_OK);
            if (round) assert_int_equal(heap.now, kept);
            kept = heap.now;
        }
    }
    zipnn_destroy(ctx);
    assert_int_equal(heap.now, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_looks_old_leaves_nothing),
        cmocka_unit_test(every_sample_restores),
        cmocka_unit_test(records_made_by_hand_restore),
        cmocka_unit_test(records_made_by_hand_are_listed),
        cmocka_unit_test(truncation_is_an_error),
        cmocka_unit_test(flipped_bits_do_no_harm),
        cmocka_unit_test(malformed_records_are_explained),
        cmocka_unit_test(a_list_that_does_not_fit_is_refused),
        cmocka_unit_test(a_delta_needs_the_base_it_was_made_against),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
