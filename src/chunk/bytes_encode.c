/* Encodes bytes that are numbers: fp8, int8, uint8. Each byte has a high part, coded with one table per block, and low
 * bits, which are packed or coded given the high part. zstd codes chunks in which it finds repeats
 * (doc/internals/types.md). */
#include "chunk/bytes_encode.h"

#include "chunk/layout.h"
#include "chunk/ways.h"
#include "codec/bits.h"
#include "codec/cost.h"
#include "codec/repeats.h"
#include "plan/dtype.h"

enum {
    FEWEST = 4096,     /* bytes; fewer do not pay for two sets of tables */
    LONG = 1 << 17,    /* bytes; in longer chunks time counts more than the last byte */
    SAMPLED = 1 << 15, /* bytes whose counts show whether low bits depend on high parts */
    FEW_SYMBOLS = 15,  /* symbols that one table lists */
    MOST_CONTEXTS = 16 /* tables of the low plane, at most */
};

static bool has_few_symbols(const struct zn_survey *survey) {
    unsigned used = 0;
    for (unsigned v = 0; v < 256; v++) used += survey->counts[v] != 0;
    return used <= FEW_SYMBOLS;
}

/* Returns whether bytes with the top bit set are as frequent as those without. Floats have both signs equally often. */
static bool is_symmetric(const struct zn_survey *survey) {
    uint64_t apart = 0;
    for (unsigned v = 0; v < 128; v++) {
        const uint32_t plus = survey->counts[v], minus = survey->counts[v + 128];
        apart += plus > minus ? plus - minus : minus - plus;
    }
    return apart < survey->sampled / 4;
}

/* Returns whether the bytes lie around 0, as signed numbers do, rather than around 128, as unsigned ones do. */
static bool is_signed(const struct zn_survey *survey) {
    uint64_t near = 0, middle = 0;
    for (unsigned v = 0; v < 64; v++) {
        near += survey->counts[v] + survey->counts[255 - v];
        middle += survey->counts[128 + v] + survey->counts[127 - v];
    }
    return near > middle;
}

/* Returns the kind of field. zn_bytes_encode also tries E5 when this is E4. */
static enum zn_field_kind kind_of(const struct zn_encoder *e, const struct zn_survey *survey) {
    const zipnn_dtype dtype = e->hint.dtype;
    if (zn_dtype_is_fp8(dtype) && zn_dtype_facts(dtype)->exponent == 5)
        return e->effort->readers < ZN_FIELD_E6_SINCE ? ZN_FIELD_E5 : ZN_FIELD_E6;
    if (zn_dtype_is_fp8(dtype)) return ZN_FIELD_E4;
    if (dtype == ZIPNN_DTYPE_UNKNOWN && is_symmetric(survey)) return ZN_FIELD_E4;
    return is_signed(survey) ? ZN_FIELD_SIGNED : ZN_FIELD_HALVES;
}

/* The bytes of a chunk as one field, halved. */
struct halved {
    struct zn_field field;
    uint32_t counts[256]; /* counts of a sample of the bytes */
    uint8_t *low, *high;
    struct zn_survey survey; /* survey of the high plane */
    bool raw;                /* whether the low plane is as good as random, even given the high one */
    bool wide;               /* whether R16W codes the high plane, with the tables fitted last */
    struct zn_effort effort; /* for the high plane */
    size_t high_cost;        /* expected length of the high plane, in bytes, unless it has nibbles */
};

/* Counts the high parts of a field of this kind. */
static void count_high(const struct halved *h, enum zn_field_kind kind, uint32_t counts[256]) {
    const struct zn_field field = {(uint8_t)kind, 1};
    uint8_t byte[256], low[256], high[256], *const planes[2] = {low, high};
    for (unsigned v = 0; v < 256; v++) byte[v] = (uint8_t)v;
    zn_field_split(&field, byte, 256, 1, planes);
    memset(counts, 0, 256 * sizeof *counts);
    for (unsigned v = 0; v < 256; v++) counts[high[v]] += h->counts[v];
}

/* Returns what the high parts of a field of this kind cost at their own entropy, and in *low what the low bits cost given
 * them, for the bytes that were counted. */
