#include "nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct node *make(struct node *parent, const char *name, const struct shown *shown) {
    struct node *n = calloc(1, sizeof *n);
    char *own = strdup(name);
    if (!n || !own) {
        free(n);
        free(own);
        return NULL;
    }
    n->parent = parent;
    n->shown = *shown;
    n->name = own;
    return n;
}

static void drop_node(struct node *n) {
    free(n->name);
    free(n);
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
            drop_node(n);
        }
    drop_node(all->root);
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

static bool has_name(const struct node *n, const struct node *parent, const char *name) {
    return n->parent == parent && !n->gone && strcmp(n->name, name) == 0;
}

static void slot_in(struct nodes *all, struct node *n) {
    struct node **slot = slot_of(all, n->parent, n->name);
    n->next = *slot;
    *slot = n;
    n->parent->n_children++;
}

static void slot_out(struct nodes *all, struct node *n) {
    struct node **at = slot_of(all, n->parent, n->name);
    while (*at != n) at = &(*at)->next;
    *at = n->next;
    n->parent->n_children--;
}

static struct node *find(struct nodes *all, const struct node *parent, const char *name) {
    struct node *n = *slot_of(all, parent, name);
    while (n && !has_name(n, parent, name)) n = n->next;
    return n;
}

struct node *nodes_new(struct nodes *all, struct node *parent, const char *name, const struct shown *shown) {
    struct node *n = make(parent, name, shown);
    if (!n) return NULL;
    n->lookups = 1;
    pthread_mutex_lock(&all->lock);
    slot_in(all, n);
    pthread_mutex_unlock(&all->lock);
    return n;
}

struct node *nodes_add(struct nodes *all, struct node *parent, const char *name, const struct shown *shown) {
    pthread_mutex_lock(&all->lock);
    struct node *n = *slot_of(all, parent, name);
    while (n && !(has_name(n, parent, name) && node_is(n, shown))) n = n->next;
    if (!n) {
        n = make(parent, name, shown);
        if (n) slot_in(all, n);
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
        struct node *parent = n->parent;
        slot_out(all, n);
        drop_node(n);
        n = parent;
    }
}

void nodes_forget(struct nodes *all, struct node *node, uint64_t lookups) {
    pthread_mutex_lock(&all->lock);
    node->lookups -= lookups < node->lookups ? lookups : node->lookups;
    release(all, node);
    pthread_mutex_unlock(&all->lock);
}

static void remove_name(struct nodes *all, const struct node *parent, const char *name) {
    for (struct node *n = find(all, parent, name); n; n = find(all, parent, name)) n->gone = true;
}

void nodes_remove(struct nodes *all, const struct node *parent, const char *name) {
    pthread_mutex_lock(&all->lock);
    remove_name(all, parent, name);
    pthread_mutex_unlock(&all->lock);
}

void nodes_lose(struct nodes *all, struct node *node) {
    pthread_mutex_lock(&all->lock);
    node->gone = true;
    pthread_mutex_unlock(&all->lock);
}

void nodes_rename(struct nodes *all, struct node *parent, const char *name, struct node *new_parent,
                  const char *new_name) {
    pthread_mutex_lock(&all->lock);
    remove_name(all, new_parent, new_name);
    for (struct node *n = find(all, parent, name); n; n = find(all, parent, name)) {
        char *own = strdup(new_name);
        if (!own) {
            n->gone = true;
            continue;
        }
        slot_out(all, n);
        free(n->name);
        n->name = own;
        n->parent = new_parent;
        slot_in(all, n);
    }
    pthread_mutex_unlock(&all->lock);
}

void nodes_renamed(struct nodes *all, const struct node *parent, const char *name, const struct shown *shown) {
    pthread_mutex_lock(&all->lock);
    for (struct node *n = *slot_of(all, parent, name); n; n = n->next) {
        if (!has_name(n, parent, name)) continue;
        struct shown was = n->shown;
        was.suffixed = shown->suffixed;
        const struct node alike = {.shown = was};
        if (node_is(&alike, shown)) n->shown = *shown;
    }
    pthread_mutex_unlock(&all->lock);
}

bool nodes_gone(struct nodes *all, const struct node *node) {
    bool gone = false;
    pthread_mutex_lock(&all->lock);
    for (const struct node *n = node; n && !gone; n = n->parent) gone = n->gone;
    pthread_mutex_unlock(&all->lock);
    return gone;
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
