/* Sparse coding: the positions of the few elements that changed, and their new values. The elements are divided into
 * classes by context, because small values change more often. A position is coded as the number of unchanged elements
 * of its class since the last changed one. */
#include "codec/cost.h"
#include "delta/delta_parts.h"

enum {
    CLASS_COST = 40 * ZN_COST_ONE, /* two bytes, and the gap after the last change */
    SAMPLED = 1 << 15,             /* elements; from here on contexts are sampled, which only affects the choice */
    MAX_RICE = 21
};

/* ---- classes ---- */

struct class {
    unsigned first; /* the first context of the class */
    uint32_t members, changed;
    uint64_t cost;
};

struct classes {
    unsigned n;
    struct class class[256];
};

static uint64_t cost_of(uint32_t members, uint32_t changed) {
    const uint32_t counts[2] = {changed, members - changed};
    return zn_entropy(counts, 2);
}

static void count_classes(const struct zn_kernels *k, const struct zn_pair *pair, const uint64_t *changed,
                          struct classes *c) {
    uint32_t members[256] = {0}, changes[256] = {0};
    const unsigned step = pair->n < SAMPLED ? 1 : 8;
    k->byte_hist(pair->context, pair->n, step, members);
    for (size_t g = 0; g * 64 < pair->n; g++)
        for (uint64_t m = changed[g]; m; m &= m - 1) changes[pair->context[g * 64 + (size_t)__builtin_ctzll(m)]]++;
    c->n = 0;
    for (unsigned x = 0; x < 256; x++) {
        const uint32_t all = ZN_MAX(members[x] * step, changes[x]);
        if (all) c->class[c->n++] = (struct class){x, all, changes[x], cost_of(all, changes[x])};
    }
}

/* Returns the extra cost of one class for both. */
static uint64_t loss(const struct class *a, const struct class *b) {
    const uint64_t joint = cost_of(a->members + b->members, a->changed + b->changed), apart = a->cost + b->cost;
    return joint - ZN_MIN(joint, apart);
}

/* Joins neighbours until there are few classes and each saves more than it costs. */
static void join_classes(struct classes *c) {
    while (c->n > 1) {
        unsigned best = 0;
        uint64_t least = UINT64_MAX;
        for (unsigned i = 0; i + 1 < c->n; i++) {
            const uint64_t l = loss(&c->class[i], &c -> class[i + 1]);
            if (l >= least) continue;
            least = l;
            best = i;
        }
        if (c->n <= ZN_SPARSE_MAX_CLASSES && least > CLASS_COST) break;
        struct class *a = &c->class[best];
        a->members += a[1].members;
        a->changed += a[1].changed;
        a->cost = cost_of(a->members, a->changed);
        c->n--;
        memmove(a + 1, a + 2, (c->n - best - 1) * sizeof *a);
    }
    c->class[0].first = 0;
}

/* Returns how many bits of a gap are stored. A power of two near the median gap is best. */
static unsigned rice_of(const struct class *c) {
    const uint32_t mean = (c->members - c->changed) / (c->changed + 1), least = mean - mean / 32;
    return least < 2 ? 0 : 31u - (unsigned)__builtin_clz(least);
}

static uint8_t last_of(const struct classes *c, unsigned i) {
    return (uint8_t)(i + 1 < c->n ? c->class[i + 1].first - 1 : 255);
}

/* ---- values ---- */

struct values {
    uint8_t *symbols, *literals;
    size_t n, literals_len;
};

/* Finds the new value of each changed element, in the order of the positions. */
static void take_values(const struct zn_kernels *k, const struct zn_pair *pair, const uint32_t *positions, size_t n,
                        struct values *v) {
    const uint8_t scale = 0, context = 0;
    struct zn_delta_writer w = {.grid = {.number = pair->number, .scales = &scale}, .literals = v->literals};
    uint8_t unused[8];
    for (size_t i = 0; i < n; i++) {
        const size_t at = pair->head + (size_t)positions[i] * pair->width;
        w.bits.p = unused;
        k->delta->split(&w, pair->src + at, pair->ref + at, &context, 1, v->symbols + i);
    }
    v->n = n;
    v->literals_len = (size_t)(w.literals - v->literals);
}

