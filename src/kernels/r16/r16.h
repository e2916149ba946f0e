/* The R16 coder by instruction set; kernels.h has the contracts. A set's vector loops take whole turns of the 128 lanes
 * and leave streams of fewer lanes, ragged ends and the last bytes of a stream to the scalar functions.
 */
#ifndef ZN_KERNELS_R16_H
#define ZN_KERNELS_R16_H

#include "kernels/joint/joint_loops.h"
#include "kernels/kernels.h"

bool zn_r16_decode_scalar(struct zn_r16_decoder *d, uint8_t *out, size_t n);
bool zn_r16_decode_16r_scalar(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                              enum zn_store store);
bool zn_r16_decode_halves_scalar(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                                 enum zn_store store);
bool zn_r16_decode_32r_scalar(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                              enum zn_store store);
void zn_r16_encode_scalar(struct zn_r16_encoder *e, const uint8_t *src, size_t n);

void zn_r16_encode_16r_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
void zn_r16_encode_32r_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
void zn_r16_encode_f16_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);

/* Encode symbols [from, to) only, the last symbol first. Lanes and blocks are counted from src[0]. */
void zn_r16_encode_range_scalar(struct zn_r16_encoder *e, const uint8_t *src, size_t from, size_t to);
void zn_r16_encode_range_16r_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t from,
                                    size_t to);
void zn_r16_encode_range_32r_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t from,
                                    size_t to);

/* Do the same; `from` is a multiple of 64. */
void zn_r16_encode_range_f16_scalar(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t from,
                                    size_t to);

bool zn_r16c_decode_scalar(struct zn_r16_decoder *d, const struct zn_r16_contexts *contexts, const uint8_t *context,
                           uint8_t *out, size_t n);
void zn_r16c_encode_scalar(struct zn_r16_encoder *e, const struct zn_r16_contexts *contexts, const uint8_t *context,
                           const uint8_t *src, size_t n);
void zn_r16c_encode_range_scalar(struct zn_r16_encoder *e, const struct zn_r16_contexts *contexts,
                                 const uint8_t *context, const uint8_t *src, size_t from, size_t to);

/* The decoders of the scalar set: faster, with the same results. */
bool zn_r16_decode_portable(struct zn_r16_decoder *d, uint8_t *out, size_t n);
bool zn_r16_decode_16r_portable(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                                enum zn_store store);
bool zn_r16_decode_32r_portable(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                                enum zn_store store);

/* Decoders of joint symbols (kernels/joint/joint_loops.h). */
#define ZN_JOINT_DECODE(suffix, set)                                                                                   \
    bool zn_joint_decode_##suffix##_##set(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n, \
                                          enum zn_store store)
#define ZN_JOINT_DECODERS(set)  \
    ZN_JOINT_DECODE(16, set);   \
    ZN_JOINT_DECODE(32, set);   \
    ZN_JOINT_DECODE(f16, set);  \
    ZN_JOINT_DECODE(2_16, set); \
    ZN_JOINT_DECODE(2_32, set)

