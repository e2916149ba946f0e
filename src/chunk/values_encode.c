/* Encodes blocks of quantised values: chooses which values get a symbol of their own, the order of the groups and the
 * tables, and writes the body. doc/notebook/types.md has the measurements. */
#include "chunk/layout.h"
#include "chunk/records.h"
#include "chunk/values.h"
#include "chunk/ways.h"
#include "codec/cost.h"
#include "codec/repeats.h"

enum {
    FEWEST = 4096,     /* values; fewer do not pay for tables */
    SAMPLED = 1 << 16, /* values whose counts are taken */
    BINS_LOG2 = 4,     /* a table can list nearly all of 16 symbols */
    EXACT_GAIN = 256,  /* a value gets a symbol of its own if that saves one bit per 256 values of the chunk */
    SORTED_BLOCK = 12, /* log2 of the symbols that share a table, when groups are sorted */
    SORTED_TABLES = 12,
    SORTED_ROUNDS = 4
};

/* A chunk while it is encoded. */
struct values {
    const struct zn_encoder *e;
    const struct zn_values_type *type;
    struct zn_values_shape shape;
    struct zn_values_head head;
    struct zn_values_code code;
    unsigned n_sides;
    size_t n, n_values, n_groups;
    const uint8_t *sides[ZN_MAX_SIDES];
    uint8_t *values, *symbols; /* one byte per value */
    uint8_t *places;           /* room for the groups' places */
    uint8_t *low;              /* the packed low bits */
    size_t low_len;
    uint32_t counts[256]; /* of a sample of the values */
};

/* ---- which values are exact ---- */

/* Returns the cost of a bin of 1 << k values, in units of ZN_COST_ONE, when the values whose bits are set in `exact`
 * have symbols of their own. */
static uint64_t cost_of_bin(const uint32_t *counts, unsigned k, unsigned exact) {
    uint32_t parts[ZN_MAX_EXACT + 1] = {0};
    for (unsigned v = 0; v < 1u << k; v++) parts[exact >> v & 1 ? v + 1 : 0] += counts[v];
    return zn_entropy(parts, ZN_MAX_EXACT + 1) + (uint64_t)parts[0] * k * ZN_COST_ONE;
}

/* Takes up to two values out of a bin, the one that saves most first, as long as each saves `least`. A bin of two
 * values loses both at once, since the last one needs no low bits. */
static unsigned exact_of_bin(const uint32_t *counts, unsigned k, uint64_t least) {
    unsigned exact = 0;
    uint64_t cost = cost_of_bin(counts, k, 0);
    for (unsigned round = 0; round < 2; round++) {
        unsigned best = exact;
        uint64_t best_cost = cost;
        for (unsigned v = 0; v < 1u << k; v++) {
            const unsigned with = k == 1 ? 3 : exact | 1u << v;
            const uint64_t c = cost_of_bin(counts, k, with);
            if (c >= best_cost) continue;
            best = with;
            best_cost = c;
        }
        if (best == exact || cost - best_cost < least) break;
        exact = best;
        cost = best_cost;
    }
    return exact;
}

static void choose_exact(struct values *v) {
    const unsigned k = v->code.low_bits, bits = zn_values_bits(v->type);
    uint64_t sampled = 0;
    for (unsigned i = 0; i < 256; i++) sampled += v->counts[i];
    const uint64_t least = sampled * ZN_COST_ONE / EXACT_GAIN + 1;
    struct zn_values_head *h = &v->head;
    for (unsigned b = 0; b < 1u << bits && k > 0; b += 1u << k) {
        const unsigned exact = exact_of_bin(v->counts + b, k, least);
        for (unsigned i = 0; i < 1u << k; i++)
            if (exact >> i & 1 && h->n_exact < ZN_MAX_EXACT) h->exact[h->n_exact++] = (uint8_t)(b + i);
    }
}

static void make_code(struct values *v) {
    struct zn_values_code *c = &v->code;
    const unsigned bits = zn_values_bits(v->type);
    c->group_log2 = v->type->group_log2;
    c->low_bits = v->head.low_bits = (uint8_t)(bits > BINS_LOG2 ? bits - BINS_LOG2 : 0);
    c->n_bins = 1u << (bits - c->low_bits);
    choose_exact(v);
    c->n_exact = v->head.n_exact;
    memcpy(c->exact, v->head.exact, sizeof c->exact);
    for (unsigned i = 0; i < 256; i++) c->symbol_of[i] = (uint8_t)(i >> c->low_bits);
    for (unsigned e = 0; e < c->n_exact; e++) c->symbol_of[c->exact[e]] = (uint8_t)(c->n_bins + e);
}

