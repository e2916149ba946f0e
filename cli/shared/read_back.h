/* Reading back what was written, before what it replaces goes. */
#ifndef ZIPNN_CLI_READ_BACK_H
#define ZIPNN_CLI_READ_BACK_H

#include "zipnn/zipnn.h"

/* What an archive was made from. */
struct made_from {
    const zipnn_source *source; /* with read_at; NULL: the digest will do */
    const char *path;
    const zipnn_stats *stats; /* of packing */
};

/* Decodes an archive, read from the device, with a context that has its bases, and compares it with what it was made
 * from, which is read once more. `archive` is what was written, committed or not yet, or a file opened for reading. */
zipnn_status verify_archive(zipnn_ctx *ctx, const zipnn_file *archive, const char *path, const struct made_from *from,
                            zipnn_error *err);

/* Decodes the archive at `path` once more and compares every byte with what was written, read from the device. */
zipnn_status verify_restored(zipnn_ctx *ctx, const char *path, const zipnn_file *written, const char *output,
                             zipnn_error *err);

#endif
