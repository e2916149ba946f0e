#include "chunk/layout.h"

#include "plan/dtype.h"

static const uint8_t shapes[ZN_N_LAYOUTS] = {
#define LAYOUT(id, number, name, group, shape, ...) [number] = ZN_SHAPE_##shape,
#include "format/layouts.def"
#undef LAYOUT
};

enum zn_shape zn_layout_shape(unsigned layout) {
    return (enum zn_shape)shapes[layout];
}

static enum zn_layout of_floats(const struct zn_dtype_facts *type) {
    const unsigned bits = 8u * type->word;
    if (bits == 16) return type->exponent == 5 ? ZN_LAYOUT_F16 : ZN_LAYOUT_16R;
    return bits == 32 ? ZN_LAYOUT_32R : bits == 64 ? ZN_LAYOUT_64R : ZN_LAYOUT_8;
}

static enum zn_layout of_integers(const struct zn_dtype_facts *type) {
    const unsigned bits = 8u * type->word;
    return bits == 16 ? ZN_LAYOUT_16 : bits == 32 ? ZN_LAYOUT_32 : bits == 64 ? ZN_LAYOUT_64 : ZN_LAYOUT_8;
}

enum zn_layout zn_layout_of_dtype(zipnn_dtype dtype) {
    const struct zn_dtype_facts *type = zn_dtype_facts(dtype);
    switch (type->kind) {
        case ZN_KIND_FLOAT:
        case ZN_KIND_COMPLEX:
            return of_floats(type);
        case ZN_KIND_SIGNED:
        case ZN_KIND_UNSIGNED:
            return of_integers(type);
        default:
            return ZN_LAYOUT_8;
    }
}

enum zn_layout zn_layout_of_shape(enum zn_shape shape) {
    unsigned layout = 0;
    while (layout < ZN_N_LAYOUTS && (shapes[layout] != shape || !zn_layout_is(layout, ZN_GROUP_WORDS))) layout++;
    return layout < ZN_N_LAYOUTS ? (enum zn_layout)layout : ZN_LAYOUT_8;
}

bool zn_may_write(const struct zn_effort *effort, enum zn_layout layout) {
    return effort->readers >= zn_layouts[layout].since;
}

struct zn_body zn_body_of_words(enum zn_layout layout, unsigned head, uint32_t len) {
    const uint32_t width = zn_layouts[layout].width;
    struct zn_body b = {.orig_len = len, .layout = layout, .head = head % width};
    if (len < b.head + width) {
        b.layout = ZN_LAYOUT_8;
        b.head = 0;
    }
    zn_body_measure(&b);
    return b;
}

struct zn_streams zn_body_begin_bytes(struct zn_out *out, const uint8_t *src, uint32_t len) {
    const struct zn_body body = zn_body_of_words(ZN_LAYOUT_8, 0, len);
    return zn_body_begin(out, &body, src);
}

bool zn_f16_exponents_are_legal(const uint8_t *plane, size_t n) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= plane[i];
    return all < 32;
}

bool zn_f16_masks_are_legal(const uint8_t *plane, size_t n) {
    if (n % 64 == 0) return true;
    const uint8_t *last = plane + n / 64 * 24;
    return (zn_get_u64(last) | zn_get_u64(last + 8) | zn_get_u64(last + 16)) >> n % 64 == 0;
}
