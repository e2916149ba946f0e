/* R16 given a context: every kernel set against the scalar one byte for byte, and the codec: planes that a context
 * explains come back, from any kernel set; damage is an error or other bytes, never a fault. */
#include "codec/codec.h"
#include "codec/r16c_fit.h"
#include "support/guard.h"
#include "support/unit.h"

enum { SMALL = 400, LARGE = 70001, N_SMALL = 600, N_LARGE = 10, N_DAMAGED = 3000 };

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

static unsigned below(uint64_t *seed, unsigned n) {
    return next_random(seed) % n;
}

/* ---- kernels ---- */

struct coding {
    uint64_t seed;
    struct zn_r16_contexts contexts;
    struct zn_r16_model models[ZN_R16_MAX_GIVEN];
    struct zn_r16_table tables[ZN_R16_MAX_GIVEN];
    struct zn_r16_codes codes[ZN_R16_MAX_GIVEN];
    uint8_t class_of[256], ids[(LARGE >> ZN_R16_MIN_BLOCK) + 1], first, esc_mark;
    unsigned n_models, block_log2, lanes_log2;
};

/* Lists symbols first .. first + n - 1, some more often than others. */
static void make_model(struct coding *c, struct zn_r16_model *m) {
    *m = (struct zn_r16_model){.n = (uint8_t)below(&c->seed, ZN_R16_MAX_LISTED + 1)};
    m->esc_freq = 1;
    for (unsigned r = 0; r < m->n; r++) {
        m->sym[r] = (uint8_t)(c->first + r);
        m->freq[r] = 1;
    }
    const unsigned favourite = below(&c->seed, m->n + 1U);
    for (unsigned slots = m->n + 1U; slots < ZN_R16_SLOTS; slots++) {
        const unsigned r = below(&c->seed, 2) ? favourite : below(&c->seed, m->n + 1U);
        if (r < m->n)
            m->freq[r]++;
        else
            m->esc_freq++;
    }
}

static void make_contexts(struct coding *c) {
    struct zn_r16_contexts *x = &c->contexts;
    x->n = 1 + below(&c->seed, below(&c->seed, 2) ? 5 : ZN_R16_MAX_CONTEXTS);
    c->n_models = 1 + below(&c->seed, ZN_MIN(ZN_R16_MAX_TABLES, ZN_R16_MAX_GIVEN / x->n));
    for (unsigned m = 0; m < c->n_models; m++) {
        for (unsigned i = 0, cut = 0; i + 1 < x->n; i++) {
            cut += below(&c->seed, (256 - cut) / 2 + 1);
            x->cuts[m][i] = (uint8_t)ZN_MIN(cut, 255U);
        }
        zn_r16_contexts_build(x, m);
    }
}

static void make_coding(struct coding *c, uint64_t seed) {
    c->seed = seed;
    c->first = (uint8_t)below(&c->seed, 256 - ZN_R16_MAX_LISTED);
    c->esc_mark = (uint8_t)(c->first + ZN_R16_MAX_LISTED);
    memset(c->class_of, ZN_R16_CLASSES - 1, sizeof c->class_of);
    for (unsigned r = 0; r < ZN_R16_MAX_LISTED; r++) c->class_of[c->first + r] = (uint8_t)r;
    make_contexts(c);
    c->block_log2 = ZN_R16_MIN_BLOCK + below(&c->seed, 3);
    c->lanes_log2 = below(&c->seed, 3) ? 7 : below(&c->seed, 8);
    for (unsigned t = 0; t < c->n_models * c->contexts.n; t++) {
        make_model(c, &c->models[t]);
        zn_r16_table_build(&c->tables[t], &c->models[t], ZN_R16_SLOTS_LOG2, c->esc_mark);
        zn_r16_codes_build(&c->codes[t], &c->models[t], c->class_of);
    }
    for (size_t b = 0; b < sizeof c->ids; b++) c->ids[b] = (uint8_t)below(&c->seed, c->n_models);
}

struct rig {
    struct guard context, src, in, esc, out;
};

struct coded {
    uint16_t state[ZN_R16_LANES];
    uint8_t in[LARGE + 2 * ZN_SLACK], esc[LARGE + 2 * ZN_SLACK];
    size_t in_len, esc_len;
};

