#ifndef ZN_WINDOWS_STRING_H
#define ZN_WINDOWS_STRING_H

#pragma GCC system_header

#include_next <string.h>
#include <sys/types.h>

int strerror_r(int number, char *to, size_t cap) ZN_WINDOWS(strerror_r);

#endif