static uint64_t entropy_of_high(const struct halved *h, enum zn_field_kind kind, uint64_t *low) {
    uint32_t counts[256];
    count_high(h, kind, counts);
    const uint64_t cost = zn_entropy(counts, 256), all = zn_entropy(h->counts, 256);
    *low = all > cost ? all - cost : 0;
    return cost;
}

static size_t packed_len(const struct halved *h, size_t n) {
    return (n * zn_field_low_bits(h->field.kind) + 7) / 8;
}

/* Returns how many bytes the low bits take when coded given the high parts; packed, they take `packed`. A sample
 * decides. */
static size_t given_len(const struct halved *h, size_t packed) {
    uint64_t given, sampled = 0;
    (void)entropy_of_high(h, (enum zn_field_kind)h->field.kind, &given);
    for (unsigned v = 0; v < 256; v++) sampled += h->counts[v];
    return (size_t)(given * packed / (sampled * zn_field_low_bits(h->field.kind) * ZN_COST_ONE));
}

/* Returns the cost of the first *len bytes of the low plane with tables of its own. A long plane is judged by a
 * quarter. */
static size_t own_cost(struct zn_coder *coder, const struct zn_effort *effort, const struct halved *h, size_t n,
                       size_t *len) {
    enum { PIECE = 4096, ONE_OF = 4 };
    const size_t mark = zn_scratch_mark(&coder->scratch);
    const uint8_t *low = h->low;
    struct zn_survey survey;
    *len = n;
    if (n >= LONG && !effort->careful) {
        uint8_t *const some = zn_scratch_take(&coder->scratch, n / ONE_OF + PIECE);
        *len = 0;
        for (size_t at = 0; at + PIECE <= n; at += ONE_OF * PIECE, *len += PIECE) memcpy(some + *len, low + at, PIECE);
        low = some;
    }
    zn_stream_survey(&coder->codec, low, *len, &survey);
    const size_t cost = survey.constant ? 1 : zn_r16_fit(&coder->codec, 0, effort, low, *len, survey.counts);
    zn_scratch_back(&coder->scratch, mark);
    return cost;
}

/* Returns whether the low bits are as good as random, both given the high parts and with tables of their own. */
static bool is_low_random(struct zn_coder *coder, const struct zn_effort *effort, const struct halved *h, size_t n) {
    enum { IDEAL_GAIN = 96 }; /* tables turn this gain of entropy, 1/96, into 1/128 */
    const size_t packed = packed_len(h, n);
    size_t len;
    if (given_len(h, packed) < (effort->careful ? packed : packed - packed / IDEAL_GAIN)) return false;
    const size_t cost = own_cost(coder, effort, h, n, &len);
    return cost >= zn_given_limit(effort, packed_len(h, len));
}

/* Returns whether neighbouring blocks of the shortest length differ by more than chance. A few pairs of them decide. */
static bool do_blocks_differ(const struct zn_kernels *k, const uint8_t *high, size_t n) {
    enum { SHORTEST = 1 << ZN_R16_MIN_BLOCK, PAIRS = 64, N_HIGH = 64, LEAST = 3 * ZN_COST_ONE };
    const size_t stride = n / PAIRS / SHORTEST * SHORTEST;
    uint64_t apart = 0, together = 0;
    for (size_t i = 0; i < PAIRS; i++, high += stride) {
        uint32_t one[256] = {0}, both[256] = {0};
        k->byte_hist(high, SHORTEST, 1, one);
        k->byte_hist(high, 2 * SHORTEST, 1, both);
        together += zn_entropy(both, N_HIGH);
        for (unsigned v = 0; v < N_HIGH; v++) {
            apart += both[v] ? ZN_COST_UNSEEN : 0;
            both[v] -= one[v];
        }
        apart += zn_entropy(one, N_HIGH) + zn_entropy(both, N_HIGH);
    }
    return together > apart + PAIRS * LEAST;
}

/* Returns the effort with the block length that codes the high plane shorter: rows that are shorter than a block, and scales
 * of tiles, want shorter ones. In a long chunk half of the plane decides, where its blocks differ. */
