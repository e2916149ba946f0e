#include "gpu/emulated.h"

#include "gpu/decode_tpl.h"

#define KERNEL(id, shape_of_it)                                           \
    static void run_##id(void *arg) {                                     \
        const struct emu_launch *launch = (const struct emu_launch *)arg; \
        const struct zn_gpu_chunk *c = launch->chunk;                     \
        const uint32_t bad = decode(c, shape_of_it, 0, launch->dst);      \
        if (gpu_lane() == 0) *launch->status = bad;                       \
    }

static struct zn_gpu_shape general(const struct zn_gpu_chunk *c, uint8_t width, uint8_t second) {
    struct zn_gpu_shape s = c->shape;
    s.width = width;
    s.second = second;
    return s;
}

#define SHAPE(id, width, second, slots, rotated, based, n_planes, top, low, b0, b1, b2, s0, s1, s2) \
    KERNEL(id, ((struct zn_gpu_shape){                                                              \
                   width, second, slots, rotated, based, n_planes, top, low, {b0, b1, b2, 0}, {s0, s1, s2, 0}}))
#include "gpu/shapes.def"
#undef SHAPE

KERNEL(GENERAL_1, general(c, 1, 0))
KERNEL(GENERAL_2, general(c, 2, 0))
KERNEL(GENERAL_4, general(c, 4, 0))
KERNEL(SECOND_1, general(c, 1, 1))
KERNEL(SECOND_2, general(c, 2, 1))
KERNEL(SECOND_4, general(c, 4, 1))

emu_kernel *const emu_kernels[ZN_GPU_N_KERNELS] = {
#define SHAPE(id, ...) run_##id,
#include "gpu/shapes.def"
#undef SHAPE
    run_GENERAL_1, run_GENERAL_2, run_GENERAL_4, run_SECOND_1, run_SECOND_2, run_SECOND_4};
