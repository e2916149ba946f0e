#define _DEFAULT_SOURCE /* mincore, madvise */

#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

bool zn_pages_present(const void *memory, size_t len) {
    enum { STEPS = 16 };
#if defined(__linux__)
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)memory & ~(page - 1);
    const uintptr_t span = len ? (((uintptr_t)memory + len - 1) & ~(page - 1)) - first : 0;
    for (uintptr_t i = 0; i <= STEPS; i++) {
        unsigned char present;
        const uintptr_t at = (first + span / STEPS * i) & ~(page - 1);
        if (mincore((void *)(i == STEPS ? first + span : at), page, &present) == 0 && !(present & 1)) return false;
    }
#else
    (void)memory, (void)len;
#endif
    return true;
}

void zn_pages_large(void *memory, size_t len) {
    enum { LARGE = 2 << 20 };
#if defined(MADV_HUGEPAGE)
    const uintptr_t from = ((uintptr_t)memory + LARGE - 1) & ~(uintptr_t)(LARGE - 1);
    const uintptr_t to = ((uintptr_t)memory + len) & ~(uintptr_t)(LARGE - 1);
    if (from < to) (void)madvise((void *)from, (size_t)(to - from), MADV_HUGEPAGE);
#else
    (void)memory, (void)len;
#endif
}
