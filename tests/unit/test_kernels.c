/* Every kernel set against the scalar one and, where there is an outside definition, against that: all small sizes, all
 * alignments, both kinds of stores, with unreadable pages right before and after. The R16 coder has a test of its own.
 */
#define XXH_INLINE_ALL
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "kernels/hash/hash.h"
#include "kernels/kernels.h"
#include "support/guard.h"
#include "support/unit.h"

enum { MAX_PLANES = 8, SMALL = 300, LARGE = 70001, ROOM = LARGE * 8 + 64, CANARY = 0xa5 };

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void fill_random(uint8_t *p, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)next_random(&seed);
}

static void assert_canary(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) assert_int_equal(p[i], CANARY);
}

/* ---- split and merge --------------------------------------------------------------------------------------------- */

struct shape {
    enum zn_shape shape;
    unsigned width, n_planes;
};

static const struct shape shapes[] = {
    {ZN_SHAPE_8, 1, 1},   {ZN_SHAPE_16, 2, 2}, {ZN_SHAPE_16R, 2, 2}, {ZN_SHAPE_32, 4, 4},
    {ZN_SHAPE_32R, 4, 4}, {ZN_SHAPE_64, 8, 8}, {ZN_SHAPE_64R, 8, 8}, {ZN_SHAPE_F16, 2, 3},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static size_t plane_len(const struct shape *s, unsigned p, size_t n) {
    return s->shape == ZN_SHAPE_F16 && p == 1 ? (n + 63) / 64 * 24 : n;
}

/* Where the buffers of one call lie: at the lower guard page plus an offset, or flush with the upper one. */
enum { PLACE_HIGH = 64, N_PLACES };

struct rig {
    struct guard words, planes[MAX_PLANES];
    uint8_t *original, *split[MAX_PLANES]; /* what scalar makes of it */
};

static struct rig rig_make(void) {
    struct rig b = {.words = guard_make(ROOM), .original = malloc(ROOM)};
    assert_non_null(b.original);
    fill_random(b.original, ROOM, 1);
    for (unsigned p = 0; p < MAX_PLANES; p++) {
        b.planes[p] = guard_make(LARGE + 64);
        b.split[p] = malloc(LARGE + 64);
        assert_non_null(b.split[p]);
    }
    return b;
}

static void rig_free(struct rig *b) {
    guard_free(&b->words);
    free(b->original);
    for (unsigned p = 0; p < MAX_PLANES; p++) {
        guard_free(&b->planes[p]);
        free(b->split[p]);
    }
}

static uint8_t *place(const struct guard *g, unsigned where, size_t len) {
    return where == PLACE_HIGH ? guard_high(g, len) : guard_low(g) + where;
}

/* Gives `len` bytes at a place, with canaries in what room there is around them. */
static uint8_t *place_output(const struct guard *g, unsigned where, size_t len) {
    uint8_t *p = place(g, where, len);
    const size_t before = ZN_MIN((size_t)(p - guard_low(g)), 128);
    const size_t after = ZN_MIN((size_t)(guard_high(g, 0) - p) - len, 128);
    memset(p - before, CANARY, before + len + after);
    return p;
}

static void check_output(const struct guard *g, const uint8_t *p, const uint8_t *expected, size_t len) {
    const size_t before = ZN_MIN((size_t)(p - guard_low(g)), 128);
    const size_t after = ZN_MIN((size_t)(guard_high(g, 0) - p) - len, 128);
    assert_canary(p - before, before);
    assert_int_equal(memcmp(p, expected, len), 0);
    assert_canary(p + len, after);
}

static unsigned plane_place(unsigned where, unsigned p) {
    return where == PLACE_HIGH ? where : (where * 5 + p * 13) % 64;
}

static void check_split(struct rig *b, const struct zn_kernels *k, const struct shape *s, size_t n, unsigned where) {
    uint8_t *src = place(&b->words, where, n * s->width), *planes[MAX_PLANES];
    memcpy(src, b->original, n * s->width);
    for (unsigned p = 0; p < s->n_planes; p++)
        planes[p] = place_output(&b->planes[p], plane_place(where, p), plane_len(s, p, n));
    k->split[s->shape](src, n, planes);
    for (unsigned p = 0; p < s->n_planes; p++) check_output(&b->planes[p], planes[p], b->split[p], plane_len(s, p, n));
}

/* Every step-th group of 64, as a split makes of it. */
static void check_sample(struct rig *b, const struct zn_kernels *k, const struct shape *s, size_t n, size_t step) {
    uint8_t *src = place(&b->words, PLACE_HIGH, n * s->width), *planes[MAX_PLANES];
    size_t len = 0;
    for (size_t i = 0; i < n; i += 64 * step) len += ZN_MIN(n - i, 64);
    memcpy(src, b->original, n * s->width);
    for (unsigned p = 0; p < s->n_planes; p++)
        planes[p] = place_output(&b->planes[p], PLACE_HIGH, plane_len(s, p, len));
    (s->shape == ZN_SHAPE_F16 ? k->sample_f16 : s->width == 2 ? k->sample_16r : k->sample_32r)(src, n, step, planes);
    for (unsigned p = 0; p < s->n_planes; p++) {
        uint8_t *expected = malloc(len + 64);
        size_t at = 0;
        assert_non_null(expected);
        for (size_t i = 0, part; i < n; i += 64 * step, at += part) {
            part = plane_len(s, p, ZN_MIN(n - i, 64));
            memcpy(expected + at, b->split[p] + plane_len(s, p, i), part);
        }
        check_output(&b->planes[p], planes[p], expected, at);
        free(expected);
    }
}

static void check_merge(struct rig *b, const struct zn_kernels *k, const struct shape *s, size_t n, unsigned where,
                        enum zn_store store) {
    const uint8_t *planes[MAX_PLANES];
    for (unsigned p = 0; p < s->n_planes; p++) {
        uint8_t *plane = place(&b->planes[p], plane_place(where, p), plane_len(s, p, n));
        memcpy(plane, b->split[p], plane_len(s, p, n));
        planes[p] = plane;
    }
    uint8_t *out = place_output(&b->words, where, n * s->width);
    k->merge[s->shape](planes, n, out, store);
    check_output(&b->words, out, b->original, n * s->width);
}

static void check_shape(struct rig *b, const struct shape *s, size_t n, unsigned place_step) {
    zn_kernels_scalar.split[s->shape](b->original, n, b->split);
    const struct zn_kernels *k;
    for (unsigned i = 0; (k = zn_kernels_at(i)) != NULL; i++)
        for (unsigned where = 0; where < N_PLACES; where += place_step) {
            check_split(b, k, s, n, where);
            if (s->shape == ZN_SHAPE_16R || s->shape == ZN_SHAPE_32R || s->shape == ZN_SHAPE_F16)
                check_sample(b, k, s, n, 1 + where % 5);
            check_merge(b, k, s, n, where, ZN_STORE_CACHED);
            check_merge(b, k, s, n, where, ZN_STORE_STREAM);
        }
}

static void splits_and_merges_agree_at_every_alignment(void **state) {
    (void)state;
    struct rig b = rig_make();
    for (unsigned s = 0; s < N_SHAPES; s++)
        for (size_t n = 0; n <= SMALL; n++) check_shape(&b, &shapes[s], n, n % 8 == 1 ? 1 : 16);
    rig_free(&b);
}

static void splits_and_merges_agree_on_large_inputs(void **state) {
    (void)state;
    static const size_t sizes[] = {511, 512, 513, 1024, 2048, 4095, 4096, 4097, 8192, 65536, 69999, LARGE};
    struct rig b = rig_make();
    for (unsigned s = 0; s < N_SHAPES; s++)
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            check_shape(&b, &shapes[s], sizes[i], i < 8 ? 4 : 16);
    rig_free(&b);
}

/* The scalar set against the contract's own words. */
static void planes_are_the_bytes_of_the_rotated_word(void **state) {
    (void)state;
    enum { N = 67 };
    struct rig b = rig_make();
    for (unsigned s = 0; s < N_SHAPES; s++) {
        const unsigned bits = 8 * shapes[s].width;
        const enum zn_shape shape = shapes[s].shape;
        const unsigned rotated = shape == ZN_SHAPE_16R || shape == ZN_SHAPE_32R || shape == ZN_SHAPE_64R;
        if (shape == ZN_SHAPE_F16) continue;
        zn_kernels_scalar.split[shape](b.original, N, b.split);
        for (size_t i = 0; i < N; i++)
            for (unsigned bit = 0; bit < bits; bit++) {
                const unsigned from = (bit + bits - rotated) % bits;
                const uint8_t *word = b.original + i * shapes[s].width;
                assert_int_equal(b.split[bit / 8][i] >> bit % 8 & 1, word[from / 8] >> from % 8 & 1);
            }
    }
    rig_free(&b);
}

static void f16_falls_apart_by_exponent(void **state) {
    (void)state;
    enum { N = 131 };
    struct rig b = rig_make();
    zn_kernels_scalar.split[ZN_SHAPE_F16](b.original, N, b.split);
    for (size_t i = 0; i < N; i++) {
        const unsigned w = zn_get_u16(b.original + 2 * i);
        assert_int_equal(b.split[2][i], w >> 10 & 31);
        assert_int_equal(b.split[0][i], (w << 1 & 0xfe) | w >> 15);
        for (unsigned m = 0; m < 3; m++) {
            const uint64_t mask = zn_get_u64(b.split[1] + i / 64 * 24 + 8 * m);
            assert_int_equal(mask >> i % 64 & 1, w >> (9 - m) & 1);
        }
    }
    for (unsigned m = 0; m < 3; m++) assert_int_equal(zn_get_u64(b.split[1] + 48 + 8 * m) >> N % 64, 0);
    rig_free(&b);
}

/* Bits that no split writes, in the exponent plane and in the last masks, make no difference to a merge. */
static void f16_merge_ignores_spare_bits(void **state) {
    (void)state;
    enum { N = 200 };
    uint8_t low[N], masks[4 * 24], top[N], expected[2 * N], out[2 * N];
    fill_random(low, sizeof low, 2);
    fill_random(masks, sizeof masks, 3);
    fill_random(top, sizeof top, 4);
    const uint8_t *planes[3] = {low, masks, top};
    zn_kernels_scalar.merge[ZN_SHAPE_F16](planes, N, expected, ZN_STORE_CACHED);
    const struct zn_kernels *k;
    for (unsigned i = 0; (k = zn_kernels_at(i)) != NULL; i++) {
        k->merge[ZN_SHAPE_F16](planes, N, out, ZN_STORE_CACHED);
        assert_memory_equal(out, expected, sizeof out);
    }
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* A map with `listed` symbols that have classes of their own, cyclically, and the rest in class 31. */
static void make_map(uint8_t map[256], unsigned listed, unsigned n_classes, uint64_t seed) {
    memset(map, ZN_R16_CLASSES - 1, 256);
    for (unsigned i = 0; i < listed; i++) map[next_random(&seed) & 255] = (uint8_t)(i % n_classes);
}

static void check_class_hist(const struct guard *plane, const struct guard *out, size_t n, const uint8_t *map,
                             unsigned n_classes) {
    static uint16_t expected[LARGE / 64 + 2][ZN_R16_CLASSES];
    for (unsigned step = 1; step <= 4; step *= 2)
        for (unsigned log2 = 6 + step / 2; log2 <= 13; log2 += 1 + log2 / 9) {
            const size_t n_blocks = (n + ((size_t)1 << log2) - 1) >> log2, len = n_blocks * sizeof expected[0];
            zn_kernels_scalar.class_hist(guard_high(plane, n), n, log2, map, n_classes, step, expected);
            const struct zn_kernels *k;
            for (unsigned i = 0; (k = zn_kernels_at(i)) != NULL; i++) {
                uint8_t *hist = place_output(out, PLACE_HIGH, len);
                k->class_hist(guard_high(plane, n), n, log2, map, n_classes, step, (uint16_t(*)[32])(void *)hist);
                check_output(out, hist, (const uint8_t *)expected, len);
            }
        }
}

static void class_histograms_agree(void **state) {
    (void)state;
    struct guard plane = guard_make(LARGE), out = guard_make((LARGE / 64 + 2) * 64);
    uint8_t map[256];
    for (unsigned listed = 0; listed <= 1000; listed = listed * 2 + 1)
        for (unsigned n_classes = 1; n_classes <= 32; n_classes += 1 + n_classes / 2) {
            make_map(map, listed, n_classes, listed + n_classes);
            for (size_t n = n_classes % 7; n <= LARGE; n += n < SMALL ? 7 : LARGE - 64 - n % 64) {
                uint8_t *p = guard_high(&plane, n);
                fill_random(p, n, n);
                for (size_t i = 0; i < n && n % 2; i++) p[i] = (uint8_t)(p[i] & 7) + 120;
                check_class_hist(&plane, &out, n, map, n_classes);
            }
        }
    guard_free(&plane);
    guard_free(&out);
}

/* What is counted from words is what is counted from their top plane. */
static void check_class_hist_words(struct rig *b, const struct shape *s, size_t n, const uint8_t *map,
                                   unsigned n_classes) {
    static uint16_t expected[LARGE / 64 + 2][ZN_R16_CLASSES];
    const uint8_t *src = place(&b->words, PLACE_HIGH, n * s->width), *top = b->split[s->n_planes - 1];
    memcpy(place(&b->words, PLACE_HIGH, n * s->width), b->original, n * s->width);
    for (unsigned step = 1; step <= 4; step *= 2)
        for (unsigned log2 = 6 + step / 2; log2 <= ZN_R16_MAX_COUNTED; log2 += 2) {
            const size_t n_blocks = (n + ((size_t)1 << log2) - 1) >> log2, len = n_blocks * sizeof expected[0];
            zn_kernels_scalar.class_hist(top, n, log2, map, n_classes, step, expected);
            const struct zn_kernels *k;
            for (unsigned i = 0; (k = zn_kernels_at(i)) != NULL; i++) {
                uint8_t *hist = place_output(&b->planes[0], PLACE_HIGH, len);
                (s->shape == ZN_SHAPE_F16 ? k->class_hist_f16
                 : s->width == 2
                     ? k->class_hist_16r
                     : k->class_hist_32r)(src, n, log2, map, n_classes, step, (uint16_t(*)[32])(void *)hist);
                check_output(&b->planes[0], hist, (const uint8_t *)expected, len);
            }
        }
}

static void class_histograms_of_words_agree(void **state) {
    (void)state;
    static const struct shape words[] = {{ZN_SHAPE_16R, 2, 2}, {ZN_SHAPE_32R, 4, 4}, {ZN_SHAPE_F16, 2, 3}};
    static const size_t lens[] = {0, 1, 63, 64, 129, 640, 5000, LARGE - 5};
    struct rig b = rig_make();
    uint8_t map[256];
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        for (unsigned l = 0; l < sizeof lens / sizeof *lens; l++)
            for (unsigned n_classes = 3; n_classes <= 32; n_classes += 12) {
                make_map(map, n_classes == 15 ? 15 : 100, n_classes, n_classes);
                fill_random(b.original, lens[l] * words[i].width, l);
                zn_kernels_scalar.split[words[i].shape](b.original, lens[l], b.split);
                check_class_hist_words(&b, &words[i], lens[l], map, n_classes);
            }
    rig_free(&b);
}

static void class_histogram_counts_each_sampled_symbol(void **state) {
    (void)state;
    enum { N = 5000 };
    uint8_t plane[N], map[256];
    uint16_t hist[N / 512 + 1][ZN_R16_CLASSES], expected[N / 512 + 1][ZN_R16_CLASSES] = {{0}};
    fill_random(plane, N, 5);
    make_map(map, 40, 15, 6);
    for (size_t i = 0; i < N; i++)
        if (i / 64 % 2 == 0) expected[i / 512][map[plane[i]]]++;
    zn_kernels_scalar.class_hist(plane, N, 9, map, 15, 2, hist);
    assert_memory_equal(hist, expected, sizeof hist);
}

static void byte_histograms_count_every_step_th_group(void **state) {
    (void)state;
    struct guard plane = guard_make(LARGE);
    const struct zn_kernels *k;
    for (size_t n = 0; n <= LARGE; n += n < SMALL ? 1 : LARGE - SMALL - 1)
        for (size_t step = 1; step < 2000; step = step * 3 / 2 + 1) {
            uint8_t *p = guard_high(&plane, n);
            fill_random(p, n, n + step);
            const unsigned middle = (unsigned)n * 37 % 256; /* like exponents: few of them, but for some anywhere */
            for (size_t i = 0; i < n && step % 2; i++)
                if (i % 50) p[i] = (uint8_t)ZN_MIN(middle + p[i] % 16, 255);
            uint32_t expected[256] = {1};
            for (size_t i = 0; i < n; i++) expected[p[i]] += i / 64 % step == 0;
            for (unsigned i = 0; (k = zn_kernels_at(i)) != NULL; i++) {
                uint32_t hist[256] = {1};
                k->byte_hist(p, n, step, hist);
                assert_memory_equal(hist, expected, sizeof hist);
            }
        }
    guard_free(&plane);
}

static void make_hist(uint16_t hist[ZN_R16_CLASSES], uint64_t *seed) {
    static const unsigned room[4] = {0, 2047, 32768, 65535};
    unsigned left = room[next_random(seed) & 3];
    memset(hist, 0, sizeof(uint16_t) * ZN_R16_CLASSES);
    if (next_random(seed) % 4 == 0) { /* one class takes it all */
        hist[next_random(seed) % ZN_R16_CLASSES] = (uint16_t)left;
        return;
    }
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) {
        hist[c] = (uint16_t)(next_random(seed) % (left / 4 + 1));
        left -= hist[c];
    }
}

static void check_assign(const struct guard g[3], size_t n_blocks, unsigned n_tables, unsigned max_cost,
                         uint64_t seed) {
    uint16_t(*hist)[ZN_R16_CLASSES] = (void *)guard_high(&g[0], n_blocks * 64);
    uint16_t(*cost)[ZN_R16_CLASSES] = (void *)guard_high(&g[1], n_tables * 64);
    uint8_t expected[SMALL];
    for (size_t b = 0; b < n_blocks; b++) make_hist(hist[b], &seed);
    for (unsigned t = 0; t < n_tables; t++)
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++) cost[t][c] = (uint16_t)(next_random(&seed) % (max_cost + 1));
    zn_kernels_scalar.assign((void *)hist, n_blocks, (void *)cost, n_tables, expected);
    const struct zn_kernels *k;
    for (unsigned i = 0; (k = zn_kernels_at(i)) != NULL; i++) {
        uint8_t *ids = place_output(&g[2], PLACE_HIGH, n_blocks);
        k->assign((void *)hist, n_blocks, (void *)cost, n_tables, ids);
        check_output(&g[2], ids, expected, n_blocks);
    }
}

