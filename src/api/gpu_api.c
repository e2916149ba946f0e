/* The calls of zipnn/gpu.h. */
#include "api/archive.h"
#include "gpu/loading.h"
#include "zipnn/gpu.h"

enum { STAGING = 64 << 20, LEAST_STAGING = ZN_GPU_SLOTS * ZN_BATCH_LEAST };

/* ---- open and close ---------------------------------------------------------------------------------------------- */

static zipnn_status read_options(const zipnn_gpu_options *given, zipnn_gpu_options *options, zipnn_error *err) {
    *options = (zipnn_gpu_options){.size = 0};
    const size_t known = ZN_MIN(given->size, sizeof *options);
    for (size_t i = known; i < given->size; i++)
        if (((const uint8_t *)given)[i])
            return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "options for the GPU that this library does not know");
    memcpy(options, given, known);
    if (options->staging == 0) options->staging = STAGING;
    if (options->staging < LEAST_STAGING)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "%zu bytes of staging memory: at least %d are needed",
                       options->staging, LEAST_STAGING);
    return ZIPNN_OK;
}

static zipnn_status enter(const struct zn_driver *d, zipnn_error *err) {
    return zn_driver_said(d, d->push(d->context), "use the device", err);
}

static void leave(const struct zn_driver *d) {
    void *popped;
    d->pop(&popped);
}

static zipnn_status make_slot(zipnn_gpu *gpu, struct zn_slot_of_gpu *s, size_t cap, zipnn_error *err) {
    const struct zn_driver *d = &gpu->driver;
    void *pinned;
    s->batch = zn_alloc(&gpu->alloc, sizeof *s->batch);
    if (!s->batch) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory opening a GPU");
    ZN_TRY(zn_driver_said(d, d->host_alloc(&pinned, cap, 0), "give pinned memory", err));
    s->room.pinned = (uint8_t *)pinned;
    s->room.cap = cap;
    ZN_TRY(zn_driver_said(d, d->alloc(&s->room.device, cap), "give memory", err));
    return zn_driver_said(d, d->stream_create(&s->stream, 1), "make a stream", err); /* 1: beside the default stream */
}

static void free_slots(zipnn_gpu *gpu) {
    const struct zn_driver *d = &gpu->driver;
    for (struct zn_slot_of_gpu *s = gpu->slot; s < gpu->slot + ZN_GPU_SLOTS; s++) {
        if (s->stream) d->stream_destroy(s->stream);
        if (s->room.device) d->free(s->room.device);
        if (s->room.pinned) d->host_free(s->room.pinned);
        zn_free(&gpu->alloc, s->batch);
    }
}

zipnn_status zipnn_gpu_open(const zipnn_gpu_options *given, zipnn_gpu **gpu, zipnn_error *err) {
    zipnn_gpu_options options;
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    ZN_TRY(zn_given("zipnn_gpu_open", given, gpu, err));
    ZN_TRY(read_options(given, &options, err));
    zipnn_gpu *g = zn_alloc(&alloc, sizeof *g);
    if (!g) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory opening a GPU");
    *g = (zipnn_gpu){.alloc = alloc};
    zipnn_status st = zn_driver_open(&g->driver, options.device, options.code, err);
    if (st == ZIPNN_OK) st = enter(&g->driver, err);
    if (st == ZIPNN_OK) {
        for (unsigned i = 0; i < ZN_GPU_SLOTS && st == ZIPNN_OK; i++)
            st = make_slot(g, &g->slot[i], options.staging / ZN_GPU_SLOTS, err);
        leave(&g->driver);
    }
    if (st == ZIPNN_OK)
        *gpu = g;
    else
        zipnn_gpu_close(g);
    return st;
}

void zipnn_gpu_close(zipnn_gpu *gpu) {
    if (!gpu) return;
    if (gpu->driver.context && enter(&gpu->driver, NULL) == ZIPNN_OK) {
        free_slots(gpu);
        leave(&gpu->driver);
    }
    zn_driver_close(&gpu->driver);
    zn_free(&gpu->alloc, gpu);
}

