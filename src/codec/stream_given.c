/* Encodes planes given a context: by R16C, or by a codec that needs none. */
#include "codec/codec.h"

struct zn_r16c_input zn_given_input(const struct zn_effort *effort, const uint8_t *context, unsigned max_contexts,
                                    const uint8_t *plane, size_t n) {
    enum { FEW = 1 << 15, SAMPLED = 4 };
    return (struct zn_r16c_input){.context = context,
                                  .plane = plane,
                                  .n = n,
                                  .max_contexts = max_contexts,
                                  .hist_step = n < FEW || effort->careful ? 1 : SAMPLED,
                                  .n_models = 1};
}

size_t zn_given_limit(const struct zn_effort *effort, size_t rival) {
    return effort->careful ? rival : rival - rival / 128;
}

enum zn_codec_id zn_stream_encode_given(struct zn_codec *c, const struct zn_effort *effort,
                                        const struct zn_survey *survey, const uint8_t *context, unsigned max_contexts,
                                        const uint8_t *plane, size_t n, struct zn_out *out) {
    const struct zn_r16c_input in = zn_given_input(effort, context, max_contexts, plane, n);
    if (survey->constant || n < 64) return zn_stream_encode(c, 0, effort, survey, plane, n, out);
    const size_t given = zn_r16c_fit(c, &in);
    const size_t alone = survey->random ? n : ZN_MIN(n, zn_r16_fit(c, 0, effort, plane, n, survey->counts));
    const size_t dearest = survey->random ? n : ZN_MIN(n, zn_r16_dearest(c));
    const size_t limit = ZN_MAX(zn_given_limit(effort, alone), ZN_MIN(alone, zn_given_limit(effort, dearest)));
    if (given < limit && zn_r16c_write(c, effort, &in, out)) return ZN_CODEC_R16C;
    return zn_stream_encode(c, 0, effort, survey, plane, n, out);
}
