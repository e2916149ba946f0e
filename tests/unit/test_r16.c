/* The R16 coder, with 64 and with 128 slots: every kernel set against the scalar one, byte for byte, with unreadable pages right behind every area.
 */
#include "base/bytes.h"
#include "kernels/kernels.h"
#include "kernels/r16/r16.h"
#include "support/guard.h"
#include "support/unit.h"

enum { SMALL = 300, LARGE = 70001, ROOM = LARGE + 2 * ZN_SLACK, N_RANDOM = 600, N_LARGE = 6, N_GARBAGE = 1000 };

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

static unsigned below(uint64_t *seed, unsigned n) {
    return next_random(seed) % n;
}

/* ---- a random coding: tables, blocks, lanes, and symbols that it can code ---- */

struct coding {
    uint64_t seed;
    struct zn_r16_model models[ZN_R16_MAX_TABLES];
    struct zn_r16_table tables[ZN_R16_MAX_TABLES];
    struct zn_r16_codes codes[ZN_R16_MAX_TABLES];
    uint8_t class_of[256], ids[(LARGE >> ZN_R16_MIN_BLOCK) + 1];
    unsigned n_tables, block_log2, lanes_log2, slots_log2;
    unsigned n_symbols; /* 256, or 32: exponents of fp16, or 16: halves of bytes */
    bool one_table;     /* pass no ids */
    uint8_t alphabet[ZN_R16_CLASSES - 1], esc_mark;
    unsigned n_alphabet;
};

static unsigned some_symbols(struct coding *c) {
    return below(&c->seed, 3) ? 256 : below(&c->seed, 3) ? 32 : 16;
}

static void make_alphabet(struct coding *c) {
    memset(c->class_of, ZN_R16_CLASSES - 1, sizeof c->class_of);
    c->n_symbols = some_symbols(c);
    c->n_alphabet = 1 + below(&c->seed, ZN_MIN(ZN_R16_CLASSES - 1, c->n_symbols));
    /* Neighbours, neighbours and one far away, anything. */
    unsigned kind = below(&c->seed, 3), base = below(&c->seed, 256);
    for (unsigned k = 0; k < c->n_alphabet; k++) {
        unsigned s = kind == 2 ? below(&c->seed, 256) : kind == 1 && k == 0 ? base + 100 : base + k;
        for (s %= c->n_symbols; c->class_of[s] != ZN_R16_CLASSES - 1;) s = (s + 1) % c->n_symbols;
        c->class_of[s] = (uint8_t)k;
        c->alphabet[k] = (uint8_t)s;
    }
    do c->esc_mark = (uint8_t)next_random(&c->seed);
    while (c->class_of[c->esc_mark] != ZN_R16_CLASSES - 1);
}

static void make_model(struct coding *c, struct zn_r16_model *m) {
    *m = (struct zn_r16_model){0};
    unsigned most = ZN_MIN(c->n_alphabet, ZN_R16_MAX_LISTED), from = below(&c->seed, c->n_alphabet);
    m->n = (uint8_t)below(&c->seed, most + 1);
    m->esc_freq = m->n == 0 || below(&c->seed, 4) > 0;
    for (unsigned r = 0; r < m->n; r++) {
        m->sym[r] = c->alphabet[(from + r) % c->n_alphabet];
        m->freq[r] = 1;
    }
    unsigned favourite = below(&c->seed, m->n + 1U), skew = below(&c->seed, 4);
    for (unsigned slots = m->n + (unsigned)m->esc_freq; slots < ZN_R16_SLOTS; slots++) {
        unsigned r = below(&c->seed, 4) < skew ? favourite : below(&c->seed, m->n + 1U);
        if (r < m->n)
            m->freq[r]++;
        else if (m->esc_freq)
            m->esc_freq++;
        else
            m->freq[0]++;
    }
}

