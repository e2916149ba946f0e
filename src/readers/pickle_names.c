#include <stdio.h>

#include "readers/pickle.h"

/* A walk over everything the root reaches, each node once, with the path of keys on the way. */

enum { MAX_DEPTH = 64, MAX_PATH = 1024 };

struct level {
    const struct zn_pickle_node *node;
    uint32_t run;    /* index + 1 of the run at hand */
    uint32_t i;      /* next item in it */
    uint32_t number; /* of that item among all of the node */
    size_t path_len; /* of the node's own path */
};

struct walk {
    struct zn_pickle *p;
    struct level level[MAX_DEPTH];
    unsigned depth;
    char path[MAX_PATH];
};

/* Keys that only say how a module is built. */
static bool is_noise(const char *key) {
    return strcmp(key, "_modules") == 0 || strcmp(key, "_parameters") == 0 || strcmp(key, "_buffers") == 0;
}

/* Adds a step to the path and returns its new length, or the old one for a step that is not worth it. */
static size_t step(struct walk *w, size_t len, const struct zn_pickle_value *key, uint32_t number) {
    char digits[24];
    const char *text = digits;
    if (key && key->kind == ZN_PICKLE_TEXT)
        text = zn_pickle_text(w->p, (size_t)key->what);
    else
        snprintf(digits, sizeof digits, "%lld",
                 key && key->kind == ZN_PICKLE_INT ? (long long)key->what : (long long)number);
    const size_t text_len = strlen(text), dot = len > 0;
    if (is_noise(text) || text_len + dot >= MAX_PATH - len) return len;
    if (dot) w->path[len] = '.';
    memcpy(w->path + len + dot, text, text_len);
    return len + dot + text_len;
}

static void name_array(struct walk *w, const struct zn_pickle_value *v, size_t path_len) {
    const size_t name = zn_pickle_keep(w->p, w->path, path_len);
    struct zn_pickle_array *a = (struct zn_pickle_array *)w->p->arrays.at + v->what;
    if (a->name == 0) {
        a->name = name;
        return;
    }
    struct zn_pickle_array again = *a;
    again.name = name;
    zn_pickle_new_array(w->p, again);
}

static void enter(struct walk *w, const struct zn_pickle_value *v, size_t path_len) {
    if (v->kind == ZN_PICKLE_ARRAY) name_array(w, v, path_len);
    if (v->kind != ZN_PICKLE_NODE || w->depth == MAX_DEPTH) return;
    struct zn_pickle_node *node = (struct zn_pickle_node *)w->p->nodes.at + v->what;
    if (node->visited) return;
    node->visited = true;
    w->level[w->depth++] = (struct level){node, node->first_run, 0, 0, path_len};
}

/* Takes the next item of the deepest level, or leaves that. */
static void advance(struct walk *w) {
    struct level *l = &w->level[w->depth - 1];
    const struct zn_pickle_run *run = l->run ? (const struct zn_pickle_run *)w->p->runs.at + l->run - 1 : NULL;
    if (!run) {
        w->depth--;
        return;
    }
    const bool dict = l->node->shape == ZN_NODE_DICT;
    const uint32_t taken = dict ? 2 : 1;
    if (run->n - l->i < taken) {
        l->run = run->next;
        l->i = 0;
        return;
    }
    const struct zn_pickle_value *item = (const struct zn_pickle_value *)w->p->items.at + run->items + l->i;
    l->i += taken;
    l->number++;
    /* What a call was given, and an object's state, have no names of their own. */
    const bool nameless = l->node->shape == ZN_NODE_CALL;
    const size_t len = nameless ? l->path_len : step(w, l->path_len, dict ? item : NULL, l->number - 1);
    enter(w, item + (dict ? 1 : 0), len);
}

zipnn_status zn_pickle_name_arrays(struct zn_pickle *p) {
    struct walk w = {.p = p};
    if (p->named) return p->status;
    p->named = true;
    enter(&w, &p->root, 0);
    while (w.depth > 0 && p->status == ZIPNN_OK) advance(&w);
    return p->status;
}
