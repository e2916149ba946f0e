#include "chunk/chunk.h"
#include "chunk/joint.h"
#include "chunk/layout.h"
#include "chunk/mixed.h"
#include "chunk/records_encode.h"
#include "chunk/sniff.h"
#include "chunk/tops.h"
#include "chunk/values.h"
#include "chunk/wrapped.h"
#include "codec/r16_fit.h"
#include "codec/repeats.h"
#include "plan/dtype.h"

/* How a chunk of `len` bytes is cut into edges and elements of a layout of words. */
static struct zn_body cut_words(enum zn_layout layout, unsigned head, uint32_t len) {
    const uint32_t width = zn_layouts[layout].width;
    struct zn_body b = {.orig_len = len, .layout = layout, .head = head % width};
    if (len < b.head + width) {
        b.layout = ZN_LAYOUT_8;
        b.head = 0;
    }
    zn_body_measure(&b);
    return b;
}

static struct zn_body measure(const struct zn_kernels *k, const uint8_t *src, uint32_t len) {
    struct zn_guess guess = zn_sniff(k, src, len);
    return cut_words(zn_layout_of_shape(guess.shape), guess.head, len);
}

/* A chunk on its way: how it is cut, its planes and what is known of them. */
struct parts {
    struct zn_body body;
    const uint8_t *planes[ZN_MAX_PLANES];
    struct zn_survey surveys[ZN_MAX_PLANES];
    struct zn_out out; /* after the heads of the planes */
    struct zn_streams streams;
};

/* Splits the chunk and surveys its planes. All but the top plane are mostly stored as they are, so they are split
 * straight to the place where they will stay if all of them are; the top plane goes to scratch. */
static void take_apart(struct zn_coder *coder, const struct zn_body *cut, const uint8_t *src, uint8_t *body,
                       struct parts *parts) {
    uint8_t *to[ZN_MAX_PLANES];
    parts->body = *cut;
    parts->out = zn_out_of(body, zn_chunk_bound(cut->orig_len));
    parts->streams = zn_body_begin(&parts->out, cut, src);
    uint8_t *room = parts->out.at;
    for (unsigned p = 0; p < cut->n_planes; p++) {
        parts->planes[p] = to[p] = p + 1 < cut->n_planes ? room : coder->planes;
        room += zn_plane_size(cut->layout, p, cut->n);
    }
    if (cut->n_planes > 1)
        coder->codec.k->split[zn_layout_shape(cut->layout)](src + cut->head, cut->n, to);
    else
        parts->planes[0] = src;
    for (unsigned p = 0; p < cut->n_planes; p++)
        zn_stream_survey(&coder->codec, parts->planes[p], zn_plane_size(cut->layout, p, cut->n), &parts->surveys[p]);
}

/* Weights have random mantissas. Where others show, or no mantissa at all, the type may not be what the label says:
 * floats that hold integers or shorter floats, quantised or packed bytes with a period. Then the bytes themselves are
 * asked. A label of fp8 is always trusted. */
static bool is_as_labelled(const struct parts *parts, zipnn_dtype dtype) {
    if (parts->body.n_planes == 1) return zn_dtype_is_fp8(dtype);
    for (unsigned p = 0; p + 1 < parts->body.n_planes; p++)
        if (!parts->surveys[p].random) return false;
    return true;
}

static uint32_t put_together(struct zn_coder *coder, const struct zn_effort *effort, struct parts *parts,
                             struct zn_ahead ahead) {
    const struct zn_body *body = &parts->body;
    for (unsigned p = 0; p < body->n_planes; p++) {
        const struct zn_survey *survey = &parts->surveys[p];
        const uint8_t *plane = parts->planes[p];
        const size_t size = zn_plane_size(body->layout, p, body->n);
        if (p + 1 < body->n_planes && !survey->random) { /* out of the way of its own code */
            memcpy(coder->spare, plane, size);
            plane = coder->spare;
        }
        if (p + 1 == body->n_planes) coder->codec.ahead = zn_ahead_paced(ahead, size);
        zn_streams_end(&parts->streams, &parts->out,
                       zn_stream_encode(&coder->codec, 0, effort, survey, plane, size, &parts->out));
    }
    return (uint32_t)zn_out_len(&parts->out);
}