/* Consecutive symbols below n_symbols, none of them 255, or no symbols. */
static void make_wide_model(struct coding *c, struct zn_r16_model *m) {
    const unsigned most = ZN_MIN(ZN_R16W_MAX_LISTED, c->n_symbols - 1);
    *m = (struct zn_r16_model){.n = (uint8_t)below(&c->seed, most + 1)};
    m->base = (uint8_t)below(&c->seed, c->n_symbols - m->n);
    m->esc_freq = m->n == 0 || below(&c->seed, 4) > 0;
    for (unsigned r = 0; r < m->n; r++) {
        m->sym[r] = (uint8_t)(m->base + r);
        m->freq[r] = 1;
    }
    for (unsigned slots = m->n + (unsigned)m->esc_freq; slots < ZN_R16W_SLOTS; slots++) {
        const unsigned r = below(&c->seed, 3) ? m->n / 2U : below(&c->seed, m->n + 1U);
        if (r < m->n)
            m->freq[r]++;
        else if (m->esc_freq)
            m->esc_freq++;
        else
            m->freq[0]++;
    }
}

static void make_wide(struct coding *c) {
    c->slots_log2 = ZN_R16W_SLOTS_LOG2;
    c->n_symbols = some_symbols(c);
    c->esc_mark = ZN_R16W_UNLISTED;
    for (unsigned t = 0; t < c->n_tables; t++) {
        make_wide_model(c, &c->models[t]);
        zn_r16_table_build(&c->tables[t], &c->models[t], ZN_R16W_SLOTS_LOG2, c->esc_mark);
        zn_r16w_codes_build(&c->codes[t], &c->models[t]);
    }
}

static void make_narrow(struct coding *c) {
    c->slots_log2 = ZN_R16_SLOTS_LOG2;
    make_alphabet(c);
    for (unsigned t = 0; t < c->n_tables; t++) {
        make_model(c, &c->models[t]);
        zn_r16_table_build(&c->tables[t], &c->models[t], ZN_R16_SLOTS_LOG2, c->esc_mark);
        zn_r16_codes_build(&c->codes[t], &c->models[t], c->class_of);
    }
}

static void make_coding(struct coding *c, uint64_t seed) {
    c->seed = seed;
    c->one_table = below(&c->seed, 4) == 0;
    c->n_tables = c->one_table ? 1 : 1 + below(&c->seed, ZN_R16_MAX_TABLES);
    c->block_log2 = ZN_R16_MIN_BLOCK + below(&c->seed, 3);
    c->lanes_log2 = below(&c->seed, 2) ? 7 : below(&c->seed, 8);
    (below(&c->seed, 3) ? make_narrow : make_wide)(c);
    for (size_t b = 0; b < sizeof c->ids; b++) c->ids[b] = (uint8_t)below(&c->seed, c->n_tables);
}

static void fill_symbols(struct coding *c, uint8_t *src, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct zn_r16_model *m = &c->models[c->one_table ? 0 : c->ids[i >> c->block_log2]];
        unsigned slot = below(&c->seed, 1U << c->slots_log2), r = 0;
        while (r < m->n && slot >= m->freq[r]) slot -= m->freq[r++];
        src[i] = r < m->n ? m->sym[r] : (uint8_t)below(&c->seed, c->n_symbols);
    }
}

/* ---- buffers ---- */

struct rig {
    struct guard src, in, esc, raw, out;
    uint8_t *expected; /* 4 * LARGE */
};

static struct rig rig_make(void) {
    struct rig r = {guard_make(LARGE),     guard_make(ROOM),           guard_make(ROOM),
                    guard_make(3 * LARGE), guard_make(4 * LARGE + 64), malloc((size_t)4 * LARGE)};
    assert_non_null(r.expected);
    return r;
}

static void rig_free(struct rig *r) {
    guard_free(&r->src);
    guard_free(&r->in);
    guard_free(&r->esc);
    guard_free(&r->raw);
    guard_free(&r->out);
    free(r->expected);
}

static void put_high(const struct guard *g, const void *data, size_t len) {
    if (len) memcpy(guard_high(g, len), data, len);
}

/* ---- encoding ---- */

