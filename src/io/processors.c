#define _GNU_SOURCE /* sched_getaffinity */

#include <sched.h>
#include <unistd.h>

#include "io/files.h"

#if defined(__linux__)
/* A fixed set has room for 1024 processors. On a larger machine the call fails, and all online processors are
 * counted. */
unsigned zn_available_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (unsigned)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}
#else
unsigned zn_available_cpus(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}
#endif
