/* The kernel's questions about names, attributes and folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "drafts.h"

/* So long the kernel trusts what it was told, in seconds. */
static const double TRUST = 1.0;

struct node *view_node(struct view *view, fuse_ino_t ino) {
    return ino == FUSE_ROOT_ID ? view->nodes.root : (struct node *)(uintptr_t)ino;
}

static struct view *view_of(fuse_req_t request) {
    return fuse_req_userdata(request);
}

static void answer_init(void *user, struct fuse_conn_info *conn) {
    (void)user;
    conn->want |= conn->capable & (FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_AUTO_INVAL_DATA |
                                   FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_ATOMIC_O_TRUNC);
    conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ);
    conn->max_background = 64;
}

/* ---- names and attributes */

char *view_path(struct view *view, const struct node *node) {
    pthread_rwlock_rdlock(&view->names);
    char *path = nodes_path(&view->nodes, node);
    pthread_rwlock_unlock(&view->names);
    return path;
}

/* What has a draft is found before what the folder has under the name. */
int view_look_up(struct view *view, struct node *folder, const char *name, struct node **node) {
    struct shown shown;
    *node = drafts_find(view, folder, name);
    if (*node) return 0;
    char *path = nodes_gone(&view->nodes, folder) ? NULL : nodes_path(&view->nodes, folder);
    const int fault = path ? view_find(view, path, name, &shown) : ENOENT;
    free(path);
    if (fault) return fault;
    *node = nodes_add(&view->nodes, folder, name, &shown);
    return *node ? 0 : ENOMEM;
}

struct fuse_entry_param view_entry(struct view *view, struct node *node) {
    struct draft *d = draft_get(view, node);
    const struct fuse_entry_param entry = {.ino = (fuse_ino_t)(uintptr_t)node,
                                           .generation = 1,
                                           .attr = d ? draft_stat(view, node, d) : nodes_shown(&view->nodes, node).st,
                                           .attr_timeout = d ? 0 : TRUST,
                                           .entry_timeout = TRUST};
    draft_put(view, d);
    return entry;
}

static void answer_lookup(fuse_req_t request, fuse_ino_t ino, const char *name) {
    struct view *view = view_of(request);
    struct node *node;
    pthread_rwlock_rdlock(&view->names);
    const int fault = view_look_up(view, view_node(view, ino), name, &node);
    pthread_rwlock_unlock(&view->names);
    if (fault) {
        fuse_reply_err(request, fault);
        return;
    }
    const struct fuse_entry_param entry = view_entry(view, node);
    fuse_reply_entry(request, &entry);
}

static void answer_forget(fuse_req_t request, fuse_ino_t ino, uint64_t lookups) {
    struct view *view = view_of(request);
    if (ino != FUSE_ROOT_ID) nodes_forget(&view->nodes, view_node(view, ino), lookups);
    fuse_reply_none(request);
}

static void answer_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets) {
    struct view *view = view_of(request);
    for (size_t i = 0; i < count; i++)
        if (forgets[i].ino != FUSE_ROOT_ID)
            nodes_forget(&view->nodes, view_node(view, forgets[i].ino), forgets[i].nlookup);
    fuse_reply_none(request);
}

/* What has become something else keeps the attributes it had: it may still be open. */
static struct stat look_again(struct view *view, struct node *node) {
    struct shown now, was = nodes_shown(&view->nodes, node);
    if (!node->parent) {
        if (fstat(view->tree.root, &was.st) == 0 && !view->write) was.st.st_mode &= ~(mode_t)0222;
        return was.st;
    }
    const bool gone = nodes_gone(&view->nodes, node);
    char *folder = gone ? NULL : nodes_path(&view->nodes, node->parent);
    const bool same = folder && view_find(view, folder, node->name, &now) == 0 && node_is(node, &now);
    free(folder);
    if (gone) was.st.st_nlink = 0;
    if (!same) return was.st;
    nodes_update(&view->nodes, node, &now);
    return now.st;
}

/* What is being written changes its attributes at any moment, and its number when it is stored. */
void view_reply_attributes(fuse_req_t request, struct node *node) {
    struct view *view = view_of(request);
    struct draft *d = draft_get(view, node);
    pthread_rwlock_rdlock(&view->names);
    const struct stat st = d ? draft_stat(view, node, d) : look_again(view, node);
    pthread_rwlock_unlock(&view->names);
    fuse_reply_attr(request, &st, d ? 0 : TRUST);
    draft_put(view, d);
}

static void answer_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi) {
    (void)fi;
    view_reply_attributes(request, view_node(view_of(request), ino));
}

