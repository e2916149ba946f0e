/* Dense coding: every element has a symbol, and its low bits are stored. */
#include "codec/cost.h"
#include "delta/delta_parts.h"

enum { MAX_CONTEXTS = 4, MAX_MODELS = 16, PIECE = 4096, HIST_STEP = 4 };

/* Returns the highest context, except for those that only one element in 256 reaches. */
static unsigned highest_context(const struct zn_kernels *k, const struct zn_pair *pair) {
    uint32_t counts[256] = {0}, above = 0;
    unsigned highest = 255;
    k->byte_hist(pair->context, pair->n, ZN_MAX(pair->n / 8192, (size_t)1), counts);
    uint32_t total = 0;
    for (unsigned c = 0; c < 256; c++) total += counts[c];
    while (highest > 0 && (above += counts[highest]) <= total / 256) highest--;
    return highest;
}

/* Codes the symbols by R16C with the models' tables. Returns false when they do not become shorter. A delta then gains
 * nothing, because without R16C all models would share one table. */
static bool write_symbols(const struct zn_encoder *e, const struct zn_pair *pair, const struct zn_delta_models *models,
                          const uint8_t *symbols, struct zn_out *out) {
    const struct zn_r16c_input in = {.context = pair->context,
                                     .plane = symbols,
                                     .n = pair->n,
                                     .max_contexts = MAX_CONTEXTS,
                                     .hist_step = pair->n < 1u << 15 ? 1 : HIST_STEP,
                                     .n_models = models->n,
                                     .ids = models->ids,
                                     .block_log2 = models->block_log2};
    zn_r16c_fit(&e->coder->codec, &in);
    return zn_r16c_write(&e->coder->codec, e->effort, &in, out);
}

/* The parts that the elements are split into. */
struct split {
    uint8_t *symbols, *bits, *low[ZN_DELTA_MAX_LOW], *literals;
    size_t bits_len, low_len, literals_len;
};

static void split(const struct zn_encoder *e, const struct zn_pair *pair, const struct zn_delta_models *models,
                  struct split *s) {
    struct zn_scratch *scratch = &e->coder->scratch;
    struct zn_delta_writer w = {.grid = {pair->number, models->n_low, models->scales, models->ids, models->block_log2}};
    s->symbols = zn_scratch_take(scratch, pair->n);
    w.bits.p = s->bits =
        zn_scratch_take(scratch, pair->width == 1 ? 8 : pair->n * (pair->width - 1) / 2 + pair->n / 2 + 8);
    for (unsigned j = 0; j < models->n_low; j++) w.low[j] = s->low[j] = zn_scratch_take(scratch, pair->n);
    w.literals = s->literals = zn_scratch_take(scratch, e->len);
    e->coder->codec.k->delta->split(&w, pair->src + pair->head, pair->ref + pair->head, pair->context, pair->n,
                                    s->symbols);
    s->bits_len = (size_t)(zn_bit_sink_flush(&w.bits) - s->bits);
    s->low_len = models->n_low ? (size_t)(w.low[0] - s->low[0]) : 0;
    s->literals_len = (size_t)(w.literals - s->literals);
}

/* Writes everything that precedes the streams. */
static void write_models(const struct zn_delta_models *models, const struct split *s, struct zn_out *out) {
    zn_out_u8(out, (uint8_t)models->n);
    zn_out_bytes(out, models->scales, models->n);
    zn_out_u32(out, (uint32_t)s->bits_len);
    zn_out_u32(out, (uint32_t)s->literals_len);
    if (models->n_low) zn_out_u32(out, (uint32_t)s->low_len);
}

/* Writes a low plane. Returns false when it does not fit. */
static bool write_low(const struct zn_encoder *e, const uint8_t *plane, size_t len, struct zn_streams *streams,
                      struct zn_out *out) {
    struct zn_codec *codec = &e->coder->codec;
    struct zn_survey survey;
    if (out->full || zn_out_left(out) < len) return false;
    zn_stream_survey(codec, plane, len, &survey);
    zn_streams_end(streams, out, zn_stream_encode(codec, 0, e->effort, &survey, plane, len, out));
    return true;
}

