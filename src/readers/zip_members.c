#include <stdlib.h>

#include "readers/readers.h"
#include "readers/torch.h"
#include "readers/zip.h"

/* A checkpoint is a pickle "ROOT/data.pkl" and storages "ROOT/data/KEY", and the same with "constants". Any other
 * member may be a model file by itself. */

enum { MAX_DEPTH = 3 /* zips in zips */, MAX_PREFIX = 512 };

static bool ends_with(const char *text, const char *end) {
    const size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_pickle_of_storages(const struct zn_member *m) {
    static const char *const names[] = {"data.pkl", "constants.pkl"};
    for (size_t i = 0; i < 2; i++) {
        const size_t len = strlen(m->name), end = strlen(names[i]);
        if (ends_with(m->name, names[i]) && (len == end || m->name[len - end - 1] == '/')) return true;
    }
    return false;
}

/* ---- checkpoints */

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const struct zn_member *const *)a)->name, (*(const struct zn_member *const *)b)->name);
}

/* The first of n names, in order, that does not come before the prefix. */
static size_t lower_bound(struct zn_member *const *by_name, size_t n, const char *prefix, size_t len) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (strncmp(by_name[mid]->name, prefix, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct checkpoint {
    const struct zn_view *view;
    struct zn_member *const *by_name;
    size_t n;
    struct zn_stored *stored; /* room for n */
};

/* Plans the storages of one pickle; one that is not understood leaves them to be looked at alone. */
static zipnn_status plan_pickle(const struct checkpoint *c, struct zn_member *pickle, struct zn_plan *plan,
                                const char **container, zipnn_error *err) {
    char prefix[MAX_PREFIX];
    const size_t len = strlen(pickle->name) - strlen("pkl");
    if (len >= sizeof prefix) return ZIPNN_OK;
    memcpy(prefix, pickle->name, len);
    prefix[len - 1] = '/';
    const size_t first = lower_bound(c->by_name, c->n, prefix, len);
    size_t end = first;
    for (; end < c->n && strncmp(c->by_name[end]->name, prefix, len) == 0; end++) {
        const struct zn_member *m = c->by_name[end];
        c->stored[end - first] = (struct zn_stored){m->name + len, m->off, m->stored ? m->len : 0, m->name};
    }
    struct zn_pickle p;
    struct zn_scan s;
    zn_pickle_init(&p, &plan->alloc, err);
    zn_scan_init(&s, c->view, pickle->off, pickle->off + pickle->len, err);
    zipnn_status st = zn_pickle_read(&p, &s);
    if (st == ZIPNN_OK) {
        zn_torch_sort(c->stored, end - first);
        st = zn_torch_add(&p, c->stored, end - first, plan, err);
        *container = "torch";
        pickle->done = true;
        for (size_t i = first; i < end; i++) c->by_name[i]->done = true;
    }
    zn_pickle_free(&p);
    return st == ZIPNN_E_FORMAT ? ZIPNN_OK : st;
}

static zipnn_status plan_checkpoints(const struct zn_view *view, struct zn_member *members, size_t n,
                                     struct zn_plan *plan, const char **container, zipnn_error *err) {
    struct zn_member **by_name = zn_alloc(&plan->alloc, (n + 1) * sizeof(struct zn_member *));
    struct checkpoint c = {view, by_name, n, zn_alloc(&plan->alloc, (n + 1) * sizeof(struct zn_stored))};
    zipnn_status st = ZIPNN_OK;
    if (!by_name || !c.stored) st = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory for %zu zip members", n);
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++) by_name[i] = &members[i];
    if (n && st == ZIPNN_OK) qsort(by_name, n, sizeof(struct zn_member *), compare_names);
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++)
        if (members[i].stored && is_pickle_of_storages(&members[i]))
            st = plan_pickle(&c, &members[i], plan, container, err);
    zn_free(&plan->alloc, c.stored);
    zn_free(&plan->alloc, by_name);
    return st;
}

/* ---- model files */

/* Names of what is inside are "MEMBER/NAME", and of npz's arrays the member's without its ending, as numpy has it. */
static void make_prefix(char *prefix, const char *outer, const char *name) {
    const bool array = ends_with(name, ".npy");
    const size_t outer_len = outer ? strlen(outer) : 0, name_len = strlen(name) - (array ? strlen(".npy") : 0);
    prefix[0] = '\0';
    if (outer_len + name_len + 2 > MAX_PREFIX) return;
    if (outer_len) memcpy(prefix, outer, outer_len);
    memcpy(prefix + outer_len, name, name_len);
    memcpy(prefix + outer_len + name_len, array ? "" : "/", array ? 1 : 2);
}

zipnn_status zn_zip_plan_member(const struct zn_view *view, const struct zn_member *m, struct zn_plan *plan,
                                zipnn_error *err) {
    if (view->depth >= MAX_DEPTH) return ZIPNN_OK;
    char prefix[MAX_PREFIX];
    const char *outer = plan->prefix;
    const uint64_t origin = plan->origin;
    const struct zn_view part = zn_view_part(view, m->off, m->len);
    make_prefix(prefix, outer, m->name);
    plan->prefix = prefix;
    plan->origin = part.first;
    zipnn_status st = zn_reader_plan_part(&part, plan, NULL, err);
    plan->prefix = outer;
    plan->origin = origin;
    return st;
}

zipnn_status zn_zip_plan_members(const struct zn_view *view, struct zn_member *members, size_t n, struct zn_plan *plan,
                                 const char **container, zipnn_error *err) {
    ZN_TRY(plan_checkpoints(view, members, n, plan, container, err));
    for (size_t i = 0; i < n; i++)
        if (members[i].stored && !members[i].done) ZN_TRY(zn_zip_plan_member(view, &members[i], plan, err));
    return ZIPNN_OK;
}
