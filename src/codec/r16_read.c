#include "codec/r16_read.h"

#include "base/cur.h"
#include "codec/codec.h"

enum {
    MAX_CLASSES = 240,
    MIN_BLOCK_LOG2 = 7,
    MAX_BLOCK_LOG2 = 24,
    ONE_BLOCK_LOG2 = 31, /* for kernels; no stream is longer */
    MAX_LANES_LOG2 = 7
};

struct head {
    unsigned n_tables, n_classes; /* models, in a stream given a context */
    unsigned n_contexts;
    uint32_t n_escapes;
    const uint8_t *classes;
};

static zipnn_status corrupt(const struct zn_coded *in, zipnn_error *err, const char *what, unsigned long long value) {
    return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream: %s %llu", what, value);
}

/* Reads how many tables a model has, and which context uses which table. */
static zipnn_status read_contexts(struct zn_cur *cur, const struct zn_coded *in, unsigned n_models,
                                  struct zn_r16_contexts *contexts, zipnn_error *err) {
    contexts->n = zn_cur_u8(cur);
    if (contexts->n < 1 || contexts->n > ZN_R16_MAX_CONTEXTS || contexts->n * n_models > ZN_R16_MAX_GIVEN)
        return corrupt(in, err, "number of contexts is", contexts->n);
    for (unsigned m = 0; m < n_models; m++) {
        const uint8_t *cuts = zn_cur_take(cur, contexts->n - 1);
        if (!cuts) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream ends inside its contexts");
        memcpy(contexts->cuts[m], cuts, contexts->n - 1);
        for (unsigned i = 1; i + 1 < contexts->n; i++)
            if (cuts[i] < cuts[i - 1]) return corrupt(in, err, "contexts do not ascend at", i);
        zn_r16_contexts_build(contexts, m);
    }
    return ZIPNN_OK;
}

static zipnn_status read_head(const struct zn_codec *c, struct zn_cur *cur, const struct zn_coded *in, size_t n,
                              struct zn_r16_decoder *d, struct head *h, zipnn_error *err) {
    struct zn_r16_contexts *contexts = in->codec == ZN_CODEC_R16C ? c->contexts : NULL;
    const bool wide = in->codec == ZN_CODEC_R16W;
    d->slots_log2 = wide ? ZN_R16W_SLOTS_LOG2 : ZN_R16_SLOTS_LOG2;
    d->lanes_log2 = zn_cur_u8(cur);
    d->block_log2 = zn_cur_u8(cur);
    h->n_tables = zn_cur_u8(cur);
    h->n_classes = wide ? 0 : zn_cur_u8(cur);
    h->n_escapes = zn_cur_u32(cur);
    if (!zn_cur_ok(cur)) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream of %zu bytes is too short", in->len);
    if (d->lanes_log2 > MAX_LANES_LOG2) return corrupt(in, err, "log2 of the lane count is", d->lanes_log2);
    if (h->n_tables < 1 || h->n_tables > ZN_R16_MAX_TABLES) return corrupt(in, err, "number of tables is", h->n_tables);
    bool blocks_ok =
        h->n_tables == 1 ? d->block_log2 == 0 : d->block_log2 >= MIN_BLOCK_LOG2 && d->block_log2 <= MAX_BLOCK_LOG2;
    if (!blocks_ok) return corrupt(in, err, "log2 of the block size is", d->block_log2);
    if (h->n_classes > MAX_CLASSES) return corrupt(in, err, "number of classes is", h->n_classes);
    if (h->n_escapes > ZN_MIN(n, ZN_MOST_ESCAPES(c->max_len)))
        return corrupt(in, err, "number of escapes is", h->n_escapes);
    h->n_contexts = 1;
    if (contexts) {
        ZN_TRY(read_contexts(cur, in, h->n_tables, contexts, err));
        h->n_contexts = contexts->n;
    }
    h->classes = zn_cur_take(cur, h->n_classes);
    if (!h->classes) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream ends inside its classes");
    for (unsigned i = 1; i < h->n_classes; i++)
        if (h->classes[i] <= h->classes[i - 1]) return corrupt(in, err, "classes do not ascend at", i);
    return ZIPNN_OK;
}

/* Returns a byte that is not a class. There are at most 240 classes. */
static uint8_t unlisted(const struct head *h) {
    uint8_t mark = 0;
    for (unsigned i = 0; i < h->n_classes && h->classes[i] == mark; i++) mark++;
    return mark;
}

