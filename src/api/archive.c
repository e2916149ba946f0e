/* Archives opened for listing and random access. */
#include "api/archive.h"

#include <stdlib.h>

#include "work/each.h"

#define NOTHING_HELD UINT64_MAX

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static const char *name_of(const zipnn_archive *a, size_t tensor) {
    return a->plan.names + a->listed[tensor]->name;
}

/* Sorts by name without recursion or a global for qsort: heap sort. */
static void sift(const zipnn_archive *a, size_t *heap, size_t root, size_t n) {
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && strcmp(name_of(a, heap[child]), name_of(a, heap[child + 1])) < 0) child++;
        if (strcmp(name_of(a, heap[root]), name_of(a, heap[child])) >= 0) return;
        size_t swap = heap[root];
        heap[root] = heap[child];
        heap[child] = swap;
    }
}

static zipnn_status sort_names(zipnn_archive *a, zipnn_error *err) {
    size_t n = a->n_listed;
    if (n == 0) return ZIPNN_OK;
    a->by_name = zn_alloc(&a->ctx->engine.alloc, n * sizeof *a->by_name);
    if (!a->by_name) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of %zu names", n);
    for (size_t i = 0; i < n; i++) a->by_name[i] = i;
    for (size_t i = n / 2; i-- > 0;) sift(a, a->by_name, i, n);
    for (size_t i = n; i-- > 1;) {
        size_t top = a->by_name[0];
        a->by_name[0] = a->by_name[i];
        a->by_name[i] = top;
        sift(a, a->by_name, 0, i);
    }
    return ZIPNN_OK;
}

/* Merges what the chunker sees and what has names only, both in order. */
static void merge(zipnn_archive *a) {
    const struct zn_tensor *t = a->plan.tensors, *end = t + a->plan.n_tensors;
    const struct zn_tensor *alias = end, *last = end + a->plan.n_aliases;
    uint64_t reach = 0;
    while (t < end || alias < last) {
        const struct zn_tensor *next = alias == last || (t < end && t->off <= alias->off) ? t++ : alias++;
        if (next->meaning & ZN_HIDDEN) continue;
        reach = ZN_MAX(reach, next->off + next->len);
        a->reach[a->n_listed] = reach;
        a->listed[a->n_listed++] = next;
    }
}

zipnn_status zn_archive_list(zipnn_archive *a, zipnn_error *err) {
    const size_t n = a->plan.n_tensors + a->plan.n_aliases;
    if (n == 0) return ZIPNN_OK;
    a->listed = zn_alloc(&a->ctx->engine.alloc, n * sizeof *a->listed);
    a->reach = zn_alloc(&a->ctx->engine.alloc, n * sizeof *a->reach);
    if (!a->listed || !a->reach) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu tensors", n);
    merge(a);
    return sort_names(a, err);
}

bool zn_archive_shares(const zipnn_archive *a, size_t index) {
    return index > 0 && a->listed[index]->len > 0 && a->listed[index]->off < a->reach[index - 1];
}

zipnn_status zn_archive_plan(zipnn_archive *a, zipnn_error *err) {
    ZN_TRY(zn_plan_original(a, a->toc.index.original, &a->plan, err));
    return zn_archive_list(a, err);
}

void zn_archive_forget_plan(zipnn_archive *a) {
    zn_plan_free(&a->plan);
    a->n_listed = 0;
    a->plan.container = "damaged";
}

/* Lists the tensors of the original when it is a model file, else the record as one. */
static zipnn_status open_old(zipnn_archive *a, zipnn_error *err) {
    a->toc.index.original = a->old.legacy->original;
    if (!zn_old_input_lacks_base(a->ctx, &a->old)) ZN_TRY(zn_archive_plan(a, err));
    if (a->n_listed) return ZIPNN_OK;
    zn_plan_free(&a->plan);
    ZN_TRY(zn_old_input_plan(&a->old, &a->plan, err));
    return zn_archive_list(a, err);
}

