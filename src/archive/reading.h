/* Reads ranges of an archive's original with all workers at once: zn_way_archive, and beside it zn_way_plain. */
#ifndef ZN_ARCHIVE_READING_H
#define ZN_ARCHIVE_READING_H

#include "archive/original.h"

/* Prepares the workers for the archive's chunks, and for what those refer to. */
zipnn_status zn_archive_prepare(struct zn_engine *e, const struct zn_archive *a, zipnn_error *err);

#endif