#if defined(__x86_64__)
bool zn_r16_decode_avx2(struct zn_r16_decoder *d, uint8_t *out, size_t n);
bool zn_r16_decode_16r_avx2(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n, enum zn_store store);
bool zn_r16_decode_32r_avx2(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                            enum zn_store store);
void zn_r16_encode_avx2(struct zn_r16_encoder *e, const uint8_t *src, size_t n);
void zn_r16_encode_16r_avx2(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
void zn_r16_encode_32r_avx2(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
void zn_r16_encode_f16_avx2(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);

/* Needs AVX-512 F, BW, VL, DQ, VBMI, VBMI2, GFNI and BMI2. */
bool zn_r16_decode_avx512(struct zn_r16_decoder *d, uint8_t *out, size_t n);
bool zn_r16_decode_32r_avx512(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                              enum zn_store store);
bool zn_r16_decode_16r_avx512(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                              enum zn_store store);
bool zn_r16_decode_halves_avx512(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                                 enum zn_store store);
bool zn_r16_decode_f16_avx512(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                              enum zn_store store);
void zn_r16_encode_avx512(struct zn_r16_encoder *e, const uint8_t *src, size_t n);
void zn_r16_encode_16r_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
void zn_r16_encode_32r_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
void zn_r16_encode_f16_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
bool zn_r16c_decode_avx512(struct zn_r16_decoder *d, const struct zn_r16_contexts *contexts, const uint8_t *context,
                           uint8_t *out, size_t n);
void zn_r16c_encode_avx512(struct zn_r16_encoder *e, const struct zn_r16_contexts *contexts, const uint8_t *context,
                           const uint8_t *src, size_t n);
bool zn_r16_decode_halves_avx2(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                               enum zn_store store);
ZN_JOINT_DECODERS(avx2);
ZN_JOINT_DECODERS(avx512);
bool zn_joint_encode_16_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
bool zn_joint_encode_32_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
bool zn_joint_encode_f16_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
bool zn_joint_encode_2_16_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
bool zn_joint_encode_2_32_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);

/* Merge whole groups of joint symbols with two bits of the mantissa. Return how many words they have merged. */
size_t zn_joint_merge_2_16_avx512(const uint8_t *const *raw, const uint8_t *symbols, size_t n, uint8_t *out);
size_t zn_joint_merge_2_32_avx512(const uint8_t *const *raw, const uint8_t *symbols, size_t n, uint8_t *out);

/* class_hist of joint symbols for whole blocks only. Returns how many words these are. */
size_t zn_class_hist_joint_avx512(enum zn_joint joint, const uint8_t *src, size_t n, unsigned block_log2,
                                  const uint8_t *class_of, unsigned n_classes, unsigned step,
                                  uint16_t (*hist)[ZN_R16_CLASSES]);
#endif

#if defined(__aarch64__)
bool zn_r16_decode_neon(struct zn_r16_decoder *d, uint8_t *out, size_t n);
bool zn_r16_decode_16r_neon(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n, enum zn_store store);
bool zn_r16_decode_32r_neon(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                            enum zn_store store);
void zn_r16_encode_neon(struct zn_r16_encoder *e, const uint8_t *src, size_t n);
void zn_r16_encode_16r_neon(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
void zn_r16_encode_32r_neon(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
void zn_r16_encode_f16_neon(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);
bool zn_r16_decode_halves_neon(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                               enum zn_store store);
ZN_JOINT_DECODERS(neon);
#endif

#if defined(__wasm_simd128__)
bool zn_r16_decode_simd128(struct zn_r16_decoder *d, uint8_t *out, size_t n);
bool zn_r16_decode_16r_simd128(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                               enum zn_store store);
bool zn_r16_decode_32r_simd128(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                               enum zn_store store);
bool zn_r16_decode_halves_simd128(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                                  enum zn_store store);
ZN_JOINT_DECODERS(simd128);
#endif

/* Returns the table of the block that holds symbol `pos`. */
static inline const struct zn_r16_table *zn_r16_table_at(const struct zn_r16_decoder *d, size_t pos) {
    return d->tables + (d->ids ? d->ids[pos >> d->block_log2] : 0);
}

/* Prefetches to the L2 cache what `turns` turns of the lanes call for. The L1 cache is needed for the tables. */
static inline void zn_r16_fetch(struct zn_ahead *ahead, size_t turns) {
    const size_t len = turns * ahead->lines * 64;
    if (len == 0 || ahead->len < len) return; /* `at` may be NULL, to which not even 0 may be added */
    for (size_t i = 0; i < len; i += 64) __builtin_prefetch(ahead->at + i, 0, 2);
    ahead->at += len;
    ahead->len -= len;
}

static inline const struct zn_r16_codes *zn_r16_codes_at(const struct zn_r16_encoder *e, size_t pos) {
    return e->tables + (e->ids ? e->ids[pos >> e->block_log2] : 0);
}

#endif