static zipnn_status open_parts(zipnn_archive *a, zipnn_error *err) {
    struct zn_engine *e = &a->ctx->engine;
    ZN_TRY(zn_old_input_open(&e->alloc, &a->in, &a->old, err));
    if (a->old.legacy) return open_old(a, err);
    ZN_TRY(zn_toc_load(&e->alloc, e->k, &a->in, &a->toc, err));
    ZN_TRY(zn_toc_places(&e->alloc, &a->toc, &a->places, &a->n_chunks, err));
    a->self = zn_origin_archive(&a->in, &a->toc, a->places, a->n_chunks);
    ZN_TRY(zn_origin_resolve_from(&a->ctx->bases, &a->self, ZN_MISSING_STAYS_NULL, &a->records, err));
    a->has_digests = true;
    zipnn_status status = zn_archive_plan(a, err);
    if (status != ZIPNN_E_CORRUPT && status != ZIPNN_E_BASE) return status;
    zn_archive_forget_plan(a);
    return ZIPNN_OK;
}

static zipnn_status open_plain(zipnn_archive *a, zipnn_error *err) {
    a->plain = true;
    a->toc.index.original = a->in.length;
    return zn_archive_plan(a, err);
}

/* As it is, or else what can be found of it. */
static zipnn_status open_damaged(zipnn_archive *a, zipnn_error *err) {
    zipnn_status status = open_parts(a, &a->fault);
    const bool damaged = status == ZIPNN_E_FORMAT || status == ZIPNN_E_TRUNCATED || status == ZIPNN_E_CORRUPT;
    if (status == ZIPNN_OK || !damaged || a->old.legacy) {
        if (err) *err = a->fault;
        return status;
    }
    zn_toc_free(&a->ctx->engine.alloc, &a->toc);
    a->toc = (struct zn_toc){.memory = NULL};
    zn_free(&a->ctx->engine.alloc, a->places);
    a->places = NULL;
    a->n_chunks = 0;
    return zn_archive_rebuild(a, err);
}

/* Once all chunks have their places. */
static zipnn_status sum_stored(zipnn_archive *a, zipnn_error *err) {
    if (a->n_listed == 0) return ZIPNN_OK; /* nobody asks */
    a->stored = zn_alloc(&a->ctx->engine.alloc, (size_t)(a->n_chunks + 1) * sizeof *a->stored);
    if (!a->stored) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of chunks");
    a->stored[0] = 0;
    for (uint64_t i = 0; i < a->n_chunks; i++) a->stored[i + 1] = a->stored[i] + zn_frame_size(&a->places[i].frame);
    return ZIPNN_OK;
}

static zipnn_status open_by(zipnn_status (*parts)(zipnn_archive *a, zipnn_error *err), zipnn_ctx *ctx,
                            const zipnn_source *source, zipnn_archive **archive, zipnn_error *err) {
    struct zn_input in;
    zn_clear_error(err);
    if (!ctx || !source || !archive)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "opening an archive: a pointer is NULL");
    if (!source->read_at)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "random access needs a source with read_at");
    ZN_TRY(zn_input_of_source(source, &in, err));
    zipnn_archive *a = zn_alloc(&ctx->engine.alloc, sizeof *a);
    if (!a) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory opening an archive");
    memset(a, 0, sizeof *a);
    a->ctx = ctx;
    a->in = in;
    a->held_index = NOTHING_HELD;
    zn_plan_init(&a->plan, &ctx->engine.alloc);
    zipnn_status status = parts(a, err);
    if (status == ZIPNN_OK) status = sum_stored(a, err);
    if (status == ZIPNN_OK)
        *archive = a;
    else
        zipnn_archive_close(a);
    return status;
}

zipnn_status zipnn_archive_open(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive, zipnn_error *err) {
    return open_by(open_parts, ctx, source, archive, err);
}

zipnn_status zipnn_archive_open_damaged(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive,
                                        zipnn_error *err) {
    return open_by(open_damaged, ctx, source, archive, err);
}

const zipnn_error *zipnn_archive_fault(const zipnn_archive *a) {
    return !a || a->fault.status == ZIPNN_OK ? NULL : &a->fault;
}

zipnn_status zipnn_model_open(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive, zipnn_error *err) {
    return open_by(open_plain, ctx, source, archive, err);
}

