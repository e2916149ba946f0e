/* .npy: a magic number, the version, the length of a header that is a Python dictionary, then the elements of one
 * array. */
#ifndef ZN_READERS_NPY_H
#define ZN_READERS_NPY_H

#include "plan/plan.h"

/* See readers.c. */
size_t zn_npy_want(const uint8_t *head, size_t len);

/* Adds the array, whose name is empty, to the plan, and does not finish the plan. Returns ZIPNN_E_FORMAT for a header
 * that numpy would not write or elements that are not numbers, or ZIPNN_E_MEMORY. */
zipnn_status zn_npy_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err);

#endif
