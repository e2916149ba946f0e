/* The kernels, one for each row of shapes.def and one for each general case. A block is one warp and decodes one chunk:
 * then all that a warp shares is uniform for the compiler. */
#include <stdint.h>

#include "gpu/device.h"
#include "gpu/cuda.cuh"
#include "gpu/decode_tpl.h"

static __device__ uint32_t shared_base(void) {
    extern __shared__ __align__(1024) unsigned char room[];
    return (uint32_t)__cvta_generic_to_shared(room);
}

/* Decodes chunks[0, gridDim.x) to dst; status[i] is 0, or 1 if chunk i is damaged. `warps` fit into a multiprocessor at least: 16
 * keep it busy, says doc/internals/gpu.md; the general kernels are too large for that. */
#define PASTE(version, name) zipnn_decode_##version##_##name
#define NAME(version, name) PASTE(version, name)
#define KERNEL(name, warps, shape)                                                                                  \
    extern "C" __global__ void __launch_bounds__(32, warps)                                                         \
        NAME(ZN_GPU_VERSION, name)(const struct zn_gpu_chunk *chunks, uint32_t *status, uint64_t dst) {                    \
        const struct zn_gpu_chunk *c = &chunks[blockIdx.x];                                                         \
        const uint32_t bad = decode(c, shape, shared_base(), dst);                                                  \
        if (gpu_lane() == 0) status[blockIdx.x] = bad;                                                              \
    }

static __device__ __forceinline__ struct zn_gpu_shape general(const struct zn_gpu_chunk *c, uint8_t width, uint8_t second) {
    struct zn_gpu_shape s = c->shape;
    s.width = width;
    s.second = second;
    return s;
}

#define SHAPE(id, width, second, slots, rotated, based, n_planes, top, low, b0, b1, b2, s0, s1, s2)                 \
    KERNEL(id, 16, (zn_gpu_shape{width, second, slots, rotated, based, n_planes, top, low, {b0, b1, b2, 0}, {s0, s1, s2, 0}}))
#include "gpu/shapes.def"
#undef SHAPE

KERNEL(GENERAL_1, 12, general(c, 1, 0))
KERNEL(GENERAL_2, 12, general(c, 2, 0))
KERNEL(GENERAL_4, 12, general(c, 4, 0))
KERNEL(SECOND_1, 12, general(c, 1, 1))
KERNEL(SECOND_2, 12, general(c, 2, 1))
KERNEL(SECOND_4, 12, general(c, 4, 1))
