#include "chunk/scaled.h"

#include "chunk/decoders.h"
#include "chunk/wrapped.h"

/* Returns value / 2^shift, rounded to the nearest number, halves to even. shift is 0 .. 31. */
static uint32_t rounded(uint32_t value, unsigned shift) {
    if (shift == 0) return value;
    const uint32_t half = 1u << (shift - 1), kept = value >> shift, rest = value & ((1u << shift) - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

/* Returns the bits of q * scale as a float of 32 bits. The product has at most 32 bits. If rounding makes it longer,
 * the carry raises the exponent, and if a denormal grows, it becomes normal: plain addition of bits does both. */
static uint32_t product_32(unsigned q, uint32_t scale) {
    const uint32_t field = scale >> 23, mantissa = (scale & 0x7fffff) | (field ? 1u << 23 : 0);
    uint32_t exponent = field ? field : 1, product = q * mantissa;
    const unsigned bits = product ? 32u - (unsigned)__builtin_clz(product) : 0;
    if (bits > 24) {
        product = rounded(product, bits - 24);
        exponent += bits - 24;
    }
    const uint32_t p = product < 1u << 23 ? product : (exponent << 23) + (product - (1u << 23));
    return ZN_MIN(p, UINT32_C(0x7f800000));
}

static uint16_t to_f16(uint32_t p) {
    const uint32_t exponent = p >> 23;
    if (exponent >= 143) return 0x7c00;
    if (exponent > 112) return (uint16_t)rounded(p - (UINT32_C(112) << 23), 13);
    if (exponent < 102) return 0;
    return (uint16_t)rounded((p & 0x7fffff) | 1u << 23, 126 - exponent);
}

uint16_t zn_scaled_product(unsigned q, uint32_t scale, bool is_f16) {
    const uint32_t p = product_32(q, scale);
    return is_f16 ? to_f16(p) : (uint16_t)rounded(p, 16);
}

/* The head of layout 18, and the three chunks behind it. */
struct scaled {
    bool is_f16;
    uint32_t group, first, n_groups;
    size_t n;
    struct zn_cur scales, integers, rest;
};

static zipnn_status read_head(const struct zn_body *b, struct scaled *s, zipnn_error *err) {
    struct zn_cur cur = b->rest;
    const uint8_t inner = zn_cur_u8(&cur);
    s->group = zn_cur_u32(&cur);
    s->first = zn_cur_u32(&cur);
    const uint32_t scales_len = zn_cur_u32(&cur), integers_len = zn_cur_u32(&cur);
    const uint8_t *scales = zn_cur_take(&cur, scales_len), *integers = zn_cur_take(&cur, integers_len);
    if (!zn_cur_ok(&cur)) return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "chunk of %zu bytes is too short", b->len);
    s->scales = zn_cur_of(scales, scales_len);
    s->integers = zn_cur_of(integers, integers_len);
    s->rest = cur;
    if (inner != ZN_LAYOUT_16R && inner != ZN_LAYOUT_F16)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at, "scaled integers of layout %u are not supported", inner);
    s->is_f16 = inner == ZN_LAYOUT_F16;
    if (b->head > 1 || b->head > b->orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at + 2, "%u bytes before the first element of 2 bytes", b->head);
    s->n = (b->orig_len - b->head) / 2;
    if (s->n < ZN_SCALED_LEAST || s->group < ZN_SCALED_GROUP || s->first == 0 || s->first > s->group)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "%zu elements in groups of %u, the first of %u", s->n, s->group,
                       s->first);
    s->n_groups = zn_scaled_groups(s->n, s->group, s->first);
    return ZIPNN_OK;
}

/* Of q = 2^j .. 2^(j + 1) - 1 the product has 24 + j bits, or one more: so a loop without branches does for usual scales
 * what zn_scaled_product does. */
