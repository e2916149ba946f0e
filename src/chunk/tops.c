/* Floats whose upper bits of mantissa are coded given the exponent (doc/format.md, section 5.2). */
#include "chunk/decoders.h"
#include "chunk/layout.h"
#include "chunk/ways.h"
#include "codec/bits.h"

/* The planes of the inner layout below the divided byte stay as they are. After them come the low bits of the divided
 * byte, the three bits above those, and the exponents. */
enum { TOP_BITS = 3, LOW_BITS = 8 - TOP_BITS, MAX_CONTEXTS = 16 };

/* Returns the shape that merges a word's bytes. The exponent and the upper bits of an fp16's mantissa form one byte. */
static enum zn_shape shape_of(unsigned inner) {
    return inner == ZN_LAYOUT_32R ? ZN_SHAPE_32R : ZN_SHAPE_16R;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

struct tops {
    const struct zn_body *body;
    const uint8_t *plane[ZN_MAX_PLANES];
};

/* Decodes the exponents first, because they are the contexts of the plane before them. A stored plane is used where it
 * is. */
static zipnn_status decode_planes(struct zn_coder *coder, struct tops *t, zipnn_error *err) {
    const struct zn_body *body = t->body;
    for (unsigned p = body->n_planes; p-- > 0;) {
        const struct zn_coded *coded = &body->plane[p];
        uint8_t *plane = zn_scratch_take(&coder->scratch, body->n);
        t->plane[p] = plane;
        if (coded->codec == ZN_CODEC_RAW && coded->len == body->n)
            t->plane[p] = coded->data;
        else if (p + 2 == body->n_planes)
            ZN_TRY(zn_stream_decode_given(&coder->codec, coded, t->plane[p + 1], plane, body->n, err));
        else
            ZN_TRY(zn_stream_decode(&coder->codec, 0, coded, plane, body->n, err));
    }
    return ZIPNN_OK;
}

/* Computes out[i] = high[i] << shift | low[i]. Returns false when a part has bits outside its range. */
static bool join(const uint8_t *high, const uint8_t *low, unsigned shift, size_t n, uint8_t *out) {
    const uint64_t each = UINT64_C(0x0101010101010101), low_mask = each * ((0xffu << shift) & 0xff);
    const uint64_t high_mask = each * ((0xffu << (8 - shift)) & 0xff);
    uint64_t excess = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint64_t h = zn_get_u64(high + i), l = zn_get_u64(low + i);
        excess |= (h & high_mask) | (l & low_mask);
        zn_put_u64(out + i, h << shift | l);
    }
    for (; i < n; i++) {
        excess |= (high[i] & high_mask) | (low[i] & low_mask);
        out[i] = (uint8_t)(high[i] << shift | low[i]);
    }
    return excess == 0;
}

static zipnn_status merge(struct zn_coder *coder, const struct tops *t, uint8_t *out, enum zn_store store,
                          zipnn_error *err) {
    const struct zn_body *body = t->body;
    const unsigned exponents = body->n_planes - 1u, width = body->width;
    const bool is_f16 = body->inner == ZN_LAYOUT_F16;
    const unsigned divided = is_f16 ? exponents : exponents - 1; /* plane `divided` and the plane before it join */
    const enum zn_shape shape = shape_of(body->inner);
    uint8_t *joined = zn_scratch_take(&coder->scratch, ZN_PIECE);
    for (size_t done = 0, n; done < body->n; done += n, out += n * width) {
        const uint8_t *planes[ZN_MAX_PLANES];
        n = ZN_MIN(body->n - done, (size_t)ZN_PIECE);
        if (!join(t->plane[divided] + done, t->plane[divided - 1] + done, is_f16 ? TOP_BITS : LOW_BITS, n, joined))
            return zn_fail(err, ZIPNN_E_CORRUPT, body->plane[divided].at, "parts of a float's byte are too large");
        for (unsigned p = 0; p < width; p++) planes[p] = t->plane[p] + done;
        planes[divided - 1] = joined;
        if (!is_f16) planes[width - 1] = t->plane[exponents] + done;
        coder->codec.k->merge[shape](planes, n, out, store);
    }
    return ZIPNN_OK;
}

