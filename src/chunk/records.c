#include "chunk/records.h"

#include "plan/dtype.h"

#define B(n) \
    { ZN_FIELD_BYTES, n }
#define H(n) \
    { ZN_FIELD_HALVES, n }

/* A scale of 16 bits is two fields of one byte, and the upper one holds the exponent. Values of 4 and 2 bits are halves
 * of bytes, as are packed scales of 4 bits. */
static const struct zn_record records[ZN_N_DTYPES] = {
    [ZIPNN_Q4_0] = {3, {B(1), B(1), H(16)}},
    [ZIPNN_Q4_1] = {5, {B(1), B(1), B(1), B(1), H(16)}},
    [ZIPNN_Q5_0] = {4, {B(1), B(1), B(4), H(16)}},
    [ZIPNN_Q5_1] = {6, {B(1), B(1), B(1), B(1), B(4), H(16)}},
    [ZIPNN_Q8_0] = {3, {B(1), B(1), B(32)}},
    [ZIPNN_Q8_1] = {5, {B(1), B(1), B(1), B(1), B(32)}},
    [ZIPNN_Q2_K] = {6, {B(16), H(64), B(1), B(1), B(1), B(1)}},
    [ZIPNN_Q3_K] = {5, {B(32), H(64), B(12), B(1), B(1)}},
    [ZIPNN_Q4_K] = {6, {B(1), B(1), B(1), B(1), B(12), H(128)}},
    [ZIPNN_Q5_K] = {7, {B(1), B(1), B(1), B(1), B(12), B(32), H(128)}},
    [ZIPNN_Q6_K] = {5, {H(128), H(64), B(16), B(1), B(1)}},
    [ZIPNN_Q8_K] = {6, {B(1), B(1), B(1), B(1), B(256), B(32)}},
    [ZIPNN_IQ1_S] = {4, {B(1), B(1), B(32), B(16)}},
    [ZIPNN_IQ1_M] = {3, {B(32), B(16), B(8)}},
    [ZIPNN_IQ2_XXS] = {3, {B(1), B(1), B(64)}},
    [ZIPNN_IQ2_XS] = {4, {B(1), B(1), B(64), B(8)}},
    [ZIPNN_IQ2_S] = {5, {B(1), B(1), B(64), B(8), B(8)}},
    [ZIPNN_IQ3_XXS] = {3, {B(1), B(1), B(96)}},
    [ZIPNN_IQ3_S] = {6, {B(1), B(1), B(64), B(8), B(32), B(4)}},
    [ZIPNN_IQ4_NL] = {3, {B(1), B(1), H(16)}},
    [ZIPNN_IQ4_XS] = {5, {B(1), B(1), B(2), B(4), H(128)}},
    [ZIPNN_TQ1_0] = {4, {B(48), B(4), B(1), B(1)}},
    [ZIPNN_TQ2_0] = {3, {H(64), B(1), B(1)}},
    [ZIPNN_MXFP4] = {2, {B(1), H(16)}},
    [ZIPNN_NVFP4] = {2, {B(4), H(32)}},
    [ZIPNN_Q1_0] = {3, {B(1), B(1), B(16)}},
    [ZIPNN_Q2_0] = {3, {B(1), B(1), H(16)}},
};

struct zn_record zn_record_of_dtype(zipnn_dtype dtype) {
    return records[(unsigned)dtype < ZN_N_DTYPES ? (unsigned)dtype : ZIPNN_DTYPE_UNKNOWN];
}

/* ---- moving fields. Common lengths become constants, so that a copy compiles to one load and one store. ---- */

static inline void move(uint8_t *to, size_t to_step, const uint8_t *from, size_t from_step, size_t n, size_t len) {
    for (size_t i = 0; i < n; i++) memcpy(to + i * to_step, from + i * from_step, len);
}

static void move_bytes(uint8_t *to, size_t to_step, const uint8_t *from, size_t from_step, size_t n, size_t len) {
    switch (len) {
        case 1:
            move(to, to_step, from, from_step, n, 1);
            break;
        case 4:
            move(to, to_step, from, from_step, n, 4);
            break;
        case 12:
            move(to, to_step, from, from_step, n, 12);
            break;
        case 16:
            move(to, to_step, from, from_step, n, 16);
            break;
        case 32:
            move(to, to_step, from, from_step, n, 32);
            break;
        default:
            move(to, to_step, from, from_step, n, len);
    }
}

/* How the bytes of a field are rotated before they are split. The compiler knows it in each loop, like the length. */
struct turn {
    uint8_t rotation, flip, low_bits;
};

