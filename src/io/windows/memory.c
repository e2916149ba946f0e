/* Maps of files, and memory. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "io/windows/system.h"

/* A file that is mapped can be neither removed nor replaced here, and programs do both with files that they read: files
 * are read instead. */
void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t off) {
    (void)at, (void)len, (void)protection, (void)flags, (void)fd, (void)off;
    zn_win32_fail_with(ENOTSUP);
    return MAP_FAILED;
}

int munmap(void *at, size_t len) {
    (void)at, (void)len;
    return 0;
}

int madvise(void *at, size_t len, int advice) {
    (void)at, (void)len, (void)advice;
    return 0;
}

int posix_memalign(void **memory, size_t alignment, size_t len) {
    (void)alignment;
    *memory = malloc(len);
    return *memory ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t len) {
    (void)alignment;
    return malloc(len);
}
