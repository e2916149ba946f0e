/* What goes in comes out: every kind of data, dtype hint, size near an edge, level, thread count and kernel set. */
#include <stdio.h>

#include "base/bytes.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"
#include "zipnn/zipnn.h"

enum { CHUNK = 512 << 10, LONGEST_CHUNK = 576 << 10, LARGEST = 3 << 20, N_DTYPES = 23 };

struct fixture {
    struct guard original, archive, restored;
};

static zipnn_ctx *context(zipnn_options options) {
    zipnn_ctx *ctx;
    options.size = sizeof options;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    return ctx;
}

static zipnn_ctx *context_of_cpu(zipnn_cpu cpu, unsigned threads) {
    const zipnn_options options = {.size = sizeof options, .cpu = cpu, .threads = threads};
    zipnn_ctx *ctx = NULL;
    const zipnn_status status = zipnn_create(&options, &ctx, NULL);
    assert_true(status == ZIPNN_OK || (status == ZIPNN_E_UNSUPPORTED && cpu != ZIPNN_CPU_SCALAR));
    return ctx;
}

/* Compresses a sample that ends at a guard page, restores it to another one; returns the archive's length. */
static size_t round_trip(const struct fixture *f, zipnn_ctx *ctx, enum zt_sample kind, size_t len) {
    uint8_t *original = guard_high(&f->original, len), *restored = guard_high(&f->restored, len);
    const size_t bound = (size_t)zipnn_compress_bound(len);
    uint8_t *archive = guard_high(&f->archive, bound);
    size_t archive_len = 0, restored_len = SIZE_MAX;
    uint64_t announced = UINT64_MAX;
    zipnn_error err = {ZIPNN_OK, 0, ""};
    zt_sample(kind, len, original, len);
    memset(restored, 0xEE, len);

    zipnn_status status = zipnn_compress(ctx, original, len, archive, bound, &archive_len, &err);
    if (status == ZIPNN_OK) status = zipnn_original_size(archive, archive_len, &announced, &err);
    if (status == ZIPNN_OK) status = zipnn_decompress(ctx, archive, archive_len, restored, len, &restored_len, &err);
    if (status != ZIPNN_OK) fail_msg("%s of %zu bytes: %s", zt_sample_name(kind), len, err.message);
    assert_true(announced == len && restored_len == len && archive_len <= bound);
    if (memcmp(original, restored, len) != 0) fail_msg("%s of %zu bytes came back changed", zt_sample_name(kind), len);
    return archive_len;
}

static void every_small_size_of_every_kind(void **state) {
    zipnn_ctx *ctx = context((zipnn_options){.threads = 1});
    for (unsigned kind = 0; kind < ZT_N_SAMPLES; kind++)
        for (size_t len = 0; len <= 300; len++) round_trip(*state, ctx, (enum zt_sample)kind, len);
    zipnn_destroy(ctx);
}

static void every_small_size_with_every_dtype(void **state) {
    for (unsigned dtype = 0; dtype < N_DTYPES; dtype++) {
        zipnn_ctx *ctx = context((zipnn_options){.dtype = (zipnn_dtype)dtype});
        for (size_t len = 0; len <= 300; len++)
            round_trip(*state, ctx, (enum zt_sample)((len + dtype) % ZT_N_SAMPLES), len);
        zipnn_destroy(ctx);
    }
}

static void sizes_around_the_ends_of_chunks(void **state) {
    static const zipnn_dtype dtypes[] = {ZIPNN_DTYPE_UNKNOWN, ZIPNN_BF16, ZIPNN_F16, ZIPNN_F32, ZIPNN_F64, ZIPNN_U8};
    static const size_t ends[] = {CHUNK, LONGEST_CHUNK, 2 * CHUNK, CHUNK + LONGEST_CHUNK};
    static const int steps[] = {-65, -8, -7, -3, -2, -1, 0, 1, 2, 3, 7, 8, 9, 65};
    unsigned n = 0;
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
        zipnn_ctx *ctx = context((zipnn_options){.dtype = dtypes[d], .threads = 2});
        for (size_t e = 0; e < sizeof ends / sizeof *ends; e++)
            for (size_t i = 0; i < sizeof steps / sizeof *steps; i++, n++)
                if ((i + d + e) % 6 == 0)
                    round_trip(*state, ctx, (enum zt_sample)(n % ZT_N_SAMPLES), (size_t)((int)ends[e] + steps[i]));
        zipnn_destroy(ctx);
    }
}

static void every_kind_with_every_dtype_in_large(void **state) {
    for (unsigned dtype = 0; dtype < N_DTYPES; dtype++) {
        zipnn_ctx *ctx = context((zipnn_options){.dtype = (zipnn_dtype)dtype, .level = ZIPNN_LEVEL_FAST});
        for (unsigned kind = 0; kind < ZT_N_SAMPLES; kind++)
            round_trip(*state, ctx, (enum zt_sample)kind, 70001 + 16 * dtype);
        zipnn_destroy(ctx);
    }
}

