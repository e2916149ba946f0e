#ifndef ZN_WINDOWS_UNISTD_H
#define ZN_WINDOWS_UNISTD_H

#include <process.h> /* getpid */
#include <sys/types.h>

#define STDIN_FILENO 0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4

enum { _SC_PAGESIZE = 1, _SC_NPROCESSORS_ONLN, _SC_PHYS_PAGES };

ssize_t read(int fd, void *to, size_t len) ZN_WINDOWS(read);
ssize_t write(int fd, const void *from, size_t len) ZN_WINDOWS(write);
ssize_t pread(int fd, void *to, size_t len, off_t off) ZN_WINDOWS(pread);
ssize_t pwrite(int fd, const void *from, size_t len, off_t off) ZN_WINDOWS(pwrite);
off_t lseek(int fd, off_t by, int whence) ZN_WINDOWS(lseek);
int close(int fd) ZN_WINDOWS(close);
int ftruncate(int fd, off_t len) ZN_WINDOWS(ftruncate);
int fsync(int fd) ZN_WINDOWS(fsync); /* a folder needs none: renames are written through */
#define fdatasync(fd) fsync(fd)
int fchown(int fd, uid_t owner, gid_t group) ZN_WINDOWS(fchown);
int access(const char *path, int how) ZN_WINDOWS(access);
int unlink(const char *path) ZN_WINDOWS(unlink);
int unlinkat(int folder, const char *name, int flags) ZN_WINDOWS(unlinkat);
int rmdir(const char *path) ZN_WINDOWS(rmdir);
int linkat(int from, const char *name, int to, const char *as, int flags) ZN_WINDOWS(linkat);
int renameat(int from, const char *name, int to, const char *as) ZN_WINDOWS(renameat);
#define RENAME_EXCL 4 /* as Apple's systems call it */
int renameatx_np(int from, const char *name, int to, const char *as, unsigned flags) ZN_WINDOWS(renameatx_np);
int isatty(int fd) ZN_WINDOWS(isatty);
long sysconf(int what) ZN_WINDOWS(sysconf);
int getentropy(void *to, size_t len) ZN_WINDOWS(getentropy);

#endif
