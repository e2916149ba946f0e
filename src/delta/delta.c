/* Codes a chunk against reference bytes in one of three ways, and decodes all of them. */
#include "delta/delta.h"

#include "chunk/recognise.h"
#include "chunk/sniff.h"
#include "codec/cost.h"
#include "delta/delta_parts.h"
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

/* The elements of a chunk as numbers (ZN_N_NUMBERS: as none) and as planes. */
struct elements {
    enum zn_number number;
    enum zn_layout layout;
    unsigned head;
};

static struct elements elements_of(const struct zn_encoder *e) {
    const struct zn_chunk_hint hint = zn_recognised(e);
    const zipnn_dtype dtype = hint.dtype;
    enum zn_layout layout = zn_layout_of_dtype(dtype);
    struct elements of = {number_of_shape(zn_layout_shape(layout)), layout, hint.head};
    if (dtype == ZIPNN_DTYPE_UNKNOWN) {
        const struct zn_guess guess = zn_sniff(e->coder->codec.k, e->src, e->len);
        of = (struct elements){number_of_shape(guess.shape), zn_layout_of_shape(guess.shape), guess.head};
    }
    if (zn_dtype_is_fp8(dtype)) of.number = ZN_NUMBER_F8;
    of.head %= zn_layouts[of.layout].width;
    return of;
}

static struct zn_pair pair_of(enum zn_number number, uint32_t head, uint32_t len) {
    const unsigned width = zn_number_width(number);
    const uint32_t rest = len - ZN_MIN(head, len);
    return (struct zn_pair){
        .number = number, .width = width, .head = ZN_MIN(head, len), .tail = rest % width, .n = rest / width};
}

/* ---- encoding ---- */

enum {
    DOUBT = 16, /* a delta that saves less than 1/16 of what a sample says of the chunk alone is compared with it */
    FEW = 64,   /* elements; fewer gain nothing */
    SPARSE_SURE = 25 /* with fewer changes than one in 25, dense coding need not be tried */
};

static void find_changes(const struct zn_encoder *e, const struct zn_pair *pair, struct zn_delta_changes *changes) {
    changes->n = e->coder->codec.k->delta->changed_masks(pair->src + pair->head, pair->ref + pair->head, pair->width,
                                                         pair->n, changes->masks);
}

/* Replaces the sparse payload by a dense one if that is shorter. Returns the length of what remains. */
static size_t rather_dense(const struct zn_encoder *e, const struct zn_pair *pair, uint8_t *payload,
                           size_t sparse_len) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const size_t mark = zn_scratch_mark(scratch);
    uint8_t *rival = zn_scratch_take(scratch, sparse_len);
    const size_t dense_len = zn_delta_dense(e, pair, zn_out_of(rival, sparse_len - 1));
    if (dense_len) memcpy(payload, rival, dense_len);
    zn_scratch_back(scratch, mark);
    return dense_len ? dense_len : sparse_len;
}

/* Codes differences, sparse or dense. */
static size_t encode_delta(const struct zn_encoder *e, const struct zn_pair *pair,
                           const struct zn_delta_changes *changes, uint8_t *payload, size_t cap) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const struct zn_out out = zn_out_of(payload, cap);
    size_t sparse_len = 0;
    if (pair->width <= 2 && changes->n <= pair->n / ZN_SPARSE_SHARE) {
        const size_t mark = zn_scratch_mark(scratch);
        sparse_len = zn_delta_sparse(e, pair, changes, out);
        zn_scratch_back(scratch, mark);
        if (sparse_len && changes->n < pair->n / SPARSE_SURE) return sparse_len;
    }
    return sparse_len ? rather_dense(e, pair, payload, sparse_len) : zn_delta_dense(e, pair, out);
}

/* Makes the contexts of a pair and judges it by a sample. Returns false when nothing is gained. */
static bool judge(const struct zn_encoder *e, struct zn_pair *pair, struct zn_delta_verdict *verdict) {
    if (pair->n < FEW) return false;
    uint8_t *context = zn_scratch_take(&e->coder->scratch, pair->n);
    e->coder->codec.k->delta->context(pair->number, pair->ref + pair->head, pair->n, context);
    pair->context = context;
    *verdict = zn_delta_judge(pair);
    return ZN_MIN(verdict->delta, verdict->given) <= verdict->alone + verdict->alone / DOUBT;
}