/* Original bytes plus 0.05 % and 128 bytes hold an archive of noise. */
static void noise_hardly_grows(void **state) {
    static const size_t lens[] = {0, 1, 2, 100, 4096, CHUNK - 1, CHUNK + 1, LARGEST};
    for (unsigned dtype = 0; dtype < N_DTYPES; dtype += 3) {
        zipnn_ctx *ctx = context((zipnn_options){.dtype = (zipnn_dtype)dtype});
        for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
            size_t n = round_trip(*state, ctx, ZT_RANDOM, lens[i]);
            if (n > lens[i] + lens[i] / 2000 + 128) fail_msg("%zu bytes of noise grow to %zu", lens[i], n);
        }
        zipnn_destroy(ctx);
    }
}

/* A guard against a coder that is right and does nothing: percent of the original, with no hint at all. */
static void each_kind_shrinks_as_it_should(void **state) {
    static const struct {
        enum zt_sample kind;
        unsigned percent;
    } table[] = {
        {ZT_ZERO, 1},  {ZT_CONSTANT, 1}, {ZT_NIBBLES, 53}, {ZT_TEXT, 10}, {ZT_SMALL_INTS, 50},
        {ZT_BF16, 70}, {ZT_F16, 88},     {ZT_F32, 86},     {ZT_F64, 97},  {ZT_SUBNORMALS, 52},
    };
    zipnn_ctx *ctx = context((zipnn_options){.threads = 1});
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n = round_trip(*state, ctx, table[i].kind, LARGEST);
        if (n > (size_t)LARGEST / 100 * table[i].percent)
            fail_msg("%s: %zu of %d bytes, %u %% allowed", zt_sample_name(table[i].kind), n, LARGEST, table[i].percent);
    }
    zipnn_destroy(ctx);
}

static size_t compress(zipnn_ctx *ctx, const uint8_t *original, size_t len, uint8_t *archive) {
    size_t archive_len;
    const size_t bound = (size_t)zipnn_compress_bound(len);
    assert_int_equal(zipnn_compress(ctx, original, len, archive, bound, &archive_len, NULL), ZIPNN_OK);
    return archive_len;
}

static void threads_and_kernels_make_no_difference(void **state) {
    const struct fixture *f = *state;
    const size_t len = LARGEST - 13, bound = (size_t)zipnn_compress_bound(len);
    uint8_t *original = guard_high(&f->original, len), *restored = guard_high(&f->restored, len);
    uint8_t *archive = guard_high(&f->archive, bound), *first = malloc(bound);
    static const enum zt_sample kinds[] = {ZT_MIXED, ZT_BF16, ZT_F16, ZT_F32};
    assert_non_null(first);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        zipnn_ctx *ctx = context_of_cpu(ZIPNN_CPU_SCALAR, 1);
        zt_sample(kinds[i], 7, original, len);
        const size_t n = compress(ctx, original, len, first);
        zipnn_destroy(ctx);
        for (int cpu = ZIPNN_CPU_BEST; cpu <= ZIPNN_CPU_NEON; cpu++) {
            for (unsigned threads = 1; threads <= (cpu == ZIPNN_CPU_BEST ? 8 : 1); threads += 7) {
                if (!(ctx = context_of_cpu((zipnn_cpu)cpu, threads))) continue;
                size_t got;
                assert_int_equal(compress(ctx, original, len, archive), n);
                assert_memory_equal(archive, first, n);
                memset(restored, 0xEE, len);
                assert_int_equal(zipnn_decompress(ctx, first, n, restored, len, &got, NULL), ZIPNN_OK);
                assert_int_equal(got, len);
                assert_memory_equal(restored, original, len);
                zipnn_destroy(ctx);
            }
        }
    }
    free(first);
}

/* From 8 MiB on, memory is written past the caches, which asks for care with its alignment. */
static void large_outputs_at_odd_addresses(void **state) {
    (void)state;
    enum { LEN = (9 << 20) + 5 };
    static const struct {
        enum zt_sample kind;
        zipnn_dtype dtype;
    } table[] = {{ZT_BF16, ZIPNN_BF16}, {ZT_F16, ZIPNN_F16}, {ZT_F32, ZIPNN_F32}, {ZT_F64, ZIPNN_F64}};
    struct guard g = guard_make(LEN + 64);
    uint8_t *original = malloc(LEN), *archive = malloc(LEN);
    assert_true(original && archive);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n, got;
        zt_sample(table[i].kind, i, original, LEN);
        zipnn_ctx *ctx = context((zipnn_options){.dtype = table[i].dtype, .level = 1, .verify = ZIPNN_VERIFY_OFF});
        assert_int_equal(zipnn_compress(ctx, original, LEN, archive, LEN, &n, NULL), ZIPNN_OK);
        zipnn_destroy(ctx);
        for (int cpu = ZIPNN_CPU_SCALAR; cpu <= ZIPNN_CPU_NEON; cpu++) {
            if (!(ctx = context_of_cpu((zipnn_cpu)cpu, 1))) continue;
            for (unsigned shift = 0; shift < 64; shift += shift < 3 ? 1 : 13) {
                uint8_t *restored = guard_high(&g, LEN + shift);
                memset(restored, 0xEE, LEN);
                assert_int_equal(zipnn_decompress(ctx, archive, n, restored, LEN, &got, NULL), ZIPNN_OK);
                assert_memory_equal(restored, original, LEN);
            }
            zipnn_destroy(ctx);
        }
    }
    guard_free(&g);
    free(original);
    free(archive);
}

