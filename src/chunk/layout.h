/* Layouts as the kernels and the planner see them; format/layouts.def has everything else. */
#ifndef ZN_CHUNK_LAYOUT_H
#define ZN_CHUNK_LAYOUT_H

#include "codec/codec.h"

/* Returns the shape of the words of a layout of WORDS. */
enum zn_shape zn_layout_shape(unsigned layout);

enum zn_layout zn_layout_of_dtype(zipnn_dtype dtype);
enum zn_layout zn_layout_of_shape(enum zn_shape shape);

/* Returns whether the effort may write a layout: the oldest readers that it writes for must know it. */
bool zn_may_write(const struct zn_effort *effort, enum zn_layout layout);

/* Returns the description of a body of words: how len bytes are cut into edges and elements of a layout. A chunk that
 * is too short for one element has layout 8. */
struct zn_body zn_body_of_words(enum zn_layout layout, unsigned head, uint32_t len);

/* Begins a body of layout 8, whose only plane has all bytes of src[0, len). The caller appends the coded bytes. */
struct zn_streams zn_body_begin_bytes(struct zn_out *out, const uint8_t *src, uint32_t len);

/* Return whether the exponents of fp16 have at most five bits, and whether the packed plane has no bits after element
 * n. The merge would drop excess bits silently. */
bool zn_f16_exponents_are_legal(const uint8_t *plane, size_t n);
bool zn_f16_masks_are_legal(const uint8_t *plane, size_t n);

#endif