struct coded {
    uint16_t state[ZN_R16_LANES];
    uint8_t in[ROOM], esc[ROOM];
    size_t in_len, esc_len;
};

/* Words of 2 or 4 bytes whose top plane is to be encoded; width 1: the plane itself. */
struct source {
    size_t width;
    bool f16;
    const uint8_t *at;
    uint8_t *raw[3];
};

static void run_encode(const struct zn_kernels *k, struct zn_r16_encoder *e, const struct source *s, size_t n) {
    if (s->f16)
        k->r16_encode_f16(e, s->at, s->raw, n);
    else if (s->width == 1)
        k->r16_encode(e, s->at, n);
    else if (s->width == 2)
        k->r16_encode_16r(e, s->at, s->raw, n);
    else
        k->r16_encode_32r(e, s->at, s->raw, n);
}

/* The streams end flush with the upper guard pages and have exactly the promised room below. */
static void encode(const struct zn_kernels *k, const struct coding *c, const struct rig *r, const struct source *src,
                   size_t n, struct coded *coded) {
    struct zn_r16_encoder e = {.tables = c->codes, .block_log2 = c->block_log2, .lanes_log2 = c->lanes_log2};
    e.slots_log2 = c->slots_log2;
    e.ids = c->one_table ? NULL : c->ids;
    memcpy(e.class_of, c->class_of, sizeof e.class_of);
    for (unsigned l = 0; l < ZN_R16_LANES; l++) e.state[l] = (uint16_t)(ZN_R16_LOW + l);
    const uint8_t *in_end = e.out = guard_low(&r->in) + n + ZN_SLACK;
    const uint8_t *esc_end = e.esc = guard_low(&r->esc) + n + ZN_SLACK;
    memset(e.out, 0xa5, ZN_SLACK);
    memset(e.esc, 0xa5, ZN_SLACK);
    e.ahead = (struct zn_ahead){guard_low(&r->raw), r->raw.cap, 4};
    run_encode(k, &e, src, n);
    for (unsigned i = 0; i < ZN_SLACK; i++) assert_true(in_end[i] == 0xa5 && esc_end[i] == 0xa5);
    memcpy(coded->state, e.state, sizeof coded->state);
    coded->in_len = (size_t)(in_end - e.out);
    coded->esc_len = (size_t)(esc_end - e.esc);
    memcpy(coded->in, e.out, coded->in_len);
    memcpy(coded->esc, e.esc, coded->esc_len);
}

static void assert_same_coded(const struct coded *a, const struct coded *b) {
    assert_int_equal(a->in_len, b->in_len);
    assert_int_equal(a->esc_len, b->esc_len);
    assert_memory_equal(a->state, b->state, sizeof a->state);
    assert_memory_equal(a->in, b->in, a->in_len);
    assert_memory_equal(a->esc, b->esc, a->esc_len);
}

/* ---- decoding ---- */

static struct zn_r16_decoder decoder(const struct coding *c, const struct rig *r, const struct coded *coded) {
    struct zn_r16_decoder d = {.tables = c->tables, .block_log2 = c->block_log2, .lanes_log2 = c->lanes_log2};
    d.slots_log2 = c->slots_log2;
    d.ids = c->one_table ? NULL : c->ids;
    d.esc_mark = c->esc_mark;
    memcpy(d.state, coded->state, sizeof d.state);
    put_high(&r->in, coded->in, coded->in_len);
    put_high(&r->esc, coded->esc, coded->esc_len);
    d.in = guard_high(&r->in, coded->in_len), d.in_end = d.in + coded->in_len;
    d.esc = guard_high(&r->esc, coded->esc_len), d.esc_end = d.esc + coded->esc_len;
    d.ahead = (struct zn_ahead){guard_low(&r->raw), r->raw.cap, 2};
    return d;
}

static void assert_finished(const struct coding *c, const struct zn_r16_decoder *d, size_t n) {
    assert_ptr_equal(d->in, d->in_end);
    assert_ptr_equal(d->esc, d->esc_end);
    assert_int_equal(d->pos, n);
    for (unsigned l = 0; l < 1U << c->lanes_log2; l++) assert_int_equal(d->state[l], ZN_R16_LOW + l);
}

