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
    const zipnn_allocator alloc = plan->alloc;
    zn_plan_init(plan, &alloc);
}

/* Room for one more tensor, `name_len` + 1 more name bytes and `rank` more dimensions. */
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

/* How a name spells the byte that would end it. */
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
                                                          .rank = rank,
                                                          .superseded = plan->superseded,
                                                          .name = plan->names_len,
                                                          .shape = plan->n_dims};
    char *to = plan->names + plan->names_len;
    if (prefix_len) memcpy(to, plan->prefix, prefix_len);
    *put_name(to + prefix_len, name, name_len) = '\0';
    plan->names_len += full + 1;
    if (rank) memcpy(plan->dims + plan->n_dims, dims, rank * sizeof *dims);
    plan->n_dims += rank;
    return ZIPNN_OK;
}

struct zn_plan_mark zn_plan_mark(const struct zn_plan *plan) {
    return (struct zn_plan_mark){plan->n_tensors, plan->names_len, plan->n_dims, plan->n_left_out};
}

void zn_plan_rewind(struct zn_plan *plan, const struct zn_plan_mark *mark) {
    plan->n_tensors = mark->n_tensors;
    plan->names_len = mark->names_len;
    plan->n_dims = mark->n_dims;
    plan->n_left_out = mark->n_left_out;
}

/* By offset, then in the order of zn_plan_add, which is the order of the names. */
static int compare_tensors(const void *a, const void *b) {
    const struct zn_tensor *x = a, *y = b;
    if (x->off != y->off) return x->off < y->off ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

static void sort_and_part(struct zn_plan *plan) {
    qsort(plan->tensors, plan->n_tensors, sizeof *plan->tensors, compare_tensors);

    size_t kept = 0;
    uint64_t end = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct zn_tensor t = plan->tensors[i];
        if (t.len > 0 && t.off < end) {
            plan->n_left_out++;
            continue;
        }
        if (t.len > 0) end = t.off + t.len;
        plan->tensors[kept++] = t;
    }
    plan->n_tensors = kept;
}

zipnn_status zn_plan_finish(struct zn_plan *plan, zipnn_error *err) {
    if (plan->n_tensors == 0) return ZIPNN_OK;
    sort_and_part(plan);
    return zn_plan_tell_apart(plan, err);
}

struct zn_span zn_plan_next(struct zn_plan_walk *walk) {
    const struct zn_plan *plan = walk->plan;
    while (walk->next < plan->n_tensors && plan->tensors[walk->next].len == 0) walk->next++;

    const struct zn_tensor *t = walk->next < plan->n_tensors ? &plan->tensors[walk->next] : NULL;
    const uint64_t tensor_off = t ? t->off : UINT64_MAX;
    struct zn_span span = {walk->at, tensor_off - walk->at, ZIPNN_DTYPE_UNKNOWN};
    if (t && span.len == 0) {
        span = (struct zn_span){t->off, t->len, t->dtype};
        walk->next++;
    }
    walk->at += span.len;
    return span;
}
