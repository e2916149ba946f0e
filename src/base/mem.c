#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/redzone.h"

enum { ALIGN = 64 };

static void *default_alloc(void *user, size_t size) {
    (void)user;
    return malloc(size);
}

static void default_release(void *user, void *ptr) {
    (void)user;
    free(ptr);
}

zipnn_allocator zn_allocator_or_default(const zipnn_allocator *given) {
    if (given && given->alloc) return *given;
    return (zipnn_allocator){default_alloc, default_release, NULL};
}

/* The pointer the hook returned is kept in the 8 bytes before the aligned block. */
void *zn_alloc(const zipnn_allocator *a, size_t size) {
    if (size > SIZE_MAX - ALIGN - sizeof(void *)) return NULL;
    uint8_t *raw = a->alloc(a->user, size + ALIGN + sizeof(void *));
    if (!raw) return NULL;
    uint8_t *block = raw + sizeof(void *);
    block += (ALIGN - (uintptr_t)block % ALIGN) % ALIGN;
    memcpy(block - sizeof(void *), &raw, sizeof(void *));
    return block;
}

void zn_free(const zipnn_allocator *a, void *ptr) {
    if (!ptr) return;
    void *raw;
    memcpy(&raw, (uint8_t *)ptr - sizeof(void *), sizeof(void *));
    a->release(a->user, raw);
}

zipnn_status zn_grow(const zipnn_allocator *a, void **items, size_t *cap, size_t need, size_t each, zipnn_error *err) {
    if (need <= *cap) return ZIPNN_OK;
    size_t grown = ZN_MAX(need, *cap + *cap / 2 + 16);
    if (grown > SIZE_MAX / each)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "%zu items of %zu bytes do not fit in memory", grown, each);
    void *fresh = zn_alloc(a, grown * each);
    if (!fresh)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory growing a table to %zu bytes", grown * each);
    if (*cap) memcpy(fresh, *items, *cap * each);
    zn_free(a, *items);
    *items = fresh;
    *cap = grown;
    return ZIPNN_OK;
}

void *zn_carve(struct zn_arena *arena, size_t size) {
    uint8_t *p = arena->base ? arena->base + arena->used : NULL;
    arena->used += (size + ALIGN - 1) / ALIGN * ALIGN + ZN_REDZONE;
    if (p) ZN_FORBID(p + size, (size_t)(arena->base + arena->used - p) - size);
    return p;
}
