/* safetensors: a 64-bit header length, a JSON object name -> {dtype, shape, data_offsets}, then the tensors' bytes. */
#ifndef ZN_READERS_SAFETENSORS_H
#define ZN_READERS_SAFETENSORS_H

#include "plan/plan.h"

/* See readers.c. */
size_t zn_safetensors_want(const uint8_t *head, size_t len);

/* Adds the tensors of the header to the plan, which it leaves unfinished, and unspecified on failure: ZIPNN_E_FORMAT
 * for a header that is not as the specification says, ZIPNN_E_MEMORY. Entries that are well-formed JSON but make no
 * sense (sizes that contradict each other, offsets that overflow, absurd names) are left out. */
zipnn_status zn_safetensors_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err);

#endif
