/* Finds the states of Adam. Where the second moment of a weight is large, the first is likely to be large, too. So a
 * first moment is linked to its second, whose exponents tell the encoder what to expect. */
#include <stdlib.h>

#include "jobs/relations.h"

enum {
    WORTH_A_LINK = 16 << 10,
    MAX_REPEATS = 1 << 10 /* links that each tensor is held against: with more of them this is no optimiser's state */
};

/* Parts of names of first moments, and what second moments have in their place. */
static const struct {
    const char *first, *second;
} spellings[] = {{"exp_avg", "exp_avg_sq"},
                 {"/m/", "/v/"},
                 {".m.", ".v."},
                 {"/mu/", "/nu/"},
                 {".mu.", ".nu."},
                 {".m", ".v"},
                 {"/m", "/v"},
                 {".mu", ".nu"},
                 {"_m", "_v"},
                 {"/mu", "/nu"}};
enum { N_SPELLINGS = sizeof spellings / sizeof spellings[0], MAX_NAME = 1024 };

struct named {
    const char *name;
    const struct zn_tensor *t;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Replaces the first moment's spelling by the second's: anywhere if it is a word of its own, otherwise at the end. */
static bool respell(const char *name, unsigned spelling, char *out) {
    const char *first = spellings[spelling].first, *second = spellings[spelling].second;
    const size_t len = strlen(name), n = strlen(first), m = strlen(second);
    const char *at = strstr(name, first);
    if (!at || len + m >= MAX_NAME) return false;
    const bool anywhere = spelling == 0 || first[n - 1] == first[0];
    if (!anywhere) at = name + len - n;
    if (strncmp(at, first, n) != 0 || strncmp(at, second, m) == 0) return false;
    const size_t before = (size_t)(at - name);
    memcpy(out, name, before);
    memcpy(out + before, second, m);
    memcpy(out + before + m, at + n, len - before - n + 1);
    return true;
}

static const struct zn_tensor *find_second(const struct named *tensors, size_t n, const struct named *first) {
    char name[MAX_NAME];
    for (unsigned s = 0; s < N_SPELLINGS; s++) {
        if (!respell(first->name, s, name)) continue;
        const struct named key = {name, NULL};
        const struct named *found = bsearch(&key, tensors, n, sizeof *tensors, by_name);
        if (found && found->t->dtype == first->t->dtype && found->t->len == first->t->len) return found->t;
    }
    return NULL;
}

/* Tells whether a link inside this file begins or ends in [off, off + len). */
static bool is_entangled(const struct zn_links *links, size_t n, uint64_t off, uint64_t len) {
    for (size_t i = 0; i < n; i++) {
        const struct zn_link *l = &links->link[i];
        if (l->source != ZN_SOURCE_SELF) continue;
        if ((l->off < off + len && off < l->off + l->len) || (l->ref_off < off + len && off < l->ref_off + l->len))
            return true;
    }
    return false;
}

zipnn_status zn_relate_moments(const struct zn_engine *e, const struct zn_plan *plan, uint64_t file_len,
                               struct zn_links *links, zipnn_error *err) {
    const size_t repeats = links->n;
    zipnn_status status = ZIPNN_OK;
    if (plan->n_tensors < 2 || repeats > MAX_REPEATS) return ZIPNN_OK;
    struct named *tensors = zn_alloc(&e->alloc, plan->n_tensors * sizeof *tensors);
    if (!tensors) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu tensors", plan->n_tensors);
    size_t n = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct zn_tensor *t = &plan->tensors[i];
        const bool inside = t->off <= file_len && t->len <= file_len - t->off;
        if (t->len >= WORTH_A_LINK && inside) tensors[n++] = (struct named){plan->names + t->name, t};
    }
    if (n) qsort(tensors, n, sizeof *tensors, by_name);
    for (size_t i = 0; i < n && status == ZIPNN_OK; i++) {
        const struct zn_tensor *m = tensors[i].t, *v = find_second(tensors, n, &tensors[i]);
        if (!v || is_entangled(links, repeats, m->off, m->len) || is_entangled(links, repeats, v->off, v->len))
            continue;
        const struct zn_link link = {.off = m->off, .len = m->len, .ref_off = v->off, .likeness = ZN_LINK_CONTEXT};
        status = zn_links_add(links, &link, err);
    }
    zn_free(&e->alloc, tensors);
    return status;
}
