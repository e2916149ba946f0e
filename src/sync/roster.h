/* The tensors of some weights, in the order in which updates speak of them, and their division into chunks
 * (doc/sync.md). */
#ifndef ZN_SYNC_ROSTER_H
#define ZN_SYNC_ROSTER_H

#include "base/cur.h"
#include "base/mem.h"
#include "zipnn/sync.h"

enum {
    ZN_SYNC_CHUNK = 512 << 10, /* a chunk has no more bytes */
    ZN_SYNC_SMALL = 64 << 10   /* tensors of fewer bytes share chunks */
};

/* A tensor. */
struct zn_member {
    const char *name; /* NUL-terminated */
    size_t name_len;
    zipnn_dtype dtype;
    unsigned unit; /* bytes that are replaced as one; they divide ZN_SYNC_CHUNK */
    uint32_t rank;
    const uint64_t *shape;
    const int64_t *strides; /* NULL: row after row */
    uint8_t *data;          /* NULL: it is only described */
    uint64_t bytes;
    uint64_t chunk; /* the first one that it has bytes in */
    size_t given;   /* its place in the caller's list */
};

struct zn_roster {
    zipnn_allocator alloc;
    struct zn_member *members;
    size_t n;
    uint64_t bytes, n_chunks;
    uint8_t *text; /* the list as updates have it. Names point into it */
    size_t text_len;
    uint64_t *shapes; /* of all members */
    int64_t *strides; /* of all members; NULL where they are only described */
};

/* Takes the caller's tensors, and copies all but their bytes. On failure nothing is owned. */
zipnn_status zn_roster_take(struct zn_roster *r, const zipnn_allocator *alloc, const zipnn_tensor *tensors, size_t n,
                            zipnn_error *err);

/* Reads the list of an update, text[0, len) of n tensors, which stay the caller's until the roster is released. On failure
 * nothing is owned. */
zipnn_status zn_roster_read(struct zn_roster *r, const zipnn_allocator *alloc, const uint8_t *text, size_t len,
                            uint32_t n, zipnn_error *err);

/* Accepts a zeroed struct. */
void zn_roster_release(struct zn_roster *r);

/* ZIPNN_E_BASE, with the first difference, if the names, types or shapes are not the same. */
zipnn_status zn_roster_compare(const struct zn_roster *r, const struct zn_roster *of_update, zipnn_error *err);

/* ---- chunks ---- */

/* A chunk: bytes [off, off + len) of one member, or all bytes of several. */
struct zn_portion {
    size_t first, n; /* members */
    uint64_t off;
    uint32_t len;
    unsigned unit;
    zipnn_dtype dtype;
};

/* Returns chunk number `chunk` < n_chunks. */
struct zn_portion zn_roster_portion(const struct zn_roster *r, uint64_t chunk);

/* Returns the bytes of a chunk: where they lie if they lie in one run, else in room[0, len), which is filled. */
const uint8_t *zn_roster_bytes(const struct zn_roster *r, const struct zn_portion *p, uint8_t *room);

/* Puts the bytes of a chunk into their tensors. */
void zn_roster_put(const struct zn_roster *r, const struct zn_portion *p, const uint8_t *bytes);

#endif
