/* What the encoder chooses for an R16 stream: as many tables as pay, rare symbols left to the escapes, and an estimate
 * that is what it then writes. */
#include "codec/codec.h"
#include "codec/r16_fit.h"
#include "support/unit.h"

enum { N = 1 << 17 };

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

/* A symbol whose frequency halves with each step from 0 on. */
static unsigned geometric(uint64_t *seed) {
    return (unsigned)__builtin_ctz(next_random(seed) | 1u << 20);
}

struct bench {
    struct zn_codec codec;
    struct zn_arena arena;
    uint8_t plane[N], coded[N], back[N];
    uint32_t counts[256];
};

static void set_up(struct bench *b) {
    const zipnn_allocator memory = zn_allocator_or_default(NULL);
    b->arena = (struct zn_arena){0};
    zn_codec_carve(&b->codec, &b->arena, N, ZN_USE_BOTH);
    b->arena = (struct zn_arena){.base = zn_alloc(&memory, b->arena.used)};
    assert_non_null(b->arena.base);
    zn_codec_carve(&b->codec, &b->arena, N, ZN_USE_BOTH);
    assert_int_equal(zn_codec_open(&b->codec, &zn_kernels_scalar, ZN_USE_BOTH, NULL), ZIPNN_OK);
}

static void tear_down(struct bench *b) {
    const zipnn_allocator memory = zn_allocator_or_default(NULL);
    zn_codec_close(&b->codec);
    zn_free(&memory, b->arena.base);
}

/* Fits and writes the plane, which is as long as expected, within 1/64, and can be decoded. Returns its length. */
static size_t code(struct bench *b, size_t n) {
    const struct zn_effort effort = zn_effort_of(ZIPNN_LEVEL_DEFAULT);
    struct zn_out out = zn_out_of(b->coded, sizeof b->coded);
    memset(b->counts, 0, sizeof b->counts);
    for (size_t i = 0; i < n; i++) b->counts[b->plane[i]]++;
    const size_t expected = zn_r16_fit(&b->codec, 0, &effort, b->plane, n, b->counts);
    assert_true(zn_r16_write(&b->codec, 0, &effort, b->plane, n, &out));
    const size_t len = zn_out_len(&out), states = 2 * ZN_R16_LANES + 256;
    assert_in_range(len, expected - expected / 64, expected + expected / 64 + states);
    const struct zn_coded in = {.codec = ZN_CODEC_R16, .data = b->coded, .len = len};
    assert_int_equal(zn_stream_decode(&b->codec, 0, &in, b->back, n, NULL), ZIPNN_OK);
    assert_memory_equal(b->back, b->plane, n);
    return len;
}

static void one_distribution_gets_one_table(void **state) {
    struct bench *b = *state;
    uint64_t seed = 1;
    for (size_t i = 0; i < N; i++) b->plane[i] = (uint8_t)(100 + geometric(&seed));
    code(b, N);
    assert_int_equal(b->codec.fit[0]->n_tables, 1);
}

static void two_distributions_get_several(void **state) {
    struct bench *b = *state;
    uint64_t seed = 2;
    for (size_t i = 0; i < N; i++) b->plane[i] = (uint8_t)(100 + geometric(&seed) + (i >> 10 & 1) * 3);
    code(b, N);
    assert_in_range(b->codec.fit[0]->n_tables, 2, 4);
}

/* 2^-7 and rarer: together one slot, of which each would take one. */
static void rare_symbols_escape(void **state) {
    struct bench *b = *state;
    uint64_t seed = 3;
    for (size_t i = 0; i < N; i++) b->plane[i] = (uint8_t)(100 + geometric(&seed));
    code(b, N);
    assert_in_range(b->codec.fit[0]->models[0].n, 6, 8);
}

/* Sixteen symbols apart from one another that are all alike, in a stream too short for two tables: all but one are
 * listed, since no rarer class stands between them. */
static void a_single_table_lists_the_most_frequent(void **state) {
    struct bench *b = *state;
    uint64_t seed = 4;
    const size_t n = 2000;
    for (size_t i = 0; i < n; i++) {
        const unsigned r = next_random(&seed) % 64;
        b->plane[i] = (uint8_t)(r < 60 ? r % 15 * 16 : 1 + r);
    }
    code(b, n);
    assert_int_equal(b->codec.fit[0]->models[0].n, 15);
}

/* Whatever the length, level 1 counts no block beyond its end and at least a quarter of all words. */
static void samples_stay_within_blocks(void **state) {
    struct bench *b = *state;
    const struct zn_effort effort = zn_effort_of(ZIPNN_LEVEL_FAST);
    uint64_t seed = 5;
    for (size_t n = ZN_R16_FULL; n <= N / 2; n += n / 5) {
        struct zn_words words = {.shape = ZN_SHAPE_16R, .at = b->plane, .n = n};
        memset(b->counts, 0, sizeof b->counts);
        for (size_t i = 0; i < n; i++) {
            const unsigned exponent = 130 - next_random(&seed) % 31 * (next_random(&seed) % 2);
            zn_put_u16(b->plane + 2 * i, (uint16_t)(exponent << 7));
            b->counts[exponent]++;
        }
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            const struct zn_r16_fit *fit = b->codec.fit[0];
            uint64_t counted = 0;
            b->codec.k = zn_kernels_at(set);
            zn_r16_fit_words(&b->codec, &effort, &words, b->counts);
            for (unsigned t = 0; t < fit->n_tables; t++)
                for (unsigned c = 0; c < ZN_R16_CLASSES; c++) counted += fit->sums[t][c];
            assert_in_range(counted, n / 4, n);
        }
    }
    b->codec.k = &zn_kernels_scalar;
}

static int make(void **state) {
    static struct bench bench;
    set_up(&bench);
    *state = &bench;
    return 0;
}

static int unmake(void **state) {
    tear_down(*state);
    return 0;
}

/* Streams of parts of bytes have more symbols than the chunk has bytes, but a reader has room for no more escapes. A
 * stream may say other numbers than those that were looked at: it lies in mapped bytes. */
static void escapes_that_have_no_room_are_refused(void **state) {
    struct bench *b = *state;
    enum { ROOM = ZN_MOST_ESCAPES(N), LOWEST = 256 };
    static uint8_t back[ROOM + 1];
    for (uint32_t n = ROOM - 1; n <= ROOM + 1; n++) {
        struct zn_out out = zn_out_of(b->coded, sizeof b->coded);
        for (unsigned i = 0; i < 4; i++) zn_out_u8(&out, i == 2); /* one lane, no blocks, one table, no classes */
        zn_out_u32(&out, n);
        zn_out_u16(&out, 0); /* the table, which lists nothing */
        zn_out_u8(&out, ZN_CODEC_CONSTANT);
        zn_out_u32(&out, 1);
        zn_out_u8(&out, 7);
        zn_out_u16(&out, LOWEST);
        const struct zn_coded in = {.codec = ZN_CODEC_R16, .data = b->coded, .len = zn_out_len(&out)};
        memset(back, 0, sizeof back);
        assert_int_equal(zn_stream_decode(&b->codec, 0, &in, back, n, NULL), n > ROOM ? ZIPNN_E_CORRUPT : ZIPNN_OK);
        assert_int_equal(back[n - 1], n > ROOM ? 0 : 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_distribution_gets_one_table),
        cmocka_unit_test(two_distributions_get_several),
        cmocka_unit_test(rare_symbols_escape),
        cmocka_unit_test(a_single_table_lists_the_most_frequent),
        cmocka_unit_test(samples_stay_within_blocks),
        cmocka_unit_test(escapes_that_have_no_room_are_refused),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
