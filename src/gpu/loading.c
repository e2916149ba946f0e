#include "gpu/loading.h"

#include "archive/reading.h"

static const struct zn_driver *driver_of(const struct zn_loading *l) {
    return &l->gpu->driver;
}

/* ---- slots ------------------------------------------------------------------------------------------------------- */

/* The device refused a chunk. The library's decoder has the words for what is wrong with it. */
static zipnn_status explain(const struct zn_loading *l, uint64_t i, zipnn_error *err) {
    const struct zn_place *p = &l->original->archive->places[i];
    const struct zn_original *o = l->original;
    uint8_t *bytes = zn_alloc(&l->gpu->alloc, p->frame.orig_len);
    if (!bytes) return zn_fail(err, ZIPNN_E_MEMORY, p->at, "out of memory decoding a damaged chunk");
    zipnn_status st = o->way->read(l->job, o, p->off, p->frame.orig_len, bytes, err);
    zn_free(&l->gpu->alloc, bytes);
    if (st != ZIPNN_OK) return st;
    return zn_fail(err, ZIPNN_E_IO, p->at, "the GPU refuses a chunk of %u bytes that the processor decodes",
                   p->frame.orig_len);
}

/* Waits until the slot's work is done, and looks at what became of it. */
static zipnn_status finish(const struct zn_loading *l, struct zn_slot_of_gpu *s, zipnn_error *err) {
    if (!s->busy) return ZIPNN_OK;
    s->busy = false;
    ZN_TRY(zn_driver_said(driver_of(l), driver_of(l)->stream_wait(s->stream), "finish its work", err));
    const uint64_t damaged = zn_batch_damaged(s->batch);
    s->batch->n = 0;
    return damaged == UINT64_MAX ? ZIPNN_OK : explain(l, damaged, err);
}

/* ---- chunks for the device --------------------------------------------------------------------------------------- */

/* Gives the batch memory that stays. */
static zipnn_status keep_batch(struct zn_loading *l, struct zn_batch *b, size_t size, zipnn_error *err) {
    struct zipnn_gpu_kept *k = l->kept;
    void *items = k->batches;
    const zipnn_status st = zn_grow(&l->gpu->alloc, &items, &k->batches_cap, k->n_batches + 1, sizeof *k->batches, err);
    k->batches = (struct zn_kept_batch *)items;
    if (st != ZIPNN_OK) return st;
    ZN_TRY(zn_driver_said(driver_of(l), driver_of(l)->alloc(&b->room.device, size), "give memory", err));
    zn_batch_settle(b);
    k->batches[k->n_batches++] = (struct zn_kept_batch){b->room.device, b->launches};
    l->stats.copied += size;
    return ZIPNN_OK;
}

static zipnn_status send(struct zn_loading *l, struct zn_slot_of_gpu *s, zipnn_error *err) {
    struct zn_batch *b = s->batch;
    if (b->n == 0) return ZIPNN_OK;
    const size_t size = zn_batch_end(b);
    if (l->kept)
        ZN_TRY(keep_batch(l, b, size, err));
    else
        l->stats.copied += b->used;
    l->stats.by_gpu += b->original;
    s->busy = true;
    return zn_batch_send(driver_of(l), b, l->dst, s->stream, err);
}

/* Adds to the runs of the host; runs that touch become one. */
static zipnn_status leave_to_host(struct zn_loading *l, uint64_t off, uint64_t end, zipnn_error *err) {
    void *items = l->runs;
    if (l->n_runs > 0 && l->runs[l->n_runs - 1].end == off) {
        l->runs[l->n_runs - 1].end = end;
        return ZIPNN_OK;
    }
    const zipnn_status st = zn_grow(&l->gpu->alloc, &items, &l->runs_cap, l->n_runs + 1, sizeof *l->runs, err);
    l->runs = (struct zn_host_run *)items;
    if (st != ZIPNN_OK) return st;
    l->runs[l->n_runs++] = (struct zn_host_run){off, end, 0};
    return ZIPNN_OK;
}

/* The slot that is filled, and the next chunk. */
struct filling {
    unsigned slot;
    uint64_t next, last;
};

static zipnn_status turn_slots(struct zn_loading *l, struct filling *f, zipnn_error *err) {
    ZN_TRY(send(l, &l->gpu->slot[f->slot], err));
    f->slot = (f->slot + 1) % ZN_GPU_SLOTS;
    struct zn_slot_of_gpu *s = &l->gpu->slot[f->slot];
    ZN_TRY(finish(l, s, err));
    struct zn_batch_room room = s->room;
    if (l->kept) room.device = 0;
    zn_batch_begin(s->batch, &room);
    return ZIPNN_OK;
}

