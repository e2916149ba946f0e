#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "plan/plan.h"

/* A file may give several tensors one name, and a reader may not know the names at all: pieces of a data set, records
 * without names, keys with dots in them. Users ask for a tensor by its name, so each tensor gets a name of its own. */

enum { MAX_SUFFIX = 24 };

struct named {
    const char *name;
    size_t tensor;
    bool superseded;
};

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Orders tensors by name. Of equal names, the tensor that keeps the name comes first. */
static int compare(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    const int order = compare_names(a, b);
    if (order != 0) return order;
    if (x->superseded != y->superseded) return x->superseded ? 1 : -1;
    return x->tensor < y->tensor ? -1 : x->tensor > y->tensor;
}

static void point_at_names(const struct zn_plan *plan, struct named *named, size_t n) {
    for (size_t i = 0; i < n; i++) named[i].name = plan->names + plan->tensors[named[i].tensor].name;
}

/* Collects the tensors that are listed. Returns their number. */
static size_t sort(const struct zn_plan *plan, struct named *named) {
    size_t n = 0;
    for (size_t i = 0; i < plan->n_tensors + plan->n_aliases; i++)
        if ((plan->tensors[i].meaning & ZN_HIDDEN) == 0)
            named[n++] = (struct named){NULL, i, plan->tensors[i].superseded};
    point_at_names(plan, named, n);
    if (n) qsort(named, n, sizeof *named, compare);
    return n;
}

/* Returns whether the i-th sorted tensor needs a new name: it is superseded, or another tensor keeps the name. */
static bool is_renamed(const struct named *named, size_t i) {
    return named[i].superseded || (i > 0 && compare_names(&named[i - 1], &named[i]) == 0);
}

/* Makes room for the new names. */
static zipnn_status make_room(struct zn_plan *plan, const struct named *named, size_t n, bool *needed,
                              zipnn_error *err) {
    size_t room = 0;
    for (size_t i = 0; i < n; i++)
        if (is_renamed(named, i)) room += strlen(named[i].name) + MAX_SUFFIX;
    *needed = room > 0;
    void *names = plan->names;
    const zipnn_status st = zn_grow(&plan->alloc, &names, &plan->names_cap, plan->names_len + room, 1, err);
    plan->names = names;
    return st;
}

/* Puts the next free NAME#number after all names. Only the original names can be taken: a new name never belongs to
 * another group, since the part before its last '#' is the group's name. */
static size_t put_name(struct zn_plan *plan, const struct named *named, size_t n, const char *name, uint64_t *number) {
    const size_t len = strlen(name);
    char *to = plan->names + plan->names_len;
    const struct named wanted = {.name = to};
    memcpy(to, name, len);
    do {
        snprintf(to + len, MAX_SUFFIX, "#%llu", (unsigned long long)++*number);
    } while (bsearch(&wanted, named, n, sizeof wanted, compare_names));
    return len + strlen(to + len) + 1;
}

static void rename_others(struct zn_plan *plan, const struct named *named, size_t n) {
    const char *group = NULL;
    uint64_t number = 0;
    for (size_t i = 0; i < n; i++) {
        if (!group || strcmp(group, named[i].name) != 0) {
            group = named[i].name;
            number = 0;
            if (!named[i].superseded) continue;
        }
        const size_t len = put_name(plan, named, n, group, &number);
        plan->tensors[named[i].tensor].name = plan->names_len;
        plan->names_len += len;
    }
}

zipnn_status zn_plan_tell_apart(struct zn_plan *plan, zipnn_error *err) {
    bool needed = false;
    const size_t all = plan->n_tensors + plan->n_aliases;
    if (all == 0) return ZIPNN_OK;
    struct named *named = zn_alloc(&plan->alloc, all * sizeof *named);
    if (!named) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu names", all);
    const size_t n = sort(plan, named);
    const zipnn_status st = make_room(plan, named, n, &needed, err);
    if (st == ZIPNN_OK && needed) {
        point_at_names(plan, named, n); /* the names may have moved */
        rename_others(plan, named, n);
    }
    zn_free(&plan->alloc, named);
    return st;
}
