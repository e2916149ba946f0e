/* An archive, or a plain model file, opened for reading parts of it. */
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

/* Opens the archive `path`. OPENED_DAMAGED takes one whose index or header is lost too, OPENED_PLAIN a file that is no
 * archive too. opened_close accepts a zeroed struct, and what failed to open. */
zipnn_status opened_open(struct run *run, const char *path, enum opened_as as, struct opened *o, zipnn_error *err);
void opened_close(struct opened *o);

#endif