static void encode(const struct zn_kernels *k, const struct coding *c, const struct rig *r, size_t n,
                   struct coded *to) {
    struct zn_r16_encoder e = {
        .tables = c->codes, .block_log2 = c->block_log2, .lanes_log2 = c->lanes_log2, .slots_log2 = ZN_R16_SLOTS_LOG2};
    e.n_tables = c->n_models * c->contexts.n;
    e.ids = c->n_models > 1 ? c->ids : NULL;
    memcpy(e.class_of, c->class_of, sizeof e.class_of);
    for (unsigned l = 0; l < ZN_R16_LANES; l++) e.state[l] = (uint16_t)(ZN_R16_LOW + l);
    const uint8_t *in_end = e.out = guard_low(&r->in) + n + ZN_SLACK;
    const uint8_t *esc_end = e.esc = guard_low(&r->esc) + n + ZN_SLACK;
    k->r16c_encode(&e, &c->contexts, guard_high(&r->context, n), guard_high(&r->src, n), n);
    memcpy(to->state, e.state, sizeof to->state);
    to->in_len = (size_t)(in_end - e.out);
    to->esc_len = (size_t)(esc_end - e.esc);
    memcpy(to->in, e.out, to->in_len);
    memcpy(to->esc, e.esc, to->esc_len);
}

static struct zn_r16_decoder decoder(const struct coding *c, const struct rig *r, const struct coded *coded) {
    struct zn_r16_decoder d = {
        .tables = c->tables, .lanes_log2 = c->lanes_log2, .slots_log2 = ZN_R16_SLOTS_LOG2, .esc_mark = c->esc_mark};
    d.ids = c->n_models > 1 ? c->ids : NULL;
    d.block_log2 = d.ids ? c->block_log2 : 31;
    memcpy(d.state, coded->state, sizeof d.state);
    d.in = guard_high(&r->in, coded->in_len), d.in_end = d.in + coded->in_len;
    d.esc = guard_high(&r->esc, coded->esc_len), d.esc_end = d.esc + coded->esc_len;
    memcpy(guard_high(&r->in, coded->in_len), coded->in, coded->in_len);
    memcpy(guard_high(&r->esc, coded->esc_len), coded->esc, coded->esc_len);
    return d;
}

static void check_decode(const struct zn_kernels *k, struct coding *c, const struct rig *r, size_t n,
                         const struct coded *coded) {
    const uint8_t *context = guard_high(&r->context, n), *src = guard_high(&r->src, n);
    uint8_t *out = guard_high(&r->out, n);
    const size_t part = below(&c->seed, (unsigned)(n >> c->lanes_log2) + 1) << c->lanes_log2;
    struct zn_r16_decoder d = decoder(c, r, coded);
    memset(out, 0, n);
    assert_true(k->r16c_decode(&d, &c->contexts, context, out, part));
    assert_true(k->r16c_decode(&d, &c->contexts, context + part, out + part, n - part));
    assert_memory_equal(out, src, n);
    assert_true(d.in == d.in_end && d.esc == d.esc_end && d.pos == n);
    for (unsigned l = 0; l < 1U << c->lanes_log2; l++) assert_int_equal(d.state[l], ZN_R16_LOW + l);

    d = decoder(c, r, coded);
    if (coded->in_len == 0) return;
    d.in++;
    for (size_t i = 0; i < ZN_R16_LANES; i++) d.state[i] ^= 1;
    const bool ok = k->r16c_decode(&d, &c->contexts, context, out, n);
    struct zn_r16_decoder e = decoder(c, r, coded);
    e.in++;
    for (size_t i = 0; i < ZN_R16_LANES; i++) e.state[i] ^= 1;
    assert_int_equal(zn_kernels_scalar.r16c_decode(&e, &c->contexts, context, out, n), ok);
}