void zipnn_archive_close(zipnn_archive *a) {
    if (!a) return;
    zipnn_allocator alloc = a->ctx->engine.alloc;
    zn_old_input_close(&a->old);
    zn_toc_free(&alloc, &a->toc);
    zn_plan_free(&a->plan);
    zn_free(&alloc, a->places);
    zn_free(&alloc, a->records);
    zn_free(&alloc, a->listed);
    zn_free(&alloc, a->reach);
    zn_free(&alloc, a->stored);
    zn_free(&alloc, a->by_name);
    zn_free(&alloc, a->held);
    zn_free(&alloc, a);
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

void zipnn_archive_get_info(const zipnn_archive *a, zipnn_archive_info *info) {
    if (!info) return;
    if (!a) {
        *info = (zipnn_archive_info){.container = "raw"};
        return;
    }
    *info = (zipnn_archive_info){.original = a->toc.index.original,
                                 .archive = a->in.length,
                                 .n_chunks = a->n_chunks,
                                 .n_tensors = a->n_listed,
                                 .container = a->old.legacy ? "zipnn 0.x" : a->plan.container,
                                 .has_sha256 = a->toc.index.has_sha256,
                                 .level = a->toc.header.level,
                                 .n_bases = a->self.n_bases,
                                 .has_repeats = (a->self.flags & ZN_FLAG_SELF) != 0,
                                 .unverified = a->old.legacy != NULL || a->plain};
    memcpy(info->xxh3, a->toc.index.xxh3, sizeof info->xxh3);
    if (info->has_sha256) memcpy(info->sha256, a->toc.index.sha256, sizeof info->sha256);
}

uint64_t zipnn_archive_n_left_out(const zipnn_archive *a) {
    return a ? a->plan.n_left_out : 0;
}

zipnn_status zipnn_archive_chunk(const zipnn_archive *a, uint64_t index, zipnn_chunk_info *info, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_archive_chunk", a, info, err));
    if (index >= a->n_chunks)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "chunk %llu of %llu", (unsigned long long)index,
                       (unsigned long long)a->n_chunks);
    const struct zn_place *p = &a->places[index];
    *info = (zipnn_chunk_info){p->off, p->frame.orig_len, p->at, zn_frame_size(&p->frame), p->frame.check};
    return ZIPNN_OK;
}

uint64_t zn_archive_chunk_at(const zipnn_archive *a, uint64_t off) {
    uint64_t lo = 0, hi = a->n_chunks;
    while (hi - lo > 1) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (a->places[mid].off <= off)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Archive bytes of original bytes [off, off + len), whole chunks in proportion. */
static uint64_t stored_bytes(const zipnn_archive *a, uint64_t off, uint64_t len) {
    uint64_t stored = 0, end = off + len;
    if (len == 0 || off >= a->toc.index.original) return 0;
    if (a->plain) return ZN_MIN(len, a->toc.index.original - off);
    if (a->old.legacy) return zn_legacy_stored(a->old.legacy, off, len);
    if (a->n_chunks == 0) return 0;
    const uint64_t first = zn_archive_chunk_at(a, off), last = zn_archive_chunk_at(a, end - 1);
    if (last > first) stored = a->stored[last] - a->stored[first + 1];
    for (uint64_t i = first; i <= last; i += ZN_MAX(last - first, 1)) {
        const struct zn_place *p = &a->places[i];
        const uint64_t from = ZN_MAX(off, p->off), to = ZN_MIN(end, p->off + p->frame.orig_len);
        if (from < to) stored += zn_frame_size(&p->frame) * (to - from) / p->frame.orig_len;
    }
    return stored;
}

zipnn_status zn_archive_tensor(const zipnn_archive *a, uint64_t index, const struct zn_tensor **t, zipnn_error *err) {
    if (index >= a->n_listed)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "tensor %llu of %zu", (unsigned long long)index,
                       a->n_listed);
    *t = a->listed[index];
    return ZIPNN_OK;
}

zipnn_status zipnn_archive_tensor(const zipnn_archive *a, uint64_t index, zipnn_tensor_info *info, zipnn_error *err) {
    const struct zn_tensor *t = NULL;
    ZN_TRY(zn_given("zipnn_archive_tensor", a, info, err));
    ZN_TRY(zn_archive_tensor(a, index, &t, err));
    *info = (zipnn_tensor_info){.name = a->plan.names + t->name,
                                .dtype = t->type,
                                .rank = t->rank,
                                .shape = t->rank ? a->plan.dims + t->shape : NULL,
                                .offset = t->off,
                                .length = t->len};
    if (t->grid == ZN_NO_GRID) {
        info->stored = stored_bytes(a, t->off, t->len);
        return ZIPNN_OK;
    }
    const struct zn_grid *grid = &a->plan.grids[t->grid];
    info->length = grid->n * grid->piece_len;
    for (size_t i = 0; i < grid->n; i++)
        info->stored += stored_bytes(a, a->plan.pieces[grid->first + i].off, grid->piece_len);
    return ZIPNN_OK;
}

