/* Runs of a file that are like bytes elsewhere: an earlier tensor, or a tensor of a base. As a plan, links only give
 * hints: the encoder compares before it relies on one. */
#ifndef ZN_PLAN_LINKS_H
#define ZN_PLAN_LINKS_H

#include "plan/plan.h"

enum zn_likeness {
    ZN_LINK_EQUAL,   /* the bytes are expected to be the same */
    ZN_LINK_SIMILAR, /* ... to differ a little */
    ZN_LINK_CONTEXT  /* ... to be of a like magnitude */
};

struct zn_link {
    uint64_t off, len; /* of the file; off + len does not overflow */
    uint64_t ref_off;  /* of the bytes that they are like */
    uint8_t source;    /* 0: this file; n: the n-th base */
    uint8_t likeness;  /* enum zn_likeness */
};

struct zn_links {
    zipnn_allocator alloc;
    struct zn_link *link; /* ascending by off, not overlapping */
    size_t n, cap;
};

/* No links. zn_links_free leaves it so. */
void zn_links_init(struct zn_links *links, const zipnn_allocator *alloc);
void zn_links_free(struct zn_links *links);

/* Appends a link; any order. */
zipnn_status zn_links_add(struct zn_links *links, const struct zn_link *link, zipnn_error *err);

/* Sorts, and drops links that overlap an earlier one (of two at one offset, the one of the lower source stays).
 * Neighbours that are one run in the other original, too, become one link together with the little that lies between
 * them, except those to this file. Once, after the last zn_links_add. */
void zn_links_finish(struct zn_links *links);

#endif
