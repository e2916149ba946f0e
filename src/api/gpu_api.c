/* The calls of zipnn/gpu.h. */
#include "api/archive.h"
#include "gpu/embedded_kernels.h"
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

int zipnn_gpu_has_kernels(void) {
    return zn_gpu_kernels_len > 0;
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

/* Gives memory for n structs. */
static zipnn_status make_room(const zipnn_gpu *gpu, size_t n, size_t each, void **room, zipnn_error *err) {
    *room = n < SIZE_MAX / each ? zn_alloc(&gpu->alloc, (n + 1) * each) : NULL;
    if (*room) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory for %zu parts to load", n);
}

static zipnn_status check_part(const zipnn_gpu_part *part, zipnn_error *err) {
    if (!part->archive) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a part for the GPU is of no archive");
    const uint64_t length = part->archive->original->length;
    if (part->off <= length && part->len <= length - part->off) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_NOT_FOUND, part->off,
                   "%llu bytes from %llu on are not inside an original of %llu bytes", (unsigned long long)part->len,
                   (unsigned long long)part->off, (unsigned long long)length);
}

static void end(struct zn_loading *l) {
    zn_free(&l->gpu->alloc, (void *)l->parts);
    leave(&l->gpu->driver);
}

/* On success the driver is entered, and `end` must follow. */
static zipnn_status begin(struct zn_loading *l, zipnn_gpu *gpu, const zipnn_ctx *ctx, const zipnn_gpu_part *given,
                          size_t n, zipnn_error *err) {
    void *room;
    for (size_t i = 0; i < n; i++) ZN_TRY(check_part(&given[i], err));
    ZN_TRY(make_room(gpu, n, sizeof(struct zn_gpu_part), &room, err));
    struct zn_gpu_part *parts = room;
    for (size_t i = 0; i < n; i++)
        parts[i] = (struct zn_gpu_part){given[i].archive->original, given[i].off, given[i].len, given[i].dst};
    *l = (struct zn_loading){.gpu = gpu, .job = &ctx->job, .parts = parts, .n_parts = n};
    const zipnn_status st = enter(&gpu->driver, err);
    if (st != ZIPNN_OK) zn_free(&gpu->alloc, parts);
    return st;
}

/* *failed is the number of the part that failed, n if it is not known. */
static zipnn_status load(zipnn_gpu *gpu, const zipnn_ctx *ctx, const zipnn_gpu_part *parts, size_t n, size_t *failed,
                         zipnn_gpu_stats *stats, zipnn_error *err) {
    struct zn_loading l;
    *failed = n;
    ZN_TRY(begin(&l, gpu, ctx, parts, n, err));
    const zipnn_status st = zn_gpu_load(&l, err);
    *failed = l.failed;
    end(&l);
    if (stats) *stats = l.stats;
    return st;
}

zipnn_status zipnn_gpu_load(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_gpu_part *parts, size_t n,
                            zipnn_gpu_stats *stats, zipnn_error *err) {
    size_t failed;
    ZN_TRY(zn_given("zipnn_gpu_load", gpu, ctx ? parts : NULL, err));
    return load(gpu, ctx, parts, n, &failed, stats, err);
}

/* ---- others' containers ------------------------------------------------------------------------------------------ */

static zipnn_status read_buffer(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const zipnn_gpu_buffer *b = user;
    (void)err;
    memcpy(buf, (const uint8_t *)b->archive + off, len);
    return ZIPNN_OK;
}

static zipnn_status view_buffer(void *user, uint64_t off, size_t len, const void **bytes, zipnn_error *err) {
    const zipnn_gpu_buffer *b = user;
    (void)len, (void)err;
    *bytes = (const uint8_t *)b->archive + off;
    return ZIPNN_OK;
}

