#ifndef ZN_WINDOWS_SYS_IOCTL_H
#define ZN_WINDOWS_SYS_IOCTL_H

#include <sys/types.h>

struct winsize {
    unsigned short ws_row, ws_col;
};

enum { TIOCGWINSZ = 1 };

int ioctl(int fd, int request, struct winsize *size) ZN_WINDOWS(ioctl);

#endif
