#include "chunk/ways.h"

#include "chunk/layout.h"
#include "chunk/recognise.h"
#include "plan/dtype.h"

/* ---- conditions of the rows ---- */

static bool has_none(const struct zn_encoder *e, const struct zn_draft *draft) {
    (void)e;
    return draft->body.len == 0;
}

static bool has_plain(const struct zn_encoder *e, const struct zn_draft *draft) {
    (void)e;
    return draft->plain.len > 0;
}

static bool may_be_better(const struct zn_encoder *e, const struct zn_draft *draft) {
    (void)e;
    return draft->body.len == 0 || draft->unsure;
}

static bool is_of_blocks(const struct zn_encoder *e, const struct zn_draft *draft) {
    return zn_dtype_elements(e->hint.dtype) != 0 && may_be_better(e, draft);
}

static bool always(const struct zn_encoder *e, const struct zn_draft *draft) {
    (void)e, (void)draft;
    return true;
}

static bool is_no_shorter(const struct zn_encoder *e, const struct zn_draft *draft) {
    return draft->body.len >= ZN_ONE_PLANE + (size_t)e->len;
}

/* Returns whether floats are coded in full with one plane of exponents, so that nothing was taken out of them. */
static bool is_usual(const struct zn_body *body) {
    const bool has_tops = body->layout == ZN_LAYOUT_TOPS;
    const unsigned layout = has_tops ? body->inner : body->layout;
    if (body->layout == ZN_LAYOUT_JOINT) return true;
    if (!zn_layout_is_of_floats(layout)) return false;
    const unsigned below = zn_layouts[layout].n_planes - 1u - has_tops;
    for (unsigned p = 0; p < below; p++)
        if (body->plane[p].codec != ZN_CODEC_RAW) return false;
    return true;
}

/* Returns whether something may be taken out of a chunk of len bytes whose body has body_len. Short chunks, and chunks
 * that are nearly empty already, stay as they are. */
static bool is_worth_more(const struct zn_encoder *e, size_t body_len) {
    enum { FEWEST = 4096 };
    return e->len >= FEWEST && body_len >= e->len / 64;
}

/* Usual floats at one phase are no reason to look for others, unless only measuring says what they are. Other labels are
 * believed. */
static bool may_be_scattered(const struct zn_encoder *e, const struct zn_draft *draft) {
    const bool measured = e->hint.measured || e->hint.dtype == ZIPNN_DTYPE_UNKNOWN;
    const bool labelled = zn_dtype_facts(e->hint.dtype)->exponent > 0 && zn_dtype_word(e->hint.dtype) > 1;
    return (measured || (labelled && !is_usual(&draft->plain))) && is_worth_more(e, draft->plain.len);
}

/* Below ZIPNN_LEVEL_HIGH, columns are looked for where floats are unusual, as Adam's second moments are, which are positive:
 * usual ones are coded and decoded in a fraction of the time that columns take. */
static bool may_have_columns(const struct zn_encoder *e, const struct zn_draft *draft) {
    return draft->plain.len > 0 && (e->effort->level >= ZIPNN_LEVEL_HIGH || !is_usual(&draft->plain));
}

/* The rest of a chunk of repeats is always looked at, even where its planes are those of usual floats. */
static bool may_nest(const struct zn_encoder *e, const struct zn_draft *draft) {
    if (draft->last == ZN_STAGE_WHOLE && is_usual(&draft->plain)) return false;
    return is_worth_more(e, draft->plain.len);
}

static bool may_repeat(const struct zn_encoder *e, const struct zn_draft *draft) {
    return !is_usual(&draft->plain) && is_worth_more(e, draft->body.len);
}

static uint32_t store(const struct zn_encoder *e, struct zn_draft *draft) {
    struct zn_out out = zn_out_of(draft->to, zn_chunk_bound(e->len));
    struct zn_streams plane = zn_body_begin_bytes(&out, e->src, e->len);
    zn_out_bytes(&out, e->src, e->len);
    zn_streams_end(&plane, &out, ZN_CODEC_RAW);
    return (uint32_t)zn_out_len(&out);
}

