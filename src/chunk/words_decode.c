/* Decodes chunks of words, and compares them with their original. */
#include "chunk/decoders.h"
#include "chunk/layout.h"

/* Elements decoded at a time. A piece of every plane stays in the L1 cache between the decoder and the merge. It is a
 * multiple of the number of lanes and of the packed groups. */
enum { PIECE = ZN_PIECE };

/* A plane prepared for merging piece by piece. `at` is its part of the next piece. */
struct ready {
    const uint8_t *at;
    struct zn_r16_reader *stream; /* each piece is decoded from here into `at`; NULL if the plane is in memory */
    bool constant;                /* the same bytes serve every piece */
};

/* The planes of a chunk of words. */
struct words {
    const struct zn_body *body;
    enum zn_shape shape;
    struct ready ready[ZN_MAX_PLANES];
    uint8_t *piece; /* the top plane's part, when it is decoded piece by piece */
};

static struct zn_r16_reader *top_stream(const struct words *w) {
    return w->ready[w->body->n_planes - 1].stream;
}

static uint64_t top_at(const struct words *w) {
    return w->body->plane[w->body->n_planes - 1].at;
}

static zipnn_status ready_plane(struct zn_coder *coder, struct words *w, unsigned p, zipnn_error *err) {
    const struct zn_coded *plane = &w->body->plane[p];
    struct ready *r = &w->ready[p];
    size_t size = zn_plane_size(w->body->layout, p, w->body->n);
    *r = (struct ready){.at = NULL};
    if (plane->codec == ZN_CODEC_RAW && plane->len == size) {
        r->at = plane->data;
        return ZIPNN_OK;
    }
    if (plane->codec == ZN_CODEC_CONSTANT && size > 0) {
        uint8_t *fill = zn_scratch_take(&coder->scratch, PIECE);
        r->at = fill;
        r->constant = true;
        return zn_stream_decode(&coder->codec, 0, plane, fill, PIECE, err);
    }
    /* One R16 stream can be decoded piece by piece: a codec has one reader for planes, and the top plane uses it. */
    if (plane->codec == ZN_CODEC_R16 && p + 1 == w->body->n_planes && size > 0) {
        w->piece = zn_scratch_take(&coder->scratch, PIECE);
        r->at = w->piece;
        return zn_r16_open(&coder->codec, 0, plane, size, &r->stream, err);
    }
    uint8_t *whole = zn_scratch_take(&coder->scratch, size);
    r->at = whole;
    return zn_stream_decode(&coder->codec, 0, plane, whole, size, err);
}

static zipnn_status ready_planes(struct zn_coder *coder, const struct zn_body *body, struct words *w,
                                 zipnn_error *err) {
    *w = (struct words){.body = body, .shape = zn_layout_shape(body->layout)};
    for (unsigned p = 0; p < body->n_planes; p++) ZN_TRY(ready_plane(coder, w, p, err));
    return ZIPNN_OK;
}

static zipnn_status check_f16(const struct words *w, const uint8_t *const *planes, size_t n, zipnn_error *err) {
    if (w->shape != ZN_SHAPE_F16) return ZIPNN_OK;
    if (!zn_f16_exponents_are_legal(planes[2], n))
        return zn_fail(err, ZIPNN_E_CORRUPT, w->body->plane[2].at, "an exponent of fp16 is above 31");
    if (!zn_f16_masks_are_legal(planes[1], n))
        return zn_fail(err, ZIPNN_E_CORRUPT, w->body->plane[1].at, "mantissa bits of fp16 past the last element");
    return ZIPNN_OK;
}

static zipnn_status merge_pieces(struct zn_coder *coder, struct words *w, uint8_t *out, enum zn_store store,
                                 zipnn_error *err) {
    const struct zn_kernels *k = coder->codec.k;
    const struct zn_body *body = w->body;
    struct zn_r16_reader *stream = top_stream(w);
    for (size_t done = 0, n; done < body->n; done += n, out += n * body->width) {
        const uint8_t *planes[ZN_MAX_PLANES];
        n = ZN_MIN(body->n - done, (size_t)PIECE);
        if (stream && !k->r16_decode(&stream->d, w->piece, n)) return zn_r16_ran_out(stream, top_at(w), err);
        for (unsigned p = 0; p < body->n_planes; p++) planes[p] = w->ready[p].at;
        ZN_TRY(check_f16(w, planes, n, err));
        k->merge[w->shape](planes, n, out, store);
        for (unsigned p = 0; p < body->n_planes; p++)
            if (!w->ready[p].stream && !w->ready[p].constant) w->ready[p].at += zn_plane_size(body->layout, p, n);
    }
    return stream ? zn_r16_finish(stream, top_at(w), err) : ZIPNN_OK;
}

