#include <stdlib.h>

#include "readers/pt2.h"
#include "readers/readers.h"
#include "readers/torch.h"
#include "readers/zip.h"

/* A checkpoint is a pickle "ROOT/data.pkl" and storages "ROOT/data/KEY", or the same with "constants". Any other member
 * may be a model file by itself. Of several members with one name, the last in the directory is valid. */

static bool ends_with(const char *text, size_t len, const char *end) {
    const size_t end_len = strlen(end);
    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

static bool is_pickle_of_storages(const struct zn_member *m) {
    const char *base = m->name + m->folder_len;
    return strcmp(base, "data.pkl") == 0 || strcmp(base, "constants.pkl") == 0;
}

/* ---- checkpoints */

/* Orders members by folder, name and place in the directory. The members of a folder, without those of its subfolders,
 * then follow each other. */
static int compare_names(const void *a, const void *b) {
    const struct zn_member *x = *(const struct zn_member *const *)a, *y = *(const struct zn_member *const *)b;
    if (x->folder_len != y->folder_len) return x->folder_len < y->folder_len ? -1 : 1;
    const int order = strcmp(x->name, y->name);
    if (order != 0) return order;
    return x->name < y->name ? -1 : x->name > y->name; /* names lie in the order of the directory */
}

/* Compares the folder of a pickle's storages with a member's folder. */
static int compare_folder(const struct zn_member *pickle, const struct zn_member *m) {
    const size_t len = strlen(pickle->name) - strlen(".pkl"), folder_len = len + 1;
    if (folder_len != m->folder_len) return folder_len < m->folder_len ? -1 : 1;
    return memcmp(pickle->name, m->name, len);
}

/* Returns the first of n ordered members that does not come before the pickle's storages. */
static size_t lower_bound(struct zn_member *const *by_name, size_t n, const struct zn_member *pickle) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (compare_folder(pickle, by_name[mid]) > 0)
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

/* Compares "byteorder", beside a pickle, with a member. */
static int compare_order(const void *pickle, const void *member) {
    static const char name[] = "byteorder";
    const struct zn_member *p = pickle, *m = *(const struct zn_member *const *)member;
    if (p->folder_len != m->folder_len) return p->folder_len < m->folder_len ? -1 : 1;
    const int order = memcmp(p->name, m->name, p->folder_len);
    return order ? order : strcmp(name, m->name + p->folder_len);
}

/* Reads whether a checkpoint's storages are big-endian. A member of its own says so. */
static zipnn_status read_order(const struct checkpoint *c, const struct zn_member *pickle, bool *big_endian,
                               zipnn_error *err) {
    static const char big[] = {'b', 'i', 'g'};
    uint8_t text[sizeof big];
    size_t got;
    struct zn_member *const *found = bsearch(pickle, c->by_name, c->n, sizeof *c->by_name, compare_order);
    *big_endian = false;
    if (!found || !(*found)->stored || (*found)->len != sizeof big) return ZIPNN_OK;
    ZN_TRY(zn_view_read(c->view, (*found)->off, text, sizeof text, &got, err));
    *big_endian = got == sizeof big && memcmp(text, big, sizeof big) == 0;
    return ZIPNN_OK;
}

/* Finds the storages of a pickle: members [first, *end) by name. They become c->stored. */
static size_t find_storages(const struct checkpoint *c, const struct zn_member *pickle, bool big_endian, size_t first,
                            size_t *end) {
    size_t n = 0, i = first;
    for (; i < c->n && compare_folder(pickle, c->by_name[i]) == 0; i++) {
        const struct zn_member *m = c->by_name[i];
        if (!m->superseded && m->header != UINT64_MAX)
            c->stored[n++] =
                (struct zn_stored){m->name + m->folder_len, m->off, m->stored ? m->len : 0, m->name, big_endian};
    }
    *end = i;
    zn_torch_sort(c->stored, n);
    return n;
}

/* Plans the storages of one pickle. If the pickle is not understood, they are looked at one by one. */
static zipnn_status plan_pickle(const struct checkpoint *c, struct zn_member *pickle, struct zn_plan *plan,
                                const char **container, zipnn_error *err) {
    const size_t first = lower_bound(c->by_name, c->n, pickle);
    size_t end;
    bool big_endian;
    ZN_TRY(read_order(c, pickle, &big_endian, err));
    struct zn_pickle p;
    struct zn_scan s;
    zn_pickle_init(&p, plan, err);
    zn_scan_init(&s, c->view, pickle->off, pickle->off + pickle->len, err);
    zipnn_status st = zn_pickle_read(&p, &s);
    if (st == ZIPNN_OK) {
        const size_t n = find_storages(c, pickle, big_endian, first, &end);
        st = zn_work_step(plan->work, end - first, err);
        if (st == ZIPNN_OK) st = zn_torch_add(&p, c->stored, n, plan, err);
        *container = "torch";
        pickle->done = true;
        for (size_t i = first; i < end; i++) c->by_name[i]->done |= !c->by_name[i]->superseded;
    }
    zn_pickle_free(&p);
    return st == ZIPNN_E_FORMAT ? ZIPNN_OK : st;
}

static zipnn_status plan_checkpoints(const struct zn_view *view, struct zn_member *members, size_t n,
                                     struct zn_plan *plan, const char **container, zipnn_error *err) {
    ZN_TRY(zn_work_keep(plan->work, (n + 1) * (sizeof(struct zn_member *) + sizeof(struct zn_stored)), err));
    struct zn_member **by_name = zn_alloc(&plan->alloc, (n + 1) * sizeof(struct zn_member *));
    struct checkpoint c = {view, by_name, n, zn_alloc(&plan->alloc, (n + 1) * sizeof(struct zn_stored))};
    zipnn_status st = ZIPNN_OK;
    if (!by_name || !c.stored) st = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory for %zu zip members", n);
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++) by_name[i] = &members[i];
    if (n && st == ZIPNN_OK) qsort(by_name, n, sizeof(struct zn_member *), compare_names);
    for (size_t i = 1; i < n && st == ZIPNN_OK; i++)
        by_name[i - 1]->superseded = strcmp(by_name[i - 1]->name, by_name[i]->name) == 0;
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++)
        if (members[i].stored && !members[i].superseded && is_pickle_of_storages(&members[i]))
            st = plan_pickle(&c, &members[i], plan, container, err);
        else if (members[i].stored && !members[i].superseded && zn_pt2_is_list(&members[i]))
            st = zn_pt2_plan(view, &members[i], by_name, n, plan, err);
    zn_free(&plan->alloc, c.stored);
    zn_free(&plan->alloc, by_name);
    return st;
}

/* ---- model files */

zipnn_status zn_zip_plan_member(const struct zn_view *view, const struct zn_member *m, struct zn_plan *plan,
                                zipnn_error *err) {
    const struct zn_plan_mark mark = zn_plan_mark(plan);
    const bool superseded = plan->superseded;
    plan->superseded |= m->superseded;
    const zipnn_status st = zn_reader_plan_member(view, m->name, m->off, m->len, plan, err);
    plan->superseded = superseded;
    if (ends_with(m->name, strlen(m->name), ".npy") && plan->n_tensors == mark.n_tensors &&
        plan->n_left_out == mark.n_left_out)
        plan->n_left_out++; /* an array of an unknown type */
    return st;
}

zipnn_status zn_zip_plan_members(const struct zn_view *view, struct zn_member *members, size_t n, struct zn_plan *plan,
                                 const char **container, zipnn_error *err) {
    ZN_TRY(plan_checkpoints(view, members, n, plan, container, err));
    for (size_t i = 0; i < n; i++)
        if (members[i].stored && !members[i].done) ZN_TRY(zn_zip_plan_member(view, &members[i], plan, err));
    return ZIPNN_OK;
}
