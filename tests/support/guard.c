#define _DEFAULT_SOURCE
#include "support/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard guard_make(size_t cap) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guard g = {NULL, 0, (cap + page) / page * page};
    g.map_len = g.cap + 2 * page;
    void *map = mmap(NULL, g.map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect((uint8_t *)map + page, g.cap, PROT_READ | PROT_WRITE) != 0) {
        perror("guard_make");
        exit(2);
    }
    g.map = map;
    return g;
}

void guard_free(struct guard *g) {
    munmap(g->map, g->map_len);
}

uint8_t *guard_low(const struct guard *g) {
    return g->map + (g->map_len - g->cap) / 2;
}

uint8_t *guard_high(const struct guard *g, size_t len) {
    return guard_low(g) + g->cap - len;
}
