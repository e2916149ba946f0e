/* What a step makes of a chunk: written and read (doc/sync.md). */
#ifndef ZN_SYNC_STEPS_H
#define ZN_SYNC_STEPS_H

#include "sync/update_format.h"

/* A chunk before and after. */
struct zn_sync_pair {
    struct zn_portion portion;
    const uint8_t *before, *after; /* portion.len bytes each */
};

/* Sets bit i of masks where elements differ, and returns how many do. */
uint32_t zn_sync_changed(const struct zn_kernels *k, const struct zn_sync_pair *pair, uint64_t *masks);

/* Sets bits 0 to n - 1, and no other of the words that they are in. */
static inline void zn_sync_all(uint64_t *masks, size_t n) {
    memset(masks, 0xFF, n / 64 * sizeof *masks);
    if (n % 64) masks[n / 64] = (UINT64_C(1) << n % 64) - 1;
}

/* Returns the room that writing a step for a chunk of `len` bytes needs. */
static inline size_t zn_step_bound(uint32_t len) {
    return ZN_UPDATE_STEP_LEN + (size_t)zn_chunk_bound(len) + 64;
}

/* Writes the step that makes pair->after of pair->before, with what the form allows, and verifies it as the job says.
 * Uses room->b, c, values, masks and positions. */
zipnn_status zn_step_encode(const struct zn_job *job, struct zn_worker *w, struct zn_sync_room *room,
                            const struct zn_sync_pair *pair, zipnn_update_form form, uint8_t *out, size_t *len,
                            zipnn_error *err);

/* Writes a step that sets the elements whose bits are set in room->masks to those of `after`. *len is 0 if that takes as
 * much as all of them. */
zipnn_status zn_step_encode_values(const struct zn_job *job, struct zn_worker *w, struct zn_sync_room *room,
                                   const struct zn_portion *p, const uint8_t *after, uint32_t n, uint8_t *out,
                                   size_t *len, zipnn_error *err);

/* A chunk that steps are applied to. */
struct zn_stepping {
    struct zn_portion portion;
    const uint8_t *now;    /* its bytes; NULL: unknown */
    bool marks;            /* note in room->masks which elements were set */
    uint8_t *next, *other; /* of ZN_SYNC_CHUNK bytes, used in turn */
};

/* Applies all steps of a frame. s->now are then the chunk's bytes; those of elements that were unknown and not set are
 * 0. Uses room->values, positions. */
zipnn_status zn_steps_decode(struct zn_worker *w, struct zn_sync_room *room, const struct zn_update_frame *c,
                             struct zn_stepping *s, zipnn_error *err);

#endif
