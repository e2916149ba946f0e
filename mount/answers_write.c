/* The kernel's requests to open, write and change files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "drafts.h"
#include "handles.h"
#include "store.h"

static struct view *view_of(fuse_req_t request) {
    return fuse_req_userdata(request);
}

/* ---- opening and closing */

void answer_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi) {
    struct view *view = view_of(request);
    struct handle *h;
    const int fault = handle_open(view, view_node(view, ino), fi, fuse_req_ctx(request)->pid, &h);
    if (fault) {
        fuse_reply_err(request, fault);
        return;
    }
    fi->fh = (uint64_t)(uintptr_t)h;
    if (fuse_reply_open(request, fi) != 0) handle_put(view, h);
}

/* Makes a node with a draft. The caller holds the lock of names alone. */
static int create_node(struct view *view, struct node *folder, const char *name, const struct ownership *owner,
                       struct node **node) {
    struct draft *d;
    struct shown shown = {.kind = NODE_PLAIN};
    char *path = nodes_gone(&view->nodes, folder) ? NULL : nodes_path(&view->nodes, folder);
    const int fault = path ? draft_new(view, path, owner, &d) : ENOENT;
    free(path);
    if (fault) return fault;
    (void)fstat(d->fd, &shown.st);
    *node = nodes_new(&view->nodes, folder, name, &shown);
    if (*node)
        drafts_attach(view, *node, d);
    else
        draft_put(view, d);
    return *node ? 0 : ENOMEM;
}

static int find_or_create(fuse_req_t request, struct node *folder, const char *name, mode_t mode,
                          struct fuse_file_info *fi, struct node **node) {
    struct view *view = view_of(request);
    const struct fuse_ctx *who = fuse_req_ctx(request);
    const struct ownership owner = {who->uid, who->gid, mode};
    pthread_rwlock_wrlock(&view->names);
    int fault = view_look_up(view, folder, name, node);
    if (!fault && fi->flags & O_EXCL) {
        nodes_forget(&view->nodes, *node, 1);
        fault = EEXIST;
    } else if (fault == ENOENT) {
        fault = create_node(view, folder, name, &owner, node);
        fi->flags &= ~O_TRUNC; /* it is new */
    }
    pthread_rwlock_unlock(&view->names);
    return fault;
}

void answer_create(fuse_req_t request, fuse_ino_t ino, const char *name, mode_t mode, struct fuse_file_info *fi) {
    struct view *view = view_of(request);
    struct node *node;
    struct handle *h = NULL;
    int fault = !view->write ? EROFS : view_may_name(name) ? 0 : EPERM;
    if (!fault) fault = find_or_create(request, view_node(view, ino), name, mode, fi, &node);
    if (fault) {
        fuse_reply_err(request, fault);
        return;
    }
    fault = handle_open(view, node, fi, fuse_req_ctx(request)->pid, &h);
    const struct fuse_entry_param entry = view_entry(view, node);
    if (fault) {
        fuse_reply_err(request, fault);
    } else {
        fi->fh = (uint64_t)(uintptr_t)h;
        if (fuse_reply_create(request, &entry, fi) == 0) return;
        handle_put(view, h);
    }
    nodes_forget(&view->nodes, node, 1);
}

/* The program that closes waits until its file is stored, and is told if that fails. */
void answer_flush(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi) {
    struct view *view = view_of(request);
    struct handle *h = handle_of(fi);
    struct draft *d = h->writes ? draft_get(view, h->node) : NULL;
    (void)ino;
    if (d && handle_is_closed_by_writer(h, fuse_req_ctx(request)->pid))
        stores_ask(view, DO_STORE, h->node, NULL, request);
    else
        fuse_reply_err(request, 0);
    draft_put(view, d);
}

void answer_fsync(fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *fi) {
    struct view *view = view_of(request);
    (void)ino;
    (void)data_only;
    if (view->write)
        stores_ask(view, DO_SYNC, handle_of(fi)->node, NULL, request);
    else
        fuse_reply_err(request, 0);
}

