/* The library's loops for AVX2, while memory is scarce. */
#include "scarce.h"

#define zn_product_loops_avx2 scarce_loops_avx2
#include "kernels/products/products_avx2.c"
