/* Codes a chunk's own planes, each given the same plane of the reference. This suits bytes that follow the reference in
 * magnitude but not in value, as the two moments of an optimizer follow each other. */
#include "delta/delta_parts.h"

enum { MAX_CONTEXTS = 16 };

/* The planes of a chunk, in scratch. */
struct planes {
    uint8_t *of[ZN_MAX_PLANES];
};

static void place(struct zn_coder *coder, enum zn_layout layout, size_t n, struct planes *planes) {
    for (unsigned p = 0; p < zn_layouts[layout].n_planes; p++)
        planes->of[p] = zn_scratch_take(&coder->scratch, zn_plane_size(layout, p, n));
}

static struct planes split(struct zn_coder *coder, enum zn_layout layout, const uint8_t *words, size_t n) {
    struct planes planes = {{NULL}};
    place(coder, layout, n, &planes);
    coder->codec.k->split[zn_layout_shape(layout)](words, n, planes.of);
    return planes;
}

/* Writes a plane. Returns false when it does not fit. */
static bool write_plane(const struct zn_encoder *e, const uint8_t *plane, const uint8_t *given, size_t size,
                        struct zn_streams *streams, struct zn_out *out) {
    struct zn_codec *codec = &e->coder->codec;
    struct zn_survey survey;
    if (out->full || zn_out_left(out) < size) return false;
    zn_stream_survey(codec, plane, size, &survey);
    zn_streams_end(streams, out,
                   survey.random
                       ? zn_stream_encode(codec, 0, e->effort, &survey, plane, size, out)
                       : zn_stream_encode_given(codec, e->effort, &survey, given, MAX_CONTEXTS, plane, size, out));
    return true;
}

size_t zn_delta_given(const struct zn_encoder *e, enum zn_layout layout, unsigned head, const uint8_t *ref,
                      struct zn_out out) {
    const struct zn_layout_info *info = &zn_layouts[layout];
    if (e->len < head) return 0;
    const struct zn_delta_head start = {ZN_LAYOUT_GIVEN, layout, head, 0};
    const size_t n = (e->len - head) / info->width;
    zn_delta_begin(&out, &start, e->src, e->len, (e->len - head) % info->width);
    struct zn_streams streams = zn_streams_begin(&out, info->n_planes);
    const struct planes own = split(e->coder, layout, e->src + head, n);
    const struct planes given = split(e->coder, layout, ref + head, n);
    for (unsigned p = 0; p < info->n_planes; p++)
        if (!write_plane(e, own.of[p], given.of[p], zn_plane_size(layout, p, n), &streams, &out)) return 0;
    return zn_out_len(&out);
}

/* ---- decoding ---- */

static zipnn_status check_head(const struct zn_delta_body *body, zipnn_error *err) {
    const struct zn_delta_head *h = &body->head;
    if (!zn_layout_is(h->kind, ZN_GROUP_WORDS))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 1, "layout %u is not supported in a delta", h->kind);
    if (h->detail)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 3, "delta detail %u is not supported", h->detail);
    if (h->head >= zn_layouts[h->kind].width || h->head > body->orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at + 2, "%u bytes before elements of %u bytes", h->head,
                       zn_layouts[h->kind].width);
    return ZIPNN_OK;
}

static zipnn_status decode_planes(struct zn_coder *coder, struct zn_delta_body *body, size_t n, struct planes *own,
                                  zipnn_error *err) {
    const enum zn_layout layout = (enum zn_layout)body->head.kind;
    const unsigned n_planes = zn_layouts[layout].n_planes;
    struct zn_coded coded[ZN_MAX_PLANES];
    for (unsigned p = 0; p < n_planes; p++) zn_coded_head(&body->cur, &coded[p]);
    place(coder, layout, n, own);
    const struct planes given = split(coder, layout, body->ref + body->head.head, n);
    for (unsigned p = 0; p < n_planes; p++) {
        ZN_TRY(zn_delta_take(body, &coded[p], err));
        ZN_TRY(zn_stream_decode_given(&coder->codec, &coded[p], given.of[p], own->of[p], zn_plane_size(layout, p, n),
                                      err));
    }
    if (zn_cur_left(&body->cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta has %zu bytes past its end", zn_cur_left(&body->cur));
    if (layout == ZN_LAYOUT_F16 &&
        !(zn_f16_exponents_are_legal(own->of[2], n) && zn_f16_masks_are_legal(own->of[1], n)))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at,
                       "an exponent of fp16 is above 31, or mantissa bits lie past the last element");
    return ZIPNN_OK;
}

zipnn_status zn_delta_given_decode(struct zn_coder *coder, struct zn_delta_body *body, zipnn_error *err) {
    ZN_TRY(check_head(body, err));
    const unsigned head = body->head.head, width = zn_layouts[body->head.kind].width;
    const size_t n = (body->orig_len - head) / width, tail = (body->orig_len - head) % width;
    const uint8_t *edges = zn_cur_take(&body->cur, head + tail);
    struct planes own;
    ZN_TRY(decode_planes(coder, body, n, &own, err));
    coder->codec.k->merge[zn_layout_shape(body->head.kind)]((const uint8_t *const *)own.of, n, body->out + head,
                                                            body->store);
    if (body->store == ZN_STORE_STREAM) coder->codec.k->settle();
    memcpy(body->out, edges, head);
    memcpy(body->out + body->orig_len - tail, edges + head, tail);
    return ZIPNN_OK;
}
