/* The kernels that are in the library: a fatbin, if it was built with one (cmake/gpu_kernels.cmake). */
#ifndef ZN_GPU_EMBEDDED_KERNELS_H
#define ZN_GPU_EMBEDDED_KERNELS_H

#include <stddef.h>

extern const unsigned char zn_gpu_kernels[];
extern const size_t zn_gpu_kernels_len; /* 0: there are none */

#endif
