/* One chunk coded against reference bytes: an earlier state of the same tensor, its base, or a tensor that moves with
 * it (doc/format.md, "Chunks with a reference"). The reference has as many bytes as the chunk; byte i of one belongs to
 * byte i of the other.
 *
 * What is written here is the payload alone. Which bytes the reference is, and the checks that prove it to be the same
 * ones, are for the frame around it: a payload decoded with another reference gives other bytes or an error.
 */
#ifndef ZN_DELTA_DELTA_H
#define ZN_DELTA_DELTA_H

#include "chunk/chunk.h"

/* The bytes that a chunk is coded against. There are as many as in the chunk. */
struct zn_delta_reference {
    const uint8_t *bytes;
    uint32_t len;
};

/* Encodes the chunk given ref[0, e->len) into payload, which has room for zn_chunk_bound(e->len). Returns the payload's
 * length; 0 when the chunk alone (zn_chunk_encode) is as short, or nearly. */
uint32_t zn_delta_encode(const struct zn_encoder *e, const uint8_t *ref, uint8_t *payload);

/* Decodes a payload (body->data, body->len) into out[0, ref.len), ref.len <= max_chunk. `out` must not overlap the
 * reference. */
zipnn_status zn_delta_decode(struct zn_coder *coder, const struct zn_chunk_body *body, struct zn_delta_reference ref,
                             uint8_t *out, enum zn_store store, zipnn_error *err);

/* Returns whether the payload names the few elements that change, so that memory can be changed where it lies. */
bool zn_delta_patches(const uint8_t *payload, size_t len);

/* Decodes such a payload in place: memory[0, len) is the reference and becomes the chunk, whose XXH3-64 is `check`. On an
 * error the memory is as it was; others may meanwhile have seen what was tried. */
zipnn_status zn_delta_patch(struct zn_coder *coder, const struct zn_chunk_body *body, uint8_t *memory, uint32_t len,
                            uint64_t check, zipnn_error *err);

#endif
