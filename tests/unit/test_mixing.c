/* Mixed predictions: every kind of float comes back whatever its bits are; damage is an error or other bytes, never a
 * fault; the runs of a chunk follow the plan; level 9 is worth its name. */
#include "chunk/mixed.h"
#include "codec/codec.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/unit.h"

enum { MAX_LEN = 1 << 16, N_DAMAGED = 600 };

static struct zn_codec make_codec(void **memory) {
    struct zn_codec codec = {0};
    struct zn_arena arena = {NULL, 0};
    zn_codec_carve(&codec, &arena, 2 * MAX_LEN, ZN_USE_BOTH);
    *memory = aligned_alloc(64, (arena.used + 63) / 64 * 64);
    assert_non_null(*memory);
    arena = (struct zn_arena){*memory, 0};
    zn_codec_carve(&codec, &arena, 2 * MAX_LEN, ZN_USE_BOTH);
    assert_int_equal(zn_codec_open(&codec, &zn_kernels_scalar, ZN_USE_BOTH, NULL), ZIPNN_OK);
    return codec;
}

static void close_codec(struct zn_codec *codec, void *memory) {
    zn_codec_close(codec);
    free(memory);
}

static const struct zn_mixing_words formats[] = {
    {.width = 1, .exponent = 2},
    {.width = 1, .exponent = 4},
    {.width = 1, .exponent = 5},
    {.width = 1, .exponent = 7},
    {.width = 2, .exponent = 2},
    {.width = 2, .exponent = 5},
    {.width = 2, .exponent = 8},
    {.width = 4, .exponent = 2},
    {.width = 4, .exponent = 8},
    {.width = 2, .exponent = 8, .head = 1},
    {.width = 4, .exponent = 8, .head = 3},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

/* Up to three runs of n words with axes, phases and none. */
static size_t some_runs(uint32_t n, struct zn_mixing_run *runs) {
    if (n < 100) {
        runs[0] = (struct zn_mixing_run){n, {1, 1}, 0};
        return 1;
    }
    runs[0] = (struct zn_mixing_run){n / 2, {3, 7}, 20};
    runs[1] = (struct zn_mixing_run){n / 3, {1, n / 3}, n / 7};
    runs[2] = (struct zn_mixing_run){n - n / 2 - n / 3, {1, 1}, 0};
    return 3;
}

/* Encodes into `coded`; returns the length, 0 when `limit` is too small. */
static size_t encode(struct zn_codec *codec, const struct zn_mixing_words *format, const uint8_t *src, size_t n,
                     size_t limit, uint8_t *coded) {
    struct zn_mixing_run runs[3];
    struct zn_mixing_words words = *format;
    words.runs = runs;
    words.n_runs = some_runs((uint32_t)((n - words.head) / words.width), runs);
    struct zn_out out = zn_out_of(coded, 2 * MAX_LEN);
    return zn_mixing_encode(codec, &words, src, n, limit, &out) ? zn_out_len(&out) : 0;
}

static zipnn_status decode(struct zn_codec *codec, const uint8_t *coded, size_t len, uint8_t *out, size_t n) {
    const struct zn_coded in = {ZN_CODEC_MIXING, coded, len, 0};
    return zn_stream_decode(codec, 0, &in, out, n, NULL);
}

static void every_float_comes_back(void **state) {
    (void)state;
    static const size_t lengths[] = {8, 9, 1001, 6003};
    void *memory;
    struct zn_codec codec = make_codec(&memory);
    struct guard in = guard_make(2 * MAX_LEN), out = guard_make(MAX_LEN);
    uint8_t *src = malloc(MAX_LEN), *coded = malloc(2 * MAX_LEN);
    assert_true(src && coded);
    for (unsigned f = 0; f < N_FORMATS; f++)
        for (int kind = 0; kind < ZT_N_SAMPLES; kind++)
            for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
                const size_t n = lengths[l];
                zt_sample((enum zt_sample)kind, f, src, n);
                const size_t len = encode(&codec, &formats[f], src, n, 2 * n + 100, coded);
                assert_true(len > 0);
                uint8_t *exact = guard_high(&in, len), *to = guard_high(&out, n);
                memcpy(exact, coded, len);
                assert_int_equal(decode(&codec, exact, len, to, n), ZIPNN_OK);
                assert_memory_equal(to, src, n);
                assert_int_equal(encode(&codec, &formats[f], src, n, len, coded), len);
                assert_int_equal(encode(&codec, &formats[f], src, n, len - 1, coded), 0);
            }
    free(src);
    free(coded);
    guard_free(&in);
    guard_free(&out);
    close_codec(&codec, memory);
}