/* Codes the signs apart, then the differences from the reference with the same signs. */
static size_t encode_signs(const struct zn_encoder *e, const struct zn_pair *pair,
                           const struct zn_delta_changes *changes, const struct zn_delta_signs *signs,
                           uint8_t *payload) {
    const size_t cap = zn_chunk_bound(e->len), used = zn_delta_signs_write(e, pair, signs, zn_out_of(payload, cap));
    const size_t got = used ? encode_delta(e, pair, changes, payload + used, cap - used) : 0;
    return got ? used + got : 0;
}

/* Makes the pair of a chunk of numbers and looks at what changed. Returns whether its signs are coded apart. */
static bool compare(const struct zn_encoder *e, const uint8_t *ref, const struct elements *of, struct zn_pair *pair,
                    struct zn_delta_changes *changes, struct zn_delta_signs *signs) {
    *pair = pair_of(of->number, of->head, e->len);
    pair->src = e->src;
    pair->ref = ref;
    if (pair->n < FEW || pair->width > 2) return false;
    changes->masks = zn_scratch_take(&e->coder->scratch, (pair->n + 63) / 64 * sizeof *changes->masks);
    find_changes(e, pair, changes);
    const bool apart = zn_delta_signs_make(e, pair, changes->n, signs);
    if (apart) find_changes(e, pair, changes);
    return apart;
}

static size_t encode(const struct zn_encoder *e, const uint8_t *ref, const struct elements *of, struct zn_pair *pair,
                     struct zn_delta_verdict *verdict, uint8_t *payload) {
    const size_t cap = zn_chunk_bound(e->len);
    struct zn_delta_signs signs = {NULL, NULL};
    struct zn_delta_changes changes = {NULL, 0};
    bool apart = false;
    if (of->number != ZN_N_NUMBERS) {
        apart = compare(e, ref, of, pair, &changes, &signs);
        if (!judge(e, pair, verdict)) return 0;
    }
    e->coder->codec.ahead = (struct zn_ahead){0};
    if (verdict->delta < verdict->given || of->number == ZN_NUMBER_I16 || of->number == ZN_NUMBER_I32)
        return apart ? encode_signs(e, pair, &changes, &signs, payload) : encode_delta(e, pair, &changes, payload, cap);
    return zn_delta_given(e, of->layout, of->head, ref, zn_out_of(payload, cap));
}

/* Returns whether the chunk alone takes at most `len` bytes. */
static bool is_as_short_alone(const struct zn_encoder *e, size_t len) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const size_t mark = zn_scratch_mark(scratch);
    const uint32_t alone = zn_chunk_encode(e, zn_scratch_take(scratch, zn_chunk_bound(e->len)));
    zn_scratch_back(scratch, mark);
    return alone <= len;
}

uint32_t zn_delta_encode(const struct zn_encoder *e, const uint8_t *ref, uint8_t *payload) {
    const struct elements of = elements_of(e);
    const size_t mark = zn_scratch_mark(&e->coder->scratch);
    struct zn_delta_verdict verdict = {.alone = 1, .delta = 1};
    struct zn_pair pair = {0};
    const size_t got = encode(e, ref, &of, &pair, &verdict, payload);
    zn_scratch_back(&e->coder->scratch, mark);
    if (got == 0 || got > e->len) return 0;
    const uint64_t alone = verdict.alone * pair.n / (8 * ZN_COST_ONE);
    const bool sure = verdict.certain && got < alone - alone / DOUBT;
    return !sure && is_as_short_alone(e, got) ? 0 : (uint32_t)got;
}

/* ---- decoding ---- */

/* Finds the elements of a chunk of numbers, and the bytes beside them. */
static zipnn_status open_number(struct zn_delta_body *body, struct zn_pair *pair, const uint8_t **edges,
                                zipnn_error *err) {
    const unsigned head = body->head.head;
    if (body->head.kind >= ZN_N_NUMBERS)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 1, "number %u is not supported", body->head.kind);
    *pair = pair_of((enum zn_number)body->head.kind, head, body->orig_len);
    if (head >= pair->width || pair->n == 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at + 2, "%u bytes before elements of %u bytes", head, pair->width);
    pair->ref = body->ref;
    *edges = zn_cur_take(&body->cur, pair->head + pair->tail);
    return *edges ? ZIPNN_OK : zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta ends inside its edges");
}

