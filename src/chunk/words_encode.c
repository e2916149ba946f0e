/* Encodes chunks of words or bytes after a survey of all planes. */
#include "chunk/bytes_encode.h"
#include "chunk/layout.h"
#include "chunk/sniff.h"
#include "chunk/ways.h"
#include "codec/cost.h"
#include "plan/dtype.h"

enum { PACKED_GROUP = 24 }; /* length of a packed plane, at least, however few its elements are */

/* A chunk while it is encoded: how it is cut, its planes, and their surveys. */
struct parts {
    struct zn_body body;
    const uint8_t *planes[ZN_MAX_PLANES];
    struct zn_survey surveys[ZN_MAX_PLANES];
    struct zn_out out; /* the output after the heads of the planes */
    struct zn_streams streams;
    uint8_t *top, *spare; /* scratch for the top plane, and for a plane that must leave the output; NULL: not taken */
};

/* Splits the chunk and surveys its planes. All planes but the top one are usually stored, so they are split straight to
 * their final place, which is right if all of them are stored. The top plane goes to scratch. */
static void take_apart(const struct zn_encoder *e, const struct zn_body *cut, uint8_t *body, struct parts *parts) {
    struct zn_coder *coder = e->coder;
    uint8_t *to[ZN_MAX_PLANES];
    parts->body = *cut;
    parts->out = zn_out_of(body, zn_chunk_bound(e->len));
    parts->streams = zn_body_begin(&parts->out, cut, e->src);
    if (cut->n_planes > 1 && !parts->top) {
        parts->top = zn_scratch_take(&coder->scratch, e->len);
        parts->spare = zn_scratch_take(&coder->scratch, e->len + PACKED_GROUP);
    }
    uint8_t *room = parts->out.at;
    for (unsigned p = 0; p < cut->n_planes; p++) {
        parts->planes[p] = to[p] = p + 1 < cut->n_planes ? room : parts->top;
        room += zn_plane_size(cut->layout, p, cut->n);
    }
    if (cut->n_planes > 1)
        coder->codec.k->split[zn_layout_shape(cut->layout)](e->src + cut->head, cut->n, to);
    else
        parts->planes[0] = e->src;
    for (unsigned p = 0; p < cut->n_planes; p++)
        zn_stream_survey(&coder->codec, parts->planes[p], zn_plane_size(cut->layout, p, cut->n), &parts->surveys[p]);
}

/* Weights have random mantissas. If the mantissas are not random, or there are none, the label may be wrong: the floats
 * may hold integers or shorter floats, or the bytes may be quantised or packed with a period. Then the bytes themselves
 * are measured. A label of fp8 is always trusted. */
static bool is_as_labelled(const struct parts *parts, zipnn_dtype dtype) {
    if (parts->body.n_planes == 1) return zn_dtype_is_fp8(dtype);
    for (unsigned p = 0; p + 1 < parts->body.n_planes; p++)
        if (!parts->surveys[p].random) return false;
    return true;
}

static uint32_t put_together(const struct zn_encoder *e, struct parts *parts, struct zn_ahead ahead) {
    const struct zn_body *body = &parts->body;
    struct zn_codec *codec = &e->coder->codec;
    for (unsigned p = 0; p < body->n_planes; p++) {
        const struct zn_survey *survey = &parts->surveys[p];
        const uint8_t *plane = parts->planes[p];
        const size_t size = zn_plane_size(body->layout, p, body->n);
        if (p + 1 < body->n_planes && !survey->random) { /* moves the plane away from where its own code will lie */
            memcpy(parts->spare, plane, size);
            plane = parts->spare;
        }
        if (p + 1 == body->n_planes) codec->ahead = zn_ahead_paced(ahead, size);
        zn_streams_end(&parts->streams, &parts->out,
                       zn_stream_encode(codec, 0, e->effort, survey, plane, size, &parts->out));
    }
    return (uint32_t)zn_out_len(&parts->out);
}

static uint32_t encode_as(const struct zn_encoder *e, const struct zn_body *cut, struct zn_ahead ahead, uint8_t *body,
                          struct parts *parts) {
    take_apart(e, cut, body, parts);
    return put_together(e, parts, ahead);
}

/* Returns whether the chunk may be text: directories, graphs and the like lie between tensors. They are full of
 * repeated bytes, which words tear apart. */
