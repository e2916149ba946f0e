/* Restores archives from a pipe, also those that cannot be restored in order because their chunks refer to others. */
#ifndef ZIPNN_CLI_SPOOL_H
#define ZIPNN_CLI_SPOOL_H

#include "shared/concatenated.h"

/* Restores or tests what the source has: an archive, or several one after the other. An archive from a pipe that needs
 * random access is written to a temporary file without a name first. */
zipnn_status spool_restore(const struct restoring *r, const zipnn_source *source, zipnn_error *err);

#endif
