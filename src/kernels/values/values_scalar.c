/* Quantised values without instructions of their own; NEON's set takes them, too: the compiler makes its vectors. */
#define ZN_FN static inline
#include "kernels/values/values_tpl.h"

const struct zn_values_kernels zn_values_kernels_scalar = {
    .unpack = values_unpack, .keys = values_keys, .rebuild = values_rebuild, .divide = values_divide};
