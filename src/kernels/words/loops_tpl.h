/* The loops of a kernel set in plain C. Each loops_*.c includes this once, with ZN_FN defined as the storage class and
 * target attribute of its functions, and lets the compiler vectorise them; where a set has better loops of its own,
 * these take the ragged ends. The contracts are in kernels.h.
 */
#include <string.h>

#include "base/bytes.h"
#include "kernels/kernels.h"

/* ---- splitting words into byte planes ---------------------------------------------------------------------------- */

/* Rotates a word by `rot`, 0 or 1. Compilers fold it into nothing or one instruction. */
#define ZN_ROTL(w, rot, bits) ((w) << (rot) | (w) >> (-(rot) & ((bits)-1)))
#define ZN_ROTR(w, rot, bits) ((w) >> (rot) | (w) << (-(rot) & ((bits)-1)))

ZN_FN void plain_split16(const uint8_t *src, size_t n, uint8_t *const *planes, unsigned rot) {
    uint8_t *restrict p0 = planes[0], *restrict p1 = planes[1];
    for (size_t i = 0; i < n; i++) {
        const uint16_t w = zn_get_u16(src + 2 * i), r = rot ? (uint16_t)(w << 1 | w >> 15) : w;
        p0[i] = (uint8_t)r;
        p1[i] = (uint8_t)(r >> 8);
    }
}

ZN_FN void plain_split32(const uint8_t *src, size_t n, uint8_t *const *planes, unsigned rot) {
    uint8_t *restrict p0 = planes[0], *restrict p1 = planes[1], *restrict p2 = planes[2], *restrict p3 = planes[3];
    for (size_t i = 0; i < n; i++) {
        const uint32_t w = zn_get_u32(src + 4 * i), r = ZN_ROTL(w, rot, 32);
        p0[i] = (uint8_t)r;
        p1[i] = (uint8_t)(r >> 8);
        p2[i] = (uint8_t)(r >> 16);
        p3[i] = (uint8_t)(r >> 24);
    }
}

ZN_FN void plain_split64(const uint8_t *src, size_t n, uint8_t *const *planes, unsigned rot) {
    for (size_t i = 0; i < n; i++) {
        const uint64_t w = zn_get_u64(src + 8 * i), r = ZN_ROTL(w, rot, 64);
        for (unsigned p = 0; p < 8; p++) planes[p][i] = (uint8_t)(r >> 8 * p);
    }
}

ZN_FN void plain_split_8(const uint8_t *src, size_t n, uint8_t *const *planes) {
    if (n) memcpy(planes[0], src, n);
}
ZN_FN void plain_split_16(const uint8_t *src, size_t n, uint8_t *const *planes) {
    plain_split16(src, n, planes, 0);
}
ZN_FN void plain_split_16r(const uint8_t *src, size_t n, uint8_t *const *planes) {
    plain_split16(src, n, planes, 1);
}
ZN_FN void plain_split_32(const uint8_t *src, size_t n, uint8_t *const *planes) {
    plain_split32(src, n, planes, 0);
}
ZN_FN void plain_split_32r(const uint8_t *src, size_t n, uint8_t *const *planes) {
    plain_split32(src, n, planes, 1);
}
ZN_FN void plain_split_64(const uint8_t *src, size_t n, uint8_t *const *planes) {
    plain_split64(src, n, planes, 0);
}
ZN_FN void plain_split_64r(const uint8_t *src, size_t n, uint8_t *const *planes) {
    plain_split64(src, n, planes, 1);
}

/* Splits one group of at most 64 elements. `masks` is its 24 bytes of plane 1. */
ZN_FN void plain_split_f16_group(const uint8_t *src, size_t n, uint8_t *restrict low, uint8_t *masks,
                                 uint8_t *restrict top) {
    uint8_t mid[64] = {0};
    uint64_t mask[3] = {0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        const unsigned w = zn_get_u16(src + 2 * i), r = w << 1 | w >> 15;
        low[i] = (uint8_t)r;
        mid[i] = (uint8_t)(r >> 8);
        top[i] = (uint8_t)(r >> 11 & 31);
    }
    for (unsigned i = 0; i < 64; i += 8)
        for (unsigned b = 0; b < 3; b++) {
            const uint64_t bits =
                zn_get_u64(mid + i) >> (2 - b) & 0x0101010101010101; /* the product gathers them on top */
            mask[b] |= bits * 0x0102040810204080 >> 56 << i;
        }
    for (unsigned b = 0; b < 3; b++) zn_put_u64(masks + 8 * b, mask[b]);
}

