/* An allocator that counts what it has given out. */
#ifndef ZN_TESTS_SUPPORT_HEAP_H
#define ZN_TESTS_SUPPORT_HEAP_H

#include <stdatomic.h>

#include "zipnn/zipnn.h"

struct zt_heap {
    atomic_size_t now, peak; /* bytes */
    atomic_size_t calls;     /* of alloc */
};

/* Hooks that may be called by several threads. What was given out is to be released while the heap is there. */
zipnn_allocator zt_heap_hooks(struct zt_heap *heap);

#endif
