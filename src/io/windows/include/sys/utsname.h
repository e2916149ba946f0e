#ifndef ZN_WINDOWS_SYS_UTSNAME_H
#define ZN_WINDOWS_SYS_UTSNAME_H

#include <sys/types.h>

struct utsname {
    char sysname[16], release[32], machine[16];
};

int uname(struct utsname *system) ZN_WINDOWS(uname);

#endif
