/* The status of files: identity by volume and file number, times to 100 ns, and the one permission that Windows files
 * have, not to be written. */
#ifndef ZN_WINDOWS_SYS_STAT_H
#define ZN_WINDOWS_SYS_STAT_H

#define _STAT_DEFINED /* keeps the C library from defining struct stat, which holds file numbers of 16 bits */

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct stat {
    dev_t st_dev;
    ino_t st_ino;
    mode_t st_mode;
    uint32_t st_nlink;
    uid_t st_uid;
    gid_t st_gid;
    off_t st_size;
    struct timespec st_atim, st_mtim, st_ctim;
};

#define st_mtime st_mtim.tv_sec

#define S_IFMT 0xF000
#define S_IFIFO 0x1000
#define S_IFCHR 0x2000
#define S_IFDIR 0x4000
#define S_IFBLK 0x6000
#define S_IFREG 0x8000
#define S_IFLNK 0xA000

#define S_ISFIFO(mode) (((mode)&S_IFMT) == S_IFIFO)
#define S_ISCHR(mode) (((mode)&S_IFMT) == S_IFCHR)
#define S_ISDIR(mode) (((mode)&S_IFMT) == S_IFDIR)
#define S_ISBLK(mode) (((mode)&S_IFMT) == S_IFBLK)
#define S_ISREG(mode) (((mode)&S_IFMT) == S_IFREG)
#define S_ISLNK(mode) (((mode)&S_IFMT) == S_IFLNK)

#define S_IRWXU 0700
#define S_IRUSR 0400
#define S_IWUSR 0200
#define S_IRWXG 0070
#define S_IRGRP 0040
#define S_IWGRP 0020
#define S_IRWXO 0007
#define S_IROTH 0004
#define S_IWOTH 0002

int stat(const char *path, struct stat *st) ZN_WINDOWS(stat);
int lstat(const char *path, struct stat *st) ZN_WINDOWS(lstat);
int fstat(int fd, struct stat *st) ZN_WINDOWS(fstat);
int fstatat(int folder, const char *name, struct stat *st, int flags) ZN_WINDOWS(fstatat);
int fchmod(int fd, mode_t mode) ZN_WINDOWS(fchmod);
int futimens(int fd, const struct timespec times[2]) ZN_WINDOWS(futimens);
int mkdir(const char *path, mode_t mode) ZN_WINDOWS(mkdir);

#endif
