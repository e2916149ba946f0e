/* Quantised values with AVX2. A deposit puts low bits below the symbols that have some. */
#include "kernels/values/values_loops.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_FN __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))) static inline
#define ZN_VALUES_INLINE ZN_FN __attribute__((always_inline))
#include "kernels/values/values_tpl.h"

/* Vectors that all steps of a loop use. */
struct spread {
    __m256i exact, low, flip;
};

ZN_VALUES_INLINE struct spread spread_of(const struct zn_values_code *c, unsigned k) {
    return (struct spread){_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->exact)),
                           _mm256_set1_epi8((char)((1 << k) - 1)), _mm256_set1_epi8((char)c->flip)};
}

/* Takes the low bits of eight values from the stream; `where` has them set. */
ZN_VALUES_INLINE uint64_t spread_8(uint64_t where, struct zn_low_bits *bits) {
    const uint64_t next = zn_get_u64(bits->data + bits->bit / 8) >> bits->bit % 8;
    bits->bit += (size_t)__builtin_popcountll(where);
    return _pdep_u64(next, where);
}

ZN_VALUES_INLINE __m256i spread_32(const struct spread *sp, unsigned k, __m256i s, struct zn_low_bits *bits) {
    const __m256i is_exact = _mm256_cmpgt_epi8(s, _mm256_set1_epi8(15)), where = _mm256_andnot_si256(is_exact, sp->low);
    const uint64_t a = spread_8((uint64_t)_mm256_extract_epi64(where, 0), bits);
    const uint64_t b = spread_8((uint64_t)_mm256_extract_epi64(where, 1), bits);
    const uint64_t c = spread_8((uint64_t)_mm256_extract_epi64(where, 2), bits);
    const uint64_t d = spread_8((uint64_t)_mm256_extract_epi64(where, 3), bits);
    const __m256i below = _mm256_setr_epi64x((long long)a, (long long)b, (long long)c, (long long)d);
    const __m256i index = _mm256_and_si256(s, _mm256_set1_epi8(15));
    const __m256i binned = _mm256_or_si256(_mm256_slli_epi16(index, (int)k), below);
    const __m256i v = _mm256_blendv_epi8(binned, _mm256_shuffle_epi8(sp->exact, index), is_exact);
    return _mm256_xor_si256(v, sp->flip);
}

ZN_VALUES_INLINE void spread_64(const struct spread *sp, unsigned k, __m256i *v, struct zn_low_bits *bits) {
    v[0] = spread_32(sp, k, v[0], bits);
    v[1] = spread_32(sp, k, v[1], bits);
}

#include "kernels/values/values_x86_tpl.h"

const struct zn_values_kernels zn_values_kernels_avx2 = {
    .unpack = values_unpack_x86, .keys = values_keys, .rebuild = values_rebuild_x86, .divide = values_divide};
#endif
