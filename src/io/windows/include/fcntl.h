/* Files are opened in binary, are not inherited by programs that this one starts, and may be renamed and removed by
 * others while they are open, as with POSIX. Names are UTF-8, of any length. */
#ifndef ZN_WINDOWS_FCNTL_H
#define ZN_WINDOWS_FCNTL_H

#include <sys/types.h>

#define O_RDONLY 0x0000
#define O_WRONLY 0x0001
#define O_RDWR 0x0002
#define O_APPEND 0x0008
#define O_CREAT 0x0100
#define O_TRUNC 0x0200
#define O_EXCL 0x0400
/* The flags from here on are this room's own. */
#define O_DIRECTORY 0x100000
#define O_NOFOLLOW 0x200000
#define O_CLOEXEC 0
#define O_NOCTTY 0
#define O_NONBLOCK 0

#define AT_FDCWD (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_SYMLINK_FOLLOW 0x400

#define F_GETFD 1
#define F_DUPFD_CLOEXEC 1030

/* Does these two operations only. */
int fcntl(int fd, int operation, ...) ZN_WINDOWS(fcntl);
int open(const char *path, int flags, ...) ZN_WINDOWS(open);
int openat(int folder, const char *name, int flags, ...) ZN_WINDOWS(openat);

#endif