/* Reads a table record: k frequencies of 6 bits, each minus one. */
static zipnn_status read_model(struct zn_cur *cur, const struct zn_coded *in, const struct head *h,
                               struct zn_r16_model *m, zipnn_error *err) {
    unsigned first = zn_cur_u8(cur);
    unsigned k = zn_cur_u8(cur);
    if (k > ZN_R16_MAX_LISTED || first + k > h->n_classes)
        return corrupt(in, err, "a table lists classes up to", first + k);
    const uint8_t *packed = zn_cur_take(cur, (6 * k + 7) / 8);
    if (!packed) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream ends inside a table");
    unsigned sum = 0, bits = 0, n_bits = 0;
    m->n = (uint8_t)k;
    for (unsigned i = 0; i < k; i++, bits >>= 6, n_bits -= 6) {
        if (n_bits < 6) {
            bits |= (unsigned)*packed++ << n_bits;
            n_bits += 8;
        }
        m->sym[i] = h->classes[first + i];
        m->freq[i] = (uint8_t)((bits & 63) + 1);
        sum += m->freq[i];
    }
    if (bits != 0) return corrupt(in, err, "unused bits of a table are", bits);
    if (sum > ZN_R16_SLOTS) return corrupt(in, err, "frequencies of a table add up to", sum);
    m->esc_freq = (uint8_t)(ZN_R16_SLOTS - sum);
    return ZIPNN_OK;
}

zipnn_status zn_r16_read_nested(struct zn_codec *c, unsigned depth, struct zn_cur *cur, const struct zn_coded *in,
                                uint8_t *out, size_t n, zipnn_error *err) {
    struct zn_coded nested;
    zn_coded_head(cur, &nested);
    if (!zn_coded_take(cur, in->data, in->at, &nested))
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream ends inside a nested stream");
    return zn_stream_decode(c, depth + 1, &nested, out, n, err);
}

zipnn_status zn_r16_read_ids(struct zn_codec *c, unsigned depth, struct zn_cur *cur, const struct zn_coded *in,
                             size_t n_blocks, unsigned n_tables, zipnn_error *err) {
    uint8_t *ids = c->reader[depth].ids;
    ZN_TRY(zn_r16_read_nested(c, depth, cur, in, ids, n_blocks, err));
    uint8_t highest = 0;
    for (size_t i = 0; i < n_blocks; i++) highest = ZN_MAX(highest, ids[i]);
    return highest < n_tables ? ZIPNN_OK : corrupt(in, err, "a block names table", highest);
}

static zipnn_status read_tables(struct zn_cur *cur, const struct zn_coded *in, const struct head *h,
                                struct zn_r16_reader *r, zipnn_error *err) {
    r->d.esc_mark = unlisted(h);
    r->last = h->n_classes ? h->classes[h->n_classes - 1] : 0;
    for (unsigned t = 0; t < h->n_tables * h->n_contexts; t++) {
        struct zn_r16_model model;
        ZN_TRY(read_model(cur, in, h, &model, err));
        zn_r16_table_build(&r->tables[t], &model, ZN_R16_SLOTS_LOG2, r->d.esc_mark);
    }
    return ZIPNN_OK;
}

/* Sets the frequencies of a table of R16W. */
static zipnn_status set_wide_model(struct zn_r16_model *m, const struct zn_coded *in, const uint8_t *freqs,
                                   zipnn_error *err) {
    unsigned sum = 0;
    bool none = false;
    for (unsigned i = 0; i < m->n; i++) {
        m->freq[i] = (uint8_t)(freqs[i] + 1);
        none |= m->freq[i] == 0;
        sum += m->freq[i];
    }
    if (none || sum > ZN_R16W_SLOTS) return corrupt(in, err, "frequencies of a table add up to", sum);
    m->esc_freq = (uint8_t)(ZN_R16W_SLOTS - sum);
    return ZIPNN_OK;
}

