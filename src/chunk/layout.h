/* Layouts of words as data: which shape of element a wire number stands for, and what its planes measure. */
#ifndef ZN_CHUNK_LAYOUT_H
#define ZN_CHUNK_LAYOUT_H

#include "format/format.h"
#include "kernels/kernels.h"

struct zn_layout_info {
    enum zn_shape shape;
    uint8_t width; /* bytes of an element */
    uint8_t n_planes;
};

/* Indexed by enum zn_layout; records are described by their own tables (records.h). */
extern const struct zn_layout_info zn_layouts[ZN_N_WORD_LAYOUTS];

/* The layouts that are coded from words and merged to words by one kernel each: bf16, fp32, fp16. */
static inline bool zn_layout_is_of_floats(unsigned layout) {
    return layout == ZN_LAYOUT_16R || layout == ZN_LAYOUT_32R || layout == ZN_LAYOUT_F16;
}

/* Bytes of plane p for n elements. */
size_t zn_plane_size(enum zn_layout layout, unsigned p, size_t n);

enum zn_layout zn_layout_of_dtype(zipnn_dtype dtype);
enum zn_layout zn_layout_of_shape(enum zn_shape shape);

#endif
