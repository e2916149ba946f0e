/* What an archive holds: its tensors and chunks. */
#include <stdlib.h>

#include "api/archive.h"

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
    ZN_TRY(zn_plan_original(a, a->original->length, &a->plan, err));
    return zn_archive_list(a, err);
}

void zn_archive_forget_plan(zipnn_archive *a) {
    zn_plan_free(&a->plan);
    a->n_listed = 0;
    a->plan.container = "damaged";
}

void zipnn_archive_get_info(const zipnn_archive *a, zipnn_archive_info *info) {
    if (!info) return;
    if (!a) {
        *info = (zipnn_archive_info){.container = "raw"};
        return;
    }
    *info = (zipnn_archive_info){.original = a->original->length,
                                 .archive = a->in.length,
                                 .n_chunks = a->archive.n_places,
                                 .n_tensors = a->n_listed,
                                 .container = a->nature->container ? a->nature->container : a->plan.container,
                                 .has_sha256 = a->archive.index.has_sha256,
                                 .level = a->archive.header.level,
                                 .n_bases = a->archive.n_bases,
                                 .has_repeats = (a->archive.header.flags & ZN_FLAG_SELF) != 0,
                                 .unverified = a->nature->unverified};
    memcpy(info->xxh3, a->archive.index.xxh3, sizeof info->xxh3);
    if (info->has_sha256) memcpy(info->sha256, a->archive.index.sha256, sizeof info->sha256);
}

uint64_t zipnn_archive_n_left_out(const zipnn_archive *a) {
    return a ? a->plan.n_left_out : 0;
}

zipnn_status zipnn_archive_chunk(const zipnn_archive *a, uint64_t index, zipnn_chunk_info *info, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_archive_chunk", a, info, err));
    if (index >= a->archive.n_places)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "there is no chunk %llu: the archive has %llu",
                       (unsigned long long)index, (unsigned long long)a->archive.n_places);
    const struct zn_place *p = &a->archive.places[index];
    *info = (zipnn_chunk_info){p->off, p->frame.orig_len, p->at, zn_frame_size(&p->frame), p->frame.check};
    return ZIPNN_OK;
}

zipnn_status zn_archive_tensor(const zipnn_archive *a, uint64_t index, const struct zn_tensor **t, zipnn_error *err) {
    if (index >= a->n_listed)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "there is no tensor %llu: the archive has %zu",
                       (unsigned long long)index, a->n_listed);
    *t = a->listed[index];
    return ZIPNN_OK;
}

static uint64_t stored_of(const zipnn_archive *a, uint64_t off, uint64_t len) {
    return a->original->way->stored(a->original, off, len);
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
        info->stored = stored_of(a, t->off, t->len);
        return ZIPNN_OK;
    }
    const struct zn_grid *grid = &a->plan.grids[t->grid];
    info->length = grid->n * grid->piece_len;
    for (size_t i = 0; i < grid->n; i++)
        info->stored += stored_of(a, a->plan.pieces[grid->first + i].off, grid->piece_len);
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
