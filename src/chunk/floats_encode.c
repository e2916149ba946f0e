/* Encodes usual floats: the top plane is coded by R16 or by joint symbols, and the random bytes below are stored. A
 * sample of the words is split to find out whether the floats are usual. The others are split while they are coded, and
 * their lower planes are written straight to their final place. */
#include "chunk/floats.h"
#include "chunk/joint.h"
#include "chunk/layout.h"
#include "chunk/ways.h"

enum { SAMPLED = 1 << 12 }; /* bytes sampled from a plane at least; a survey looks at as many */

/* A chunk of floats, and what a sample of it shows. */
struct floats {
    struct zn_body cut;
    struct zn_words words;
    struct zn_survey exponents;
    bool patchy; /* a lower plane is noise except for a part */
};

/* Splits and surveys a sample of the planes. Returns whether the floats are usual. */
static bool are_usual(struct zn_coder *coder, struct floats *f) {
    const struct zn_kernels *k = coder->codec.k;
    const struct zn_words *words = &f->words;
    /* `enough` counts words. The packed plane of fp16 has 24 bytes for 64 words. */
    const size_t enough = words->shape == ZN_SHAPE_F16 ? SAMPLED / 24 * 64 + 64 : SAMPLED;
    const size_t step = words->n / enough, groups = words->n / 64, last = groups % step == 0 ? words->n % 64 : 0;
    const size_t n = (groups + step - 1) / step * 64 + last;
    const unsigned n_planes = f->cut.n_planes;
    uint8_t *planes[ZN_MAX_PLANES] = {NULL};
    for (unsigned p = 0; p < n_planes; p++) planes[p] = zn_scratch_take(&coder->scratch, n + ZN_SLACK);
    (words->shape == ZN_SHAPE_16R   ? k->sample_16r
     : words->shape == ZN_SHAPE_F16 ? k->sample_f16
                                    : k->sample_32r)(words->at, words->n, step, planes);
    f->patchy = false;
    for (unsigned p = 0; p < n_planes; p++) {
        struct zn_survey *survey = &f->exponents; /* the last survey is that of the top plane */
        zn_stream_survey(&coder->codec, planes[p], zn_plane_size(f->cut.layout, p, n), survey);
        if (survey->constant || (survey->random || survey->patchy) != (p + 1 < n_planes)) return false;
        f->patchy |= survey->patchy;
    }
    return f->exponents.counts[0] <= f->exponents.sampled / 32; /* zeros are rare */
}

/* Returns whether the chunk is labelled as floats and the floats are usual. */
static bool look_at(const struct zn_encoder *e, struct floats *f) {
    const size_t mark = zn_scratch_mark(&e->coder->scratch);
    f->cut = zn_body_of_words(zn_layout_of_dtype(e->hint.dtype), e->hint.head, e->len);
    f->words = (struct zn_words){.shape = zn_layout_shape(f->cut.layout), .at = e->src + f->cut.head, .n = f->cut.n};
    f->exponents = (struct zn_survey){.sampled = 0};
    if (!zn_layout_is_of_floats(f->cut.layout) || f->cut.n < ZN_R16_FULL) return false;
    const bool usual = are_usual(e->coder, f);
    zn_scratch_back(&e->coder->scratch, mark);
    return usual;
}

bool zn_floats_are_usual(const struct zn_encoder *e, struct zn_survey *exponents) {
    struct floats f;
    const bool usual = look_at(e, &f);
    *exponents = f.exponents;
    return usual;
}

/* Codes the top plane by R16 with the tables that were fitted last. Returns the length of the body, 0 when it does not
 * fit. */
