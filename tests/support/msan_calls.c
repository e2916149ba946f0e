/* Marks the results of C library calls that MemorySanitizer of clang 14 does not know as written. Since glibc 2.33 some
 * of these calls are no longer wrappers in each program. */
#define _GNU_SOURCE /* syscall */
#include <fcntl.h>
#include <sanitizer/msan_interface.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int fstatat(int folder, const char *path, struct stat *found, int flags) {
    const long result = syscall(SYS_newfstatat, folder, path, found, flags);
    if (result == 0) __msan_unpoison(found, sizeof *found);
    return (int)result;
}

int fstat(int fd, struct stat *found) {
    return fstatat(fd, "", found, AT_EMPTY_PATH);
}

int stat(const char *path, struct stat *found) {
    return fstatat(AT_FDCWD, path, found, 0);
}

int lstat(const char *path, struct stat *found) {
    return fstatat(AT_FDCWD, path, found, AT_SYMLINK_NOFOLLOW);
}

int getentropy(void *bytes, size_t len) {
    if (syscall(SYS_getrandom, bytes, len, 0) != (long)len) return -1;
    __msan_unpoison(bytes, len);
    return 0;
}
