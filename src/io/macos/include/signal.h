/* The system's. It has no real-time signals; one that it never sends stands for the first of them. */
#ifndef ZN_MACOS_SIGNAL_H
#define ZN_MACOS_SIGNAL_H

#pragma GCC system_header

#include_next <signal.h>

#define SIGRTMIN SIGEMT

#endif
