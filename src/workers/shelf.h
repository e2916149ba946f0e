/* Chunks that were decoded because others refer to them. A thread has one shelf for all archives of a chain, so a
 * longer chain takes no more memory: a slot is taken only when there are bytes to put into it, first for the archive
 * furthest behind. A chunk stays on the shelf until its slot is needed; the one used longest ago goes first. */
#ifndef ZN_WORKERS_SHELF_H
#define ZN_WORKERS_SHELF_H

#include <stdbool.h>

#include "base/mem.h"

struct zn_archive;

struct zn_slot {
    uint8_t *bytes;              /* NULL until it is first taken */
    const struct zn_archive *of; /* whose chunk it holds, NULL: no chunk */
    uint64_t index;              /* of the chunk */
    uint64_t used;               /* when it was used last, by the shelf's clock */
    bool lent;                   /* in use: it must not be given away */
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

/* Makes an empty shelf of n slots of slot_len bytes. The memory is kept if the shelf has that size already. */
zipnn_status zn_shelf_prepare(struct zn_shelf *s, const zipnn_allocator *alloc, unsigned n, size_t slot_len,
                              zipnn_error *err);
/* Accepts a zeroed struct, and leaves one. */
void zn_shelf_free(struct zn_shelf *s, const zipnn_allocator *alloc);

/* Returns the slot that holds the chunk and lends it, or NULL. */
struct zn_slot *zn_shelf_find(struct zn_shelf *s, const struct zn_archive *of, uint64_t index);

/* Lends a slot that is to be filled. Returns ZIPNN_E_LIMIT if all are lent. */
zipnn_status zn_shelf_take(struct zn_shelf *s, const zipnn_allocator *alloc, struct zn_slot **slot, zipnn_error *err);

/* Says which chunk the slot holds now. */
void zn_shelf_label(struct zn_shelf *s, struct zn_slot *slot, const struct zn_archive *of, uint64_t index);

/* Ends a loan; NULL is accepted. */
static inline void zn_shelf_return(struct zn_slot *slot) {
    if (slot) slot->lent = false;
}

#endif