/* Returns whether one kernel can decode and merge the exponents. The planes below must be in memory. */
static bool is_fused(const struct zn_kernels *k, const struct words *w) {
    const struct zn_r16_reader *stream = top_stream(w);
    if (!zn_layout_is_of_floats(w->body->layout) || !stream || stream->d.lanes_log2 != 7) return false;
    for (unsigned p = 0; p + 1 < w->body->n_planes; p++)
        if (w->ready[p].constant) return false;
    return w->shape != ZN_SHAPE_F16 ||
           (k->r16_decode_f16 && zn_r16_highest(stream) < 32 && zn_f16_masks_are_legal(w->ready[1].at, w->body->n));
}

/* Decodes the elements [from, from + n). */
static bool decode_fused(const struct zn_kernels *k, const struct words *w, size_t from, size_t n, uint8_t *out,
                         enum zn_store store) {
    struct zn_r16_decoder *d = &top_stream(w)->d;
    const struct ready *ready = w->ready;
    if (w->shape == ZN_SHAPE_16R) return k->r16_decode_16r(d, ready[0].at + from, out, n, store);
    if (w->shape == ZN_SHAPE_F16) {
        const uint8_t *raw[] = {ready[0].at + from, ready[1].at + zn_plane_size(ZN_LAYOUT_F16, 1, from)};
        return k->r16_decode_f16(d, raw, out, n, store);
    }
    const uint8_t *raw[] = {ready[0].at + from, ready[1].at + from, ready[2].at + from};
    return k->r16_decode_32r(d, raw, out, n, store);
}

zipnn_status zn_words_decode(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                             zipnn_error *err) {
    const struct zn_kernels *k = coder->codec.k;
    uint8_t *out = to->out + body->head;
    struct words w;
    if (body->n_planes == 1) return zn_stream_decode(&coder->codec, 0, &body->plane[0], out, body->n, err);
    ZN_TRY(ready_planes(coder, body, &w, err));
    struct zn_r16_reader *stream = top_stream(&w);
    const bool fused = is_fused(k, &w);
    if (fused && to->check)
        stream->d.check = to->check; /* with a check, nothing is prefetched: the two would slow each other down */
    else if (stream)
        stream->d.ahead = zn_ahead_paced(to->ahead, body->n);
    if (!fused) return merge_pieces(coder, &w, out, to->store, err);
    if (!decode_fused(k, &w, 0, body->n, out, to->store)) return zn_r16_ran_out(stream, top_at(&w), err);
    return zn_r16_finish(stream, top_at(&w), err);
}

bool zn_words_takes_check(const struct zn_body *body) {
    if (!zn_layout_is_of_floats(body->layout)) return false;
    for (unsigned p = 0; p + 1 < body->n_planes; p++)
        if (body->plane[p].codec != ZN_CODEC_RAW) return false;
    return body->plane[body->n_planes - 1].codec == ZN_CODEC_R16;
}

/* Decodes and compares piece by piece, so that each piece is still in the L1 cache. */
static zipnn_status compare_fused(struct zn_coder *coder, const struct words *w, const uint8_t *original, uint8_t *room,
                                  bool *same, zipnn_error *err) {
    const unsigned width = w->body->width;
    *same = true;
    for (size_t done = 0, n; done < w->body->n; done += n) {
        n = ZN_MIN(w->body->n - done, (size_t)PIECE);
        if (!decode_fused(coder->codec.k, w, done, n, room, ZN_STORE_CACHED))
            return zn_r16_ran_out(top_stream(w), top_at(w), err);
        *same &= memcmp(room, original + done * width, n * width) == 0;
    }
    return zn_r16_finish(top_stream(w), top_at(w), err);
}

zipnn_status zn_words_compare(struct zn_coder *coder, const struct zn_body *body, const struct zn_comparison *with,
                              bool *done, zipnn_error *err) {
    struct words w;
    ZN_TRY(ready_planes(coder, body, &w, err));
    *done = is_fused(coder->codec.k, &w);
    if (!*done) return ZIPNN_OK;
    return compare_fused(coder, &w, with->original + body->head, with->room, with->same, err);
}
