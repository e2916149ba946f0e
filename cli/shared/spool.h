/* Restores archives from a pipe, also those that cannot be restored in order because their chunks refer to others. */
#ifndef ZIPNN_CLI_SPOOL_H
#define ZIPNN_CLI_SPOOL_H

#include "zipnn/zipnn.h"

/* Calls zipnn_unpack, or zipnn_test if `sink` is NULL. An archive from a pipe that needs random access is written to a
 * temporary file without a name first. */
zipnn_status spool_restore(zipnn_ctx *ctx, zipnn_source *source, const zipnn_sink *sink, zipnn_stats *stats,
                           zipnn_error *err);

#endif
