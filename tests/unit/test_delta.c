/* Chunks against a reference: every way of coding gives the chunk back, from any kernel set and with the same bytes;
 * what a delta is worth; damage is an error or other bytes, never a fault. */
#include <stdio.h>

#include "delta/delta.h"
#include "support/guard.h"
#include "support/unit.h"

enum { MAX = 1 << 17, N_DAMAGED = 1500 };

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

static unsigned below(uint64_t *seed, unsigned n) {
    return next_random(seed) % n;
}

struct rig {
    struct zn_coder coder[4]; /* by kernel set */
    void *arena[4];
    unsigned n_sets;
    struct guard src, ref, out, coded;
    uint8_t *payload, *other;
};

static struct rig *rig_make(void) {
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (unsigned i = 0; zn_kernels_at(i); i++, r->n_sets++) {
        struct zn_arena arena = {NULL, 0};
        zn_coder_carve(&r->coder[i], &arena, MAX, ZN_USE_BOTH);
        r->arena[i] = aligned_alloc(64, (arena.used + 63) / 64 * 64);
        assert_non_null(r->arena[i]);
        arena = (struct zn_arena){r->arena[i], 0};
        zn_coder_carve(&r->coder[i], &arena, MAX, ZN_USE_BOTH);
        assert_int_equal(zn_codec_open(&r->coder[i].codec, zn_kernels_at(i), ZN_USE_BOTH, NULL), ZIPNN_OK);
    }
    r->src = guard_make(MAX), r->ref = guard_make(MAX), r->out = guard_make(MAX), r->coded = guard_make(2 * MAX);
    r->payload = malloc(2 * MAX), r->other = malloc(2 * MAX);
    assert_true(r->payload && r->other);
    return r;
}

static void rig_free(struct rig *r) {
    for (unsigned i = 0; i < r->n_sets; i++) {
        zn_codec_close(&r->coder[i].codec);
        free(r->arena[i]);
    }
    guard_free(&r->src), guard_free(&r->ref), guard_free(&r->out), guard_free(&r->coded);
    free(r->payload), free(r->other);
    free(r);
}

/* ---- pairs ---- */

enum change {
    NOTHING,
    FEW,    /* one in 100 by one step */
    SMALL,  /* half by a step or so */
    MANY,   /* all by many steps, more where values are small */
    SCALED, /* half the exponent, the rest is new */
    WILD    /* now and then anything at all, in a stream of small steps */
};

static uint32_t get(const uint8_t *p, unsigned width) {
    return width == 1 ? *p : width == 2 ? zn_get_u16(p) : zn_get_u32(p);
}

static void put(uint8_t *p, unsigned width, uint32_t w) {
    for (unsigned i = 0; i < width; i++) p[i] = (uint8_t)(w >> 8 * i);
}

struct pair_case {
    zipnn_dtype dtype;
    unsigned width, mantissa; /* bits below the exponent; 0 for integers */
    uint32_t middle;          /* usual exponent */
};

/* A reference of floats around 2^middle, or of small integers. */
static uint32_t make_value(const struct pair_case *c, uint64_t *seed) {
    const uint32_t noise = next_random(seed) ^ next_random(seed) << 16, sign = noise >> 31 << (8 * c->width - 1);
    uint32_t down = 0;
    if (!c->mantissa) return (uint32_t)below(seed, 100) + below(seed, 100) - 99;
    while (down < c->middle && below(seed, 2)) down++;
    return sign | (c->middle - down) << c->mantissa | (noise & ((UINT32_C(1) << c->mantissa) - 1));
}

