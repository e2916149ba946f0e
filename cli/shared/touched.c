#include "shared/touched.h"

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
    paths_free(&t->files);
    *t = (struct touched){.files = {NULL, 0, 0}};
}
