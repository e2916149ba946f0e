#ifndef ZN_WINDOWS_SYS_FILE_H
#define ZN_WINDOWS_SYS_FILE_H

#include <sys/types.h>

#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4

/* Locks a folder or a file. The lock ends when the descriptor is closed, however the process ends. */
int flock(int fd, int operation) ZN_WINDOWS(flock);

#endif