/* ---- the table ---- */

enum { FIRST = 1, SECOND = 2, HIGH = ZIPNN_LEVEL_HIGH, BEST = ZIPNN_LEVEL_BEST };

struct way {
    const char *name;
    enum zn_stage stage;
    uint8_t from, to; /* levels */
    bool (*applies)(const struct zn_encoder *e, const struct zn_draft *draft);
    zn_way_fn *encode;
};

static const struct way ways[] = {
    /* Weights that were quantised and stored as bf16 or fp16 again: the integers and their scales. Other floats show in a
     * moment that they are none, and those that are need no other way. */
    {"scaled", ZN_STAGE_NESTED, FIRST, BEST, has_none, zn_scaled_encode},
    /* Blocks of quantised numbers: the type says where scales and values lie, and scales tell how values spread. */
    {"values", ZN_STAGE_PLAIN, FIRST, BEST, is_of_blocks, zn_values_encode},
    /* Blocks whose values are not numbers, blocks that repeat, and readers of version 1.0: field by field. */
    {"records", ZN_STAGE_PLAIN, FIRST, BEST, is_of_blocks, zn_records_encode},
    /* Floats are mostly noise below the exponents. A sample shows it, and then nothing else is tried. */
    {"floats", ZN_STAGE_PLAIN, FIRST, BEST, has_none, zn_floats_encode},
    /* Anything else: each plane by the codec that suits it, in the labelled layout or in the one that measuring
     * finds. */
    {"words", ZN_STAGE_PLAIN, FIRST, BEST, may_be_better, zn_words_encode},
    /* The upper bits of a mantissa depend a little on the exponent: 0.5 % smaller for a fifth of the speed. */
    {"tops", ZN_STAGE_PLAIN, HIGH, BEST - 1, has_plain, zn_tops_encode},
    /* Joint symbols use the same dependence at less cost, and sometimes more of it. */
    {"joint", ZN_STAGE_PLAIN, HIGH, BEST - 1, has_plain, zn_joint_rival_encode},
    /* Weights of one column of a matrix are often of one size, which the rows before tell. */
    {"columns", ZN_STAGE_NESTED, SECOND, BEST - 1, may_have_columns, zn_columns_encode},
    /* A body is never longer than stored bytes. */
    {"stored", ZN_STAGE_PLAIN, FIRST, BEST, is_no_shorter, store},
    /* The same once more where that was no clear gain. */
    {"scaled", ZN_STAGE_NESTED, FIRST, BEST, has_plain, zn_scaled_encode},
    /* Weights of four bits, packed in integers: groups that share a zero point, which run down columns. */
    {"keyed", ZN_STAGE_NESTED, FIRST, BEST, always, zn_keyed_encode},
    /* Floats that pickles and ONNX spell as text or as numbers of variable length: a third to a quarter longer. */
    {"respelled", ZN_STAGE_NESTED, FIRST, BEST, always, zn_respelled_encode},
    /* Floats among names and heads of records: the phase of the words changes at each. */
    {"gathered", ZN_STAGE_NESTED, SECOND, BEST, may_be_scattered, zn_gathered_encode},
    /* Indices and counters: neighbours are similar. */
    {"differences", ZN_STAGE_NESTED, FIRST, BEST, may_nest, zn_differences_encode},
    /* Pruned weights and masks: few values stand for most elements. */
    {"frequent", ZN_STAGE_NESTED, FIRST, BEST, may_nest, zn_frequent_encode},
    /* Tables and texts: stretches that occurred before. Finding them takes a pass over all bytes. */
    {"repeats", ZN_STAGE_WHOLE, SECOND, BEST, may_repeat, zn_repeats_encode},
    /* Mixed predictions give the smallest body and are by far the slowest. */
    {"mixed", ZN_STAGE_WHOLE, BEST, BEST, always, zn_mixed_encode},
};

