/* The kernels under emulation. */
#ifndef ZN_TESTS_GPU_EMULATED_H
#define ZN_TESTS_GPU_EMULATED_H

#include "gpu/emulator.h"
#include "gpu/prepare.h"

/* A launch of one chunk; *status is what the kernel says of it. */
struct emu_launch {
    const struct zn_gpu_chunk *chunk;
    uint32_t *status;
    uint64_t dst;
};

typedef void emu_kernel(void *launch);

/* Indexed by enum zn_gpu_kernel. */
extern emu_kernel *const emu_kernels[ZN_GPU_N_KERNELS];

/* The kernel with a fault planted (tests/gpu/CMakeLists.txt), for chunks of every shape. */
struct emu_faulty {
    const char *fault;
    emu_kernel *kernel;
};

extern const struct emu_faulty *const emu_faulty[];
extern const size_t emu_n_faulty;

#endif