/* ---- load -------------------------------------------------------------------------------------------------------- */

static zipnn_status begin(struct zn_loading *l, zipnn_gpu *gpu, const zipnn_ctx *ctx, const zipnn_archive *a,
                          uint64_t off, uint64_t len, zipnn_error *err) {
    const uint64_t length = a->original->length;
    if (off > length || len > length - off)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, off, "bytes %llu to %llu are not inside an original of %llu bytes",
                       (unsigned long long)off, (unsigned long long)off + len, (unsigned long long)length);
    *l = (struct zn_loading){.gpu = gpu, .job = &ctx->job, .original = a->original, .off = off, .len = len};
    return enter(&gpu->driver, err);
}

zipnn_status zipnn_gpu_load(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t off, uint64_t len,
                            uint64_t dst, zipnn_gpu_stats *stats, zipnn_error *err) {
    struct zn_loading l;
    ZN_TRY(zn_given("zipnn_gpu_load", gpu, ctx ? archive : NULL, err));
    ZN_TRY(begin(&l, gpu, ctx, archive, off, len, err));
    l.dst = dst;
    const zipnn_status st = zn_gpu_load(&l, err);
    leave(&gpu->driver);
    if (stats) *stats = l.stats;
    return st;
}

/* ---- keep -------------------------------------------------------------------------------------------------------- */

/* Keeps the range, and decodes it once to memory that is freed again. */
static zipnn_status keep(struct zn_loading *l, zipnn_error *err) {
    const struct zn_driver *d = &l->gpu->driver;
    if (l->len == 0) return ZIPNN_OK;
    ZN_TRY(zn_driver_said(d, d->alloc(&l->dst, (size_t)l->len), "give memory", err));
    const zipnn_status st = zn_gpu_load(l, err);
    d->free(l->dst);
    return st;
}

zipnn_status zipnn_gpu_keep(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t off, uint64_t len,
                            zipnn_gpu_kept **kept, zipnn_gpu_stats *stats, zipnn_error *err) {
    struct zn_loading l;
    ZN_TRY(zn_given("zipnn_gpu_keep", gpu, ctx && archive ? kept : NULL, err));
    ZN_TRY(begin(&l, gpu, ctx, archive, off, len, err));
    zipnn_status st = ZIPNN_OK;
    l.kept = zn_alloc(&gpu->alloc, sizeof *l.kept);
    if (l.kept) {
        *l.kept = (struct zipnn_gpu_kept){.gpu = gpu, .off = off};
        st = keep(&l, err);
        if (st != ZIPNN_OK) zn_gpu_drop(l.kept);
    } else {
        st = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory keeping a range");
    }
    leave(&gpu->driver);
    if (stats) *stats = l.stats;
    if (st == ZIPNN_OK) *kept = l.kept;
    return st;
}

static zipnn_status decode(const zipnn_gpu_kept *k, uint64_t dst, void *stream, zipnn_error *err) {
    const struct zn_driver *d = &k->gpu->driver;
    for (size_t i = 0; i < k->n_batches; i++) ZN_TRY(zn_launch(d, &k->batches[i].launches, dst, stream, err));
    for (size_t i = 0; i < k->n_runs; i++) {
        const struct zn_host_run *run = &k->runs[i];
        ZN_TRY(zn_driver_said(
            d, d->on_device(dst + (run->off - k->off), run->device, (size_t)(run->end - run->off), stream),
            "copy on the device", err));
    }
    return ZIPNN_OK;
}

zipnn_status zipnn_gpu_decode(const zipnn_gpu_kept *kept, uint64_t dst, void *stream, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_gpu_decode", kept, kept, err));
    ZN_TRY(enter(&kept->gpu->driver, err));
    const zipnn_status st = decode(kept, dst, stream, err);
    leave(&kept->gpu->driver);
    return st;
}

void zipnn_gpu_drop(zipnn_gpu_kept *kept) {
    if (!kept) return;
    const struct zn_driver *d = &kept->gpu->driver;
    if (enter(d, NULL) != ZIPNN_OK) return;
    zn_gpu_drop(kept);
    leave(d);
}
