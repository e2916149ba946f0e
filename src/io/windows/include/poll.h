/* No descriptor here refuses to wait, so nothing is ever waited for. */
#ifndef ZN_WINDOWS_POLL_H
#define ZN_WINDOWS_POLL_H

#include <sys/types.h>

#define POLLIN 1
#define POLLOUT 4

struct pollfd {
    int fd;
    short events, revents;
};

int poll(struct pollfd *one, unsigned long n, int milliseconds) ZN_WINDOWS(poll);

#endif
