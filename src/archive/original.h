/* An opened archive, and what stands behind it: something whose original can be read. Both are immutable once they are
 * open, so any number of threads may read them at once, each with workers of its own. */
#ifndef ZN_ARCHIVE_ORIGINAL_H
#define ZN_ARCHIVE_ORIGINAL_H

#include "archive/frames.h"
#include "format/reference.h"
#include "work/job.h"

struct zn_archive;
struct zn_fetched;
struct zn_legacy;
struct zn_original;

/* How the bytes of an original are had. The three there are: zn_way_plain, zn_way_archive, zn_way_old. */
struct zn_way {
    /* Reads original bytes [off, off + len), which lie inside the original. */
    zipnn_status (*read)(const struct zn_job *job, const struct zn_original *o, uint64_t off, uint64_t len,
                         uint8_t *dst, zipnn_error *err);
    /* Stored bytes that hold original bytes [off, off + len), in proportion where they hold more. */
    uint64_t (*stored)(const struct zn_original *o, uint64_t off, uint64_t len);
    /* Lists which stored bytes hold them and were not fetched. */
    zipnn_status (*list)(const struct zn_original *o, uint64_t off, uint64_t len, struct zn_fetched *fetched,
                         zipnn_error *err);
    /* Decodes them from bytes that were fetched, on this thread alone, once all that `list` names are there. Lists what
     * is needed besides; then dst holds anything. */
    zipnn_status (*decode)(const struct zn_job *job, const struct zn_original *o, uint64_t off, uint64_t len,
                           uint8_t *dst, struct zn_fetched *fetched, zipnn_error *err);
};

/* Something whose original can be read: a file as it is, an archive, or an old record. */
struct zn_original {
    const struct zn_way *way;
    struct zn_input in; /* what is stored */
    uint64_t length;    /* of the original */
    uint64_t number;    /* no two originals have the same, wherever they were opened: what was decoded is known by it */
    const struct zn_archive *archive; /* NULL: something else */
    struct zn_legacy *old;            /* likewise */
    zipnn_source old_base;            /* what an old record was made against; read_at NULL: nothing */
};

struct zn_archive {
    struct zn_original self; /* as chunks see it that refer to other bytes of their own original */
    struct zn_header header;
    struct zn_index index;   /* entries point into `memory` */
    void *memory;            /* the index frame: a copy, whatever the input is */
    struct zn_place *places; /* of the chunks, in order; NULL: the input is a pipe */
    uint64_t n_places;
    uint64_t *stored; /* of each chunk, the archive bytes of those before it, and of all: once they were summed */
    struct zn_base_record *records;                /* of its table of bases ... */
    const struct zn_original *bases[ZN_MAX_BASES]; /* ... and these, NULL for one that is not at hand */
    unsigned n_bases;
    uint32_t max_chunk; /* of it and of every archive behind it */
    unsigned levels;    /* archives that references of its chunks lead through, itself among them */
    unsigned behind;    /* archives one behind the other, behind it */
};

/* Opens the archive that a random-access input holds: reads and verifies header, trailer and index. Its bases are then
 * to be found (bases.h). The struct must stay where it is. On failure nothing is owned; zn_archive_close accepts a
 * zeroed struct. */
zipnn_status zn_archive_open(const zipnn_allocator *alloc, const struct zn_kernels *k, const struct zn_input *in,
                             struct zn_archive *a, zipnn_error *err);
void zn_archive_close(struct zn_archive *a, const zipnn_allocator *alloc);

/* Begins an archive of which the header alone is known, as it comes by a pipe or was found among damage. */
void zn_archive_begin(struct zn_archive *a, const struct zn_input *in, const struct zn_header *header);

/* Sums up what the chunks take in the archive, for zn_way.stored. */
zipnn_status zn_archive_sum_stored(struct zn_archive *a, const zipnn_allocator *alloc, zipnn_error *err);

/* Sets `levels` and `behind` and raises `max_chunk`, once flags and bases are known. */
void zn_archive_measure(struct zn_archive *a);

/* An original without an archive around it. */
struct zn_original zn_original_plain(const struct zn_input *in);

/* Index of the chunk that holds byte `off`, which lies inside the original. */
uint64_t zn_archive_chunk_at(const struct zn_archive *a, uint64_t off);

/* ZIPNN_E_CORRUPT for bytes[0, len) that follow the end of an archive at `end` of an input of `length` bytes, or
 * ZN_NOWHERE of them: another archive, or something else. */
zipnn_status zn_fail_excess(const uint8_t *bytes, size_t len, uint64_t end, uint64_t length, zipnn_error *err);

extern const struct zn_way zn_way_plain, zn_way_archive, zn_way_old;

#endif
