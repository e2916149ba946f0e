/* Products by the processor's dot products of pairs of bf16 (AVX512_BF16). */
#include "kernels/products/products_loops.h"

#if defined(__x86_64__)
#include <string.h>

#define ZN_FN                                                                                              \
    __attribute__((                                                                                        \
        target("avx2,bmi,bmi2,lzcnt,popcnt,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2," \
               "avx512bf16"))) static inline
#define ZN_INLINE __attribute__((always_inline)) ZN_FN

enum { TOGETHER = 8, X_BYTES = 64 };

#include "kernels/products/avx512_words.h"

ZN_INLINE struct sum add_words(struct sum s, struct words w, const uint8_t *x) {
    return (struct sum){_mm512_dpbf16_ps(s.v, (__m512bh)w.v, (__m512bh)_mm512_loadu_si512((const void *)x))};
}

#include "kernels/products/products_tpl.h"

void zn_multiply_pairs_avx512(const struct zn_product *product, size_t first, size_t n) {
    multiply(product, first, n);
}
#endif