/* ---- taking apart ---- */

static void take_apart(struct values *v, const uint8_t *records) {
    struct zn_scratch *scratch = &v->e->coder->scratch;
    const struct zn_kernels *k = v->e->coder->codec.k;
    for (unsigned p = 0; p < v->n_sides; p++) {
        const struct zn_field field = {ZN_FIELD_BYTES, v->type->side[p].len};
        uint8_t *to = zn_scratch_take(scratch, v->n * field.len);
        zn_field_split(&field, records + v->type->side[p].at, v->n, v->type->width, &to);
        v->sides[p] = to;
    }
    v->values = zn_scratch_take(scratch, v->n_values);
    v->symbols = zn_scratch_take(scratch, v->n_values);
    v->places = zn_scratch_take(scratch, v->n * v->type->width);
    v->low = zn_scratch_take(scratch, v->e->len);
    k->values->unpack(&v->shape, records, v->n, v->values);
    k->byte_hist(v->values, v->n_values, zn_sample_step(v->n_values, SAMPLED), v->counts);
}

/* Divides the values into symbols and low bits, group by group in sorted order or by position. */
static void divide(struct values *v, bool sorted) {
    struct zn_low_writer low = {.at = v->low};
    v->head.sorted = sorted;
    const uint32_t *places = zn_values_places(v->type, v->e->coder->codec.k->values, v->sides, v->n, sorted, v->places);
    v->e->coder->codec.k->values->divide(&v->code, v->values, places, v->n_groups, v->symbols, &low);
    if (low.n_left) *low.at++ = (uint8_t)low.left;
    v->low_len = (size_t)(low.at - v->low);
}

/* ---- tables ---- */

/* Sorted symbols have only one or two hundred blocks, so every level can afford to choose their tables with care. */
static struct zn_effort effort_of(const struct zn_effort *effort, bool sorted) {
    struct zn_effort own = *effort;
    own.block_log2 = ZN_MIN(effort->block_log2, 8u);
    if (!sorted) return own;
    own.block_log2 = SORTED_BLOCK;
    own.max_tables = SORTED_TABLES;
    own.rounds = SORTED_ROUNDS;
    return own;
}

static size_t fit(const struct values *v) {
    const struct zn_effort own = effort_of(v->e->effort, v->head.sorted);
    uint32_t counts[256] = {0};
    for (unsigned i = 0; i < 256; i++) counts[v->code.symbol_of[i]] += v->counts[i];
    return zn_r16_fit(&v->e->coder->codec, 0, &own, v->symbols, v->n_values, counts);
}

/* ---- the body ---- */

/* Appends a side as it is coded with an effort; what is in `out` from `start` on is replaced where that is shorter. */
static void try_side(const struct values *v, const struct zn_effort *effort, const struct zn_survey *survey, unsigned p,
                     struct zn_out *out, uint8_t *start, enum zn_codec_id *id) {
    struct zn_scratch *scratch = &v->e->coder->scratch;
    const size_t size = v->n * v->type->side[p].len, mark = zn_scratch_mark(scratch);
    struct zn_out other = zn_out_of(zn_scratch_take(scratch, size), size);
    const enum zn_codec_id rival = zn_stream_encode(&v->e->coder->codec, 0, effort, survey, v->sides[p], size, &other);
    if (zn_out_len(&other) < (size_t)(out->at - start)) {
        out->at = start;
        zn_out_bytes(out, other.start, zn_out_len(&other));
        *id = rival;
    }
    zn_scratch_back(scratch, mark);
}

/* Codes a side as level 1 does, with Huffman codes where R16 is longer. Higher levels try their own effort, too, and keep
 * the shorter stream; so no level makes a longer one than a faster level. */
static void write_side(const struct values *v, unsigned p, struct zn_streams *planes, struct zn_out *out) {
    struct zn_codec *codec = &v->e->coder->codec;
    const size_t size = v->n * v->type->side[p].len;
    struct zn_effort least = zn_effort_of(1), own = *v->e->effort;
    uint8_t *const start = out->at;
    struct zn_survey survey;
    least.readers = own.readers;
    least.zstd_level = ZN_ZSTD_LITERALS;
    zn_stream_survey(codec, v->sides[p], size, &survey);
    enum zn_codec_id id = zn_stream_encode(codec, 0, &least, &survey, v->sides[p], size, out);
    if (!own.careful) own.zstd_level = ZN_ZSTD_LITERALS;
    if (own.level > 1) try_side(v, &own, &survey, p, out, start, &id);
    zn_streams_end(planes, out, id);
}