static void levels_restore_and_get_smaller(void **state) {
    const struct fixture *f = *state;
    const size_t len = CHUNK + 4711;
    size_t lens[10];
    for (int level = 0; level <= 9; level++) {
        zipnn_ctx *ctx = context((zipnn_options){.level = level});
        lens[level] = round_trip(f, ctx, ZT_MIXED, len);
        zipnn_destroy(ctx);
    }
    assert_int_equal(lens[ZIPNN_LEVEL_DEFAULT], lens[3]);
    for (int level = 2; level < 6; level++) assert_int_equal(lens[level], lens[3]);
    for (int level = 6; level < 9; level++) assert_int_equal(lens[level], lens[6]);
    assert_true(lens[9] <= lens[3] && lens[6] <= lens[3] && lens[3] <= lens[1]);
}

/* Packs through the given source and sink; the archive is the one zipnn_compress makes. */
static void packs_alike(const struct fixture *f, zipnn_ctx *ctx, struct zt_input *in, const zipnn_source *source,
                        const uint8_t *expected, size_t n) {
    const size_t bound = (size_t)zipnn_compress_bound(in->len);
    struct zt_output out = {.data = guard_high(&f->archive, bound), .cap = bound};
    for (unsigned seekable = 0; seekable < 2; seekable++) {
        const zipnn_sink sink = seekable ? zt_file_sink(&out) : zt_pipe_sink(&out);
        zipnn_stats stats = {.original = 1};
        out.len = in->pos = 0;
        out.written = 0;
        assert_int_equal(zipnn_pack(ctx, source, &sink, &stats, NULL), ZIPNN_OK);
        assert_true(stats.original == in->len && stats.archive == n && out.written == n && !stats.has_sha256);
        assert_memory_equal(out.data, expected, n);
    }
}

static void pipes_and_files_make_no_difference(void **state) {
    const struct fixture *f = *state;
    static const size_t lens[] = {0, 1, 1000, CHUNK, LONGEST_CHUNK + 1, LARGEST};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct zt_input in = {.data = guard_low(&f->original), .len = lens[i]};
        zt_sample(ZT_MIXED, i, guard_low(&f->original), lens[i]);
        uint8_t *expected = malloc((size_t)zipnn_compress_bound(lens[i]));
        assert_non_null(expected);
        for (unsigned threads = 1; threads <= 3; threads += 2) {
            zipnn_ctx *ctx = context((zipnn_options){.threads = threads});
            const size_t n = compress(ctx, in.data, in.len, expected);
            const zipnn_source file = zt_file(&in);
            packs_alike(f, ctx, &in, &file, expected, n);
            const zipnn_source pipe = zt_pipe(&in);
            for (in.longest = 0; in.longest <= 4099; in.longest += 4099) packs_alike(f, ctx, &in, &pipe, expected, n);
            zipnn_destroy(ctx);
        }
        free(expected);
    }
}

/* A file that counts the pieces which begin inside a block. */
struct blocks {
    struct zt_output out;
    atomic_size_t n_inside;
};

static zipnn_status write_block(void *user, uint64_t off, const void *buf, size_t len, zipnn_error *err) {
    struct blocks *b = user;
    const zipnn_sink file = zt_file_sink(&b->out);
    atomic_fetch_add(&b->n_inside, off % (64 << 10) != 0);
    return file.write_at(&b->out, off, buf, len, err);
}

static zipnn_sink block_sink(struct blocks *b, uint8_t *data, size_t cap) {
    *b = (struct blocks){.out = {.data = data, .cap = cap}};
    return (zipnn_sink){zt_file_sink(&b->out).write, write_block, b};
}

