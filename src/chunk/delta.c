/* A chunk against reference bytes: the choice of a way, and the way back. */
#include "chunk/delta.h"

#include "chunk/delta_parts.h"
#include "chunk/sniff.h"
#include "codec/cost.h"
#include "plan/dtype.h"

/* ---- numbers ---- */

static enum zn_number number_of_shape(enum zn_shape shape) {
    static const uint8_t numbers[ZN_N_SHAPES] = {
        [ZN_SHAPE_16] = ZN_NUMBER_I16, [ZN_SHAPE_16R] = ZN_NUMBER_BF16, [ZN_SHAPE_F16] = ZN_NUMBER_F16,
        [ZN_SHAPE_32] = ZN_NUMBER_I32, [ZN_SHAPE_32R] = ZN_NUMBER_F32,  [ZN_SHAPE_8] = ZN_NUMBER_I8,
        [ZN_SHAPE_64] = ZN_N_NUMBERS,  [ZN_SHAPE_64R] = ZN_N_NUMBERS,
    };
    return (enum zn_number)numbers[shape];
}

/* The elements of a chunk, what they are as numbers (ZN_N_NUMBERS: none of those) and as planes. */
struct elements {
    enum zn_number number;
    enum zn_layout layout;
    unsigned head;
};

static struct elements elements_of(const struct zn_kernels *k, struct zn_chunk_hint hint, const uint8_t *src,
                                   uint32_t len) {
    enum zn_layout layout = zn_layout_of_dtype(hint.dtype);
    struct elements e = {number_of_shape(zn_layout_shape(layout)), layout, hint.head};
    if (hint.dtype == ZIPNN_DTYPE_UNKNOWN) {
        const struct zn_guess guess = zn_sniff(k, src, len);
        e = (struct elements){number_of_shape(guess.shape), zn_layout_of_shape(guess.shape), guess.head};
    }
    if (zn_dtype_is_fp8(hint.dtype)) e.number = ZN_NUMBER_F8;
    e.head %= zn_layouts[e.layout].width;
    return e;
}

static struct zn_pair pair_of(enum zn_number number, uint32_t head, uint32_t len) {
    const unsigned width = zn_number_width(number);
    const uint32_t rest = len - ZN_MIN(head, len);
    return (struct zn_pair){
        .number = number, .width = width, .head = ZN_MIN(head, len), .tail = rest % width, .n = rest / width};
}

/* ---- encoding ---- */

enum {
    DOUBT = 16, /* a delta that saves less than 1/16 of what the sample says of the chunk alone is compared with that */
    FEW = 64,   /* elements below which nothing is gained */
    SPARSE_SURE = 25 /* with fewer changes than one in 25, dense coding need not be tried */
};

static size_t count_changes(const uint64_t *changed, size_t n) {
    size_t sum = 0;
    for (size_t g = 0; g * 64 < n; g++) sum += (size_t)__builtin_popcountll(changed[g]);
    return sum;
}

/* By differences, sparse or dense. */
static size_t encode_delta(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_pair *pair,
                           struct zn_room room, uint8_t *payload, size_t cap) {
    uint64_t *changed = zn_room_take(&room, (pair->n + 63) / 64 * sizeof *changed);
    size_t sparse_len = 0;
    if (pair->width <= 2) {
        coder->codec.k->delta->changed_masks(pair->src + pair->head, pair->ref + pair->head, pair->width, pair->n,
                                             changed);
        const size_t n = count_changes(changed, pair->n);
        if (n <= pair->n / ZN_SPARSE_SHARE)
            sparse_len = zn_delta_sparse(coder, effort, pair, changed, room, payload, cap);
        if (sparse_len && n < pair->n / SPARSE_SURE) return sparse_len;
    }
    if (!sparse_len) return zn_delta_dense(coder, effort, pair, room, payload, cap);
    const size_t dense_len = zn_delta_dense(coder, effort, pair, room, coder->rival, sparse_len - 1);
    if (!dense_len) return sparse_len;
    memcpy(payload, coder->rival, dense_len);
    return dense_len;
}