static bool is_constant(const uint8_t *p, size_t n) {
    return p[0] == p[n - 1] && memcmp(p, p + 1, n - 1) == 0;
}

/* Codes the symbols with the tables fitted last. Returns ZN_CODEC_RAW when R16 does not make them smaller. */
static enum zn_codec_id code_symbols(const struct values *v, struct zn_out *out) {
    const struct zn_effort own = effort_of(v->e->effort, v->head.sorted);
    if (is_constant(v->symbols, v->n_values)) {
        zn_out_u8(out, v->symbols[0]);
        return ZN_CODEC_CONSTANT;
    }
    if (!zn_r16_write(&v->e->coder->codec, 0, &own, v->symbols, v->n_values, out)) return ZN_CODEC_RAW;
    const bool too_many =
        zn_values_are_escapes_many(ZN_CODEC_R16, out->start, zn_out_len(out), (uint32_t)(v->n * v->type->width));
    return too_many ? ZN_CODEC_RAW : ZN_CODEC_R16;
}

/* Returns the length of the body, 0 when nothing is gained. The symbols stand last in the body but are coded first,
 * since coding the other planes replaces the tables of R16. */
static uint32_t write_body(const struct values *v, const struct zn_body *b, uint8_t *to) {
    const uint32_t cap = zn_chunk_bound(b->orig_len);
    uint8_t *symbols = zn_scratch_take(&v->e->coder->scratch, cap);
    struct zn_out coded = zn_out_of(symbols, cap), out = zn_out_of(to, cap);
    const enum zn_codec_id codec = code_symbols(v, &coded);
    if (codec == ZN_CODEC_RAW) return 0;
    struct zn_streams planes = zn_body_begin(&out, b, v->e->src);
    for (unsigned p = 0; p < v->n_sides; p++) write_side(v, p, &planes, &out);
    zn_out_bytes(&out, v->low, v->low_len);
    zn_streams_end(&planes, &out, ZN_CODEC_RAW);
    zn_out_bytes(&out, symbols, zn_out_len(&coded));
    zn_streams_end(&planes, &out, codec);
    return out.full ? 0 : (uint32_t)zn_out_len(&out);
}

/* Estimates the body's length if values of 8 bits were coded whole, by their own entropy. That can be shorter than
 * symbols and low bits. Returns SIZE_MAX for narrower values. */
static size_t whole_len(const struct values *v) {
    uint64_t sampled = 0;
    if (zn_values_bits(v->type) < 8) return SIZE_MAX;
    for (unsigned i = 0; i < 256; i++) sampled += v->counts[i];
    return (size_t)(zn_entropy(v->counts, 256) * v->n_values / sampled / (8 * ZN_COST_ONE)) + v->n * 3 / 2;
}

/* Sorts the groups by their keys; careful levels also try them by position. Leaves tables fitted to the chosen
 * order. */
static void choose_order(struct values *v) {
    divide(v, true);
    const size_t sorted = fit(v);
    if (!v->e->effort->careful) return;
    divide(v, false);
    if (fit(v) < sorted) return;
    divide(v, true);
    (void)fit(v);
}

/* Returns whether records may be shorter: whole bytes can cost less than their parts, and repeats favour fields. Huffman
 * codes take more than the entropy. */
static bool may_fields_be_shorter(const struct values *v, uint32_t body_len) {
    return body_len - body_len / 256 > whole_len(v) || v->e->effort->careful ||
           zn_repeats_estimate(v->e->src, v->e->len) >= v->e->len / 64;
}

uint32_t zn_values_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    enum zn_values_id id;
    const unsigned head = e->hint.head;
    if (!zn_may_write(e->effort, ZN_LAYOUT_VALUES) || !zn_values_of_dtype(e->hint.dtype, &id)) return 0;
    struct values v = {.e = e, .type = &zn_values_types[id], .head = {.type = (uint8_t)id}};
    if (head > UINT8_MAX || head >= v.type->width || e->len < head + v.type->width) return 0;
    struct zn_body b = {.orig_len = e->len, .layout = ZN_LAYOUT_VALUES, .head = head, .values = v.head};
    zn_body_measure(&b);
    v.shape = zn_values_shape_of(v.type);
    v.n_sides = zn_values_sides(v.type);
    v.n = b.n;
    v.n_values = v.n * v.type->n;
    v.n_groups = v.n_values >> v.type->group_log2;
    if (v.n_values < FEWEST) return 0;
    take_apart(&v, e->src + head);
    make_code(&v);
    choose_order(&v);
    b.values = v.head;
    const uint32_t body_len = write_body(&v, &b, draft->to);
    draft->unsure = body_len && may_fields_be_shorter(&v, body_len);
    return body_len;
}
