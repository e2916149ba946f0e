/* Archives one after the other in one file, as `cat a.znn b.znn` makes them. */
#ifndef ZIPNN_CLI_CONCATENATED_H
#define ZIPNN_CLI_CONCATENATED_H

#include <stdbool.h>

#include "zipnn/zipnn.h"

/* A walk over them. It must stay where it is while a part is in use. */
struct joined {
    const zipnn_source *whole;
    uint64_t at;       /* where the part begins */
    zipnn_source part; /* one archive, or, after the last, what is no archive */
};

/* Begins with the first of them. Returns false if the source is not made of several archives. */
bool joined_begin(struct joined *j, const zipnn_source *whole);

/* Goes on to the next. Returns false after the last, or if no archive follows. */
bool joined_next(struct joined *j);

/* What came out of them: sums of what each gave, and digests if there is but one. */
struct restored {
    zipnn_stats stats;
    uint64_t n; /* archives */
};

struct restoring {
    zipnn_ctx *ctx;
    const zipnn_sink *sink; /* NULL: test */
    uint64_t most;          /* bytes that all originals together may have; 0: any number */
    struct restored *restored;
};

/* Restores or tests all archives of a source with read_at. What follows the last archive is an error. */
zipnn_status joined_restore(const struct restoring *r, const zipnn_source *source, zipnn_error *err);

/* Adds what one more archive gave. */
zipnn_status joined_add(const struct restoring *r, const zipnn_stats *more, zipnn_error *err);

/* Returns whether a file that begins with these bytes, ARCHIVE_MAGIC of them or more, is an archive. */
enum { ARCHIVE_MAGIC = 8 };
bool begins_archive(const void *head, size_t len);

/* Fails since after archives of `end` bytes something follows that is none. */
zipnn_status joined_refuse(uint64_t end, zipnn_error *err);

#endif