static uint32_t changed(const struct pair_case *c, uint32_t w, enum change change, uint64_t *seed) {
    const uint32_t exponent = c->mantissa ? w >> c->mantissa & 31 : 0, noise = next_random(seed);
    const unsigned room = (c->middle & 31) > exponent ? (c->middle & 31) - exponent : 0;
    switch (change) {
        case NOTHING:
            return w;
        case FEW:
            return noise % 100 ? w : w + (noise >> 20 & 1 ? 1 : UINT32_MAX);
        case SMALL:
            return w + (noise & 3) - 1;
        case MANY:
            return w + ((noise & 31) << (room < 8 ? room : 8)) - (16U << (room < 8 ? room : 8));
        case SCALED:
            if (!c->mantissa) return noise;
            return ((w >> c->mantissa & (c->width == 2 && c->mantissa == 10 ? 31 : 255)) / 2 + (noise & 1))
                       << c->mantissa |
                   (next_random(seed) & ((UINT32_C(1) << c->mantissa) - 1)) | (noise >> 1 & 1) << (8 * c->width - 1);
        default:
            return noise % 50 ? w + (noise & 1) : noise;
    }
}

static void make_pair(const struct rig *r, const struct pair_case *c, unsigned head, uint32_t len, enum change change,
                      uint64_t seed) {
    uint8_t *src = guard_high(&r->src, len), *ref = guard_high(&r->ref, len);
    for (uint32_t i = 0; i < len; i++) src[i] = ref[i] = (uint8_t)next_random(&seed);
    for (uint32_t i = head; i + c->width <= len; i += c->width) {
        put(ref + i, c->width, make_value(c, &seed));
        put(src + i, c->width, changed(c, get(ref + i, c->width), change, &seed));
    }
}