/* Writes the gaps between changes, class by class; *positions gets the changes in the same order. A gap takes at most
 * 55 bits, and there is one for each change and one for each class, so the gaps take little more than a byte per
 * element. */
static size_t write_gaps(const struct zn_encoder *e, const struct zn_pair *pair, const struct classes *c,
                         const uint64_t *changed, uint8_t *gaps, uint32_t **positions) {
    const struct zn_delta_kernels *k = e->coder->codec.k->delta;
    const size_t n_masks = (pair->n + 63) / 64;
    uint64_t *members = zn_scratch_take(&e->coder->scratch, n_masks * sizeof *members);
    struct zn_bit_sink bits = {.p = gaps};
    for (unsigned i = 0; i < c->n; i++) {
        k->range_masks(pair->context, pair->n, (uint8_t)c->class[i].first, last_of(c, i), members);
        k->gaps_write(&bits, rice_of(&c->class[i]), members, changed, n_masks, positions);
    }
    return (size_t)(zn_bit_sink_flush(&bits) - gaps);
}

static void write_head(const struct zn_encoder *e, const struct zn_pair *pair, const struct classes *c,
                       struct zn_out *out) {
    const struct zn_delta_head head = {ZN_LAYOUT_SPARSE, pair->number, pair->head, c->n};
    zn_delta_begin(out, &head, pair->src, e->len, pair->tail);
    for (unsigned i = 1; i < c->n; i++) zn_out_u8(out, (uint8_t)c->class[i].first);
    for (unsigned i = 0; i < c->n; i++) zn_out_u8(out, (uint8_t)rice_of(&c->class[i]));
}

/* Writes the number of bytes of gaps, the head of the values' stream, the gaps, the values and the literals. */
static size_t write_parts(const struct zn_encoder *e, const uint8_t *gaps, size_t gaps_len, const struct values *v,
                          struct zn_out out) {
    struct zn_codec *codec = &e->coder->codec;
    struct zn_survey survey;
    zn_out_u32(&out, (uint32_t)gaps_len);
    struct zn_streams streams = zn_streams_begin(&out, 1);
    zn_out_bytes(&out, gaps, gaps_len);
    if (out.full || zn_out_left(&out) < v->n + v->literals_len) return 0;
    streams.start = out.at;
    zn_stream_survey(codec, v->symbols, v->n, &survey);
    zn_streams_end(&streams, &out, zn_stream_encode(codec, 0, e->effort, &survey, v->symbols, v->n, &out));
    zn_out_bytes(&out, v->literals, v->literals_len);
    return out.full ? 0 : zn_out_len(&out);
}

size_t zn_delta_sparse(const struct zn_encoder *e, const struct zn_pair *pair, const uint64_t *changed,
                       struct zn_out out) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const struct zn_kernels *k = e->coder->codec.k;
    const size_t most = pair->n / ZN_SPARSE_SHARE;
    uint32_t *positions = zn_scratch_take(scratch, most * sizeof *positions), *end = positions;
    struct values v = {.symbols = zn_scratch_take(scratch, most), .literals = zn_scratch_take(scratch, e->len)};
    uint8_t *gaps = zn_scratch_take(scratch, zn_chunk_bound(e->len));
    struct classes c;
    count_classes(k, pair, changed, &c);
    join_classes(&c);
    write_head(e, pair, &c, &out);
    const size_t gaps_len = write_gaps(e, pair, &c, changed, gaps, &end);
    take_values(k, pair, positions, (size_t)(end - positions), &v);
    return write_parts(e, gaps, gaps_len, &v, out);
}

/* ---- decoding ---- */

