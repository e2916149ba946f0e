/* One chunk coded against reference bytes: an earlier state of the same tensor, its base, or a tensor that moves with
 * it (doc/format.md, "Chunks with a reference"). The reference has as many bytes as the chunk; byte i of one belongs to
 * byte i of the other.
 *
 * What is written here is the payload alone. Which bytes the reference is, and the checks that prove it to be the same
 * ones, are for the frame around it: a payload decoded with another reference gives other bytes or an error.
 */
#ifndef ZN_CHUNK_DELTA_H
#define ZN_CHUNK_DELTA_H

#include "chunk/chunk.h"

/* Encodes src[0, len), 1 <= len <= max_chunk, given ref[0, len), into payload, which has room for zn_chunk_bound(len).
 * Answers the payload's length; 0 when the chunk on its own (zn_chunk_encode) is as small or nearly so. The coder was
 * carved with ZN_USE_BOTH. */
uint32_t zn_delta_encode(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                         const uint8_t *src, const uint8_t *ref, uint32_t len, uint8_t *payload);

/* Decodes a payload (body->data, body->len) into out[0, orig_len), orig_len <= max_chunk, given ref[0, orig_len). `out`
 * may not overlap the reference. */
zipnn_status zn_delta_decode(struct zn_coder *coder, const struct zn_chunk_body *body, const uint8_t *ref, uint8_t *out,
                             uint32_t orig_len, enum zn_store store, zipnn_error *err);

#endif
