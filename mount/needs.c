#include "needs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

void needs_init(struct needs *all) {
    *all = (struct needs){.list = NULL};
    pthread_mutex_init(&all->lock, NULL);
}

void needs_destroy(struct needs *all) {
    free(all->list);
    pthread_mutex_destroy(&all->lock);
}

static void drop(struct needs *all, dev_t device, ino_t number) {
    size_t kept = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->list[i].device != device || all->list[i].number != number) all->list[kept++] = all->list[i];
    all->n = kept;
}

static bool make_room(struct needs *all) {
    if (all->n < all->cap) return true;
    const size_t cap = all->cap ? 2 * all->cap : 64;
    struct need *more = realloc(all->list, cap * sizeof *more);
    if (!more) return false;
    all->list = more;
    all->cap = cap;
    return true;
}

void needs_note(struct needs *all, const struct opened *o) {
    zipnn_base_info base;
    pthread_mutex_lock(&all->lock);
    drop(all, o->stamp.device, o->stamp.number);
    for (unsigned i = 0; i < o->info.n_bases; i++) {
        if (zipnn_archive_base(o->archive, i, &base, NULL) != ZIPNN_OK || !make_room(all)) continue;
        struct need *n = &all->list[all->n++];
        *n = (struct need){.device = o->stamp.device, .number = o->stamp.number, .length = base.original};
        memcpy(n->xxh3, base.xxh3, sizeof n->xxh3);
    }
    pthread_mutex_unlock(&all->lock);
}

void needs_look(struct needs *all, int fd, const char *path, struct contexts *contexts) {
    bool needs_bases;
    zipnn_error err;
    if (!begins_like_archive(fd, &needs_bases) || !needs_bases) return;
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    struct opened *o = own >= 0 ? opened_new(own, path, contexts, &err) : NULL;
    if (!o) return;
    needs_note(all, o);
    opened_free(o);
}

void needs_drop(struct needs *all, const struct stat *st) {
    pthread_mutex_lock(&all->lock);
    drop(all, st->st_dev, st->st_ino);
    pthread_mutex_unlock(&all->lock);
}

bool needs_length(struct needs *all, uint64_t length) {
    bool found = false;
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->n && !found; i++) found = all->list[i].length == length;
    pthread_mutex_unlock(&all->lock);
    return found;
}

bool needs_original(struct needs *all, uint64_t length, const uint8_t xxh3[16]) {
    bool found = false;
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->n && !found; i++)
        found = all->list[i].length == length && memcmp(all->list[i].xxh3, xxh3, 16) == 0;
    pthread_mutex_unlock(&all->lock);
    return found;
}
