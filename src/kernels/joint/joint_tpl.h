/* Joint symbols in plain C; joint_loops.h has the contracts. Each joint_*.c includes this once, with ZN_FN defined as
 * the storage class and target attribute of its functions, and ZN_SET as its set of kernels.
 */
#include <string.h>

#include "base/bytes.h"
#include "kernels/joint/joint_bits_tpl.h"
#include "kernels/joint/joint_loops.h"

/* ---- splitting: `low` gets what will be packed ---- */

ZN_FN unsigned joint_split_16(const uint8_t *src, size_t n, uint8_t *restrict low, uint8_t *restrict symbols) {
    unsigned all = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned w = zn_get_u16(src + 2 * i);
        low[i] = (uint8_t)((w << 1 & 0x7e) | w >> 15);
        symbols[i] = (uint8_t)(w >> 6);
        all |= w >> 14 & 1;
    }
    return all;
}

ZN_FN unsigned joint_split_32(const uint8_t *src, size_t n, uint8_t *restrict raw0, uint8_t *restrict raw1,
                              uint8_t *restrict low, uint8_t *restrict symbols) {
    unsigned all = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t w = zn_get_u32(src + 4 * i), r = w << 1 | w >> 31;
        raw0[i] = (uint8_t)r;
        raw1[i] = (uint8_t)(r >> 8);
        low[i] = (uint8_t)(r >> 16 & 0x7f);
        symbols[i] = (uint8_t)(r >> 23);
        all |= r >> 31;
    }
    return all;
}

/* With two bits of the mantissa. Returns 1 if a word has an exponent that the symbols cannot express. */
ZN_FN unsigned joint_split2_16(const uint8_t *src, size_t n, uint8_t *restrict low, uint8_t *restrict symbols) {
    unsigned all = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned w = zn_get_u16(src + 2 * i), symbol = w >> 5 & 255;
        low[i] = (uint8_t)((w << 1 & 0x3e) | w >> 15);
        symbols[i] = (uint8_t)symbol;
        all |= w >> 14 | ((w >> 13 & 1) ^ (symbol > 3));
    }
    return all & 1;
}

ZN_FN unsigned joint_split2_32(const uint8_t *src, size_t n, uint8_t *restrict raw0, uint8_t *restrict raw1,
                               uint8_t *restrict low, uint8_t *restrict symbols) {
    unsigned all = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t w = zn_get_u32(src + 4 * i), r = w << 1 | w >> 31, symbol = r >> 22 & 255;
        raw0[i] = (uint8_t)r;
        raw1[i] = (uint8_t)(r >> 8);
        low[i] = (uint8_t)(r >> 16 & 0x3f);
        symbols[i] = (uint8_t)symbol;
        all |= r >> 31 | ((r >> 30 & 1) ^ (symbol > 3));
    }
    return all & 1;
}

ZN_FN void joint_split_f16(const uint8_t *src, size_t n, uint8_t *restrict raw0, uint8_t *restrict low,
                           uint8_t *restrict symbols) {
    for (size_t i = 0; i < n; i++) {
        const unsigned w = zn_get_u16(src + 2 * i);
        raw0[i] = (uint8_t)(w << 1 | w >> 15);
        low[i] = (uint8_t)(w >> 7 & 3);
        symbols[i] = (uint8_t)(w >> 9 & 63);
    }
}

/* Splits at most JOINT_PIECE words at once. */
ZN_FN bool joint_split_piece(enum zn_joint joint, const uint8_t *src, size_t n, uint8_t *const *raw, uint8_t *symbols) {
    const struct zn_joint_info info = zn_joint_info(joint);
    uint8_t low[JOINT_PIECE];
    unsigned beyond = 0;
    if (joint == ZN_JOINT_16)
        beyond = joint_split_16(src, n, low, symbols);
    else if (joint == ZN_JOINT_32)
        beyond = joint_split_32(src, n, raw[0], raw[1], low, symbols);
    else if (joint == ZN_JOINT2_16)
        beyond = joint_split2_16(src, n, low, symbols);
    else if (joint == ZN_JOINT2_32)
        beyond = joint_split2_32(src, n, raw[0], raw[1], low, symbols);
    else
        joint_split_f16(src, n, raw[0], low, symbols);
    joint_pack(low, n, info.bits, raw[info.packed]);
    return beyond == 0;
}

