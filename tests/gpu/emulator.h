/* The kernel's primitives on a processor, to run src/gpu/decode_tpl.h without a GPU. Each thread of a warp has a stack of its own, and the
 * threads run one at a time, in an order that a seed chooses, from one meeting of the warp to the next. The emulation ends a kernel at its first fault:
 *  - an access to global memory that is misaligned, or outside the buffers named; a byte stored twice
 *  - an access to shared memory that is misaligned, out of bounds, or in a race: another thread wrote the byte, or read what is now
 *    written, and no barrier came between. Votes and shuffles are no barriers, as NVIDIA says
 *  - shared memory that is read before its asynchronous copy was waited for
 *  - threads that meet in different places, or wait for threads that have ended
 * Addresses are those of the process. GPUs are little-endian: so must the processor be.
 */
#ifndef ZN_TESTS_GPU_EMULATOR_H
#define ZN_TESTS_GPU_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- for tests */

/* Forgets the buffers that were named. */
void emu_forget(void);

/* Names memory that the kernel may load from. */
void emu_allow_loads(const void *at, size_t len);

/* Names the memory that the kernel may store to, each byte once. `stored`: a byte for each, 0 before; 1 once it is stored. */
void emu_allow_stores(void *at, size_t len, uint8_t *stored);

/* What is written for a byte that is stored, from now on: 1 at first. A caller that takes another one for each of its kernels need not clear what the one before
 * stored. */
void emu_mark_stores(uint8_t mark);

/* Runs a warp with so many bytes of shared memory. Returns NULL, or the first fault in words, which the next run overwrites. */
const char *emu_run(void (*kernel)(void *arg), void *arg, uint32_t shared, uint64_t seed);

/* ---- what the kernel calls; `line` is the place in its source */

enum emu_meeting { EMU_VOTE, EMU_SHUFFLE, EMU_BARRIER };

uint32_t emu_lane(void);
uint32_t emu_meet(enum emu_meeting what, uint32_t value, uint32_t from, int line);
uint32_t emu_load(uint64_t at, unsigned len, int line);
void emu_store(uint64_t at, unsigned len, const uint32_t *v, int line);
uint32_t emu_shared_load(uint32_t at, unsigned len, int line);
void emu_shared_store(uint32_t at, uint32_t v, int line);
void emu_copy(uint32_t shared, uint64_t global, unsigned len, int line); /* lands when its group is waited for */
void emu_copy_group(void);
void emu_copy_wait(unsigned but); /* for all groups of this thread but the last ones */

#define GPU_FN static inline
#define GPU_UNROLL
#define GPU_NO_UNROLL

/* The warp: what all threads pass together. */
#define gpu_lane() emu_lane()
#define gpu_ballot(p) emu_meet(EMU_VOTE, (p), 0, __LINE__) /* bit t: p of thread t */
#define gpu_any(p) (emu_meet(EMU_VOTE, (p), 0, __LINE__) != 0)
#define gpu_all(p) (emu_meet(EMU_VOTE, (p), 0, __LINE__) == UINT32_MAX)
#define gpu_shuffle(v, lane) emu_meet(EMU_SHUFFLE, (v), (lane), __LINE__) /* v of that thread */
#define gpu_barrier() ((void)emu_meet(EMU_BARRIER, 0, 0, __LINE__))

/* Bits and bytes. */
GPU_FN uint32_t gpu_count(uint32_t v) {
    return (uint32_t)__builtin_popcount(v);
}

/* The lowest bit that is set. */
GPU_FN uint32_t gpu_lowest(uint32_t v) {
    return (uint32_t)__builtin_ctz(v);
}

/* Four of the eight bytes of a (0 .. 3) and b (4 .. 7), as the digits of s say, the lowest first. */
GPU_FN uint32_t gpu_bytes(uint32_t a, uint32_t b, uint32_t s) {
    const uint64_t both = a | (uint64_t)b << 32;
    uint32_t r = 0;
    for (unsigned i = 0; i < 4; i++) r |= (uint32_t)(both >> 8 * (s >> 4 * i & 7) & 255) << 8 * i;
    return r;
}

/* 32 bits of the 64 of hi and lo, from bit s mod 32 on. */
GPU_FN uint32_t gpu_funnel(uint32_t lo, uint32_t hi, uint32_t s) {
    return (uint32_t)((lo | (uint64_t)hi << 32) >> (s & 31));
}

/* c + both halves of a, times the two lower bytes of b. */
GPU_FN uint32_t gpu_dot2(uint32_t a, uint32_t b, uint32_t c) {
    return (a & 0xffff) * (b & 255) + (a >> 16) * (b >> 8 & 255) + c;
}

/* Memory of the device, and shared memory by offsets. */
#define gpu_load8(at) emu_load((at), 1, __LINE__)
#define gpu_load32(at) emu_load((at), 4, __LINE__)
#define gpu_store8(at, v) emu_store((at), 1, (const uint32_t[]){(v)}, __LINE__)
#define gpu_store16(at, v) emu_store((at), 2, (const uint32_t[]){(v)}, __LINE__)
#define gpu_store32(at, v) emu_store((at), 4, (const uint32_t[]){(v)}, __LINE__)
#define gpu_store64(at, a, b) emu_store((at), 8, (const uint32_t[]){(a), (b)}, __LINE__)
#define gpu_store128(at, a, b, c, d) emu_store((at), 16, (const uint32_t[]){(a), (b), (c), (d)}, __LINE__)
#define gpu_shared_load8(at) emu_shared_load((at), 1, __LINE__)
#define gpu_shared_load32(at) emu_shared_load((at), 4, __LINE__)
#define gpu_shared_store32(at, v) emu_shared_store((at), (v), __LINE__)

/* Copies from global to shared memory that go on while the thread does. */
#define gpu_copy16(shared, global) emu_copy((shared), (global), 16, __LINE__)
#define gpu_copy4(shared, global) emu_copy((shared), (global), 4, __LINE__)
#define gpu_copy_group() emu_copy_group()
#define gpu_copy_wait_but_one() emu_copy_wait(1)
#define gpu_copy_wait_all() emu_copy_wait(0)

#endif
