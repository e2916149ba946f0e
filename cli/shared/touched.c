#include "shared/touched.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/text.h"

static int by_node(const void *a, const void *b) {
    const struct node *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static struct node *find(struct nodes *nodes, struct node node) {
    if (nodes->n == 0) return NULL;
    if (!nodes->sorted) qsort(nodes->node, nodes->n, sizeof node, by_node);
    nodes->sorted = true;
    return bsearch(&node, nodes->node, nodes->n, sizeof node, by_node);
}

static void add(struct nodes *nodes, const struct stat *st) {
    if (nodes->n == nodes->cap) {
        nodes->cap = nodes->cap ? 2 * nodes->cap : 16;
        nodes->node = text_realloc(nodes->node, nodes->cap * sizeof nodes->node[0]);
    }
    nodes->node[nodes->n++] = (struct node){st->st_dev, st->st_ino};
    nodes->sorted = false;
}

static void add_both(struct nodes *nodes, const char *path) {
    struct stat st;
    if (stat(path, &st) == 0) add(nodes, &st);
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) add(nodes, &st);
}

void touched_remove(struct touched *t, const char *path) {
    add_both(&t->removed, path);
}

void touched_replace(struct touched *t, const char *path) {
    add_both(&t->replaced, path);
}

void touched_replace_stdout(struct touched *t) {
    struct stat st;
    if (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode)) add(&t->replaced, &st);
}

void touched_spare(struct touched *t, const char *path) {
    struct stat st;
    if (lstat(path, &st) != 0) return;
    struct node *found = find(&t->replaced, (struct node){st.st_dev, st.st_ino});
    if (!found) return;
    *found = t->replaced.node[--t->replaced.n];
    t->replaced.sorted = false;
}

void touched_visit(struct touched *t, const char *path) {
    char *folder = filename_folder(path);
    char *last = t->files.n ? filename_folder(t->files.path[t->files.n - 1]) : NULL;
    if (!last || strcmp(folder, last) != 0) paths_add(&t->files, text_join(path, "", ""));
    free(folder);
    free(last);
}

bool touched_is_removed(struct touched *t, struct node node) {
    return find(&t->removed, node) != NULL;
}

bool touched_is_replaced(struct touched *t, struct node node) {
    return find(&t->replaced, node) != NULL;
}

/* Returns where the node is in the set, or the empty slot where it belongs. */
static struct node *slot_of(const struct node_set *set, struct node node) {
    const uint64_t hash = ((uint64_t)node.number + (uint64_t)node.device * 31) * 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(hash >> 32) & (set->cap - 1);
    while (set->slot[i].number && by_node(&set->slot[i], &node) != 0) i = (i + 1) & (set->cap - 1);
    return &set->slot[i];
}

static void grow(struct node_set *set) {
    const struct node_set old = *set;
    set->cap = old.cap ? 2 * old.cap : 64;
    set->slot = text_realloc(NULL, set->cap * sizeof set->slot[0]);
    memset(set->slot, 0, set->cap * sizeof set->slot[0]);
    for (size_t i = 0; i < old.cap; i++)
        if (old.slot[i].number) *slot_of(set, old.slot[i]) = old.slot[i];
    free(old.slot);
}

void touched_result(struct touched *t, const char *path) {
    struct node node;
    if (!touched_find(path, &node) || !node.number) return;
    if (2 * t->results.n >= t->results.cap) grow(&t->results);
    struct node *slot = slot_of(&t->results, node);
    t->results.n += !slot->number;
    *slot = node;
}

bool touched_is_result(const struct touched *t, const char *path) {
    struct node node;
    return t->results.n && touched_find(path, &node) && node.number && slot_of(&t->results, node)->number;
}

bool touched_find(const char *path, struct node *node) {
    struct stat st;
    if (stat(path, &st) != 0) return false;
    *node = (struct node){st.st_dev, st.st_ino};
    return true;
}

bool touched_leads_to(const char *path, struct node node) {
    struct stat st;
    return (stat(path, &st) == 0 && st.st_dev == node.device && st.st_ino == node.number) ||
           (lstat(path, &st) == 0 && st.st_dev == node.device && st.st_ino == node.number);
}

void touched_free(struct touched *t) {
    free(t->removed.node);
    free(t->replaced.node);
    free(t->results.slot);
    paths_free(&t->files);
    *t = (struct touched){.files = {NULL, 0, 0}};
}
