/* The types of the C library, but files are numbered with 64 bits. */
#ifndef ZN_WINDOWS_SYS_TYPES_H
#define ZN_WINDOWS_SYS_TYPES_H

#pragma GCC system_header

#define _INO_T_DEFINED
typedef unsigned short _ino_t; /* the C library's own, which nothing here uses */
typedef unsigned long long ino_t;
#define _DEV_T_DEFINED
typedef unsigned int _dev_t;
typedef unsigned long long dev_t;
#define _PID_T_
typedef int _pid_t;
typedef int pid_t;
#define _MODE_T_
typedef unsigned short _mode_t;
typedef unsigned mode_t;

#include_next <sys/types.h>

typedef unsigned uid_t, gid_t;
typedef _sigset_t sigset_t; /* carried along, and used by nobody */

/* Gives a function of POSIX the name by which src/io/windows defines it, so that no program that links the library meets
 * functions of these names that it did not ask for. */
#define ZN_WINDOWS(name) __asm__("zn_win32_" #name)

#endif