uint32_t zn_delta_encode(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                         const uint8_t *src, const uint8_t *ref, uint32_t len, uint8_t *payload) {
    const struct elements e = elements_of(coder->codec.k, hint, src, len);
    struct zn_room room = {coder->planes};
    struct zn_delta_verdict verdict = {.alone = 1, .delta = 1};
    struct zn_pair pair = {0};
    const size_t cap = zn_chunk_bound(len);
    size_t got = 0;
    if (e.number != ZN_N_NUMBERS) {
        pair = pair_of(e.number, e.head, len);
        if (pair.n < FEW) return 0;
        uint8_t *context = zn_room_take(&room, pair.n);
        coder->codec.k->delta->context(pair.number, ref + pair.head, pair.n, context);
        pair.src = src;
        pair.ref = ref;
        pair.context = context;
        verdict = zn_delta_judge(&pair);
        const uint64_t least = ZN_MIN(verdict.delta, verdict.given);
        if (least > verdict.alone + verdict.alone / DOUBT) return 0;
    }
    coder->codec.ahead = (struct zn_ahead){0};
    if (verdict.delta < verdict.given || e.number == ZN_NUMBER_I16 || e.number == ZN_NUMBER_I32)
        got = encode_delta(coder, effort, &pair, room, payload, cap);
    else
        got = zn_delta_given(coder, effort, e.layout, e.head, src, ref, len, payload, cap);
    if (got == 0 || got > len) return 0;
    const uint64_t alone = verdict.alone * pair.n / (8 * ZN_COST_ONE);
    const bool sure = verdict.certain && got < alone - alone / DOUBT;
    if (!sure && zn_chunk_encode(coder, effort, hint, src, len, coder->rival) <= got) return 0;
    return (uint32_t)got;
}

/* ---- decoding ---- */

zipnn_status zn_delta_take(struct zn_delta_body *body, struct zn_coded *coded, zipnn_error *err) {
    if (zn_coded_take(&body->cur, body->start, body->at, coded)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta ends inside a stream of %zu", coded->len);
}

static zipnn_status decode_number(struct zn_coder *coder, unsigned layout, unsigned number, unsigned head,
                                  struct zn_delta_body *body, const uint8_t *ref, uint8_t *out, uint32_t orig_len,
                                  zipnn_error *err) {
    if (number >= ZN_N_NUMBERS)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 1, "number %u is not supported", number);
    struct zn_pair pair = pair_of((enum zn_number)number, head, orig_len);
    if (head >= pair.width || pair.n == 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at + 2, "%u bytes before elements of %u bytes", head, pair.width);
    pair.ref = ref;
    const uint8_t *edges = zn_cur_take(&body->cur, pair.head + pair.tail);
    if (!edges) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta ends inside its edges");
    const struct zn_room room = {coder->planes};
    if (layout == ZN_LAYOUT_DELTA)
        ZN_TRY(zn_delta_dense_decode(coder, &pair, body, room, out + head, err));
    else
        ZN_TRY(zn_delta_sparse_decode(coder, &pair, body, room, out + head, err));
    memcpy(out, edges, pair.head);
    memcpy(out + orig_len - pair.tail, edges + pair.head, pair.tail);
    return ZIPNN_OK;
}

zipnn_status zn_delta_decode(struct zn_coder *coder, const struct zn_chunk_body *in, const uint8_t *ref, uint8_t *out,
                             uint32_t orig_len, enum zn_store store, zipnn_error *err) {
    struct zn_delta_body body = {zn_cur_of(in->data, in->len), in->data, in->at, 0};
    const unsigned layout = zn_cur_u8(&body.cur), kind = zn_cur_u8(&body.cur), head = zn_cur_u8(&body.cur);
    body.detail = zn_cur_u8(&body.cur);
    if (!zn_cur_ok(&body.cur)) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "delta of %zu bytes is too short", in->len);
    if (layout == ZN_LAYOUT_GIVEN)
        return zn_delta_given_decode(coder, kind, head, &body, ref, out, orig_len, store, err);
    if (layout != ZN_LAYOUT_DELTA && layout != ZN_LAYOUT_SPARSE)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, in->at, "layout %u is not supported in a delta", layout);
    return decode_number(coder, layout, kind, head, &body, ref, out, orig_len, err);
}