static zipnn_status decode_number(struct zn_coder *coder, struct zn_delta_body *body, zipnn_error *err) {
    struct zn_pair pair;
    const uint8_t *edges;
    ZN_TRY(open_number(body, &pair, &edges, err));
    if (body->head.layout == ZN_LAYOUT_DELTA)
        ZN_TRY(zn_delta_dense_decode(coder, &pair, body, err));
    else
        ZN_TRY(zn_delta_sparse_decode(coder, &pair, body, err));
    zn_delta_put_edges(&pair, edges, body->out, body->orig_len);
    return ZIPNN_OK;
}

static zipnn_status read_head(struct zn_delta_body *body, zipnn_error *err) {
    body->head.layout = (enum zn_layout)zn_cur_u8(&body->cur);
    body->head.kind = zn_cur_u8(&body->cur);
    body->head.head = zn_cur_u8(&body->cur);
    body->head.detail = zn_cur_u8(&body->cur);
    if (!zn_cur_ok(&body->cur)) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta is too short for its head");
    return ZIPNN_OK;
}

/* The difference that follows the signs is one of the same elements. */
static zipnn_status decode_signs(struct zn_coder *coder, struct zn_delta_body *body, zipnn_error *err) {
    const struct zn_delta_head signs = body->head;
    ZN_TRY(zn_delta_signs_decode(coder, body, err));
    ZN_TRY(read_head(body, err));
    const struct zn_delta_head *h = &body->head;
    const bool known = h->layout == ZN_LAYOUT_DELTA || h->layout == ZN_LAYOUT_SPARSE;
    if (!known || h->kind != signs.kind || h->head != signs.head)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "signs of number %u before layout %u of number %u", signs.kind,
                       (unsigned)h->layout, h->kind);
    return decode_number(coder, body, err);
}

static zipnn_status decode(struct zn_coder *coder, struct zn_delta_body *body, zipnn_error *err) {
    ZN_TRY(read_head(body, err));
    const unsigned layout = body->head.layout;
    if (layout == ZN_LAYOUT_SIGNS) return decode_signs(coder, body, err);
    if (!zn_layout_is(layout, ZN_GROUP_DELTA))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at, "layout %u is not supported in a delta", layout);
    return layout == ZN_LAYOUT_GIVEN ? zn_delta_given_decode(coder, body, err) : decode_number(coder, body, err);
}

static struct zn_delta_body body_of(const struct zn_chunk_body *in, struct zn_delta_reference ref, uint8_t *out,
                                    enum zn_store store) {
    return (struct zn_delta_body){.cur = zn_cur_of(in->data, in->len),
                                  .start = in->data,
                                  .at = in->at,
                                  .ref = ref.bytes,
                                  .out = out,
                                  .orig_len = ref.len,
                                  .store = store};
}

zipnn_status zn_delta_decode(struct zn_coder *coder, const struct zn_chunk_body *in, struct zn_delta_reference ref,
                             uint8_t *out, enum zn_store store, zipnn_error *err) {
    const size_t mark = zn_scratch_mark(&coder->scratch);
    struct zn_delta_body body = body_of(in, ref, out, store);
    const zipnn_status status = decode(coder, &body, err);
    zn_scratch_back(&coder->scratch, mark);
    return status;
}

bool zn_delta_patches(const uint8_t *payload, size_t len) {
    return len > 0 && payload[0] == ZN_LAYOUT_SPARSE;
}

/* Mapped bytes may have changed since they were looked at, so the layout is asked for once more. */
static zipnn_status patch(struct zn_coder *coder, struct zn_delta_body *body, uint64_t check, zipnn_error *err) {
    struct zn_pair pair;
    const uint8_t *edges;
    ZN_TRY(read_head(body, err));
    if (body->head.layout != ZN_LAYOUT_SPARSE)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "layout %u is not of a few changes",
                       (unsigned)body->head.layout);
    ZN_TRY(open_number(body, &pair, &edges, err));
    return zn_delta_sparse_patch(coder, &pair, body, edges, check, err);
}

zipnn_status zn_delta_patch(struct zn_coder *coder, const struct zn_chunk_body *in, uint8_t *memory, uint32_t len,
                            uint64_t check, zipnn_error *err) {
    const size_t mark = zn_scratch_mark(&coder->scratch);
    struct zn_delta_body body = body_of(in, (struct zn_delta_reference){memory, len}, memory, ZN_STORE_CACHED);
    const zipnn_status status = patch(coder, &body, check, err);
    zn_scratch_back(&coder->scratch, mark);
    return status;
}
