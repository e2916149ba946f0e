/* The library's loops for pairs of bf16, while memory is scarce. */
#include "scarce.h"

#define zn_multiply_pairs_avx512 scarce_pairs_avx512
#include "kernels/products/products_pairs_avx512.c"
