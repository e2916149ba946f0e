/* Floats whose upper bits of mantissa are coded given the exponent (doc/format.md, section 5.2). */
#ifndef ZN_CHUNK_TOPS_H
#define ZN_CHUNK_TOPS_H

#include "chunk/chunk.h"

/* Replaces the body of src[0, body->orig_len), which lies at `to`, by a smaller one if it is one of floats coded by
 * R16: exponents by tables chosen with more care, the upper bits of mantissa given them. Returns the length of the
 * body. */
uint32_t zn_tops_encode(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_body *body,
                        const uint8_t *src, uint8_t *to);

#endif