/* The parts of a sparse delta before its values. */
struct places {
    unsigned n_classes;
    const uint8_t *cuts, *rice; /* first contexts of all classes but the first; stored bits of gaps */
    struct zn_bit_feed bits;    /* the gaps */
    uint32_t *positions;
    size_t n;
};

/* Reads the positions of all changes, class by class. */
static zipnn_status read_positions(struct zn_coder *coder, const struct zn_pair *pair, struct places *p, uint64_t at,
                                   zipnn_error *err) {
    const struct zn_delta_kernels *k = coder->codec.k->delta;
    const size_t n_masks = (pair->n + 63) / 64, most = pair->n / ZN_SPARSE_SHARE;
    uint64_t *members = zn_scratch_take(&coder->scratch, n_masks * sizeof *members);
    p->positions = zn_scratch_take(&coder->scratch, most * sizeof *p->positions);
    uint32_t *end = p->positions;
    for (unsigned i = 0; i < p->n_classes; i++) {
        const bool last = i + 1 == p->n_classes;
        const uint8_t lo = i > 0 ? p->cuts[i - 1] : 0, hi = (uint8_t)(last ? 255 : p->cuts[i] - 1);
        const uint8_t rice = p->rice[i]; /* read once, because mapped bytes may change */
        if (rice > MAX_RICE) return zn_fail(err, ZIPNN_E_CORRUPT, at, "gaps of %u stored bits", rice);
        if (!last && p->cuts[i] <= lo)
            return zn_fail(err, ZIPNN_E_CORRUPT, at, "classes of a sparse delta do not ascend");
        k->range_masks(pair->context, pair->n, lo, hi, members);
        if (!k->gaps_read(&p->bits, rice, members, n_masks, &end, p->positions + most))
            return zn_fail(err, ZIPNN_E_CORRUPT, at, "the gaps of class %u of a sparse delta are damaged", i);
    }
    p->n = (size_t)(end - p->positions);
    if (zn_bit_feed_used_up(&p->bits)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "the gaps of a sparse delta are not used up");
}

static zipnn_status read_places(struct zn_delta_body *body, struct places *p, struct zn_coded *values,
                                zipnn_error *err) {
    struct zn_cur *cur = &body->cur;
    p->n_classes = body->head.detail;
    p->cuts = zn_cur_take(cur, p->n_classes - 1);
    p->rice = zn_cur_take(cur, p->n_classes);
    p->bits = (struct zn_bit_feed){.len = zn_cur_u32(cur)};
    zn_coded_head(cur, values);
    p->bits.p = zn_cur_take(cur, p->bits.len);
    return zn_delta_take(body, values, err);
}

zipnn_status zn_delta_sparse_decode(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                    zipnn_error *err) {
    const struct zn_delta_kernels *k = coder->codec.k->delta;
    const unsigned n_classes = body->head.detail;
    const uint8_t *ref = pair->ref + pair->head;
    struct zn_pair with = *pair;
    struct places p;
    struct zn_coded values;
    if (n_classes < 1 || n_classes > ZN_SPARSE_MAX_CLASSES || pair->width > 2)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "sparse delta of %u classes of %u bytes", n_classes,
                       pair->width);
    ZN_TRY(read_places(body, &p, &values, err));
    uint8_t *context = zn_scratch_take(&coder->scratch, pair->n), *out = body->out + pair->head;
    k->context(pair->number, ref, pair->n, context);
    with.context = context;
    ZN_TRY(read_positions(coder, &with, &p, body->at, err));
    uint8_t *symbols = zn_scratch_take(&coder->scratch, p.n);
    ZN_TRY(zn_stream_decode(&coder->codec, 0, &values, symbols, p.n, err));
    memcpy(out, ref, pair->n * pair->width);
    const uint8_t *literals = body->cur.at;
    if (k->patch(pair->number, ref, p.positions, symbols, p.n, &literals, body->cur.end, out) &&
        literals == body->cur.end)
        return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, values.at, "the values of a sparse delta are too many or too few");
}
