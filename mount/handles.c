#include "handles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drafts.h"
#include "store.h"

/* ---- opening */

/* Opens the file behind a node. ESTALE if its name leads to something else by now: then the kernel looks the name up
 * again and opens what it finds, so that old and new bytes never meet in one node. */
static int open_file(struct view *view, struct node *node, int *fd) {
    struct shown now;
    pthread_rwlock_rdlock(&view->names);
    char *folder = nodes_path(&view->nodes, node->parent), *file = NULL, *path = NULL;
    int fault = folder ? view_find(view, folder, node->name, &now) : ENOMEM;
    if (!fault && (!node_is(node, &now) || nodes_gone(&view->nodes, node))) fault = ESTALE;
    if (!fault && now.unreadable) fault = EIO;
    if (!fault) file = shown_file(node->name, &now);
    if (file) path = path_below(folder, file);
    if (!fault) *fd = path ? source_tree_at(&view->tree, path, O_RDONLY | O_NONBLOCK) : -ENOMEM;
    if (!fault && *fd < 0) fault = -*fd;
    pthread_rwlock_unlock(&view->names);
    free(folder);
    free(file);
    free(path);
    return fault == ENOENT ? ESTALE : fault;
}

/* Takes over fd. The archive must be the one that the node stands for. */
static int open_archive(struct view *view, const struct node *node, int fd, struct handle *h) {
    zipnn_error err;
    char *path = view_path(view, node);
    h->archive = archives_get(&view->archives, fd, path ? path : "", &err);
    free(path);
    if (!h->archive || (view->verify && !opened_is_sound(h->archive, &view->contexts))) return EIO;
    struct shown opened = nodes_shown(&view->nodes, node);
    opened.st.st_size = (off_t)h->archive->info.original;
    for (size_t i = 0; i < sizeof opened.xxh3; i++) opened.xxh3[i] = h->archive->info.xxh3[i];
    return node_is(node, &opened) ? 0 : ESTALE;
}

/* Opens what the folder has. */
static int open_content(struct view *view, struct node *node, struct handle *h, struct fuse_file_info *fi) {
    struct stat st;
    int fd = -1;
    const bool archive = nodes_shown(&view->nodes, node).kind == NODE_ARCHIVE;
    const int fault = open_file(view, node, &fd);
    if (fault) return fault;
    fi->keep_cache = 1; /* of archives: another content is another node */
    if (archive) return open_archive(view, node, fd, h);
    h->fd = fd;
    fi->keep_cache = fstat(fd, &st) == 0 && nodes_note_opened(&view->nodes, node, &st);
    return 0;
}

/* What a program opens with O_TRUNC is an empty draft; the folder keeps what it has until that is stored. */
static int open_empty(struct view *view, struct handle *h) {
    struct draft *d;
    const int fault = handle_draft(view, h, &d);
    if (fault) return fault;
    pthread_mutex_lock(&d->lock);
    const int cut = ftruncate(d->fd, 0) == 0 ? 0 : errno;
    d->dirty = true;
    d->fault = 0;
    d->broken = cut;
    pthread_mutex_unlock(&d->lock);
    draft_put(view, d);
    return cut;
}

static int may_write(struct view *view, struct node *node) {
    const struct shown shown = nodes_shown(&view->nodes, node);
    pthread_rwlock_rdlock(&view->names);
    int fault = has_archive_suffix(node->name) ? EPERM : 0;
    char *folder = fault || nodes_gone(&view->nodes, node) ? NULL : nodes_path(&view->nodes, node->parent);
    if (folder) fault = view_may_go(view, folder, node->name, &shown);
    pthread_rwlock_unlock(&view->names);
    free(folder);
    return fault;
}

/* Returns the process of a thread; 0: it is not known. */
static pid_t process_of(pid_t thread) {
    char path[40], line[80];
    long process = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)thread);
    FILE *status = thread > 0 ? fopen(path, "re") : NULL;
    while (status && !process && fgets(line, sizeof line, status))
        if (strncmp(line, "Tgid:", 5) == 0) process = strtol(line + 5, NULL, 10);
    if (status) fclose(status);
    return (pid_t)process;
}

