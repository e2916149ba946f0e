/* Floats as joint symbols: the low bits of the exponent and the upper ones of the mantissa (doc/format.md, section 5.3):
 * seven and one; of fp16, whose exponents have five, all of these and one; six and two in the kinds called 2.
 *
 * The word is rotated left by one bit first; its bits, from the lowest up:
 *
 *     ZN_JOINT_16   0 .. 6 packed    | 7 .. 14 symbol                                      | 15 is 0
 *     ZN_JOINT_32   0 .. 7, 8 .. 15  | 16 .. 22 packed | 23 .. 30 symbol                   | 31 is 0
 *     ZN_JOINT_F16  0 .. 7           | 8, 9 packed     | 10 .. 15 symbol
 *     ZN_JOINT2_16  0 .. 5 packed    | 6 .. 13 symbol                                      | 14 | 15 is 0
 *     ZN_JOINT2_32  0 .. 7, 8 .. 15  | 16 .. 21 packed | 22 .. 29 symbol                   | 30 | 31 is 0
 *
 * Bit 14 or 30, which is worth 64 in the exponent, is set unless the symbol is below 4. So exponents are below 128, and
 * with two bits 0 or above 64; encoders report those that are not.
 *
 * The planes below the symbols are raw[0 ..] in this order. A packed one holds numbers of k bits from the low bit up,
 * as pack_bits makes them: k bytes for 8 elements, and (n % 8 * k + 7) / 8 for the last ones, whose unused bits are 0.
 */
#ifndef ZN_KERNELS_JOINT_LOOPS_H
#define ZN_KERNELS_JOINT_LOOPS_H

#include "kernels/kernels.h"

enum zn_joint { ZN_JOINT_16, ZN_JOINT_32, ZN_JOINT_F16, ZN_JOINT2_16, ZN_JOINT2_32, ZN_N_JOINTS };

enum { ZN_JOINT2_BASE = 64 }; /* added to an exponent of six bits that is not 0 */

/* The planes below the symbols: their number, the packed one, and the bits of its numbers; and the bytes of a word. */
struct zn_joint_info {
    uint8_t n_raw, packed, bits, width;
};

static inline struct zn_joint_info zn_joint_info(enum zn_joint joint) {
    static const struct zn_joint_info info[ZN_N_JOINTS] = {
        {1, 0, 7, 2}, {3, 2, 7, 4}, {2, 1, 2, 2}, {1, 0, 6, 2}, {3, 2, 6, 4}};
    return info[joint];
}

/* Returns the bytes of raw[p] for n elements. */
static inline size_t zn_joint_raw_len(enum zn_joint joint, unsigned p, size_t n) {
    const struct zn_joint_info info = zn_joint_info(joint);
    return p == info.packed ? n / 8 * info.bits + (n % 8 * info.bits + 7) / 8 : n;
}

/* Returns the kind of joint symbols with one or two bits of the mantissa for words of ZN_SHAPE_16R, _32R, or with one
 * bit _F16. */
static inline enum zn_joint zn_joint_of_shape(enum zn_shape shape, unsigned bits) {
    if (shape == ZN_SHAPE_F16) return ZN_JOINT_F16;
    if (bits == 2) return shape == ZN_SHAPE_16R ? ZN_JOINT2_16 : ZN_JOINT2_32;
    return shape == ZN_SHAPE_16R ? ZN_JOINT_16 : ZN_JOINT_32;
}

/* Returns whether the symbols are coded by R16W. */
static inline bool zn_joint_is_wide(enum zn_joint joint) {
    return joint == ZN_JOINT2_16 || joint == ZN_JOINT2_32;
}

/* The mean of a column of a matrix: ZN_MEAN_LOW, and ZN_MEAN_STEP for each symbol. It foretells the symbol that it is
 * nearest to, and moves by 2^-slow of the distance to the real one, which counts as ZN_MEAN_LOW at most. */
enum { ZN_MEAN_STEP = 128, ZN_MEAN_LOW = 8 * ZN_MEAN_STEP, ZN_MEAN_SLOWEST = 7 };

/* Returns the mean that foretells a symbol. */
static inline uint16_t zn_mean_of(uint8_t symbol) {
    return (uint16_t)(ZN_MEAN_LOW + ZN_MEAN_STEP * symbol);
}

struct zn_joint_kernels {
    /* r16_decode of the symbols, by R16W in the kinds called 2, fused with the merge: it writes n words to `out`.
     * lanes_log2 is 7, and symbols of fp16 are below 64. 16 bytes past a packed plane must be readable; the stream of the symbols follows it. NULL: the set
     * has no such kernel, and r16_decode and merge, piece by piece, do the same. */
    bool (*decode[ZN_N_JOINTS])(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                                enum zn_store store);

    /* Splits n words into symbols, which are encoded with lanes_log2 7, and the planes below. Returns false if the
     * symbols cannot express an exponent; the output is then useless. NULL: split and r16_encode do the same. */
    bool (*encode[ZN_N_JOINTS])(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);

    void (*merge[ZN_N_JOINTS])(const uint8_t *const *raw, const uint8_t *symbols, size_t n, uint8_t *out);

    /* Splits n words. Returns what encode returns. */
    bool (*split[ZN_N_JOINTS])(const uint8_t *src, size_t n, uint8_t *const *raw, uint8_t *symbols);

    /* zn_kernels.class_hist of the symbols of n words, in blocks up to ZN_R16_MAX_COUNTED. NULL for the kinds called 2.
     */
    void (*class_hist[ZN_N_JOINTS])(const uint8_t *src, size_t n, unsigned block_log2, const uint8_t *class_of,
                                    unsigned n_classes, unsigned step, uint16_t (*hist)[ZN_R16_CLASSES]);

    /* Counts the symbols of every step-th group of 64 words. */
    void (*sample)(enum zn_joint joint, const uint8_t *src, size_t n, size_t step, uint32_t counts[256]);

    /* Finds the symbols of n words, whether they can express the exponents or not. */
    void (*symbols)(enum zn_joint joint, const uint8_t *src, size_t n, uint8_t *symbols);

    /* Finds the least exponent above 0 (1 if there is none) and the greatest one of n words, bf16 or fp32 by their width
     * of 2 or 4 bytes. */
    void (*range)(size_t width, const uint8_t *src, size_t n, unsigned *least, unsigned *most);

    /* Adds `more` to every exponent that is not 0 of n words, of `width` as above. The sums are exponents, too. */
    void (*add_base)(size_t width, uint8_t *words, size_t n, int more);

    /* Turn n symbols that lie in a row into 128 plus their differences from what their means foretell, modulo 256, and
     * back. The means learn the symbols; slow is at most ZN_MEAN_SLOWEST. `take` returns the sum of the distances. */
    uint64_t (*take_means)(uint16_t *mean, const uint8_t *symbols, size_t n, unsigned slow, uint8_t *out);
    void (*add_means)(uint16_t *mean, uint8_t *symbols, size_t n, unsigned slow);
};

extern const struct zn_joint_kernels zn_joint_kernels_scalar;
#if defined(__x86_64__)
extern const struct zn_joint_kernels zn_joint_kernels_avx2;
extern const struct zn_joint_kernels zn_joint_kernels_avx512;
#elif defined(__aarch64__)
extern const struct zn_joint_kernels zn_joint_kernels_neon;
#elif defined(__wasm_simd128__)
extern const struct zn_joint_kernels zn_joint_kernels_simd128;
#endif

#endif
