/* Packing and unpacking whole rows. Who includes this has defined what products_tpl.h asks for, and
 *
 *     pack_step      packs 64 words, returns the end of the escapes
 */
#include "base/bytes.h"

/* Four tables: exponents of neighbours are often equal, and a count would wait for the one before it. */
ZN_FN void exponents(const uint8_t *words, size_t n, uint32_t *hist) {
    uint32_t part[4][256];
    memset(part, 0, sizeof part);
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (unsigned k = 0; k < 4; k++) part[k][zn_get_u16(words + 2 * (i + k)) >> 7 & 255]++;
    for (; i < n; i++) part[0][zn_get_u16(words + 2 * i) >> 7 & 255]++;
    for (unsigned e = 0; e < 256; e++) hist[e] += part[0][e] + part[1][e] + part[2][e] + part[3][e];
}

ZN_INLINE size_t pack_row(struct zn_packing packing, const uint8_t *words, size_t n, uint8_t start, uint8_t *row,
                          uint8_t *escapes) {
    const size_t steps = (n + ZN_PRODUCT_STEP - 1) / ZN_PRODUCT_STEP, whole = n / ZN_PRODUCT_STEP;
    uint8_t last[2 * ZN_PRODUCT_STEP], *to = escapes;
    if (whole < steps) {
        for (unsigned i = 0; i < ZN_PRODUCT_STEP; i++) zn_put_u16(last + 2 * i, (uint16_t)(start << 7));
        memcpy(last, words + 2 * ZN_PRODUCT_STEP * whole, 2 * (n - whole * ZN_PRODUCT_STEP));
    }
    enum { AT_ONCE = 8 };
    for (size_t at = 0, end; at < steps; at = end) {
        uint8_t some[AT_ONCE * ZN_PRODUCT_STEP + ZN_PRODUCT_SLACK], *escape = some;
        end = ZN_MIN(steps, at + AT_ONCE);
        for (size_t i = at; i < end; i++, row += zn_packed_step(packing))
            escape = pack_step(packing, i < whole ? words + 2 * ZN_PRODUCT_STEP * i : last, start, row, escape);
        memcpy(to, some, (size_t)(escape - some));
        to += escape - some;
    }
    return (size_t)(to - escapes);
}

ZN_FN size_t pack(const uint8_t *words, size_t n, uint8_t start, uint8_t *row, uint8_t *escapes) {
    return pack_row(packing_of(NULL), words, n, start, row, escapes);
}

ZN_FN void unpack(const struct zn_rows *rows, size_t r, uint8_t *words) {
    const struct zn_packing packing = packing_of(rows);
    const size_t steps = (rows->n_columns + ZN_PRODUCT_STEP - 1) / ZN_PRODUCT_STEP;
    const uint8_t *row = rows->bytes + r * rows->stride, *escape = rows->escapes + rows->escape_at[r];
    for (size_t i = 0; i < steps; i++, row += zn_packed_step(packing), words += 2 * ZN_PRODUCT_STEP) {
        struct words w[2];
        const size_t left = rows->n_columns - i * ZN_PRODUCT_STEP;
        escape = unpack_step(packing, row, rows->start[r], escape, w);
        if (left >= ZN_PRODUCT_STEP) {
            words_store(words, w[0]);
            words_store(words + 64, w[1]);
        } else {
            uint8_t last[2 * ZN_PRODUCT_STEP];
            words_store(last, w[0]);
            words_store(last + 64, w[1]);
            memcpy(words, last, 2 * left);
        }
    }
}
