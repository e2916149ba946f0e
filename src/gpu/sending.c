#include "gpu/sending.h"

#include "archive/references.h"
#include "gpu/prepare.h"
#include "workers/ends.h"

enum { ALIGN = 16 };

static size_t aligned(size_t n) {
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* Bytes that the descriptions and statuses of all chunks take, and what may be read past the last body. */
static size_t reserve(void) {
    return ZN_BATCH_CHUNKS * (sizeof(struct zn_gpu_chunk) + sizeof(uint32_t)) + ZN_GPU_PAD + 2 * ALIGN;
}

void zn_batch_begin(struct zn_batch *b, const struct zn_batch_room *room) {
    b->room = *room;
    b->used = 0;
    b->n = 0;
    b->original = 0;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

/* Copies a frame to the end of the batch, and verifies the copy. */
static zipnn_status take_frame(struct zn_batch *b, struct zn_worker *w, const struct zn_chunk_of *from,
                               struct zn_chunk_body *body, zipnn_error *err) {
    const struct zn_place *p = &from->archive->places[from->index];
    const struct zn_scope scope = {from->archive, 0, false};
    uint8_t *at = b->room.pinned + b->used;
    ZN_TRY(zn_input_copy(&from->archive->self.in, p->at, (size_t)zn_frame_size(&p->frame), at, err));
    return zn_frame_open(w, &scope, (struct zn_whole_frame){at, p}, body, err);
}

zipnn_status zn_batch_add(struct zn_batch *b, struct zn_worker *w, const struct zn_chunk_of *from, uint64_t dst,
                          enum zn_batch_answer *answer, zipnn_error *err) {
    const struct zn_place *p = &from->archive->places[from->index];
    const size_t size = (size_t)zn_frame_size(&p->frame), meta_at = aligned(b->used + size);
    const size_t bound = zn_gpu_meta_bound(p->frame.orig_len);
    struct zn_chunk_body body;
    struct zn_gpu_room room;
    size_t meta_len;
    *answer = ZN_BATCH_FULL;
    if (b->n == ZN_BATCH_CHUNKS || meta_at + bound + reserve() > b->room.cap) return ZIPNN_OK;
    *answer = ZN_BATCH_HOST;
    if (p->at == ZN_NOWHERE) return ZIPNN_OK;
    ZN_TRY(take_frame(b, w, from, &body, err));
    room = (struct zn_gpu_room){.body = b->room.device + b->used + ZN_FRAME_LEN,
                                .dst = dst,
                                .meta = b->room.device + meta_at,
                                .bytes = b->room.pinned + meta_at,
                                .cap = bound};
    if (body.data[0] != ZN_KIND_CHUNK ||
        !zn_gpu_prepare(&w->coder, &body, p->frame.orig_len, &room, &b->chunk[b->n], &meta_len))
        return ZIPNN_OK;
    b->from[b->n++] = *from;
    b->used = aligned(meta_at + meta_len);
    b->original += p->frame.orig_len;
    *answer = ZN_BATCH_TAKEN;
    return ZIPNN_OK;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

/* Writes the descriptions, sorted by kernel, and notes where the chunks of each begin. */
static void put_chunks(struct zn_batch *b, uint8_t *to) {
    struct zn_launches *l = &b->launches;
    struct zn_chunk_of from[ZN_BATCH_CHUNKS];
    l->n = 0;
    for (unsigned k = 0; k < ZN_GPU_N_KERNELS; k++) {
        l->first[k] = l->n;
        l->shared[k] = 0;
        for (unsigned i = 0; i < b->n; i++) {
            const struct zn_gpu_chunk *c = &b->chunk[i];
            if ((unsigned)zn_gpu_kernel_of(&c->shape) != k) continue;
            memcpy(to + l->n * sizeof *c, c, sizeof *c);
            from[l->n++] = b->from[i];
            l->shared[k] = ZN_MAX(l->shared[k], c->shared.size);
        }
    }
    l->first[ZN_GPU_N_KERNELS] = l->n;
    memcpy(b->from, from, l->n * sizeof *from);
}

static void move(struct zn_gpu_chunk *c, uint64_t by) {
    c->edges += by;
    for (unsigned p = 0; p < ZN_GPU_PLANES; p++) c->plane[p] += by;
    c->top.meta += by;
    c->top.in += by;
    c->second.meta += by;
    c->second.in += by;
}

size_t zn_batch_end(struct zn_batch *b) {
    const size_t chunks = b->n * sizeof(struct zn_gpu_chunk);
    b->launches.chunks = b->room.device + b->used;
    put_chunks(b, b->room.pinned + b->used);
    b->status_at = b->used + aligned(chunks);
    b->launches.status = b->room.device + b->status_at;
    b->used += chunks;
    return (size_t)b->status_at + b->n * sizeof(uint32_t) + ZN_GPU_PAD;
}

void zn_batch_settle(struct zn_batch *b) {
    uint8_t *at = b->room.pinned + b->launches.chunks;
    for (unsigned i = 0; i < b->n; i++, at += sizeof(struct zn_gpu_chunk)) {
        struct zn_gpu_chunk c;
        memcpy(&c, at, sizeof c);
        move(&c, b->room.device);
        memcpy(at, &c, sizeof c);
    }
    b->launches.chunks += b->room.device;
    b->launches.status += b->room.device;
}

zipnn_status zn_launch(const struct zn_driver *d, const struct zn_launches *l, uint64_t dst, void *stream,
                       zipnn_error *err) {
    for (unsigned k = 0; k < ZN_GPU_N_KERNELS; k++) {
        const uint32_t n = l->first[k + 1] - l->first[k];
        uint64_t chunks = l->chunks + l->first[k] * sizeof(struct zn_gpu_chunk);
        uint64_t status = l->status + l->first[k] * sizeof(uint32_t);
        void *parameters[] = {&chunks, &status, &dst};
        if (n == 0) continue;
        ZN_TRY(zn_driver_said(d, d->launch(d->kernel[k], n, 1, 1, 32, 1, 1, l->shared[k], stream, parameters, NULL),
                              "launch a kernel", err));
    }
    return ZIPNN_OK;
}

zipnn_status zn_batch_send(const struct zn_driver *d, struct zn_batch *b, uint64_t dst, void *stream,
                           zipnn_error *err) {
    const struct zn_batch_room *r = &b->room;
    if (b->n == 0) return ZIPNN_OK;
    ZN_TRY(zn_driver_said(d, d->to_device(r->device, r->pinned, b->used, stream), "copy to the device", err));
    ZN_TRY(zn_launch(d, &b->launches, dst, stream, err));
    return zn_driver_said(d, d->to_host(r->pinned + b->status_at, b->launches.status, b->n * sizeof(uint32_t), stream),
                          "copy from the device", err);
}

const struct zn_chunk_of *zn_batch_damaged(const struct zn_batch *b) {
    for (unsigned i = 0; i < b->n; i++) {
        uint32_t status;
        memcpy(&status, b->room.pinned + b->status_at + i * sizeof status, sizeof status);
        if (status) return &b->from[i];
    }
    return NULL;
}