static void check_kernels(struct coding *c, const struct rig *r, size_t n) {
    static struct coded expected, coded;
    uint8_t *context = guard_high(&r->context, n), *src = guard_high(&r->src, n);
    for (size_t i = 0; i < n; i++) {
        context[i] = (uint8_t)next_random(&c->seed);
        src[i] = (uint8_t)(below(&c->seed, 30) ? c->first + below(&c->seed, ZN_R16_MAX_LISTED) : next_random(&c->seed));
    }
    encode(&zn_kernels_scalar, c, r, n, &expected);
    const struct zn_kernels *k;
    for (unsigned i = 0; (k = zn_kernels_at(i)); i++) {
        encode(k, c, r, n, &coded);
        assert_int_equal(coded.in_len, expected.in_len);
        assert_int_equal(coded.esc_len, expected.esc_len);
        assert_memory_equal(coded.in, expected.in, expected.in_len);
        assert_memory_equal(coded.esc, expected.esc, expected.esc_len);
        assert_memory_equal(coded.state, expected.state, sizeof expected.state);
        check_decode(k, c, r, n, &expected);
    }
}

static void test_kernels(void **unused) {
    (void)unused;
    static struct coding c;
    enum { ROOM = LARGE + 2 * ZN_SLACK };
    struct rig r = {guard_make(LARGE), guard_make(LARGE), guard_make(ROOM), guard_make(ROOM), guard_make(LARGE)};
    for (unsigned i = 0; i < N_SMALL; i++) {
        make_coding(&c, i);
        check_kernels(&c, &r, i <= SMALL ? i : below(&c.seed, 4 * SMALL));
    }
    for (unsigned i = 0; i < N_LARGE; i++) {
        make_coding(&c, 10000 + i);
        check_kernels(&c, &r, LARGE - below(&c.seed, 2000));
    }
    guard_free(&r.context), guard_free(&r.src), guard_free(&r.in), guard_free(&r.esc), guard_free(&r.out);
}

/* ---- codec ---- */

struct rooms {
    struct zn_codec codec;
    struct zn_arena arena;
    uint8_t context[LARGE], plane[LARGE], out[LARGE], coded[LARGE], damaged[LARGE];
};

static struct rooms *rooms_make(void) {
    struct rooms *r = calloc(1, sizeof *r);
    assert_non_null(r);
    zn_codec_carve(&r->codec, &r->arena, LARGE, ZN_USE_BOTH);
    r->arena = (struct zn_arena){aligned_alloc(64, (r->arena.used + 63) / 64 * 64), 0};
    assert_non_null(r->arena.base);
    zn_codec_carve(&r->codec, &r->arena, LARGE, ZN_USE_BOTH);
    assert_int_equal(zn_codec_open(&r->codec, zn_kernels_at(0), ZN_USE_BOTH, NULL), ZIPNN_OK);
    return r;
}

static void rooms_free(struct rooms *r) {
    zn_codec_close(&r->codec);
    free(r->arena.base);
    free(r);
}

/* A sum of dice around half the context; the width follows it as well. */
static void fill(struct rooms *r, size_t n, uint64_t seed, unsigned contexts) {
    for (size_t i = 0; i < n; i++) {
        const unsigned c = below(&seed, contexts), width = 1 + c * 12 / contexts;
        r->context[i] = (uint8_t)(100 + c);
        r->plane[i] = (uint8_t)(60 + c / 2 + below(&seed, width) + below(&seed, width));
    }
}

/* Encodes, decodes with every set, and returns the coded length. */
static struct zn_coded round_trip(struct rooms *r, size_t n, unsigned max_contexts) {
    const struct zn_effort effort = zn_effort_of(3);
    struct zn_out out = zn_out_of(r->coded, n);
    struct zn_survey survey;
    struct zn_coded coded = {.data = r->coded};
    zn_stream_survey(&r->codec, r->plane, n, &survey);
    coded.codec =
        (uint8_t)zn_stream_encode_given(&r->codec, &effort, &survey, r->context, max_contexts, r->plane, n, &out);
    coded.len = zn_out_len(&out);
    for (unsigned s = 0; zn_kernels_at(s); s++) {
        r->codec.k = zn_kernels_at(s);
        memset(r->out, 0, n);
        assert_int_equal(zn_stream_decode_given(&r->codec, &coded, r->context, r->out, n, NULL), ZIPNN_OK);
        assert_memory_equal(r->out, r->plane, n);
    }
    r->codec.k = zn_kernels_at(0);
    return coded;
}

