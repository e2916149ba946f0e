#ifndef ZN_WINDOWS_STDLIB_H
#define ZN_WINDOWS_STDLIB_H

#pragma GCC system_header

#include_next <stdlib.h>
#include <sys/types.h>

/* What free() can free: the alignment is malloc's, whatever was asked for. Nothing but speed needs more here. */
int posix_memalign(void **memory, size_t alignment, size_t len) ZN_WINDOWS(posix_memalign);
void *aligned_alloc(size_t alignment, size_t len) ZN_WINDOWS(aligned_alloc);

char *realpath(const char *path, char *to) ZN_WINDOWS(realpath); /* `to` is NULL */
int mkstemp(char *path) ZN_WINDOWS(mkstemp);                     /* the file may be removed while it is open */
char *mkdtemp(char *path) ZN_WINDOWS(mkdtemp);

#endif
