/* A driver of CUDA without a GPU, for the tests of zipnn/gpu.h: memory of the device is that of the process, and kernels run under emulation.
 * What is put on a stream is done when the stream is waited for, not earlier: whoever reads too early, or writes what is still to be read, is
 * found out by wrong bytes. */
#include "gpu/fake_driver.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/emulated.h"

enum {
    FAILED = 999,
    NO_MEMORY = 2,
    NOT_FOUND = 500,
    MAX_BLOCKS = 256,
    MAX_STREAMS = 16,
    MAX_OPERATIONS = 256,
    ALIGN = 256
};

struct block {
    uint8_t *at, *stored;
    size_t len;
    bool host;
};

struct operation {
    void *to;
    const void *from;
    size_t len; /* 0: a launch */
    emu_kernel *kernel;
    uint64_t chunks, status, dst;
    uint32_t n, shared;
};

struct stream {
    bool used;
    struct operation op[MAX_OPERATIONS];
    unsigned n;
};

static struct {
    struct block block[MAX_BLOCKS];
    struct stream stream[MAX_STREAMS]; /* 0: the default stream */
    unsigned calls, failing_call, live, pushed;
    uint8_t mark; /* of the bytes that the last launch stored */
} fake;

FAKE_API void fake_fail_at(unsigned call) {
    fake.calls = 0;
    fake.failing_call = call;
}

FAKE_API unsigned fake_live(void) {
    return fake.live + fake.pushed;
}

/* Counts a call that may fail, and returns whether it does. */
static bool fails(void) {
    return ++fake.calls == fake.failing_call;
}

/* ---- devices and kernels ----------------------------------------------------------------------------------------- */

FAKE_API int cuInit(unsigned flags) {
    (void)flags;
    return fails() ? FAILED : 0;
}

FAKE_API int cuGetErrorString(int error, const char **text) {
    *text = error == NO_MEMORY ? "out of memory" : "a fault that a test planted";
    return 0;
}

FAKE_API int cuDeviceGet(int *device, int number) {
    *device = number;
    return fails() ? FAILED : 0;
}

FAKE_API int cuDeviceGetAttribute(int *value, int attribute, int device) {
    enum { MAJOR = 75, OLD_DEVICE = 7 };
    *value = attribute == MAJOR ? (device == OLD_DEVICE ? 7 : 9) : 0;
    return 0;
}

FAKE_API int cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    if (fails()) return FAILED;
    fake.live++;
    *context = &fake;
    return 0;
}

FAKE_API int cuDevicePrimaryCtxRelease_v2(int device) {
    (void)device;
    fake.live--;
    return 0;
}

FAKE_API int cuCtxPushCurrent_v2(void *context) {
    if (context != &fake) return FAILED;
    fake.pushed++;
    return 0;
}

FAKE_API int cuCtxPopCurrent_v2(void **context) {
    *context = &fake;
    fake.pushed--;
    return 0;
}

FAKE_API int cuModuleLoadData(void **module, const void *code) {
    const bool old = strcmp(code, FAKE_OLD_CODE) == 0;
    if (fails() || (!old && strcmp(code, FAKE_CODE) != 0)) return FAILED;
    fake.live++;
    *module = old ? (void *)fake.stream : &fake;
    return 0;
}

FAKE_API int cuModuleUnload(void *module) {
    (void)module;
    fake.live--;
    return 0;
}

