/* Signals of POSIX, which no thread here is sent: blocking them does nothing. */
#ifndef ZN_WINDOWS_SIGNAL_H
#define ZN_WINDOWS_SIGNAL_H

#pragma GCC system_header

#include_next <signal.h>
#include <sys/types.h>

#undef pthread_sigmask
#define SIG_SETMASK 2

static inline int sigfillset(sigset_t *set) {
    *set = ~(sigset_t)0;
    return 0;
}

static inline int pthread_sigmask(int how, const sigset_t *set, sigset_t *before) {
    (void)how;
    if (before) *before = *set;
    return 0;
}

#endif
