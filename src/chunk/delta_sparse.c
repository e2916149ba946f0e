/* Sparse coding: the places of the few elements that changed, and what became of them. Elements are put into classes by
 * context, since small values change more often; a place is given as the number of unchanged elements of its class
 * since the last changed one.
 */
#include "chunk/delta_parts.h"
#include "codec/cost.h"

enum {
    CLASS_COST = 40 * ZN_COST_ONE, /* two bytes, and the gap after the last change */
    SAMPLED = 1 << 15, /* elements from which on their contexts are sampled: only the choice depends on them */
    MAX_RICE = 21
};

/* ---- classes ---- */

struct class {
    unsigned first; /* context it begins with */
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

/* What one class for both costs more than two. */
static uint64_t loss(const struct class *a, const struct class *b) {
    const uint64_t joint = cost_of(a->members + b->members, a->changed + b->changed), apart = a->cost + b->cost;
    return joint - ZN_MIN(joint, apart);
}

/* Joins neighbours until the classes are few and each is worth its cost. */
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

/* Bits of a gap to be stored: a power of two near the median gap is best. */
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

/* What each change is, in the order of the positions. */
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

size_t zn_delta_sparse(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_pair *pair,
                       const uint64_t *changed, struct zn_room room, uint8_t *payload, size_t cap) {
    const struct zn_kernels *k = coder->codec.k;
    const size_t n_masks = (pair->n + 63) / 64, most = pair->n / ZN_SPARSE_SHARE;
    uint64_t *members = zn_room_take(&room, n_masks * sizeof *members);
    uint32_t *positions = zn_room_take(&room, most * sizeof *positions), *end = positions;
    struct values v = {.symbols = zn_room_take(&room, most), .literals = coder->spare};
    struct classes c;
    struct zn_out out = zn_out_of(payload, cap);
    count_classes(k, pair, changed, &c);
    join_classes(&c);

    zn_out_u8(&out, ZN_LAYOUT_SPARSE);
    zn_out_u8(&out, (uint8_t)pair->number);
    zn_out_u8(&out, (uint8_t)pair->head);
    zn_out_u8(&out, (uint8_t)c.n);
    zn_out_bytes(&out, pair->src, pair->head);
    zn_out_bytes(&out, pair->src + pair->head + pair->n * pair->width, pair->tail);
    for (unsigned i = 1; i < c.n; i++) zn_out_u8(&out, (uint8_t)c.class[i].first);
    for (unsigned i = 0; i < c.n; i++) zn_out_u8(&out, (uint8_t)rice_of(&c.class[i]));
    uint8_t *gaps_len_at = zn_out_room(&out, 4);
    struct zn_streams streams = zn_streams_begin(&out, 1);

    /* A gap takes 55 bits at most, and there is one for each change and one for each class: no more than a byte for
     * each element and some. */
    struct zn_bit_sink bits = {.p = coder->rival};
    const uint8_t *gaps = bits.p;
    for (unsigned i = 0; i < c.n; i++) {
        k->delta->range_masks(pair->context, pair->n, (uint8_t)c.class[i].first, last_of(&c, i), members);
        k->delta->gaps_write(&bits, rice_of(&c.class[i]), members, changed, n_masks, &end);
    }
    const size_t gaps_len = (size_t)(zn_bit_sink_flush(&bits) - gaps);
    take_values(k, pair, positions, (size_t)(end - positions), &v);
    zn_out_bytes(&out, gaps, gaps_len);
    if (out.full || zn_out_left(&out) < v.n + v.literals_len) return 0;
    struct zn_survey survey;
    streams.start = out.at; /* the gaps are no stream */
    zn_stream_survey(&coder->codec, v.symbols, v.n, &survey);
    zn_streams_end(&streams, &out, zn_stream_encode(&coder->codec, 0, effort, &survey, v.symbols, v.n, &out));
    zn_put_u32(gaps_len_at, (uint32_t)gaps_len);
    zn_out_bytes(&out, v.literals, v.literals_len);
    return out.full ? 0 : zn_out_len(&out);
}

/* ---- decoding ---- */

/* Positions of all changes, class by class. */
static zipnn_status read_positions(const struct zn_kernels *k, const struct zn_pair *pair, struct zn_delta_body *body,
                                   const uint8_t *cuts, const uint8_t *rice, struct zn_bit_feed *bits,
                                   uint64_t *members, uint32_t **positions, zipnn_error *err) {
    const size_t n_masks = (pair->n + 63) / 64;
    const uint32_t *end = *positions + pair->n / ZN_SPARSE_SHARE;
    for (unsigned i = 0; i < body->detail; i++) {
        const uint8_t lo = i > 0 ? cuts[i - 1] : 0, hi = (uint8_t)(i + 1 < body->detail ? cuts[i] - 1 : 255);
        if (rice[i] > MAX_RICE) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "gaps of %u stored bits", rice[i]);
        if (i + 1 < body->detail && cuts[i] <= lo)
            return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "classes of a sparse delta do not ascend");
        k->delta->range_masks(pair->context, pair->n, lo, hi, members);
        if (!k->delta->gaps_read(bits, rice[i], members, n_masks, positions, end))
            return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "gaps of class %u of a sparse delta", i);
    }
    if (zn_bit_feed_used_up(bits)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "the gaps of a sparse delta are not used up");
}

zipnn_status zn_delta_sparse_decode(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                    struct zn_room room, uint8_t *out, zipnn_error *err) {
    const struct zn_kernels *k = coder->codec.k;
    if (body->detail < 1 || body->detail > ZN_SPARSE_MAX_CLASSES || pair->width > 2)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "sparse delta of %u classes of %u bytes", body->detail,
                       pair->width);
    const uint8_t *cuts = zn_cur_take(&body->cur, body->detail - 1), *rice = zn_cur_take(&body->cur, body->detail);
    struct zn_bit_feed bits = {.len = zn_cur_u32(&body->cur)};
    struct zn_coded values;
    zn_coded_head(&body->cur, &values);
    bits.p = zn_cur_take(&body->cur, bits.len);
    ZN_TRY(zn_delta_take(body, &values, err));

    struct zn_pair with = *pair;
    uint8_t *context = zn_room_take(&room, pair->n);
    uint64_t *members = zn_room_take(&room, (pair->n + 63) / 64 * sizeof *members);
    uint32_t *positions = zn_room_take(&room, pair->n / ZN_SPARSE_SHARE * sizeof *positions), *end = positions;
    k->delta->context(pair->number, pair->ref + pair->head, pair->n, context);
    with.context = context;
    ZN_TRY(read_positions(k, &with, body, cuts, rice, &bits, members, &end, err));
    const size_t n = (size_t)(end - positions);
    uint8_t *symbols = zn_room_take(&room, n);
    ZN_TRY(zn_stream_decode(&coder->codec, 0, &values, symbols, n, err));
    memcpy(out, pair->ref + pair->head, pair->n * pair->width);
    const uint8_t *literals = body->cur.at;
    if (k->delta->patch(pair->number, pair->ref + pair->head, positions, symbols, n, &literals, body->cur.end, out) &&
        literals == body->cur.end)
        return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, values.at, "the values of a sparse delta are too many or too few");
}
