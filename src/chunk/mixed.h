/* A chunk of floats as one plane of layout 8 coded by mixed predictions. */
#ifndef ZN_CHUNK_MIXED_H
#define ZN_CHUNK_MIXED_H

#include "chunk/chunk.h"
#include "codec/mixing.h"

/* The words [off, off + n * width) of a file as runs of tensors' elements, at most `max` of them: the last one then
 * stands for all that follow. `plan` may be NULL. Returns their number. */
size_t zn_mixed_runs(const struct zn_plan *plan, uint64_t off, size_t n, unsigned width, struct zn_mixing_run *runs,
                     size_t max);

#endif