ZN_FN bool joint_split(enum zn_joint joint, const uint8_t *src, size_t n, uint8_t *const *raw, uint8_t *symbols) {
    const struct zn_joint_info info = zn_joint_info(joint);
    bool fits = true;
    for (size_t i = 0, len; i < n; i += len) {
        uint8_t *to[3];
        len = ZN_MIN(n - i, (size_t)JOINT_PIECE);
        for (unsigned p = 0; p < info.n_raw; p++) to[p] = raw[p] + zn_joint_raw_len(joint, p, i);
        fits &= joint_split_piece(joint, src + i * info.width, len, to, symbols + i);
    }
    return fits;
}

/* ---- merging ---- */

ZN_FN void joint_merge_16(const uint8_t *restrict low, const uint8_t *symbols, size_t n, uint8_t *restrict out) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t l = low[i], s = symbols[i];
        const uint16_t w = zn_le16((uint16_t)(s << 6 | l >> 1 | l << 15));
        __builtin_memcpy(out + 2 * i, &w, sizeof w);
    }
}

ZN_FN void joint_merge_32(const uint8_t *const *raw, const uint8_t *restrict low, const uint8_t *symbols, size_t n,
                          uint8_t *restrict out) {
    const uint8_t *p0 = raw[0], *p1 = raw[1];
    for (size_t i = 0; i < n; i++) {
        const uint16_t lower = (uint16_t)(p0[i] | p1[i] << 8), upper = (uint16_t)(symbols[i] << 7 | low[i]);
        zn_put_u16(out + 4 * i, (uint16_t)(lower >> 1 | upper << 15));
        zn_put_u16(out + 4 * i + 2, (uint16_t)(upper >> 1 | lower << 15));
    }
}

ZN_FN void joint_merge2_16(const uint8_t *restrict low, const uint8_t *symbols, size_t n, uint8_t *restrict out) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t l = low[i], s = symbols[i], upper = (uint16_t)((s > 3) << 13);
        const uint16_t w = zn_le16((uint16_t)(upper | s << 5 | l >> 1 | l << 15));
        __builtin_memcpy(out + 2 * i, &w, sizeof w);
    }
}

ZN_FN void joint_merge2_32(const uint8_t *const *raw, const uint8_t *restrict low, const uint8_t *symbols, size_t n,
                           uint8_t *restrict out) {
    const uint8_t *p0 = raw[0], *p1 = raw[1];
    for (size_t i = 0; i < n; i++) {
        const uint16_t s = symbols[i], lower = (uint16_t)(p0[i] | p1[i] << 8);
        const uint16_t upper = (uint16_t)((s > 3) << 14 | s << 6 | low[i]);
        zn_put_u16(out + 4 * i, (uint16_t)(lower >> 1 | upper << 15));
        zn_put_u16(out + 4 * i + 2, (uint16_t)(upper >> 1 | lower << 15));
    }
}

ZN_FN void joint_merge_f16(const uint8_t *const *raw, const uint8_t *restrict low, const uint8_t *symbols, size_t n,
                           uint8_t *restrict out) {
    const uint8_t *p0 = raw[0];
    for (size_t i = 0; i < n; i++) {
        const uint16_t l = p0[i], top = (uint16_t)(symbols[i] << 2 | low[i]);
        const uint16_t w = zn_le16((uint16_t)(top << 7 | l >> 1 | l << 15));
        __builtin_memcpy(out + 2 * i, &w, sizeof w);
    }
}

ZN_FN void joint_merge_piece(enum zn_joint joint, const uint8_t *const *raw, const uint8_t *symbols, size_t n,
                             uint8_t *out) {
    const struct zn_joint_info info = zn_joint_info(joint);
    uint8_t low[JOINT_PIECE];
    joint_unpack(raw[info.packed], n, info.bits, low);
    if (joint == ZN_JOINT_16)
        joint_merge_16(low, symbols, n, out);
    else if (joint == ZN_JOINT_32)
        joint_merge_32(raw, low, symbols, n, out);
    else if (joint == ZN_JOINT2_16)
        joint_merge2_16(low, symbols, n, out);
    else if (joint == ZN_JOINT2_32)
        joint_merge2_32(raw, low, symbols, n, out);
    else
        joint_merge_f16(raw, low, symbols, n, out);
}

ZN_FN void joint_merge(enum zn_joint joint, const uint8_t *const *raw, const uint8_t *symbols, size_t n, uint8_t *out) {
    const struct zn_joint_info info = zn_joint_info(joint);
    for (size_t i = 0, len; i < n; i += len) {
        const uint8_t *from[3];
        len = ZN_MIN(n - i, (size_t)JOINT_PIECE);
        for (unsigned p = 0; p < info.n_raw; p++) from[p] = raw[p] + zn_joint_raw_len(joint, p, i);
        joint_merge_piece(joint, from, symbols + i, len, out + i * info.width);
    }
}