void answer_fsyncdir(fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *fi) {
    struct view *view = view_of(request);
    (void)data_only;
    (void)fi;
    if (ino == FUSE_ROOT_ID) stores_settle(view); /* `zipnn umount` asks for it */
    char *path = view_path(view, view_node(view, ino));
    const int fd = path ? source_tree_at(&view->tree, path, O_RDONLY | O_DIRECTORY) : -ENOMEM;
    const int fault = fd < 0 ? -fd : fsync(fd) != 0 && errno != EINVAL ? errno : 0;
    if (fd >= 0) close(fd);
    free(path);
    fuse_reply_err(request, fault);
}

void answer_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi) {
    (void)ino;
    handle_put(view_of(request), handle_of(fi));
    fuse_reply_err(request, 0);
}

/* ---- writing */

/* Does something to the bytes of an open file. */
struct change {
    const char *bytes; /* to write; NULL: `mode` says what is done to the length */
    size_t len;
    off_t off;
    enum { CHANGE_WRITE, CHANGE_LENGTH, CHANGE_ALLOCATE } what;
    int mode;
    off_t room;
};

static int apply(const struct draft *d, const struct change *c, size_t *done) {
    *done = 0;
    if (c->what == CHANGE_LENGTH) return ftruncate(d->fd, c->off) == 0 ? 0 : errno;
    if (c->what == CHANGE_ALLOCATE) return fallocate(d->fd, c->mode, c->off, c->room) == 0 ? 0 : errno;
    while (*done < c->len) {
        const ssize_t n = pwrite(d->fd, c->bytes + *done, c->len - *done, c->off + (off_t)*done);
        if (n < 0 && errno != EINTR) return *done ? 0 : errno; /* the next write meets the fault again */
        if (n > 0) *done += (size_t)n;
    }
    return 0;
}

static int change_file(struct view *view, struct handle *h, const struct change *c, size_t *done) {
    struct draft *d;
    int fault = handle_draft(view, h, &d);
    if (fault) return fault;
    pthread_mutex_lock(&d->lock);
    fault = apply(d, c, done);
    d->dirty = true;
    d->fault = 0;
    d->broken = fault;
    pthread_mutex_unlock(&d->lock);
    draft_put(view, d);
    return fault;
}

void answer_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t len, off_t off,
                  struct fuse_file_info *fi) {
    const struct change c = {.what = CHANGE_WRITE, .bytes = bytes, .len = len, .off = off};
    size_t done;
    (void)ino;
    if (!fi->writepage) atomic_store(&handle_of(fi)->writer, fuse_req_ctx(request)->pid);
    const int fault = change_file(view_of(request), handle_of(fi), &c, &done);
    if (fault)
        fuse_reply_err(request, fault);
    else
        fuse_reply_write(request, done);
}

void answer_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi) {
    const struct change c = {.what = CHANGE_ALLOCATE, .mode = mode, .off = off, .room = len};
    size_t done;
    (void)ino;
    fuse_reply_err(request, change_file(view_of(request), handle_of(fi), &c, &done));
}

/* ---- attributes */

/* Opens what a node stands for, to change its attributes: by the name that /proc gives to it. */
static int open_target(struct view *view, const struct node *node, char path[40]) {
    pthread_rwlock_rdlock(&view->names);
    const struct shown shown = nodes_shown(&view->nodes, node);
    char *name = nodes_gone(&view->nodes, node) ? NULL : nodes_path(&view->nodes, node);
    char *file = name ? shown_file(name, &shown) : NULL;
    const int fd = file ? source_tree_at(&view->tree, file, O_PATH | O_NOFOLLOW) : -ENOENT;
    pthread_rwlock_unlock(&view->names);
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    free(name);
    free(file);
    return fd;
}

/* Of a link the attributes are its own: what /proc gives leads to the link itself. */
static int change_attributes(const char *path, const struct stat *to, int what) {
    const uid_t user = what & FUSE_SET_ATTR_UID ? to->st_uid : (uid_t)-1;
    const gid_t group = what & FUSE_SET_ATTR_GID ? to->st_gid : (gid_t)-1;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
    if (what & FUSE_SET_ATTR_ATIME) times[0] = to->st_atim;
    if (what & FUSE_SET_ATTR_MTIME) times[1] = to->st_mtim;
    if (what & FUSE_SET_ATTR_ATIME_NOW) times[0].tv_nsec = UTIME_NOW;
    if (what & FUSE_SET_ATTR_MTIME_NOW) times[1].tv_nsec = UTIME_NOW;
    const bool of_time = times[0].tv_nsec != UTIME_OMIT || times[1].tv_nsec != UTIME_OMIT;
    if (what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) && chown(path, user, group) != 0) return errno;
    if (what & FUSE_SET_ATTR_MODE && chmod(path, to->st_mode & 07777) != 0) return errno;
    return of_time && utimensat(AT_FDCWD, path, times, 0) != 0 ? errno : 0;
}

