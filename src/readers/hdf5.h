/* Reads HDF5 as h5py and Keras write it: groups are trees or lists of names, and data sets lie in one piece or in
 * chunks. Of the format's second generation, which libraries write when they are asked for the latest one, sets in
 * chunks have a name and no values. */
#ifndef ZN_READERS_HDF5_H
#define ZN_READERS_HDF5_H

#include "plan/plan.h"
#include "readers/view.h"

bool zn_hdf5_knows(const uint8_t *head, size_t len);
zipnn_status zn_hdf5_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);

/* ---- inside: hdf5.c walks groups, hdf5_object.c reads the headers of objects, hdf5_heap.c finds links outside them */

enum { ZN_HDF5_MAX_RANK = 32, ZN_HDF5_MAX_LINKS = 64, ZN_HDF5_MAX_BLOCKS = 128 };
#define ZN_HDF5_NOWHERE_AT UINT64_MAX /* the address of things that are not in the file */

/* The contents of an object's header: a group's table of names, or the place of a data set. */
struct zn_hdf5_object {
    bool is_group, has_type, has_space, is_filtered;
    bool is_elsewhere;   /* the values are in other files */
    uint64_t tree, heap; /* group: offsets of the names */
    zipnn_dtype dtype;   /* for the chunker; UNKNOWN for types that it measures */
    zipnn_dtype type;    /* for everybody else; UNKNOWN for values that only HDF5 can give */
    uint32_t meaning;    /* ZN_BIG_ENDIAN or 0 */
    uint32_t element;    /* bytes of an element */
    uint64_t dims[ZN_HDF5_MAX_RANK];
    uint32_t rank;
    enum { ZN_HDF5_NOWHERE, ZN_HDF5_WHOLE, ZN_HDF5_CHUNKS } storage;
    uint64_t off, len;                /* in one piece: its bytes; a set that was never written has no address */
    uint64_t chunks;                  /* the tree of chunks; a set without chunks has no address */
    uint32_t chunk_len;               /* bytes of a chunk */
    uint64_t chunk[ZN_HDF5_MAX_RANK]; /* its shape */
    uint32_t chunk_rank;
    uint8_t fill[ZN_MAX_FILL];         /* the value of what was never written */
    uint64_t links[ZN_HDF5_MAX_LINKS]; /* group of the new kind: offsets of its links */
    unsigned n_links;
    unsigned n_left_out; /* further links */
    uint64_t link_heap;  /* ... and the heap of those that its header has no room for; ZN_HDF5_NOWHERE_AT for none */
};

/* Returns false if the header is not understood, or if the cursor is stuck. */
bool zn_hdf5_read_object(struct zn_scan *s, uint64_t at, struct zn_hdf5_object *object);

/* Reads a link in a header. A hard link leads to an object in the file, whose address is stored in *object; others lead
 * to a name, in this file or another. The name has at most max bytes and ends with a zero. */
enum zn_hdf5_link { ZN_HDF5_HARD, ZN_HDF5_ELSEWHERE, ZN_HDF5_UNREADABLE };
/* The cursor is then behind the link. */
enum zn_hdf5_link zn_hdf5_read_link(struct zn_scan *s, uint64_t at, char *name, size_t max, uint64_t *object);

/* The parts of a heap that hold objects one after the other, from its beginning. */
struct zn_hdf5_heap {
    uint64_t n_objects;
    struct {
        uint64_t from, to;
    } block[ZN_HDF5_MAX_BLOCKS];
    unsigned n_blocks;
    bool is_cut; /* there are more, or they are out of sight */
};

/* Returns false if there is no heap. */
bool zn_hdf5_read_heap(struct zn_scan *s, uint64_t at, struct zn_hdf5_heap *heap);

#endif