ZN_FN void joint_add_base_16(uint8_t *words, size_t n, int more) {
    const uint16_t off = (uint16_t)((unsigned)more << 7);
    for (size_t i = 0; i < n; i++) {
        const uint16_t w = zn_get_u16(words + 2 * i), sum = zn_le16((uint16_t)(w + (w & 0x7f80 ? off : 0)));
        __builtin_memcpy(words + 2 * i, &sum, sizeof sum);
    }
}

ZN_FN void joint_add_base_32(uint8_t *words, size_t n, int more) {
    const uint32_t off = (uint32_t)more << 23;
    for (size_t i = 0; i < n; i++) {
        const uint32_t w = zn_get_u32(words + 4 * i);
        zn_put_u32(words + 4 * i, w + (w & 0x7f800000 ? off : 0));
    }
}

ZN_FN void add_base_to_words(size_t width, uint8_t *words, size_t n, int more) {
    if (width == 2)
        joint_add_base_16(words, n, more);
    else
        joint_add_base_32(words, n, more);
}

/* ---- columns ---- */

/* Returns the distance of a symbol from a mean, which is cut on both sides, plus ZN_MEAN_LOW. */
ZN_FN uint16_t mean_distance(uint16_t mean, uint8_t symbol) {
    const uint16_t least = (uint16_t)(mean - ZN_MEAN_LOW), most = (uint16_t)(mean + ZN_MEAN_LOW);
    const uint16_t it = (uint16_t)(ZN_MEAN_LOW + ZN_MEAN_STEP * symbol), low = ZN_MAX(it, least);
    return (uint16_t)(ZN_MIN(low, most) - least);
}

ZN_FN uint8_t mean_foretells(uint16_t mean) {
    return (uint8_t)((uint16_t)(mean + ZN_MEAN_STEP / 2 - ZN_MEAN_LOW) / ZN_MEAN_STEP);
}

ZN_FN uint64_t joint_take_means(uint16_t *restrict mean, const uint8_t *restrict symbols, size_t n, unsigned slow,
                                uint8_t *restrict out) {
    const uint16_t off = (uint16_t)(ZN_MEAN_LOW >> slow);
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const uint16_t distance = mean_distance(mean[i], symbols[i]);
        out[i] = (uint8_t)(symbols[i] - mean_foretells(mean[i]) + 128);
        sum += (uint16_t)(ZN_MAX(distance, ZN_MEAN_LOW) - ZN_MIN(distance, ZN_MEAN_LOW));
        mean[i] = (uint16_t)(mean[i] + (distance >> slow) - off);
    }
    return sum;
}

ZN_FN void joint_add_means(uint16_t *restrict mean, uint8_t *restrict symbols, size_t n, unsigned slow) {
    const uint16_t off = (uint16_t)(ZN_MEAN_LOW >> slow);
    for (size_t i = 0; i < n; i++) {
        const uint8_t symbol = (uint8_t)(symbols[i] + mean_foretells(mean[i]) - 128);
        const uint16_t distance = mean_distance(mean[i], symbol);
        symbols[i] = symbol;
        mean[i] = (uint16_t)(mean[i] + (distance >> slow) - off);
    }
}

/* ---- counting ---- */

ZN_FN void joint_symbols(enum zn_joint joint, const uint8_t *src, size_t n, uint8_t *restrict symbols) {
    for (size_t i = 0; i < n; i++)
        symbols[i] = (uint8_t)(joint == ZN_JOINT_16    ? zn_get_u16(src + 2 * i) >> 6
                               : joint == ZN_JOINT_32  ? zn_get_u32(src + 4 * i) >> 22
                               : joint == ZN_JOINT2_16 ? zn_get_u16(src + 2 * i) >> 5
                               : joint == ZN_JOINT2_32 ? zn_get_u32(src + 4 * i) >> 21
                                                       : zn_get_u16(src + 2 * i) >> 9 & 63);
}

/* Exponents stay where they lie in the upper half of a word. An exponent of 0 becomes the greatest number by which `low`
 * counts, so that it never is the least. */
ZN_FN void joint_range(const uint8_t *src, size_t n, size_t width, unsigned *least, unsigned *most) {
    uint16_t low = UINT16_MAX, high = 0;
    for (size_t i = 0; i < n; i++) {
        const uint16_t e = zn_get_u16(src + width * i + width - 2) & 0x7f80, below = (uint16_t)(e - 1);
        low = ZN_MIN(low, below);
        high = ZN_MAX(high, e);
    }
    *least = low == UINT16_MAX ? 1 : (low + 1u) >> 7;
    *most = high >> 7;
}