static uint32_t write_usual(const struct zn_encoder *e, struct floats *f, uint8_t *body) {
    const struct zn_body *cut = &f->cut;
    uint8_t *planes[ZN_MAX_PLANES] = {NULL};
    struct zn_out out = zn_out_of(body, zn_chunk_bound(e->len));
    struct zn_streams streams = zn_body_begin(&out, cut, e->src);
    for (unsigned p = 0; p + 1 < cut->n_planes; p++) {
        planes[p] = zn_out_room(&out, zn_plane_size(cut->layout, p, cut->n));
        zn_streams_end(&streams, &out, ZN_CODEC_RAW);
    }
    f->words.raw = planes;
    e->coder->codec.ahead = zn_ahead_paced(e->hint.ahead, cut->n);
    const bool fits = zn_r16_write_words(&e->coder->codec, e->effort, &f->words, &out);
    zn_streams_end(&streams, &out, ZN_CODEC_R16);
    return fits ? (uint32_t)zn_out_len(&out) : 0;
}

/* Levels that code upper bits of the mantissa given the exponent, which is slow, begin with joint symbols that have two
 * of them, and try those with one only at the end. */
static bool begins_with_two(const struct zn_effort *effort) {
    return effort->level >= ZIPNN_LEVEL_HIGH && effort->level < ZIPNN_LEVEL_BEST;
}

uint32_t zn_floats_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    struct floats f;
    enum zn_joint_answer answer = ZN_JOINT_NOTHING;
    size_t cost = 0;
    if (!look_at(e, &f)) return 0;
    draft->unsure = f.patchy;
    const struct zn_joint_source source = {e, &f.cut, &f.exponents};
    const struct zn_out out = zn_out_of(draft->to, zn_chunk_bound(e->len));
    uint32_t body_len;
    if (zn_may_write(e->effort, ZN_LAYOUT_JOINT) && begins_with_two(e->effort)) {
        draft->clear = zn_joint2_encode(&source, out, &body_len) == ZN_JOINT_WRITTEN;
        if (draft->clear) return body_len;
    } else if (zn_may_write(e->effort, ZN_LAYOUT_JOINT)) {
        answer = zn_joint_encode(&source, out, &cost, &body_len);
        if (answer == ZN_JOINT_WRITTEN) return body_len;
    }
    if (answer == ZN_JOINT_NOTHING) cost = zn_r16_fit_words(&e->coder->codec, e->effort, &f.words, f.exponents.counts);
    return cost < f.cut.n / 2 ? write_usual(e, &f, draft->to) : 0;
}

/* Encodes by joint symbols to `out`: with two bits of the mantissa, or with one and tables chosen with care. Returns the
 * length, 0 when there is no such body. */
static uint32_t encode_jointly(const struct zn_joint_source *source, unsigned bits, struct zn_out out) {
    struct zn_effort careful = *source->e->effort;
    struct zn_encoder other = *source->e;
    struct zn_joint_source with_care = *source;
    size_t cost;
    uint32_t body_len = 0;
    if (bits == 2) return zn_joint2_encode(source, out, &body_len) != ZN_JOINT_NOTHING ? body_len : 0;
    careful.block_log2 = ZN_R16_MIN_BLOCK;
    careful.rounds = 4;
    other.effort = &careful;
    with_care.e = &other;
    return zn_joint_encode(&with_care, out, &cost, &body_len) == ZN_JOINT_WRITTEN ? body_len : 0;
}

/* Writes joint symbols, with one bit of the mantissa or with two, if they are shorter than the draft, which is not of
 * joint symbols yet. */
uint32_t zn_joint_rival_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    struct zn_encoder other = *e;
    struct floats f;
    uint32_t body_len = (uint32_t)draft->body.len;
    if (!zn_may_write(e->effort, ZN_LAYOUT_JOINT) || draft->body.layout == ZN_LAYOUT_JOINT || !look_at(e, &f)) return 0;
    other.hint.ahead = (struct zn_ahead){0};
    const struct zn_joint_source source = {&other, &f.cut, &f.exponents};
    uint8_t *rival = zn_scratch_take(&e->coder->scratch, e->coder->max_chunk);
    for (unsigned bits = 1; bits <= 2; bits++) {
        const size_t cap = ZN_MIN(body_len, e->coder->max_chunk);
        const uint32_t rival_len = encode_jointly(&source, bits, zn_out_of(rival, cap));
        if (rival_len == 0 || rival_len >= body_len) continue;
        memcpy(draft->to, rival, rival_len);
        body_len = rival_len;
    }
    return body_len < draft->body.len ? body_len : 0;
}