zipnn_status zn_tops_decode(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                            zipnn_error *err) {
    struct tops t = {.body = body};
    ZN_TRY(decode_planes(coder, &t, err));
    return merge(coder, &t, to->out + body->head, to->store, err);
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

/* The body to improve and the parts that it was made of. */
struct source {
    const struct zn_encoder *e;
    const struct zn_body *body;
    uint8_t *exponents, *tops, *divided; /* n bytes each; divided: the byte whose low bits are stored */
};

/* Returns whether a body holds floats whose exponents R16 codes. */
static bool is_fit(const struct zn_body *b) {
    return zn_parts_of(ZN_LAYOUT_TOPS, b->layout, 0) && b->n > 0 && b->plane[b->n_planes - 1].codec == ZN_CODEC_R16;
}

static void split(struct source *s) {
    struct zn_coder *coder = s->e->coder;
    uint8_t *planes[ZN_MAX_PLANES];
    const unsigned width = s->body->width;
    const size_t n = s->body->n;
    for (unsigned p = 0; p < width; p++) planes[p] = zn_scratch_take(&coder->scratch, n);
    coder->codec.k->split[shape_of(s->body->layout)](s->e->src + s->body->head, n, planes);
    s->exponents = planes[width - 1];
    s->divided = planes[width - 2];
    s->tops = zn_scratch_take(&coder->scratch, n);
    if (s->body->layout != ZN_LAYOUT_F16) {
        for (size_t i = 0; i < n; i++) s->tops[i] = s->divided[i] >> LOW_BITS;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        s->tops[i] = s->exponents[i] & ((1u << TOP_BITS) - 1);
        s->exponents[i] >>= TOP_BITS;
    }
}

/* A body while it is written. */
struct target {
    struct zn_out out;
    struct zn_streams planes;
};

static void copy_plane(struct target *t, const struct zn_coded *plane) {
    zn_out_bytes(&t->out, plane->data, plane->len);
    zn_streams_end(&t->planes, &t->out, plane->codec);
}

/* Codes the exponents with tables chosen with more care, or copies the plane if the new code is not shorter. */
static void write_exponents(struct target *t, const struct source *s) {
    struct zn_codec *codec = &s->e->coder->codec;
    const struct zn_coded *plane = &s->body->plane[s->body->n_planes - 1];
    const size_t n = s->body->n;
    struct zn_effort careful = *s->e->effort;
    uint32_t counts[256] = {0};
    careful.block_log2 = ZN_R16_MIN_BLOCK;
    careful.hist_step = 1;
    careful.rounds = 4;
    codec->k->byte_hist(s->exponents, n, 1, counts);
    zn_r16_fit(codec, 0, &careful, s->exponents, n, counts);
    uint8_t *start = t->out.at;
    if (zn_r16_write(codec, 0, &careful, s->exponents, n, &t->out) && (size_t)(t->out.at - start) < plane->len) {
        zn_streams_end(&t->planes, &t->out, ZN_CODEC_R16);
        return;
    }
    t->out.at = start;
    copy_plane(t, plane);
}

/* Codes the upper bits. Returns false when they are as good as random. */
static bool write_tops(struct target *t, const struct source *s) {
    struct zn_codec *codec = &s->e->coder->codec;
    const struct zn_r16c_input in = {.context = s->exponents,
                                     .plane = s->tops,
                                     .n = s->body->n,
                                     .max_contexts = MAX_CONTEXTS,
                                     .hist_step = 1,
                                     .n_models = 1};
    const uint8_t *start = t->out.at;
    if (zn_r16c_fit(codec, &in) >= in.n * TOP_BITS / 8 || !zn_r16c_write(codec, s->e->effort, &in, &t->out) ||
        (size_t)(t->out.at - start) >= in.n * TOP_BITS / 8)
        return false;
    zn_streams_end(&t->planes, &t->out, ZN_CODEC_R16C);
    return true;
}

/* Writes the planes up to the upper bits. Returns false when coding those gains nothing. */
static bool write_divided(struct target *t, const struct source *s) {
    const struct zn_body *body = s->body;
    const unsigned below = body->layout == ZN_LAYOUT_F16 ? 1 : body->n_planes - 2;
    for (unsigned p = 0; p < below; p++) copy_plane(t, &body->plane[p]);
    if (body->layout != ZN_LAYOUT_F16) {
        zn_bits_write(s->e->coder->codec.k, (struct zn_bits){(1u << LOW_BITS) - 1, 0}, s->divided, body->n, &t->out);
        zn_streams_end(&t->planes, &t->out, ZN_CODEC_BITS);
    }
    return write_tops(t, s);
}

/* Returns the length of the body, 0 when it does not fit. */
static size_t write_body(struct target *t, const struct source *s, const struct zn_body *body) {
    t->planes = zn_body_begin(&t->out, body, s->e->src);
    const bool divides = body->layout == ZN_LAYOUT_TOPS;
    if (t->out.full) return 0;
    if (divides && !write_divided(t, s)) return 0;
    for (unsigned p = 0; !divides && p + 1 < body->n_planes; p++) copy_plane(t, &s->body->plane[p]);
    write_exponents(t, s);
    return t->out.full ? 0 : zn_out_len(&t->out);
}

static struct zn_body divided_body(const struct zn_body *body) {
    struct zn_body divided = {.orig_len = body->orig_len, .layout = ZN_LAYOUT_TOPS, .head = body->head};
    divided.inner = (uint8_t)body->layout;
    zn_body_measure(&divided);
    return divided;
}

/* Codes the exponents with tables chosen with more care, and the upper bits of the mantissa given the exponents where
 * that gains. */
uint32_t zn_tops_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    const struct zn_body *body = &draft->body;
    if (!is_fit(body)) return 0;
    struct source s = {.e = e, .body = body};
    split(&s);
    const size_t cap = ZN_MIN((uint32_t)body->len - 1, e->coder->max_chunk);
    uint8_t *rival = zn_scratch_take(&e->coder->scratch, cap);
    struct target t = {.out = zn_out_of(rival, cap)}, again = t;
    size_t got = 0;
    if (body->plane[body->n_planes - 2].codec == ZN_CODEC_RAW) {
        const struct zn_body divided = divided_body(body);
        got = write_body(&t, &s, &divided);
    }
    if (got == 0) got = write_body(&again, &s, body);
    if (got) memcpy(draft->to, rival, got);
    return (uint32_t)got;
}