static struct zn_effort with_blocks(struct zn_coder *coder, const struct zn_effort *effort, const struct halved *h,
                                    size_t n) {
    struct zn_effort finer = *effort;
    const bool glances = n >= LONG && !effort->careful;
    const size_t some = glances ? n / 2 : n;
    finer.block_log2 = ZN_R16_MIN_BLOCK;
    if (effort->block_log2 != ZN_R16_MIN_BLOCK + 1 || h->survey.constant || h->survey.random) return *effort;
    if (glances && !do_blocks_differ(coder->codec.k, h->high, n)) return *effort;
    const size_t cost = zn_r16_fit(&coder->codec, 0, effort, h->high, some, h->survey.counts);
    return zn_r16_fit(&coder->codec, 0, &finer, h->high, some, h->survey.counts) < cost ? finer : *effort;
}

/* Gives the survey of the high plane the counts of the bytes: it sees less, and may miss what comes back regularly. zstd
 * is tried, which takes long, where the entropy of the counts is below the length of R16, so it must be exact. */
static void resurvey(struct halved *h) {
    struct zn_survey *s = &h->survey;
    count_high(h, (enum zn_field_kind)h->field.kind, s->counts);
    s->order0 = zn_entropy(s->counts, 256);
    s->sampled = 0;
    for (unsigned v = 0; v < 256; v++) s->sampled += s->counts[v];
}

/* High parts of four bits may be packed, which is tried when they are written. */
static bool has_nibbles(const struct halved *h) {
    return zn_field_low_bits(h->field.kind) == 4;
}

/* Halves n bytes and fits tables to the high plane, unless it has nibbles. Low bits that are coded given the high parts
 * decode slowly, so this must save 1/128. */
static void halve(struct zn_coder *coder, const struct zn_effort *effort, const uint8_t *src, size_t n,
                  struct halved *h) {
    zn_field_split(&h->field, src, n, 1, (uint8_t *const[]){h->low, h->high});
    zn_stream_survey(&coder->codec, h->high, n, &h->survey);
    resurvey(h);
    h->raw = is_low_random(coder, effort, h, n);
    h->effort = with_blocks(coder, effort, h, n);
    h->high_cost = 1;
    if (h->survey.constant || has_nibbles(h)) return;
    h->high_cost = zn_r16_fit(&coder->codec, 0, &h->effort, h->high, n, h->survey.counts);
}

static enum zn_codec_id write_low(struct zn_coder *coder, const struct zn_effort *effort, const struct halved *h,
                                  size_t n, struct zn_out *out) {
    struct zn_survey survey;
    if (h->raw) {
        const struct zn_bits all = {(uint8_t)((1u << zn_field_low_bits(h->field.kind)) - 1), 0};
        zn_bits_write(coder->codec.k, all, h->low, n, out);
        return ZN_CODEC_BITS;
    }
    zn_stream_survey(&coder->codec, h->low, n, &survey);
    return zn_stream_encode_given(&coder->codec, effort, &survey, h->high, MOST_CONTEXTS, h->low, n, out);
}

static enum zn_codec_id write_high(struct zn_coder *coder, const struct halved *h, size_t n, struct zn_out *out) {
    const struct zn_effort *effort = &h->effort;
    if (has_nibbles(h)) return zn_stream_encode_halves(&coder->codec, effort, &h->survey, h->high, n, out);
    /* A packed low plane keeps the tables fitted to the high plane. */
    if (h->raw && !h->survey.constant && !h->survey.random)
        return zn_stream_encode_fitted(&coder->codec, effort, &h->survey, h->high, n, h->high_cost, out);
    return zn_stream_encode(&coder->codec, 0, effort, &h->survey, h->high, n, out);
}

/* Returns whether zstd may find what halves hide: text and periods, seen in a piece of the chunk, and stretches that
 * occurred long before. */
static bool may_match(const struct zn_encoder *e, size_t halves) {
    return zn_stream_probe_zstd(&e->coder->codec, e->src, e->len) < halves - halves / 16 ||
           zn_repeats_estimate(e->src, e->len) > e->len / 32;
}

