/* Opens an archive, or a plain model file, for reading parts of it. */
#ifndef ZIPNN_CLI_OPEN_ARCHIVE_H
#define ZIPNN_CLI_OPEN_ARCHIVE_H

#include "shared/run.h"

enum opened_as { OPENED_ARCHIVE, OPENED_DAMAGED, OPENED_PLAIN };

struct remote;

struct opened {
    zipnn_file *file; /* NULL: behind a URL */
    struct remote *remote;
    zipnn_source source;
    zipnn_archive *archive;
    bool plain;
};

/* Opens the archive `path`, which may be a URL. With OPENED_DAMAGED its index or header may be lost; with OPENED_PLAIN it may be a file
 * that is no archive. opened_close accepts a zeroed struct, and one that failed to open. */
zipnn_status opened_open(struct run *run, const char *path, enum opened_as as, struct opened *o, zipnn_error *err);
void opened_close(struct opened *o);

/* Announces that original bytes [off, off + len) are going to be read, or all; of what is far away they are then
 * fetched together. */
void opened_expect(const struct opened *o, uint64_t off, uint64_t len);
void opened_expect_all(const struct opened *o);

#endif