static void answer_readlink(fuse_req_t request, fuse_ino_t ino) {
    struct view *view = view_of(request);
    const struct node *node = view_node(view, ino);
    const struct shown shown = nodes_shown(&view->nodes, node);
    pthread_rwlock_rdlock(&view->names);
    char *folder = nodes_path(&view->nodes, node->parent), *file = shown_file(node->name, &shown), *target = NULL;
    const int fault = folder && file ? source_tree_link(&view->tree, folder, file, shown.suffixed, &target) : ENOMEM;
    pthread_rwlock_unlock(&view->names);
    if (fault)
        fuse_reply_err(request, fault);
    else
        fuse_reply_readlink(request, target);
    free(folder);
    free(file);
    free(target);
}

static void answer_statfs(fuse_req_t request, fuse_ino_t ino) {
    struct statvfs st;
    (void)ino;
    if (fstatvfs(view_of(request)->tree.root, &st) != 0)
        fuse_reply_err(request, errno);
    else
        fuse_reply_statfs(request, &st);
}

/* ---- extended attributes */

static const char *const own_names[] = {"user.zipnn.xxh3", "user.zipnn.level", "user.zipnn.sha256"};

static void hex(const uint8_t *bytes, size_t n, char *text) {
    for (size_t i = 0; i < n; i++) sprintf(text + 2 * i, "%02x", bytes[i]);
}

/* Writes the value of an attribute of ours. Returns false if the node has no such attribute. */
static bool own_value(const struct shown *shown, const char *name, char text[80]) {
    if (shown->kind != NODE_ARCHIVE) return false;
    if (strcmp(name, own_names[0]) == 0)
        hex(shown->xxh3, sizeof shown->xxh3, text);
    else if (strcmp(name, own_names[1]) == 0)
        sprintf(text, "%d", shown->level);
    else if (strcmp(name, own_names[2]) == 0 && shown->has_sha256)
        hex(shown->sha256, sizeof shown->sha256, text);
    else
        return false;
    return true;
}

static void reply_bytes(fuse_req_t request, const char *bytes, size_t len, size_t size) {
    if (size == 0)
        fuse_reply_xattr(request, len);
    else if (len > size)
        fuse_reply_err(request, ERANGE);
    else
        fuse_reply_buf(request, bytes, len);
}

/* Opens the file itself, for its own attributes. */
static int open_own(struct view *view, const struct node *node, const struct draft *d) {
    const struct shown shown = nodes_shown(&view->nodes, node);
    if (d) return fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
    if (shown.kind == NODE_LINK || shown.kind == NODE_OTHER) return -ENOTSUP;
    char *path = view_path(view, node), *file = path ? shown_file(path, &shown) : NULL;
    const int fd = file ? source_tree_at(&view->tree, file, O_RDONLY | O_NONBLOCK) : -ENOMEM;
    free(path);
    free(file);
    return fd;
}

static void answer_getxattr(fuse_req_t request, fuse_ino_t ino, const char *name, size_t size) {
    struct view *view = view_of(request);
    const struct node *node = view_node(view, ino);
    const struct shown shown = nodes_shown(&view->nodes, node);
    struct draft *d = draft_get(view, node);
    char text[80];
    if (!d && own_value(&shown, name, text)) {
        reply_bytes(request, text, strlen(text), size);
        return;
    }
    const int fd = strncmp(name, "user.", 5) == 0 ? open_own(view, node, d) : -ENODATA;
    char *value = malloc(XATTR_SIZE_MAX);
    draft_put(view, d);
    const ssize_t len = fd >= 0 && value ? fgetxattr(fd, name, value, XATTR_SIZE_MAX) : -1;
    if (len >= 0)
        reply_bytes(request, value, (size_t)len, size);
    else
        fuse_reply_err(request, fd < 0 ? -fd : errno);
    if (fd >= 0) close(fd);
    free(value);
}

/* Appends a name with its NUL. */
static size_t put_name(char *names, size_t len, const char *name) {
    const size_t n = strlen(name) + 1;
    memcpy(names + len, name, n);
    return len + n;
}

static void answer_listxattr(fuse_req_t request, fuse_ino_t ino, size_t size) {
    enum { MOST_FOUND = XATTR_LIST_MAX / 2 };
    struct view *view = view_of(request);
    const struct node *node = view_node(view, ino);
    const struct shown shown = nodes_shown(&view->nodes, node);
    struct draft *d = draft_get(view, node);
    const int fd = open_own(view, node, d);
    char text[80], *names = malloc(XATTR_LIST_MAX), *found = malloc(MOST_FOUND);
    const bool ok = names && found;
    size_t len = 0;
    for (size_t i = 0; ok && i < sizeof own_names / sizeof own_names[0]; i++)
        if (!d && own_value(&shown, own_names[i], text)) len = put_name(names, len, own_names[i]);
    const ssize_t others = fd >= 0 && ok ? flistxattr(fd, found, MOST_FOUND) : 0;
    for (ssize_t i = 0; i < others; i += (ssize_t)strlen(found + i) + 1)
        if (strncmp(found + i, "user.", 5) == 0) len = put_name(names, len, found + i);
    if (ok)
        reply_bytes(request, names, len, size);
    else
        fuse_reply_err(request, ENOMEM);
    if (fd >= 0) close(fd);
    draft_put(view, d);
    free(names);
    free(found);
}