/* A header, so that the chunks of the one tensor begin inside blocks. */
static void make_safetensors(uint8_t *bytes, size_t len) {
    enum { HEADER = 1000 };
    zt_sample(ZT_MIXED, 1, bytes, len);
    memset(bytes, ' ', 8 + HEADER);
    memcpy(bytes, "\xe8\x03\0\0\0\0\0\0", 8);
    char text[HEADER];
    const size_t data = len - 8 - HEADER;
    const int n = snprintf(text, sizeof text, "{\"w\":{\"dtype\":\"BF16\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}",
                           data / 2, data);
    memcpy(bytes + 8, text, (size_t)n);
}

static void files_are_written_in_blocks(void **state) {
    const struct fixture *f = *state;
    const size_t bound = (size_t)zipnn_compress_bound(LARGEST);
    uint8_t *archive = guard_high(&f->archive, bound), *restored = malloc(LARGEST);
    assert_non_null(restored);
    struct zt_input in = {.data = guard_low(&f->original), .len = LARGEST}, packed = {.data = archive};
    make_safetensors(guard_low(&f->original), LARGEST);
    for (unsigned i = 0; i < 4; i++) {
        zipnn_ctx *ctx = context((zipnn_options){.threads = i & 1 ? 3 : 1});
        struct blocks blocks;
        zipnn_stats stats;
        in.pos = packed.pos = 0;
        zipnn_source source = i & 2 ? zt_pipe(&in) : zt_file(&in);
        zipnn_sink sink = block_sink(&blocks, archive, bound);
        assert_int_equal(zipnn_pack(ctx, &source, &sink, &stats, NULL), ZIPNN_OK);
        assert_true(blocks.n_inside <= 2); /* behind the header, and the index */
        packed.len = (size_t)stats.archive;
        source = i & 2 ? zt_pipe(&packed) : zt_file(&packed);
        sink = block_sink(&blocks, restored, LARGEST);
        assert_int_equal(zipnn_unpack(ctx, &source, &sink, NULL, NULL), ZIPNN_OK);
        assert_true(blocks.n_inside == 0 && blocks.out.written == LARGEST);
        assert_memory_equal(restored, in.data, LARGEST);
        zipnn_destroy(ctx);
    }
    free(restored);
}

static void digests_are_the_known_ones(void **state) {
    (void)state;
    static const uint8_t xxh3[16] = {0x06, 0xb0, 0x5a, 0xb6, 0x73, 0x3a, 0x61, 0x85,
                                     0x78, 0xaf, 0x5f, 0x94, 0x89, 0x2f, 0x39, 0x50};
    static const uint8_t sha256[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                       0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                       0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    const zipnn_options options = {.size = sizeof options, .sha256 = 1};
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    struct zt_input in = {.data = (const uint8_t *)"abc", .len = 3};
    uint8_t archive[512], restored[8];
    struct zt_output out = {.data = archive, .cap = sizeof archive}, back = {.data = restored, .cap = sizeof restored};
    zipnn_source source = zt_pipe(&in);
    zipnn_sink sink = zt_pipe_sink(&out);
    zipnn_stats stats;
    assert_int_equal(zipnn_pack(ctx, &source, &sink, &stats, NULL), ZIPNN_OK);
    assert_true(stats.has_sha256);
    assert_memory_equal(stats.xxh3, xxh3, sizeof xxh3);
    assert_memory_equal(stats.sha256, sha256, sizeof sha256);

    struct zt_input packed = {.data = archive, .len = out.len};
    source = zt_file(&packed);
    sink = zt_pipe_sink(&back);
    memset(&stats, 0, sizeof stats);
    assert_int_equal(zipnn_unpack(ctx, &source, &sink, &stats, NULL), ZIPNN_OK);
    assert_memory_equal(restored, "abc", 3);
    assert_true(stats.has_sha256 && stats.original == 3 && stats.archive == out.len && stats.n_chunks == 1);
    assert_memory_equal(stats.sha256, sha256, sizeof sha256);
    zipnn_destroy(ctx);
}

static int set_up(void **state) {
    static struct fixture f;
    f.original = guard_make(LARGEST);
    f.archive = guard_make((size_t)zipnn_compress_bound(LARGEST));
    f.restored = guard_make(LARGEST);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    guard_free(&f->original);
    guard_free(&f->archive);
    guard_free(&f->restored);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_size_of_every_kind),
        cmocka_unit_test(every_small_size_with_every_dtype),
        cmocka_unit_test(sizes_around_the_ends_of_chunks),
        cmocka_unit_test(every_kind_with_every_dtype_in_large),
        cmocka_unit_test(noise_hardly_grows),
        cmocka_unit_test(each_kind_shrinks_as_it_should),
        cmocka_unit_test(threads_and_kernels_make_no_difference),
        cmocka_unit_test(large_outputs_at_odd_addresses),
        cmocka_unit_test(levels_restore_and_get_smaller),
        cmocka_unit_test(pipes_and_files_make_no_difference),
        cmocka_unit_test(files_are_written_in_blocks),
        cmocka_unit_test(digests_are_the_known_ones),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