static const struct pair_case cases[] = {
    {ZIPNN_BF16, 2, 7, 120}, {ZIPNN_F16, 2, 10, 12},           {ZIPNN_F32, 4, 23, 120},   {ZIPNN_I8, 1, 0, 0},
    {ZIPNN_U8, 1, 0, 0},     {ZIPNN_F8_E4M3, 1, 3, 10},        {ZIPNN_F8_E5M2, 1, 2, 20}, {ZIPNN_I16, 2, 0, 0},
    {ZIPNN_I32, 4, 0, 0},    {ZIPNN_DTYPE_UNKNOWN, 2, 7, 120},
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* Decodes where the reference lies. The memory becomes the chunk, or it stays as it was. */
static void patch_in_place(struct rig *r, unsigned set, const uint8_t *payload, uint32_t got, uint32_t len) {
    const uint8_t *src = guard_high(&r->src, len), *ref = guard_high(&r->ref, len);
    const struct zn_chunk_body body = {.data = payload, .len = got};
    uint8_t *memory = guard_high(&r->out, len);
    if (!zn_delta_patches(payload, got)) return;
    const uint64_t check = zn_kernels_at(set)->xxh3_64(src, len);
    for (uint64_t wrong = 0; wrong < 2; wrong++) {
        memcpy(memory, ref, len);
        const zipnn_status status = zn_delta_patch(&r->coder[set], &body, memory, len, check + wrong, NULL);
        if (wrong) assert_int_not_equal(status, ZIPNN_OK);
        assert_memory_equal(memory, status == ZIPNN_OK ? src : ref, len);
    }
}

/* Encodes with every set, decodes with every set; returns the payload's length. */
static uint32_t round_trip(struct rig *r, struct zn_chunk_hint hint, uint32_t len) {
    const struct zn_effort effort = zn_effort_of(3);
    const uint8_t *src = guard_high(&r->src, len), *ref = guard_high(&r->ref, len);
    const uint32_t got = zn_delta_encode(&(struct zn_encoder){&r->coder[0], &effort, hint, src, len}, ref, r->payload);
    for (unsigned i = 1; i < r->n_sets; i++) {
        assert_int_equal(zn_delta_encode(&(struct zn_encoder){&r->coder[i], &effort, hint, src, len}, ref, r->other),
                         got);
        assert_memory_equal(r->other, r->payload, got);
    }
    for (unsigned i = 0; i < r->n_sets && got; i++) {
        struct zn_chunk_body body = {.data = guard_high(&r->coded, got), .len = got};
        memcpy(guard_high(&r->coded, got), r->payload, got);
        uint8_t *out = guard_high(&r->out, len);
        zipnn_error err = {0};
        memset(out, 0, len);
        if (zn_delta_decode(&r->coder[i], &body, (struct zn_delta_reference){ref, len}, out, (enum zn_store)(i % 2),
                            &err) != ZIPNN_OK)
            fail_msg("%s: %s", zn_kernels_at(i)->name, err.message);
        assert_memory_equal(out, src, len);
        patch_in_place(r, i, body.data, got, len);
        assert_int_equal(zn_delta_patches(body.data, got), body.data[0] == ZN_LAYOUT_SPARSE);
    }
    return got;
}

/* ---- loops ---- */

enum { N_ELEMENTS = 1500 };

/* What a run of elements is split into. */
struct pieces {
    uint8_t symbols[N_ELEMENTS], bits[2 * N_ELEMENTS + 8], low[ZN_DELTA_MAX_LOW][N_ELEMENTS], literals[4 * N_ELEMENTS];
    size_t bits_len, low_len, literals_len;
};

static void split_run(const struct zn_kernels *k, struct zn_delta_grid grid, const uint8_t *src, const uint8_t *ref,
                      const uint8_t *context, struct pieces *to) {
    memset(to, 0, sizeof *to);
    struct zn_delta_writer w = {.grid = grid, .bits.p = to->bits, .literals = to->literals};
    for (unsigned j = 0; j < grid.n_low; j++) w.low[j] = to->low[j];
    k->delta->split(&w, src, ref, context, N_ELEMENTS, to->symbols);
    to->bits_len = (size_t)(zn_bit_sink_flush(&w.bits) - to->bits);
    to->low_len = grid.n_low ? (size_t)(w.low[0] - to->low[0]) : 0;
    to->literals_len = (size_t)(w.literals - to->literals);
}

static bool merge_run(const struct zn_kernels *k, struct zn_delta_grid grid, const struct pieces *from,
                      const uint8_t *ref, const uint8_t *context, uint8_t *out) {
    struct zn_delta_reader r = {.grid = grid,
                                .bits = {.p = from->bits, .len = from->bits_len},
                                .n_low = grid.n_low ? from->low_len : N_ELEMENTS,
                                .literals = from->literals,
                                .literals_end = from->literals + from->literals_len};
    for (unsigned j = 0; j < grid.n_low; j++) r.low[j] = from->low[j];
    return k->delta->merge(&r, ref, context, from->symbols, N_ELEMENTS, out);
}

/* Any scale, any context, differences of any size: every set splits as the first one does, and gives the elements
 * back. */
static void test_loops(void **unused) {
    (void)unused;
    static uint8_t src[4 * N_ELEMENTS], ref[4 * N_ELEMENTS], out[4 * N_ELEMENTS], context[N_ELEMENTS];
    static struct pieces first, other;
    uint64_t seed = 17;
    for (unsigned round = 0; round < 1200; round++) {
        const enum zn_number number = (enum zn_number)(round % ZN_N_NUMBERS);
        const unsigned width = zn_number_width(number), small = below(&seed, 33);
        const uint8_t scales[1] = {(uint8_t)below(&seed, 256)};
        const struct zn_delta_grid grid = {
            .number = number, .n_low = width == 4 ? below(&seed, ZN_DELTA_MAX_LOW + 1) : 0, .scales = scales};
        for (unsigned i = 0; i < N_ELEMENTS; i++) {
            const uint32_t noise = next_random(&seed) << 1 ^ next_random(&seed);
            put(ref + i * width, width, noise);
            put(src + i * width, width, noise + (small < 32 && below(&seed, 9) ? next_random(&seed) >> small : noise));
            if (below(&seed, 4) == 0) memcpy(src + i * width, ref + i * width, width);
            context[i] = (uint8_t)(scales[0] - below(&seed, 20) + 3);
        }
        for (unsigned s = 0; zn_kernels_at(s); s++) {
            const struct zn_kernels *k = zn_kernels_at(s);
            split_run(k, grid, src, ref, context, s ? &other : &first);
            if (s && memcmp(&other, &first, sizeof first) != 0)
                fail_msg("round %u: %s splits otherwise", round, k->name);
            memset(out, 0, sizeof out);
            assert_true(merge_run(k, grid, &first, ref, context, out));
            assert_memory_equal(out, src, (size_t)N_ELEMENTS * width);
        }
    }
}

/* ---- tests ---- */

static void test_round_trip(void **unused) {
    (void)unused;
    struct rig *r = rig_make();
    static const uint32_t lengths[] = {1, 3, 64, 255, 256, 1000, 8192, 20001, MAX};
    uint64_t seed = 1;
    for (unsigned i = 0; i < N_CASES; i++)
        for (unsigned l = 0; l < sizeof lengths / sizeof *lengths; l++)
            for (int change = NOTHING; change <= WILD; change++) {
                if (lengths[l] == MAX && (i + (unsigned)change) % 3) continue;
                const unsigned head = below(&seed, cases[i].width);
                make_pair(r, &cases[i], head, lengths[l], (enum change)change, seed);
                round_trip(r, (struct zn_chunk_hint){.dtype = cases[i].dtype, .head = head}, lengths[l]);
            }
    rig_free(r);
}

/* All values of a type against all others near and far: ordered integers wrap, specials are exact. */
static void test_extremes(void **unused) {
    (void)unused;
    struct rig *r = rig_make();
    static const uint32_t specials[] = {0,      0x8000, 0x7f80,     0xff80,     0x7fff,     0xffff,     1,
                                        0x8001, 0x7f7f, 0x80000000, 0x7f800000, 0xff800001, 0x7fffffff, UINT32_MAX};
    uint64_t seed = 3;
    for (unsigned i = 0; i < N_CASES; i++) {
        const unsigned width = cases[i].width;
        make_pair(r, &cases[i], 0, MAX, FEW, i);
        for (unsigned k = 0; k < 2000; k++) {
            uint8_t *side = guard_high(k % 2 ? &r->src : &r->ref, MAX);
            put(side + below(&seed, MAX / 4) * width, width,
                specials[below(&seed, 14)] >> (width == 1 && below(&seed, 2) ? 8 : 0));
        }
        assert_true(round_trip(r, (struct zn_chunk_hint){.dtype = cases[i].dtype}, MAX) > 0);
    }
    rig_free(r);
}

static void test_worth(void **unused) {
    (void)unused;
    struct rig *r = rig_make();
    static const struct {
        unsigned of; /* index of cases */
        enum change change;
        uint8_t layout;
        uint32_t most; /* bytes of MAX */
    } table[] = {
        {0, FEW, ZN_LAYOUT_SPARSE, 1000},   {0, SMALL, ZN_LAYOUT_DELTA, 20500},   {0, MANY, ZN_LAYOUT_DELTA, 60000},
        {1, FEW, ZN_LAYOUT_SPARSE, 1000},   {1, SMALL, ZN_LAYOUT_DELTA, 20500},   {2, FEW, ZN_LAYOUT_DELTA, 1500},
        {2, SMALL, ZN_LAYOUT_DELTA, 10500}, {2, SCALED, ZN_LAYOUT_GIVEN, 103000}, {3, FEW, ZN_LAYOUT_SPARSE, 2500},
        {5, SMALL, ZN_LAYOUT_DELTA, 40000}, {7, SMALL, ZN_LAYOUT_DELTA, 20500},   {8, SMALL, ZN_LAYOUT_DELTA, 10500},
    };
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        make_pair(r, &cases[table[i].of], 0, MAX, table[i].change, i);
        const uint32_t got = round_trip(r, (struct zn_chunk_hint){.dtype = cases[table[i].of].dtype}, MAX);
        if (got == 0 || got > table[i].most || r->payload[0] != table[i].layout)
            fail_msg("row %u: %u bytes in layout %u", i, got, r->payload[0]);
    }
    rig_free(r);
}

