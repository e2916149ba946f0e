#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

/* ---- where it goes */

struct place {
    const struct node *parent;
    char *folder, *name;
    int at;                       /* the folder */
    bool exists, suffixed, plain; /* what is there now */
    bool suffix_taken;            /* by what is shown as NAME.znn; or the name is too long for it */
};

static void leave(struct place *p) {
    if (p->at >= 0) close(p->at);
    free(p->folder);
    free(p->name);
}

static char *with_suffix(const char *name) {
    const struct shown shown = {.suffixed = true};
    return shown_file(name, &shown);
}

/* The caller holds the lock of names. */
static int find_place(struct view *view, const struct node *node, struct place *p) {
    struct shown shown;
    struct stat st;
    *p = (struct place){
        .parent = node->parent, .folder = nodes_path(&view->nodes, node->parent), .name = strdup(node->name), .at = -1};
    if (!p->folder || !p->name) return ENOMEM;
    p->at = source_tree_at(&view->tree, p->folder, O_RDONLY | O_DIRECTORY);
    if (p->at < 0) return -p->at;
    const int fault = view_find(view, p->folder, p->name, &shown);
    if (fault && fault != ENOENT) return fault;
    p->exists = !fault;
    if (p->exists && shown.kind != NODE_PLAIN && shown.kind != NODE_ARCHIVE) return EEXIST;
    p->suffixed = p->exists && shown.suffixed;
    p->plain = p->exists && shown.kind == NODE_PLAIN;
    char *suffixed = with_suffix(p->name);
    if (!suffixed) return ENOMEM;
    p->suffix_taken = !p->suffixed && (fstatat(p->at, suffixed, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT);
    free(suffixed);
    return 0;
}

static bool same_place(const struct place *a, const struct place *b) {
    return a->parent == b->parent && strcmp(a->name, b->name) == 0 && a->exists == b->exists &&
           a->suffixed == b->suffixed && a->plain == b->plain && a->suffix_taken == b->suffix_taken;
}

/* Whether the archive gets the suffix at once: a file that has none is replaced under its own name first. */
static bool is_suffixed(const struct place *p) {
    return p->exists ? p->suffixed : !p->suffix_taken;
}

/* ---- the new file */

/* Faults of the system, which the library tells as words only. */
struct caught {
    zipnn_sink to;
    uint64_t len;
    int fault;
};

static int fault_of(zipnn_status status, int number) {
    return status == ZIPNN_OK ? 0 : status == ZIPNN_E_MEMORY ? ENOMEM : number ? number : EIO;
}

static zipnn_status write_caught(void *user, const void *bytes, size_t len, zipnn_error *err) {
    struct caught *c = user;
    errno = 0;
    const zipnn_status status = c->to.write(c->to.user, bytes, len, err);
    c->len += len;
    if (status != ZIPNN_OK) c->fault = fault_of(status, errno);
    return status;
}

static int begin_file(const struct place *p, const char *file, const zipnn_file *like, enum durability how,
                      zipnn_file **to) {
    char path[64 + NAME_MAX];
    const unsigned flags = ZIPNN_FILE_REPLACE | ZIPNN_FILE_ALIKE | (how == STORE_SYNCED ? ZIPNN_FILE_SYNC : 0u);
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", p->at, file);
    errno = 0;
    return fault_of(zipnn_file_create(path, like, flags, to, NULL), errno);
}

/* The last steps of a new file that has all its bytes are those of `settle`. */
struct stored {
    zipnn_file *file;
    bool packed;
};

static int pack(zipnn_ctx *ctx, zipnn_file *from, zipnn_file *to, uint64_t *len) {
    struct caught caught = {.fault = 0};
    zipnn_source source;
    zipnn_error err;
    zipnn_file_source(from, &source);
    zipnn_file_sink(to, &caught.to);
    const zipnn_sink sink = {.write = write_caught, .user = &caught};
    const zipnn_status status = zipnn_pack(ctx, &source, &sink, NULL, &err);
    if (status != ZIPNN_OK && !caught.fault) say("packing failed: %s", err.message);
    *len = caught.len;
    return fault_of(status, caught.fault);
}

static int copy(int fd, zipnn_file *to) {
    enum { PIECE = 1 << 20 };
    struct caught caught = {.fault = 0};
    char *bytes = malloc(PIECE);
    ssize_t got = bytes ? 1 : 0;
    int fault = bytes ? 0 : ENOMEM;
    zipnn_file_sink(to, &caught.to);
    while (!fault && (got = pread(fd, bytes, PIECE, (off_t)caught.len)) > 0)
        if (write_caught(&caught, bytes, (size_t)got, NULL) != ZIPNN_OK) fault = caught.fault;
    if (got < 0) fault = errno;
    free(bytes);
    return fault;
}

/* An archive that is not smaller by this part of the original is not worth it: its bytes cannot be shared or mapped. */
enum { LEAST_GAIN = 64 };

/* Writes all of the new file, without a name. Bytes that begin like an archive are always packed: as they are, they
 * would be shown as what they stand for. */
static int write_new(struct view *view, zipnn_ctx *ctx, const struct place *p, const struct draft *d,
                     enum durability how, struct stored *s) {
    bool needs_bases;
    uint64_t len = 0;
    zipnn_file *from = NULL;
    struct stat st;
    if (fstat(d->fd, &st) != 0) return errno;
    int fault = fault_of(zipnn_file_from_fd(d->fd, p->name, &from, NULL), EIO);
    const uint64_t size = (uint64_t)st.st_size;
    const bool must = p->suffixed || begins_like_archive(d->fd, &needs_bases);
    char *file = is_suffixed(p) ? with_suffix(p->name) : strdup(p->name);
    if (!file) fault = ENOMEM;
    s->packed = must || size >= view->keep_below;
    if (!fault && s->packed) {
        (void)zipnn_file_map(from, NULL);
        fault = begin_file(p, file, from, how, &s->file);
        if (!fault) fault = pack(ctx, from, s->file, &len);
        if (fault || (!must && len > size - size / LEAST_GAIN)) {
            zipnn_file_close(s->file);
            s->file = NULL;
            s->packed = false;
        }
    }
    if (!fault && !s->packed) {
        fault = begin_file(p, p->name, from, how, &s->file);
        if (!fault) fault = copy(d->fd, s->file);
    }
    zipnn_file_close(from);
    free(file);
    return fault;
}

/* Gives the new file its name, if that is still the same. A plain file that becomes an archive gets the suffix in a second
 * step: in between, it is shown by the same name, since archives are known by their bytes. EAGAIN: the place is another
 * one now. */
static int settle(struct view *view, struct node *node, struct draft *d, const struct place *was,
                  const struct stored *s) {
    struct place now;
    struct shown shown;
    pthread_rwlock_wrlock(&view->names);
    int fault = find_place(view, node, &now);
    if (nodes_gone(&view->nodes, node) || (!fault && !same_place(was, &now))) fault = EAGAIN;
    if (!fault && now.exists && view_find(view, now.folder, now.name, &shown) == 0) {
        fault = view_may_go(view, now.folder, now.name, &shown);
        if (!fault && shown.st.st_nlink == 1) needs_drop(&view->needs, &shown.st);
    }
    errno = 0;
    if (!fault) fault = fault_of(zipnn_file_commit(s->file, NULL), errno);
    if (!fault && s->packed && now.exists && now.plain && !now.suffix_taken) {
        char *suffixed = with_suffix(now.name);
        if (suffixed) (void)renameat2(now.at, now.name, now.at, suffixed, RENAME_NOREPLACE);
        free(suffixed);
    }
    if (!fault && view_find(view, now.folder, now.name, &shown) == 0) {
        nodes_update(&view->nodes, node, &shown);
        draft_number(view, d, shown.st.st_ino);
    }
    pthread_rwlock_unlock(&view->names);
    leave(&now);
    return fault;
}

static int store_once(struct view *view, zipnn_ctx *ctx, struct node *node, struct draft *d, enum durability how) {
    struct place p = {.at = -1};
    struct stored s = {.file = NULL};
    pthread_rwlock_rdlock(&view->names);
    const bool gone = nodes_gone(&view->nodes, node);
    int fault = gone ? 0 : find_place(view, node, &p);
    pthread_rwlock_unlock(&view->names);
    if (!fault && !gone) fault = write_new(view, ctx, &p, d, p.exists ? STORE_SYNCED : how, &s);
    if (!fault && !gone) fault = settle(view, node, d, &p, &s);
    zipnn_file_close(s.file);
    leave(&p);
    return fault;
}

int store_draft(struct view *view, zipnn_ctx *ctx, struct node *node, struct draft *d, enum durability how) {
    if (!d->dirty) return how == STORE_SYNCED ? store_sync(view, node) : 0;
    int fault = d->broken ? d->broken : EAGAIN;
    while (fault == EAGAIN) fault = store_once(view, ctx, node, d, how);
    d->dirty = fault != 0;
    d->fault = fault;
    if (!fault) return 0;
    char *path = nodes_path(&view->nodes, node);
    say("%s: what was written cannot be stored: %s", path ? path : node->name, strerror(fault));
    free(path);
    return fault;
}

int store_sync(struct view *view, struct node *node) {
    pthread_rwlock_rdlock(&view->names);
    const struct shown shown = nodes_shown(&view->nodes, node);
    char *path = nodes_gone(&view->nodes, node) ? NULL : nodes_path(&view->nodes, node);
    char *file = path ? shown_file(path, &shown) : NULL;
    const int fd = file ? source_tree_at(&view->tree, file, O_RDONLY | O_NONBLOCK) : -1;
    pthread_rwlock_unlock(&view->names);
    const int fault = fd >= 0 && fsync(fd) != 0 && errno != EINVAL ? errno : 0;
    if (fd >= 0) close(fd);
    free(path);
    free(file);
    return fault;
}
