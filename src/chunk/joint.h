/* Floats by joint symbols of exponent and top bit of mantissa (doc/format.md, section 5.3). */
#ifndef ZN_CHUNK_JOINT_H
#define ZN_CHUNK_JOINT_H

#include "chunk/chunk.h"

/* Floats to encode. */
struct zn_joint_source {
    const struct zn_encoder *e;
    const struct zn_body *cut;         /* of layout 16R, 32R or F16 */
    const struct zn_survey *exponents; /* of a sample */
};

enum zn_joint_answer {
    ZN_JOINT_NOTHING, /* joint symbols are no better, or not possible */
    ZN_JOINT_FITTED,  /* likewise; zn_r16_write_words may go on with tables of exponents, which take *cost */
    ZN_JOINT_WRITTEN  /* a body of *body_len bytes */
};

/* Encodes to `out`. ZN_JOINT_FITTED sets *cost, ZN_JOINT_WRITTEN *body_len. */
enum zn_joint_answer zn_joint_encode(const struct zn_joint_source *source, struct zn_out out, size_t *cost,
                                     uint32_t *body_len);

#endif
