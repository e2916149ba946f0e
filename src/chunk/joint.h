/* Floats by joint symbols of exponent and top bit of mantissa (doc/format.md, section 5.3). */
#ifndef ZN_CHUNK_JOINT_H
#define ZN_CHUNK_JOINT_H

#include "chunk/chunk.h"

/* A body of layout ZN_LAYOUT_JOINT; the contracts are those of chunk.h. */
bool zn_joint_takes_check(const struct zn_chunk_body *body, uint32_t orig_len);
zipnn_status zn_joint_decode(struct zn_coder *coder, const struct zn_chunk_body *body, uint8_t *out, uint32_t orig_len,
                             enum zn_store store, zipnn_error *err);
zipnn_status zn_joint_compare(struct zn_coder *coder, const struct zn_chunk_body *body, const uint8_t *original,
                              uint32_t orig_len, uint8_t *room, bool *same, zipnn_error *err);

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

/* Planes of floats of an inner layout, 0 for one that has none; the bits of plane p. */
unsigned zn_joint_planes(unsigned inner);
unsigned zn_joint_bits(unsigned inner, unsigned p);

#endif