static uint32_t store(const uint8_t *src, uint32_t len, uint8_t *body) {
    const struct zn_body whole = cut_words(ZN_LAYOUT_8, 0, len);
    struct zn_out out = zn_out_of(body, zn_chunk_bound(len));
    struct zn_streams plane = zn_body_begin(&out, &whole, src);
    zn_out_bytes(&out, src, len);
    zn_streams_end(&plane, &out, ZN_CODEC_RAW);
    return (uint32_t)zn_out_len(&out);
}

/* ---- floats as they usually are: the top plane by R16, random bytes below. Words are split while they are coded,
 * which leaves the planes below where they stay; before, only a sample of them is. ---- */

enum { SAMPLED = 1 << 12 }; /* bytes of a plane at least, as many as a survey looks at */

/* Splits and surveys a sample of the planes; *survey becomes that of the top one. False when the chunk is not of this
 * kind; *sure, that nothing better would be found by a closer look. */
static bool are_usual(struct zn_coder *coder, const struct zn_words *words, enum zn_layout layout,
                      struct zn_survey *survey, bool *sure) {
    const struct zn_kernels *k = coder->codec.k;
    /* words; fp16's packed plane has 24 bytes for 64 of them */
    const size_t enough = layout == ZN_LAYOUT_F16 ? SAMPLED / 24 * 64 + 64 : SAMPLED;
    const size_t step = words->n / enough, groups = words->n / 64, last = groups % step == 0 ? words->n % 64 : 0;
    const size_t n = (groups + step - 1) / step * 64 + last;
    const unsigned n_planes = zn_layouts[layout].n_planes;
    uint8_t *planes[ZN_MAX_PLANES] = {NULL};
    for (unsigned p = 0; p < n_planes; p++) planes[p] = coder->planes + p * (n + ZN_SLACK);
    (words->shape == ZN_SHAPE_16R   ? k->sample_16r
     : words->shape == ZN_SHAPE_F16 ? k->sample_f16
                                    : k->sample_32r)(words->at, words->n, step, planes);
    *sure = true;
    for (unsigned p = 0; p < n_planes; p++) {
        zn_stream_survey(&coder->codec, planes[p], zn_plane_size(layout, p, n), survey);
        if (survey->constant || (survey->random || survey->patchy) != (p + 1 < n_planes)) return false;
        *sure &= !survey->patchy;
    }
    return survey->counts[0] <= survey->sampled / 32; /* zeros */
}

/* The top plane by R16, by the tables that are there; answers the length of the body, 0 when it does not fit. */
static uint32_t write_usual(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_body *cut,
                            struct zn_words *words, struct zn_ahead ahead, const uint8_t *src, uint8_t *body) {
    uint8_t *planes[ZN_MAX_PLANES] = {NULL};
    struct zn_out out = zn_out_of(body, zn_chunk_bound(cut->orig_len));
    struct zn_streams streams = zn_body_begin(&out, cut, src);
    for (unsigned p = 0; p + 1 < cut->n_planes; p++) {
        planes[p] = zn_out_room(&out, zn_plane_size(cut->layout, p, cut->n));
        zn_streams_end(&streams, &out, ZN_CODEC_RAW);
    }
    words->raw = planes;
    coder->codec.ahead = zn_ahead_paced(ahead, cut->n);
    const bool fits = zn_r16_write_words(&coder->codec, effort, words, &out);
    zn_streams_end(&streams, &out, ZN_CODEC_R16);
    return fits ? (uint32_t)zn_out_len(&out) : 0;
}

static enum zn_joint_answer encode_joint(struct zn_coder *coder, const struct zn_effort *effort,
                                         const struct zn_body *g, const struct zn_survey *survey, struct zn_ahead ahead,
                                         const uint8_t *src, uint32_t len, struct zn_out out, size_t *cost,
                                         uint32_t *body_len) {
    const struct zn_joint_source source = {(uint8_t)g->layout, g->head, src, len, g->n, survey, ahead};
    return zn_joint_encode(coder, effort, &source, out, cost, body_len);
}

