/* What a new file takes over from the file that it is made like: owner, permissions, times, extended attributes. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/xattr.h>
#elif defined(__APPLE__)
#include <copyfile.h>
#endif

#include "io/files_priv.h"

#if defined(__linux__)

#define ACCESS_LIST "system.posix_acl_access"

/* The other attributes are the system's own: it gives them to a new file as it sees fit. */
static bool is_kept(const char *name) {
    return strncmp(name, "user.", 5) == 0 || strcmp(name, ACCESS_LIST) == 0;
}

/* Copies one attribute. Returns false, with errno set, if that fails. One that is gone by now is nothing to copy. */
static bool copy_one(int from, int to, const char *name, void *value, size_t cap) {
    const ssize_t len = fgetxattr(from, name, value, cap);
    if (len < 0) return errno == ENODATA;
    return fsetxattr(to, name, value, (size_t)len, 0) == 0;
}

/* The folder may have given the new file an access list that the old one does not have: that goes first. */
static bool copy_extended(int from, int to) {
    enum { MOST = 1 << 16 }; /* bytes of all names, and of one value: the system allows no more */
    char *names = malloc(2 * (size_t)MOST);
    if (!names) return false;
    (void)fremovexattr(to, ACCESS_LIST);
    const ssize_t len = flistxattr(from, names, MOST);
    bool copied = len >= 0 || errno == ENOTSUP;
    for (ssize_t at = 0; copied && at < len; at += (ssize_t)strlen(names + at) + 1)
        copied = !is_kept(names + at) || copy_one(from, to, names + at, names + MOST, MOST);
    const int os_error = errno;
    free(names);
    errno = os_error;
    return copied;
}

#elif defined(__APPLE__)

static bool copy_extended(int from, int to) {
    return fcopyfile(from, to, NULL, COPYFILE_ACL | COPYFILE_XATTR) == 0;
}

#else

static bool copy_extended(int from, int to) {
    (void)from, (void)to;
    return true;
}

#endif

zipnn_status zn_file_make_alike(const zipnn_file *f, int from, zipnn_error *err) {
    const struct stat *like = &f->target.like;
    struct stat now;
    if (fstat(f->fd, &now) != 0) return zn_fail_os(f->path, "inspect", ZN_NOWHERE, errno, err);
    if (now.st_gid != like->st_gid && fchown(f->fd, (uid_t)-1, like->st_gid) != 0)
        return zn_fail_os(f->path, "keep the group", ZN_NOWHERE, errno, err);
    if (now.st_uid != like->st_uid && fchown(f->fd, like->st_uid, (gid_t)-1) != 0)
        return zn_fail_os(f->path, "keep the owner", ZN_NOWHERE, errno, err);
    if (!copy_extended(from, f->fd)) return zn_fail_os(f->path, "keep the extended attributes", ZN_NOWHERE, errno, err);
    return ZIPNN_OK;
}

/* Returns the permissions of a file whose group differs from that of the original. The group and all others get only
 * what both had. So nobody gets a permission that the original did not give, and the group has no fewer than all
 * others. */
static mode_t mode_of_strangers(mode_t mode) {
    const mode_t both = (mode & S_IRWXG) >> 3 & mode;
    return (mode & S_IRWXU) | both << 3 | both;
}

zipnn_status zn_file_copy_attributes(const zipnn_file *f, zipnn_error *err) {
    const struct stat *like = &f->target.like;
    struct stat now;
    mode_t mode = like->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
    if (fstat(f->fd, &now) != 0) return zn_fail_os(f->path, "inspect", ZN_NOWHERE, errno, err);
    if (now.st_gid != like->st_gid && fchown(f->fd, (uid_t)-1, like->st_gid) != 0) mode = mode_of_strangers(mode);
    if (now.st_uid != like->st_uid && fchown(f->fd, like->st_uid, (gid_t)-1) != 0) errno = 0;
    if (fchmod(f->fd, mode) != 0) return zn_fail_os(f->path, "set permissions", ZN_NOWHERE, errno, err);
    const struct timespec times[2] = {like->st_atim, like->st_mtim};
    if (futimens(f->fd, times) != 0) return zn_fail_os(f->path, "set times", ZN_NOWHERE, errno, err);
    return ZIPNN_OK;
}
