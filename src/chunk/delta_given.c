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
    uint8_t *record = zn_out_room(&out, (size_t)info->n_planes * ZN_PLANE_LEN);
    place(layout, n, &room, &own);
    place(layout, n, &room, &given);
    coder->codec.k->split[info->shape](src + head, n, own.of);
    coder->codec.k->split[info->shape](ref + head, n, given.of);
    for (unsigned p = 0; p < info->n_planes; p++, record += ZN_PLANE_LEN) {
        const size_t size = zn_plane_size(layout, p, n);
        const uint8_t *from = out.at;
        struct zn_survey survey;
        if (out.full || zn_out_left(&out) < size) return 0;
        zn_stream_survey(&coder->codec, own.of[p], size, &survey);
        record[0] = (uint8_t)(survey.random ? zn_stream_encode(&coder->codec, 0, effort, &survey, own.of[p], size, &out)
                                            : zn_stream_encode_given(&coder->codec, effort, &survey, given.of[p],
                                                                     MAX_CONTEXTS, own.of[p], size, &out));
        zn_put_u32(record + 1, (uint32_t)(out.at - from));
    }
    return zn_out_len(&out);
}

/* ---- decoding ---- */

/* Exponents of fp16 have five bits, and its packed plane none past the last element. */
static bool legal_f16(const struct planes *planes, size_t n) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= planes->of[2][i];
    if (all > 31 || n % 64 == 0) return all <= 31;
    const uint8_t *last = planes->of[1] + n / 64 * 24;
    return (zn_get_u64(last) | zn_get_u64(last + 8) | zn_get_u64(last + 16)) >> n % 64 == 0;
}

zipnn_status zn_delta_given_decode(struct zn_coder *coder, unsigned layout, unsigned head, struct zn_delta_body *body,
                                   const uint8_t *ref, uint8_t *out, uint32_t orig_len, enum zn_store store,
                                   zipnn_error *err) {
    if (layout >= ZN_N_WORD_LAYOUTS)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 1, "layout %u is not supported in a delta", layout);
    if (body->detail) return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 3, "delta detail %u", body->detail);
    const struct zn_layout_info *info = &zn_layouts[layout];
    if (head >= info->width || head > orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at + 2, "%u bytes before elements of %u bytes", head, info->width);
    const size_t n = (orig_len - head) / info->width, tail = (orig_len - head) % info->width;
    const uint8_t *edges = zn_cur_take(&body->cur, head + tail);
    struct zn_coded coded[ZN_MAX_PLANES];
    for (unsigned p = 0; p < info->n_planes; p++) {
        coded[p].codec = zn_cur_u8(&body->cur);
        coded[p].len = zn_cur_u32(&body->cur);
    }
    struct zn_room room = {coder->planes};
    struct planes own = {{NULL}}, given = {{NULL}};
    place((enum zn_layout)layout, n, &room, &own);
    place((enum zn_layout)layout, n, &room, &given);
    coder->codec.k->split[info->shape](ref + head, n, given.of);
    for (unsigned p = 0; p < info->n_planes; p++) {
        const size_t size = zn_plane_size((enum zn_layout)layout, p, n);
        ZN_TRY(zn_delta_take(body, &coded[p], err));
        ZN_TRY(zn_stream_decode_given(&coder->codec, &coded[p], given.of[p], own.of[p], size, err));
    }
    if (zn_cur_left(&body->cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta has %zu bytes past its end", zn_cur_left(&body->cur));
    if (layout == ZN_LAYOUT_F16 && !legal_f16(&own, n))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "bits of fp16 where none are");
    coder->codec.k->merge[info->shape]((const uint8_t *const *)own.of, n, out + head, store);
    if (store == ZN_STORE_STREAM) coder->codec.k->settle();
    memcpy(out, edges, head);
    memcpy(out + orig_len - tail, edges + head, tail);
    return ZIPNN_OK;
}
