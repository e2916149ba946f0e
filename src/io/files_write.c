#define _GNU_SOURCE /* fallocate */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/vfs.h>
#endif

#include "base/bytes.h"
#include "io/files_priv.h"

#if defined(__linux__)

/* In memory there are no blocks to find, and asking for pages is one more walk over them. */
static bool is_in_memory(int fd) {
    enum { TMPFS = 0x01021994 };
    struct statfs fs;
    return fstatfs(fd, &fs) != 0 || fs.f_type == TMPFS;
}

/* Blocks that a file has already are filled faster than blocks still to be found for it. So a new file gets room in
 * steps, ahead of its writers; its length is theirs to move. Where the system gives no room, they go without. */
static void make_room(zipnn_file *f, uint64_t end) {
    enum { AHEAD = 8 << 20, STEP = 32 << 20 };
    uint64_t has = atomic_load_explicit(&f->room, memory_order_relaxed);
    if (end < AHEAD || end + AHEAD <= has || has == ZN_ROOM_ENDS || end > INT64_MAX - 2 * (uint64_t)STEP) return;
    const uint64_t from = ZN_MAX(has, end), more = ZN_MIN(end, (uint64_t)STEP);
    if (!atomic_compare_exchange_strong(&f->room, &has, from + more)) return; /* another thread does it */
    const bool refused =
        (has == 0 && is_in_memory(f->fd)) || fallocate(f->fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)more) != 0;
    if (refused) atomic_store(&f->room, ZN_ROOM_ENDS);
}

#else

static void make_room(zipnn_file *f, uint64_t end) {
    (void)f, (void)end;
}

#endif

void zn_file_trim(const zipnn_file *f) {
    struct stat now;
    if (atomic_load(&f->room) == 0 || fstat(f->fd, &now) != 0) return;
    if (ftruncate(f->fd, now.st_size) != 0) errno = 0;
}

static zipnn_status write_all(void *user, const void *buf, size_t len, zipnn_error *err) {
    zipnn_file *f = user;
    const uint8_t *from = buf;
    if (f->target.temp[0]) make_room(f, f->at + len);
    while (len > 0) {
        ssize_t n = write(f->fd, from, ZN_MIN(len, (size_t)ZN_CALL_MAX));
        if (n < 0 && zn_may_retry(f->fd, POLLOUT, errno)) continue;
        if (n < 0) return zn_fail_os(f->path, "write", f->at, errno, err);
        from += n;
        f->at += (uint64_t)n;
        len -= (size_t)n;
    }
    return ZIPNN_OK;
}

static zipnn_status write_all_at(void *user, uint64_t off, const void *buf, size_t len, zipnn_error *err) {
    zipnn_file *f = user;
    const uint8_t *from = buf;
    make_room(f, off + len);
    while (len > 0) {
        ssize_t n = pwrite(f->fd, from, ZN_MIN(len, (size_t)ZN_CALL_MAX), (off_t)off);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return zn_fail_os(f->path, "write", off, errno, err);
        from += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return ZIPNN_OK;
}

/* A descriptor of the caller gets no positioned writes: it may append, and others may write after us. */
void zn_file_sink(zipnn_file *f, zipnn_sink *sink) {
    *sink = (zipnn_sink){.write = write_all, .write_at = f->target.temp[0] ? write_all_at : NULL, .user = f};
}

zipnn_status zn_file_reserve(zipnn_file *f, uint64_t len, zipnn_error *err) {
#if defined(__linux__)
    if (!f->target.temp[0] || len == 0 || len > INT64_MAX) return ZIPNN_OK;
    if (fallocate(f->fd, 0, 0, (off_t)len) != 0 && errno == ENOSPC)
        return zn_fail_os(f->path, "make room", ZN_NOWHERE, ENOSPC, err);
    atomic_store(&f->room, ZN_ROOM_ENDS);
#else
    (void)f, (void)len, (void)err;
#endif
    return ZIPNN_OK;
}
