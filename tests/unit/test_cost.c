/* What archives cost that were made to be expensive: work counted in bytes decoded, memory by an allocator that counts,
 * files by how often they are read. The bounds are those of doc/trust.md. */
#include "api/context.h"
#include "support/forge.h"
#include "support/heap.h"
#include "support/streams.h"
#include "support/unit.h"

enum { LARGE = 4 << 20, USUAL = 512 << 10, MAX_BASES = 100 };

/* What references through so many archives may cost one thread, for so many bytes restored; a chunk is over it. */
static uint64_t allowed(uint64_t restored, unsigned levels) {
    return (256 << 20) + (24 << 20) * (uint64_t)levels + restored * (160 + 16 * (uint64_t)levels) + 2 * LARGE;
}

struct run {
    struct zt_heap heap;
    struct zt_input in[MAX_BASES];
    zipnn_source source[MAX_BASES];
    unsigned n_bases;
    zipnn_ctx *ctx;
};

static void give_base(struct run *r, const struct zt_forge *f) {
    assert_true(r->n_bases < MAX_BASES);
    r->in[r->n_bases] = (struct zt_input){.data = f->data, .len = f->len};
    r->source[r->n_bases] = zt_file(&r->in[r->n_bases]);
    r->n_bases++;
}

static void begin(struct run *r, unsigned threads) {
    const zipnn_options options = {.size = sizeof options,
                                   .threads = threads,
                                   .bases = r->source,
                                   .n_bases = r->n_bases,
                                   .allocator = zt_heap_hooks(&r->heap)};
    assert_int_equal(zipnn_create(&options, &r->ctx, NULL), ZIPNN_OK);
}

static void end(struct run *r) {
    zipnn_destroy(r->ctx);
    assert_true(atomic_load(&r->heap.now) == 0);
}

static zipnn_status test_archive(struct run *r, const struct zt_forge *f, zipnn_error *err) {
    struct zt_input in = {.data = f->data, .len = f->len};
    const zipnn_source source = zt_file(&in);
    return zipnn_test(r->ctx, &source, NULL, err);
}

/* Two bytes that lie across two large chunks, again and again: both are decoded once. */
static void chunks_that_are_referred_to_stay(void **state) {
    const uint8_t both[] = {1, 2};
    struct run r = {.n_bases = 0};
    struct zt_forge f;
    (void)state;
    zt_forge_begin(&f, ZN_FLAG_SELF, ZN_MAX_CHUNK);
    zt_forge_constant(&f, 1, LARGE);
    zt_forge_constant(&f, 2, LARGE);
    for (unsigned i = 0; i < 500; i++) zt_forge_copy(&f, 0, LARGE - 1, 2, zt_check_of(both, 2));
    zt_forge_end(&f, NULL);
    begin(&r, 1);
    assert_int_equal(test_archive(&r, &f, NULL), ZIPNN_E_CORRUPT); /* by its digest, when all is done */
    const struct zn_toll toll = zn_engine_toll(&r.ctx->engine);
    assert_true(toll.original == 2 * LARGE + 1000);
    assert_in_range(toll.referred, 2 * LARGE, 3 * LARGE);
    end(&r);
    zt_forge_free(&f);
}

/* More chunks than can be kept, in turn: that ends by a bound in what is restored. */
static void references_pay_from_what_they_restore(void **state) {
    enum { N_LARGE = 30, N_ROUNDS = 8 };
    struct run r = {.n_bases = 0};
    struct zt_forge base, f;
    uint8_t xxh3[16];
    zipnn_error err;
    (void)state;
    memset(xxh3, 7, sizeof xxh3);
    zt_forge_begin(&base, 0, ZN_MAX_CHUNK);
    for (unsigned i = 0; i < N_LARGE; i++) zt_forge_constant(&base, (uint8_t)i, LARGE);
    zt_forge_end(&base, xxh3);
    zt_forge_begin(&f, ZN_FLAG_BASES, ZN_MAX_CHUNK);
    zt_forge_base(&f, xxh3, base.original, "base");
    for (unsigned i = 0; i < N_ROUNDS * N_LARGE; i++) {
        const uint8_t byte = (uint8_t)(i % N_LARGE);
        zt_forge_copy(&f, 1, (uint64_t)byte * LARGE + 1, 1, zt_check_of(&byte, 1));
    }
    zt_forge_end(&f, NULL);
    give_base(&r, &base);
    begin(&r, 1);
    assert_int_equal(test_archive(&r, &f, &err), ZIPNN_E_LIMIT);
    assert_non_null(strstr(err.message, "have cost as much as"));
    const struct zn_toll toll = zn_engine_toll(&r.ctx->engine);
    assert_true(toll.referred <= allowed(toll.original, 1));
    end(&r);
    zt_forge_free(&base);
    zt_forge_free(&f);
}

