/* Reads back what was written, before the file that it replaces is deleted. */
#ifndef ZIPNN_CLI_READ_BACK_H
#define ZIPNN_CLI_READ_BACK_H

#include "zipnn/zipnn.h"

/* What an archive was made from. */
struct made_from {
    const zipnn_source *source; /* with read_at; NULL: only the digest is compared */
    const char *path;
    const zipnn_stats *stats; /* of packing */
};

/* Reads an archive from the device, decodes it and compares it with what it was made from, which is read again. `ctx`
 * has its bases. `archive` is the file written, committed or not, or a file opened for reading. */
zipnn_status verify_archive(zipnn_ctx *ctx, const zipnn_file *archive, const char *path, const struct made_from *from,
                            zipnn_error *err);

/* Decodes the archive at `path` again and compares every byte with the file written, which is read from the device. */
zipnn_status verify_restored(zipnn_ctx *ctx, const char *path, const zipnn_file *written, const char *output,
                             zipnn_error *err);

#endif