static void damage_is_survived(void **state) {
    (void)state;
    enum { N = 3001 };
    void *memory;
    struct zn_codec codec = make_codec(&memory);
    struct guard in = guard_make(2 * N), out = guard_make(N);
    uint8_t src[N], coded[2 * N];
    uint64_t random = 1;
    for (unsigned f = 0; f < N_FORMATS; f++) {
        zt_sample(f % 2 ? ZT_BF16 : ZT_MIXED, f, src, N);
        const size_t len = encode(&codec, &formats[f], src, N, 2 * N, coded);
        for (unsigned i = 0; i < N_DAMAGED; i++) {
            const size_t kept = i % 3 ? len : (size_t)(zt_random(&random) % len);
            uint8_t *bad = guard_high(&in, kept);
            memcpy(bad, coded, kept);
            const size_t most = i % 2 ? kept : ZN_MIN(kept, (size_t)40); /* the head gets its share */
            if (i % 3 && most) bad[zt_random(&random) % most] ^= (uint8_t)(1u << i % 8);
            const zipnn_status status = decode(&codec, bad, kept, guard_high(&out, N), N);
            assert_true(status == ZIPNN_OK || status == ZIPNN_E_CORRUPT);
            assert_true(i % 3 || status == ZIPNN_E_CORRUPT);
        }
    }
    guard_free(&in);
    guard_free(&out);
    close_codec(&codec, memory);
}

/* Heads and runs that break a rule each; the first breaks none. */
static void rules_are_kept(void **state) {
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        zipnn_status expected;
    } cases[] = {
        {0, 2, ZIPNN_OK},           {0, 0, ZIPNN_E_CORRUPT},   {0, 3, ZIPNN_E_CORRUPT},    {0, 8, ZIPNN_E_CORRUPT},
        {1, 1, ZIPNN_E_CORRUPT},    {1, 9, ZIPNN_E_CORRUPT},   {2, 2, ZIPNN_E_CORRUPT},    {3, 8, ZIPNN_E_CORRUPT},
        {4, 1, ZIPNN_E_CORRUPT},    {4, 4, ZIPNN_E_CORRUPT},   {5, 2, ZIPNN_E_CORRUPT},    {6, 3, ZIPNN_E_CORRUPT},
        {6, 5, ZIPNN_E_CORRUPT},    {9, 255, ZIPNN_E_CORRUPT}, {13, 255, ZIPNN_E_CORRUPT}, {14, 0, ZIPNN_E_CORRUPT},
        {14, 51, ZIPNN_E_CORRUPT},  {14, 49, ZIPNN_E_CORRUPT}, {15, 0, ZIPNN_E_CORRUPT},   {15, 51, ZIPNN_E_CORRUPT},
        {15, 255, ZIPNN_E_CORRUPT}, {16, 0, ZIPNN_E_CORRUPT},  {16, 51, ZIPNN_E_CORRUPT},  {17, 1, ZIPNN_E_CORRUPT},
    };
    enum { N = 100 };
    const struct zn_mixing_run run = {N / 2, {1, 1}, 0};
    const struct zn_mixing_words words = {.width = 2, .exponent = 8, .runs = &run, .n_runs = 1};
    void *memory;
    struct zn_codec codec = make_codec(&memory);
    uint8_t src[N], coded[3 * N], out[N];
    zt_sample(ZT_BF16, 1, src, N);
    struct zn_out to = zn_out_of(coded, sizeof coded);
    assert_true(zn_mixing_encode(&codec, &words, src, N, sizeof coded, &to));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bad[sizeof coded];
        memcpy(bad, coded, sizeof coded);
        bad[cases[i].at] = cases[i].value;
        assert_int_equal(decode(&codec, bad, zn_out_len(&to), out, N), cases[i].expected);
    }
    close_codec(&codec, memory);
}

/* ---- chunks ---- */

static struct zn_plan plan_of(const uint64_t (*tensors)[6], size_t n) {
    struct zn_plan plan;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    zn_plan_init(&plan, &alloc);
    for (size_t i = 0; i < n; i++) {
        const uint64_t *t = tensors[i];
        uint64_t size = 2;
        uint32_t rank = 0;
        for (; rank < 4 && t[2 + rank]; rank++) size *= t[2 + rank];
        assert_int_equal(zn_plan_add(&plan, t[0], size, (zipnn_dtype)t[1], "t", 1, &t[2], rank, NULL), ZIPNN_OK);
    }
    assert_int_equal(zn_plan_finish(&plan, NULL), ZIPNN_OK);
    return plan;
}

