/* Opens an archive, or a plain model file, for reading parts of it. */
#ifndef ZIPNN_CLI_OPEN_ARCHIVE_H
#define ZIPNN_CLI_OPEN_ARCHIVE_H

#include "shared/run.h"

enum opened_as { OPENED_ARCHIVE, OPENED_DAMAGED, OPENED_PLAIN };

struct opened {
    zipnn_file *file;
    zipnn_source source;
    zipnn_archive *archive;
    bool plain;
};

/* Opens the archive `path`. With OPENED_DAMAGED its index or header may be lost; with OPENED_PLAIN it may be a file
 * that is no archive. opened_close accepts a zeroed struct, and one that failed to open. */
zipnn_status opened_open(struct run *run, const char *path, enum opened_as as, struct opened *o, zipnn_error *err);
void opened_close(struct opened *o);

#endif
