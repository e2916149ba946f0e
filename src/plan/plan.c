#include "plan/plan.h"

#include <stdlib.h>

#include "base/bytes.h"

void zn_plan_init(struct zn_plan *plan, const zipnn_allocator *alloc) {
    *plan = (struct zn_plan){.alloc = *alloc, .container = "raw"};
}

void zn_plan_free(struct zn_plan *plan) {
    zn_free(&plan->alloc, plan->tensors);
    zn_free(&plan->alloc, plan->names);
    zn_free(&plan->alloc, plan->dims);
    zn_free(&plan->alloc, plan->grids);
    zn_free(&plan->alloc, plan->pieces);
    const zipnn_allocator alloc = plan->alloc;
    zn_plan_init(plan, &alloc);
}

/* Makes room for one more tensor, `name_len` + 1 more bytes of names and `rank` more dimensions. */
static zipnn_status make_room(struct zn_plan *plan, size_t name_len, uint32_t rank, zipnn_error *err) {
    const zipnn_allocator *a = &plan->alloc;
    if (name_len >= SIZE_MAX - plan->names_len || rank > SIZE_MAX - plan->n_dims)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "a plan's names do not fit in memory");

    void *tensors = plan->tensors, *names = plan->names, *dims = plan->dims;
    zipnn_status st = zn_grow(a, &tensors, &plan->tensors_cap, plan->n_tensors + 1, sizeof *plan->tensors, err);
    plan->tensors = tensors;
    if (st == ZIPNN_OK) st = zn_grow(a, &names, &plan->names_cap, plan->names_len + name_len + 1, 1, err);
    plan->names = names;
    if (st == ZIPNN_OK) st = zn_grow(a, &dims, &plan->dims_cap, plan->n_dims + rank, sizeof *plan->dims, err);
    plan->dims = dims;
    return st;
}

/* The spelling of a NUL inside a name. */
static const char nul[] = "\\u0000";

static size_t length_of(const char *name, size_t len) {
    size_t n = len;
    for (size_t i = 0; i < len; i++) n += name[i] ? 0 : sizeof nul - 2;
    return n;
}

static char *put_name(char *to, const char *name, size_t len) {
    for (size_t i = 0; i < len; i++) {
        const size_t n = name[i] ? 1 : sizeof nul - 1;
        memcpy(to, name[i] ? &name[i] : nul, n);
        to += n;
    }
    return to;
}

static bool is_paid(struct zn_plan *plan, size_t name_len, uint32_t rank) {
    const uint64_t bytes = sizeof *plan->tensors + (uint64_t)name_len + 1 + rank * sizeof *plan->dims;
    const uint64_t all = plan->n_tensors * sizeof *plan->tensors + plan->names_len + plan->n_dims * sizeof *plan->dims;
    if (plan->work && all + bytes > plan->work->most_memory / ZN_WORK_PLAN) return false;
    return zn_work_keep(plan->work, bytes, NULL) == ZIPNN_OK;
}

zipnn_status zn_plan_add(struct zn_plan *plan, uint64_t off, uint64_t len, zipnn_dtype dtype, const char *name,
                         size_t name_len, const uint64_t *dims, uint32_t rank, zipnn_error *err) {
    const size_t prefix_len = plan->prefix ? strlen(plan->prefix) : 0, full = prefix_len + length_of(name, name_len);
    uint64_t end;
    if (rank > ZN_MAX_RANK || !zn_add(off, plan->origin, &off) || !zn_add(off, len, &end) ||
        !is_paid(plan, full, rank)) {
        plan->n_left_out++;
        return ZIPNN_OK;
    }
    ZN_TRY(make_room(plan, full, rank, err));

    plan->tensors[plan->n_tensors++] = (struct zn_tensor){.off = off,
                                                          .len = len,
                                                          .dtype = dtype,
                                                          .type = dtype,
                                                          .rank = rank,
                                                          .superseded = plan->superseded,
                                                          .name = plan->names_len,
                                                          .shape = plan->n_dims,
                                                          .strides = ZN_NO_STRIDES,
                                                          .grid = ZN_NO_GRID};
    char *to = plan->names + plan->names_len;
    if (prefix_len) memcpy(to, plan->prefix, prefix_len);
    *put_name(to + prefix_len, name, name_len) = '\0';
    plan->names_len += full + 1;
    if (rank) memcpy(plan->dims + plan->n_dims, dims, rank * sizeof *dims);
    plan->n_dims += rank;
    return ZIPNN_OK;
}

struct zn_plan_mark zn_plan_mark(const struct zn_plan *plan) {
    return (struct zn_plan_mark){plan->n_tensors, plan->names_len, plan->n_dims,
                                 plan->n_grids,   plan->n_pieces,  plan->n_left_out};
}