ZN_FN void plain_split_f16(const uint8_t *src, size_t n, uint8_t *const *planes) {
    for (size_t i = 0; i < n; i += 64)
        plain_split_f16_group(src + 2 * i, ZN_MIN(n - i, 64), planes[0] + i, planes[1] + i / 64 * 24, planes[2] + i);
}

/* The sampling entry of a shape whose words have `width` bytes and fall into n_planes planes, from its `split`. Of
 * fp16's packed plane a group has 24 bytes. */
#define ZN_SAMPLE(suffix, split, width, n_planes)                                                   \
    ZN_FN void sample_##suffix(const uint8_t *src, size_t n, size_t step, uint8_t *const *planes) { \
        uint8_t *to[n_planes];                                                                      \
        for (unsigned p = 0; p < (n_planes); p++) to[p] = planes[p];                                \
        for (size_t i = 0; i < n; i += 64 * step) {                                                 \
            const size_t k = ZN_MIN(n - i, (size_t)64);                                             \
            split(src + i * (width), k, to);                                                        \
            for (unsigned p = 0; p < (n_planes); p++) to[p] += (n_planes) == 3 && p == 1 ? 24 : k;  \
        }                                                                                           \
    }

/* ---- merging byte planes into words ------------------------------------------------------------------------------ */

/* Put together from bytes, not rotated, and stored whole, by the builtin since clang makes no vectors of a memcpy that
 * is fortified: the one form that both gcc 12 (21 GB/s; 12 otherwise) and clang 14 do well. */
ZN_FN void plain_merge16(const uint8_t *const *planes, size_t n, uint8_t *restrict out, unsigned rot) {
    const uint8_t *p0 = planes[0], *p1 = planes[1];
    for (size_t i = 0; i < n; i++) {
        const uint16_t low = p0[i], high = p1[i];
        const uint16_t w = zn_le16((uint16_t)(rot ? high << 7 | low >> 1 | low << 15 : high << 8 | low));
        __builtin_memcpy(out + 2 * i, &w, sizeof w);
    }
}

ZN_FN void plain_merge32(const uint8_t *const *planes, size_t n, uint8_t *restrict out, unsigned rot) {
    const uint8_t *p0 = planes[0], *p1 = planes[1], *p2 = planes[2], *p3 = planes[3];
    for (size_t i = 0; i < n; i++) {
        const uint16_t low = (uint16_t)(p0[i] | p1[i] << 8), high = (uint16_t)(p2[i] | p3[i] << 8);
        zn_put_u16(out + 4 * i, rot ? (uint16_t)(low >> 1 | high << 15) : low);
        zn_put_u16(out + 4 * i + 2, rot ? (uint16_t)(high >> 1 | low << 15) : high);
    }
}

ZN_FN void plain_merge64(const uint8_t *const *planes, size_t n, uint8_t *restrict out, unsigned rot) {
    for (size_t i = 0; i < n; i++) {
        uint64_t r = 0;
        for (unsigned p = 0; p < 8; p++) r |= (uint64_t)planes[p][i] << 8 * p;
        zn_put_u64(out + 8 * i, ZN_ROTR(r, rot, 64));
    }
}

ZN_FN void plain_merge_8(const uint8_t *const *planes, size_t n, uint8_t *out) {
    if (n) memcpy(out, planes[0], n);
}
ZN_FN void plain_merge_16(const uint8_t *const *planes, size_t n, uint8_t *out) {
    plain_merge16(planes, n, out, 0);
}
ZN_FN void plain_merge_16r(const uint8_t *const *planes, size_t n, uint8_t *out) {
    plain_merge16(planes, n, out, 1);
}
ZN_FN void plain_merge_32(const uint8_t *const *planes, size_t n, uint8_t *out) {
    plain_merge32(planes, n, out, 0);
}
ZN_FN void plain_merge_32r(const uint8_t *const *planes, size_t n, uint8_t *out) {
    plain_merge32(planes, n, out, 1);
}
ZN_FN void plain_merge_64(const uint8_t *const *planes, size_t n, uint8_t *out) {
    plain_merge64(planes, n, out, 0);
}
ZN_FN void plain_merge_64r(const uint8_t *const *planes, size_t n, uint8_t *out) {
    plain_merge64(planes, n, out, 1);
}