FAKE_API int cuModuleGetFunction(void **function, void *module, const char *name) {
    for (unsigned k = 0; k < ZN_GPU_N_KERNELS && module == &fake; k++) {
        char own[64];
        zn_gpu_kernel_symbol((enum zn_gpu_kernel)k, own, sizeof own);
        if (strcmp(own, name) == 0) {
            *function = (void *)&emu_kernels[k];
            return fails() ? FAILED : 0;
        }
    }
    return NOT_FOUND;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void *take(size_t len, bool host) {
    for (struct block *b = fake.block; b < fake.block + MAX_BLOCKS; b++) {
        if (b->at) continue;
        b->at = aligned_alloc(ALIGN, (len + ALIGN) / ALIGN * ALIGN);
        b->stored = host ? NULL : calloc(len + 1, 1);
        b->len = len;
        b->host = host;
        if (!b->at || (!host && !b->stored)) return NULL;
        memset(b->at, 0xC3, len);
        fake.live++;
        return b->at;
    }
    return NULL;
}

static int give(const void *at) {
    for (struct block *b = fake.block; b < fake.block + MAX_BLOCKS; b++) {
        if (b->at != at) continue;
        free(b->at);
        free(b->stored);
        *b = (struct block){0};
        fake.live--;
        return 0;
    }
    return FAILED;
}

FAKE_API int cuMemAlloc_v2(uint64_t *at, size_t len) {
    void *p = fails() ? NULL : take(len, false);
    if (!p) return NO_MEMORY;
    *at = (uintptr_t)p;
    return 0;
}

FAKE_API int cuMemFree_v2(uint64_t at) {
    return give((const void *)(uintptr_t)at);
}

FAKE_API int cuMemHostAlloc(void **at, size_t len, unsigned flags) {
    (void)flags;
    void *p = fails() ? NULL : take(len, true);
    if (!p) return NO_MEMORY;
    *at = p;
    return 0;
}

FAKE_API int cuMemFreeHost(void *at) {
    return give(at);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

FAKE_API int cuStreamCreate(void **stream, unsigned flags) {
    (void)flags;
    if (fails()) return FAILED;
    for (struct stream *s = fake.stream + 1; s < fake.stream + MAX_STREAMS; s++) {
        if (s->used) continue;
        s->used = true;
        s->n = 0;
        fake.live++;
        *stream = s;
        return 0;
    }
    return FAILED;
}

FAKE_API int cuStreamDestroy_v2(void *stream) {
    ((struct stream *)stream)->used = false;
    fake.live--;
    return 0;
}

static int add(void *stream, struct operation op) {
    struct stream *s = stream ? (struct stream *)stream : fake.stream;
    if (fails() || s->n == MAX_OPERATIONS) return FAILED;
    s->op[s->n++] = op;
    return 0;
}

FAKE_API int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t len, void *stream) {
    return add(stream, (struct operation){.to = (void *)(uintptr_t)to, .from = from, .len = len});
}

FAKE_API int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t len, void *stream) {
    return add(stream, (struct operation){.to = to, .from = (const void *)(uintptr_t)from, .len = len});
}

FAKE_API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t len, void *stream) {
    return add(stream,
               (struct operation){.to = (void *)(uintptr_t)to, .from = (const void *)(uintptr_t)from, .len = len});
}

FAKE_API int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                            unsigned block_y, unsigned block_z, unsigned shared, void *stream, void **parameters,
                            void **extra) {
    struct operation op = {.n = grid_x, .shared = shared};
    if (grid_y != 1 || grid_z != 1 || block_x != 32 || block_y != 1 || block_z != 1 || extra) return FAILED;
    memcpy(&op.kernel, function, sizeof op.kernel);
    memcpy(&op.chunks, parameters[0], sizeof op.chunks);
    memcpy(&op.status, parameters[1], sizeof op.status);
    memcpy(&op.dst, parameters[2], sizeof op.dst);
    return add(stream, op);
}

/* Runs the blocks of a launch one after the other. They may load from all of the device's memory, and store each byte once. */
static int run(const struct operation *op) {
    const bool wraps = fake.mark == UINT8_MAX;
    fake.mark = wraps ? 1 : (uint8_t)(fake.mark + 1);
    emu_forget();
    emu_mark_stores(fake.mark);
    for (struct block *b = fake.block; b < fake.block + MAX_BLOCKS; b++) {
        if (!b->at || b->host) continue;
        if (wraps) memset(b->stored, 0, b->len);
        emu_allow_loads(b->at, b->len);
        emu_allow_stores(b->at, b->len, b->stored);
    }
    for (uint32_t i = 0; i < op->n; i++) {
        const struct zn_gpu_chunk *chunks = (const struct zn_gpu_chunk *)(uintptr_t)op->chunks;
        struct emu_launch launch = {&chunks[i], (uint32_t *)(uintptr_t)op->status + i, op->dst};
        const char *fault = emu_run(op->kernel, &launch, op->shared, i + 1);
        if (!fault) continue;
        fprintf(stderr, "emulated kernel: %s\n", fault);
        return FAILED;
    }
    return 0;
}

FAKE_API int cuStreamSynchronize(void *stream) {
    struct stream *s = stream ? (struct stream *)stream : fake.stream;
    int answer = fails() ? FAILED : 0;
    for (unsigned i = 0; i < s->n; i++) {
        const struct operation *op = &s->op[i];
        if (op->len)
            memcpy(op->to, op->from, op->len);
        else if (op->kernel)
            answer = run(op) ? FAILED : answer;
    }
    s->n = 0;
    return answer;
}