static void check_decode(const struct zn_kernels *k, struct coding *c, const struct rig *r, size_t n,
                         const struct coded *coded) {
    const uint8_t *src = guard_high(&r->src, n);
    uint8_t *out = guard_high(&r->out, n);
    struct zn_r16_decoder d = decoder(c, r, coded);
    memset(out, 0, n);
    assert_true(k->r16_decode(&d, out, n));
    assert_finished(c, &d, n);
    assert_memory_equal(out, src, n);

    /* In two calls, to the other end of the room. */
    size_t part = below(&c->seed, (unsigned)(n >> c->lanes_log2) + 1) << c->lanes_log2;
    d = decoder(c, r, coded);
    out = guard_low(&r->out);
    assert_true(k->r16_decode(&d, out, part));
    assert_int_equal(d.pos, part);
    assert_true(k->r16_decode(&d, out + part, n - part));
    assert_finished(c, &d, n);
    assert_memory_equal(out, src, n);
}

/* The words of 2 or 4 bytes that symbols and raw planes merge to. */
static void expect_words(struct coding *c, const struct rig *r, size_t n, size_t width, uint8_t *raw) {
    const uint8_t *src = guard_high(&r->src, n);
    for (size_t i = 0; i < n * (width - 1); i++) raw[i] = (uint8_t)next_random(&c->seed);
    for (size_t i = 0; i < n && width == 2; i++) {
        unsigned w = 256U * src[i] + raw[i];
        zn_put_u16(r->expected + 2 * i, (uint16_t)(w >> 1 | w << 15));
    }
    for (size_t i = 0; i < n && width == 4; i++) {
        uint32_t w = (uint32_t)src[i] << 24 | (uint32_t)raw[2 * n + i] << 16 | (uint32_t)raw[n + i] << 8 | raw[i];
        zn_put_u32(r->expected + 4 * i, w >> 1 | w << 31);
    }
}

static bool decode_words(const struct zn_kernels *k, struct zn_r16_decoder *d, const uint8_t *raw, size_t plane,
                         uint8_t *out, size_t n, size_t width, enum zn_store store) {
    if (width == 2) return k->r16_decode_16r(d, raw, out, n, store);
    const uint8_t *planes[] = {raw, raw + plane, raw + 2 * plane};
    return k->r16_decode_32r(d, planes, out, n, store);
}

static void assert_canary(const uint8_t *p, size_t n) {
    unsigned changed = 0;
    for (size_t i = 0; i < n; i++) changed |= p[i] ^ 0xa5U;
    assert_int_equal(changed, 0);
}

/* Has the decoder take a check along, where the set can, of a part of the planes below: any part, in the first round
 * all. */
static void begin_check(const struct zn_kernels *k, struct coding *c, const uint8_t *raw, size_t len, unsigned round,
                        struct zn_r16_decoder *d, struct zn_check *check) {
    const size_t from = round ? below(&c->seed, (unsigned)len + 1) : 0;
    const size_t part = round % 2 ? below(&c->seed, (unsigned)(len - from) + 1) : len - from;
    if (!k->check_begin) return;
    k->check_begin(check, raw + from, part);
    d->check = check;
}

static void end_check(const struct zn_kernels *k, const struct zn_check *check, size_t n) {
    if (!k->check_begin) return;
    const size_t len = (size_t)(check->end - check->begin), taken = (size_t)(check->at - check->begin);
    if (n > 4096 && len > 4096) assert_true(taken > ZN_MIN(n, len) / 2);
    assert_true(taken <= len && (taken == 0 || taken < len));
    assert_true(k->check_end(check) == k->xxh3_64(check->begin, len));
}

