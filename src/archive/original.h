/* An opened archive, and what it is a kind of: something whose original can be read. Both never change once they are
 * open, so any number of threads may read them at once, each with workers of its own. */
#ifndef ZN_ARCHIVE_ORIGINAL_H
#define ZN_ARCHIVE_ORIGINAL_H

#include "archive/frames.h"
#include "format/reference.h"
#include "workers/job.h"

struct zn_archive;
struct zn_fetched;
struct zn_legacy;
struct zn_original;

/* How to get the bytes of an original. There are three ways: zn_way_plain, zn_way_archive, zn_way_old. */
struct zn_way {
    /* Reads original bytes [off, off + len), which lie inside the original. */
    zipnn_status (*read)(const struct zn_job *job, const struct zn_original *o, uint64_t off, uint64_t len,
                         uint8_t *dst, zipnn_error *err);
    /* Returns how many stored bytes hold original bytes [off, off + len); in proportion, where they also hold
     * others. */
    uint64_t (*stored)(const struct zn_original *o, uint64_t off, uint64_t len);
    /* Lists the stored bytes that hold them and were not fetched. */
    zipnn_status (*list)(const struct zn_original *o, uint64_t off, uint64_t len, struct zn_fetched *fetched,
                         zipnn_error *err);
    /* Decodes them from fetched bytes, on this thread alone. All ranges that `list` names must be present. Lists what
     * else is needed; dst then holds anything. */
    zipnn_status (*decode)(const struct zn_job *job, const struct zn_original *o, uint64_t off, uint64_t len,
                           uint8_t *dst, struct zn_fetched *fetched, zipnn_error *err);
};

/* Something whose original can be read: a file as it is, an archive, or an old record. */
struct zn_original {
    const struct zn_way *way;
    struct zn_input in; /* the stored bytes */
    uint64_t length;    /* length of the original */
    uint64_t number;    /* differs from that of every original opened anywhere; decoded bytes are remembered by it */
    const struct zn_archive *archive; /* NULL: it is not an archive */
    struct zn_legacy *old;            /* NULL: it is not an old record */
    zipnn_source old_base;            /* base of an old record; read_at NULL: none */
};

struct zn_archive {
    struct zn_original self; /* the archive for chunks that refer to their own original */
    struct zn_header header;
    struct zn_index index;   /* entries point into `memory` */
    void *memory;            /* a copy of the index frame, whatever the input is */
    struct zn_place *places; /* of the chunks, in order; NULL: the input is a pipe */
    uint64_t n_places;
    uint64_t *stored;               /* archive bytes before each chunk, and of all; NULL until they are summed */
    struct zn_base_record *records; /* of its table of bases ... */
    const struct zn_original *bases[ZN_MAX_BASES]; /* ... and the bases; NULL for one that is missing */
    unsigned n_bases;
    uint32_t max_chunk; /* largest of this archive and of all behind it */
    unsigned levels;    /* archives that references of its chunks lead through, this one included */
    unsigned behind;    /* length of the longest chain of archives behind it */
};

/* Follows the heads of frames to the end of the archive that a random-access input begins with: a trailer that tells the
 * length of the frame before it. Returns ZN_NOWHERE if they do not lead to one soon. Nothing is verified. */
uint64_t zn_archive_end(const struct zn_input *in, uint32_t max_chunk);

/* Opens the archive in a random-access input: reads and verifies header, trailer and index. The caller then finds its
 * bases (bases.h). The struct must stay where it is. On failure nothing is owned. zn_archive_close accepts a zeroed
 * struct. */
zipnn_status zn_archive_open(const zipnn_allocator *alloc, const struct zn_kernels *k, const struct zn_input *in,
                             struct zn_archive *a, zipnn_error *err);
void zn_archive_close(struct zn_archive *a, const zipnn_allocator *alloc);

/* Begins an archive of which only the header is known, because it comes from a pipe or is damaged. */
void zn_archive_begin(struct zn_archive *a, const struct zn_input *in, const struct zn_header *header);

/* Computes how many archive bytes the chunks take, for zn_way.stored. */
zipnn_status zn_archive_sum_stored(struct zn_archive *a, const zipnn_allocator *alloc, zipnn_error *err);

/* Sets `levels` and `behind` and raises `max_chunk`, once flags and bases are known. */
void zn_archive_measure(struct zn_archive *a);

/* Returns an original that is a plain file, without an archive. */
struct zn_original zn_original_plain(const struct zn_input *in);

/* Returns the index of the chunk that holds byte `off`, which is inside the original. */
uint64_t zn_archive_chunk_at(const struct zn_archive *a, uint64_t off);

/* Returns ZIPNN_E_CORRUPT for bytes[0, len) that follow the end of an archive, at `end` of an input of `length` bytes
 * (ZN_NOWHERE: unknown). The message says whether they are another archive. */
zipnn_status zn_fail_excess(const uint8_t *bytes, size_t len, uint64_t end, uint64_t length, zipnn_error *err);

extern const struct zn_way zn_way_plain, zn_way_archive, zn_way_old;

#endif
