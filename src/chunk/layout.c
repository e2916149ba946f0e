#include "chunk/layout.h"

const struct zn_layout_info zn_layouts[ZN_N_WORD_LAYOUTS] = {
    [ZN_LAYOUT_8] = {ZN_SHAPE_8, 1, 1},     [ZN_LAYOUT_16] = {ZN_SHAPE_16, 2, 2},
    [ZN_LAYOUT_16R] = {ZN_SHAPE_16R, 2, 2}, [ZN_LAYOUT_32] = {ZN_SHAPE_32, 4, 4},
    [ZN_LAYOUT_32R] = {ZN_SHAPE_32R, 4, 4}, [ZN_LAYOUT_64] = {ZN_SHAPE_64, 8, 8},
    [ZN_LAYOUT_64R] = {ZN_SHAPE_64R, 8, 8}, [ZN_LAYOUT_F16] = {ZN_SHAPE_F16, 2, 3},
};

size_t zn_plane_size(enum zn_layout layout, unsigned p, size_t n) {
    return layout == ZN_LAYOUT_F16 && p == 1 ? (n / 64 + (n % 64 != 0)) * 24 : n;
}

enum zn_layout zn_layout_of_dtype(zipnn_dtype dtype) {
    switch (dtype) {
        case ZIPNN_BF16:
            return ZN_LAYOUT_16R;
        case ZIPNN_F16:
        case ZIPNN_C32:
            return ZN_LAYOUT_F16;
        case ZIPNN_F32:
        case ZIPNN_C64:
            return ZN_LAYOUT_32R;
        case ZIPNN_F64:
        case ZIPNN_C128:
            return ZN_LAYOUT_64R;
        case ZIPNN_I16:
        case ZIPNN_U16:
            return ZN_LAYOUT_16;
        case ZIPNN_I32:
        case ZIPNN_U32:
            return ZN_LAYOUT_32;
        case ZIPNN_I64:
        case ZIPNN_U64:
            return ZN_LAYOUT_64;
        default:
            return ZN_LAYOUT_8;
    }
}

enum zn_layout zn_layout_of_shape(enum zn_shape shape) {
    for (unsigned l = 0; l < ZN_N_WORD_LAYOUTS; l++)
        if (zn_layouts[l].shape == shape) return (enum zn_layout)l;
    return ZN_LAYOUT_8;
}
