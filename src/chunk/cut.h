/* Where chunks begin and end. The cuts follow from the plan alone, never from how bytes arrive or how many there are,
 * so a pipe and a file give the same archive. */
#ifndef ZN_CHUNK_CUT_H
#define ZN_CHUNK_CUT_H

#include "plan/links.h"

enum {
    ZN_CUT_TARGET = 512 << 10, /* usual length of a chunk, and its exact length where no tensor must be respected */
    ZN_CUT_MAX = 576 << 10     /* a chunk grows up to this length rather than leave a short remainder */
};

struct zn_cut {
    uint64_t off;
    uint32_t len;               /* 1 .. ZN_CUT_MAX; the file may end earlier. 0 only at offset UINT64_MAX */
    uint32_t head;              /* bytes before the first whole element, fewer than the dtype's word */
    zipnn_dtype dtype;          /* the type of most of its bytes */
    const struct zn_link *link; /* the link that contains the first byte, NULL for none; others may follow */
};

struct zn_cutter {
    struct zn_plan_walk walk;
    const struct zn_links *links; /* NULL: none */
    size_t next_link;             /* index of the first link that does not end before `ahead` */
    const struct zn_link *piece_link, *ahead_link;
    struct zn_span piece; /* the rest of the run of bytes that is cut next */
    struct zn_span ahead; /* the span after it, up to the next edge of a link */
    struct zn_span rest;  /* what remains of that span */
    uint64_t start;       /* where the piece began */
    uint64_t step;        /* bytes of its chunks, except for the last, if it is a large matrix; else 0 */
    size_t next_tensor;   /* index of the first tensor that begins after the chunk does */
    uint64_t end_by_name; /* where the chunk ends at the latest; UINT64_MAX: something else ends it */
    uint64_t header_end;  /* end of the leading opaque span when that stands alone, else 0 */
};

/* Begins at offset 0. The plan must be finished and must outlive the cutter. */
void zn_cutter_init(struct zn_cutter *cutter, const struct zn_plan *plan);

/* Begins with links (NULL for none), which must outlive the cutter, too. No chunk spans two links, or a link and bytes
 * outside it, unless links->parts allows it: then short pieces of one base share chunks, with little between them. */
void zn_cutter_init_linked(struct zn_cutter *cutter, const struct zn_plan *plan, const struct zn_links *links);

/* Returns the next chunk. Chunks tile [0, UINT64_MAX); the caller stops at the end of the file. */
struct zn_cut zn_cut_next(struct zn_cutter *cutter);

/* Skips up to n chunks of one length in the run in which the last chunk ended. Returns how many were skipped, and adds
 * their bytes to *bytes. */
uint64_t zn_cut_skip(struct zn_cutter *cutter, uint64_t n, uint64_t *bytes);

#endif
