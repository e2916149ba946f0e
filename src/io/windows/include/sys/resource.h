/* Windows has no such limits: asking fails. */
#ifndef ZN_WINDOWS_SYS_RESOURCE_H
#define ZN_WINDOWS_SYS_RESOURCE_H

#include <sys/types.h>

typedef unsigned long long rlim_t;
#define RLIM_INFINITY (~(rlim_t)0)

struct rlimit {
    rlim_t rlim_cur, rlim_max;
};

enum { RLIMIT_AS = 9 };

int getrlimit(int which, struct rlimit *limit) ZN_WINDOWS(getrlimit);

#endif
