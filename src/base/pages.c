#define _DEFAULT_SOURCE /* mincore */

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