zipnn_status zipnn_archive_tensor_layout(const zipnn_archive *a, uint64_t index, zipnn_tensor_layout *layout,
                                         zipnn_error *err) {
    static const struct {
        unsigned meaning, flag;
    } flags[] = {{ZN_BIG_ENDIAN, ZIPNN_TENSOR_BIG_ENDIAN},
                 {ZN_COLUMN_MAJOR, ZIPNN_TENSOR_COLUMN_MAJOR},
                 {ZN_CONJUGATE, ZIPNN_TENSOR_CONJUGATE},
                 {ZN_NEGATIVE, ZIPNN_TENSOR_NEGATIVE},
                 {ZN_UNREADABLE, ZIPNN_TENSOR_FILTERED}};
    const struct zn_tensor *t = NULL;
    ZN_TRY(zn_given("zipnn_archive_tensor_layout", a, layout, err));
    if (layout->size != sizeof *layout)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a zipnn_tensor_layout of %zu bytes, %zu are expected",
                       layout->size, sizeof *layout);
    ZN_TRY(zn_archive_tensor(a, index, &t, err));
    *layout = (zipnn_tensor_layout){.size = sizeof *layout};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (t->meaning & flags[i].meaning) layout->flags |= flags[i].flag;
    if (t->strides != ZN_NO_STRIDES) {
        layout->flags |= ZIPNN_TENSOR_STRIDED;
        layout->strides = a->plan.dims + t->strides;
    }
    if (t->grid != ZN_NO_GRID) layout->flags |= ZIPNN_TENSOR_IN_PIECES;
    if (zn_archive_shares(a, (size_t)index)) layout->flags |= ZIPNN_TENSOR_SHARED;
    const uint64_t rows = t->rank ? a->plan.dims[t->shape] : 1;
    return zn_archive_size_values(a, t, rows, &layout->values, err);
}

zipnn_status zipnn_archive_find(const zipnn_archive *a, const char *name, uint64_t *index, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_archive_find", a && index ? a : NULL, name, err));
    size_t lo = 0, hi = a->n_listed;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(name_of(a, a->by_name[mid]), name);
        if (order == 0) {
            *index = a->by_name[mid];
            return ZIPNN_OK;
        }
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "no tensor is named \"%.120s\"", name);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static uint64_t chunk_end(const zipnn_archive *a, uint64_t i) {
    return a->places[i].off + a->places[i].frame.orig_len;
}

/* How a run of chunks is decoded: by how many workers, and how their output is stored. */
struct manner {
    unsigned n_workers;
    enum zn_store store;
};

static zipnn_status decode_chunk(const zipnn_archive *a, struct zn_worker *w, uint64_t i, uint8_t *out,
                                 struct manner manner, zipnn_error *err) {
    const struct zn_place *p = &a->places[i];
    const uint8_t *frame;
    if (p->at == ZN_NOWHERE)
        return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE,
                       "original bytes %llu to %llu are lost: not found in the archive", (unsigned long long)p->off,
                       (unsigned long long)(p->off + p->frame.orig_len));
    ZN_TRY(zn_input_at(&a->in, p->at, (size_t)zn_frame_size(&p->frame), w->frame, &frame, err));
    struct zn_ahead ahead = manner.n_workers == 1 ? zn_look_ahead(&a->in, p, 1) : (struct zn_ahead){0};
    return zn_frame_decode(w, &a->self, frame, p, out, manner.store, ahead, err);
}

static zipnn_status hold_chunk(zipnn_archive *a, uint64_t i, zipnn_error *err) {
    struct zn_engine *e = &a->ctx->engine;
    if (a->held_index == i) return ZIPNN_OK;
    a->held_index = NOTHING_HELD;
    if (!a->held) a->held = zn_alloc(&e->alloc, a->toc.header.max_chunk);
    if (!a->held)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a chunk of %u bytes", a->toc.header.max_chunk);
    ZN_TRY(decode_chunk(a, &e->workers[0], i, a->held, (struct manner){0, ZN_STORE_CACHED}, err));
    a->held_index = i;
    return ZIPNN_OK;
}

/* A range of the original to be read, and where to. */
struct range {
    uint64_t off, end;
    uint8_t *dst; /* of byte `off` */
};

