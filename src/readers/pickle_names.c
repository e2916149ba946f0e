#include <stdio.h>

#include "readers/pickle.h"

/* Names arrays by a walk over everything that the root reaches. It keeps the path of keys, and an array that several
 * paths lead to gets a name from each. A node on the current path is not entered again, and neither is a node that many
 * paths led to: there may be 2 to the power of the number of nodes. */

enum { MAX_LEVELS = 1 << 22, MAX_PATH = 64 << 20, MAX_PATHS = 32 };

struct level {
    uint64_t node;
    uint32_t run;    /* index + 1 of the current run */
    uint32_t i;      /* next item in the run */
    uint32_t number; /* number of that item in the whole node */
    size_t path_len; /* length of the node's own path */
};

struct walk {
    struct zn_pickle *p;
    struct zn_vector levels, path;
};

/* Returns whether a key only says how a module is built. */
static bool is_noise(const char *key) {
    return strcmp(key, "_modules") == 0 || strcmp(key, "_parameters") == 0 || strcmp(key, "_buffers") == 0;
}

/* Adds a step to the path of this length, if the key is worth it. */
static void step(struct walk *w, size_t len, const struct zn_pickle_value *key, uint32_t number) {
    char digits[24];
    const char *text = digits;
    w->path.n = len;
    if (key && key->kind == ZN_PICKLE_TEXT)
        text = zn_pickle_text(w->p, (size_t)key->what);
    else
        snprintf(digits, sizeof digits, "%lld",
                 key && key->kind == ZN_PICKLE_INT ? (long long)key->what : (long long)number);
    if (is_noise(text)) return;
    const size_t text_len = strlen(text), dot = len > 0;
    char *to = zn_pickle_grow(w->p, &w->path, text_len + dot, 1, MAX_PATH);
    if (!to) return;
    if (dot) *to = '.';
    if (text_len) memcpy(to + dot, text, text_len);
}

static void name_array(struct walk *w, const struct zn_pickle_value *v) {
    const size_t name = zn_pickle_keep(w->p, w->path.at, w->path.n);
    if (w->p->status != ZIPNN_OK) return;
    struct zn_pickle_array *a = (struct zn_pickle_array *)w->p->arrays.at + v->what;
    if (a->name == 0) {
        a->name = name;
        return;
    }
    struct zn_pickle_array again = *a;
    again.name = name;
    zn_pickle_new_array(w->p, again);
}

static struct zn_pickle_node *node_at(const struct walk *w, uint64_t index) {
    return (struct zn_pickle_node *)w->p->nodes.at + index;
}

/* Enters a value that the current path leads to. */
static void enter(struct walk *w, const struct zn_pickle_value *v) {
    if (v->kind == ZN_PICKLE_ARRAY) name_array(w, v);
    if (v->kind != ZN_PICKLE_NODE || node_at(w, v->what)->entered) return;
    if (node_at(w, v->what)->n_paths++ == MAX_PATHS) {
        node_at(w, v->what)->n_paths = MAX_PATHS;
        return;
    }
    struct level *l = zn_pickle_grow(w->p, &w->levels, 1, sizeof *l, MAX_LEVELS);
    if (!l) return;
    node_at(w, v->what)->entered = true;
    *l = (struct level){v->what, node_at(w, v->what)->first_run, 0, 0, w->path.n};
}

/* Takes the next item of the deepest level, or leaves the level. */
static void advance(struct walk *w) {
    struct level *l = (struct level *)w->levels.at + w->levels.n - 1;
    const struct zn_pickle_run *run = l->run ? (const struct zn_pickle_run *)w->p->runs.at + l->run - 1 : NULL;
    w->p->status = zn_work_step(w->p->work, 1, w->p->err);
    if (!run) {
        node_at(w, l->node)->entered = false;
        w->levels.n--;
        return;
    }
    const uint32_t taken = run->kind == ZN_RUN_PAIRS ? 2 : 1;
    if (run->n - l->i < taken) {
        l->run = run->next;
        l->i = 0;
        return;
    }
    const struct zn_pickle_value *item = (const struct zn_pickle_value *)w->p->items.at + run->items + l->i;
    l->i += taken;
    w->path.n = l->path_len;
    if (run->kind != ZN_RUN_PARTS) step(w, l->path_len, taken == 2 ? item : NULL, l->number++);
    enter(w, item + taken - 1);
}

zipnn_status zn_pickle_name_arrays(struct zn_pickle *p) {
    struct walk w = {.p = p};
    if (p->named) return p->status;
    p->named = true;
    enter(&w, &p->root);
    while (w.levels.n > 0 && p->status == ZIPNN_OK) advance(&w);
    zn_free(&p->alloc, w.levels.at);
    zn_free(&p->alloc, w.path.at);
    return p->status;
}
