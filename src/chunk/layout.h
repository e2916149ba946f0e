/* Layouts as the kernels and the planner see them; format/layouts.def has everything else. */
#ifndef ZN_CHUNK_LAYOUT_H
#define ZN_CHUNK_LAYOUT_H

#include "format/body.h"
#include "kernels/kernels.h"

/* The shape of the words of a layout of WORDS. */
enum zn_shape zn_layout_shape(unsigned layout);

enum zn_layout zn_layout_of_dtype(zipnn_dtype dtype);
enum zn_layout zn_layout_of_shape(enum zn_shape shape);

/* Exponents of fp16 have five bits, and its packed plane no bit past element n: more would be lost in the merge without
 * a trace. */
bool zn_f16_exponents_are_legal(const uint8_t *plane, size_t n);
bool zn_f16_masks_are_legal(const uint8_t *plane, size_t n);

#endif