size_t zn_delta_dense(const struct zn_encoder *e, const struct zn_pair *pair, struct zn_out out) {
    struct zn_delta_models models = {.block_log2 = ZN_DELTA_BLOCK};
    struct split s;
    zn_delta_models_choose(e->coder, pair, highest_context(e->coder->codec.k, pair), MAX_MODELS, &models);
    split(e, pair, &models, &s);
    const struct zn_delta_head head = {ZN_LAYOUT_DELTA, pair->number, pair->head, models.n_low};
    zn_delta_begin(&out, &head, pair->src, e->len, pair->tail);
    write_models(&models, &s, &out);
    struct zn_streams streams = zn_streams_begin(&out, 1 + models.n_low);
    if (out.full || !write_symbols(e, pair, &models, s.symbols, &out)) return 0;
    zn_streams_end(&streams, &out, ZN_CODEC_R16C);
    for (unsigned j = 0; j < models.n_low; j++)
        if (!write_low(e, s.low[j], s.low_len, &streams, &out)) return 0;
    zn_out_bytes(&out, s.bits, s.bits_len);
    zn_out_bytes(&out, s.literals, s.literals_len);
    return out.full ? 0 : zn_out_len(&out);
}

/* ---- decoding ---- */

/* A dense delta while it is decoded. */
struct dense {
    const struct zn_pair *pair;
    struct zn_delta_models models;
    struct zn_delta_reader r;
    struct zn_coded symbols;
    uint8_t *out; /* where the first element goes */
};

static zipnn_status read_models(struct zn_delta_body *body, struct zn_delta_models *models, zipnn_error *err) {
    models->n_low = body->head.detail;
    models->n = zn_cur_u8(&body->cur);
    if (models->n < 1 || models->n > ZN_R16_MAX_TABLES)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta of %u models", models->n);
    const uint8_t *scales = zn_cur_take(&body->cur, models->n);
    if (!scales) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta ends inside its models");
    memcpy(models->scales, scales, models->n);
    return ZIPNN_OK;
}

static zipnn_status read_low(struct zn_coder *coder, struct zn_delta_body *body, struct zn_coded *low,
                             struct zn_delta_reader *r, zipnn_error *err) {
    for (unsigned j = 0; j < r->grid.n_low; j++) {
        uint8_t *plane = zn_scratch_take(&coder->scratch, r->n_low);
        ZN_TRY(zn_delta_take(body, &low[j], err));
        ZN_TRY(zn_stream_decode(&coder->codec, 0, &low[j], plane, r->n_low, err));
        r->low[j] = plane;
    }
    return ZIPNN_OK;
}

/* Reads everything of a dense delta except its symbols, ready to be merged. */
static zipnn_status read_parts(struct zn_coder *coder, struct zn_delta_body *body, struct dense *d, zipnn_error *err) {
    struct zn_delta_reader *r = &d->r;
    struct zn_coded low[ZN_DELTA_MAX_LOW];
    const uint32_t bits_len = zn_cur_u32(&body->cur), literals_len = zn_cur_u32(&body->cur);
    r->n_low = r->grid.n_low ? zn_cur_u32(&body->cur) : d->pair->n;
    if (r->n_low > d->pair->n) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta has %zu low bytes", r->n_low);
    zn_coded_head(&body->cur, &d->symbols);
    for (unsigned j = 0; j < r->grid.n_low; j++) zn_coded_head(&body->cur, &low[j]);
    ZN_TRY(zn_delta_take(body, &d->symbols, err));
    ZN_TRY(read_low(coder, body, low, r, err));
    r->bits.p = zn_cur_take(&body->cur, bits_len);
    r->bits.len = bits_len;
    r->literals = zn_cur_take(&body->cur, literals_len);
    if (!r->literals || zn_cur_left(&body->cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "the parts of a delta do not fill it");
    r->literals_end = r->literals + literals_len;
    return ZIPNN_OK;
}

static zipnn_status out_of_bits(const struct dense *d, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, d->symbols.at, "delta runs out of low bits near element %zu", d->r.pos);
}