static zipnn_status open_buffer(zipnn_ctx *ctx, const zipnn_gpu_buffer *b, zipnn_gpu_part *part, zipnn_error *err) {
    /* What reads it does not change it. */
    const zipnn_source source = {
        .read_at = read_buffer, .length = b->len, .user = (void *)(uintptr_t)b, .view = view_buffer};
    zipnn_archive *archive = NULL;
    if (!b->archive) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a buffer for the GPU is NULL");
    ZN_TRY(zipnn_archive_open(ctx, &source, &archive, err));
    const uint64_t length = archive->original->length;
    *part = (zipnn_gpu_part){archive, 0, length, b->dst};
    if (length <= b->cap) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "the original has %llu bytes, its device memory %llu",
                   (unsigned long long)length, (unsigned long long)b->cap);
}

zipnn_status zipnn_gpu_decompress(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_gpu_buffer *buffers, size_t n,
                                  size_t *failed, zipnn_gpu_stats *stats, zipnn_error *err) {
    size_t which = n;
    void *room;
    ZN_TRY(zn_given("zipnn_gpu_decompress", gpu, ctx ? buffers : NULL, err));
    zipnn_status st = make_room(gpu, n, sizeof(zipnn_gpu_part), &room, err);
    if (failed) *failed = n;
    if (st != ZIPNN_OK) return st;
    zipnn_gpu_part *parts = room;
    memset(parts, 0, n * sizeof *parts);
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++) {
        st = open_buffer(ctx, &buffers[i], &parts[i], err);
        if (st != ZIPNN_OK) which = i;
    }
    if (st == ZIPNN_OK) st = load(gpu, ctx, parts, n, &which, stats, err);
    for (size_t i = 0; i < n; i++) zipnn_archive_close((zipnn_archive *)(uintptr_t)parts[i].archive);
    zn_free(&gpu->alloc, parts);
    if (failed) *failed = which;
    return st;
}

/* ---- keep -------------------------------------------------------------------------------------------------------- */

/* Keeps the parts, and decodes them once to memory that is freed again. */
static zipnn_status keep(struct zn_loading *l, zipnn_error *err) {
    const struct zn_driver *d = &l->gpu->driver;
    uint64_t reach = 0;
    for (size_t i = 0; i < l->n_parts; i++) {
        uint64_t part_end;
        if (!zn_add(l->parts[i].dst, l->parts[i].len, &part_end))
            return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a part ends past 2^64 bytes");
        reach = ZN_MAX(reach, part_end);
    }
    if (reach == 0) return ZIPNN_OK;
    ZN_TRY(zn_driver_said(d, d->alloc(&l->dst, (size_t)reach), "give memory", err));
    const zipnn_status st = zn_gpu_load(l, err);
    d->free(l->dst);
    return st;
}

zipnn_status zipnn_gpu_keep(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_gpu_part *parts, size_t n,
                            zipnn_gpu_kept **kept, zipnn_gpu_stats *stats, zipnn_error *err) {
    struct zn_loading l;
    ZN_TRY(zn_given("zipnn_gpu_keep", gpu, ctx && parts ? kept : NULL, err));
    ZN_TRY(begin(&l, gpu, ctx, parts, n, err));
    zipnn_status st = ZIPNN_OK;
    l.kept = zn_alloc(&gpu->alloc, sizeof *l.kept);
    if (l.kept) {
        *l.kept = (struct zipnn_gpu_kept){.gpu = gpu};
        st = keep(&l, err);
        if (st != ZIPNN_OK) zn_gpu_drop(l.kept);
    } else {
        st = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory keeping parts");
    }
    end(&l);
    if (stats) *stats = l.stats;
    if (st == ZIPNN_OK) *kept = l.kept;
    return st;
}

static zipnn_status decode(const zipnn_gpu_kept *k, uint64_t dst, void *stream, zipnn_error *err) {
    const struct zn_driver *d = &k->gpu->driver;
    for (size_t i = 0; i < k->n_batches; i++) ZN_TRY(zn_launch(d, &k->batches[i].launches, dst, stream, err));
    for (size_t i = 0; i < k->runs.n; i++) {
        const struct zn_host_run *run = &k->runs.run[i];
        ZN_TRY(zn_driver_said(d, d->on_device(dst + run->part.dst, run->device, (size_t)run->part.len, stream),
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
