/* The walk over words, which encodes or decodes them (doc/format.md, section 8). */
#include "codec/mixing_model.h"

enum {
    ONE = 1 << 16, /* an octave of scale */
    KEY_BITS = 7,  /* a key is an element's exponent and seven mantissa bits: its logarithm in 1/128 octaves */
    KEY = 16 - KEY_BITS,
    TOP_BITS = 3, /* mantissa bits that are coded; the others are noise */
    MOST_UP = 8,
    MOST_DOWN = 15, /* most steps from the expected exponent before the exponent's bits are coded */
    UP = 1,
    DOWN = 16,         /* first nodes of each direction */
    FARTHEST = 1 << 28 /* limit of scales, so that sums of four do not overflow */
};

/* How fast a scale learns from its n-th element: by 1 / (n + PRIOR), with n up to LIMIT. The scale of all elements
 * drifts after LIMIT_ALL of them. */
enum {
    PRIOR_PLACE = 7,
    LIMIT_PLACE = 128,
    PRIOR_OUTER = 8,
    LIMIT_OUTER = 64,
    PRIOR_ALL = 2,
    LIMIT_ALL = 15,
    SETTLED = 300 - PRIOR_ALL,
    AFRESH = 8 /* n when a run begins */
};

struct walk {
    struct zn_mixing *m;
    struct zn_range *r;
    struct zn_mix_format f;
    int32_t most; /* greatest exponent */
    const uint8_t *first;

    int32_t all, recent; /* scale of all elements; scale of the last ones */
    unsigned n_all;
    uint32_t left, left2; /* keys of the last two elements */

    /* the run */
    uint32_t axis[2], index[2], period;
    int32_t outer; /* scale of the slowest axis since it last advanced */
    unsigned n_outer;
};

/* What is known before an element is coded. */
struct view {
    int32_t scale;     /* expected scale */
    int32_t expected;  /* expected exponent */
    unsigned fraction; /* fraction of the scale, in 1/16 octaves */
    unsigned recent;
    zn_counter *shape, *near, *local;
};

static uint32_t load(const uint8_t *p, unsigned width) {
    return width == 1 ? p[0] : width == 2 ? zn_get_u16(p) : zn_get_u32(p);
}

static void store(uint8_t *p, unsigned width, uint32_t word) {
    if (width == 1)
        p[0] = (uint8_t)word;
    else if (width == 2)
        zn_put_u16(p, (uint16_t)word);
    else
        zn_put_u32(p, word);
}

/* Returns a word rotated left by one bit, as all words are handled: exponent, mantissa, sign. */
static uint32_t rotated(uint32_t word, unsigned bits) {
    return (word << 1 | word >> (bits - 1)) & (uint32_t)(((uint64_t)1 << bits) - 1);
}

static uint32_t unrotated(uint32_t word, unsigned bits) {
    return (word >> 1 | (word & 1) << (bits - 1));
}

static uint32_t key_of(const struct zn_mix_format *f, uint32_t rotated_word) {
    const uint32_t magnitude = rotated_word >> 1;
    return f->mantissa >= KEY_BITS ? magnitude >> (f->mantissa - KEY_BITS) : magnitude << (KEY_BITS - f->mantissa);
}

/* ---- scales ------------------------------------------------------------------------------------------------------ */

/* Returns how strongly an element pulls a scale towards itself: the slope of a Laplace distribution's likelihood. */
static int32_t pull_of(const struct walk *w, uint32_t key, int32_t scale) {
    return w->m->tables.pull[zn_mix_clamp((((int32_t)key << KEY) - scale) >> KEY, -512, 511) + 512];
}

static void learn(const struct walk *w, int32_t *scale, int32_t pull, unsigned n) {
    const int32_t step = (int32_t)(((int64_t)pull * w->m->tables.share[n]) >> 14);
    *scale = zn_mix_clamp(*scale + step, -FARTHEST, FARTHEST);
}

static unsigned counted(unsigned n, unsigned limit) {
    return n < limit ? n + 1 : n;
}

static int32_t expected_scale(const struct walk *w) {
    int32_t scale = w->all + w->outer;
    for (unsigned a = 0; a < 2; a++)
        if (w->axis[a] > 1) scale += w->m->axis[a].scale[w->index[a]];
    return scale;
}

static void learn_scales(struct walk *w, uint32_t key, int32_t scale) {
    const int32_t pull = pull_of(w, key, scale);
    learn(w, &w->all, pull, w->n_all + PRIOR_ALL);
    w->n_all = w->n_all < LIMIT_ALL ? w->n_all + 1 : SETTLED;
    if (w->period > 1) {
        learn(w, &w->outer, pull, w->n_outer + PRIOR_OUTER);
        w->n_outer = counted(w->n_outer, LIMIT_OUTER);
    }
    for (unsigned a = 0; a < 2; a++) {
        if (w->axis[a] == 1) continue;
        struct zn_mix_axis *axis = &w->m->axis[a];
        const uint32_t i = w->index[a];
        learn(w, &axis->scale[i], pull, axis->count[i] + (unsigned)PRIOR_PLACE);
        axis->count[i] = (uint8_t)counted(axis->count[i], LIMIT_PLACE);
    }
    w->recent += pull_of(w, key, w->recent) >> 3;
}

