#include "chunk/decoders.h"
#include "chunk/joint.h"
#include "chunk/tops.h"
#include "chunk/wrapped.h"

void zn_coder_carve(struct zn_coder *coder, struct zn_arena *arena, uint32_t max_chunk, enum zn_codec_use use) {
    coder->max_chunk = max_chunk;
    zn_codec_carve(&coder->codec, arena, max_chunk, use);
    /* Halves of bytes take a byte each, as do fp16's exponents of five bits, and those of a reference beside them. */
    coder->planes = zn_carve(arena, 2 * (size_t)max_chunk + max_chunk / 2 + 2 * ZN_MAX_PLANES * (size_t)ZN_SLACK);
    coder->spare = use == ZN_USE_BOTH ? zn_carve(arena, max_chunk) : NULL;
    coder->rival = use == ZN_USE_BOTH ? zn_carve(arena, zn_chunk_bound(max_chunk)) : NULL;
    coder->map = zn_carve(arena, max_chunk);
    coder->kept = use == ZN_USE_BOTH ? zn_carve(arena, max_chunk) : NULL;
    coder->rest = use == ZN_USE_BOTH ? zn_carve(arena, (size_t)max_chunk + ZN_SLACK) : NULL;
    coder->other = use == ZN_USE_BOTH ? zn_carve(arena, ZN_OTHER_CAP(max_chunk)) : NULL;
    coder->whole = use == ZN_USE_BOTH ? zn_carve(arena, zn_chunk_bound(max_chunk)) : NULL;
    coder->values = use == ZN_USE_BOTH ? zn_carve(arena, ZN_MOST_SYMBOLS(max_chunk)) : NULL;
    coder->symbols = use == ZN_USE_BOTH ? zn_carve(arena, ZN_MOST_SYMBOLS(max_chunk)) : NULL;
    coder->piece = zn_carve(arena, ZN_PIECE);
    coder->fill = zn_carve(arena, (size_t)ZN_MAX_PLANES * ZN_PIECE);
}

enum { LEAST = 42 << 10 }; /* 64 KiB of bf16, which gain 6 %; smaller ones lose what beginning and ending take */

static zipnn_status read_body(const struct zn_chunk_body *in, uint32_t orig_len, struct zn_body *body,
                              zipnn_error *err) {
    body->data = in->data;
    body->len = in->len;
    body->at = in->at;
    body->orig_len = orig_len;
    return zn_body_read(body, err);
}

/* Never called: zn_body_read refuses these layouts. */
static zipnn_status decode_none(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                                zipnn_error *err) {
    (void)coder, (void)to;
    return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 1, "layout %u is not supported here", body->layout);
}

static zn_decode_fn *const decoders[ZN_N_LAYOUTS] = {
#define LAYOUT(id, number, name, group, shape, width, planes, since, decoder) [number] = decoder,
#include "format/layouts.def"
#undef LAYOUT
};

zipnn_status zn_body_decode(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                            zipnn_error *err) {
    ZN_TRY(decoders[body->layout](coder, body, to, err));
    if (to->store == ZN_STORE_STREAM) coder->codec.k->settle();
    if (body->edges) zn_body_put_edges(body, to->out);
    return ZIPNN_OK;
}

zipnn_status zn_chunk_decode(struct zn_coder *coder, const struct zn_chunk_body *in, uint8_t *out, uint32_t orig_len,
                             enum zn_store store, zipnn_error *err) {
    const struct zn_target to = {out, store, in->ahead, in->check};
    struct zn_body body;
    ZN_TRY(read_body(in, orig_len, &body, err));
    return zn_body_decode(coder, &body, &to, err);
}

/* Whether a body is one of a large chunk of floats coded as they usually are, which are decoded by one kernel. */
static bool is_usual(const struct zn_body *body) {
    if (body->len < LEAST) return false;
    return body->layout == ZN_LAYOUT_JOINT ? body->base == 0 : zn_words_takes_check(body);
}

bool zn_chunk_takes_check(const struct zn_chunk_body *in, uint32_t orig_len) {
    struct zn_body body;
    return in->len >= LEAST && read_body(in, orig_len, &body, NULL) == ZIPNN_OK && is_usual(&body);
}

zipnn_status zn_chunk_compare(struct zn_coder *coder, const struct zn_chunk_body *in, const uint8_t *original,
                              uint32_t orig_len, uint8_t *room, bool *same, zipnn_error *err) {
    const struct zn_comparison with = {original, room, same};
    struct zn_body body;
    bool compared = false;
    ZN_TRY(read_body(in, orig_len, &body, err));
    if (body.layout == ZN_LAYOUT_JOINT) {
        ZN_TRY(zn_joint_compare(coder, &body, &with, err));
        compared = true;
    } else if (is_usual(&body)) {
        ZN_TRY(zn_words_compare(coder, &body, &with, &compared, err));
    }
    if (compared) {
        *same &= memcmp(body.edges, original, body.head) == 0;
        *same &= memcmp(body.edges + body.head, original + orig_len - body.tail, body.tail) == 0;
        return ZIPNN_OK;
    }
    const struct zn_target to = {room, ZN_STORE_CACHED, {0}, NULL};
    ZN_TRY(zn_body_decode(coder, &body, &to, err));
    *same = memcmp(room, original, orig_len) == 0;
    return ZIPNN_OK;
}
