/* Floats whose upper bits of mantissa are coded given the exponent (doc/format.md, section 5.2). */
#ifndef ZN_CHUNK_TOPS_H
#define ZN_CHUNK_TOPS_H

#include "chunk/chunk.h"

/* Decodes a body of layout ZN_LAYOUT_TOPS; the contract is zn_chunk_decode's. */
zipnn_status zn_tops_decode(struct zn_coder *coder, const struct zn_chunk_body *body, uint8_t *out, uint32_t orig_len,
                            enum zn_store store, zipnn_error *err);

/* Replaces the body of a chunk, body_len bytes, if it is one of floats coded by R16, by a smaller one: exponents by
 * tables chosen with more care, the upper bits of mantissa given them. Answers the length of the body. */
uint32_t zn_tops_encode(struct zn_coder *coder, const struct zn_effort *effort, const uint8_t *src, uint32_t len,
                        uint8_t *body, uint32_t body_len);

/* Into how many planes floats of an inner layout fall apart, 0 for one that has none; the bits of plane p. */
unsigned zn_tops_planes(unsigned inner);
unsigned zn_tops_bits(unsigned inner, unsigned p);

#endif