static void assignments_agree(void **state) {
    (void)state;
    struct guard g[3] = {guard_make(SMALL * 64), guard_make(ZN_R16_MAX_TABLES * 64), guard_make(SMALL)};
    for (unsigned n_tables = 1; n_tables <= ZN_R16_MAX_TABLES; n_tables++)
        for (size_t n_blocks = 0; n_blocks <= SMALL; n_blocks += 1 + n_blocks / 3)
            for (unsigned max_cost = 0; max_cost <= 4095; max_cost = max_cost * 8 + 1 + max_cost / 512)
                check_assign(g, n_blocks, n_tables, max_cost, n_tables + n_blocks);
    for (unsigned i = 0; i < 3; i++) guard_free((struct guard *)&g[i]);
}

/* Weights and sums of histograms, from their definitions. */
static void check_hists(const struct guard g[3], size_t n_blocks, uint64_t seed) {
    uint16_t(*hist)[ZN_R16_CLASSES] = (void *)guard_high(&g[0], n_blocks * 64);
    uint8_t *ids = guard_high(&g[1], n_blocks);
    for (size_t b = 0; b < n_blocks; b++) {
        make_hist(hist[b], &seed);
        ids[b] = (uint8_t)(next_random(&seed) % ZN_R16_MAX_TABLES);
    }
    const struct zn_kernels *k;
    for (unsigned i = 0; (k = zn_kernels_at(i)) != NULL; i++) {
        uint32_t *weights = (void *)guard_high(&g[2], n_blocks * sizeof *weights);
        uint32_t sums[ZN_R16_MAX_TABLES][ZN_R16_CLASSES] = {{0}};
        k->hist_weights((void *)hist, n_blocks, weights);
        k->hist_sums((void *)hist, n_blocks, ids, sums);
        for (size_t b = 0; b < n_blocks; b++) {
            uint32_t weight = 0;
            for (unsigned c = 0; c + 1 < ZN_R16_CLASSES; c++) weight += hist[b][c] * c;
            assert_int_equal(weights[b], weight);
            for (unsigned c = 0; c < ZN_R16_CLASSES; c++) sums[ids[b]][c] -= hist[b][c];
        }
        for (unsigned t = 0; t < ZN_R16_MAX_TABLES; t++)
            for (unsigned c = 0; c < ZN_R16_CLASSES; c++) assert_int_equal(sums[t][c], 0);
    }
}