/* Answers the length of the body, 0 when the chunk is not of this kind. */
static uint32_t encode_usual(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_body *g,
                             struct zn_ahead ahead, const uint8_t *src, uint32_t len, uint8_t *body, bool *sure) {
    struct zn_survey survey;
    struct zn_words words = {.shape = zn_layout_shape(g->layout), .at = src + g->head, .n = g->n};
    if (!zn_layout_is_of_floats(g->layout) || g->n < ZN_R16_FULL) return 0;
    if (!are_usual(coder, &words, g->layout, &survey, sure)) return 0;

    enum zn_joint_answer answer = ZN_JOINT_NOTHING;
    size_t cost = 0;
    if (effort->joint && !effort->tops) {
        uint32_t body_len;
        struct zn_out out = zn_out_of(body, zn_chunk_bound(len));
        answer = encode_joint(coder, effort, g, &survey, ahead, src, len, out, &cost, &body_len);
        if (answer == ZN_JOINT_WRITTEN) return body_len;
    }
    if (answer == ZN_JOINT_NOTHING) cost = zn_r16_fit_words(&coder->codec, effort, &words, survey.counts);
    return cost < g->n / 2 ? write_usual(coder, effort, g, &words, ahead, src, body) : 0;
}

/* Directories, graphs and the like lie between tensors. They are full of repeated bytes, which words tear apart. */
static bool may_be_text(struct zn_coder *coder, const struct zn_chunk_hint *hint, const uint8_t *src, uint32_t len,
                        uint32_t rival) {
    enum { LONGEST = 64 << 10 };
    return hint->dtype == ZIPNN_DTYPE_UNKNOWN && len <= LONGEST &&
           zn_stream_probe_zstd(&coder->codec, src, len) < rival;
}

/* Measuring knows no local tables, for which the exponents of fp16 are best by themselves: so these are coded as
 * labelled, too, and as measured again where that was shorter. */
static uint32_t rather_as_labelled(struct zn_coder *coder, const struct zn_effort *effort,
                                   const struct zn_body *labelled, const uint8_t *src, struct parts *parts,
                                   uint8_t *body, uint32_t measured_len) {
    const struct zn_body measured = parts->body;
    take_apart(coder, labelled, src, body, parts);
    const uint32_t labelled_len = put_together(coder, effort, parts, (struct zn_ahead){0});
    if (labelled_len <= measured_len) return labelled_len;
    take_apart(coder, &measured, src, body, parts);
    return put_together(coder, effort, parts, (struct zn_ahead){0});
}

/* All planes are looked at. */
static uint32_t encode_unusual(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                               struct zn_body labelled, const uint8_t *src, uint32_t len, uint8_t *body) {
    struct parts parts;
    take_apart(coder, &labelled, src, body, &parts);
    if (!is_as_labelled(&parts, hint.dtype)) {
        struct zn_body measured = measure(coder->codec.k, src, len);
        if (measured.layout != labelled.layout || measured.head != labelled.head)
            take_apart(coder, &measured, src, body, &parts);
    }
    if (parts.body.n_planes == 1) {
        const uint32_t body_len = zn_bytes_encode(coder, effort, hint.dtype, &parts.surveys[0], src, len, body);
        if (body_len) return body_len;
        take_apart(coder, &parts.body, src, body, &parts);
    }
    uint32_t body_len = put_together(coder, effort, &parts, hint.ahead);
    if (labelled.layout == ZN_LAYOUT_F16 && parts.body.layout != ZN_LAYOUT_F16)
        body_len = rather_as_labelled(coder, effort, &labelled, src, &parts, body, body_len);
    if (parts.body.n_planes == 1 || !may_be_text(coder, &hint, src, len, body_len)) return body_len;
    take_apart(coder, &labelled, src, body, &parts);
    return put_together(coder, effort, &parts, hint.ahead);
}

/* By the measured or labelled layout of words. */
static uint32_t encode_words(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                             const uint8_t *src, uint32_t len, uint8_t *body) {
    const struct zn_body labelled = cut_words(zn_layout_of_dtype(hint.dtype), hint.head, len);
    bool sure;
    const uint32_t usual_len = encode_usual(coder, effort, &labelled, hint.ahead, src, len, body, &sure);
    if (usual_len && sure) return usual_len;
    const uint32_t body_len = encode_unusual(coder, effort, hint, labelled, src, len, body);
    if (usual_len == 0 || body_len < usual_len) return body_len;
    return encode_usual(coder, effort, &labelled, hint.ahead, src, len, body, &sure); /* there is no room for both */
}

/* Joint symbols where they are smaller than upper bits given the exponent: by tables chosen with care, and by those of
 * the level below, which are fewer and sometimes better. */
