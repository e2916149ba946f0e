/* Opens files a second time: to read them back after writing, and to remove them after reading. */
#define _GNU_SOURCE /* F_SETLEASE */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/vfs.h>
#endif

#include "base/bytes.h"
#include "io/files_priv.h"

/* Drops cached pages that are on the device already, so that the next read comes from the device. */
static void forget_pages(int fd) {
#if defined(POSIX_FADV_DONTNEED)
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
#else
    (void)fd;
#endif
}

static zipnn_status sync_file(const zipnn_file *f, zipnn_error *err) {
    if (fsync(f->fd) == 0 || errno == EINVAL || errno == EROFS) return ZIPNN_OK;
    return zn_fail_os(f->path, "sync", ZN_NOWHERE, errno, err);
}

/* Syncs a file that was opened by its name. */
static zipnn_status sync_name(const zipnn_file *f, zipnn_error *err) {
    const char *name;
    char *path = strdup(f->path);
    if (!path) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "no memory for a path");
    const int folder = zn_folder_open(path, &name);
    zipnn_status st = folder < 0 ? zn_fail_os(f->path, "sync the folder", ZN_NOWHERE, errno, err)
                                 : zn_folder_sync(folder, f->path, err);
    if (folder >= 0) close(folder);
    free(path);
    return st;
}

/* Opens the file that was written, not whatever has its name now. */
static zipnn_status open_committed(const zipnn_file *f, zipnn_file *again, zipnn_error *err) {
    again->fd = openat(f->target.folder, f->target.name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
    again->owns_fd = again->fd >= 0;
    if (again->fd < 0 || fstat(again->fd, &again->opened) != 0)
        return zn_fail_os(f->path, "read back", ZN_NOWHERE, errno, err);
    if (again->opened.st_dev != f->opened.st_dev || again->opened.st_ino != f->opened.st_ino)
        return zn_fail_path(f->path, "cannot be read back: the name leads to another file now", err);
    return f->target.flags & ZIPNN_FILE_SYNC ? ZIPNN_OK : sync_file(again, err);
}

static zipnn_status open_once_more(const zipnn_file *f, zipnn_file *again, zipnn_error *err) {
    if (f->target.is_new) ZN_TRY(zn_file_settle_length(f, err));
    ZN_TRY(sync_file(f, err));
    if (!f->target.name) ZN_TRY(sync_name(f, err));
    again->fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    again->owns_fd = again->fd >= 0;
    if (again->fd < 0 || fstat(again->fd, &again->opened) != 0)
        return zn_fail_os(f->path, "read back", ZN_NOWHERE, errno, err);
    return ZIPNN_OK;
}

zipnn_status zn_file_read_back(const zipnn_file *f, zipnn_file **file, zipnn_error *err) {
    if (!f->seekable) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "only a regular file can be read back");
    zipnn_file *again = NULL;
    ZN_TRY(zn_file_new(f->path, &again, err));
    zipnn_status st = f->fd < 0 ? open_committed(f, again, err) : open_once_more(f, again, err);
    if (st != ZIPNN_OK) {
        zn_file_close(again);
        return st;
    }
    forget_pages(again->fd);
    again->seekable = true;
    again->length = (uint64_t)again->opened.st_size;
    *file = again;
    return ZIPNN_OK;
}

#if defined(__linux__)

/* Returns whether a file system knows about writers. Network file systems refuse leases for other reasons, with the
 * same error. */
static bool knows_writers(int fd) {
    static const uint32_t local[] = {0xEF53 /* ext */,       0x58465342 /* XFS */,     0x9123683E /* Btrfs */,
                                     0x01021994 /* tmpfs */, 0x794C7630 /* overlay */, 0xF2F52010 /* F2FS */};
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0) return false;
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        if ((uint32_t)fs.f_type == local[i]) return true;
    return false;
}

/* Returns whether somebody, also through a mapping, has the file open for writing: the system then refuses a lease for
 * reading. If somebody opens the file for writing during the lease, the system sends a signal. The lease asks for a
 * signal that is ignored unless the program wants it, because SIGIO would end the program. Where no signal can be
 * chosen, no lease is taken. */
static bool has_writers(int fd) {
    const int signal_before = fcntl(fd, F_GETSIG);
    if (signal_before < 0 || fcntl(fd, F_SETSIG, SIGURG) != 0) return false;
    const bool leased = fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
    const bool refused = !leased && errno == EAGAIN; /* any other refusal means that there are no leases here */
    const bool ended = !leased || fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
    if (ended) (void)fcntl(fd, F_SETSIG, signal_before);
    return refused && knows_writers(fd);
}

#endif

zipnn_status zn_file_at_rest(const zipnn_file *f, zipnn_error *err) {
    struct stat now;
    if (!f->seekable) return ZIPNN_OK;
    forget_pages(f->fd);
#if defined(__linux__)
    if (has_writers(f->fd)) return zn_fail_path(f->path, "another program has it open for writing", err);
#endif
    /* Programs may set the time of modification, but not this one. */
    if (fstat(f->fd, &now) != 0) return zn_fail_os(f->path, "inspect", ZN_NOWHERE, errno, err);
    if (now.st_ctim.tv_sec != f->opened.st_ctim.tv_sec || now.st_ctim.tv_nsec != f->opened.st_ctim.tv_nsec)
        return zn_fail_path(f->path, "its contents, owner, permissions or links changed since it was opened", err);
    return ZIPNN_OK;
}

/* Removes a file by its folder, which is held open. So if another folder takes that folder's place, it loses
 * nothing. */
static zipnn_status remove_from(const zipnn_file *f, int folder, const char *name, zipnn_error *err) {
    struct stat now;
    if (fstatat(folder, name, &now, 0) != 0) return zn_fail_os(f->path, "remove", ZN_NOWHERE, errno, err);
    if (now.st_dev != f->opened.st_dev || now.st_ino != f->opened.st_ino)
        return zn_fail_path(f->path, "not removed: the name leads to another file now", err);
    if (unlinkat(folder, name, 0) != 0) return zn_fail_os(f->path, "remove", ZN_NOWHERE, errno, err);
    return ZIPNN_OK;
}

zipnn_status zn_file_remove(const zipnn_file *f, zipnn_error *err) {
    char *path = strdup(f->path);
    const char *name;
    if (!path) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "no memory for a path");
    const int folder = zn_folder_open(path, &name);
    zipnn_status st =
        folder < 0 ? zn_fail_os(f->path, "remove", ZN_NOWHERE, errno, err) : remove_from(f, folder, name, err);
    if (folder >= 0) close(folder);
    free(path);
    return st;
}
