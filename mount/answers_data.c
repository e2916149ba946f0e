/* The kernel's questions about the bytes of files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "drafts.h"
#include "handles.h"

enum { MOST_PARTS = 32 }; /* of an answer that comes from chunks without a copy */

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

static void read_plain(fuse_req_t request, int fd, off_t off, size_t size) {
    struct fuse_bufvec bytes = FUSE_BUFVEC_INIT(size);
    bytes.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
    bytes.buf[0].fd = fd;
    bytes.buf[0].pos = off;
    fuse_reply_data(request, &bytes, FUSE_BUF_SPLICE_MOVE);
}

void answer_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
    struct view *view = fuse_req_userdata(request);
    struct handle *h = handle_of(fi);
    struct draft *d = draft_get(view, h->node);
    (void)ino;
    atomic_fetch_add(&h->users, 1); /* once it is answered, the file may be released */
    if (d)
        read_plain(request, d->fd, off, size);
    else if (h->archive)
        read_archive(request, view, h, (uint64_t)off, size);
    else
        read_plain(request, h->fd, off, size);
    draft_put(view, d);
    handle_put(view, h);
}
