/* Dense coding: a symbol for every element, its low bits stored. */
#include "chunk/delta_parts.h"
#include "codec/cost.h"

enum { MAX_CONTEXTS = 4, MAX_MODELS = 16, PIECE = 4096, HIST_STEP = 4 };

/* The highest context that more than one element in 256 has. */
static unsigned highest_context(const struct zn_kernels *k, const struct zn_pair *pair) {
    uint32_t counts[256] = {0}, above = 0;
    unsigned highest = 255;
    k->byte_hist(pair->context, pair->n, ZN_MAX(pair->n / 8192, (size_t)1), counts);
    uint32_t total = 0;
    for (unsigned c = 0; c < 256; c++) total += counts[c];
    while (highest > 0 && (above += counts[highest]) <= total / 256) highest--;
    return highest;
}

/* Symbols by R16C with the models' tables. False when they do not get shorter: then a delta is not worth it, and
 * without R16C there would be one model for all. */
static bool write_symbols(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_pair *pair,
                          const struct zn_delta_models *models, const uint8_t *symbols, struct zn_out *out) {
    const struct zn_r16c_input in = {.context = pair->context,
                                     .plane = symbols,
                                     .n = pair->n,
                                     .max_contexts = MAX_CONTEXTS,
                                     .hist_step = pair->n < 1u << 15 ? 1 : HIST_STEP,
                                     .n_models = models->n,
                                     .ids = models->ids,
                                     .block_log2 = models->block_log2};
    zn_r16c_fit(&coder->codec, &in);
    return zn_r16c_write(&coder->codec, effort, &in, out);
}

/* Splits the elements; low planes stay in the room, literals where they were put. */
struct split {
    uint8_t *symbols, *bits, *low[ZN_DELTA_MAX_LOW], *literals;
    size_t bits_len, low_len, literals_len;
};

static void split(const struct zn_kernels *k, const struct zn_pair *pair, const struct zn_delta_models *models,
                  struct zn_room *room, struct split *s) {
    struct zn_delta_writer w = {.grid = {pair->number, models->n_low, models->scales, models->ids, models->block_log2}};
    s->symbols = zn_room_take(room, pair->n);
    w.bits.p = s->bits = zn_room_take(room, pair->width == 1 ? 8 : pair->n * (pair->width - 1) / 2 + pair->n / 2 + 8);
    for (unsigned j = 0; j < models->n_low; j++) w.low[j] = s->low[j] = zn_room_take(room, pair->n);
    w.literals = s->literals;
    k->delta->split(&w, pair->src + pair->head, pair->ref + pair->head, pair->context, pair->n, s->symbols);
    s->bits_len = (size_t)(zn_bit_sink_flush(&w.bits) - s->bits);
    s->low_len = models->n_low ? (size_t)(w.low[0] - s->low[0]) : 0;
    s->literals_len = (size_t)(w.literals - s->literals);
}

size_t zn_delta_dense(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_pair *pair,
                      struct zn_room room, uint8_t *payload, size_t cap) {
    const struct zn_kernels *k = coder->codec.k;
    struct zn_delta_models models = {.block_log2 = ZN_DELTA_BLOCK};
    struct zn_out out = zn_out_of(payload, cap);
    struct split s = {.literals = coder->spare};
    zn_delta_models_choose(k, pair, highest_context(k, pair), MAX_MODELS, &room, &models);
    split(k, pair, &models, &room, &s);

    zn_out_u8(&out, ZN_LAYOUT_DELTA);
    zn_out_u8(&out, (uint8_t)pair->number);
    zn_out_u8(&out, (uint8_t)pair->head);
    zn_out_u8(&out, (uint8_t)models.n_low);
    zn_out_bytes(&out, pair->src, pair->head);
    zn_out_bytes(&out, pair->src + pair->head + pair->n * pair->width, pair->tail);
    zn_out_u8(&out, (uint8_t)models.n);
    zn_out_bytes(&out, models.scales, models.n);
    zn_out_u32(&out, (uint32_t)s.bits_len);
    zn_out_u32(&out, (uint32_t)s.literals_len);
    if (models.n_low) zn_out_u32(&out, (uint32_t)s.low_len);
    struct zn_streams streams = zn_streams_begin(&out, 1 + models.n_low);
    if (out.full || !write_symbols(coder, effort, pair, &models, s.symbols, &out)) return 0;
    zn_streams_end(&streams, &out, ZN_CODEC_R16C);
    for (unsigned j = 0; j < models.n_low && !out.full; j++) {
        struct zn_survey survey;
        if (zn_out_left(&out) < s.low_len) return 0;
        zn_stream_survey(&coder->codec, s.low[j], s.low_len, &survey);
        zn_streams_end(&streams, &out, zn_stream_encode(&coder->codec, 0, effort, &survey, s.low[j], s.low_len, &out));
    }
    zn_out_bytes(&out, s.bits, s.bits_len);
    zn_out_bytes(&out, s.literals, s.literals_len);
    return out.full ? 0 : zn_out_len(&out);
}

/* ---- decoding ---- */

static zipnn_status read_models(struct zn_delta_body *body, struct zn_delta_models *models, zipnn_error *err) {
    models->n_low = body->detail;
    models->n = zn_cur_u8(&body->cur);
    if (models->n < 1 || models->n > ZN_R16_MAX_TABLES)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta of %u models", models->n);
    const uint8_t *scales = zn_cur_take(&body->cur, models->n);
    if (!scales) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta ends inside its models");
    memcpy(models->scales, scales, models->n);
    return ZIPNN_OK;
}