/* Changes a node: `act` gets the name of its draft, and of what the folder has if that is the same file. */
static int with_paths(struct view *view, struct node *node, int (*act)(const char *path, void *user), void *user) {
    char path[40];
    struct draft *d = draft_get(view, node);
    int fault = 0;
    bool stored = true;
    if (d) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", d->fd);
        pthread_mutex_lock(&d->lock);
        fault = act(path, user);
        stored = !d->dirty;
        pthread_mutex_unlock(&d->lock);
        draft_put(view, d);
    }
    if (fault || !stored) return fault;
    const int fd = open_target(view, node, path);
    if (fd < 0) return d && fd == -ENOENT ? 0 : -fd;
    fault = act(path, user);
    close(fd);
    return fault;
}

struct attributes {
    const struct stat *to;
    int what;
};

static int change_both(const char *path, void *user) {
    const struct attributes *a = user;
    return change_attributes(path, a->to, a->what);
}

/* Cuts or extends a file that no handle is given for: as if it was opened and closed for that. Returns the handle,
 * whose use goes to the task that stores. */
static int cut_closed(struct view *view, struct node *node, const struct change *c, struct handle **h) {
    struct fuse_file_info fi = {.flags = O_WRONLY | (c->off == 0 ? O_TRUNC : 0)};
    size_t done;
    int fault = handle_open(view, node, &fi, 0, h);
    if (fault) return fault;
    fault = change_file(view, *h, c, &done);
    if (fault) handle_put(view, *h);
    return fault;
}

void answer_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *to, int what, struct fuse_file_info *fi) {
    struct view *view = view_of(request);
    struct node *node = view_node(view, ino);
    const struct change c = {.what = CHANGE_LENGTH, .off = to->st_size};
    struct handle *h = NULL;
    size_t done;
    int fault = view->write ? 0 : EROFS;
    if (!fault && what & FUSE_SET_ATTR_SIZE)
        fault = fi ? change_file(view, handle_of(fi), &c, &done) : cut_closed(view, node, &c, &h);
    struct attributes a = {to, what};
    if (!fault) fault = with_paths(view, node, change_both, &a);
    if (!fault && h) {
        stores_ask(view, DO_TRUNCATE, node, h, request);
        return;
    }
    if (h) handle_put(view, h);
    if (fault)
        fuse_reply_err(request, fault);
    else
        view_reply_attributes(request, node);
}

/* ---- extended attributes */

struct attribute {
    const char *name, *value;
    size_t len;
    int flags;
};

static int set_one(const char *path, void *user) {
    const struct attribute *a = user;
    return setxattr(path, a->name, a->value, a->len, a->flags) == 0 ? 0 : errno;
}

static int remove_one(const char *path, void *user) {
    return removexattr(path, ((const struct attribute *)user)->name) == 0 ? 0 : errno;
}

/* Those of ours tell what the file is: copies of them are taken, and change nothing. */
static bool is_own(const char *name) {
    return strncmp(name, "user.zipnn.", 11) == 0;
}

void answer_setxattr(fuse_req_t request, fuse_ino_t ino, const char *name, const char *value, size_t len, int flags) {
    struct view *view = view_of(request);
    struct attribute a = {name, value, len, flags};
    int fault = !view->write ? EROFS : strncmp(name, "user.", 5) != 0 ? ENOTSUP : 0;
    if (!fault && !is_own(name)) fault = with_paths(view, view_node(view, ino), set_one, &a);
    fuse_reply_err(request, fault);
}

void answer_removexattr(fuse_req_t request, fuse_ino_t ino, const char *name) {
    struct view *view = view_of(request);
    struct attribute a = {.name = name};
    int fault = !view->write ? EROFS : strncmp(name, "user.", 5) != 0 ? ENODATA : is_own(name) ? EPERM : 0;
    if (!fault) fault = with_paths(view, view_node(view, ino), remove_one, &a);
    fuse_reply_err(request, fault);
}
