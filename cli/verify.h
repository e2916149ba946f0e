/* Reading a written file back, before its source may be deleted. */
#ifndef ZIPNN_CLI_VERIFY_H
#define ZIPNN_CLI_VERIFY_H

#include "zipnn/zipnn.h"

/* The archive at `path` decodes to the original that `stats`, from packing it, describes. */
zipnn_status verify_archive(zipnn_ctx *ctx, const char *path, const zipnn_stats *stats, zipnn_error *err);

/* The file at `path` is, byte for byte, what `archive` decodes to; `stats` is from restoring it. `archive` must be a
 * regular file. */
zipnn_status verify_restored(zipnn_ctx *ctx, zipnn_file *archive, const char *path, const zipnn_stats *stats,
                             zipnn_error *err);

#endif