static void runs_follow_the_plan(void **state) {
    (void)state;
    static const uint64_t tensors[][6] = {
        {100, ZIPNN_BF16, 10, 20},      /* ends at 500 */
        {510, ZIPNN_BF16, 5},           /* 520 */
        {520, ZIPNN_BF16, 4, 1, 6},     /* 568 */
        {569, ZIPNN_BF16, 8, 4, 3, 3},  /* odd: 1145 */
        {1145, ZIPNN_BF16, 3, 3, 4, 8}, /* 1721 */
        {1721, ZIPNN_BF16, 1000000},
    };
    static const struct zn_mixing_run expected[] = {
        {30, {1, 1}, 0}, {200, {1, 20}, 0}, {5, {1, 1}, 0}, {5, {1, 1}, 0}, {24, {1, 6}, 0}, {1, {1, 1}, 0},
    };
    struct zn_plan plan = plan_of(tensors, sizeof tensors / sizeof *tensors);
    struct zn_mixing_run runs[20];
    size_t n = zn_mixed_runs(&plan, 40, 2000, 2, runs, 20);
    size_t words = 0;
    assert_true(n >= 6);
    for (size_t i = 0; i < n; i++) words += runs[i].n;
    assert_int_equal(words, 2000);
    for (size_t i = 0; i < 6; i++) assert_memory_equal(&runs[i], &expected[i], sizeof *runs);

    /* From the middle of a tensor: the first element's place is known. */
    assert_int_equal(zn_mixed_runs(&plan, 100 + 2 * 47, 100, 2, runs, 20), 1);
    assert_memory_equal(&runs[0], (&(struct zn_mixing_run){100, {1, 20}, 7}), sizeof *runs);
    /* An axis that is longer than the run says nothing. */
    assert_int_equal(zn_mixed_runs(&plan, 100, 19, 2, runs, 20), 1);
    assert_memory_equal(&runs[0], (&(struct zn_mixing_run){19, {1, 1}, 0}), sizeof *runs);
    /* Too many runs become one. */
    assert_int_equal(zn_mixed_runs(&plan, 40, 2000, 2, runs, 3), 3);
    assert_int_equal(runs[0].n + runs[1].n + runs[2].n, 2000);
    /* No plan, or words of another width. */
    assert_int_equal(zn_mixed_runs(NULL, 0, 77, 2, runs, 20), 1);
    assert_int_equal(zn_mixed_runs(&plan, 100, 77, 4, runs, 20), 1);
    assert_memory_equal(&runs[0], (&(struct zn_mixing_run){77, {1, 1}, 0}), sizeof *runs);
    zn_plan_free(&plan);
}

static size_t packed_len(int level, unsigned readers, const uint8_t *src, size_t n) {
    const size_t cap = (size_t)zipnn_compress_bound(n);
    const zipnn_options options = {.size = sizeof options, .level = level, .dtype = ZIPNN_BF16, .readers = readers};
    zipnn_ctx *ctx;
    uint8_t *archive = malloc(cap), *out = malloc(n);
    size_t len, out_len;
    assert_true(archive && out);
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_compress(ctx, src, n, archive, cap, &len, NULL), ZIPNN_OK);
    assert_int_equal(archive[11], level);
    assert_int_equal(zipnn_decompress(ctx, archive, len, out, n, &out_len, NULL), ZIPNN_OK);
    assert_int_equal(out_len, n);
    assert_memory_equal(out, src, n);
    zipnn_destroy(ctx);
    free(archive);
    free(out);
    return len;
}

static void level_9_is_smallest(void **state) {
    (void)state;
    enum { N = 250001 };
    uint8_t *src = malloc(N);
    assert_non_null(src);
    for (int kind = 0; kind < ZT_N_SAMPLES; kind++) {
        zt_sample((enum zt_sample)kind, 3, src, N);
        const size_t usual = packed_len(3, 0, src, N), best = packed_len(9, 0, src, N);
        assert_true(best <= usual);
        if (kind == ZT_BF16) assert_true(best < usual && best < packed_len(3, 100, src, N) - N / 200);
    }
    free(src);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_float_comes_back), cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(rules_are_kept),         cmocka_unit_test(runs_follow_the_plan),
        cmocka_unit_test(level_9_is_smallest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
