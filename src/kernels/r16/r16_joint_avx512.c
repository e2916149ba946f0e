/* R16 of joint symbols with AVX-512: the loops of r16_avx512.c, by other planes below the symbols. */
#include "kernels/joint/joint_loops.h"
#include "kernels/r16/r16_joint_last.h"

#if defined(__x86_64__)
#include "kernels/r16/r16_decode_avx512_tpl.h"
#include "kernels/r16/r16_encode_avx512_tpl.h"

/* The last words, less than a turn. They lie in one block. */
static bool encode_last(struct zn_r16_encoder *e, enum zn_joint joint, const uint8_t *src, uint8_t *const *raw,
                        size_t from, size_t n) {
    const struct zn_joint_info info = zn_joint_info(joint);
    const struct zn_r16_codes *const tables = e->tables;
    const uint8_t *const ids = e->ids;
    uint8_t symbols[TURN], *rest[3];
    if (from == n) return true;
    for (unsigned p = 0; p < info.n_raw; p++) rest[p] = raw[p] + zn_joint_raw_len(joint, p, from);
    const bool fits = zn_joint_kernels_scalar.split[joint](src + from * info.width, n - from, rest, symbols);
    e->tables = zn_r16_codes_at(e, from);
    e->ids = NULL;
    zn_r16_encode_range_scalar(e, symbols, 0, n - from);
    e->tables = tables;
    e->ids = ids;
    return fits;
}

#define JOINT_ENTRIES(suffix, KIND, width, FORM, SLOTS, SPLIT)                                                       \
    AVX512 bool zn_joint_decode_##suffix##_avx512(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, \
                                                  size_t n, enum zn_store store) {                                   \
        return decode_words(d, raw, out, n / TURN, width, FORM, SLOTS, store) &&                                     \
               zn_joint_decode_last(d, KIND, raw, out, n / TURN * TURN, n);                                          \
    }                                                                                                                \
    AVX512 bool zn_joint_encode_##suffix##_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, \
                                                  size_t n) {                                                        \
        struct source from = {src, {NULL}};                                                                          \
        for (unsigned p = 0; p < zn_joint_info(KIND).n_raw; p++) from.raw[p] = raw[p];                               \
        const bool fits = encode_last(e, KIND, src, raw, n / TURN * TURN, n);                                        \
        return encode(e, &from, n / TURN, width, SPLIT) && fits;                                                     \
    }
JOINT_ENTRIES(16, ZN_JOINT_16, 2, JOINT, NARROW, JOINTLY)
JOINT_ENTRIES(32, ZN_JOINT_32, 4, JOINT, NARROW, JOINTLY)
JOINT_ENTRIES(f16, ZN_JOINT_F16, 2, JOINT_F16, NARROW, JOINTLY_F16)
JOINT_ENTRIES(2_16, ZN_JOINT2_16, 2, JOINT2, WIDE, JOINTLY2)
JOINT_ENTRIES(2_32, ZN_JOINT2_32, 4, JOINT2, WIDE, JOINTLY2)

/* A packed plane is read 16 bytes past a group's, so that the last two groups are left to the plain loop. */
#define JOINT2_MERGE(suffix, KIND, width)                                                                         \
    AVX512 size_t zn_joint_merge_2_##suffix##_avx512(const uint8_t *const *raw, const uint8_t *symbols, size_t n, \
                                                     uint8_t *out) {                                              \
        const uint8_t *low[3];                                                                                    \
        size_t i = 0;                                                                                             \
        for (; i + 3 * GROUP <= n; i += GROUP) {                                                                  \
            for (unsigned p = 0; p + 1 < (width); p++) low[p] = raw[p] + zn_joint_raw_len(KIND, p, i);            \
            put(out + i * (width), low, _mm512_loadu_si512(symbols + i), width, JOINT2, CACHED);                  \
        }                                                                                                         \
        return i;                                                                                                 \
    }
JOINT2_MERGE(16, ZN_JOINT2_16, 2)
JOINT2_MERGE(32, ZN_JOINT2_32, 4)

#endif
