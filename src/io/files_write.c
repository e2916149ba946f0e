#define _GNU_SOURCE /* fallocate */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/vfs.h>
#endif

#include "base/bytes.h"
#include "io/files_priv.h"

#if defined(__linux__)

/* Returns whether a file is in memory. It then has no blocks to find, and asking for room would only be one more
 * pass. */
static bool is_in_memory(int fd) {
    enum { TMPFS = 0x01021994 };
    struct statfs fs;
    return fstatfs(fd, &fs) != 0 || fs.f_type == TMPFS;
}

/* Asks for room in steps, ahead of the writers, since writing to blocks that a file already has is faster. The writers
 * alone change the file's length. Where the system gives no room, they write without. */
static void make_room(zipnn_file *f, uint64_t end) {
    enum { AHEAD = 8 << 20, STEP = 32 << 20 };
    uint64_t has = atomic_load_explicit(&f->room, memory_order_relaxed);
    if (end < AHEAD || end + AHEAD <= has || has == ZN_ROOM_ENDS || end > INT64_MAX - 2 * (uint64_t)STEP) return;
    const uint64_t from = ZN_MAX(has, end), more = ZN_MIN(end, (uint64_t)STEP);
    if (!atomic_compare_exchange_strong(&f->room, &has, from + more)) return; /* another thread asks for it */
    const bool refused =
        (has == 0 && is_in_memory(f->fd)) || fallocate(f->fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)more) != 0;
    if (refused)
        atomic_store(&f->room, ZN_ROOM_ENDS);
    else
        atomic_store(&f->has_room, true);
}

/* Frees the blocks of a range that will be a hole. Some systems only do that before the end of the file, so the end is
 * first moved behind the range. Where it fails, the blocks read as zeros all the same. */
static void give_back(zipnn_file *f, uint64_t off, uint64_t len) {
    if (pwrite(f->fd, "", 1, (off_t)(off + len - 1)) == 1)
        (void)fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
}

#else

static void make_room(zipnn_file *f, uint64_t end) {
    (void)f, (void)end;
}

static void give_back(zipnn_file *f, uint64_t off, uint64_t len) {
    (void)f, (void)off, (void)len;
}

#endif

zipnn_status zn_file_settle_length(const zipnn_file *f, zipnn_error *err) {
    if (!atomic_load(&f->has_room) && !atomic_load(&f->has_holes)) return ZIPNN_OK;
    if (ftruncate(f->fd, (off_t)atomic_load(&f->end)) == 0 || !atomic_load(&f->has_holes)) return ZIPNN_OK;
    return zn_fail_os(f->path, "set the length", ZN_NOWHERE, errno, err);
}

/* Returns the message for a full device, with the bytes that are free on it. */
static zipnn_status fail_full(const zipnn_file *f, const char *what, uint64_t n, const char *unit, zipnn_error *err) {
    struct statvfs fs;
    if (fstatvfs(f->fd, &fs) != 0) return zn_fail_os(f->path, what, n, ENOSPC, err);
    return zn_fail_full(f->path, what, n, unit, (uint64_t)fs.f_bavail * fs.f_frsize, err);
}

static zipnn_status fail_write(const zipnn_file *f, uint64_t off, int os_error, zipnn_error *err) {
    if (os_error == ENOSPC && f->target.is_new) return fail_full(f, "write at offset", off, "", err);
    return zn_fail_os(f->path, "write", off, os_error, err);
}

static zipnn_status put_next(zipnn_file *f, const uint8_t *from, size_t len, zipnn_error *err) {
    while (len > 0) {
        ssize_t n = write(f->fd, from, ZN_MIN(len, (size_t)ZN_CALL_MAX));
        if (n < 0 && zn_may_retry(f->fd, POLLOUT, errno)) continue;
        if (n < 0) return fail_write(f, f->at, errno, err);
        from += n;
        f->at += (uint64_t)n;
        len -= (size_t)n;
    }
    return ZIPNN_OK;
}

static zipnn_status put_at(zipnn_file *f, uint64_t off, const uint8_t *from, size_t len, zipnn_error *err) {
    if (len) make_room(f, off + len);
    while (len > 0) {
        ssize_t n = pwrite(f->fd, from, ZN_MIN(len, (size_t)ZN_CALL_MAX), (off_t)off);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_write(f, off, errno, err);
        from += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return ZIPNN_OK;
}

enum { PAGE = 4096, LEAST_HOLE = 64 << 10 };

/* Returns the bytes from `off` to the next page of the file, at most `len`. */
static size_t to_next_page(uint64_t off, size_t len) {
    return ZN_MIN(len, PAGE - (size_t)(off % PAGE));
}

/* Counts zeros in whole pages of the file. A page of data only costs a look at its first byte. */
static size_t count_zeros(const uint8_t *from, uint64_t off, size_t len) {
    size_t n = 0;
    while (n < len) {
        const size_t page = to_next_page(off + n, len - n);
        if (from[n] || memcmp(from + n, from + n + 1, page - 1) != 0) break;
        n += page;
    }
    return n;
}

static void leave_hole(zipnn_file *f, uint64_t off, size_t len) {
    atomic_store(&f->has_holes, true);
    if (atomic_load(&f->has_room)) give_back(f, off, len);
}

static void move_end(zipnn_file *f, uint64_t end) {
    uint64_t before = atomic_load_explicit(&f->end, memory_order_relaxed);
    while (before < end && !atomic_compare_exchange_weak(&f->end, &before, end)) continue;
}

/* Writes bytes, except long ranges of zeros. What was never written reads as zeros and takes no room. */
static zipnn_status write_all_at(void *user, uint64_t off, const void *buf, size_t len, zipnn_error *err) {
    zipnn_file *f = user;
    const uint8_t *from = buf;
    size_t at = 0, written = 0;
    move_end(f, off + len);
    while (at < len) {
        const size_t zeros = count_zeros(from + at, off + at, len - at);
        if (zeros >= LEAST_HOLE || zeros == len) {
            ZN_TRY(put_at(f, off + written, from + written, at - written, err));
            leave_hole(f, off + at, zeros);
            written = at + zeros;
        }
        at += zeros ? zeros : to_next_page(off + at, len - at);
    }
    return put_at(f, off + written, from + written, len - written, err);
}

static zipnn_status write_all(void *user, const void *buf, size_t len, zipnn_error *err) {
    zipnn_file *f = user;
    if (!f->target.is_new) return put_next(f, buf, len, err);
    ZN_TRY(write_all_at(f, f->at, buf, len, err));
    f->at += len;
    return ZIPNN_OK;
}

/* Makes the sink. A descriptor of the caller gets no positioned writes: it may append, and others may write after
 * us. */
void zn_file_sink(zipnn_file *f, zipnn_sink *sink) {
    *sink = (zipnn_sink){.write = write_all, .write_at = f->target.is_new ? write_all_at : NULL, .user = f};
}

zipnn_status zn_file_reserve(zipnn_file *f, uint64_t len, zipnn_error *err) {
#if defined(__linux__)
    if (!f->target.is_new || len == 0 || len > INT64_MAX) return ZIPNN_OK;
    const bool refused = fallocate(f->fd, 0, 0, (off_t)len) != 0;
    if (refused && errno == ENOSPC) {
        if (ftruncate(f->fd, 0) != 0) errno = 0; /* removes what was written before the device was full */
        return fail_full(f, "make room for", len, " bytes", err);
    }
    if (!refused) atomic_store(&f->has_room, true);
    atomic_store(&f->room, ZN_ROOM_ENDS);
#else
    (void)f, (void)len, (void)err;
#endif
    return ZIPNN_OK;
}