static inline void split(const uint8_t *restrict src, size_t width, uint8_t *restrict low, uint8_t *restrict high,
                         size_t n, size_t len, const struct turn t) {
    for (size_t i = 0; i < n; i++, src += width, low += len, high += len)
        for (size_t j = 0; j < len; j++) {
            const uint8_t b = src[j], turned = (uint8_t)((b << t.rotation | b >> (8 - t.rotation)) ^ t.flip);
            low[j] = turned & (uint8_t)((1u << t.low_bits) - 1);
            high[j] = turned >> t.low_bits;
        }
}

static inline void join(const uint8_t *restrict low, const uint8_t *restrict high, size_t n, size_t len, size_t width,
                        uint8_t *restrict out, const struct turn t) {
    for (size_t i = 0; i < n; i++, out += width, low += len, high += len)
        for (size_t j = 0; j < len; j++) {
            const uint8_t turned = (uint8_t)((low[j] | high[j] << t.low_bits) ^ t.flip);
            out[j] = (uint8_t)(turned >> t.rotation | turned << (8 - t.rotation));
        }
}

static void split_any(const struct zn_field *f, const uint8_t *src, size_t n, size_t len, size_t width,
                      uint8_t *const *planes) {
    if (f->kind == ZN_FIELD_E4)
        split(src, width, planes[0], planes[1], n, len, (struct turn){1, 0, 4});
    else if (f->kind == ZN_FIELD_E5)
        split(src, width, planes[0], planes[1], n, len, (struct turn){1, 0, 3});
    else if (f->kind == ZN_FIELD_E6)
        split(src, width, planes[0], planes[1], n, len, (struct turn){1, 0, 2});
    else if (f->kind == ZN_FIELD_E7)
        split(src, width, planes[0], planes[1], n, len, (struct turn){1, 0, 1});
    else if (f->kind == ZN_FIELD_FIVE)
        split(src, width, planes[0], planes[1], n, len, (struct turn){0, 0, 3});
    else if (f->kind == ZN_FIELD_SIGNED_FIVE)
        split(src, width, planes[0], planes[1], n, len, (struct turn){0, 128, 3});
    else if (f->kind == ZN_FIELD_SIGNED)
        split(src, width, planes[0], planes[1], n, len, (struct turn){0, 128, 4});
    else if (len == 16)
        split(src, width, planes[0], planes[1], n, 16, (struct turn){0, 0, 4});
    else
        split(src, width, planes[0], planes[1], n, len, (struct turn){0, 0, 4});
}

static void join_any(const struct zn_field *f, const uint8_t *const *planes, size_t n, size_t len, size_t width,
                     uint8_t *out) {
    if (f->kind == ZN_FIELD_E4)
        join(planes[0], planes[1], n, len, width, out, (struct turn){1, 0, 4});
    else if (f->kind == ZN_FIELD_E5)
        join(planes[0], planes[1], n, len, width, out, (struct turn){1, 0, 3});
    else if (f->kind == ZN_FIELD_E6)
        join(planes[0], planes[1], n, len, width, out, (struct turn){1, 0, 2});
    else if (f->kind == ZN_FIELD_E7)
        join(planes[0], planes[1], n, len, width, out, (struct turn){1, 0, 1});
    else if (f->kind == ZN_FIELD_FIVE)
        join(planes[0], planes[1], n, len, width, out, (struct turn){0, 0, 3});
    else if (f->kind == ZN_FIELD_SIGNED_FIVE)
        join(planes[0], planes[1], n, len, width, out, (struct turn){0, 128, 3});
    else if (f->kind == ZN_FIELD_SIGNED)
        join(planes[0], planes[1], n, len, width, out, (struct turn){0, 128, 4});
    else if (len == 16)
        join(planes[0], planes[1], n, 16, width, out, (struct turn){0, 0, 4});
    else
        join(planes[0], planes[1], n, len, width, out, (struct turn){0, 0, 4});
}

/* A field that fills the whole record makes one long run. */
void zn_field_split(const struct zn_field *f, const uint8_t *src, size_t n, size_t width, uint8_t *const *planes) {
    const bool whole = f->len == width;
    const size_t len = whole ? n * width : f->len, count = whole ? 1 : n;
    if (f->kind == ZN_FIELD_BYTES)
        move_bytes(planes[0], len, src, width, count, len);
    else
        split_any(f, src, count, len, width, planes);
}

void zn_field_merge(const struct zn_field *f, const uint8_t *const *planes, size_t n, size_t width, uint8_t *out) {
    const bool whole = f->len == width;
    const size_t len = whole ? n * width : f->len, count = whole ? 1 : n;
    if (f->kind == ZN_FIELD_BYTES)
        move_bytes(out, width, planes[0], len, count, len);
    else
        join_any(f, planes, count, len, width, out);
}
