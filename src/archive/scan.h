/* Decodes all chunks of an archive with all workers and hands them over in order, damaged ones included. */
#ifndef ZN_ARCHIVE_SCAN_H
#define ZN_ARCHIVE_SCAN_H

#include "archive/original.h"

/* A frame as it was found. */
struct zn_scanned {
    const struct zn_place *place;
    const uint8_t *orig;      /* its chunk; NULL when it is damaged, or holds none */
    const zipnn_error *fault; /* NULL when it is sound */
};

/* Called for every place in order, by one thread at a time; another status than ZIPNN_OK ends the scan. */
typedef zipnn_status zn_scan_fn(void *user, const struct zn_scanned *scanned, zipnn_error *err);

/* Reads, verifies and decodes the frames of an archive at `places`, whose lengths have been checked. The engine must be
 * prepared for these chunks and for what they refer to. A place at ZN_NOWHERE is lost. Fails if there is no memory or
 * if `visit` fails. */
zipnn_status zn_scan(struct zn_engine *e, const struct zn_archive *of, const struct zn_place *places, uint64_t n,
                     zn_scan_fn *visit, void *user, zipnn_error *err);

#endif