/* Moves bit i to byte i, as 0 or 1. */
ZN_FN uint64_t plain_spread_bits(uint8_t bits) {
    const uint64_t one_each = bits * 0x0101010101010101u & 0x8040201008040201u;
    return (one_each + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101;
}

ZN_FN void plain_merge_f16_group(const uint8_t *low, const uint8_t *masks, const uint8_t *top, size_t n,
                                 uint8_t *restrict out) {
    uint8_t mid[64];
    for (unsigned i = 0; i < 8; i++)
        zn_put_u64(mid + 8 * i, plain_spread_bits(masks[i]) << 2 | plain_spread_bits(masks[8 + i]) << 1 |
                                    plain_spread_bits(masks[16 + i]));
    for (size_t i = 0; i < n; i++) {
        const unsigned r = (top[i] & 31u) << 11 | (unsigned)mid[i] << 8 | low[i];
        zn_put_u16(out + 2 * i, (uint16_t)(r >> 1 | r << 15));
    }
}

ZN_FN void plain_merge_f16(const uint8_t *const *planes, size_t n, uint8_t *out) {
    for (size_t i = 0; i < n; i += 64)
        plain_merge_f16_group(planes[0] + i, planes[1] + i / 64 * 24, planes[2] + i, ZN_MIN(n - i, 64), out + 2 * i);
}

ZN_FN void plain_settle(void) {}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

ZN_FN void plain_class_hist_block(const uint8_t *p, size_t n, const uint8_t *class_of, unsigned step, uint16_t *hist) {
    uint16_t count[4][ZN_R16_CLASSES] = {{0}}; /* equal neighbours do not wait for each other's increment */
    for (size_t i = 0; i < n; i += 64 * (size_t)step)
        for (size_t k = i; k < ZN_MIN(i + 64, n); k++) count[k & 3][class_of[p[k]]]++;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++)
        hist[c] = (uint16_t)(count[0][c] + count[1][c] + count[2][c] + count[3][c]);
}

ZN_FN void plain_class_hist(const uint8_t *plane, size_t n, unsigned block_log2, const uint8_t *class_of,
                            unsigned n_classes, unsigned step, uint16_t (*hist)[ZN_R16_CLASSES]) {
    const size_t block = (size_t)1 << block_log2;
    (void)n_classes;
    for (size_t i = 0; i < n; i += block)
        plain_class_hist_block(plane + i, ZN_MIN(block, n - i), class_of, step, hist[i >> block_log2]);
}

/* Counting words: class_hist of a set, of what its sample_* gives, piece by piece so that it stays in the first-level
 * cache. Half of a step, 1, 2 or 4, is its logarithm. */
#define ZN_CLASS_HIST(suffix, sample, class_hist, width, n_planes)                                                    \
    ZN_FN void class_hist_##suffix(const uint8_t *src, size_t n, unsigned block_log2, const uint8_t *class_of,        \
                                   unsigned n_classes, unsigned step, uint16_t(*hist)[ZN_R16_CLASSES]) {              \
        enum { PIECE = 1 << ZN_R16_MAX_COUNTED };                                                                     \
        uint8_t planes[n_planes][PIECE + ZN_SLACK], *to[n_planes];                                                    \
        const unsigned packed_log2 = block_log2 - step / 2;                                                           \
        for (unsigned p = 0; p < (n_planes); p++) to[p] = planes[p];                                                  \
        for (size_t i = 0; i < n; i += PIECE) {                                                                       \
            const size_t k = ZN_MIN(n - i, (size_t)PIECE), last = k / 64 % step == 0 ? k % 64 : 0;                    \
            sample(src + i * (width), k, step, to);                                                                   \
            class_hist(to[(n_planes)-1], (k / 64 + step - 1) / step * 64 + last, packed_log2, class_of, n_classes, 1, \
                       hist + (i >> block_log2));                                                                     \
        }                                                                                                             \
    }