bool handle_is_closed_by_writer(struct handle *h, pid_t who) {
    const pid_t writer = atomic_load(&h->writer), process = process_of(who);
    if (who == writer || !process || !h->opener || process == h->opener) return true;
    if (!writer) return false;
    const pid_t other = process_of(writer);
    return !other || other == process;
}

int handle_open(struct view *view, struct node *node, struct fuse_file_info *fi, pid_t who, struct handle **opened) {
    const bool empty = fi->flags & O_TRUNC, writes = empty || (fi->flags & O_ACCMODE) != O_RDONLY;
    if (writes && !view->write) return EROFS;
    int fault = writes ? may_write(view, node) : 0;
    if (fault) return fault;
    struct handle *h = calloc(1, sizeof *h);
    if (!h) return ENOMEM;
    *h = (struct handle){.node = node, .fd = -1, .writes = writes, .empty = empty};
    atomic_store(&h->users, 1);
    if (writes) h->opener = process_of(who);
    drafts_opened(view, node); /* from now on a draft stays */
    struct draft *d = draft_get(view, node);
    fi->keep_cache = 1;
    if (!d) fault = open_content(view, node, h, fi);
    if (!fault && empty) fault = open_empty(view, h);
    draft_put(view, d);
    if (fault)
        handle_put(view, h);
    else
        *opened = h;
    return fault;
}

void handle_put(struct view *view, struct handle *h) {
    if (atomic_fetch_sub(&h->users, 1) != 1) return;
    struct node *node = h->node;
    if (h->archive) archives_put(&view->archives, h->archive);
    if (h->fd >= 0) close(h->fd);
    free(h);
    if (drafts_closed(view, node)) stores_ask(view, DO_FINISH, node, NULL, NULL);
}

/* ---- drafts of what is open */

static int write_all(int fd, const char *bytes, size_t len, off_t off) {
    while (len) {
        const ssize_t n = pwrite(fd, bytes, len, off);
        if (n < 0 && errno != EINTR) return errno;
        if (n <= 0) continue;
        bytes += n;
        off += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Fills a draft with what the handle has open. */
static int copy_up(struct view *view, const struct handle *h, const struct draft *d) {
    enum { PIECE = 4 << 20 };
    zipnn_error err;
    char *bytes = malloc(PIECE);
    int fault = bytes ? 0 : ENOMEM;
    uint64_t at = 0;
    while (!fault) {
        ssize_t got = -1;
        if (h->archive) {
            const uint64_t left = h->archive->info.original - at;
            got = left < PIECE ? (ssize_t)left : PIECE;
            if (got && opened_read(h->archive, &view->contexts, at, (uint64_t)got, bytes, &err) != ZIPNN_OK)
                fault = EIO;
        } else {
            got = pread(h->fd, bytes, PIECE, (off_t)at);
            fault = got < 0 ? errno : 0;
        }
        if (fault || got == 0) break;
        fault = write_all(d->fd, bytes, (size_t)got, (off_t)at);
        at += (uint64_t)got;
    }
    free(bytes);
    return fault;
}

static int make_draft(struct view *view, struct handle *h, struct draft **d) {
    pthread_rwlock_rdlock(&view->names);
    char *folder = nodes_gone(&view->nodes, h->node) ? NULL : nodes_path(&view->nodes, h->node->parent);
    pthread_rwlock_unlock(&view->names);
    const int from = h->archive ? h->archive->fd : h->fd;
    int fault = draft_of_file(view, folder ? folder : "", from, d);
    free(folder);
    if (fault) return fault;
    if (!h->empty) fault = copy_up(view, h, *d);
    (*d)->dirty = false;
    if (fault)
        draft_put(view, *d);
    else
        drafts_attach(view, h->node, *d);
    return fault;
}

int handle_draft(struct view *view, struct handle *h, struct draft **d) {
    pthread_mutex_t *lock = &view->making[(uintptr_t)h->node / sizeof(void *) / 8 % N_MAKING];
    int fault = 0;
    *d = draft_get(view, h->node);
    if (*d) return 0;
    pthread_mutex_lock(lock);
    *d = draft_get(view, h->node);
    if (!*d) {
        fault = make_draft(view, h, d);
        if (!fault) *d = draft_get(view, h->node);
    }
    pthread_mutex_unlock(lock);
    return fault;
}