/* Takes one chunk, or turns to the other slot when this one is full. */
static zipnn_status take_chunk(struct zn_loading *l, struct filling *f, zipnn_error *err) {
    const struct zn_archive *a = l->original->archive;
    const struct zn_place *p = &a->places[f->next];
    const uint64_t end = p->off + p->frame.orig_len, range_end = l->off + l->len;
    enum zn_batch_answer answer = ZN_BATCH_HOST;
    if (p->off >= l->off && end <= range_end)
        ZN_TRY(zn_batch_add(l->gpu->slot[f->slot].batch, &l->job->e->workers[0], a, f->next, p->off - l->off, &answer,
                            err));
    if (answer == ZN_BATCH_FULL) return turn_slots(l, f, err);
    f->next++;
    if (answer == ZN_BATCH_TAKEN) return ZIPNN_OK;
    return leave_to_host(l, ZN_MAX(p->off, l->off), ZN_MIN(end, range_end), err);
}

static zipnn_status load_chunks(struct zn_loading *l, zipnn_error *err) {
    const struct zn_archive *a = l->original->archive;
    struct filling f = {0, zn_archive_chunk_at(a, l->off), zn_archive_chunk_at(a, l->off + l->len - 1)};
    ZN_TRY(zn_archive_prepare(l->job->e, a, err));
    ZN_TRY(turn_slots(l, &f, err));
    while (f.next <= f.last) ZN_TRY(take_chunk(l, &f, err));
    return send(l, &l->gpu->slot[f.slot], err);
}

/* ---- what the host decodes --------------------------------------------------------------------------------------- */

static zipnn_status keep_run(struct zn_loading *l, struct zn_host_run *run, zipnn_error *err) {
    struct zipnn_gpu_kept *k = l->kept;
    void *items = k->runs;
    const zipnn_status st = zn_grow(&l->gpu->alloc, &items, &k->runs_cap, k->n_runs + 1, sizeof *k->runs, err);
    k->runs = (struct zn_host_run *)items;
    if (st != ZIPNN_OK) return st;
    ZN_TRY(zn_driver_said(driver_of(l), driver_of(l)->alloc(&run->device, (size_t)(run->end - run->off)), "give memory",
                          err));
    k->runs[k->n_runs++] = *run;
    return ZIPNN_OK;
}

/* Decodes a run piece by piece to pinned memory; one piece is copied while the next one is decoded. */
static zipnn_status load_run(struct zn_loading *l, struct zn_host_run *run, zipnn_error *err) {
    const struct zn_original *o = l->original;
    unsigned slot = 0;
    if (l->kept) ZN_TRY(keep_run(l, run, err));
    for (uint64_t off = run->off, n; off < run->end; off += n, slot = (slot + 1) % ZN_GPU_SLOTS) {
        struct zn_slot_of_gpu *s = &l->gpu->slot[slot];
        const uint64_t to = l->kept ? run->device + (off - run->off) : l->dst + (off - l->off);
        n = ZN_MIN(run->end - off, (uint64_t)s->room.cap);
        ZN_TRY(finish(l, s, err));
        ZN_TRY(o->way->read(l->job, o, off, n, s->room.pinned, err));
        s->busy = true;
        ZN_TRY(zn_driver_said(driver_of(l), driver_of(l)->to_device(to, s->room.pinned, (size_t)n, s->stream),
                              "copy to the device", err));
        l->stats.by_host += n;
        l->stats.copied += n;
    }
    return ZIPNN_OK;
}

static zipnn_status finish_all(struct zn_loading *l, zipnn_error *err) {
    zipnn_status st = ZIPNN_OK;
    for (unsigned i = 0; i < ZN_GPU_SLOTS; i++) {
        const zipnn_status one = finish(l, &l->gpu->slot[i], st == ZIPNN_OK ? err : NULL);
        if (st == ZIPNN_OK) st = one;
    }
    return st;
}

static zipnn_status load(struct zn_loading *l, zipnn_error *err) {
    const bool chunks = l->original->archive && l->original->archive->n_places > 0;
    if (chunks) ZN_TRY(load_chunks(l, err));
    if (!chunks) ZN_TRY(leave_to_host(l, l->off, l->off + l->len, err));
    ZN_TRY(finish_all(l, err));
    for (size_t i = 0; i < l->n_runs; i++) ZN_TRY(load_run(l, &l->runs[i], err));
    return ZIPNN_OK;
}

zipnn_status zn_gpu_load(struct zn_loading *l, zipnn_error *err) {
    for (unsigned i = 0; i < ZN_GPU_SLOTS; i++) l->gpu->slot[i].batch->n = 0;
    zipnn_status st = l->len ? load(l, err) : ZIPNN_OK;
    const zipnn_status rest = finish_all(l, st == ZIPNN_OK ? err : NULL);
    zn_free(&l->gpu->alloc, l->runs);
    l->runs = NULL;
    return st == ZIPNN_OK ? rest : st;
}

void zn_gpu_drop(struct zipnn_gpu_kept *kept) {
    const struct zn_driver *d = &kept->gpu->driver;
    const zipnn_allocator alloc = kept->gpu->alloc;
    for (size_t i = 0; i < kept->n_batches; i++) d->free(kept->batches[i].device);
    for (size_t i = 0; i < kept->n_runs; i++) d->free(kept->runs[i].device);
    zn_free(&alloc, kept->batches);
    zn_free(&alloc, kept->runs);
    zn_free(&alloc, kept);
}
