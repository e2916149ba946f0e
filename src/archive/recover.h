/* Finds what is left of an archive whose header, index or trailer is lost. */
#ifndef ZN_ARCHIVE_RECOVER_H
#define ZN_ARCHIVE_RECOVER_H

#include "archive/frames.h"

enum zn_found_kind {
    ZN_FOUND,      /* a frame with a right check; its place is known with an index, or when all before it is */
    ZN_LOST,       /* a chunk whose length is known, but not its bytes: place.at is ZN_NOWHERE */
    ZN_LOST_LENGTH /* any number of chunks */
};

struct zn_found {
    enum zn_found_kind kind;
    struct zn_place place; /* `off` is set only with an index */
};

struct zn_recovery {
    bool has_header, has_index;
    struct zn_header header; /* the archive's header; without one, the largest legal values */
    struct zn_index index;   /* its digests and length; it has no entries */
    struct zn_found *found;  /* in order; with an index, one for every chunk, and no ZN_LOST_LENGTH */
    size_t n_found, cap;
    uint64_t unlisted; /* with an index: original bytes of sound frames after it that are not the archive's */
};

/* Walks the frames front to back. Where a check fails, looks for the next frame whose check holds. Frames are matched
 * with the index when it is this archive's: the one that a sound trailer names, or whose entries end where it begins.
 * Work is bounded by a multiple of the input's length, whatever its bytes. Fails for lack of memory and when the input
 * cannot be read; zn_recovery_free accepts a zeroed struct. */
zipnn_status zn_recover(const zipnn_allocator *alloc, const struct zn_kernels *k, const struct zn_input *in,
                        struct zn_recovery *r, zipnn_error *err);
void zn_recovery_free(const zipnn_allocator *alloc, struct zn_recovery *r);

#endif
