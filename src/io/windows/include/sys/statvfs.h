#ifndef ZN_WINDOWS_SYS_STATVFS_H
#define ZN_WINDOWS_SYS_STATVFS_H

#include <sys/types.h>

struct statvfs {
    unsigned long f_frsize;
    unsigned long long f_bavail;
};

int fstatvfs(int fd, struct statvfs *fs) ZN_WINDOWS(fstatvfs);

#endif
