/* The kernel's requests to make, rename and remove names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drafts.h"
#include "store.h"

static struct view *view_of(fuse_req_t request) {
    return fuse_req_userdata(request);
}

bool view_may_name(const char *name) {
    return !has_archive_suffix(name) && strncmp(name, LEFTOVER_PREFIX, sizeof LEFTOVER_PREFIX - 1) != 0;
}

/* ---- one name of one folder; under the lock of names, held alone */

struct spot {
    struct node *folder;
    char *path;
    int at;
    struct shown shown; /* what the folder has there, as the view shows it */
    bool stored, drafted;
    char *file; /* its name in the folder */
};

static void leave(struct spot *s) {
    if (s->at >= 0) close(s->at);
    free(s->path);
    free(s->file);
}

static int look_at(struct view *view, struct node *folder, const char *name, struct spot *s) {
    *s = (struct spot){.folder = folder, .at = -1};
    s->path = nodes_gone(&view->nodes, folder) ? NULL : nodes_path(&view->nodes, folder);
    if (!s->path) return ENOENT;
    s->at = source_tree_at(&view->tree, s->path, O_RDONLY | O_DIRECTORY);
    if (s->at < 0) return -s->at;
    const int fault = view_find(view, s->path, name, &s->shown);
    if (fault && fault != ENOENT) return fault;
    s->stored = !fault;
    if (fault) s->shown.suffixed = false;
    struct node *node = drafts_find(view, folder, name);
    s->drafted = node != NULL;
    if (node) nodes_forget(&view->nodes, node, 1);
    s->file = shown_file(name, &s->shown);
    return s->file ? 0 : ENOMEM;
}

static bool is_there(const struct spot *s) {
    return s->stored || s->drafted;
}

/* ---- making */