static void hists_add_up(void **state) {
    (void)state;
    struct guard g[3] = {guard_make(SMALL * 64), guard_make(SMALL), guard_make(SMALL * 4)};
    for (size_t n_blocks = 0; n_blocks <= SMALL; n_blocks += 1 + n_blocks / 3) check_hists(g, n_blocks, n_blocks);
    for (unsigned i = 0; i < 3; i++) guard_free(&g[i]);
}

static void dearest_assignment_does_not_overflow(void **state) {
    (void)state;
    uint16_t hist[1][ZN_R16_CLASSES] = {{0}}, cost[3][ZN_R16_CLASSES];
    hist[0][30] = 65535;
    for (unsigned t = 0; t < 3; t++)
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++) cost[t][c] = 4095;
    cost[1][30] = cost[2][30] = 4094;
    const struct zn_kernels *k;
    for (unsigned i = 0; (k = zn_kernels_at(i)) != NULL; i++) {
        uint8_t id = 9;
        k->assign((void *)hist, 1, (void *)cost, 3, &id);
        assert_int_equal(id, 1);
    }
}

/* ---- hashing ----------------------------------------------------------------------------------------------------- */

static void hashes_are_those_of_xxhash(void **state) {
    (void)state;
    struct guard g = guard_make(ROOM), copies = guard_make(ROOM);
    const struct zn_kernels *k;
    for (size_t len = 0; len < ROOM; len += len < 2000 ? 1 : len / 2)
        for (unsigned where = 0; where < N_PLACES; where += 8) {
            uint8_t *p = place(&g, where, len);
            fill_random(p, len, len);
            for (unsigned i = 0; (k = zn_kernels_at(i)) != NULL; i++) {
                struct zn_ahead ahead = {.at = p, .len = len, .lines = (unsigned)len % 5};
                assert_true(k->xxh3_64(p, len) == XXH3_64bits(p, len));
                assert_true(k->xxh3_64_passing(p, len, &ahead, NULL) == XXH3_64bits(p, len));
                uint8_t *copy = place_output(&copies, plane_place(where, (unsigned)len % 5), len);
                assert_true(k->xxh3_64_passing(p, len, &ahead, copy) == XXH3_64bits(p, len));
                k->settle();
                check_output(&copies, copy, p, len);
                if (!k->check_begin) continue;
                struct zn_check check; /* of which no decoder takes anything */
                k->check_begin(&check, p, len);
                assert_true(k->check_end(&check) == XXH3_64bits(p, len));
            }
        }
    guard_free(&g);
    guard_free(&copies);
}