/* A chain of n archives of one constant chunk, each a copy of all of the one before but its last byte: the last one
 * stands for `len` - n bytes. */
static void make_chain(struct run *r, struct zt_forge *chain, unsigned n, uint32_t len, unsigned n_chunks) {
    uint8_t *bytes = malloc(len), xxh3[16];
    assert_non_null(bytes);
    memset(bytes, 7, len);
    zt_digest_of(bytes, len, xxh3);
    zt_forge_begin(&chain[0], 0, ZN_MAX_CHUNK);
    zt_forge_constant(&chain[0], 7, len);
    zt_forge_end(&chain[0], xxh3);
    for (unsigned i = 1; i < n; i++) {
        const uint32_t before = len - i + 1;
        zt_forge_begin(&chain[i], ZN_FLAG_BASES, ZN_MAX_CHUNK);
        zt_forge_base(&chain[i], xxh3, before, "before");
        for (unsigned k = 0; k < (i == n - 1 ? n_chunks : 1); k++)
            zt_forge_copy(&chain[i], 1, 0, before - 1, zt_check_of(bytes, before - 1));
        zt_digest_of(bytes, before - 1, xxh3);
        zt_forge_end(&chain[i], xxh3);
    }
    for (unsigned i = 0; i + 1 < n; i++) give_base(r, &chain[i]);
    free(bytes);
}

/* Memory is that of the workers and the shelves, whatever the chain. */
static void chains_take_no_more_than_the_shelves(void **state) {
    static const struct { unsigned n, threads; } cases[] = {{2, 1}, {65, 1}, {65, 8}};
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct zt_forge chain[65];
        struct run r = {.n_bases = 0};
        zipnn_error err = {ZIPNN_OK, 0, ""};
        make_chain(&r, chain, cases[c].n, LARGE, 1);
        begin(&r, cases[c].threads);
        if (test_archive(&r, &chain[cases[c].n - 1], &err) != ZIPNN_OK) fail_msg("%s", err.message);
        const struct zn_toll toll = zn_engine_toll(&r.ctx->engine);
        assert_true(toll.referred <= (uint64_t)cases[c].n * (LARGE + 4096));
        const size_t worker = atomic_load(&r.heap.peak), bound = (64 << 20) + cases[c].threads * (size_t)(8 << 20);
        if (worker > bound) fail_msg("%zu bytes for %u archives, %zu are allowed", worker, cases[c].n, bound);
        end(&r);
        for (unsigned i = 0; i < cases[c].n; i++) zt_forge_free(&chain[i]);
    }
}

/* A chain whose chunks lie across each other in every archive, as when headers grow: each is decoded about once, and by
 * parts of it. */
