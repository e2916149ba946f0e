/* The system's, which has fdatasync and does not declare it. */
#ifndef ZN_MACOS_UNISTD_H
#define ZN_MACOS_UNISTD_H

#pragma GCC system_header

#include_next <unistd.h>

#define fdatasync(fd) fsync(fd)

#endif