static void streamed_hashes_are_those_of_xxhash_across_sets(void **state) {
    (void)state;
    struct guard g = guard_make(ROOM);
    _Alignas(ZN_XXH3_STATE_ALIGN) uint8_t hash[ZN_XXH3_STATE_SIZE];
    unsigned n_sets = 0;
    while (zn_kernels_at(n_sets)) n_sets++;
    uint64_t seed = 7;
    for (unsigned round = 0; round < 400; round++) {
        const size_t len = next_random(&seed) % (round < 200 ? 3000 : ROOM);
        uint8_t *p = guard_high(&g, len), digest[16];
        fill_random(p, len, round);
        zn_xxh3_128_reset(hash);
        for (size_t i = 0, piece; i < len; i += piece) {
            piece = next_random(&seed) % (round % 2 ? 300u : 9000u);
            piece = ZN_MIN(piece, len - i);
            const unsigned set = round % (n_sets + 1) == n_sets ? next_random(&seed) % n_sets : round % (n_sets + 1);
            zn_kernels_at(set)->xxh3_update(hash, p + i, piece);
        }
        XXH128_canonical_t expected;
        XXH128_canonicalFromHash(&expected, XXH3_128bits(p, len));
        zn_xxh3_128_digest(hash, digest);
        assert_memory_equal(digest, expected.digest, 16);
    }
    guard_free(&g);
}