static void check_merge(const struct zn_kernels *k, struct coding *c, const struct rig *r, size_t n, size_t width,
                        const struct coded *coded) {
    uint8_t *raw = guard_high(&r->raw, n * (width - 1));
    expect_words(c, r, n, width, raw);
    const size_t shift = below(&c->seed, 64), len = width * n;
    uint8_t *low = guard_low(&r->out), *places[] = {guard_high(&r->out, len), low, low + shift, low + shift / 8 * 8};
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *out = places[i / 2];
        size_t part = below(&c->seed, (unsigned)(n >> 7) + 1) << 7, before = (size_t)(out - guard_low(&r->out));
        struct zn_r16_decoder d = decoder(c, r, coded);
        struct zn_check check;
        begin_check(k, c, raw, n * (width - 1), i, &d, &check);
        memset(guard_low(&r->out), 0xa5, ZN_MIN(before + len + 64, r->out.cap));
        assert_true(decode_words(k, &d, raw, n, out, part, width, (enum zn_store)(i % 2)));
        assert_true(decode_words(k, &d, raw + part, n, out + width * part, n - part, width, (enum zn_store)(i % 2)));
        assert_finished(c, &d, n);
        end_check(k, &check, n);
        assert_memory_equal(out, r->expected, len);
        assert_canary(guard_low(&r->out), before);
        assert_canary(out + len, ZN_MIN(before + len + 64, r->out.cap) - (before + len));
    }
}

static size_t masks_len(size_t n) {
    return (n + 63) / 64 * 24;
}

/* The words of fp16 that symbols and random planes, which are split from random words, merge to. */
static void expect_f16(struct coding *c, const struct rig *r, size_t n, uint8_t *low, uint8_t *masks) {
    uint8_t *const planes[] = {low, masks, guard_low(&r->out)};
    for (size_t i = 0; i < 2 * n; i++) r->expected[i] = (uint8_t)next_random(&c->seed);
    zn_kernels_scalar.split[ZN_SHAPE_F16](r->expected, n, planes);
    zn_kernels_scalar.merge[ZN_SHAPE_F16]((const uint8_t *[]){low, masks, guard_high(&r->src, n)}, n, r->expected,
                                          ZN_STORE_CACHED);
}

static void check_merge_f16(const struct zn_kernels *k, struct coding *c, const struct rig *r, size_t n,
                            const struct coded *coded) {
    uint8_t *masks = guard_high(&r->raw, masks_len(n)), *low = guard_low(&r->raw);
    if (!k->r16_decode_f16) return;
    expect_f16(c, r, n, low, masks);
    const uint8_t *planes[] = {low, masks};
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *out = i < 2 ? guard_high(&r->out, 2 * n) : guard_low(&r->out) + (i < 4 ? 8 * i : 17 * i) % 64;
        const size_t part = below(&c->seed, (unsigned)(n >> 7) + 1) << 7;
        const uint8_t *rest[] = {low + part, masks + part / 64 * 24};
        struct zn_r16_decoder d = decoder(c, r, coded);
        struct zn_check check;
        begin_check(k, c, low, n, i, &d, &check);
        memset(guard_low(&r->out), 0xa5, r->out.cap);
        assert_true(k->r16_decode_f16(&d, planes, out, part, (enum zn_store)(i % 2)));
        assert_true(k->r16_decode_f16(&d, rest, out + 2 * part, n - part, (enum zn_store)(i % 2)));
        assert_finished(c, &d, n);
        end_check(k, &check, n);
        assert_memory_equal(out, r->expected, 2 * n);
        assert_canary(guard_low(&r->out), (size_t)(out - guard_low(&r->out)));
        assert_canary(out + 2 * n, (size_t)(guard_high(&r->out, 0) - out) - 2 * n);
    }
}

