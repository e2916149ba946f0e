#include "format/layouts.h"

const struct zn_layout_info zn_layouts[ZN_N_LAYOUTS] = {
#define LAYOUT(id, number, name, group, shape, width, planes, since, decoder) \
    [number] = {name, ZN_GROUP_##group, width, planes, since},
#include "format/layouts.def"
#undef LAYOUT
};

size_t zn_plane_size(enum zn_layout layout, unsigned p, size_t n) {
    return layout == ZN_LAYOUT_F16 && p == 1 ? (n / 64 + (n % 64 != 0)) * 24 : n;
}

const struct zn_parts *zn_parts_of(unsigned layout, unsigned inner, unsigned joint) {
    static const struct {
        uint8_t layout, inner, joint;
        struct zn_parts parts;
    } known[] = {
        {ZN_LAYOUT_TOPS, ZN_LAYOUT_16R, 0, {3, {5, 3, 8}}},
        {ZN_LAYOUT_TOPS, ZN_LAYOUT_F16, 0, {3, {8, 3, 5}}},
        {ZN_LAYOUT_TOPS, ZN_LAYOUT_32R, 0, {5, {8, 8, 5, 3, 8}}},
        {ZN_LAYOUT_JOINT, ZN_LAYOUT_16R, 1, {2, {7, 9}}},
        {ZN_LAYOUT_JOINT, ZN_LAYOUT_32R, 1, {4, {8, 8, 7, 9}}},
        {ZN_LAYOUT_JOINT, ZN_LAYOUT_F16, 1, {3, {8, 2, 6}}},
        {ZN_LAYOUT_JOINT, ZN_LAYOUT_16R, 2, {2, {6, 10}}},
        {ZN_LAYOUT_JOINT, ZN_LAYOUT_32R, 2, {4, {8, 8, 6, 10}}},
        {ZN_LAYOUT_COLUMNS, ZN_LAYOUT_16R, 2, {2, {6, 10}}},
        {ZN_LAYOUT_COLUMNS, ZN_LAYOUT_32R, 2, {4, {8, 8, 6, 10}}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].layout == layout && known[i].inner == inner && known[i].joint == joint) return &known[i].parts;
    return NULL;
}
