/* Sparse coding: the positions of the few elements that changed, and their new values. The elements are divided into
 * classes by context, because small values change more often. A position is coded as the number of unchanged elements
 * of its class since the last changed one. */
#include "codec/cost.h"
#include "delta/delta_parts.h"

enum {
    CLASS_COST = 40 * ZN_COST_ONE, /* two bytes, and the gap after the last change */
    SAMPLED = 1 << 15,             /* elements; from here on contexts are sampled, which only affects the choice */
    MAX_RICE = 21,
    MAX_WIDTH = 2
};

/* ---- classes ---- */

struct class {
    unsigned first; /* the first context of the class */
    uint32_t members, changed;
    uint64_t cost;
    uint64_t loss; /* the extra cost of one class for this one and the next */
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
        if (all) c->class[c->n++] = (struct class){x, all, changes[x], cost_of(all, changes[x]), 0};
    }
}

static void find_loss(struct classes *c, unsigned i) {
    if (i + 1 >= c->n) return;
    struct class *a = &c->class[i];
    const uint64_t joint = cost_of(a->members + a[1].members, a->changed + a[1].changed), apart = a->cost + a[1].cost;
    a->loss = joint - ZN_MIN(joint, apart);
}

/* Joins neighbours until there are few classes and each saves more than it costs. */
static void join_classes(struct classes *c) {
    for (unsigned i = 0; i < c->n; i++) find_loss(c, i);
    while (c->n > 1) {
        unsigned best = 0;
        for (unsigned i = 1; i + 1 < c->n; i++)
            if (c->class[i].loss < c->class[best].loss) best = i;
        struct class *a = &c->class[best];
        if (c->n <= ZN_SPARSE_MAX_CLASSES && a->loss > CLASS_COST) break;
        a->members += a[1].members;
        a->changed += a[1].changed;
        a->cost = cost_of(a->members, a->changed);
        c->n--;
        memmove(a + 1, a + 2, (c->n - best - 1) * sizeof *a);
        find_loss(c, best);
        if (best > 0) find_loss(c, best - 1);
    }
    c->class[0].first = 0;
}

/* Returns how many bits of a gap are stored. A power of two near the median gap is best. */
static unsigned rice_of(const struct class *c) {
    const uint32_t mean = (c->members - c->changed) / (c->changed + 1), least = mean - mean / 32;
    return least < 2 ? 0 : 31u - (unsigned)__builtin_clz(least);
}

/* ---- places and values ---- */

/* Counts the members of all classes before each block. Returns the counts, in scratch. */
static uint32_t *count_members(struct zn_coder *coder, const uint8_t *context, size_t n, const uint8_t *firsts,
                               unsigned n_classes) {
    const size_t each = zn_class_blocks(n) + 1;
    uint32_t *before = zn_scratch_take(&coder->scratch, n_classes * each * sizeof *before);
    coder->codec.k->delta->count_members(context, n, firsts, n_classes, before);
    return before;
}

/* The members of class c of several. */
static struct zn_members members_of(const uint8_t *context, size_t n, const uint8_t *firsts, unsigned n_classes,
                                    unsigned c, const uint32_t *before) {
    const uint8_t last = (uint8_t)(c + 1 < n_classes ? firsts[c + 1] - 1 : 255);
    return (struct zn_members){context, n, firsts[c], last, before + c * (zn_class_blocks(n) + 1)};
}

/* Lists the changes class by class, in order. ends[c] is where those of class c end. */
static void list_changes(const struct zn_pair *pair, const struct classes *c, const uint64_t *changed,
                         uint32_t *positions, uint32_t *ends) {
    uint8_t class_of[256] = {0};
    for (unsigned i = 0, x = 0; i < c->n; i++) {
        const unsigned end = i + 1 < c->n ? c->class[i + 1].first : 256;
        ends[i] = i ? ends[i - 1] + c->class[i - 1].changed : 0;
        for (; x < end; x++) class_of[x] = (uint8_t)i;
    }
    for (size_t g = 0; g * 64 < pair->n; g++)
        for (uint64_t m = changed[g]; m; m &= m - 1) {
            const uint32_t at = (uint32_t)(g * 64) + (uint32_t)__builtin_ctzll(m);
            positions[ends[class_of[pair->context[at]]]++] = at;
        }
}

/* Writes the gaps between changes, class by class. A gap takes at most 55 bits, and there is one for each change and one
 * for each class, so the gaps take little more than a byte per element. Returns their length. */
