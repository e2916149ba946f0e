#include "chunk/decoders.h"
#include "chunk/wrapped.h"

/* Returns the bytes of scratch that decoding takes: the planes of a chunk (halves of bytes, exponents of fp16 and
 * quantised values take a byte each), the planes of a reference, and the map of a chunk of frequent values or the
 * places of groups of values. */
static size_t decoding_takes(uint32_t max_chunk) {
    return (size_t)max_chunk + 2 * (size_t)max_chunk + max_chunk / 2;
}

/* Returns the bytes of scratch that encoding takes in the largest case. A chunk against a reference holds its own body.
 * Inside it a chunk of repeats has its rest and a body. That rest is made of frequent values (map, rest, a body), whose
 * rest is bytes (two halves twice, a body) or blocks (values, symbols, side planes, places, low bits, a body); keyed numbers
 * take less. What is rewritten has plain bytes, marks and a body. Levels that encode as faster ones do hold one more body. */
static size_t encoding_takes(uint32_t max_chunk) {
    const size_t bound = zn_chunk_bound(max_chunk);
    const size_t frequent = max_chunk / 2 + (size_t)max_chunk + ZN_MADE_HEAD + zn_chunk_bound(max_chunk / 2) + bound;
    const size_t values = 2 * ZN_MOST_SYMBOLS(max_chunk) + 3 * (size_t)max_chunk + bound;
    const size_t rewritten = (size_t)max_chunk + max_chunk / 4 + zn_chunk_bound(max_chunk / 4) + 2 * bound;
    const size_t inside = ZN_MAX(frequent, rewritten) + 5 * (size_t)max_chunk + max_chunk / 2;
    return 2 * bound + (max_chunk + bound) + ZN_MAX(inside, values);
}

void zn_coder_carve(struct zn_coder *coder, struct zn_arena *arena, uint32_t max_chunk, enum zn_codec_use use) {
    enum { PIECES = 64, SMALL = (ZN_MAX_PLANES + 2) * ZN_PIECE };
    const size_t decoding = decoding_takes(max_chunk), encoding = use == ZN_USE_BOTH ? encoding_takes(max_chunk) : 0;
    coder->max_chunk = max_chunk;
    zn_codec_carve(&coder->codec, arena, max_chunk, use);
    zn_scratch_carve(&coder->scratch, arena, ZN_MAX(decoding, encoding) + SMALL + PIECES * (size_t)ZN_SCRATCH_EACH);
}

enum { LEAST = 42 << 10 }; /* 64 KiB of bf16 gain 6 %; shorter bodies lose more by starting and ending */

static zipnn_status read_body(const struct zn_chunk_body *in, uint32_t orig_len, struct zn_body *body,
                              zipnn_error *err) {
    body->data = in->data;
    body->len = in->len;
    body->at = in->at;
    body->orig_len = orig_len;
    return zn_body_read(body, err);
}

/* Stands for layouts that zn_body_read refuses; it is never called. */
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
    const size_t mark = zn_scratch_mark(&coder->scratch);
    const zipnn_status status = decoders[body->layout](coder, body, to, err);
    zn_scratch_back(&coder->scratch, mark);
    if (status != ZIPNN_OK) return status;
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

/* Returns whether a body is a large chunk of usual floats, which one kernel decodes. */
static bool is_usual(const struct zn_body *body) {
    if (body->len < LEAST) return false;
    return zn_layout_is_joint(body->layout) ? zn_joint_is_usual(body) : zn_words_takes_check(body);
}

bool zn_chunk_takes_check(const struct zn_chunk_body *in, uint32_t orig_len) {
    struct zn_body body;
    return in->len >= LEAST && read_body(in, orig_len, &body, NULL) == ZIPNN_OK && is_usual(&body);
}

/* Compares the elements of usual floats. They are decoded a piece at a time and not kept. */
static zipnn_status compare_elements(struct zn_coder *coder, const struct zn_body *body,
                                     const struct zn_comparison *with, bool *done, zipnn_error *err) {
    const size_t mark = zn_scratch_mark(&coder->scratch);
    zipnn_status status = ZIPNN_OK;
    *done = false;
    if (zn_layout_is_joint(body->layout))
        status = zn_joint_compare(coder, body, with, done, err);
    else if (is_usual(body))
        status = zn_words_compare(coder, body, with, done, err);
    zn_scratch_back(&coder->scratch, mark);
    return status;
}

zipnn_status zn_chunk_compare(struct zn_coder *coder, const struct zn_chunk_body *in, const struct zn_comparison *with,
                              zipnn_error *err) {
    const struct zn_target to = {with->room, ZN_STORE_CACHED, {0}, NULL};
    const uint8_t *original = with->original;
    struct zn_body body;
    bool done;
    ZN_TRY(read_body(in, with->orig_len, &body, err));
    ZN_TRY(compare_elements(coder, &body, with, &done, err));
    if (done) {
        *with->same &= memcmp(body.edges, original, body.head) == 0;
        *with->same &= memcmp(body.edges + body.head, original + body.orig_len - body.tail, body.tail) == 0;
        return ZIPNN_OK;
    }
    ZN_TRY(zn_body_decode(coder, &body, &to, err));
    *with->same = memcmp(with->room, original, body.orig_len) == 0;
    return ZIPNN_OK;
}
