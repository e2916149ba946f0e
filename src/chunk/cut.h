/* Where chunks begin and end. The cuts follow from the plan alone, never from how bytes arrive or how many there are,
 * so a pipe and a file give the same archive. */
#ifndef ZN_CHUNK_CUT_H
#define ZN_CHUNK_CUT_H

#include "plan/links.h"

enum {
    ZN_CUT_TARGET = 512 << 10, /* usual length of a chunk, and the exact one where there is no tensor to respect */
    ZN_CUT_MAX = 576 << 10     /* a chunk grows up to this rather than leave a small remainder */
};

struct zn_cut {
    uint64_t off;
    uint32_t len;               /* 1 .. ZN_CUT_MAX; the file may end earlier. 0 only at offset UINT64_MAX */
    uint32_t head;              /* bytes before the first whole element, less than the dtype's word */
    zipnn_dtype dtype;          /* of most of its bytes */
    const struct zn_link *link; /* that its first byte lies in, NULL for none */
};

struct zn_cutter {
    struct zn_plan_walk walk;
    const struct zn_links *links; /* NULL: none */
    size_t next_link;             /* the first that does not end before `ahead` */
    const struct zn_link *piece_link, *ahead_link;
    struct zn_span piece; /* what is left of the run of bytes to be cut next */
    struct zn_span ahead; /* the span after it */
    uint64_t start;       /* where the piece began */
    uint64_t header_end;  /* end of the leading opaque span when that stands alone, else 0 */
};

/* The plan must be finished and outlive the cutter. */
void zn_cutter_init(struct zn_cutter *cutter, const struct zn_plan *plan);

/* The same, and the links (NULL for none) likewise. No chunk spans two links, or a link and what lies outside, where
 * runs of one type begin; a link that begins inside a run is left at that. */
void zn_cutter_init_linked(struct zn_cutter *cutter, const struct zn_plan *plan, const struct zn_links *links);

/* The next chunk. Chunks tile [0, UINT64_MAX): the caller stops where the file does. */
struct zn_cut zn_cut_next(struct zn_cutter *cutter);

/* Passes over up to n chunks of ZN_CUT_TARGET bytes that follow inside the run that the last one ended in; how many. */
uint64_t zn_cut_skip(struct zn_cutter *cutter, uint64_t n);

#endif