static void take(const struct zn_encoder *e, const struct way *way, struct zn_draft *draft) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const size_t mark = zn_scratch_mark(scratch);
    e->coder->codec.ahead = (struct zn_ahead){0};
    const uint32_t len = way->encode(e, draft);
    zn_scratch_back(scratch, mark);
    if (len == 0) return;
    draft->body.data = draft->to;
    draft->body.len = len;
    (void)zn_body_read(&draft->body, NULL); /* the library can always read what it writes */
    if (way->stage == ZN_STAGE_PLAIN) draft->plain = draft->body;
}

static void try_ways(const struct zn_encoder *e, enum zn_stage last, uint8_t *to, struct zn_draft *draft) {
    *draft = (struct zn_draft){.to = to, .last = last};
    draft->body.orig_len = e->len;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const struct way *way = &ways[i];
        const bool at_level = e->effort->level >= way->from && e->effort->level <= way->to;
        if (way->stage <= last && at_level && way->applies(e, draft)) take(e, way, draft);
    }
}

uint32_t zn_ways_encode(const struct zn_encoder *e, enum zn_stage last, uint8_t *to) {
    struct zn_draft draft;
    try_ways(e, last, to, &draft);
    return (uint32_t)draft.body.len;
}

/* Encodes the chunk as a faster level does. The body replaces the one at `body`, of body_len, if it is shorter. Returns
 * the length of the shorter one. *clear is that of the draft. */
static uint32_t encode_as_level(const struct zn_encoder *e, int level, uint8_t *body, uint32_t body_len, bool *clear) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const size_t mark = zn_scratch_mark(scratch);
    struct zn_effort effort = zn_effort_of(level);
    struct zn_encoder other = *e;
    effort.readers = e->effort->readers;
    other.effort = &effort;
    other.hint.ahead = (struct zn_ahead){0};
    uint8_t *rival = zn_scratch_take(scratch, zn_chunk_bound(e->len));
    e->coder->codec.declined = false;
    struct zn_draft draft;
    try_ways(&other, ZN_STAGE_WHOLE, rival, &draft);
    const uint32_t rival_len = (uint32_t)draft.body.len;
    *clear = draft.clear;
    if (rival_len < body_len) memcpy(body, rival, rival_len);
    zn_scratch_back(scratch, mark);
    return ZN_MIN(rival_len, body_len);
}

/* Returns the level as which a chunk is encoded, too, after this one; 0: none. More work does not always give a shorter
 * body: tables are fitted to other counts, and the best level leaves out "tops" and "joint". Levels from ZIPNN_LEVEL_HIGH
 * on therefore also do what the next faster level does, unless the draft is clear. The default tries what the fastest
 * level tries (codec/r16_fit.c). Only when it declined a shorter code, the fastest level, whose rivals are longer, may
 * have taken it. */
static int faster_level(int level, bool clear, bool declined) {
    if (level == BEST) return ZIPNN_LEVEL_FINE;
    if (level >= HIGH) return clear ? 0 : HIGH - 1;
    return level > 1 && declined ? 1 : 0;
}

/* What the best level adds is for floats. */
static bool has_floats(zipnn_dtype dtype) {
    const enum zn_dtype_kind kind = zn_dtype_facts(dtype)->kind;
    return kind == ZN_KIND_FLOAT || kind == ZN_KIND_COMPLEX || kind == ZN_KIND_BYTES;
}

/* On integers and blocks the best level does what ZIPNN_LEVEL_HIGH does. */
uint32_t zn_chunk_encode(const struct zn_encoder *e, uint8_t *body) {
    struct zn_effort high = zn_effort_of(HIGH);
    struct zn_encoder seen = *e;
    struct zn_draft draft;
    const bool *declined = &e->coder->codec.declined;
    high.readers = e->effort->readers;
    seen.hint = zn_recognised(e);
    if (e->effort->level == BEST && !has_floats(seen.hint.dtype)) seen.effort = &high;
    e->coder->codec.declined = false;
    try_ways(&seen, ZN_STAGE_WHOLE, body, &draft);
    bool clear = draft.clear;
    uint32_t body_len = (uint32_t)draft.body.len;
    for (int level = seen.effort->level; (level = faster_level(level, clear, *declined)) > 0;)
        body_len = encode_as_level(&seen, level, body, body_len, &clear);
    return body_len;
}
