/* The kernel's questions about the bytes of files. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "mounted_view.h"

enum { MOST_PARTS = 32 }; /* of an answer that comes from chunks without a copy */

/* An open file. */
struct handle {
    struct opened *archive; /* NULL: a plain file */
    int fd;                 /* of a plain file */
    atomic_uint users;      /* the kernel's, and reads under way */
    atomic_ullong last;     /* chunk read last ... */
    atomic_uint run;        /* ... and how many came one after the other */
};

/* Opens the file behind a node. ESTALE if its name leads to something else by now: then the kernel looks the name up
 * again and opens what it finds, so that old and new bytes never meet in one node. */
static int open_file(struct view *view, struct node *node, int *fd) {
    struct shown now;
    char *folder = nodes_path(&view->nodes, node->parent), *file = NULL, *path = NULL;
    int fault = folder ? view_find(view, folder, node->name, &now) : ENOMEM;
    if (!fault && !node_is(node, &now)) fault = ESTALE;
    if (!fault && now.unreadable) fault = EIO;
    if (!fault) file = shown_file(node->name, &now);
    if (file) path = path_below(folder, file);
    if (!fault) *fd = path ? source_tree_at(&view->tree, path, O_RDONLY | O_NONBLOCK) : -ENOMEM;
    if (!fault && *fd < 0) fault = -*fd;
    free(folder);
    free(file);
    free(path);
    return fault == ENOENT ? ESTALE : fault;
}

/* Takes over fd. The archive must be the one that the node stands for. */
static int open_archive(struct view *view, const struct node *node, int fd, struct handle *h) {
    zipnn_error err;
    char *path = nodes_path(&view->nodes, node);
    h->archive = archives_get(&view->archives, fd, path ? path : "", &err);
    free(path);
    if (!h->archive) return EIO;
    struct shown opened = nodes_shown(&view->nodes, node);
    opened.st.st_size = (off_t)h->archive->info.original;
    for (size_t i = 0; i < sizeof opened.xxh3; i++) opened.xxh3[i] = h->archive->info.xxh3[i];
    if (node_is(node, &opened)) return 0;
    archives_put(&view->archives, h->archive);
    return ESTALE;
}

void answer_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi) {
    struct view *view = fuse_req_userdata(request);
    struct node *node = view_node(view, ino);
    const bool archive = nodes_shown(&view->nodes, node).kind == NODE_ARCHIVE;
    struct handle *h = calloc(1, sizeof *h);
    struct stat st;
    int fault = (fi->flags & O_ACCMODE) != O_RDONLY ? EROFS : h ? 0 : ENOMEM, fd = -1;
    if (!fault) fault = open_file(view, node, &fd);
    if (!fault && !archive) {
        h->fd = fd;
        fi->keep_cache = fstat(fd, &st) == 0 && nodes_note_opened(&view->nodes, node, &st);
    }
    if (!fault && archive) {
        fault = open_archive(view, node, fd, h);
        fi->keep_cache = 1; /* another content is another node */
    }
    if (h) atomic_store(&h->users, 1);
    fi->fh = (uint64_t)(uintptr_t)h;
    if (!fault && fuse_reply_open(request, fi) == 0) return;
    if (fault) fuse_reply_err(request, fault);
    if (!fault && archive) archives_put(&view->archives, h->archive);
    if (!fault && !archive) close(h->fd);
    free(h);
}

static void drop(struct view *view, struct handle *h) {
    if (atomic_fetch_sub(&h->users, 1) != 1) return;
    if (h->archive)
        archives_put(&view->archives, h->archive);
    else
        close(h->fd);
    free(h);
}

void answer_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi) {
    (void)ino;
    drop(fuse_req_userdata(request), (struct handle *)(uintptr_t)fi->fh);
    fuse_reply_err(request, 0);
}

/* Asks for the next chunks when a file is read from front to back. */
static void look_ahead(struct view *view, struct handle *h, uint64_t chunk) {
    const uint64_t last = atomic_exchange(&h->last, chunk);
    if (chunk == last) return;
    const unsigned run = chunk == last + 1 ? atomic_fetch_add(&h->run, 1) + 1 : 0;
    if (run == 0) atomic_store(&h->run, 0);
    for (unsigned i = 1; run >= 2 && i <= view->threads; i++) ahead_ask(view, h->archive, chunk + i);
}

/* Answers a read over too many small chunks. */
static void read_copied(fuse_req_t request, struct view *view, struct handle *h, uint64_t off, size_t len,
                        uint64_t chunk) {
    zipnn_error err;
    char *bytes = malloc(len);
    if (!bytes) {
        fuse_reply_err(request, ENOMEM);
    } else if (opened_read(h->archive, &view->contexts, off, len, bytes, &err) != ZIPNN_OK) {
        opened_report(h->archive, chunk, &err);
        fuse_reply_err(request, EIO);
    } else {
        fuse_reply_buf(request, bytes, len);
    }
    free(bytes);
}

static void read_archive(fuse_req_t request, struct view *view, struct handle *h, uint64_t off, size_t size) {
    struct iovec parts[MOST_PARTS];
    struct chunk *held[MOST_PARTS];
    const uint64_t total = h->archive->info.original;
    if (off >= total) {
        fuse_reply_buf(request, NULL, 0);
        return;
    }
    const uint64_t end = size < total - off ? off + size : total;
    uint64_t at = off, chunk, first;
    int n = 0;
    if (zipnn_archive_chunk_at(h->archive->archive, off, &first, NULL) != ZIPNN_OK) {
        fuse_reply_err(request, EIO);
        return;
    }
    for (chunk = first; at < end && n < MOST_PARTS; chunk++) {
        struct chunk *c = chunk_get(&view->cache, h->archive, chunk);
        if (!c) break;
        const uint64_t from = at - c->info.offset, there = c->info.length - from;
        const uint64_t len = there < end - at ? there : end - at;
        parts[n] = (struct iovec){c->bytes + from, (size_t)len};
        held[n++] = c;
        at += len;
    }
    if (at == end) {
        look_ahead(view, h, chunk - 1);
        fuse_reply_iov(request, parts, n);
    } else if (n < MOST_PARTS) {
        fuse_reply_err(request, EIO);
    }
    for (int i = 0; i < n; i++) chunk_put(&view->cache, held[i]);
    if (at < end && n == MOST_PARTS) read_copied(request, view, h, off, (size_t)(end - off), first);
}

static void read_plain(fuse_req_t request, const struct handle *h, off_t off, size_t size) {
    struct fuse_bufvec bytes = FUSE_BUFVEC_INIT(size);
    bytes.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
    bytes.buf[0].fd = h->fd;
    bytes.buf[0].pos = off;
    fuse_reply_data(request, &bytes, FUSE_BUF_SPLICE_MOVE);
}

void answer_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
    struct view *view = fuse_req_userdata(request);
    struct handle *h = (struct handle *)(uintptr_t)fi->fh;
    (void)ino;
    atomic_fetch_add(&h->users, 1); /* once it is answered, the file may be released */
    if (h->archive)
        read_archive(request, view, h, (uint64_t)off, size);
    else
        read_plain(request, h, off, size);
    drop(view, h);
}