/* ---- an element -------------------------------------------------------------------------------------------------- */

static unsigned nearness(uint32_t key, int32_t scale) {
    return (unsigned)zn_mix_clamp((((int32_t)key << KEY) - scale) >> 15, -5, 2) + 5;
}

static struct view look(const struct walk *w, uint32_t above) {
    struct view v = {.scale = expected_scale(w)};
    struct zn_mix_learnt *l = &w->m->learnt;
    const int32_t octave = v.scale >> 16;
    v.expected = zn_mix_clamp(octave, 1, w->most);
    v.fraction = octave == v.expected ? ((uint32_t)v.scale >> 12) & 15 : 8;
    v.recent = (unsigned)(zn_mix_clamp((w->recent - v.scale) >> 14, -8, 7) + 8);
    v.shape = l->shape[v.fraction];
    v.local = l->recent[v.recent][v.fraction >> 2];
    v.near = l->near[nearness(above, v.scale)][nearness(w->left, v.scale)];
    return v;
}

/* Codes whether the exponent is at least `exponent`, or below it if `node` is one of the nodes downwards. */
static unsigned decide(struct walk *w, const struct view *v, unsigned node, int32_t exponent, unsigned bit) {
    struct zn_mix_learnt *l = &w->m->learnt;
    const unsigned way = node == 0 ? 0 : node < DOWN ? 1 : 2;
    zn_counter *const counters[ZN_MIX_INPUTS] = {&v->shape[node], &v->local[node], &l->exponent[exponent][way],
                                                 &v->near[node]};
    return zn_mix_decide(w->m, w->r, bit, counters, l->weights[node]);
}

static int32_t spell_exponent(struct walk *w, int32_t exponent) {
    unsigned tree = 1;
    for (unsigned b = w->f.exponent; b-- > 0;) {
        zn_counter *c = &w->m->learnt.rare[tree];
        tree = tree << 1 | zn_mix_decide_plainly(w->m, w->r, ((unsigned)exponent >> b) & 1, c, c);
    }
    return (int32_t)(tree - (1u << w->f.exponent));
}

/* Codes the exponent in single steps, beginning at the expected one. */
static int32_t code_exponent(struct walk *w, const struct view *v, int32_t exponent) {
    const int32_t start = v->expected;
    int32_t e = start;
    if (decide(w, v, 0, start, exponent >= start)) {
        for (; e < w->most; e++) {
            if (e - start == MOST_UP) return spell_exponent(w, exponent);
            if (!decide(w, v, (unsigned)(UP + e - start), e + 1, exponent > e)) break;
        }
        return e;
    }
    for (e--; e > 0; e--) {
        if (start - 1 - e == MOST_DOWN) return spell_exponent(w, exponent);
        if (!decide(w, v, (unsigned)(DOWN + start - 1 - e), e, exponent < e)) break;
    }
    return e;
}

/* Codes the first bits of the mantissa as decisions. The mantissa has `bits` bits after the cut. */
static uint32_t code_top(struct walk *w, const struct view *v, int32_t exponent, uint32_t mantissa, unsigned bits) {
    struct zn_mix_learnt *l = &w->m->learnt;
    zn_counter *near = l->bits[zn_mix_clamp(exponent - v->expected, -7, 8) + 7][v->fraction >> 1];
    zn_counter *of = l->bits_of[exponent];
    const unsigned n = ZN_MIN(bits, (unsigned)TOP_BITS);
    uint32_t tree = 1;
    for (unsigned b = bits; b-- > bits - n;)
        tree = tree << 1 | zn_mix_decide_plainly(w->m, w->r, mantissa >> b & 1, &near[tree], &of[tree]);
    return tree - (1u << n);
}

static bool code_is_zero(struct walk *w, const struct view *v, uint32_t above, bool is_zero) {
    struct zn_mix_learnt *l = &w->m->learnt;
    const unsigned around = (unsigned)(w->left == 0) | (unsigned)(above == 0) << 1 | (unsigned)(w->left2 == 0) << 2;
    return zn_mix_decide_plainly(w->m, w->r, is_zero, &l->zero[around],
                                 &l->zero_of[zn_mix_clamp(v->scale >> 19, 0, 31)]);
}