static bool may_be_text(const struct zn_encoder *e, uint32_t rival) {
    enum { LONGEST = 64 << 10 };
    return e->hint.dtype == ZIPNN_DTYPE_UNKNOWN && e->len <= LONGEST &&
           zn_stream_probe_zstd(&e->coder->codec, e->src, e->len) < rival;
}

/* The measurement assumes one table per plane and so underrates fp16. Codes the chunk as labelled, too, and once more
 * as measured if that was shorter. */
static uint32_t rather_as_labelled(const struct zn_encoder *e, const struct zn_body *labelled, struct parts *parts,
                                   uint8_t *body, uint32_t measured_len) {
    const struct zn_body measured = parts->body;
    const uint32_t labelled_len = encode_as(e, labelled, (struct zn_ahead){0}, body, parts);
    return labelled_len <= measured_len ? labelled_len : encode_as(e, &measured, (struct zn_ahead){0}, body, parts);
}

static void measure(const struct zn_encoder *e, const struct zn_body *labelled, uint8_t *body, struct parts *parts) {
    const struct zn_guess guess = zn_sniff(e->coder->codec.k, e->src, e->len);
    const struct zn_body measured = zn_body_of_words(zn_layout_of_shape(guess.shape), guess.head, e->len);
    if (measured.layout != labelled->layout || measured.head != labelled->head) take_apart(e, &measured, body, parts);
}

/* Returns the bytes that the planes take at the entropy of their samples. */
static size_t expected_of(const struct parts *parts) {
    size_t sum = 0;
    for (unsigned p = 0; p < parts->body.n_planes; p++) {
        const struct zn_survey *s = &parts->surveys[p];
        if (s->constant) continue;
        const bool noise = s->random || s->sampled == 0;
        sum += noise ? parts->body.n : (size_t)(s->order0 * parts->body.n / s->sampled / (8 * ZN_COST_ONE));
    }
    return sum;
}

/* No byte of a rotated fp64 has all that matters: the exponent has eleven bits. Where it varies little, a byte of words as
 * they are, with four bits of it and four of the mantissa, tells more. */
static void rather_unrotated(const struct zn_encoder *e, uint8_t *body, struct parts *parts) {
    enum { CLEARLY = 512 };
    const struct zn_body rotated = parts->body, plain = zn_body_of_words(ZN_LAYOUT_64, rotated.head, e->len);
    const size_t expected = expected_of(parts);
    take_apart(e, &plain, body, parts);
    if (expected_of(parts) + e->len / CLEARLY > expected) take_apart(e, &rotated, body, parts);
}

static uint32_t encode(const struct zn_encoder *e, const struct zn_body *labelled, uint8_t *body) {
    const size_t mark = zn_scratch_mark(&e->coder->scratch);
    struct parts parts = {.top = NULL, .spare = NULL};
    take_apart(e, labelled, body, &parts);
    if (!is_as_labelled(&parts, e->hint.dtype)) measure(e, labelled, body, &parts);
    if (parts.body.layout == ZN_LAYOUT_64R) rather_unrotated(e, body, &parts);
    if (parts.body.n_planes == 1) {
        zn_scratch_back(&e->coder->scratch, mark);
        parts.top = NULL;
        const uint32_t body_len = zn_bytes_encode(e, &parts.surveys[0], body);
        if (body_len) return body_len;
        zn_scratch_back(&e->coder->scratch, mark);
        take_apart(e, &parts.body, body, &parts);
    }
    uint32_t body_len = put_together(e, &parts, e->hint.ahead);
    if (labelled->layout == ZN_LAYOUT_F16 && parts.body.layout != ZN_LAYOUT_F16)
        body_len = rather_as_labelled(e, labelled, &parts, body, body_len);
    if (parts.body.n_planes == 1 || !may_be_text(e, body_len)) return body_len;
    return encode_as(e, labelled, e->hint.ahead, body, &parts);
}

uint32_t zn_words_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    const struct zn_body labelled = zn_body_of_words(zn_layout_of_dtype(e->hint.dtype), e->hint.head, e->len);
    const uint32_t body_len = encode(e, &labelled, draft->to);
    if (draft->body.len == 0 || body_len < draft->body.len) return body_len;
    return zn_floats_encode(e, draft); /* the draft has no room for both bodies */
}
