/* The kernel sets that can be compiled in; each is the last thing in its loops_*.c. */
#ifndef ZN_KERNELS_SETS_H
#define ZN_KERNELS_SETS_H

#include "kernels/kernels.h"

#if defined(__x86_64__)
extern const struct zn_kernels zn_kernels_avx2;
extern const struct zn_kernels zn_kernels_avx512;
#elif defined(__aarch64__)
extern const struct zn_kernels zn_kernels_neon;
#elif defined(__wasm_simd128__)
extern const struct zn_kernels zn_kernels_simd128;
#endif

/* The set of which it is known, while compiling, that every machine of the target runs it. */
#if defined(__wasm_simd128__)
#define ZN_KERNELS_OF_TARGET zn_kernels_simd128
#else
#define ZN_KERNELS_OF_TARGET zn_kernels_scalar
#endif

#endif
