#include "gpu/loading.h"

#include "archive/reading.h"

static const struct zn_driver *driver_of(const struct zn_loading *l) {
    return &l->gpu->driver;
}

/* ---- slots ------------------------------------------------------------------------------------------------------- */

/* The device refused a chunk. The library's decoder has the words for what is wrong with it. */
static zipnn_status explain(struct zn_loading *l, const struct zn_chunk_of *from, zipnn_error *err) {
    const struct zn_place *p = &from->archive->places[from->index];
    const struct zn_original *o = l->parts[from->part].original;
    uint8_t *bytes = zn_alloc(&l->gpu->alloc, p->frame.orig_len);
    l->failed = from->part;
    if (!bytes) return zn_fail(err, ZIPNN_E_MEMORY, p->at, "out of memory decoding a damaged chunk");
    const zipnn_status st = o->way->read(l->job, o, p->off, p->frame.orig_len, bytes, err);
    zn_free(&l->gpu->alloc, bytes);
    if (st != ZIPNN_OK) return st;
    return zn_fail(err, ZIPNN_E_IO, p->at, "the GPU refuses a chunk of %u bytes that the processor decodes",
                   p->frame.orig_len);
}

/* Waits until the slot's work is done, and looks at what became of it. */
static zipnn_status finish(struct zn_loading *l, struct zn_slot_of_gpu *s, zipnn_error *err) {
    if (!s->busy) return ZIPNN_OK;
    s->busy = false;
    ZN_TRY(zn_driver_said(driver_of(l), driver_of(l)->stream_wait(s->stream), "finish its work", err));
    const struct zn_chunk_of *damaged = zn_batch_damaged(s->batch);
    s->batch->n = 0;
    return damaged ? explain(l, damaged, err) : ZIPNN_OK;
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

static zipnn_status add_run(struct zn_loading *l, struct zn_host_runs *runs, const struct zn_host_run *run,
                            zipnn_error *err) {
    void *items = runs->run;
    const zipnn_status st = zn_grow(&l->gpu->alloc, &items, &runs->cap, runs->n + 1, sizeof *run, err);
    runs->run = (struct zn_host_run *)items;
    if (st == ZIPNN_OK) runs->run[runs->n++] = *run;
    return st;
}

/* Leaves original bytes [off, end) of a part to the host; runs that touch become one. */
static zipnn_status leave_to_host(struct zn_loading *l, size_t number, uint64_t off, uint64_t end, zipnn_error *err) {
    const struct zn_gpu_part *part = &l->parts[number];
    struct zn_host_run *last = l->runs.n ? &l->runs.run[l->runs.n - 1] : NULL;
    if (last && last->number == number && last->part.off + last->part.len == off) {
        last->part.len += end - off;
        return ZIPNN_OK;
    }
    const struct zn_host_run run = {{part->original, off, end - off, part->dst + (off - part->off)}, number, 0};
    return add_run(l, &l->runs, &run, err);
}

/* The slot that is filled, and the next chunk of the part. */
struct filling {
    unsigned slot;
    size_t part;
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
    const struct zn_gpu_part *part = &l->parts[f->part];
    const struct zn_chunk_of from = {part->original->archive, f->next, f->part};
    const struct zn_place *p = &from.archive->places[f->next];
    const uint64_t end = p->off + p->frame.orig_len, part_end = part->off + part->len;
    enum zn_batch_answer answer = ZN_BATCH_HOST;
    if (p->off >= part->off && end <= part_end)
        ZN_TRY(zn_batch_add(l->gpu->slot[f->slot].batch, &l->job->e->workers[0], &from,
                            part->dst + (p->off - part->off), &answer, err));
    if (answer == ZN_BATCH_FULL) return turn_slots(l, f, err);
    f->next++;
    if (answer == ZN_BATCH_TAKEN) return ZIPNN_OK;
    return leave_to_host(l, f->part, ZN_MAX(p->off, part->off), ZN_MIN(end, part_end), err);
}

static zipnn_status load_part(struct zn_loading *l, struct filling *f, zipnn_error *err) {
    const struct zn_gpu_part *part = &l->parts[f->part];
    const struct zn_archive *a = part->original->archive;
    if (part->len == 0) return ZIPNN_OK;
    if (!a || a->n_places == 0) return leave_to_host(l, f->part, part->off, part->off + part->len, err);
    f->next = zn_archive_chunk_at(a, part->off);
    f->last = zn_archive_chunk_at(a, part->off + part->len - 1);
    ZN_TRY(zn_archive_prepare(l->job->e, a, err));
    while (f->next <= f->last) ZN_TRY(take_chunk(l, f, err));
    return ZIPNN_OK;
}

static zipnn_status load_parts(struct zn_loading *l, zipnn_error *err) {
    struct filling f = {.slot = 0};
    ZN_TRY(turn_slots(l, &f, err));
    for (; f.part < l->n_parts; f.part++) {
        const zipnn_status st = load_part(l, &f, err);
        if (st == ZIPNN_OK) continue;
        if (l->failed == l->n_parts) l->failed = f.part;
        return st;
    }
    return send(l, &l->gpu->slot[f.slot], err);
}

/* ---- what the host decodes --------------------------------------------------------------------------------------- */

static zipnn_status keep_run(struct zn_loading *l, struct zn_host_run *run, zipnn_error *err) {
    ZN_TRY(zn_driver_said(driver_of(l), driver_of(l)->alloc(&run->device, (size_t)run->part.len), "give memory", err));
    const zipnn_status st = add_run(l, &l->kept->runs, run, err);
    if (st != ZIPNN_OK) driver_of(l)->free(run->device);
    return st;
}

/* Decodes a run piece by piece to pinned memory; one piece is copied while the next one is decoded. */
static zipnn_status load_run(struct zn_loading *l, struct zn_host_run *run, zipnn_error *err) {
    const struct zn_gpu_part *part = &run->part;
    unsigned slot = 0;
    if (l->kept) ZN_TRY(keep_run(l, run, err));
    const uint64_t to = l->kept ? run->device : l->dst + part->dst;
    for (uint64_t done = 0, n; done < part->len; done += n, slot = (slot + 1) % ZN_GPU_SLOTS) {
        struct zn_slot_of_gpu *s = &l->gpu->slot[slot];
        n = ZN_MIN(part->len - done, (uint64_t)s->room.cap);
        ZN_TRY(finish(l, s, err));
        ZN_TRY(part->original->way->read(l->job, part->original, part->off + done, n, s->room.pinned, err));
        s->busy = true;
        ZN_TRY(zn_driver_said(driver_of(l), driver_of(l)->to_device(to + done, s->room.pinned, (size_t)n, s->stream),
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
    ZN_TRY(load_parts(l, err));
    ZN_TRY(finish_all(l, err));
    for (size_t i = 0; i < l->runs.n; i++) {
        const zipnn_status st = load_run(l, &l->runs.run[i], err);
        if (st == ZIPNN_OK) continue;
        l->failed = l->runs.run[i].number;
        return st;
    }
    return ZIPNN_OK;
}

zipnn_status zn_gpu_load(struct zn_loading *l, zipnn_error *err) {
    for (unsigned i = 0; i < ZN_GPU_SLOTS; i++) l->gpu->slot[i].batch->n = 0;
    l->failed = l->n_parts;
    zipnn_status st = load(l, err);
    const zipnn_status rest = finish_all(l, st == ZIPNN_OK ? err : NULL);
    zn_free(&l->gpu->alloc, l->runs.run);
    l->runs = (struct zn_host_runs){NULL, 0, 0};
    return st == ZIPNN_OK ? rest : st;
}

void zn_gpu_drop(struct zipnn_gpu_kept *kept) {
    const struct zn_driver *d = &kept->gpu->driver;
    const zipnn_allocator alloc = kept->gpu->alloc;
    for (size_t i = 0; i < kept->n_batches; i++) d->free(kept->batches[i].device);
    for (size_t i = 0; i < kept->runs.n; i++) d->free(kept->runs.run[i].device);
    zn_free(&alloc, kept->batches);
    zn_free(&alloc, kept->runs.run);
    zn_free(&alloc, kept);
}
