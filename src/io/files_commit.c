#define _GNU_SOURCE /* O_PATH, renameat2, getentropy, syscall */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#elif defined(__APPLE__)
#include <sys/random.h>
#endif

#include "base/bytes.h"
#include "io/files_priv.h"

/* Kernels have these calls earlier than C libraries: glibc since 2.25 and 2.28, musl not yet all of them. */
#if defined(__GLIBC__)
#if !__GLIBC_PREREQ(2, 28)
#define OLD_GLIBC
#endif
#endif
#if defined(OLD_GLIBC) || !defined(__GLIBC__)
#define RENAMEAT2(...) syscall(SYS_renameat2, __VA_ARGS__)
#else
#define RENAMEAT2(...) renameat2(__VA_ARGS__)
#endif
enum { NO_REPLACE = 1 }; /* RENAME_NOREPLACE of Linux */

/* The least permission that lets us make files in a folder. */
#if defined(O_SEARCH)
#define FOLDER_ACCESS O_SEARCH
#elif defined(O_PATH)
#define FOLDER_ACCESS O_PATH
#else
#define FOLDER_ACCESS O_RDONLY
#endif

/* Returns what ends the name of the folder, NULL for a name in the present one. */
static char *last_slash(char *path) {
    char *slash = strrchr(path, '/');
#if defined(_WIN32)
    char *other = strrchr(path, '\\');
    if (!slash || (other && other > slash)) slash = other;
#endif
    return slash;
}

int zn_folder_open(char *path, const char **name) {
    char *slash = last_slash(path);
    *name = slash ? slash + 1 : path;
    const char *folder = slash ? path : ".";
    char after = '\0'; /* replaces the NUL that ends the folder's name; "/x" lies in "/" */
    char *cut = slash == path ? slash + 1 : slash;
    if (cut) after = *cut, *cut = '\0';
    const int fd = open(folder, FOLDER_ACCESS | O_DIRECTORY | O_CLOEXEC);
    if (cut) *cut = after;
    return fd;
}

/* Returns 0, or -1 with errno. */
static int random_bytes(uint8_t *to, size_t len) {
#if defined(OLD_GLIBC) /* and perhaps an old kernel, which has no call for it */
    const int device = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (device < 0) return -1;
    const ssize_t got = read(device, to, len);
    close(device);
    if (got == (ssize_t)len) return 0;
    errno = EIO;
    return -1;
#else
    return getentropy(to, len);
#endif
}

/* Draws a new name that nobody can guess. O_EXCL makes sure that it is free. */
static zipnn_status draw_temp_name(zipnn_file *f, zipnn_error *err) {
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    char *to = f->target.temp;
    uint8_t random[ZN_TEMP_LEN];
    if (random_bytes(random, sizeof random) != 0) return zn_fail_os(f->path, "create", ZN_NOWHERE, errno, err);
    for (size_t i = 0; i < ZN_TEMP_LEN; i++) to[i] = digits[random[i] & 31];
    memcpy(to, ".zipnn-", 7);
    to[ZN_TEMP_LEN] = '\0';
    return ZIPNN_OK;
}

/* Opens a file without a name. Returns -1 where that is impossible, or where the file could not get its name later. */
static int open_nameless(const zipnn_file *f, mode_t mode) {
#if defined(O_TMPFILE) && !defined(__ANDROID__) /* Android forbids the links */
    if (access("/proc/self/fd", X_OK) == 0) return openat(f->target.folder, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, mode);
#endif
    (void)f, (void)mode;
    return -1;
}

/* Opens the temporary. With `like`, nobody else may read it before its permissions are known; without, they are final
 * at once. */
static zipnn_status open_temp(zipnn_file *f, zipnn_error *err) {
    mode_t mode = f->target.has_like ? S_IRUSR | S_IWUSR : S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;
    f->fd = open_nameless(f, mode);
    if (f->fd < 0) {
        ZN_TRY(draw_temp_name(f, err));
        f->fd = openat(f->target.folder, f->target.temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    }
    f->owns_fd = f->target.is_new = f->fd >= 0;
    f->seekable = true;
    if (f->fd >= 0) return ZIPNN_OK;
    f->target.temp[0] = '\0';
    return zn_fail_os(f->path, "create", ZN_NOWHERE, errno, err);
}

static bool is_stream(mode_t mode) {
    return S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode);
}

