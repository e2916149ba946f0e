/* Ranges of an archive's original, decoded by all workers at once: zn_way_archive, and zn_way_plain beside it. */
#ifndef ZN_ARCHIVE_READING_H
#define ZN_ARCHIVE_READING_H

#include "archive/original.h"

/* Readies the workers for the archive's chunks, and for what they refer to. */
zipnn_status zn_archive_prepare(struct zn_engine *e, const struct zn_archive *a, zipnn_error *err);

#endif
