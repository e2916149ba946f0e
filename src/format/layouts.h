/* The register of layouts: layouts.def as an enum and as a table. */
#ifndef ZN_FORMAT_LAYOUTS_H
#define ZN_FORMAT_LAYOUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zn_layout {
#define LAYOUT(id, number, ...) ZN_LAYOUT_##id = number,
#include "format/layouts.def"
#undef LAYOUT
    ZN_N_LAYOUTS
};

/* What a body holds after its head of four bytes. */
enum zn_layout_group {
    ZN_GROUP_WORDS,   /* edges, planes: the bytes of words of a fixed width */
    ZN_GROUP_RECORDS, /* a table of fields (fields.h), edges, planes */
    ZN_GROUP_FLOATS,  /* the layout of the floats inside, edges, planes: parts of the floats' bits */
    ZN_GROUP_VALUES,  /* what value_types.h says, edges, planes: those beside the values, low bits, symbols */
    ZN_GROUP_CHUNKS,  /* what the layout needs (chunk/wrapped.h), among it the bodies of other chunks */
    ZN_GROUP_DELTA    /* legal only in the payload of a chunk with a reference (delta room) */
};

struct zn_layout_info {
    const char *name;
    enum zn_layout_group group;
    uint8_t width, n_planes; /* of WORDS */
    uint16_t since;
};

/* Indexed by enum zn_layout. */
extern const struct zn_layout_info zn_layouts[ZN_N_LAYOUTS];

static inline bool zn_layout_is(unsigned layout, enum zn_layout_group group) {
    return layout < ZN_N_LAYOUTS && zn_layouts[layout].group == group;
}

/* Whether a layout is one of the floats that are coded from words and merged to words by one kernel: bf16, fp32, fp16.
 */
static inline bool zn_layout_is_of_floats(unsigned layout) {
    return layout == ZN_LAYOUT_16R || layout == ZN_LAYOUT_32R || layout == ZN_LAYOUT_F16;
}

/* Whether a layout is one of joint symbols: as they are, or less what their columns foretell. */
static inline bool zn_layout_is_joint(unsigned layout) {
    return layout == ZN_LAYOUT_JOINT || layout == ZN_LAYOUT_COLUMNS;
}

/* Bytes of plane p of n elements of a layout of WORDS. */
size_t zn_plane_size(enum zn_layout layout, unsigned p, size_t n);

/* Planes of a layout of FLOATS: how many, and the bits of an element that each holds, the lowest plane first. */
struct zn_parts {
    uint8_t n, bits[5];
};

/* The planes of `layout` for floats of layout `inner`; NULL where it does not take these. `joint`: the bits of the
 * mantissa in a symbol of JOINT or COLUMNS, otherwise 0. */
const struct zn_parts *zn_parts_of(unsigned layout, unsigned inner, unsigned joint);

#endif