/* ---- folders */

struct listing {
    struct entry *entries;
    size_t n;
};

/* Adds a name that has a draft, and that the folder may not have yet. */
static void list_draft(void *user, const char *name, ino_t number) {
    struct listing *listing = user;
    for (size_t i = 0; i < listing->n; i++)
        if (strcmp(listing->entries[i].name, name) == 0) return;
    struct entry *more = realloc(listing->entries, (listing->n + 1) * sizeof *more);
    if (!more) return;
    listing->entries = more;
    more[listing->n] = (struct entry){strdup(name), number, DT_REG};
    if (more[listing->n].name) listing->n++;
}

static void answer_opendir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi) {
    struct view *view = view_of(request);
    struct node *folder = view_node(view, ino);
    struct listing *listing = calloc(1, sizeof *listing);
    pthread_rwlock_rdlock(&view->names);
    char *path = nodes_path(&view->nodes, folder);
    const int fault = listing && path ? view_list(view, path, &listing->entries, &listing->n) : ENOMEM;
    if (!fault) drafts_list(view, folder, list_draft, listing);
    pthread_rwlock_unlock(&view->names);
    free(path);
    fi->fh = (uint64_t)(uintptr_t)listing;
    if (!fault) {
        fuse_reply_open(request, fi);
        return;
    }
    for (size_t i = 0; listing && i < listing->n; i++) free(listing->entries[i].name);
    if (listing) free(listing->entries);
    free(listing);
    fuse_reply_err(request, fault);
}

static void answer_readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
    const struct listing *listing = (const struct listing *)(uintptr_t)fi->fh;
    static const char *const dots[] = {".", ".."};
    char *bytes = malloc(size);
    size_t used = 0;
    (void)ino;
    for (size_t i = (size_t)off; bytes && i < listing->n + 2; i++) {
        const struct entry *e = i < 2 ? NULL : &listing->entries[i - 2];
        const struct stat st = {.st_ino = e ? e->number : 1,
                                .st_mode = (mode_t)(e ? (unsigned)e->type << 12 : (unsigned)S_IFDIR)};
        const size_t needs =
            fuse_add_direntry(request, bytes + used, size - used, e ? e->name : dots[i], &st, (off_t)i + 1);
        if (needs > size - used) break;
        used += needs;
    }
    if (bytes)
        fuse_reply_buf(request, bytes, used);
    else
        fuse_reply_err(request, ENOMEM);
    free(bytes);
}

static void answer_releasedir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi) {
    struct listing *listing = (struct listing *)(uintptr_t)fi->fh;
    (void)ino;
    for (size_t i = 0; i < listing->n; i++) free(listing->entries[i].name);
    free(listing->entries);
    free(listing);
    fuse_reply_err(request, 0);
}

/* A view for reading only is mounted so: the kernel asks for no change. */
const struct fuse_lowlevel_ops view_answers = {.init = answer_init,
                                               .lookup = answer_lookup,
                                               .forget = answer_forget,
                                               .forget_multi = answer_forget_multi,
                                               .getattr = answer_getattr,
                                               .readlink = answer_readlink,
                                               .statfs = answer_statfs,
                                               .getxattr = answer_getxattr,
                                               .listxattr = answer_listxattr,
                                               .opendir = answer_opendir,
                                               .readdir = answer_readdir,
                                               .releasedir = answer_releasedir,
                                               .open = answer_open,
                                               .read = answer_read,
                                               .release = answer_release,
                                               .create = answer_create,
                                               .write = answer_write,
                                               .fallocate = answer_fallocate,
                                               .flush = answer_flush,
                                               .fsync = answer_fsync,
                                               .fsyncdir = answer_fsyncdir,
                                               .setattr = answer_setattr,
                                               .setxattr = answer_setxattr,
                                               .removexattr = answer_removexattr,
                                               .mkdir = answer_mkdir,
                                               .mknod = answer_mknod,
                                               .symlink = answer_symlink,
                                               .link = answer_link,
                                               .unlink = answer_unlink,
                                               .rmdir = answer_rmdir,
                                               .rename = answer_rename};