/* Bytes of a symbol and packed bits, in each way. */
static void check_merge_halves(const struct zn_kernels *k, struct coding *c, const struct rig *r, size_t n,
                               const struct coded *coded) {
    enum { READABLE = 24 };
    const unsigned left = c->n_symbols == 16 ? 4 : c->n_symbols == 32 ? 3 : 2; /* bits below symbols */
    const struct zn_r16_halves h = {(uint8_t)(1 + below(&c->seed, left)), below(&c->seed, 2) == 1,
                                    (uint8_t)(below(&c->seed, 2) * 128), 0};
    uint8_t seen = 0;
    const size_t len = (h.bits * n + 7) / 8;
    uint8_t *packed = guard_high(&r->raw, len + READABLE);
    const uint8_t *src = guard_high(&r->src, n);
    if (!k->r16_decode_halves) return;
    for (size_t i = 0; i < len + READABLE; i++) packed[i] = (uint8_t)next_random(&c->seed);
    for (size_t i = 0; i < n; i++) {
        unsigned whole = (unsigned)src[i] << h.bits;
        seen |= src[i];
        for (unsigned b = 0; b < h.bits; b++) whole |= (packed[(h.bits * i + b) / 8] >> (h.bits * i + b) % 8 & 1U) << b;
        r->expected[i] = (uint8_t)((h.rotated ? whole >> 1 | whole << 7 : whole) ^ h.flip);
    }
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *out = i < 2 ? guard_high(&r->out, n) : guard_low(&r->out) + (i < 4 ? 4 * i : 17 * i) % 64;
        const size_t part = below(&c->seed, (unsigned)(n >> 7) + 1) << 7;
        struct zn_r16_decoder d = decoder(c, r, coded);
        d.halves = h;
        memset(guard_low(&r->out), 0xa5, r->out.cap);
        assert_true(k->r16_decode_halves(&d, packed, out, part, (enum zn_store)(i % 2)));
        assert_true(k->r16_decode_halves(&d, packed + part / 8 * h.bits, out + part, n - part, (enum zn_store)(i % 2)));
        assert_finished(c, &d, n);
        assert_int_equal(d.halves.seen, seen);
        assert_memory_equal(out, r->expected, n);
        assert_canary(guard_low(&r->out), (size_t)(out - guard_low(&r->out)));
        assert_canary(out + n, (size_t)(guard_high(&r->out, 0) - out) - n);
    }
}

/* Encoding words gives the stream of their top plane, and the planes below. */
static void check_encode_words(const struct zn_kernels *k, struct coding *c, const struct rig *r, size_t n,
                               size_t width, const struct coded *expected) {
    static struct coded coded;
    static uint8_t raw[3 * LARGE];
    expect_words(c, r, n, width, raw);
    struct source src = {.width = width, .at = guard_high(&r->out, width * n)};
    if (n) memcpy(guard_high(&r->out, width * n), r->expected, width * n);
    uint8_t *planes = guard_high(&r->raw, n * (width - 1));
    memset(planes, 0, n * (width - 1));
    for (size_t p = 0; p + 1 < width; p++) src.raw[p] = planes + p * n;
    encode(k, c, r, &src, n, &coded);
    assert_same_coded(expected, &coded);
    assert_memory_equal(planes, raw, n * (width - 1));
}

static void check_encode_f16(const struct zn_kernels *k, struct coding *c, const struct rig *r, size_t n,
                             const struct coded *expected) {
    static struct coded coded;
    static uint8_t low[LARGE], masks[LARGE];
    expect_f16(c, r, n, low, masks);
    struct source src = {.width = 2, .f16 = true, .at = guard_high(&r->out, 2 * n)};
    put_high(&r->out, r->expected, 2 * n);
    src.raw[0] = guard_low(&r->raw);
    src.raw[1] = guard_high(&r->raw, masks_len(n));
    encode(k, c, r, &src, n, &coded);
    assert_same_coded(expected, &coded);
    assert_memory_equal(src.raw[0], low, n);
    assert_memory_equal(src.raw[1], masks, masks_len(n));
}

/* ---- tests ---- */

