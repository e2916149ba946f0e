/* Floats by joint symbols of exponent and top bit of mantissa (doc/format.md, section 5.3). */
#ifndef ZN_CHUNK_JOINT_H
#define ZN_CHUNK_JOINT_H

#include "chunk/chunk.h"

/* Floats to encode: n words at src + head, bytes before and after. */
struct zn_joint_source {
    uint8_t layout; /* ZN_LAYOUT_16R, _32R or _F16 */
    uint32_t head;
    const uint8_t *src;
    uint32_t len;
    size_t n;
    const struct zn_survey *exponents; /* of a sample */
    struct zn_ahead ahead;
};

enum zn_joint_answer {
    ZN_JOINT_NOTHING, /* joint symbols are no better, or not possible */
    ZN_JOINT_FITTED,  /* likewise; zn_r16_write_words may go on with tables of exponents, which take *cost */
    ZN_JOINT_WRITTEN  /* a body of *body_len bytes */
};

enum zn_joint_answer zn_joint_encode(struct zn_coder *coder, const struct zn_effort *effort,
                                     const struct zn_joint_source *source, struct zn_out out, size_t *cost,
                                     uint32_t *body_len);

#endif
