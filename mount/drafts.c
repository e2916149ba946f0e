#include "drafts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- files without names */

/* Where there are no files without names, one is removed as soon as it is made. */
static int open_named(int folder, mode_t mode) {
    char name[] = LEFTOVER_PREFIX "xxxxxxxxxxxxx";
    uint8_t random[sizeof name - sizeof LEFTOVER_PREFIX];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return -EIO;
    for (size_t i = 0; i < sizeof random; i++)
        name[sizeof LEFTOVER_PREFIX - 1 + i] = "abcdefghijklmnopqrstuvwxyz234567"[random[i] & 31];
    const int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) return -errno;
    (void)unlinkat(folder, name, 0);
    return fd;
}

static int open_nameless(int folder, mode_t mode) {
    const int fd = openat(folder, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, mode);
    if (fd >= 0) return fd;
    return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT ? open_named(folder, mode) : -errno;
}

/* Opens the file of a draft: in the folder that it is for, unless --spool names another one. The folder's file system
 * then gives it what new files get there: the access list, and the group. */
static int open_spool(struct view *view, const char *folder, mode_t mode) {
    if (view->spool >= 0) return open_nameless(view->spool, mode);
    const int at = source_tree_at(&view->tree, folder, O_RDONLY | O_DIRECTORY);
    if (at < 0) return at;
    const int fd = open_nameless(at, mode);
    close(at);
    return fd;
}

/* Takes over fd, also after a failure. */
static int make(int fd, struct draft **d) {
    struct stat st = {.st_ino = 0};
    const int fault = fstat(fd, &st) == 0 ? 0 : EIO;
    *d = fault ? NULL : calloc(1, sizeof **d);
    if (!*d) {
        close(fd);
        return fault ? fault : ENOMEM;
    }
    **d = (struct draft){.fd = fd, .number = st.st_ino, .dirty = true, .users = 1};
    pthread_mutex_init(&(*d)->lock, NULL);
    return 0;
}

int draft_new(struct view *view, const char *folder, const struct ownership *owner, struct draft **d) {
    const int fd = open_spool(view, folder, owner->mode & 07777);
    struct stat st;
    if (fd < 0) return -fd;
    int fault = fstat(fd, &st) == 0 ? 0 : errno;
    const gid_t group = st.st_gid != getegid() ? st.st_gid : owner->group; /* the folder's, if it hands it down */
    if (!fault && (st.st_uid != owner->user || st.st_gid != group) && fchown(fd, owner->user, group) != 0)
        fault = errno;
    if (!fault) return make(fd, d);
    close(fd);
    return fault;
}

/* ---- drafts of files that exist */

/* Attributes that cannot be had are no reason not to write. */
static void copy_attributes(int from, int to) {
    char *names = malloc(XATTR_LIST_MAX), *value = malloc(XATTR_SIZE_MAX);
    const ssize_t len = names && value ? flistxattr(from, names, XATTR_LIST_MAX) : 0;
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
        const ssize_t n = fgetxattr(from, names + at, value, XATTR_SIZE_MAX);
        if (n >= 0) (void)fsetxattr(to, names + at, value, (size_t)n, 0);
    }
    free(names);
    free(value);
}

int draft_of_file(struct view *view, const char *folder, int from, struct draft **d) {
    struct stat st;
    if (fstat(from, &st) != 0) return errno;
    const int fd = open_spool(view, folder, 0600);
    if (fd < 0) return -fd;
    int fault = fchown(fd, st.st_uid, st.st_gid) == 0 ? 0 : errno;
    if (fault == EPERM && st.st_uid == geteuid()) fault = 0; /* a group that its owner is not in */
    if (!fault) copy_attributes(from, fd);
    if (!fault && fchmod(fd, st.st_mode & 07777) != 0) fault = errno;
    if (fault) {
        close(fd);
        return fault;
    }
    fault = make(fd, d);
    if (!fault) (*d)->number = st.st_ino;
    return fault;
}

