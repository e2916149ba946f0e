#include "gpu/try.h"

#include "gpu/emulator.h"
#include "support/unit.h"

/* Memory of a try: each piece has exactly the bytes that its owner may touch. */
struct memory {
    uint8_t *body, *dst, *stored, *meta, *right;
    size_t body_room;
};

static uint8_t *room(size_t len) {
    uint8_t *p = aligned_alloc(64, (len + 63) / 64 * 64 + 64);
    assert_non_null(p);
    return p;
}

static struct memory lay_out(const uint8_t *body, size_t len, uint32_t orig_len, const struct try_how *how) {
    struct memory m = {.body_room = 2 * ZN_GPU_BEFORE + len + ZN_GPU_PAD};
    m.body = room(m.body_room);
    m.dst = room(orig_len + 16);
    m.stored = room(orig_len + 16);
    m.right = room(orig_len + 16);
    m.meta = room(zn_gpu_meta_bound(orig_len));
    memset(m.body, 0x5A, m.body_room);
    memset(m.dst, 0xEE, orig_len + 16);
    memset(m.stored, 0, orig_len + 16);
    memcpy(m.body + ZN_GPU_BEFORE + how->body_at, body, len);
    return m;
}

static void release(const struct memory *m) {
    free(m->body);
    free(m->dst);
    free(m->stored);
    free(m->right);
    free(m->meta);
}

static bool is_all_stored(const uint8_t *stored, size_t len) {
    return len == 0 || (stored[0] == 1 && memcmp(stored, stored + 1, len - 1) == 0);
}

/* Runs the kernel where it may touch nothing but this chunk's memory. Loads of the rest of a body's last bytes may reach ZN_GPU_PAD further. */
static const char *run(const struct memory *m, size_t len, size_t meta_len, uint32_t orig_len,
                       const struct try_how *how, const struct zn_gpu_chunk *chunk, enum zn_gpu_kernel kernel,
                       uint32_t *status) {
    struct emu_launch launch = {chunk, status, 0};
    emu_forget();
    emu_allow_loads(m->body + how->body_at, ZN_GPU_BEFORE + len + ZN_GPU_PAD);
    emu_allow_loads(m->meta, meta_len);
    emu_allow_stores(m->dst + how->dst_at, orig_len, m->stored + how->dst_at);
    *status = 77;
    return emu_run(how->kernel ? how->kernel : emu_kernels[kernel], &launch, chunk->shared.size, how->seed);
}

static enum try_answer judge(const struct memory *m, uint32_t orig_len, const struct try_how *how, uint32_t status,
                             zipnn_status verdict, const char **why) {
    const uint8_t *dst = m->dst + how->dst_at;
    *why = "the kernel reports nothing";
    if (status > 1) return TRY_WRONG;
    *why = "the kernel restores what the library refuses";
    if (status == 0 && verdict != ZIPNN_OK) return TRY_WRONG;
    *why = "the kernel does not store every byte once";
    if (!is_all_stored(m->stored + how->dst_at, orig_len)) return TRY_WRONG;
    if (status) return verdict == ZIPNN_OK ? TRY_FOUND : TRY_REFUSED;
    *why = "the kernel restores other bytes";
    return memcmp(dst, m->right, orig_len) == 0 ? TRY_SAME : TRY_WRONG;
}

enum try_answer try_body(struct zn_coder *coder, const uint8_t *body, size_t len, uint32_t orig_len,
                         const struct try_how *how, enum zn_gpu_kernel *kernel, const char **why) {
    const struct memory m = lay_out(body, len, orig_len, how);
    const uint8_t *at = m.body + ZN_GPU_BEFORE + how->body_at;
    const struct zn_chunk_body in = {.data = at, .len = len};
    const struct zn_gpu_room to = {.body = (uintptr_t)at,
                                   .dst = (uintptr_t)(m.dst + how->dst_at),
                                   .meta = (uintptr_t)m.meta,
                                   .bytes = m.meta,
                                   .cap = zn_gpu_meta_bound(orig_len)};
    enum try_answer answer = TRY_HOST;
    struct zn_gpu_chunk chunk;
    size_t meta_len;
    if (zn_gpu_prepare(coder, &in, orig_len, &to, &chunk, &meta_len)) {
        uint32_t status;
        if (how->damage) how->damage(&chunk, m.meta, how->number);
        const zipnn_status verdict = zn_chunk_decode(coder, &in, m.right, orig_len, ZN_STORE_CACHED, NULL);
        *kernel = zn_gpu_kernel_of(&chunk.shape);
        if (how->general && *kernel < ZN_GPU_GENERAL_1) {
            const unsigned w = chunk.shape.width == 4 ? 2 : chunk.shape.width / 2u;
            *kernel = (enum zn_gpu_kernel)((chunk.shape.second ? ZN_GPU_SECOND_1 : ZN_GPU_GENERAL_1) + w);
        }
        *why = run(&m, len, meta_len, orig_len, how, &chunk, *kernel, &status);
        answer = *why ? TRY_WRONG : judge(&m, orig_len, how, status, verdict, why);
    }
    release(&m);
    return answer;
}
