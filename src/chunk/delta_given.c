/* A chunk's own planes, each coded given the same plane of the reference: for what moves with the reference in size,
 * not in value, as an optimizer's moments do with each other. */
#include "chunk/delta_parts.h"

enum { MAX_CONTEXTS = 16 };

/* Where planes of both are put. */
struct planes {
    uint8_t *of[ZN_MAX_PLANES];
};

static void place(enum zn_layout layout, size_t n, struct zn_room *room, struct planes *planes) {
    for (unsigned p = 0; p < zn_layouts[layout].n_planes; p++)
        planes->of[p] = zn_room_take(room, zn_plane_size(layout, p, n));
}

size_t zn_delta_given(struct zn_coder *coder, const struct zn_effort *effort, enum zn_layout layout, unsigned head,
                      const uint8_t *src, const uint8_t *ref, uint32_t len, uint8_t *payload, size_t cap) {
    const struct zn_layout_info *info = &zn_layouts[layout];
    const enum zn_shape shape = zn_layout_shape(layout);
    const size_t n = (len - head) / info->width, tail = (len - head) % info->width;
    struct zn_room room = {coder->planes};
    struct planes own = {{NULL}}, given = {{NULL}};
    struct zn_out out = zn_out_of(payload, cap);
    zn_out_u8(&out, ZN_LAYOUT_GIVEN);
    zn_out_u8(&out, (uint8_t)layout);
    zn_out_u8(&out, (uint8_t)head);
    zn_out_u8(&out, 0);
    zn_out_bytes(&out, src, head);
    zn_out_bytes(&out, src + len - tail, tail);
    struct zn_streams planes = zn_streams_begin(&out, info->n_planes);
    place(layout, n, &room, &own);
    place(layout, n, &room, &given);
    coder->codec.k->split[shape](src + head, n, own.of);
    coder->codec.k->split[shape](ref + head, n, given.of);
    for (unsigned p = 0; p < info->n_planes; p++) {
        const size_t size = zn_plane_size(layout, p, n);
        struct zn_survey survey;
        if (out.full || zn_out_left(&out) < size) return 0;
        zn_stream_survey(&coder->codec, own.of[p], size, &survey);
        zn_streams_end(&planes, &out,
                       survey.random ? zn_stream_encode(&coder->codec, 0, effort, &survey, own.of[p], size, &out)
                                     : zn_stream_encode_given(&coder->codec, effort, &survey, given.of[p], MAX_CONTEXTS,
                                                              own.of[p], size, &out));
    }
    return zn_out_len(&out);
}

/* ---- decoding ---- */

zipnn_status zn_delta_given_decode(struct zn_coder *coder, unsigned layout, unsigned head, struct zn_delta_body *body,
                                   const uint8_t *ref, uint8_t *out, uint32_t orig_len, enum zn_store store,
                                   zipnn_error *err) {
    if (!zn_layout_is(layout, ZN_GROUP_WORDS))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 1, "layout %u is not supported in a delta", layout);
    if (body->detail) return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 3, "delta detail %u", body->detail);
    const struct zn_layout_info *info = &zn_layouts[layout];
    const enum zn_shape shape = zn_layout_shape(layout);
    if (head >= info->width || head > orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at + 2, "%u bytes before elements of %u bytes", head, info->width);
    const size_t n = (orig_len - head) / info->width, tail = (orig_len - head) % info->width;
    const uint8_t *edges = zn_cur_take(&body->cur, head + tail);
    struct zn_coded coded[ZN_MAX_PLANES];
    for (unsigned p = 0; p < info->n_planes; p++) zn_coded_head(&body->cur, &coded[p]);
    struct zn_room room = {coder->planes};
    struct planes own = {{NULL}}, given = {{NULL}};
    place((enum zn_layout)layout, n, &room, &own);
    place((enum zn_layout)layout, n, &room, &given);
    coder->codec.k->split[shape](ref + head, n, given.of);
    for (unsigned p = 0; p < info->n_planes; p++) {
        const size_t size = zn_plane_size((enum zn_layout)layout, p, n);
        ZN_TRY(zn_delta_take(body, &coded[p], err));
        ZN_TRY(zn_stream_decode_given(&coder->codec, &coded[p], given.of[p], own.of[p], size, err));
    }
    if (zn_cur_left(&body->cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta has %zu bytes past its end", zn_cur_left(&body->cur));
    if (layout == ZN_LAYOUT_F16 && !(zn_f16_exponents_are_legal(own.of[2], n) && zn_f16_masks_are_legal(own.of[1], n)))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at,
                       "an exponent of fp16 is above 31, or mantissa bits lie past the last element");
    coder->codec.k->merge[shape]((const uint8_t *const *)own.of, n, out + head, store);
    if (store == ZN_STORE_STREAM) coder->codec.k->settle();
    memcpy(out, edges, head);
    memcpy(out + orig_len - tail, edges + head, tail);
    return ZIPNN_OK;
}
