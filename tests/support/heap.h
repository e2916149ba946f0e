/* An allocator that counts the memory that is in use. */
#ifndef ZN_TESTS_SUPPORT_HEAP_H
#define ZN_TESTS_SUPPORT_HEAP_H

#include <stdatomic.h>

#include "zipnn/zipnn.h"

struct zt_heap {
    atomic_size_t now, peak; /* bytes */
    atomic_size_t calls;     /* number of calls of alloc */
};

/* Returns hooks that several threads may call. All memory must be freed before the heap ends. */
zipnn_allocator zt_heap_hooks(struct zt_heap *heap);

#endif
