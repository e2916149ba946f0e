/* AddressSanitizer sees one allocation where memory has many pieces: gaps that may not be touched keep them apart. */
#ifndef ZN_BASE_REDZONE_H
#define ZN_BASE_REDZONE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define ZN_REDZONE 4096
#define ZN_FORBID(p, n) __asan_poison_memory_region(p, n)
#define ZN_ALLOW(p, n) __asan_unpoison_memory_region(p, n)
#endif
#endif
#if !defined(ZN_REDZONE)
#define ZN_REDZONE 0
#define ZN_FORBID(p, n) (void)0
#define ZN_ALLOW(p, n) (void)0
#endif

#endif
