/* Signs apart. Where a weight crosses zero, the ordered integers of 16 bits lie so far apart that the difference must be
 * spelled out, and early in training one weight in ten does. So which weights have another sign is coded by itself, given
 * the reference's exponent (large ones hardly ever cross), and the difference is that from the reference with these signs. */
#include "delta/delta_parts.h"

enum {
    MAX_CONTEXTS = 16,
    WORTH = 100, /* one element in so many must have changed its sign */
    WIDTH = 2
};

static bool is_signed_word(enum zn_number number) {
    return number == ZN_NUMBER_F16 || number == ZN_NUMBER_BF16;
}

bool zn_delta_signs_make(const struct zn_encoder *e, struct zn_pair *pair, size_t n_changed,
                         struct zn_delta_signs *signs) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const struct zn_delta_kernels *k = e->coder->codec.k->delta;
    const uint32_t head = pair->head;
    if (!is_signed_word(pair->number) || !zn_may_write(e->effort, ZN_LAYOUT_SIGNS)) return false;
    if (n_changed < pair->n / WORTH) return false;
    signs->flips = zn_scratch_take(scratch, pair->n);
    if (k->sign_flips(pair->src + head, pair->ref + head, pair->n, signs->flips) < pair->n / WORTH) return false;
    signs->ref = zn_scratch_take(scratch, e->len);
    memcpy(signs->ref, pair->ref, e->len);
    k->turn_signs(signs->flips, pair->n, signs->ref + head);
    pair->ref = signs->ref;
    return true;
}

size_t zn_delta_signs_write(const struct zn_encoder *e, const struct zn_pair *pair, const struct zn_delta_signs *signs,
                            struct zn_out out) {
    struct zn_codec *codec = &e->coder->codec;
    struct zn_survey survey;
    zn_out_u8(&out, ZN_LAYOUT_SIGNS);
    zn_out_u8(&out, (uint8_t)pair->number);
    zn_out_u8(&out, (uint8_t)pair->head);
    zn_out_u8(&out, 0);
    struct zn_streams streams = zn_streams_begin(&out, 1);
    if (out.full || zn_out_left(&out) < pair->n) return 0;
    zn_stream_survey(codec, signs->flips, pair->n, &survey);
    zn_streams_end(
        &streams, &out,
        zn_stream_encode_given(codec, e->effort, &survey, pair->context, MAX_CONTEXTS, signs->flips, pair->n, &out));
    return out.full ? 0 : zn_out_len(&out);
}

/* ---- decoding ---- */

static zipnn_status read_flips(struct zn_coder *coder, struct zn_delta_body *body, size_t n, uint8_t *flips,
                               zipnn_error *err) {
    const size_t mark = zn_scratch_mark(&coder->scratch);
    uint8_t *context = zn_scratch_take(&coder->scratch, n);
    struct zn_coded coded;
    zn_coded_head(&body->cur, &coded);
    ZN_TRY(zn_delta_take(body, &coded, err));
    coder->codec.k->delta->context((enum zn_number)body->head.kind, body->ref + body->head.head, n, context);
    const zipnn_status status = zn_stream_decode_given(&coder->codec, &coded, context, flips, n, err);
    zn_scratch_back(&coder->scratch, mark);
    uint8_t seen = 0;
    for (size_t i = 0; status == ZIPNN_OK && i < n; i++) seen |= flips[i];
    if (seen > 1) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "a sign is neither kept nor changed");
    return status;
}

zipnn_status zn_delta_signs_decode(struct zn_coder *coder, struct zn_delta_body *body, zipnn_error *err) {
    const struct zn_delta_head *h = &body->head;
    if (!is_signed_word((enum zn_number)h->kind) || h->detail != 0)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 1, "signs of number %u, detail %u", h->kind, h->detail);
    if (h->head >= WIDTH || h->head + WIDTH > body->orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at + 2, "%u bytes before the signs of %u bytes", h->head,
                       body->orig_len);
    const size_t n = (body->orig_len - h->head) / WIDTH;
    uint8_t *flips = zn_scratch_take(&coder->scratch, n), *ref = zn_scratch_take(&coder->scratch, body->orig_len);
    ZN_TRY(read_flips(coder, body, n, flips, err));
    memcpy(ref, body->ref, body->orig_len);
    coder->codec.k->delta->turn_signs(flips, n, ref + h->head);
    body->ref = ref;
    return ZIPNN_OK;
}
