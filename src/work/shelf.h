/* Chunks that were decoded because others refer to them. A thread has one shelf for all archives that lie behind each
 * other, so what a chain takes does not grow with its length: a slot is taken when bytes are there to be put into it,
 * the deepest first. What is on the shelf stays until its slot is needed; the one used longest ago goes first. */
#ifndef ZN_WORK_SHELF_H
#define ZN_WORK_SHELF_H

#include <stdbool.h>

#include "base/mem.h"

struct zn_archive;

struct zn_slot {
    uint8_t *bytes;              /* NULL until it is first taken */
    const struct zn_archive *of; /* whose chunk it holds, NULL: no chunk */
    uint64_t index;              /* of the chunk */
    uint64_t used;               /* when: the shelf's clock */
    bool lent;                   /* somebody works with it */
};

struct zn_shelf {
    struct zn_slot *slot;
    unsigned n;
    size_t slot_len;
    uint8_t *frame; /* the frame last read, NULL until the first ... */
    const struct zn_archive *frame_of;
    uint64_t frame_index; /* ... and which it is */
    uint64_t clock;
};

/* A shelf of n slots of slot_len bytes, empty; it keeps its memory when it has that size already. */
zipnn_status zn_shelf_prepare(struct zn_shelf *s, const zipnn_allocator *alloc, unsigned n, size_t slot_len,
                              zipnn_error *err);
/* Accepts a zeroed struct, and leaves one. */
void zn_shelf_free(struct zn_shelf *s, const zipnn_allocator *alloc);

/* The slot that holds the chunk, lent, or NULL. */
struct zn_slot *zn_shelf_find(struct zn_shelf *s, const struct zn_archive *of, uint64_t index);

/* A slot to be filled, lent. ZIPNN_E_LIMIT when all are. */
zipnn_status zn_shelf_take(struct zn_shelf *s, const zipnn_allocator *alloc, struct zn_slot **slot, zipnn_error *err);

/* What the slot holds now. */
void zn_shelf_label(struct zn_shelf *s, struct zn_slot *slot, const struct zn_archive *of, uint64_t index);

/* Ends a loan; NULL is accepted. */
static inline void zn_shelf_return(struct zn_slot *slot) {
    if (slot) slot->lent = false;
}

#endif
