/* The kernel's primitives on a GPU of NVIDIA, from compute capability 8.0 on. What each means stands in the emulation
 * (tests/gpu/emulator.h). */
#define GPU_FN static __device__ __forceinline__
#define GPU_UNROLL _Pragma("unroll")
#define GPU_NO_UNROLL _Pragma("unroll 1")

GPU_FN uint32_t gpu_lane(void) { return threadIdx.x & 31; }
GPU_FN uint32_t gpu_ballot(bool p) { return __ballot_sync(~0u, p); }
GPU_FN bool gpu_any(bool p) { return __any_sync(~0u, p); }
GPU_FN bool gpu_all(bool p) { return __all_sync(~0u, p); }
GPU_FN uint32_t gpu_shuffle(uint32_t v, uint32_t lane) { return __shfl_sync(~0u, v, lane); }
GPU_FN void gpu_barrier(void) { __syncwarp(); }

GPU_FN uint32_t gpu_count(uint32_t v) { return __popc(v); }
GPU_FN uint32_t gpu_lowest(uint32_t v) { return __ffs(v) - 1; }
GPU_FN uint32_t gpu_bytes(uint32_t a, uint32_t b, uint32_t s) { return __byte_perm(a, b, s); }
GPU_FN uint32_t gpu_funnel(uint32_t lo, uint32_t hi, uint32_t s) { return __funnelshift_r(lo, hi, s); }
GPU_FN uint32_t gpu_dot2(uint32_t a, uint32_t b, uint32_t c) { return __dp2a_lo(a, b, c); }

GPU_FN uint32_t gpu_shared_load32(uint32_t a) { uint32_t v; asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(a)); return v; }
GPU_FN uint32_t gpu_shared_load8(uint32_t a) { uint32_t v; asm volatile("ld.shared.u8 %0, [%1];" : "=r"(v) : "r"(a)); return v; }
GPU_FN void gpu_shared_store32(uint32_t a, uint32_t v) { asm volatile("st.shared.u32 [%0], %1;" ::"r"(a), "r"(v) : "memory"); }

/* What is loaded does not change while the kernel runs. */
GPU_FN uint32_t gpu_load32(uint64_t p) { uint32_t v; asm("ld.global.nc.u32 %0, [%1];" : "=r"(v) : "l"(p)); return v; }
GPU_FN uint32_t gpu_load8(uint64_t p) { uint32_t v; asm("ld.global.nc.u8 %0, [%1];" : "=r"(v) : "l"(p)); return v; }
GPU_FN void gpu_store8(uint64_t p, uint32_t v) { asm volatile("st.global.u8 [%0], %1;" ::"l"(p), "r"(v) : "memory"); }
GPU_FN void gpu_store16(uint64_t p, uint32_t v) { asm volatile("st.global.u16 [%0], %1;" ::"l"(p), "h"((unsigned short)v) : "memory"); }
GPU_FN void gpu_store32(uint64_t p, uint32_t v) { asm volatile("st.global.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory"); }
GPU_FN void gpu_store64(uint64_t p, uint32_t a, uint32_t b) { asm volatile("st.global.cs.v2.u32 [%0], {%1, %2};" ::"l"(p), "r"(a), "r"(b) : "memory"); }
GPU_FN void gpu_store128(uint64_t p, uint32_t a, uint32_t b, uint32_t c, uint32_t d) { asm volatile("st.global.cs.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(a), "r"(b), "r"(c), "r"(d) : "memory"); }

GPU_FN void gpu_copy16(uint32_t s, uint64_t g) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(s), "l"(g) : "memory"); }
GPU_FN void gpu_copy4(uint32_t s, uint64_t g) { asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(s), "l"(g) : "memory"); }
GPU_FN void gpu_copy_group(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }
GPU_FN void gpu_copy_wait_but_one(void) { asm volatile("cp.async.wait_group 1;" ::: "memory"); }
GPU_FN void gpu_copy_wait_all(void) { asm volatile("cp.async.wait_group 0;" ::: "memory"); }