/* Gives what was just made to the program's user. A folder may hand its group down. */
static int give_to(fuse_req_t request, int at, const char *name) {
    const struct fuse_ctx *who = fuse_req_ctx(request);
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    const gid_t group = st.st_gid != getegid() ? st.st_gid : who->gid;
    if (st.st_uid == who->uid && st.st_gid == group) return 0;
    return fchownat(at, name, who->uid, group, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

struct wanted {
    mode_t mode;
    const char *target; /* of a link */
};

static int make_it(int at, const char *name, const struct wanted *w) {
    int done = -1;
    if (w->target)
        done = symlinkat(w->target, at, name);
    else if (S_ISDIR(w->mode))
        done = mkdirat(at, name, w->mode & 07777);
    else
        done = mknodat(at, name, w->mode, 0);
    return done == 0 ? 0 : errno;
}

static void make_name(fuse_req_t request, fuse_ino_t ino, const char *name, const struct wanted *w) {
    struct view *view = view_of(request);
    struct node *folder = view_node(view, ino), *node = NULL;
    struct spot s;
    pthread_rwlock_wrlock(&view->names);
    int fault = look_at(view, folder, name, &s);
    if (!fault && is_there(&s)) fault = EEXIST;
    if (!fault) fault = make_it(s.at, name, w);
    if (!fault && (fault = give_to(request, s.at, name)) != 0)
        (void)unlinkat(s.at, name, S_ISDIR(w->mode) ? AT_REMOVEDIR : 0);
    if (!fault) fault = view_look_up(view, folder, name, &node);
    pthread_rwlock_unlock(&view->names);
    leave(&s);
    if (fault) {
        fuse_reply_err(request, fault);
        return;
    }
    const struct fuse_entry_param entry = view_entry(view, node);
    fuse_reply_entry(request, &entry);
}

void answer_mkdir(fuse_req_t request, fuse_ino_t folder, const char *name, mode_t mode) {
    const struct wanted w = {.mode = S_IFDIR | mode};
    make_name(request, folder, name, &w);
}

void answer_mknod(fuse_req_t request, fuse_ino_t folder, const char *name, mode_t mode, dev_t device) {
    const struct wanted w = {.mode = mode};
    (void)device;
    if (!view_may_name(name) || S_ISCHR(mode) || S_ISBLK(mode))
        fuse_reply_err(request, EPERM);
    else
        make_name(request, folder, name, &w);
}

/* A target below the mount point is stored relative to the folder of the link. Returns NULL if it leads out, or there is
 * no memory. */
static char *target_inside(struct view *view, struct node *folder, const char *target) {
    const struct source_tree shown = {.path = (char *)(uintptr_t)view->point};
    char *path = view_path(view, folder);
    char *result = path ? source_tree_target(&shown, path, target) : NULL;
    free(path);
    return result;
}

void answer_symlink(fuse_req_t request, const char *target, fuse_ino_t ino, const char *name) {
    struct view *view = view_of(request);
    char *inside = target_inside(view, view_node(view, ino), target);
    const struct wanted w = {.mode = S_IFLNK, .target = inside};
    if (!inside || !view_may_name(name))
        fuse_reply_err(request, EPERM);
    else
        make_name(request, ino, name, &w);
    free(inside);
}

/* ---- a second name */

/* The new name has the suffix if the old one has it. */
static int link_it(struct view *view, struct node *node, struct node *folder, const char *name) {
    struct spot from, to;
    int fault = nodes_gone(&view->nodes, node) ? ENOENT : look_at(view, node->parent, node->name, &from);
    if (fault == ENOENT) from = (struct spot){.at = -1};
    if (!fault && !from.stored) fault = EPERM; /* it is still being written */
    if (!fault) {
        fault = look_at(view, folder, name, &to);
        if (!fault && is_there(&to)) fault = EEXIST;
        to.shown.suffixed = from.shown.suffixed;
        char *file = fault ? NULL : shown_file(name, &to.shown);
        if (!fault && !file) fault = ENOMEM;
        if (!fault && linkat(from.at, from.file, to.at, file, 0) != 0) fault = errno;
        free(file);
        leave(&to);
    }
    leave(&from);
    return fault;
}

void answer_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t into, const char *name) {
    struct view *view = view_of(request);
    struct node *folder = view_node(view, into), *node = NULL;
    int fault = view_may_name(name) ? 0 : EPERM;
    pthread_rwlock_wrlock(&view->names);
    if (!fault) fault = link_it(view, view_node(view, ino), folder, name);
    if (!fault) fault = view_look_up(view, folder, name, &node);
    pthread_rwlock_unlock(&view->names);
    if (fault) {
        fuse_reply_err(request, fault);
        return;
    }
    const struct fuse_entry_param entry = view_entry(view, node);
    fuse_reply_entry(request, &entry);
}

/* ---- removing */

void answer_unlink(fuse_req_t request, fuse_ino_t ino, const char *name) {
    struct view *view = view_of(request);
    struct node *folder = view_node(view, ino);
    struct spot s;
    pthread_rwlock_wrlock(&view->names);
    int fault = look_at(view, folder, name, &s);
    if (!fault && !is_there(&s)) fault = ENOENT;
    if (!fault && s.stored) fault = view_may_go(view, s.path, name, &s.shown);
    if (!fault && s.stored && unlinkat(s.at, s.file, 0) != 0) fault = errno;
    if (!fault && s.stored && s.shown.st.st_nlink == 1) needs_drop(&view->needs, &s.shown.st);
    if (!fault) nodes_remove(&view->nodes, folder, name);
    pthread_rwlock_unlock(&view->names);
    leave(&s);
    fuse_reply_err(request, fault);
}

static void note_name(void *user, const char *name, ino_t number) {
    (void)name;
    (void)number;
    *(bool *)user = true;
}

void answer_rmdir(fuse_req_t request, fuse_ino_t ino, const char *name) {
    struct view *view = view_of(request);
    struct node *folder = view_node(view, ino), *node = NULL;
    struct spot s;
    bool used = false;
    pthread_rwlock_wrlock(&view->names);
    int fault = look_at(view, folder, name, &s);
    if (!fault) fault = view_look_up(view, folder, name, &node);
    if (!fault) drafts_list(view, node, note_name, &used);
    if (!fault && used) fault = ENOTEMPTY;
    if (!fault && unlinkat(s.at, s.file, AT_REMOVEDIR) != 0) fault = errno;
    if (!fault) nodes_remove(&view->nodes, folder, name);
    pthread_rwlock_unlock(&view->names);
    if (node) nodes_forget(&view->nodes, node, 1);
    leave(&s);
    fuse_reply_err(request, fault);
}

/* ---- renaming */

/* Renames what the folders have. In between, the new name always shows one of the two files: an archive is known by its
 * bytes, so it can take a name without suffix first. */
static int rename_stored(const struct spot *from, const struct spot *to, const char *new_name) {
    struct shown with = {.suffixed = true};
    char *suffixed = shown_file(new_name, &with);
    if (!suffixed) return ENOMEM;
    struct stat st;
    const bool taken = fstatat(to->at, suffixed, &st, AT_SYMLINK_NOFOLLOW) == 0;
    const bool direct = from->shown.suffixed && (to->stored ? to->shown.suffixed : !taken);
    int fault = renameat(from->at, from->file, to->at, direct ? suffixed : new_name) == 0 ? 0 : errno;
    if (!fault && from->shown.suffixed && !direct && !taken)
        (void)renameat2(to->at, new_name, to->at, suffixed, RENAME_NOREPLACE);
    if (!fault && !from->shown.suffixed && to->stored && to->shown.suffixed) (void)unlinkat(to->at, suffixed, 0);
    free(suffixed);
    return fault;
}

static int may_replace(const struct spot *from, const struct spot *to) {
    const bool folder = from->stored && from->shown.kind == NODE_FOLDER;
    if (!to->stored) return folder && to->drafted ? ENOTDIR : 0;
    if (folder != (to->shown.kind == NODE_FOLDER)) return folder ? ENOTDIR : EISDIR;
    return 0;
}

static int rename_name(struct view *view, struct spot *from, const char *name, struct spot *to, const char *new_name,
                       unsigned flags) {
    struct shown now;
    const bool folder = from->stored && from->shown.kind == NODE_FOLDER;
    if (!is_there(from)) return ENOENT;
    if (!folder && !view_may_name(new_name)) return EPERM;
    if (flags & RENAME_NOREPLACE && is_there(to)) return EEXIST;
    if (from->folder == to->folder && strcmp(name, new_name) == 0) return 0;
    int fault = may_replace(from, to);
    if (!fault && to->stored) fault = view_may_go(view, to->path, new_name, &to->shown);
    if (!fault && from->stored && from->folder != to->folder && view->base_dir.root >= 0)
        fault = view_may_go(view, from->path, name, &from->shown); /* bases are only looked for beside an archive */
    if (!fault && from->stored) fault = rename_stored(from, to, new_name);
    if (fault) return fault;
    nodes_rename(&view->nodes, from->folder, name, to->folder, new_name);
    if (to->stored && to->shown.st.st_nlink == 1) needs_drop(&view->needs, &to->shown.st);
    if (from->stored && view_find(view, to->path, new_name, &now) == 0)
        nodes_renamed(&view->nodes, to->folder, new_name, &now);
    return 0;
}

void answer_rename(fuse_req_t request, fuse_ino_t ino, const char *name, fuse_ino_t new_ino, const char *new_name,
                   unsigned flags) {
    struct view *view = view_of(request);
    struct spot from, to;
    if (flags & ~(unsigned)RENAME_NOREPLACE) {
        fuse_reply_err(request, EINVAL);
        return;
    }
    pthread_rwlock_wrlock(&view->names);
    int fault = look_at(view, view_node(view, ino), name, &from);
    const int other = look_at(view, view_node(view, new_ino), new_name, &to);
    if (!fault) fault = other;
    if (!fault) fault = rename_name(view, &from, name, &to, new_name, flags);
    pthread_rwlock_unlock(&view->names);
    leave(&from);
    leave(&to);
    fuse_reply_err(request, fault);
}
