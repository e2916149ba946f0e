/* safetensors: a 64-bit header length, a JSON object name -> {dtype, shape, data_offsets}, then the tensors' bytes. */
#ifndef ZN_READERS_SAFETENSORS_H
#define ZN_READERS_SAFETENSORS_H

#include "plan/plan.h"

/* The longest header that the package safetensors accepts. */
enum { ZN_SAFETENSORS_MAX_HEADER = 100000000 };

/* See readers.c. */
size_t zn_safetensors_want(const uint8_t *head, size_t len);

/* Adds the tensors of the header to the plan, and does not finish the plan. Entries are left out if their sizes
 * contradict each other, their offsets overflow, or they have more than ZN_MAX_RANK dimensions. An entry of an unknown
 * type is counted as left out, and listed without a type. Returns ZIPNN_E_FORMAT for a header that breaks the
 * specification, or ZIPNN_E_MEMORY; the plan is then unspecified. */
zipnn_status zn_safetensors_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err);

#endif