void zn_scaled_products(uint32_t scale, unsigned highest, bool is_f16, uint16_t word[ZN_SCALED_MOST + 1]) {
    const uint32_t field = scale >> 23, mantissa = (scale & 0x7fffff) | 1u << 23;
    const bool usual = field > 0 && field < 255 - 8 && !is_f16;
    for (unsigned q = 1; q <= (usual ? 1 : highest); q++) word[q] = zn_scaled_product(q, scale, is_f16);
    for (unsigned j = 1; usual && 1u << j <= highest; j++)
        for (unsigned q = 1u << j; q < 2u << j; q++) {
            const uint32_t product = q * mantissa, over = product >> (24 + j), shift = j + over;
            const uint32_t m = (product + (1u << (shift - 1)) - 1 + (product >> shift & 1)) >> shift;
            const uint32_t p = ((field + shift - 1) << 23) + m;
            word[q] = (uint16_t)((p + 0x7fff + (p >> 16 & 1)) >> 16);
        }
}

/* Restores a group. Products are looked up in a table, since a group has few different integers. */
static void put_group(const uint8_t *q, size_t n, uint32_t scale, bool is_f16, uint8_t *out) {
    uint16_t word[256];
    unsigned highest = 0;
    for (size_t i = 0; i < n; i++) highest = ZN_MAX(highest, (unsigned)(q[i] < 128 ? q[i] : (256 - q[i]) & 127));
    word[0] = 0;
    zn_scaled_products(scale, highest, is_f16, word);
    for (unsigned k = 1; k <= highest; k++) word[256 - k] = (uint16_t)(word[k] | 0x8000);
    word[128] = 0x8000;
    for (size_t i = 0; i < n; i++) zn_put_u16(out + 2 * i, word[q[i]]);
}

static size_t group_len(const struct scaled *s, uint32_t g) {
    if (g == 0) return ZN_MIN(s->n, (size_t)s->first);
    return ZN_MIN(s->n - s->first - (size_t)(g - 1) * s->group, (size_t)s->group);
}

/* Counts the bytes of the elements whose groups have no scale. Returns false when a scale is invalid. */
static bool count_rest(const struct scaled *s, const uint8_t *scales, uint32_t *len) {
    *len = 0;
    for (uint32_t g = 0; g < s->n_groups; g++) {
        const uint32_t scale = zn_get_u32(scales + 4 * (size_t)g);
        if (scale > ZN_SCALED_NONE) return false;
        if (scale == ZN_SCALED_NONE) *len += 2 * (uint32_t)group_len(s, g);
    }
    return true;
}

/* The elements without a scale are decoded to the end of the output. The groups are written from the front and never
 * overtake those elements. */
zipnn_status zn_scaled_decode(struct zn_coder *coder, const struct zn_body *b, const struct zn_target *to,
                              zipnn_error *err) {
    struct scaled s = {0};
    ZN_TRY(read_head(b, &s, err));
    const uint32_t tail = (b->orig_len - b->head) % 2, scales_len = 4 * s.n_groups;
    uint8_t *scales = zn_scratch_take(&coder->scratch, scales_len);
    uint8_t *q = zn_scratch_take(&coder->scratch, b->head + s.n + tail), *out = to->out + b->head;
    uint32_t rest_len;
    ZN_TRY(zn_inner_decode(coder, b, s.scales, scales, scales_len, err));
    if (!count_rest(&s, scales, &rest_len))
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "a scale is negative, or no number");
    ZN_TRY(zn_inner_decode(coder, b, s.integers, q, b->head + (uint32_t)s.n + tail, err));
    uint8_t *rest = out + 2 * s.n - rest_len;
    if (rest_len) ZN_TRY(zn_inner_decode(coder, b, s.rest, rest, rest_len, err));
    if (!rest_len && zn_cur_left(&s.rest))
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "%zu bytes for no elements", zn_cur_left(&s.rest));
    memcpy(to->out, q, b->head);
    q += b->head;
    for (uint32_t g = 0; g < s.n_groups; g++) {
        const uint32_t scale = zn_get_u32(scales + 4 * (size_t)g);
        const size_t n = group_len(&s, g);
        if (scale == ZN_SCALED_NONE) {
            memmove(out, rest, 2 * n);
            rest += 2 * n;
        } else {
            put_group(q, n, scale, s.is_f16, out);
        }
        q += n;
        out += 2 * n;
    }
    memcpy(out, q, tail);
    return ZIPNN_OK;
}