static void chains_that_lie_across_each_other_are_linear(void **state) {
    enum { N = 64, N_CHUNKS = 6, SHIFT = 1000, LEN = N_CHUNKS * USUAL };
    struct zt_forge chain[N];
    struct run r = {.n_bases = 0};
    uint8_t *bytes = malloc(LEN), xxh3[16];
    zipnn_error err = {ZIPNN_OK, 0, ""};
    (void)state;
    assert_non_null(bytes);
    for (uint32_t i = 0; i < LEN; i++) bytes[i] = (uint8_t)(i / USUAL);
    for (unsigned i = 0; i < N; i++) {
        const uint32_t shift = i * SHIFT, len = LEN - N * SHIFT;
        zt_forge_begin(&chain[i], i ? ZN_FLAG_BASES : 0, 576 << 10);
        if (i) zt_forge_base(&chain[i], xxh3, len, "before");
        for (uint32_t at = 0; at < len;) {
            const uint32_t to = ZN_MIN(len, at == 0 ? USUAL - shift : at + USUAL);
            if (i)
                zt_forge_copy(&chain[i], 1, at, to - at, zt_check_of(bytes + at, to - at));
            else
                zt_forge_raw(&chain[i], bytes + at, to - at);
            at = to;
        }
        zt_digest_of(bytes, len, xxh3);
        zt_forge_end(&chain[i], xxh3);
        if (i + 1 < N) give_base(&r, &chain[i]);
    }
    begin(&r, 1);
    if (test_archive(&r, &chain[N - 1], &err) != ZIPNN_OK) fail_msg("%s", err.message);
    const struct zn_toll toll = zn_engine_toll(&r.ctx->engine);
    if (toll.referred > 3 * (uint64_t)N * LEN) fail_msg("%llu bytes", (unsigned long long)toll.referred);
    end(&r);

    /* A range of it, by itself. */
    uint8_t part[100];
    struct zt_input in = {.data = chain[N - 1].data, .len = chain[N - 1].len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *a;
    begin(&r, 1);
    assert_int_equal(zipnn_archive_open(r.ctx, &source, &a, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_archive_read(a, 3 * USUAL, sizeof part, part, &err), ZIPNN_OK);
    assert_memory_equal(part, bytes + 3 * USUAL, sizeof part);
    zipnn_archive_close(a);
    end(&r);
    for (unsigned i = 0; i < N; i++) zt_forge_free(&chain[i]);
    free(bytes);
}

/* Each archive refers to two distant chunks of the one behind it, for each of its own: the work would double with every
 * archive. */
static void work_does_not_double_with_every_archive(void **state) {
    enum { N = 40, N_CHUNKS = 8 };
    struct zt_forge chain[N];
    struct run r = {.n_bases = 0};
    uint8_t *bytes = calloc(1, LARGE), xxh3[16];
    const uint64_t check = bytes ? zt_check_of(bytes, LARGE) : 0;
    (void)state;
    assert_non_null(bytes);
    for (unsigned i = 0; i < N; i++) {
        zt_forge_begin(&chain[i], i ? ZN_FLAG_BASES : 0, ZN_MAX_CHUNK);
        if (i) zt_forge_base(&chain[i], xxh3, (uint64_t)N_CHUNKS * LARGE, "before");
        for (unsigned k = 0; k < N_CHUNKS; k++) {
            const uint64_t off = ((uint64_t)(k * 3 + i) % (N_CHUNKS - 1)) * LARGE + LARGE / 2;
            if (i)
                zt_forge_copy(&chain[i], 1, off, LARGE, check);
            else
                zt_forge_constant(&chain[i], 0, LARGE);
        }
        memset(xxh3, (int)i + 1, sizeof xxh3);
        zt_forge_end(&chain[i], xxh3);
        if (i + 1 < N) give_base(&r, &chain[i]);
    }
    begin(&r, 1);
    zipnn_error err = {ZIPNN_OK, 0, ""};
    const struct zt_forge *last = &chain[N - 1];
    struct zt_input in = {.data = last->data, .len = last->len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *a;
    assert_int_equal(zipnn_archive_open(r.ctx, &source, &a, NULL), ZIPNN_OK);
    uint8_t byte;
    const struct zn_toll before = zn_engine_toll(&r.ctx->engine);
    const zipnn_status status = zipnn_archive_read(a, 5, 1, &byte, &err);
    assert_true(status == ZIPNN_OK || status == ZIPNN_E_LIMIT);
    const struct zn_toll toll = zn_engine_toll(&r.ctx->engine);
    assert_true(toll.referred - before.referred <= allowed(LARGE, N));
    zipnn_archive_close(a);
    end(&r);
    for (unsigned i = 0; i < N; i++) zt_forge_free(&chain[i]);
    free(bytes);
}

/* Two files for each content, each made against the next one; of the last there is none. */
static void bases_are_opened_once(void **state) {
    enum { N_LEVELS = 45, LEN = 10 };
    struct zt_forge files[2 * N_LEVELS], top;
    struct run r = {.n_bases = 0};
    uint8_t xxh3[16];
    (void)state;
    for (unsigned i = 0; i < 2 * N_LEVELS; i++) {
        memset(xxh3, (int)(i / 2) + 1, sizeof xxh3);
        zt_forge_begin(&files[i], ZN_FLAG_BASES, ZN_MAX_CHUNK);
        zt_forge_base(&files[i], xxh3, LEN, i % 2 ? "one" : "other");
        zt_forge_copy(&files[i], 1, 0, LEN, 0);
        memset(xxh3, (int)(i / 2), sizeof xxh3);
        zt_forge_end(&files[i], xxh3);
        give_base(&r, &files[i]);
    }
    memset(xxh3, 0, sizeof xxh3);
    zt_forge_begin(&top, ZN_FLAG_BASES, ZN_MAX_CHUNK);
    zt_forge_base(&top, xxh3, LEN, "first");
    zt_forge_copy(&top, 1, 0, LEN, 0);
    zt_forge_end(&top, NULL);
    begin(&r, 1);
    zipnn_error err;
    for (unsigned again = 0; again < 3; again++) {
        struct zt_input in = {.data = top.data, .len = top.len};
        struct zt_output out = {.cap = 0};
        const zipnn_source source = zt_file(&in);
        const zipnn_sink sink = zt_pipe_sink(&out);
        assert_int_equal(zipnn_unpack(r.ctx, &source, &sink, NULL, &err), ZIPNN_E_BASE);
        assert_non_null(strstr(err.message, "which was not given"));
        assert_int_equal(test_archive(&r, &top, NULL), ZIPNN_OK); /* as far as it goes */
    }
    for (unsigned i = 0; i < 2 * N_LEVELS; i++)
        if (atomic_load(&r.in[i].calls) > 8) fail_msg("file %u was read %zu times", i, atomic_load(&r.in[i].calls));
    end(&r);
    for (unsigned i = 0; i < 2 * N_LEVELS; i++) zt_forge_free(&files[i]);
    zt_forge_free(&top);
}

/* A ring of archives made against each other, with a way out: whatever is asked for first. */
static void rings_of_bases_open_where_there_is_a_way_out(void **state) {
    enum { LEN = 64 };
    struct zt_forge ring[3], way_out, top;
    uint8_t bytes[LEN], xxh3[16];
    (void)state;
    memset(bytes, 5, sizeof bytes);
    zt_digest_of(bytes, LEN, xxh3);
    for (unsigned first = 0; first < 3; first++)
        for (unsigned with = 0; with < 2; with++) {
            struct run r = {.n_bases = 0};
            uint8_t names[4][16];
            for (unsigned i = 0; i < 4; i++) memset(names[i], (int)i + 1, 16);
            for (unsigned i = 0; i < 3; i++) { /* content i is made against content i + 1, and the last one against 0 */
                zt_forge_begin(&ring[i], ZN_FLAG_BASES, ZN_MAX_CHUNK);
                zt_forge_base(&ring[i], names[(i + 1) % 3], LEN, "next");
                zt_forge_copy(&ring[i], 1, 0, LEN, zt_check_of(bytes, LEN));
                zt_forge_end(&ring[i], names[i]);
                give_base(&r, &ring[i]);
            }
            zt_forge_begin(&way_out, 0, ZN_MAX_CHUNK);
            zt_forge_constant(&way_out, 5, LEN);
            zt_forge_end(&way_out, names[1]);
            if (with) give_base(&r, &way_out);
            zt_forge_begin(&top, ZN_FLAG_BASES, ZN_MAX_CHUNK);
            zt_forge_base(&top, names[first], LEN, "first");
            zt_forge_copy(&top, 1, 0, LEN, zt_check_of(bytes, LEN));
            zt_forge_end(&top, xxh3);
            begin(&r, 1);
            uint8_t out[LEN];
            size_t got;
            zipnn_error err = {ZIPNN_OK, 0, ""};
            const zipnn_status status = zipnn_decompress(r.ctx, top.data, top.len, out, LEN, &got, &err);
            if (status != (with ? ZIPNN_OK : ZIPNN_E_BASE)) fail_msg("%u, %u: %s", first, with, err.message);
            end(&r);
            for (unsigned i = 0; i < 3; i++) zt_forge_free(&ring[i]);
            zt_forge_free(&way_out);
            zt_forge_free(&top);
        }
}

/* A flatbuffer whose tables lie before and behind the border of two chunks in turn: each read wants the other chunk. */
static void listings_pay_for_what_they_decode_again(void **state) {
    enum { N = 4000 };
    struct run r = {.n_bases = 0};
    struct zt_forge f;
    (void)state;
    zt_forge_begin(&f, 0, ZN_MAX_CHUNK);
    for (unsigned i = 0; i < 8; i++) zt_forge_constant(&f, 0, LARGE);
    zt_forge_end(&f, NULL);
    struct zt_input in = {.data = f.data, .len = f.len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *a;
    begin(&r, 1);
    assert_int_equal(zipnn_archive_open(r.ctx, &source, &a, NULL), ZIPNN_OK);
    const struct zn_toll toll = zn_engine_toll(&r.ctx->engine);
    assert_true(toll.own + toll.referred <= (256 << 20) + 6 * f.original);
    zipnn_archive_close(a);
    end(&r);
    zt_forge_free(&f);
}

/* A pipe that announces a frame of 4 GiB which is no index: refused before it is read. */
static void frames_in_a_pipe_are_refused_by_their_length(void **state) {
    struct run r = {.n_bases = 0};
    struct zt_forge f;
    zipnn_error err;
    (void)state;
    zt_forge_begin(&f, 0, ZN_MAX_CHUNK);
    zt_forge_constant(&f, 0, 100);
    const size_t frame = f.len;
    zt_forge_end(&f, NULL);
    for (unsigned k = 0; k < 3; k++) {
        const uint32_t lens[] = {UINT32_MAX, ZN_MAX_ANCILLARY + 1, 100 << 20};
        zn_put_u32(f.data + frame + 8, lens[k]);
        struct zt_input in = {.data = f.data, .len = f.len};
        const zipnn_source source = zt_pipe(&in);
        begin(&r, 1);
        assert_int_equal(zipnn_test(r.ctx, &source, NULL, &err), ZIPNN_E_CORRUPT);
        assert_non_null(strstr(err.message, "other than the index of 1 frames"));
        assert_true(in.pos <= frame + ZN_FRAME_LEN);
        end(&r);
    }
    zt_forge_free(&f);
}

/* Zeros, as in a file with a hole, at any offset. */
static zipnn_status read_zeros(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    atomic_uint_least64_t *bytes = user;
    (void)off, (void)err;
    memset(buf, 0, len);
    atomic_fetch_add(bytes, len);
    return ZIPNN_OK;
}

static void estimates_look_at_so_many_chunks(void **state) {
    struct run r = {.n_bases = 0};
    atomic_uint_least64_t bytes = 0;
    const zipnn_source source = {.read_at = read_zeros, .length = (uint64_t)1 << 62, .user = &bytes};
    zipnn_estimate_info info;
    (void)state;
    begin(&r, 1);
    assert_int_equal(zipnn_estimate(r.ctx, &source, 1 << 20, &info, NULL), ZIPNN_OK);
    assert_true(info.original == source.length && info.archive < source.length / 1000);
    assert_true(bytes < (uint64_t)(1 << 17) * (64 << 10));
    assert_true(atomic_load(&r.heap.peak) < 72 << 20);
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_that_are_referred_to_stay),
        cmocka_unit_test(references_pay_from_what_they_restore),
        cmocka_unit_test(chains_take_no_more_than_the_shelves),
        cmocka_unit_test(chains_that_lie_across_each_other_are_linear),
        cmocka_unit_test(work_does_not_double_with_every_archive),
        cmocka_unit_test(bases_are_opened_once),
        cmocka_unit_test(rings_of_bases_open_where_there_is_a_way_out),
        cmocka_unit_test(listings_pay_for_what_they_decode_again),
        cmocka_unit_test(frames_in_a_pipe_are_refused_by_their_length),
        cmocka_unit_test(estimates_look_at_so_many_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
