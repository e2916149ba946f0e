/* A set whose loops over words are all plain C: its loops_*.c includes this once and has ZN_PLAIN_LOOPS among the set's
 * initialisers.
 */
#define ZN_FN static inline
#include "kernels/words/loops_tpl.h"

/* Plain C has no stores that bypass the caches. */
#define MERGE(shape)                                                                                      \
    ZN_FN void merge_##shape(const uint8_t *const *planes, size_t n, uint8_t *out, enum zn_store store) { \
        (void)store;                                                                                      \
        plain_merge_##shape(planes, n, out);                                                              \
    }
MERGE(8)
MERGE(16)
MERGE(16r)
MERGE(32)
MERGE(32r)
MERGE(64)
MERGE(64r)
MERGE(f16)

ZN_PLAIN_SAMPLES

#define ZN_PLAIN_LOOPS                                                                                               \
    .r16c_decode = zn_r16c_decode_scalar, .r16c_encode = zn_r16c_encode_scalar, .r32_decode = zn_r32_decode_scalar,  \
    .split = {plain_split_8,   plain_split_16, plain_split_16r, plain_split_32,                                      \
              plain_split_32r, plain_split_64, plain_split_64r, plain_split_f16},                                    \
    .sample_16r = sample_16r, .sample_32r = sample_32r, .sample_f16 = sample_f16,                                    \
    .merge = {merge_8, merge_16, merge_16r, merge_32, merge_32r, merge_64, merge_64r, merge_f16},                    \
    .settle = plain_settle, .class_hist = plain_class_hist, .class_hist_16r = class_hist_16r,                        \
    .class_hist_32r = class_hist_32r, .class_hist_f16 = class_hist_f16, .byte_hist = plain_byte_hist,                \
    .assign = plain_assign, .hist_weights = plain_hist_weights, .hist_sums = plain_hist_sums,                        \
    .pack_bits = plain_pack_bits, .unpack_bits = plain_unpack_bits, .delta = &zn_delta_kernels_scalar,               \
    .values = &zn_values_kernels_scalar, .xxh3_64 = zn_xxh3_64_scalar, .xxh3_64_passing = zn_xxh3_64_passing_scalar, \
    .xxh3_update = zn_xxh3_update_scalar