/* Codes the bits below the mantissa's first ones, and the sign below those. */
static uint32_t code_rest(struct walk *w, uint32_t rest, unsigned bits) {
    if (w->f.sign == ZN_MIX_SIGN_CODED) return zn_range_plain(w->r, rest, bits + 1);
    return zn_range_plain(w->r, rest >> 1, bits) << 1 | (w->f.sign & 1);
}

/* Codes a rotated word. */
static uint32_t code_word(struct walk *w, uint32_t above, uint32_t word) {
    const struct zn_mix_format *f = &w->f;
    const struct view v = look(w, above);
    if (f->has_zeros && code_is_zero(w, &v, above, word >> 1 == 0)) {
        word = code_rest(w, word & 1, 0);
    } else {
        const unsigned bits = f->mantissa - f->cut, n_rest = bits - ZN_MIN(bits, (unsigned)TOP_BITS);
        const uint32_t mantissa = (word >> 1 & ((1u << f->mantissa) - 1)) >> f->cut;
        const int32_t e = code_exponent(w, &v, (int32_t)(word >> 1 >> f->mantissa));
        const uint32_t top = code_top(w, &v, e, mantissa, bits);
        const uint32_t rest = code_rest(w, (mantissa & ((1u << n_rest) - 1)) << 1 | (word & 1), n_rest);
        const uint32_t magnitude = (uint32_t)e << f->mantissa | (top << n_rest | rest >> 1) << f->cut;
        word = magnitude << 1 | (rest & 1);
    }
    learn_scales(w, key_of(f, word), v.scale);
    return word;
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

uint32_t zn_mixing_number(struct zn_cur *cur) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        const uint8_t byte = zn_cur_u8(cur);
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) break;
    }
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static bool begin_run(struct walk *w, struct zn_cur *runs, size_t left, uint32_t *n) {
    *n = zn_mixing_number(runs);
    for (unsigned a = 2; a-- > 0;) w->axis[a] = zn_mixing_number(runs);
    const uint32_t phase = zn_mixing_number(runs);
    if (!zn_cur_ok(runs) || *n == 0 || *n > left) return false;
    for (unsigned a = 0; a < 2; a++) {
        if (w->axis[a] == 0 || w->axis[a] > *n || w->axis[a] > ZN_MIXING_MAX_AXIS) return false;
        memset(w->m->axis[a].scale, 0, w->axis[a] * sizeof *w->m->axis[a].scale);
        memset(w->m->axis[a].count, 0, w->axis[a]);
    }
    const uint64_t period = (uint64_t)w->axis[0] * w->axis[1];
    if (phase >= period) return false;
    w->period = (uint32_t)ZN_MIN(period, (uint64_t)UINT32_MAX);
    w->index[0] = phase / w->axis[1];
    w->index[1] = phase % w->axis[1];
    w->outer = 0;
    w->n_outer = 0;
    w->n_all = ZN_MIN(w->n_all, (unsigned)AFRESH);
    return true;
}

static void advance(struct walk *w) {
    if (++w->index[1] < w->axis[1]) return;
    w->index[1] = 0;
    if (++w->index[0] < w->axis[0]) return;
    w->index[0] = 0;
    w->outer = 0;
    w->n_outer = 0;
}

static bool walk_run(struct walk *w, uint8_t *at, uint32_t n) {
    const unsigned width = w->f.width, bits = 8 * width;
    const bool decoding = w->r->direction == ZN_DECODE;
    for (uint32_t i = 0; i < n; i++, at += width) {
        const int32_t scale = zn_mix_clamp(expected_scale(w), 0, INT32_MAX);
        const uint32_t above = i < w->period
                                   ? (uint32_t)scale >> KEY
                                   : key_of(&w->f, rotated(load(at - (size_t)w->period * width, width), bits));
        const uint32_t word = code_word(w, above, decoding ? 0 : rotated(load(at, width), bits));
        if (decoding) store(at, width, unrotated(word, bits));
        w->left2 = w->left;
        w->left = key_of(&w->f, word);
        advance(w);
        if (!decoding && zn_range_is_full(w->r)) return false;
    }
    return true;
}

bool zn_mixing_walk(struct zn_mixing *m, struct zn_range *r, const struct zn_mix_format *format, struct zn_cur *runs,
                    uint8_t *words, size_t n) {
    struct walk w = {.m = m, .r = r, .f = *format, .most = (1 << format->exponent) - 1};
    w.all = w.recent = zn_mix_clamp((1 << (format->exponent - 1)) - 8, 1, w.most) * ONE;
    w.left = w.left2 = (uint32_t)w.all >> KEY;
    while (n > 0) {
        uint32_t len;
        if (!begin_run(&w, runs, n, &len) || !walk_run(&w, words, len)) return false;
        words += (size_t)len * format->width;
        n -= len;
    }
    return zn_cur_left(runs) == 0;
}
