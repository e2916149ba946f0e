/* safetensors: a 64-bit header length, a JSON object name -> {dtype, shape, data_offsets}, then the tensors' bytes. */
#ifndef ZN_READERS_SAFETENSORS_H
#define ZN_READERS_SAFETENSORS_H

#include "plan/plan.h"

/* The longest header that the package safetensors accepts. */
enum { ZN_SAFETENSORS_MAX_HEADER = 100000000 };

/* See readers.c. */
size_t zn_safetensors_want(const uint8_t *head, size_t len);

/* Adds the tensors of the header to the plan, which it leaves unfinished, and unspecified on failure: ZIPNN_E_FORMAT
 * for a header that is not as the specification says, ZIPNN_E_MEMORY. Entries whose sizes contradict each other, whose
 * offsets overflow or that have more than ZN_MAX_RANK dimensions are left out; one of an unknown type is counted as
 * left out and listed without a type. */
zipnn_status zn_safetensors_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err);

#endif