static void test_round_trip(void **unused) {
    (void)unused;
    struct rooms *r = rooms_make();
    const size_t lengths[] = {1, 2, 63, 64, 127, 128, 129, 1000, 5000, 20000, LARGE};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (unsigned contexts = 1; contexts <= 150; contexts = contexts * 3 + 1) {
            fill(r, lengths[i], i * 1000 + contexts, contexts);
            round_trip(r, lengths[i], 16);
            round_trip(r, lengths[i], 2);
        }
    rooms_free(r);
}

/* The plane is as good as a function of its context. */
static void test_context_pays(void **unused) {
    (void)unused;
    struct rooms *r = rooms_make();
    uint64_t seed = 5;
    for (size_t i = 0; i < LARGE; i++) {
        r->context[i] = (uint8_t)(110 + below(&seed, 8));
        r->plane[i] = (uint8_t)(r->context[i] / 2 * 3 + (below(&seed, 20) == 0));
    }
    const struct zn_coded coded = round_trip(r, LARGE, 16);
    assert_int_equal(coded.codec, ZN_CODEC_R16C);
    assert_true(coded.len < LARGE / 16); /* 2 bits without the context */
    rooms_free(r);
}

static void test_several_models(void **unused) {
    (void)unused;
    struct rooms *r = rooms_make();
    const struct zn_effort effort = zn_effort_of(3);
    uint8_t ids[(LARGE >> 8) + 1];
    uint64_t seed = 9;
    fill(r, LARGE, 3, 40);
    for (size_t b = 0; b < sizeof ids; b++) ids[b] = (uint8_t)below(&seed, 4);
    for (size_t i = 0; i < LARGE; i++) r->plane[i] = (uint8_t)(r->plane[i] + 20 * ids[i >> 8]);
    const struct zn_r16c_input in = {r->context, r->plane, LARGE, 16, 1, 4, ids, 8};
    struct zn_out out = zn_out_of(r->coded, LARGE);
    const size_t expected = zn_r16c_fit(&r->codec, &in);
    assert_true(zn_r16c_write(&r->codec, &effort, &in, &out));
    assert_in_range(zn_out_len(&out), expected - expected / 20, expected + expected / 20 + 500);
    const struct zn_coded coded = {ZN_CODEC_R16C, r->coded, zn_out_len(&out), 0};
    assert_int_equal(zn_stream_decode_given(&r->codec, &coded, r->context, r->out, LARGE, NULL), ZIPNN_OK);
    assert_memory_equal(r->out, r->plane, LARGE);
    rooms_free(r);
}

static void test_without_context(void **unused) {
    (void)unused;
    struct rooms *r = rooms_make();
    const struct zn_coded coded = {ZN_CODEC_R16C, r->coded, 500, 0};
    assert_int_equal(zn_stream_decode(&r->codec, 0, &coded, r->out, 1000, NULL), ZIPNN_E_CORRUPT);
    rooms_free(r);
}

static void test_damage(void **unused) {
    (void)unused;
    struct rooms *r = rooms_make();
    enum { N = 20000 };
    uint64_t seed = 11;
    fill(r, N, 1, 100);
    const struct zn_coded good = round_trip(r, N, 8);
    assert_int_equal(good.codec, ZN_CODEC_R16C);
    for (unsigned i = 0; i < N_DAMAGED; i++) {
        struct zn_coded bad = {good.codec, r->damaged, good.len, 0};
        memcpy(r->damaged, r->coded, good.len);
        r->damaged[i < 1000 ? i / 2 : below(&seed, (unsigned)good.len)] ^= (uint8_t)(1u << below(&seed, 8));
        if (i % 8 == 0) bad.len = below(&seed, (unsigned)good.len);
        const zipnn_status expected = zn_stream_decode_given(&r->codec, &bad, r->context, r->out, N, NULL);
        assert_true(expected != ZIPNN_OK || memcmp(r->out, r->plane, N) != 0 || i < 1000);
        if (i % 4) continue;
        r->codec.k = &zn_kernels_scalar;
        assert_int_equal(zn_stream_decode_given(&r->codec, &bad, r->context, r->out, N, NULL), expected);
        r->codec.k = zn_kernels_at(0);
    }
    rooms_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),         cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_context_pays),    cmocka_unit_test(test_several_models),
        cmocka_unit_test(test_without_context), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