/* Writes a body of one plane coded by zstd. Returns its length, 0 when it does not save 1/256 of the halves. */
static uint32_t write_matched(const struct zn_encoder *e, size_t halves, uint8_t *to) {
    uint8_t *matched = zn_scratch_take(&e->coder->scratch, e->len);
    struct zn_out coded = zn_out_of(matched, e->len), out = zn_out_of(to, halves);
    if (halves < ZN_ONE_PLANE + 2 ||
        !zn_stream_encode_zstd(&e->coder->codec, e->effort, e->src, e->len, halves - ZN_ONE_PLANE, &coded))
        return 0;
    if (ZN_ONE_PLANE + zn_out_len(&coded) >= halves - halves / 256) {
        e->coder->codec.declined = true;
        return 0;
    }
    struct zn_streams plane = zn_body_begin_bytes(&out, e->src, e->len);
    zn_out_bytes(&out, matched, zn_out_len(&coded));
    zn_streams_end(&plane, &out, ZN_CODEC_ZSTD);
    return (uint32_t)zn_out_len(&out);
}

/* Writes the body of halved bytes. Returns its length, 0 when it does not fit. */
static uint32_t write_halved(const struct zn_encoder *e, const struct halved *h, struct zn_out out) {
    struct zn_body body = {.orig_len = e->len, .layout = ZN_LAYOUT_RECORDS, .record = {1, {h->field}}};
    zn_body_measure(&body);
    struct zn_streams planes = zn_body_begin(&out, &body, e->src);
    zn_streams_end(&planes, &out, write_low(e->coder, e->effort, h, e->len, &out));
    if (h->wide && !zn_r16w_write(&e->coder->codec, 0, e->effort, h->high, e->len, &out)) return 0;
    zn_streams_end(&planes, &out, h->wide ? ZN_CODEC_R16W : write_high(e->coder, h, e->len, &out));
    return out.full ? 0 : (uint32_t)zn_out_len(&out);
}

/* Returns what fields of E4 may take at least, in bytes. `h` has been halved as E5. Fields of E5 join an exponent and the
 * top bit of a mantissa. Fields of E4 code the whole mantissa given the exponent, which decodes more slowly; they are
 * tried at careful levels, and when the tables of E5 did not suffice. In long chunks, those tables must show that fields
 * of E4 may be shorter. */
static size_t least_of_e4(const struct zn_encoder *e, const struct halved *h) {
    if (e->effort->careful) return 0;
    if (!zn_r16_lacks_tables(&e->coder->codec)) return SIZE_MAX;
    if (e->len < LONG) return 0;
    uint64_t low, sampled = 0;
    (void)entropy_of_high(h, ZN_FIELD_E4, &low);
    for (unsigned v = 0; v < 256; v++) sampled += h->counts[v];
    return zn_r16_least_of_pairs(&e->coder->codec) + (size_t)(low * e->len / (sampled * 8 * ZN_COST_ONE));
}

static uint32_t try_e4(const struct zn_encoder *e, struct halved *h, uint8_t *body, uint32_t body_len) {
    const uint32_t cap = ZN_MIN(body_len, e->coder->max_chunk);
    uint8_t *rival = zn_scratch_take(&e->coder->scratch, cap);
    h->field.kind = ZN_FIELD_E4;
    halve(e->coder, e->effort, e->src, e->len, h);
    const uint32_t other = write_halved(e, h, zn_out_of(rival, cap));
    if (other == 0 || other >= body_len) return body_len;
    if (!e->effort->careful && other >= body_len - body_len / 256) {
        e->coder->codec.declined = true;
        return body_len;
    }
    memcpy(body, rival, other);
    return other;
}

/* Returns whether the high parts of E6 are too many for the tables: they cost more than those of E5 at their own entropy
 * with a bit more stored. */
static bool is_e5_shorter(const struct halved *h, size_t n) {
    uint64_t low, sampled = 0;
    const uint64_t cost = entropy_of_high(h, ZN_FIELD_E5, &low);
    for (unsigned v = 0; v < 256; v++) sampled += h->counts[v];
    return h->high_cost > cost * n / (sampled * 8 * ZN_COST_ONE) + n / 8;
}

/* ---- a bit more in the high part, by R16W ---- */

