/* The C library's, with the clocks of its threads. */
#ifndef ZN_WINDOWS_TIME_H
#define ZN_WINDOWS_TIME_H

#pragma GCC system_header

#include <pthread_time.h>
#include_next <time.h>

#endif
