/* GGUF 2 and 3, of either byte order: counts, key-value pairs, tensor records, padding, then the tensors' bytes. */
#ifndef ZN_READERS_GGUF_H
#define ZN_READERS_GGUF_H

#include "plan/plan.h"

/* See readers.c. The header does not say how long it is, so the result grows until the last tensor record is there. */
size_t zn_gguf_want(const uint8_t *head, size_t len);

/* Adds the tensors of the head, which ends at `len` or before, to the plan, and does not finish the plan. Tensors of
 * unknown types are left out. Returns ZIPNN_E_FORMAT for a head that breaks the specification, or ZIPNN_E_MEMORY; the
 * plan is then unspecified. */
zipnn_status zn_gguf_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err);

#endif