/* Nothing is gained: a reference of other numbers altogether. */
static void test_unrelated(void **unused) {
    (void)unused;
    struct rig *r = rig_make();
    make_pair(r, &cases[0], 0, MAX, NOTHING, 1);
    memcpy(guard_high(&r->src, MAX), guard_high(&r->ref, MAX), MAX);
    make_pair(r, &cases[0], 0, MAX, NOTHING, 2);
    uint8_t *src = guard_high(&r->src, MAX);
    for (uint32_t i = 0; i < MAX; i += 2) put(src + i, 2, get(src + (i * 7919 % MAX) / 2 * 2, 2));
    const struct zn_effort effort = zn_effort_of(3);
    const struct zn_chunk_hint hint = {.dtype = ZIPNN_BF16};
    const uint32_t alone = zn_chunk_encode(&(struct zn_encoder){&r->coder[0], &effort, hint, src, MAX}, r->other);
    assert_true(round_trip(r, hint, MAX) <= alone);
    rig_free(r);
}

/* What takes next to nothing on its own gets no delta that takes more, though a sample of exponents would have it so.
 */
static void test_plain_targets(void **unused) {
    (void)unused;
    struct rig *r = rig_make();
    const struct zn_effort effort = zn_effort_of(3);
    for (unsigned i = 0; i < N_CASES; i++)
        for (unsigned kind = 0; kind < 3; kind++) {
            const unsigned width = cases[i].width;
            make_pair(r, &cases[i], 0, MAX, NOTHING, i);
            uint8_t *src = guard_high(&r->src, MAX);
            for (uint32_t k = 0; k < MAX; k += width)
                if (kind != 1 || k / 4096 % 2) put(src + k, width, kind == 2 ? k / width % 7 : 0);
            const struct zn_chunk_hint hint = {.dtype = cases[i].dtype};
            const uint32_t alone =
                zn_chunk_encode(&(struct zn_encoder){&r->coder[0], &effort, hint, src, MAX}, r->other);
            const uint32_t got = round_trip(r, hint, MAX);
            if (got > alone + alone / 1000) fail_msg("case %u, kind %u: %u bytes, %u alone", i, kind, got, alone);
        }
    rig_free(r);
}