void zn_plan_rewind(struct zn_plan *plan, const struct zn_plan_mark *mark) {
    plan->n_tensors = mark->n_tensors;
    plan->names_len = mark->names_len;
    plan->n_dims = mark->n_dims;
    plan->n_grids = mark->n_grids;
    plan->n_pieces = mark->n_pieces;
    plan->n_left_out = mark->n_left_out;
}

/* ---- what the bytes mean */

struct zn_tensor *zn_plan_last(struct zn_plan *plan, const struct zn_plan_mark *before) {
    return plan->n_tensors > before->n_tensors ? &plan->tensors[plan->n_tensors - 1] : NULL;
}

static zipnn_status keep_dims(struct zn_plan *plan, const uint64_t *dims, uint32_t rank, size_t *at, zipnn_error *err) {
    void *grown = plan->dims;
    ZN_TRY(zn_work_keep(plan->work, rank * sizeof *dims, err));
    const zipnn_status st = zn_grow(&plan->alloc, &grown, &plan->dims_cap, plan->n_dims + rank, sizeof *dims, err);
    plan->dims = grown;
    if (st != ZIPNN_OK) return st;
    *at = plan->n_dims;
    if (rank) memcpy(plan->dims + plan->n_dims, dims, rank * sizeof *dims);
    plan->n_dims += rank;
    return ZIPNN_OK;
}

zipnn_status zn_plan_set_strides(struct zn_plan *plan, struct zn_tensor *t, const uint64_t *strides, zipnn_error *err) {
    return keep_dims(plan, strides, t->rank, &t->strides, err);
}

zipnn_status zn_plan_add_grid(struct zn_plan *plan, const uint64_t *dims, uint32_t rank, uint64_t piece_len,
                              const uint8_t fill[ZN_MAX_FILL], uint32_t *grid, zipnn_error *err) {
    void *grown = plan->grids;
    struct zn_grid g = {.piece_len = piece_len, .first = plan->n_pieces};
    ZN_TRY(zn_work_keep(plan->work, sizeof g, err));
    const zipnn_status st = zn_grow(&plan->alloc, &grown, &plan->grids_cap, plan->n_grids + 1, sizeof g, err);
    plan->grids = grown;
    if (st != ZIPNN_OK) return st;
    ZN_TRY(keep_dims(plan, dims, rank, &g.shape, err));
    memcpy(g.fill, fill, sizeof g.fill);
    *grid = (uint32_t)plan->n_grids;
    plan->grids[plan->n_grids++] = g;
    return ZIPNN_OK;
}

zipnn_status zn_plan_add_piece(struct zn_plan *plan, uint64_t cell, uint64_t off, zipnn_error *err) {
    void *grown = plan->pieces;
    struct zn_grid *g = &plan->grids[plan->n_grids - 1];
    if (!zn_add(off, plan->origin, &off)) return ZIPNN_OK;
    ZN_TRY(zn_work_keep(plan->work, sizeof *plan->pieces, err));
    const zipnn_status st =
        zn_grow(&plan->alloc, &grown, &plan->pieces_cap, plan->n_pieces + 1, sizeof *plan->pieces, err);
    plan->pieces = grown;
    if (st != ZIPNN_OK) return st;
    plan->pieces[plan->n_pieces++] = (struct zn_grid_piece){cell, off};
    g->n++;
    return ZIPNN_OK;
}

/* ---- finishing */