/* Samples and counts words with the plain loops. */
#define ZN_PLAIN_SAMPLES                                   \
    ZN_SAMPLE(16r, plain_split_16r, 2, 2)                  \
    ZN_SAMPLE(32r, plain_split_32r, 4, 4)                  \
    ZN_SAMPLE(f16, plain_split_f16, 2, 3)                  \
    ZN_CLASS_HIST(16r, sample_16r, plain_class_hist, 2, 2) \
    ZN_CLASS_HIST(32r, sample_32r, plain_class_hist, 4, 4) \
    ZN_CLASS_HIST(f16, sample_f16, plain_class_hist, 2, 3)

ZN_FN void plain_byte_hist(const uint8_t *p, size_t n, size_t step, uint32_t *hist) {
    uint32_t count[4][256] = {{0}};
    for (size_t i = 0; i < n;) {
        const size_t end = ZN_MIN(n - i, 64) + i;
        size_t k = i;
        for (; k + 4 <= end; k += 4)
            for (unsigned c = 0; c < 4; c++) count[c][p[k + c]]++;
        for (; k < end; k++) count[0][p[k]]++;
        if (step > (n - i) / 64) break;
        i += 64 * step;
    }
    for (unsigned s = 0; s < 256; s++) hist[s] += count[0][s] + count[1][s] + count[2][s] + count[3][s];
}

ZN_FN void plain_assign(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, const uint16_t (*cost)[ZN_R16_CLASSES],
                        unsigned n_tables, uint8_t *ids) {
    for (size_t b = 0; b < n_blocks; b++) {
        uint32_t best = UINT32_MAX;
        for (unsigned t = 0; t < n_tables; t++) {
            uint32_t sum = 0;
            for (unsigned c = 0; c < ZN_R16_CLASSES; c++) sum += (uint32_t)hist[b][c] * cost[t][c];
            if (sum >= best) continue;
            best = sum;
            ids[b] = (uint8_t)t;
        }
    }
}

ZN_FN void plain_hist_weights(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, uint32_t *weights) {
    for (size_t b = 0; b < n_blocks; b++) {
        uint32_t sum = 0;
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++) sum += hist[b][c] * c;
        weights[b] = sum - hist[b][ZN_R16_CLASSES - 1] * (uint32_t)(ZN_R16_CLASSES - 1);
    }
}

ZN_FN void plain_hist_sums(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, const uint8_t *ids,
                           uint32_t (*sums)[ZN_R16_CLASSES]) {
    for (size_t b = 0; b < n_blocks; b++) {
        const uint16_t *restrict from = hist[b];
        uint32_t *restrict to = sums[ids[b]];
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++) to[c] += from[c];
    }
}

/* ---- packing the bits of a mask ---------------------------------------------------------------------------------- */

/* Bit j of a k-bit number is bit place[j] of its byte. */
ZN_FN unsigned plain_bit_places(uint8_t mask, unsigned place[8]) {
    unsigned k = 0;
    for (unsigned b = 0; b < 8; b++)
        if (mask >> b & 1) place[k++] = b;
    return k;
}

ZN_FN void plain_pack_bits(const uint8_t *src, size_t n_groups, uint8_t mask, uint8_t *out) {
    unsigned place[8];
    const unsigned k = plain_bit_places(mask, place);
    uint8_t number[256], group[8];
    for (unsigned v = 0; v < 256; v++) {
        number[v] = 0;
        for (unsigned j = 0; j < k; j++) number[v] |= (uint8_t)((v >> place[j] & 1) << j);
    }
    for (size_t i = 0; i < n_groups; i++, src += 8, out += k) {
        uint64_t bits = 0;
        for (unsigned j = 0; j < 8; j++) bits |= (uint64_t)number[src[j]] << j * k;
        zn_put_u64(group, bits);
        memcpy(out, group, k);
    }
}

ZN_FN void plain_unpack_bits(const uint8_t *in, size_t n_groups, uint8_t mask, uint8_t base, uint8_t *out) {
    unsigned place[8];
    const unsigned k = plain_bit_places(mask, place);
    uint8_t byte[256], group[8] = {0};
    for (unsigned v = 0; v < 1u << k; v++) {
        byte[v] = base;
        for (unsigned j = 0; j < k; j++) byte[v] |= (uint8_t)((v >> j & 1) << place[j]);
    }
    for (size_t i = 0; i < n_groups; i++, in += k, out += 8) {
        memcpy(group, in, k);
        const uint64_t bits = zn_get_u64(group);
        for (unsigned j = 0; j < 8; j++) out[j] = byte[bits >> j * k & ((1u << k) - 1)];
    }
}