/* A chunk that ends before its first whole element has no element to compare. */
static void test_no_element(void **unused) {
    (void)unused;
    struct rig *r = rig_make();
    const struct zn_effort effort = zn_effort_of(3);
    const struct zn_chunk_hint hint = {.dtype = ZIPNN_F64, .head = 7};
    for (uint32_t len = 1; len <= 8; len++) {
        uint8_t *src = guard_high(&r->src, len), *ref = guard_high(&r->ref, len);
        memset(src, 1, len), memset(ref, 2, len);
        assert_int_equal(zn_delta_encode(&(struct zn_encoder){&r->coder[0], &effort, hint, src, len}, ref, r->payload),
                         0);
    }
    rig_free(r);
}

/* A fuzzer's find: infinities and NaN have context 255, which no table must claim that counts nothing. */
static void test_highest_context(void **unused) {
    (void)unused;
    struct rig *r = rig_make();
    uint64_t seed = 13;
    for (unsigned i = 0; i < 40; i++) {
        const uint32_t len = 8192 + 2 * below(&seed, 3000);
        uint8_t *src = guard_high(&r->src, len), *ref = guard_high(&r->ref, len);
        make_pair(r, &cases[0], 0, len, SMALL, i);
        for (uint32_t k = 0; k < len; k += 2) {
            if (below(&seed, 20) == 0) put(ref + k, 2, 0x7f80 | next_random(&seed) % 0x80);
            if (k < len / 2) put(src + k, 2, get(ref + k, 2) + (below(&seed, 4) == 0));
        }
        round_trip(r, (struct zn_chunk_hint){.dtype = ZIPNN_BF16}, len);
    }
    rig_free(r);
}

