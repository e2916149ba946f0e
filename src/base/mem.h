/* Memory through the caller's hooks, and the arena a context is carved from. */
#ifndef ZN_BASE_MEM_H
#define ZN_BASE_MEM_H

#include "base/err.h"

/* Fills in malloc and free where the caller gave no hooks. */
zipnn_allocator zn_allocator_or_default(const zipnn_allocator *given);

/* `size` bytes aligned to 64, or NULL. Free with zn_free of the same allocator. */
void *zn_alloc(const zipnn_allocator *a, size_t size);
void zn_free(const zipnn_allocator *a, void *ptr);

/* A growing array's next capacity step: *items has room for `need` items of `each` bytes afterwards. */
zipnn_status zn_grow(const zipnn_allocator *a, void **items, size_t *cap, size_t need, size_t each, zipnn_error *err);

/* Carves aligned pieces out of one allocation. With base NULL it only measures: the first pass of a two-pass set-up. */
struct zn_arena {
    uint8_t *base;
    size_t used;
};

/* `size` bytes aligned to 64; NULL while measuring. */
void *zn_carve(struct zn_arena *arena, size_t size);

#endif
