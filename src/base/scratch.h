/* Scratch memory as a stack: pieces are taken one after the other and given back all at once, down to a mark.
 *
 *     const size_t mark = zn_scratch_mark(s);
 *     uint8_t *plane = zn_scratch_take(s, n);        owned until the next line
 *     zn_scratch_back(s, mark);
 *
 * Whoever sets a mark gives back; who is called may take and leave that to the caller. AddressSanitizer sees the pieces
 * apart and sees what was given back.
 */
#ifndef ZN_BASE_SCRATCH_H
#define ZN_BASE_SCRATCH_H

#include "base/mem.h"

enum { ZN_SCRATCH_EACH = 128 }; /* bytes that a piece may take besides its own: rounding and a gap */

struct zn_scratch {
    uint8_t *base;
    size_t cap, used;
};

/* Carves the memory for pieces of `cap` bytes in all; with a measuring arena only counts. */
void zn_scratch_carve(struct zn_scratch *s, struct zn_arena *arena, size_t cap);

/* A piece of `len` bytes, aligned to 64. There is always room: the owner of the scratch has added up what its functions
 * take. */
void *zn_scratch_take(struct zn_scratch *s, size_t len);

static inline size_t zn_scratch_mark(const struct zn_scratch *s) {
    return s->used;
}

/* Gives back all that was taken since the mark. */
void zn_scratch_back(struct zn_scratch *s, size_t mark);

#endif
