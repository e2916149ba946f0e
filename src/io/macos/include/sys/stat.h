/* The system's, with the times called as POSIX calls them since 2008. */
#ifndef ZN_MACOS_SYS_STAT_H
#define ZN_MACOS_SYS_STAT_H

#pragma GCC system_header

#include_next <sys/stat.h>

#define st_atim st_atimespec
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec

#endif