/* ---- whose they are; under the lock of the nodes */

static void free_draft(struct draft *d) {
    close(d->fd);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

void drafts_attach(struct view *view, struct node *node, struct draft *d) {
    pthread_mutex_lock(&view->nodes.lock);
    node->draft = d;
    node->lookups++; /* it stays while it has a draft */
    node->next_drafted = view->nodes.drafted;
    view->nodes.drafted = node;
    pthread_mutex_unlock(&view->nodes.lock);
}

struct draft *draft_get(struct view *view, const struct node *node) {
    pthread_mutex_lock(&view->nodes.lock);
    struct draft *d = node->draft;
    if (d) d->users++;
    pthread_mutex_unlock(&view->nodes.lock);
    return d;
}

void draft_put(struct view *view, struct draft *d) {
    if (!d) return;
    pthread_mutex_lock(&view->nodes.lock);
    const bool last = --d->users == 0;
    pthread_mutex_unlock(&view->nodes.lock);
    if (last) free_draft(d);
}

void drafts_opened(struct view *view, struct node *node) {
    pthread_mutex_lock(&view->nodes.lock);
    node->n_handles++;
    node->lookups++; /* it stays while it is open */
    pthread_mutex_unlock(&view->nodes.lock);
}

bool drafts_closed(struct view *view, struct node *node) {
    pthread_mutex_lock(&view->nodes.lock);
    const bool last = --node->n_handles == 0 && node->draft;
    pthread_mutex_unlock(&view->nodes.lock);
    if (!last) nodes_forget(&view->nodes, node, 1);
    return last;
}

void drafts_drop(struct view *view, struct node *node) {
    struct draft *d = NULL;
    pthread_mutex_lock(&view->nodes.lock);
    if (node->n_handles == 0 && node->draft) {
        struct node **at = &view->nodes.drafted;
        while (*at != node) at = &(*at)->next_drafted;
        *at = node->next_drafted;
        d = node->draft;
        node->draft = NULL;
    }
    pthread_mutex_unlock(&view->nodes.lock);
    if (!d) return;
    draft_put(view, d);
    nodes_forget(&view->nodes, node, 1);
}

/* ---- finding them */

struct node *drafts_find(struct view *view, const struct node *folder, const char *name) {
    pthread_mutex_lock(&view->nodes.lock);
    struct node *n = view->nodes.drafted;
    while (n && (n->gone || n->parent != folder || strcmp(n->name, name) != 0)) n = n->next_drafted;
    if (n) n->lookups++;
    pthread_mutex_unlock(&view->nodes.lock);
    return n;
}

struct node *drafts_any(struct view *view) {
    pthread_mutex_lock(&view->nodes.lock);
    struct node *n = view->nodes.drafted;
    pthread_mutex_unlock(&view->nodes.lock);
    return n;
}

void drafts_list(struct view *view, const struct node *folder, void (*take)(void *user, const char *name, ino_t number),
                 void *user) {
    pthread_mutex_lock(&view->nodes.lock);
    for (const struct node *n = view->nodes.drafted; n; n = n->next_drafted)
        if (n->parent == folder && !n->gone) take(user, n->name, n->draft->number);
    pthread_mutex_unlock(&view->nodes.lock);
}

void draft_number(struct view *view, struct draft *d, ino_t number) {
    pthread_mutex_lock(&view->nodes.lock);
    d->number = number;
    pthread_mutex_unlock(&view->nodes.lock);
}

struct stat draft_stat(struct view *view, const struct node *node, const struct draft *d) {
    struct stat st = nodes_shown(&view->nodes, node).st;
    (void)fstat(d->fd, &st);
    pthread_mutex_lock(&view->nodes.lock);
    st.st_ino = d->number;
    pthread_mutex_unlock(&view->nodes.lock);
    st.st_nlink = nodes_gone(&view->nodes, node) ? 0 : 1;
    return st;
}