static void damage(struct rig *r, const struct pair_case *c, enum change change, uint64_t *seed) {
    const uint32_t len = 20000;
    make_pair(r, c, 0, len, change, 5);
    const uint32_t got = round_trip(r, (struct zn_chunk_hint){.dtype = c->dtype}, len);
    if (got == 0) return;
    for (unsigned i = 0; i < N_DAMAGED; i++) {
        uint32_t cut = i % 8 ? got : below(seed, got);
        uint8_t *coded = guard_high(&r->coded, cut), *out = guard_high(&r->out, len);
        memcpy(coded, r->payload, cut);
        if (cut) coded[i % 2 ? below(seed, cut) : below(seed, cut < 80 ? cut : 80)] ^= (uint8_t)(1U << below(seed, 8));
        const struct zn_chunk_body body = {.data = coded, .len = cut};
        zipnn_status first =
            zn_delta_decode(&r->coder[0], &body, (struct zn_delta_reference){guard_high(&r->ref, len), len}, out,
                            ZN_STORE_CACHED, NULL);
        if (first == ZIPNN_OK) memcpy(r->other, out, len);
        for (unsigned s = 1; s < r->n_sets; s++) {
            assert_int_equal(
                zn_delta_decode(&r->coder[s], &body, (struct zn_delta_reference){guard_high(&r->ref, len), len}, out,
                                ZN_STORE_CACHED, NULL),
                first);
            if (first == ZIPNN_OK) assert_memory_equal(out, r->other, len);
        }
        for (unsigned s = 0; s < r->n_sets; s++) patch_in_place(r, s, coded, cut, len);
    }
}

static void test_damage(void **unused) {
    (void)unused;
    struct rig *r = rig_make();
    uint64_t seed = 7;
    for (unsigned i = 0; i < N_CASES; i += 2) {
        damage(r, &cases[i], i % 4 ? WILD : MANY, &seed);
        damage(r, &cases[i], FEW, &seed);
    }
    damage(r, &cases[2], SCALED, &seed);
    damage(r, &cases[1], SCALED, &seed);
    rig_free(r);
}

/* Deltas that stay: tests/deltas/NAME.delta and .ref give .orig. */
static size_t load(const char *name, const char *kind, uint8_t *to) {
    char path[1000];
    snprintf(path, sizeof path, "%s/tests/deltas/%s.%s", ZT_SOURCE_DIR, name, kind);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s cannot be opened", path);
    const size_t len = fread(to, 1, MAX, f);
    fclose(f);
    return len;
}

static void test_kept(void **unused) {
    (void)unused;
    struct rig *r = rig_make();
    static const char *const names[] = {"bf16_dense", "bf16_sparse", "bf16_signs",  "fp16_dense",   "fp32_dense",
                                        "fp32_given", "fp8_dense",   "int8_sparse", "int8_as_int16"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        uint8_t *ref = guard_low(&r->ref), *out = guard_low(&r->out);
        const struct zn_chunk_body body = {.data = r->payload, .len = load(names[i], "delta", r->payload)};
        const size_t len = load(names[i], "ref", ref);
        assert_int_equal(load(names[i], "orig", r->other), len);
        for (unsigned s = 0; s < r->n_sets; s++) {
            assert_int_equal(zn_delta_decode(&r->coder[s], &body, (struct zn_delta_reference){ref, (uint32_t)len}, out,
                                             ZN_STORE_CACHED, NULL),
                             ZIPNN_OK);
            assert_memory_equal(out, r->other, len);
        }
    }
    rig_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops),         cmocka_unit_test(test_round_trip), cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_worth),         cmocka_unit_test(test_kept),       cmocka_unit_test(test_unrelated),
        cmocka_unit_test(test_plain_targets), cmocka_unit_test(test_no_element), cmocka_unit_test(test_highest_context),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
