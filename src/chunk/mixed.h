/* A chunk of floats as one plane of layout 8 coded by mixed predictions. */
#ifndef ZN_CHUNK_MIXED_H
#define ZN_CHUNK_MIXED_H

#include "chunk/chunk.h"
#include "codec/mixing.h"

/* The words [off, off + n * width) of a file as runs of tensors' elements, at most `max` of them: the last one then
 * stands for all that follow. `plan` may be NULL. Answers their number. */
size_t zn_mixed_runs(const struct zn_plan *plan, uint64_t off, size_t n, unsigned width, struct zn_mixing_run *runs,
                     size_t max);

/* Replaces the body of src[0, body->orig_len), which lies at `to`, by one coded by mixed predictions where that is
 * smaller. Returns the length of the body. */
uint32_t zn_mixed_encode(struct zn_coder *coder, const struct zn_chunk_hint *hint, const uint8_t *src,
                         const struct zn_body *body, uint8_t *to);

#endif