static uint32_t rather_joint(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                             const uint8_t *src, uint32_t len, uint8_t *body, uint32_t body_len) {
    const struct zn_body g = cut_words(zn_layout_of_dtype(hint.dtype), hint.head, len);
    const struct zn_words words = {.shape = zn_layout_shape(g.layout), .at = src + g.head, .n = g.n};
    struct zn_effort efforts[2] = {*effort, zn_effort_of(ZIPNN_LEVEL_HIGH - 1)};
    struct zn_survey survey;
    bool sure;
    efforts[0].block_log2 = ZN_R16_MIN_BLOCK;
    efforts[0].rounds = 4;
    if (!zn_layout_is_of_floats(g.layout) || g.n < ZN_R16_FULL) return body_len;
    if (!are_usual(coder, &words, g.layout, &survey, &sure)) return body_len;
    for (unsigned i = 0; i < 2; i++) {
        const struct zn_out out = zn_out_of(coder->spare, ZN_MIN(body_len, coder->max_chunk));
        size_t cost;
        uint32_t other;
        const enum zn_joint_answer answer =
            encode_joint(coder, &efforts[i], &g, &survey, (struct zn_ahead){0}, src, len, out, &cost, &other);
        if (answer != ZN_JOINT_WRITTEN || other >= body_len) continue;
        memcpy(body, coder->spare, other);
        body_len = other;
    }
    return body_len;
}

/* The body that was written last. */
static struct zn_body reread(const uint8_t *body, uint32_t body_len, uint32_t len) {
    struct zn_body b = {.data = body, .len = body_len, .orig_len = len};
    (void)zn_body_read(&b, NULL); /* what this library writes it can read */
    return b;
}

/* Only repeats make fields likely to be shorter than values. */
static bool are_values_best(const struct zn_effort *effort, const uint8_t *src, uint32_t len) {
    return !effort->careful && zn_repeats_estimate(src, len) < len / 64;
}

/* Blocks by their fields, where there is no shorter body of values. */
static uint32_t rather_records(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_record *record,
                               unsigned head, const uint8_t *src, uint32_t len, uint8_t *body, uint32_t body_len) {
    if (body_len == 0) return zn_records_encode(coder, effort, record, head, src, len, body);
    const uint32_t other = zn_records_encode(coder, effort, record, head, src, len, coder->other);
    if (other == 0 || other >= body_len) return body_len;
    memcpy(body, coder->other, other);
    return other;
}

uint32_t zn_chunk_encode_plain(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                               const uint8_t *src, uint32_t len, uint8_t *body) {
    const struct zn_record record = zn_record_of_dtype(hint.dtype);
    coder->codec.ahead = (struct zn_ahead){0};
    bool sure = false;
    uint32_t body_len = zn_values_encode(coder, effort, hint, src, len, body, &sure);
    if (record.n_fields && !(sure && are_values_best(effort, src, len)))
        body_len = rather_records(coder, effort, &record, hint.head, src, len, body, body_len);
    if (body_len == 0) body_len = encode_words(coder, effort, hint, src, len, body);
    if (effort->tops) {
        const struct zn_body before = reread(body, body_len, len);
        body_len = zn_tops_encode(coder, effort, &before, src, body);
        if (effort->joint) body_len = rather_joint(coder, effort, hint, src, len, body, body_len);
    }
    return body_len < ZN_ONE_PLANE + len ? body_len : store(src, len, body);
}

/* Floats coded in full by one plane of exponents: nothing of them is taken out. */
static bool is_usual(const struct zn_body *body) {
    const bool has_tops = body->layout == ZN_LAYOUT_TOPS;
    const unsigned layout = has_tops ? body->inner : body->layout;
    if (body->layout == ZN_LAYOUT_JOINT) return true;
    if (!zn_layout_is_of_floats(layout)) return false;
    const unsigned below = zn_layouts[layout].n_planes - 1u - has_tops;
    for (unsigned p = 0; p < below; p++)
        if (body->plane[p].codec != ZN_CODEC_RAW) return false;
    return true;
}

uint32_t zn_chunk_encode(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                         const uint8_t *src, uint32_t len, uint8_t *body) {
    uint32_t body_len = zn_chunk_encode_plain(coder, effort, hint, src, len, body);
    const struct zn_body plain = reread(body, body_len, len);
    if (!is_usual(&plain)) {
        body_len = zn_wrapped_encode(coder, effort, hint, src, &plain, body);
        if (effort->finds_repeats) body_len = zn_repeats_encode(coder, effort, hint, src, len, body, body_len);
    }
    if (!effort->mixing) return body_len;
    const struct zn_body before = reread(body, body_len, len);
    return zn_mixed_encode(coder, &hint, src, &before, body);
}