/* Everything of a dense delta but its symbols, ready to be merged. */
static zipnn_status read_low(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                             struct zn_room *room, struct zn_delta_reader *r, struct zn_coded *symbols,
                             zipnn_error *err) {
    struct zn_coded low[ZN_DELTA_MAX_LOW];
    const uint32_t bits_len = zn_cur_u32(&body->cur), literals_len = zn_cur_u32(&body->cur);
    r->n_low = r->grid.n_low ? zn_cur_u32(&body->cur) : pair->n;
    if (r->n_low > pair->n) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta has %zu low bytes", r->n_low);
    zn_coded_head(&body->cur, symbols);
    for (unsigned j = 0; j < r->grid.n_low; j++) zn_coded_head(&body->cur, &low[j]);
    ZN_TRY(zn_delta_take(body, symbols, err));
    for (unsigned j = 0; j < r->grid.n_low; j++) {
        uint8_t *plane = zn_room_take(room, r->n_low);
        ZN_TRY(zn_delta_take(body, &low[j], err));
        ZN_TRY(zn_stream_decode(&coder->codec, 0, &low[j], plane, r->n_low, err));
        r->low[j] = plane;
    }
    r->bits.p = zn_cur_take(&body->cur, bits_len);
    r->bits.len = bits_len;
    r->literals = zn_cur_take(&body->cur, literals_len);
    if (!r->literals || zn_cur_left(&body->cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "the parts of a delta do not fill it");
    r->literals_end = r->literals + literals_len;
    return ZIPNN_OK;
}

/* Symbols by R16C, piece by piece. */
static zipnn_status merge_pieces(struct zn_coder *coder, const struct zn_pair *pair, const struct zn_coded *symbols,
                                 struct zn_r16_reader *stream, struct zn_delta_reader *r, uint8_t *out,
                                 zipnn_error *err) {
    const struct zn_kernels *k = coder->codec.k;
    const uint8_t *ref = pair->ref + pair->head;
    uint8_t *const context = coder->fill;
    for (size_t done = 0, n; done < pair->n; done += n, ref += n * pair->width, out += n * pair->width) {
        n = ZN_MIN(pair->n - done, (size_t)PIECE);
        k->delta->context(pair->number, ref, n, context);
        if (!k->r16c_decode(&stream->d, coder->codec.contexts, context, coder->piece, n))
            return zn_r16_ran_out(stream, symbols->at, err);
        if (!k->delta->merge(r, ref, context, coder->piece, n, out))
            return zn_fail(err, ZIPNN_E_CORRUPT, symbols->at, "delta runs out of low bits near element %zu", r->pos);
    }
    return zn_r16_finish(stream, symbols->at, err);
}

static zipnn_status merge_whole(struct zn_coder *coder, const struct zn_pair *pair, const struct zn_coded *symbols,
                                struct zn_room *room, struct zn_delta_reader *r, uint8_t *out, zipnn_error *err) {
    const struct zn_kernels *k = coder->codec.k;
    uint8_t *plane = zn_room_take(room, pair->n), *context = zn_room_take(room, pair->n);
    ZN_TRY(zn_stream_decode(&coder->codec, 0, symbols, plane, pair->n, err));
    k->delta->context(pair->number, pair->ref + pair->head, pair->n, context);
    if (k->delta->merge(r, pair->ref + pair->head, context, plane, pair->n, out)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, symbols->at, "delta runs out of low bits near element %zu", r->pos);
}

zipnn_status zn_delta_dense_decode(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                   struct zn_room room, uint8_t *out, zipnn_error *err) {
    struct zn_delta_models models;
    struct zn_coded symbols;
    if (body->detail > (pair->width == 4 ? ZN_DELTA_MAX_LOW : 0))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta with %u low bytes", body->detail);
    ZN_TRY(read_models(body, &models, err));
    struct zn_delta_reader r = {.grid = {pair->number, models.n_low, models.scales, NULL, 0}};
    ZN_TRY(read_low(coder, pair, body, &room, &r, &symbols, err));
    if (symbols.codec == ZN_CODEC_R16C) {
        struct zn_r16_reader *stream;
        ZN_TRY(zn_r16_open(&coder->codec, 0, &symbols, pair->n, &stream, err));
        r.grid.ids = stream->d.ids;
        r.grid.block_log2 = stream->d.block_log2;
        if (stream->n_models != models.n || (r.grid.ids && r.grid.block_log2 < ZN_DELTA_BLOCK))
            return zn_fail(err, ZIPNN_E_CORRUPT, symbols.at, "delta of %u scales has %u models", models.n,
                           stream->n_models);
        ZN_TRY(merge_pieces(coder, pair, &symbols, stream, &r, out, err));
    } else {
        ZN_TRY(merge_whole(coder, pair, &symbols, &room, &r, out, err));
    }
    const bool used_up =
        zn_bit_feed_used_up(&r.bits) && r.literals == r.literals_end && (!r.grid.n_low || r.n_low == 0);
    return used_up ? ZIPNN_OK : zn_fail(err, ZIPNN_E_CORRUPT, body->at, "the low parts of a delta are not used up");
}
