/* Detects what this processor can do, once per context. */
#ifndef ZN_BASE_CPU_H
#define ZN_BASE_CPU_H

#include <stdbool.h>

struct zn_cpu {
    bool avx2;   /* AVX2, BMI1, BMI2, LZCNT */
    bool avx512; /* the above and F, BW, VL, DQ, VBMI, VBMI2, BITALG, GFNI */
    bool fma;    /* beside avx2: FMA */
    bool bf16;   /* beside avx512: AVX512_BF16 */
    bool sha;    /* SHA extensions and SSE4.1 */
    bool neon;   /* Advanced SIMD on AArch64 */
};

struct zn_cpu zn_cpu_detect(void);

#endif
