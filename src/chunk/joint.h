/* Floats coded by joint symbols: the exponent and the top bit of the mantissa together (doc/format.md, section 5.3). */
#ifndef ZN_CHUNK_JOINT_H
#define ZN_CHUNK_JOINT_H

#include "chunk/chunk.h"

/* Floats to encode. */
struct zn_joint_source {
    const struct zn_encoder *e;
    const struct zn_body *cut;         /* of layout 16R, 32R or F16 */
    const struct zn_survey *exponents; /* counts of a sample */
};

enum zn_joint_answer {
    ZN_JOINT_NOTHING, /* joint symbols are no better, or impossible */
    ZN_JOINT_FITTED,  /* the same, and tables are fitted to the exponents: zn_r16_write_words takes *cost bytes */
    ZN_JOINT_WRITTEN  /* a body of *body_len bytes */
};

/* Encodes to `out`. ZN_JOINT_FITTED sets *cost, ZN_JOINT_WRITTEN *body_len. */
enum zn_joint_answer zn_joint_encode(const struct zn_joint_source *source, struct zn_out out, size_t *cost,
                                     uint32_t *body_len);

/* Cuts floats so that joint symbols with two bits of the mantissa express all words between the edges. The words are a
 * copy if their exponents count from another base than the usual one; that and words->room are scratch of the coder.
 * Returns false if there is no base for all. */
bool zn_joint2_find(const struct zn_joint_source *source, struct zn_body *cut, struct zn_words *words, unsigned *base);

/* Encodes to `out` with two bits of the mantissa in a symbol, which R16W codes. ZN_JOINT_FITTED: the body of *body_len
 * bytes is written, but the tables lose much, so that other ways may be better. */
enum zn_joint_answer zn_joint2_encode(const struct zn_joint_source *source, struct zn_out out, uint32_t *body_len);

/* Codes n symbols, which R16W coded last, by R32, too, at levels that allow the time. Where that is shorter, it replaces
 * what R16W wrote at `coded`, up to the end of *out. Returns the codec that stays. */
enum zn_codec_id zn_joint_finer(struct zn_coder *coder, const struct zn_effort *effort, const uint8_t *symbols,
                                size_t n, uint8_t *coded, struct zn_out *out);

#endif
