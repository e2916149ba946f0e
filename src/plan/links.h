/* Links: runs of a file that resemble other bytes, of an earlier tensor or of a base. Like a plan, a link is only a
 * hint: the encoder compares the bytes before it relies on it. */
#ifndef ZN_PLAN_LINKS_H
#define ZN_PLAN_LINKS_H

#include <stdbool.h>

#include "plan/plan.h"

enum zn_likeness {
    ZN_LINK_EQUAL,   /* the bytes are expected to be the same */
    ZN_LINK_SIMILAR, /* ... to differ a little */
    ZN_LINK_CONTEXT  /* ... to be of a like magnitude */
};

struct zn_link {
    uint64_t off, len; /* range of the file; off + len does not overflow */
    uint64_t ref_off;  /* offset of the bytes that the range resembles, once they are cast */
    uint8_t source;    /* 0: this file; n: the n-th base */
    uint8_t likeness;  /* enum zn_likeness */
    uint32_t distance; /* of ZN_LINK_SIMILAR: how far the bytes are apart, as far as known (jobs/likeness.h) */
    /* The cast that makes them alike, and the bytes of an element before and after it; 0: none. */
    uint8_t cast, from, to;
    /* The view that makes them alike (format/recipe.h): its form, 0 for none, and what the form says of it. */
    uint8_t view, width;
    uint32_t row, stride;
};

/* Returns whether the bytes referred to must be cast to resemble the range. */
static inline bool zn_link_casts(const struct zn_link *link) {
    return link->to != 0;
}

/* Returns the offset of the bytes that the byte at `off` of the range, the first of an element, resembles. */
static inline uint64_t zn_link_ref(const struct zn_link *link, uint64_t off) {
    const uint64_t into = link->view ? 0 : off - link->off;
    return link->ref_off + (link->to ? into / link->to * link->from : into);
}

struct zn_links {
    zipnn_allocator alloc;
    struct zn_link *link; /* in ascending order of off, not overlapping */
    size_t n, cap;
    bool parts; /* a chunk may refer to several parts of a base: short links share a chunk */
};

/* Makes an empty list. zn_links_free leaves it empty. */
void zn_links_init(struct zn_links *links, const zipnn_allocator *alloc);
void zn_links_free(struct zn_links *links);

/* Appends a link. The order does not matter. */
zipnn_status zn_links_add(struct zn_links *links, const struct zn_link *link, zipnn_error *err);

/* Sorts the links and drops those that overlap an earlier one; of two at one offset, the one with the lower source
 * stays. Links that are neighbours both here and in the other original become one link, together with the short gap
 * between them. Links to this file are not joined. If very many links
 * are shorter than 4 KiB, these are dropped. Call it once, after the last zn_links_add. */
void zn_links_finish(struct zn_links *links);

#endif