/* What the range has of chunk i. */
static zipnn_status read_part(zipnn_archive *a, const struct range *r, uint64_t i, zipnn_error *err) {
    uint64_t start = a->places[i].off, from = ZN_MAX(r->off, start), to = ZN_MIN(r->end, chunk_end(a, i));
    ZN_TRY(hold_chunk(a, i, err));
    memcpy(r->dst + (from - r->off), a->held + (from - start), (size_t)(to - from));
    return ZIPNN_OK;
}

/* Whole chunks of a range: workers claim them. */
struct reading {
    const zipnn_archive *a;
    const struct range *range;
    struct manner manner;
    uint64_t first; /* of the chunks */
};

/* Of a long range the caller hears before each chunk. */
static zipnn_status tell_progress(void *arg, struct zn_task *task, bool *some, zipnn_error *err) {
    const struct reading *r = arg;
    const uint64_t off = r->a->places[r->first + task->i].off - r->range->off;
    (void)some;
    return zn_job_progress(&r->a->ctx->job, off, r->range->end - r->range->off, err);
}

static zipnn_status read_chunk(void *arg, struct zn_task *task, zipnn_error *err) {
    const struct reading *r = arg;
    const uint64_t i = r->first + task->i;
    uint8_t *out = r->range->dst + (r->a->places[i].off - r->range->off);
    return decode_chunk(r->a, task->w, i, out, r->manner, err);
}

/* Chunks [first, end), all of them inside the range. */
static zipnn_status read_whole(zipnn_archive *a, const struct range *range, uint64_t first, uint64_t end,
                               zipnn_error *err) {
    struct zn_engine *e = &a->ctx->engine;
    struct reading r = {.a = a, .range = range, .first = first};
    const struct zn_tasks tasks = {.n = end - first, .claim = tell_progress, .work = read_chunk, .arg = &r};
    if (first == end) return ZIPNN_OK;
    const uint64_t len = chunk_end(a, end - 1) - a->places[first].off;
    r.manner.n_workers = zn_engine_crew(e, len);
    r.manner.store = zn_store_into(range->dst + (a->places[first].off - range->off), len);
    return zn_each(e, r.manner.n_workers, &tasks, err);
}

static zipnn_status read_plain(const zipnn_archive *a, uint64_t off, uint64_t len, uint8_t *dst, zipnn_error *err) {
    if (len > SIZE_MAX) return zn_fail(err, ZIPNN_E_LIMIT, off, "%llu bytes at once", (unsigned long long)len);
    return zn_input_copy(&a->in, off, (size_t)len, dst, err);
}

zipnn_status zn_archive_prepare(zipnn_archive *a, zipnn_error *err) {
    a->self.places = a->places;
    a->self.n_places = a->n_chunks;
    a->self.length = a->toc.index.original;
    ZN_TRY(zn_engine_prepare(&a->ctx->engine, a->self.max_chunk, ZN_USE_DECODE, err));
    return zn_engine_prepare_levels(&a->ctx->engine, a->self.levels, err);
}

zipnn_status zipnn_archive_read(zipnn_archive *a, uint64_t off, uint64_t len, void *dst, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_archive_read", a, len ? dst : a, err));
    const uint64_t original = a->toc.index.original;
    if (off > original || len > original - off)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, off, "bytes %llu to %llu of an original of %llu",
                       (unsigned long long)off, (unsigned long long)(off + len), (unsigned long long)original);
    if (len == 0) return ZIPNN_OK;
    if (a->old.legacy) return zn_old_input_read(a->ctx, &a->old, off, len, dst, err);
    if (a->plain) return read_plain(a, off, len, dst, err);
    ZN_TRY(zn_archive_prepare(a, err));
    struct range r = {off, off + len, dst};
    uint64_t first = zn_archive_chunk_at(a, off), end = zn_archive_chunk_at(a, r.end - 1) + 1;
    bool cut_front = off > a->places[first].off, cut_back = r.end < chunk_end(a, end - 1);
    bool alone = end - first == 1;
    if (cut_front || (alone && cut_back)) ZN_TRY(read_part(a, &r, first++, err));
    if (cut_back && !alone) end--;
    ZN_TRY(read_whole(a, &r, first, end, err));
    return cut_back && !alone ? read_part(a, &r, end, err) : ZIPNN_OK;
}