static size_t write_gaps(const struct zn_encoder *e, const struct zn_pair *pair, const struct classes *c,
                         const uint32_t *positions, const uint32_t *ends, uint8_t *gaps) {
    struct zn_bit_sink bits = {.p = gaps};
    uint8_t firsts[ZN_SPARSE_MAX_CLASSES];
    for (unsigned i = 0; i < c->n; i++) firsts[i] = (uint8_t)c->class[i].first;
    const uint32_t *before = count_members(e->coder, pair->context, pair->n, firsts, c->n);
    for (unsigned i = 0; i < c->n; i++) {
        const struct zn_members members = members_of(pair->context, pair->n, firsts, c->n, i, before);
        const uint32_t first = i ? ends[i - 1] : 0;
        e->coder->codec.k->delta->gaps_write(&bits, rice_of(&c->class[i]), &members, positions + first,
                                             ends[i] - first);
    }
    return (size_t)(zn_bit_sink_flush(&bits) - gaps);
}

struct values {
    uint8_t *symbols, *literals;
    size_t n, literals_len;
};

/* Finds the new value of each changed element, in the order of the positions. */
static void take_values(const struct zn_kernels *k, const struct zn_pair *pair, const uint32_t *positions, size_t n,
                        struct values *v) {
    uint8_t *end = v->literals;
    k->delta->pick(pair->number, pair->src + pair->head, pair->ref + pair->head, positions, n, v->symbols, &end);
    v->n = n;
    v->literals_len = (size_t)(end - v->literals);
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

size_t zn_delta_sparse(const struct zn_encoder *e, const struct zn_pair *pair, const struct zn_delta_changes *changes,
                       struct zn_out out) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const struct zn_kernels *k = e->coder->codec.k;
    const size_t most = pair->n / ZN_SPARSE_SHARE;
    uint32_t *positions = zn_scratch_take(scratch, most * sizeof *positions), ends[ZN_SPARSE_MAX_CLASSES];
    struct values v = {.symbols = zn_scratch_take(scratch, most), .literals = zn_scratch_take(scratch, e->len)};
    uint8_t *gaps = zn_scratch_take(scratch, zn_chunk_bound(e->len));
    struct classes c;
    count_classes(k, pair, changes->masks, &c);
    join_classes(&c);
    write_head(e, pair, &c, &out);
    list_changes(pair, &c, changes->masks, positions, ends);
    const size_t gaps_len = write_gaps(e, pair, &c, positions, ends, gaps);
    take_values(k, pair, positions, ends[c.n - 1], &v);
    return write_parts(e, gaps, gaps_len, &v, out);
}

/* ---- decoding ---- */

/* The parts of a sparse delta. */
struct places {
    unsigned n_classes;
    uint8_t firsts[ZN_SPARSE_MAX_CLASSES], rice[ZN_SPARSE_MAX_CLASSES]; /* first contexts; stored bits of gaps */
    struct zn_bit_feed bits;                                            /* the gaps */
    uint32_t *positions;
    size_t n;
    uint8_t *symbols;
    const uint8_t *literals, *literals_end;
    uint64_t values_at;
};

/* Reads the positions of all changes, class by class. */
static zipnn_status read_positions(struct zn_coder *coder, const struct zn_pair *pair, struct places *p, uint64_t at,
                                   zipnn_error *err) {
    const size_t most = pair->n / ZN_SPARSE_SHARE;
    const uint32_t *before = count_members(coder, pair->context, pair->n, p->firsts, p->n_classes);
    p->positions = zn_scratch_take(&coder->scratch, most * sizeof *p->positions);
    uint32_t *end = p->positions;
    for (unsigned i = 0; i < p->n_classes; i++) {
        const struct zn_members members = members_of(pair->context, pair->n, p->firsts, p->n_classes, i, before);
        if (!coder->codec.k->delta->gaps_read(&p->bits, p->rice[i], &members, &end, p->positions + most))
            return zn_fail(err, ZIPNN_E_CORRUPT, at, "the gaps of class %u of a sparse delta are damaged", i);
    }
    p->n = (size_t)(end - p->positions);
    if (zn_bit_feed_used_up(&p->bits)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "the gaps of a sparse delta are not used up");
}

/* Reads the classes: mapped bytes may change, so they are read once. */
static zipnn_status read_classes(struct zn_delta_body *body, struct places *p, zipnn_error *err) {
    p->firsts[0] = 0;
    for (unsigned i = 1; i < p->n_classes; i++) p->firsts[i] = zn_cur_u8(&body->cur);
    for (unsigned i = 0; i < p->n_classes; i++) p->rice[i] = zn_cur_u8(&body->cur);
    for (unsigned i = 0; i < p->n_classes; i++) {
        if (p->rice[i] > MAX_RICE) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "gaps of %u stored bits", p->rice[i]);
        if (i > 0 && p->firsts[i] <= p->firsts[i - 1])
            return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "classes of a sparse delta do not ascend");
    }
    return ZIPNN_OK;
}

