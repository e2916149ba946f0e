#ifndef ZN_WINDOWS_SYS_MMAN_H
#define ZN_WINDOWS_SYS_MMAN_H

#include <sys/types.h>

#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_SHARED 1
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 32
#define MAP_FAILED ((void *)-1)
#define MADV_NORMAL 0
#define MADV_DONTNEED 4

/* Fails always. */
void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t off) ZN_WINDOWS(mmap);
int munmap(void *at, size_t len) ZN_WINDOWS(munmap);
int madvise(void *at, size_t len, int advice) ZN_WINDOWS(madvise);

#endif