/* Decodes and merges symbols of R16C, piece by piece. */
static zipnn_status merge_pieces(struct zn_coder *coder, struct dense *d, struct zn_r16_reader *stream,
                                 zipnn_error *err) {
    const struct zn_kernels *k = coder->codec.k;
    const struct zn_pair *pair = d->pair;
    const uint8_t *ref = pair->ref + pair->head;
    uint8_t *const context = zn_scratch_take(&coder->scratch, PIECE), *out = d->out;
    uint8_t *const symbols = zn_scratch_take(&coder->scratch, PIECE);
    for (size_t done = 0, n; done < pair->n; done += n, ref += n * pair->width, out += n * pair->width) {
        n = ZN_MIN(pair->n - done, (size_t)PIECE);
        k->delta->context(pair->number, ref, n, context);
        if (!k->r16c_decode(&stream->d, coder->codec.contexts, context, symbols, n))
            return zn_r16_ran_out(stream, d->symbols.at, err);
        if (!k->delta->merge(&d->r, ref, context, symbols, n, out)) return out_of_bits(d, err);
    }
    return zn_r16_finish(stream, d->symbols.at, err);
}

static zipnn_status decode_r16c(struct zn_coder *coder, struct dense *d, zipnn_error *err) {
    struct zn_r16_reader *stream;
    ZN_TRY(zn_r16_open(&coder->codec, 0, &d->symbols, d->pair->n, &stream, err));
    d->r.grid.ids = stream->d.ids;
    d->r.grid.block_log2 = stream->d.block_log2;
    if (stream->n_models != d->models.n || (stream->d.ids && stream->d.block_log2 < ZN_DELTA_BLOCK))
        return zn_fail(err, ZIPNN_E_CORRUPT, d->symbols.at, "delta of %u scales has %u models", d->models.n,
                       stream->n_models);
    return merge_pieces(coder, d, stream, err);
}

/* Decodes symbols of another codec, all at once. */
static zipnn_status decode_whole(struct zn_coder *coder, struct dense *d, zipnn_error *err) {
    const struct zn_kernels *k = coder->codec.k;
    const struct zn_pair *pair = d->pair;
    const uint8_t *ref = pair->ref + pair->head;
    uint8_t *symbols = zn_scratch_take(&coder->scratch, pair->n);
    uint8_t *context = zn_scratch_take(&coder->scratch, pair->n);
    ZN_TRY(zn_stream_decode(&coder->codec, 0, &d->symbols, symbols, pair->n, err));
    k->delta->context(pair->number, ref, pair->n, context);
    return k->delta->merge(&d->r, ref, context, symbols, pair->n, d->out) ? ZIPNN_OK : out_of_bits(d, err);
}

zipnn_status zn_delta_dense_decode(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                   zipnn_error *err) {
    const unsigned n_low = body->head.detail;
    struct dense d = {.pair = pair, .out = body->out + pair->head};
    if (n_low > (pair->width == 4 ? ZN_DELTA_MAX_LOW : 0))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta with %u low bytes", n_low);
    ZN_TRY(read_models(body, &d.models, err));
    d.r = (struct zn_delta_reader){.grid = {pair->number, n_low, d.models.scales, NULL, 0}};
    ZN_TRY(read_parts(coder, body, &d, err));
    ZN_TRY(d.symbols.codec == ZN_CODEC_R16C ? decode_r16c(coder, &d, err) : decode_whole(coder, &d, err));
    const bool used_up = zn_bit_feed_used_up(&d.r.bits) && d.r.literals == d.r.literals_end && (!n_low || !d.r.n_low);
    return used_up ? ZIPNN_OK : zn_fail(err, ZIPNN_E_CORRUPT, body->at, "the low parts of a delta are not used up");
}