/* Orders tensors by offset, then in the order of zn_plan_add, which is the order of their names. */
static int compare_tensors(const void *a, const void *b) {
    const struct zn_tensor *x = a, *y = b;
    if (x->off != y->off) return x->off < y->off ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

/* Puts aliases after all other tensors and keeps the order otherwise. */
static int compare_roles(const void *a, const void *b) {
    const struct zn_tensor *x = a, *y = b;
    const unsigned alias = x->meaning & ZN_ALIAS, other = y->meaning & ZN_ALIAS;
    return alias != other ? (alias ? 1 : -1) : compare_tensors(a, b);
}

static int compare_pieces(const void *a, const void *b) {
    const struct zn_grid_piece *x = a, *y = b;
    if (x->cell != y->cell) return x->cell < y->cell ? -1 : 1;
    return x->off < y->off ? -1 : x->off > y->off;
}

static void finish_grids(struct zn_plan *plan) {
    for (size_t i = 0; i < plan->n_grids; i++) {
        struct zn_grid *g = &plan->grids[i];
        if (g->n == 0) continue;
        struct zn_grid_piece *p = plan->pieces + g->first;
        size_t kept = 0;
        qsort(p, g->n, sizeof *p, compare_pieces);
        for (size_t j = 0; j < g->n; j++)
            if (kept == 0 || p[kept - 1].cell != p[j].cell) p[kept++] = p[j];
        g->n = kept;
    }
}

/* A tensor in pieces gets the range from its first piece in the file to its last. */
static void place_gridded(const struct zn_plan *plan, struct zn_tensor *t) {
    const struct zn_grid *g = &plan->grids[t->grid];
    uint64_t end = 0;
    for (size_t i = 0; i < g->n; i++) {
        const uint64_t off = plan->pieces[g->first + i].off;
        t->off = i == 0 ? off : ZN_MIN(t->off, off);
        end = ZN_MAX(end, off + g->piece_len);
    }
    t->len = g->n ? end - t->off : 0;
}

static bool is_named(const struct zn_tensor *t) {
    return t->len > 0 && (t->meaning & (ZN_REMAINDER | ZN_HIDDEN)) == 0;
}

/* Hides remainders that lie inside a tensor, which need no name of their own. The tensors are ordered by offset. */
static void hide_remainders(struct zn_tensor *t, size_t n) {
    uint64_t reach = 0, next = UINT64_MAX; /* end of the tensors before; start of the next one */
    for (size_t i = 0; i < n; i++) {
        if (is_named(&t[i])) reach = ZN_MAX(reach, t[i].off + t[i].len);
        if ((t[i].meaning & ZN_REMAINDER) && t[i].off < reach) t[i].meaning |= ZN_HIDDEN;
    }
    for (size_t i = n; i-- > 0;) {
        if (is_named(&t[i])) next = t[i].off;
        if ((t[i].meaning & ZN_REMAINDER) && next < t[i].off + t[i].len) t[i].meaning |= ZN_HIDDEN;
    }
}

/* Drops overlapping tensors that must not overlap, and makes aliases of the others. The tensors are ordered. */
static void part(struct zn_plan *plan) {
    size_t kept = 0, n_aliases = 0;
    uint64_t end = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        struct zn_tensor t = plan->tensors[i];
        const bool overlaps = t.len > 0 && t.off < end;
        if (overlaps && (t.meaning & ZN_ALONE)) {
            plan->n_left_out++;
            continue;
        }
        if (overlaps) t.meaning |= ZN_ALIAS;
        if (t.meaning & ZN_ALIAS)
            n_aliases++;
        else if (t.len > 0)
            end = t.off + t.len;
        plan->tensors[kept++] = t;
    }
    if (n_aliases) qsort(plan->tensors, kept, sizeof *plan->tensors, compare_roles);
    plan->n_aliases = n_aliases;
    plan->n_tensors = kept - n_aliases;
}

zipnn_status zn_plan_finish(struct zn_plan *plan, zipnn_error *err) {
    plan->n_tensors += plan->n_aliases;
    const size_t n = plan->n_tensors;
    if (plan->n_grids) finish_grids(plan);
    if (n == 0) return ZIPNN_OK;
    for (size_t i = 0; i < n; i++)
        if (plan->tensors[i].grid != ZN_NO_GRID) place_gridded(plan, &plan->tensors[i]);
    qsort(plan->tensors, n, sizeof *plan->tensors, compare_tensors);
    hide_remainders(plan->tensors, n);
    part(plan);
    return zn_plan_tell_apart(plan, err);
}

/* Returns the bytes of a row of a matrix, 0 for all else. */
static uint64_t row_of(const struct zn_plan *plan, const struct zn_tensor *t) {
    const bool in_rows = t->rank == 2 && !(t->meaning & ZN_COLUMN_MAJOR) && t->strides == ZN_NO_STRIDES;
    const uint64_t rows = in_rows ? plan->dims[t->shape] : 0;
    return rows && t->len % rows == 0 ? t->len / rows : 0;
}

struct zn_span zn_plan_next(struct zn_plan_walk *walk) {
    const struct zn_plan *plan = walk->plan;
    while (walk->next < plan->n_tensors && plan->tensors[walk->next].len == 0) walk->next++;

    const struct zn_tensor *t = walk->next < plan->n_tensors ? &plan->tensors[walk->next] : NULL;
    const uint64_t tensor_off = t ? t->off : UINT64_MAX;
    struct zn_span span = {walk->at, tensor_off - walk->at, ZIPNN_DTYPE_UNKNOWN, 0};
    if (t && span.len == 0) {
        span = (struct zn_span){t->off, t->len, t->dtype, row_of(plan, t)};
        walk->next++;
    }
    walk->at += span.len;
    return span;
}

size_t zn_plan_at(const struct zn_plan *plan, uint64_t off) {
    size_t low = 0, high = plan->n_tensors;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (plan->tensors[mid].off + plan->tensors[mid].len <= off)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}