/* Opens a device or FIFO, which is written in place. */
static zipnn_status open_stream(zipnn_file *f, zipnn_error *err) {
    f->fd = open(f->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    f->owns_fd = f->fd >= 0;
    if (f->fd < 0 || fstat(f->fd, &f->opened) != 0) return zn_fail_os(f->path, "open", ZN_NOWHERE, errno, err);
    if (!is_stream(f->opened.st_mode)) return zn_fail_path(f->path, "became another file while it was opened", err);
    return ZIPNN_OK;
}

static zipnn_status open_target(zipnn_file *f, zipnn_error *err) {
    struct stat there, behind;
    bool replace = f->target.flags & ZIPNN_FILE_REPLACE;
    f->target.folder = zn_folder_open(f->path, &f->target.name);
    if (f->target.folder < 0) return zn_fail_os(f->path, "create", ZN_NOWHERE, errno, err);
    if (!f->target.name[0]) return zn_fail_path(f->path, "is no name for a file", err);
    if (fstatat(f->target.folder, f->target.name, &there, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? open_temp(f, err) : zn_fail_os(f->path, "create", ZN_NOWHERE, errno, err);
    if (S_ISDIR(there.st_mode)) return zn_fail_path(f->path, "is a folder, and a file is to be written", err);
    if (S_ISLNK(there.st_mode) && stat(f->path, &behind) == 0 && is_stream(behind.st_mode)) there = behind;
    if (is_stream(there.st_mode) && (replace || !S_ISBLK(there.st_mode))) return open_stream(f, err);
    return replace ? open_temp(f, err) : zn_fail_path(f->path, "already exists", err);
}

zipnn_status zn_file_create(const char *path, const zipnn_file *like, unsigned flags, zipnn_file **file,
                            zipnn_error *err) {
    if (flags & ~(unsigned)(ZIPNN_FILE_REPLACE | ZIPNN_FILE_SYNC | ZIPNN_FILE_ALIKE))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "unknown flags 0x%x for a new file", flags);
    zipnn_file *f = NULL;
    ZN_TRY(zn_file_new(path, &f, err));
    f->target.flags = flags;
    f->target.has_like = like && S_ISREG(like->opened.st_mode);
    if (f->target.has_like) f->target.like = like->opened;
    zipnn_status st = open_target(f, err);
    if (st == ZIPNN_OK && f->target.is_new && f->target.has_like && flags & ZIPNN_FILE_ALIKE)
        st = zn_file_make_alike(f, like->fd, err);
    if (st != ZIPNN_OK) {
        zn_file_close(f);
        return st;
    }
    *file = f;
    return ZIPNN_OK;
}

/* Renames on file systems that know no way to refuse a taken name: it looks first. */
static int rename_after_look(const struct zn_target *t) {
    struct stat there;
    if (fstatat(t->folder, t->name, &there, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? renameat(t->folder, t->temp, t->folder, t->name) : -1;
    errno = EEXIST;
    return -1;
}

/* Gives the temporary its name unless that name is taken, in one step where possible. A link refuses a taken name, too,
 * but not every file system has links. */
static int rename_to_free_name(const struct zn_target *t) {
#if defined(__linux__)
    if (RENAMEAT2(t->folder, t->temp, t->folder, t->name, NO_REPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
#elif defined(RENAME_EXCL)
    if (renameatx_np(t->folder, t->temp, t->folder, t->name, RENAME_EXCL) == 0) return 0;
    if (errno != ENOTSUP) return -1;
#endif
    if (linkat(t->folder, t->temp, t->folder, t->name, 0) == 0) return unlinkat(t->folder, t->temp, 0);
    bool no_links = errno == EPERM || errno == ENOTSUP || errno == EOPNOTSUPP || errno == ENOSYS;
    return no_links ? rename_after_look(t) : -1;
}

/* Gives a nameless file its name. A taken name is replaced in two steps, through a temporary name. */
static int link_to_name(zipnn_file *f, int fd) {
    struct zn_target *t = &f->target;
    char open_file[32];
    snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, open_file, t->folder, t->name, AT_SYMLINK_FOLLOW) == 0) return 0;
    if (errno != EEXIST || !(t->flags & ZIPNN_FILE_REPLACE)) return -1;
    if (draw_temp_name(f, NULL) != ZIPNN_OK) return -1;
    if (linkat(AT_FDCWD, open_file, t->folder, t->temp, AT_SYMLINK_FOLLOW) == 0)
        return renameat(t->folder, t->temp, t->folder, t->name);
    t->temp[0] = '\0';
    return -1;
}

static int give_name(zipnn_file *f, int nameless) {
    const struct zn_target *t = &f->target;
    if (nameless >= 0) return link_to_name(f, nameless);
    if (t->flags & ZIPNN_FILE_REPLACE) return renameat(t->folder, t->temp, t->folder, t->name);
    return rename_to_free_name(t);
}

/* Some file systems cannot sync a folder and return EINVAL. Nothing more can be done on them. */
zipnn_status zn_folder_sync(int folder, const char *path, zipnn_error *err) {
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return zn_fail_os(path, "sync the folder", ZN_NOWHERE, errno, err);
    int os_error = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
    close(fd);
    return os_error ? zn_fail_os(path, "sync the folder", ZN_NOWHERE, os_error, err) : ZIPNN_OK;
}

/* Closes the file. Its identity stays known. */
static zipnn_status close_written(zipnn_file *f, zipnn_error *err) {
    int fd = f->fd;
    if (fstat(fd, &f->opened) != 0) return zn_fail_os(f->path, "inspect", ZN_NOWHERE, errno, err);
    f->fd = -1;
    if (close(fd) != 0 && errno != EINTR) return zn_fail_os(f->path, "close", ZN_NOWHERE, errno, err);
    return ZIPNN_OK;
}

/* Closes the file before it gets its name, since network file systems report a failed write only then. A second
 * descriptor keeps a nameless file alive meanwhile. */
static zipnn_status close_and_name(zipnn_file *f, zipnn_error *err) {
    struct zn_target *t = &f->target;
    const int kept = t->temp[0] ? -1 : fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    if (!t->temp[0] && kept < 0) return zn_fail_os(f->path, "close", ZN_NOWHERE, errno, err);
    zipnn_status st = close_written(f, err);
    const bool failed = st == ZIPNN_OK && give_name(f, kept) != 0;
    const int os_error = errno;
    if (kept >= 0) close(kept);
    if (st != ZIPNN_OK) return st;
    if (failed && os_error == EEXIST) return zn_fail_path(f->path, "already exists", err);
    if (failed) return zn_fail_os(f->path, "give the file its name", ZN_NOWHERE, os_error, err);
    t->temp[0] = '\0';
    return ZIPNN_OK;
}

zipnn_status zn_file_commit(zipnn_file *f, zipnn_error *err) {
    struct zn_target *t = &f->target;
    bool sync = t->flags & ZIPNN_FILE_SYNC;
    if (!t->name) return ZIPNN_OK; /* a descriptor of the caller */
    if (f->fd < 0) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "the file was committed before");
    if (atomic_load(&t->discarded)) return zn_fail_path(f->path, "was discarded before", err);
    if (t->is_new) ZN_TRY(zn_file_settle_length(f, err));
    if (t->is_new && t->has_like) ZN_TRY(zn_file_copy_attributes(f, err));
    if (sync && fsync(f->fd) != 0 && errno != EINVAL && errno != EROFS)
        return zn_fail_os(f->path, "sync", ZN_NOWHERE, errno, err);
    if (!t->is_new) return close_written(f, err);
    ZN_TRY(close_and_name(f, err));
    return sync ? zn_folder_sync(t->folder, f->path, err) : ZIPNN_OK;
}

void zn_file_discard(zipnn_file *f) {
    int os_error = errno;
    atomic_store(&f->target.discarded, true);
    if (f->target.temp[0]) (void)unlinkat(f->target.folder, f->target.temp, 0);
    errno = os_error;
}

void zn_file_close(zipnn_file *f) {
    if (!f) return;
    zn_file_discard(f);
    zn_file_unmap(f);
    zn_ahead_end(f);
    if (f->owns_fd && f->fd >= 0) close(f->fd);
    if (f->target.folder >= 0) close(f->target.folder);
    free(f);
}