/* Reads the tables of R16W: which symbols each lists, and then the frequencies of all tables. */
static zipnn_status read_wide_tables(struct zn_codec *c, unsigned depth, struct zn_cur *cur, const struct zn_coded *in,
                                     const struct head *h, zipnn_error *err) {
    struct zn_r16_reader *r = &c->reader[depth];
    struct zn_r16_model models[ZN_R16_MAX_TABLES];
    uint8_t freqs[ZN_R16_MAX_TABLES * ZN_R16W_MAX_LISTED];
    size_t n = 0;
    r->d.esc_mark = ZN_R16W_UNLISTED;
    r->last = 0;
    for (unsigned t = 0; t < h->n_tables; t++) {
        const unsigned first = zn_cur_u8(cur), k = zn_cur_u8(cur);
        if (k > ZN_R16W_MAX_LISTED || first + k > ZN_R16W_UNLISTED)
            return corrupt(in, err, "a table lists symbols up to", first + k);
        models[t].n = (uint8_t)k;
        models[t].base = (uint8_t)first;
        for (unsigned i = 0; i < k; i++) models[t].sym[i] = (uint8_t)(first + i);
        if (k > 0) r->last = (uint8_t)ZN_MAX(r->last, first + k - 1);
        n += k;
    }
    if (!zn_cur_ok(cur)) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream ends inside a table");
    if (n) ZN_TRY(zn_r16_read_nested(c, depth, cur, in, freqs, n, err));
    const uint8_t *at = freqs;
    for (unsigned t = 0; t < h->n_tables; at += models[t++].n) {
        ZN_TRY(set_wide_model(&models[t], in, at, err));
        zn_r16_table_build(&r->tables[t], &models[t], ZN_R16W_SLOTS_LOG2, ZN_R16W_UNLISTED);
    }
    return ZIPNN_OK;
}

zipnn_status zn_r16_open(struct zn_codec *c, unsigned depth, const struct zn_coded *in, size_t n,
                         struct zn_r16_reader **reader, zipnn_error *err) {
    struct zn_r16_reader *r = &c->reader[depth];
    struct zn_r16_decoder *d = &r->d;
    struct zn_cur cur = zn_cur_of(in->data, in->len);
    struct head h = {0};
    ZN_TRY(read_head(c, &cur, in, n, d, &h, err));
    if (in->codec == ZN_CODEC_R16W)
        ZN_TRY(read_wide_tables(c, depth, &cur, in, &h, err));
    else
        ZN_TRY(read_tables(&cur, in, &h, r, err));
    r->n_models = h.n_tables;
    d->tables = r->tables;
    d->ids = NULL;
    if (h.n_tables == 1) {
        d->block_log2 = ONE_BLOCK_LOG2;
    } else {
        size_t n_blocks = ((n - 1) >> d->block_log2) + 1;
        ZN_TRY(zn_r16_read_ids(c, depth, &cur, in, n_blocks, h.n_tables, err));
        d->ids = r->ids;
    }
    if (h.n_escapes) ZN_TRY(zn_r16_read_nested(c, depth, &cur, in, r->esc, h.n_escapes, err));
    d->esc = r->esc;
    d->esc_end = r->esc + h.n_escapes;

    const unsigned lanes = 1u << d->lanes_log2;
    const uint8_t *states = zn_cur_take(&cur, 2 * lanes);
    if (!states) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream ends before its states");
    for (unsigned i = 0; i < lanes; i++) {
        d->state[i] = zn_get_u16(states + 2 * i);
        if (d->state[i] < ZN_R16_LOW) return corrupt(in, err, "an initial state is", d->state[i]);
    }
    d->in = cur.at;
    d->in_end = cur.end;
    d->ahead = (struct zn_ahead){0};
    d->check = NULL;
    d->pos = 0;
    *reader = r;
    return ZIPNN_OK;
}

zipnn_status zn_r16_finish(const struct zn_r16_reader *reader, uint64_t at, zipnn_error *err) {
    const struct zn_r16_decoder *d = &reader->d;
    if (d->in != d->in_end || d->esc != d->esc_end)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "R16 stream: %zu bytes and %zu escapes are left over",
                       (size_t)(d->in_end - d->in), (size_t)(d->esc_end - d->esc));
    for (unsigned i = 0; i < 1u << d->lanes_log2; i++)
        if (d->state[i] != ZN_R16_LOW)
            return zn_fail(err, ZIPNN_E_CORRUPT, at, "R16 stream: lane %u ends in state %u", i, d->state[i]);
    return ZIPNN_OK;
}

uint8_t zn_r16_highest(const struct zn_r16_reader *reader) {
    uint8_t highest = reader->last;
    if (reader->d.slots_log2 == ZN_R16W_SLOTS_LOG2 && reader->d.esc != reader->d.esc_end) return UINT8_MAX;
    for (const uint8_t *p = reader->d.esc; p < reader->d.esc_end; p++) highest = ZN_MAX(highest, *p);
    return highest;
}

zipnn_status zn_r16_ran_out(const struct zn_r16_reader *reader, uint64_t at, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "R16 stream ran out of bytes or escapes near symbol %zu", reader->d.pos);
}
