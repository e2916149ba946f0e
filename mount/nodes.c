#include "nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct node *make(struct node *parent, const char *name, const struct shown *shown) {
    const size_t len = strlen(name) + 1;
    struct node *n = calloc(1, sizeof *n + len);
    if (!n) return NULL;
    n->parent = parent;
    n->shown = *shown;
    memcpy(n->name, name, len);
    return n;
}

int nodes_init(struct nodes *all, const struct stat *root) {
    const struct shown shown = {.kind = NODE_FOLDER, .st = *root};
    *all = (struct nodes){.root = make(NULL, "", &shown)};
    pthread_mutex_init(&all->lock, NULL);
    return all->root ? 0 : ENOMEM;
}

void nodes_destroy(struct nodes *all) {
    for (size_t i = 0; i < N_NODE_SLOTS; i++)
        for (struct node *n = all->slots[i], *next; n; n = next) {
            next = n->next;
            free(n);
        }
    free(all->root);
    pthread_mutex_destroy(&all->lock);
}

static struct node **slot_of(struct nodes *all, const struct node *parent, const char *name) {
    uint64_t hash = (uint64_t)(uintptr_t)parent;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001B3u;
    return &all->slots[(hash ^ hash >> 32) % N_NODE_SLOTS];
}

bool node_is(const struct node *node, const struct shown *shown) {
    const struct shown *a = &node->shown;
    if (a->kind != shown->kind || a->suffixed != shown->suffixed || a->unreadable != shown->unreadable ||
        a->st.st_dev != shown->st.st_dev || a->st.st_ino != shown->st.st_ino)
        return false;
    if (a->kind != NODE_ARCHIVE) return true;
    return a->st.st_size == shown->st.st_size && memcmp(a->xxh3, shown->xxh3, sizeof a->xxh3) == 0;
}

struct node *nodes_add(struct nodes *all, struct node *parent, const char *name, const struct shown *shown) {
    pthread_mutex_lock(&all->lock);
    struct node **slot = slot_of(all, parent, name), *n = *slot;
    while (n && (n->parent != parent || strcmp(n->name, name) != 0 || !node_is(n, shown))) n = n->next;
    if (!n) {
        n = make(parent, name, shown);
        if (n) {
            n->next = *slot;
            *slot = n;
            parent->n_children++;
        }
    }
    if (n) {
        n->shown = *shown;
        n->lookups++;
    }
    pthread_mutex_unlock(&all->lock);
    return n;
}

/* Frees a node that neither the kernel nor a node below it needs, and then its folder likewise. */
static void release(struct nodes *all, struct node *n) {
    while (n->parent && !n->lookups && !n->n_children) {
        struct node *parent = n->parent, **at = slot_of(all, parent, n->name);
        while (*at != n) at = &(*at)->next;
        *at = n->next;
        free(n);
        parent->n_children--;
        n = parent;
    }
}

void nodes_forget(struct nodes *all, struct node *node, uint64_t lookups) {
    pthread_mutex_lock(&all->lock);
    node->lookups -= lookups < node->lookups ? lookups : node->lookups;
    release(all, node);
    pthread_mutex_unlock(&all->lock);
}

char *nodes_path(struct nodes *all, const struct node *node) {
    size_t len = 0;
    pthread_mutex_lock(&all->lock);
    for (const struct node *n = node; n->parent; n = n->parent) len += strlen(n->name) + 1;
    char *path = malloc(len + 1);
    if (path) {
        path[len ? len - 1 : 0] = '\0';
        for (const struct node *n = node; n->parent; n = n->parent) {
            const size_t part = strlen(n->name);
            len -= part + 1;
            memcpy(path + len, n->name, part);
            if (len) path[len - 1] = '/';
        }
    }
    pthread_mutex_unlock(&all->lock);
    return path;
}

struct shown nodes_shown(struct nodes *all, const struct node *node) {
    pthread_mutex_lock(&all->lock);
    const struct shown shown = node->shown;
    pthread_mutex_unlock(&all->lock);
    return shown;
}

void nodes_update(struct nodes *all, struct node *node, const struct shown *shown) {
    pthread_mutex_lock(&all->lock);
    node->shown = *shown;
    pthread_mutex_unlock(&all->lock);
}

bool nodes_note_opened(struct nodes *all, struct node *node, const struct stat *st) {
    const struct stamp now = stamp_of(st);
    pthread_mutex_lock(&all->lock);
    const bool same = stamp_unchanged(&node->opened, &now);
    node->opened = now;
    pthread_mutex_unlock(&all->lock);
    return same;
}