/* What the standard and others' programs say, in pieces of all sizes, by every loop that runs here. */
static void sha256_is_the_known_one(void **state) {
    (void)state;
    static const struct {
        size_t len; /* times 'a' */
        const char *hex;
    } known[] = {
        {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {1, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
        {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"},
        {120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
        {1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    struct guard g = guard_make(1000000);
    zn_sha256_loop *const loops[] = {zn_sha256_blocks_scalar, zn_kernels_sha256(zn_kernels_at(0))};
    uint64_t seed = 3;
    for (size_t i = 0; i < sizeof known / sizeof *known * 20; i++) {
        const size_t len = known[i / 20].len;
        const uint8_t *p = memset(guard_high(&g, len), 'a', len);
        struct zn_sha256 sha;
        zn_sha256_begin(&sha, loops[i % 2]);
        for (size_t at = 0, piece; at < len; at += piece) {
            piece = next_random(&seed) % (len > 1000 ? 100000 : 70);
            piece = ZN_MIN(piece, len - at);
            zn_sha256_update(&sha, p + at, piece);
        }
        uint8_t digest[32];
        char hex[65];
        zn_sha256_digest(&sha, digest);
        for (unsigned b = 0; b < 32; b++) snprintf(hex + 2 * (size_t)b, 3, "%02x", digest[b]);
        assert_string_equal(hex, known[i / 20].hex);
    }
    guard_free(&g);
}

static void scalar_is_the_last_set(void **state) {
    (void)state;
    unsigned n = 0;
    while (zn_kernels_at(n)) n++;
    assert_true(n >= 1);
    assert_ptr_equal(zn_kernels_at(n - 1), &zn_kernels_scalar);
    assert_null(zn_kernels_at(n + 100));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_the_known_one),
        cmocka_unit_test(scalar_is_the_last_set),
        cmocka_unit_test(planes_are_the_bytes_of_the_rotated_word),
        cmocka_unit_test(f16_falls_apart_by_exponent),
        cmocka_unit_test(f16_merge_ignores_spare_bits),
        cmocka_unit_test(splits_and_merges_agree_at_every_alignment),
        cmocka_unit_test(splits_and_merges_agree_on_large_inputs),
        cmocka_unit_test(class_histograms_agree),
        cmocka_unit_test(class_histograms_of_words_agree),
        cmocka_unit_test(class_histogram_counts_each_sampled_symbol),
        cmocka_unit_test(byte_histograms_count_every_step_th_group),
        cmocka_unit_test(assignments_agree),
        cmocka_unit_test(hists_add_up),
        cmocka_unit_test(dearest_assignment_does_not_overflow),
        cmocka_unit_test(hashes_are_those_of_xxhash),
        cmocka_unit_test(streamed_hashes_are_those_of_xxhash_across_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
