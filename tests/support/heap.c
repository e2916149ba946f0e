#include "support/heap.h"

#include <stdlib.h>

enum { BEFORE = 16 /* keeps malloc's alignment */ };

static void *take(void *user, size_t size) {
    struct zt_heap *heap = user;
    size_t *block = malloc(BEFORE + size);
    if (!block) return NULL;
    *block = size;
    atomic_fetch_add(&heap->calls, 1);
    const size_t now = atomic_fetch_add(&heap->now, size) + size;
    size_t peak = atomic_load(&heap->peak);
    while (now > peak && !atomic_compare_exchange_weak(&heap->peak, &peak, now)) continue;
    return (char *)block + BEFORE;
}

static void give(void *user, void *p) {
    struct zt_heap *heap = user;
    if (!p) return;
    size_t *block = (size_t *)(void *)((char *)p - BEFORE);
    atomic_fetch_sub(&heap->now, *block);
    free(block);
}

zipnn_allocator zt_heap_hooks(struct zt_heap *heap) {
    return (zipnn_allocator){take, give, heap};
}