ZN_FN void range_of_words(size_t width, const uint8_t *src, size_t n, unsigned *least, unsigned *most) {
    if (width == 2)
        joint_range(src, n, 2, least, most);
    else
        joint_range(src, n, 4, least, most);
}

/* Gathers symbols and then counts them with a loop that expects few of them. */
ZN_FN void joint_sample(enum zn_joint joint, const uint8_t *src, size_t n, size_t step, uint32_t counts[256]) {
    const size_t width = zn_joint_info(joint).width;
    uint8_t symbols[JOINT_PIECE];
    size_t taken = 0;
    for (size_t i = 0; i < n; i += 64 * step) {
        const size_t len = ZN_MIN(n - i, (size_t)64);
        if (taken + len > sizeof symbols) {
            ZN_SET.byte_hist(symbols, taken, 1, counts);
            taken = 0;
        }
        joint_symbols(joint, src + i * width, len, symbols + taken);
        taken += len;
    }
    ZN_SET.byte_hist(symbols, taken, 1, counts);
}

/* Piece by piece, so that the symbols stay in the first-level cache. A step of 1, 2 or 4 packs what it takes. */
ZN_FN void joint_class_hist(enum zn_joint joint, const uint8_t *src, size_t n, unsigned block_log2,
                            const uint8_t *class_of, unsigned n_classes, unsigned step,
                            uint16_t (*hist)[ZN_R16_CLASSES]) {
    enum { PIECE = 1 << ZN_R16_MAX_COUNTED };
    const size_t width = zn_joint_info(joint).width, stride = 64 * (size_t)step;
    uint8_t symbols[PIECE + ZN_SLACK];
    for (size_t i = 0; i < n; i += PIECE) {
        const size_t k = ZN_MIN(n - i, (size_t)PIECE);
        size_t taken = 0;
        for (size_t g = 0; g < k; g += stride) {
            const size_t len = ZN_MIN(k - g, (size_t)64);
            joint_symbols(joint, src + (i + g) * width, len, symbols + taken);
            taken += len;
        }
        ZN_SET.class_hist(symbols, taken, block_log2 - step / 2, class_of, n_classes, 1, hist + (i >> block_log2));
    }
}

/* The functions of a set. In each loop the kind of word is a constant. */
#define ZN_JOINT_MOVES(suffix, JOINT)                                                                      \
    ZN_FN void merge_##suffix(const uint8_t *const *raw, const uint8_t *symbols, size_t n, uint8_t *out) { \
        joint_merge(JOINT, raw, symbols, n, out);                                                          \
    }                                                                                                      \
    ZN_FN bool split_##suffix(const uint8_t *src, size_t n, uint8_t *const *raw, uint8_t *symbols) {       \
        return joint_split(JOINT, src, n, raw, symbols);                                                   \
    }
ZN_JOINT_MOVES(j16, ZN_JOINT_16)
ZN_JOINT_MOVES(j32, ZN_JOINT_32)
ZN_JOINT_MOVES(jf16, ZN_JOINT_F16)
ZN_JOINT_MOVES(j2_16, ZN_JOINT2_16)
ZN_JOINT_MOVES(j2_32, ZN_JOINT2_32)

#define ZN_JOINT_COUNTS(suffix, JOINT)                                                                         \
    ZN_FN void class_hist_##suffix(const uint8_t *src, size_t n, unsigned block_log2, const uint8_t *class_of, \
                                   unsigned n_classes, unsigned step, uint16_t(*hist)[ZN_R16_CLASSES]) {       \
        joint_class_hist(JOINT, src, n, block_log2, class_of, n_classes, step, hist);                          \
    }
ZN_JOINT_COUNTS(j16, ZN_JOINT_16)
ZN_JOINT_COUNTS(j32, ZN_JOINT_32)
ZN_JOINT_COUNTS(jf16, ZN_JOINT_F16)

ZN_FN void symbols_of_words(enum zn_joint joint, const uint8_t *src, size_t n, uint8_t *symbols) {
    if (joint == ZN_JOINT2_16)
        joint_symbols(ZN_JOINT2_16, src, n, symbols);
    else if (joint == ZN_JOINT2_32)
        joint_symbols(ZN_JOINT2_32, src, n, symbols);
    else
        joint_symbols(joint, src, n, symbols);
}
