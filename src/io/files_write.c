#define _GNU_SOURCE /* fallocate */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/files_priv.h"

static zipnn_status write_all(void *user, const void *buf, size_t len, zipnn_error *err) {
    zipnn_file *f = user;
    const uint8_t *from = buf;
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
    const zipnn_file *f = user;
    const uint8_t *from = buf;
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
#else
    (void)f, (void)len, (void)err;
#endif
    return ZIPNN_OK;
}
