/* Quantised values with AVX2: all of it is left to the compiler. */
#include "kernels/values/values_loops.h"

#if defined(__x86_64__)
#define ZN_FN __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))) static inline
#include "kernels/values/values_tpl.h"

const struct zn_values_kernels zn_values_kernels_avx2 = {.unpack = values_unpack,
                                                         .pack = values_pack,
                                                         .keys = values_keys,
                                                         .restore = values_restore,
                                                         .divide = values_divide};
#endif