static zipnn_status read_places(struct zn_delta_body *body, struct places *p, struct zn_coded *values,
                                zipnn_error *err) {
    struct zn_cur *cur = &body->cur;
    ZN_TRY(read_classes(body, p, err));
    p->bits = (struct zn_bit_feed){.len = zn_cur_u32(cur)};
    zn_coded_head(cur, values);
    p->bits.p = zn_cur_take(cur, p->bits.len);
    return zn_delta_take(body, values, err);
}

/* Reads all of a sparse delta, up to its literals. */
static zipnn_status read_changes(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                 struct places *p, zipnn_error *err) {
    struct zn_pair with = *pair;
    struct zn_coded values;
    *p = (struct places){.n_classes = body->head.detail};
    if (p->n_classes < 1 || p->n_classes > ZN_SPARSE_MAX_CLASSES || pair->width > MAX_WIDTH)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "sparse delta of %u classes of %u bytes", p->n_classes,
                       pair->width);
    ZN_TRY(read_places(body, p, &values, err));
    uint8_t *context = zn_scratch_take(&coder->scratch, pair->n);
    coder->codec.k->delta->context(pair->number, pair->ref + pair->head, pair->n, context);
    with.context = context;
    ZN_TRY(read_positions(coder, &with, p, body->at, err));
    p->symbols = zn_scratch_take(&coder->scratch, p->n);
    p->literals = body->cur.at;
    p->literals_end = body->cur.end;
    p->values_at = values.at;
    return zn_stream_decode(&coder->codec, 0, &values, p->symbols, p->n, err);
}

/* Puts the changes into out[0, ...), which holds the reference's elements, or is the reference. */
static zipnn_status put_changes(const struct zn_kernels *k, const struct zn_pair *pair, const struct places *p,
                                uint8_t *out, zipnn_error *err) {
    const uint8_t *literals = p->literals;
    if (k->delta->patch(pair->number, pair->ref + pair->head, p->positions, p->symbols, p->n, &literals,
                        p->literals_end, out) &&
        literals == p->literals_end)
        return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, p->values_at, "the values of a sparse delta are too many or too few");
}

zipnn_status zn_delta_sparse_decode(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                    zipnn_error *err) {
    uint8_t *out = body->out + pair->head;
    struct places p;
    ZN_TRY(read_changes(coder, pair, body, &p, err));
    memcpy(out, pair->ref + pair->head, pair->n * pair->width);
    return put_changes(coder->codec.k, pair, &p, out, err);
}

/* ---- in place ---- */

/* Copies the elements at these positions out of the memory, or back. */
static void keep_elements(const uint8_t *memory, unsigned width, const uint32_t *positions, size_t n, uint8_t *kept) {
    if (width == 1)
        for (size_t i = 0; i < n; i++) kept[i] = memory[positions[i]];
    else
        for (size_t i = 0; i < n; i++) memcpy(kept + 2 * i, memory + 2 * (size_t)positions[i], 2);
}

static void put_back(const uint8_t *kept, unsigned width, const uint32_t *positions, size_t n, uint8_t *memory) {
    if (width == 1)
        for (size_t i = 0; i < n; i++) memory[positions[i]] = kept[i];
    else
        for (size_t i = 0; i < n; i++) memcpy(memory + 2 * (size_t)positions[i], kept + 2 * i, 2);
}

zipnn_status zn_delta_sparse_patch(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                   const uint8_t *edges, uint64_t check, zipnn_error *err) {
    uint8_t *elements = body->out + pair->head, old_edges[2 * MAX_WIDTH];
    struct places p;
    ZN_TRY(read_changes(coder, pair, body, &p, err));
    uint8_t *kept = zn_scratch_take(&coder->scratch, p.n * pair->width);
    keep_elements(elements, pair->width, p.positions, p.n, kept);
    zn_delta_take_edges(pair, body->out, body->orig_len, old_edges);
    zipnn_status status = put_changes(coder->codec.k, pair, &p, elements, err);
    zn_delta_put_edges(pair, edges, body->out, body->orig_len);
    if (status == ZIPNN_OK && coder->codec.k->xxh3_64(body->out, body->orig_len) != check)
        status = zn_fail(err, ZIPNN_E_CORRUPT, body->at, "a chunk decoded by its reference has another checksum");
    if (status == ZIPNN_OK) return ZIPNN_OK;
    put_back(kept, pair->width, p.positions, p.n, elements);
    zn_delta_put_edges(pair, old_edges, body->out, body->orig_len);
    return status;
}
