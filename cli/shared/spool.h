/* Archives from a pipe, also those that cannot be restored in order because chunks of them repeat others. */
#ifndef ZIPNN_CLI_SPOOL_H
#define ZIPNN_CLI_SPOOL_H

#include "zipnn/zipnn.h"

/* zipnn_unpack, or zipnn_test where `sink` is NULL. An archive from a pipe that must be read at any place is written to
 * a temporary file without a name first. */
zipnn_status spool_restore(zipnn_ctx *ctx, zipnn_source *source, const zipnn_sink *sink, zipnn_stats *stats,
                           zipnn_error *err);

#endif
