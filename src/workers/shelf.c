#include "workers/shelf.h"

#include <string.h>

zipnn_status zn_shelf_prepare(struct zn_shelf *s, const zipnn_allocator *alloc, unsigned n, size_t slot_len,
                              zipnn_error *err) {
    s->frame_of = NULL;
    for (unsigned i = 0; i < s->n; i++) s->slot[i] = (struct zn_slot){.bytes = s->slot[i].bytes};
    if (n == s->n && slot_len == s->slot_len) return ZIPNN_OK;
    zn_shelf_free(s, alloc);
    if (n == 0) return ZIPNN_OK;
    s->slot = zn_alloc(alloc, n * sizeof *s->slot);
    if (!s->slot) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a list of %u chunks", n);
    memset(s->slot, 0, n * sizeof *s->slot);
    s->n = n;
    s->slot_len = slot_len;
    return ZIPNN_OK;
}

void zn_shelf_free(struct zn_shelf *s, const zipnn_allocator *alloc) {
    for (unsigned i = 0; i < s->n; i++) zn_free(alloc, s->slot[i].bytes);
    zn_free(alloc, s->slot);
    zn_free(alloc, s->frame);
    memset(s, 0, sizeof *s);
}

struct zn_slot *zn_shelf_find(struct zn_shelf *s, const struct zn_archive *of, uint64_t index) {
    for (unsigned i = 0; i < s->n; i++) {
        struct zn_slot *slot = &s->slot[i];
        if (slot->of != of || slot->index != index) continue;
        slot->used = ++s->clock;
        slot->lent = true;
        return slot;
    }
    return NULL;
}

/* Whether slot a is the better one to reuse: it holds no chunk, or was used longer ago. */
static bool is_better(const struct zn_slot *a, const struct zn_slot *b) {
    if (!a->of || !b->of) return !a->of;
    return a->used < b->used;
}

zipnn_status zn_shelf_take(struct zn_shelf *s, const zipnn_allocator *alloc, struct zn_slot **slot, zipnn_error *err) {
    struct zn_slot *best = NULL, *fresh = NULL;
    for (unsigned i = 0; i < s->n; i++) {
        struct zn_slot *x = &s->slot[i];
        if (x->lent) continue;
        if (!x->bytes && !fresh) fresh = x;
        if (x->bytes && (!best || is_better(x, best))) best = x;
    }
    if (fresh && (!best || best->of)) best = fresh;
    if (!best)
        return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE,
                       "a chunk leads through archives whose chunks lie across each other: more than %u chunks of %zu "
                       "bytes would have to be kept at once",
                       s->n, s->slot_len);
    if (!best->bytes) best->bytes = zn_alloc(alloc, s->slot_len);
    if (!best->bytes)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a chunk of %zu bytes", s->slot_len);
    best->of = NULL;
    best->lent = true;
    *slot = best;
    return ZIPNN_OK;
}

void zn_shelf_label(struct zn_shelf *s, struct zn_slot *slot, const struct zn_archive *of, uint64_t index) {
    slot->of = of;
    slot->index = index;
    slot->used = ++s->clock;
}