/* Returns the kind with one bit more in its high part than `kind` has; 0 when R16W has no use for it. */
static uint8_t wider_kind(uint8_t kind) {
    switch (kind) {
        case ZN_FIELD_HALVES:
            return ZN_FIELD_FIVE;
        case ZN_FIELD_SIGNED:
            return ZN_FIELD_SIGNED_FIVE;
        case ZN_FIELD_E5:
            return ZN_FIELD_E6;
        case ZN_FIELD_E6:
            return ZN_FIELD_E7;
        default:
            return 0;
    }
}

/* Writes bytes with a bit more in the high plane, in the clusters of the halves: up to 0.2 % shorter than halves by R16, a
 * seventh slower to decode. Returns the length of the body, 0 where there is none or the low bits need a model. */
static uint32_t write_wide(const struct zn_encoder *e, const struct halved *h, struct zn_out out) {
    struct zn_coder *coder = e->coder;
    const size_t n = e->len;
    struct halved wide = *h;
    struct zn_effort usual = *e->effort;
    usual.careful = false;
    wide.field.kind = wider_kind(h->field.kind);
    if (e->effort->readers < ZN_FIELD_E6_SINCE || !wide.field.kind || h->survey.constant) return 0;
    wide.low = zn_scratch_take(&coder->scratch, n);
    wide.high = zn_scratch_take(&coder->scratch, n);
    zn_field_split(&wide.field, e->src, n, 1, (uint8_t *const[]){wide.low, wide.high});
    wide.raw = is_low_random(coder, &usual, &wide, n);
    wide.wide = true;
    if (!wide.raw) return 0;
    (void)zn_r16_fit(&coder->codec, 0, &h->effort, h->high, n, h->survey.counts);
    (void)zn_r16w_fit_clusters(&coder->codec, wide.high, n);
    return write_halved(e, &wide, out);
}

/* Encodes as write_wide does; the body replaces the one at `body`, of body_len, if it is shorter. */
static uint32_t try_wide(const struct zn_encoder *e, const struct halved *h, uint8_t *body, uint32_t body_len) {
    const uint32_t cap = ZN_MIN(body_len, e->coder->max_chunk);
    uint8_t *rival = zn_scratch_take(&e->coder->scratch, cap);
    const uint32_t other = write_wide(e, h, zn_out_of(rival, cap));
    if (other == 0 || other >= body_len) return body_len;
    memcpy(body, rival, other);
    return other;
}

/* ---- the shortest of all ---- */

static uint32_t encode_halves(const struct zn_encoder *e, bool is_e4, struct halved *h, uint8_t *body) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const size_t e4 = is_e4 ? least_of_e4(e, h) : SIZE_MAX, mark = zn_scratch_mark(scratch);
    uint32_t len = write_halved(e, h, zn_out_of(body, zn_chunk_bound(e->len)));
    if (len && e->effort->careful) len = try_wide(e, h, body, len);
    zn_scratch_back(scratch, mark);
    if (len && e4 < len - len / 128) len = try_e4(e, h, body, len);
    zn_scratch_back(scratch, mark);
    return len;
}

uint32_t zn_bytes_encode(const struct zn_encoder *e, const struct zn_survey *survey, uint8_t *body) {
    struct zn_coder *coder = e->coder;
    if (e->len < FEWEST || survey->random || survey->constant || has_few_symbols(survey)) return 0;
    struct halved h = {.field = {(uint8_t)kind_of(e, survey), 1},
                       .low = zn_scratch_take(&coder->scratch, e->len),
                       .high = zn_scratch_take(&coder->scratch, e->len)};
    const bool is_e4 = h.field.kind == ZN_FIELD_E4;
    coder->codec.k->byte_hist(e->src, e->len, zn_sample_step(e->len, SAMPLED), h.counts);
    if (is_e4) h.field.kind = ZN_FIELD_E5;
    halve(coder, e->effort, e->src, e->len, &h);
    if (h.field.kind == ZN_FIELD_E6 && is_e5_shorter(&h, e->len)) {
        h.field.kind = ZN_FIELD_E5;
        halve(coder, e->effort, e->src, e->len, &h);
    }
    const uint32_t halves = encode_halves(e, is_e4, &h, body);
    if (halves == 0) return 0;
    const uint32_t matched = may_match(e, halves) ? write_matched(e, halves, body) : 0;
    return matched ? matched : halves;
}