static void check(struct coding *c, const struct rig *r, size_t n) {
    static struct coded expected, coded;
    fill_symbols(c, guard_high(&r->src, n), n);
    const struct source src = {.width = 1, .at = guard_high(&r->src, n)};
    encode(&zn_kernels_scalar, c, r, &src, n, &expected);
    const struct zn_kernels *k;
    for (unsigned i = 0; (k = zn_kernels_at(i)); i++) {
        encode(k, c, r, &src, n, &coded);
        assert_same_coded(&expected, &coded);
        check_decode(k, c, r, n, &expected);
        if (c->lanes_log2 == 7 && c->n_symbols <= 64) check_merge_halves(k, c, r, n, &expected);
        if (c->slots_log2 == ZN_R16W_SLOTS_LOG2) continue;
        if (c->lanes_log2 == 7) check_merge(k, c, r, n, 2, &expected);
        if (c->lanes_log2 == 7) check_merge(k, c, r, n, 4, &expected);
        if (c->lanes_log2 == 7 && c->n_symbols == 32) check_merge_f16(k, c, r, n, &expected);
        if (c->lanes_log2 == 7 && c->n_symbols == 32) check_encode_f16(k, c, r, n, &expected);
        if (c->lanes_log2 == 7) check_encode_words(k, c, r, n, 2, &expected);
        if (c->lanes_log2 == 7) check_encode_words(k, c, r, n, 4, &expected);
    }
}

static void test_small(void **unused) {
    (void)unused;
    static struct coding c;
    struct rig r = rig_make();
    for (unsigned i = 0; i < N_RANDOM; i++) {
        make_coding(&c, i);
        check(&c, &r, i <= SMALL ? i : below(&c.seed, 4 * SMALL));
    }
    rig_free(&r);
}

static void test_large(void **unused) {
    (void)unused;
    static struct coding c;
    struct rig r = rig_make();
    for (unsigned i = 0; i < N_LARGE; i++) {
        make_coding(&c, 100000 + i);
        check(&c, &r, LARGE - below(&c.seed, 2000));
    }
    rig_free(&r);
}

/* Any bits in place of a stream: the sets agree with the definition on whether it can be decoded, and to what. */
static void test_garbage(void **unused) {
    (void)unused;
    static struct coding c;
    static struct coded junk;
    struct rig r = rig_make();
    for (unsigned i = 0; i < N_GARBAGE; i++) {
        make_coding(&c, 200000 + i);
        size_t n = below(&c.seed, i % 2 ? 300 : 3000);
        junk.in_len = below(&c.seed, (unsigned)n + 1);
        junk.esc_len = below(&c.seed, (unsigned)n + 1);
        for (unsigned l = 0; l < ZN_R16_LANES; l++) junk.state[l] = (uint16_t)next_random(&c.seed);
        for (size_t b = 0; b < n; b++) {
            junk.in[b] = (uint8_t)next_random(&c.seed);
            junk.esc[b] = (uint8_t)next_random(&c.seed);
        }
        struct zn_r16_decoder d = decoder(&c, &r, &junk);
        bool ok = zn_r16_decode_scalar(&d, r.expected, n);
        const struct zn_kernels *k;
        for (unsigned s = 0; (k = zn_kernels_at(s)); s++) {
            struct zn_r16_decoder f = decoder(&c, &r, &junk);
            uint8_t *out = guard_high(&r.out, n);
            assert_int_equal(k->r16_decode(&f, out, n), ok);
            if (ok) {
                assert_memory_equal(out, r.expected, n);
                assert_memory_equal(f.state, d.state, sizeof f.state);
                assert_true(f.in == d.in && f.esc == d.esc && f.pos == n);
            }
            if (c.lanes_log2 != 7 || c.slots_log2 == ZN_R16W_SLOTS_LOG2) continue;
            f = decoder(&c, &r, &junk);
            out = guard_high(&r.out, 2 * n);
            assert_int_equal(k->r16_decode_16r(&f, guard_high(&r.raw, n), out, n, (enum zn_store)(i % 2)), ok);
            f = decoder(&c, &r, &junk);
            out = guard_high(&r.out, 4 * n);
            assert_int_equal(decode_words(k, &f, guard_high(&r.raw, 3 * n), n, out, n, 4, (enum zn_store)(i % 2)), ok);
        }
    }
    rig_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
