/* Bytes that the caller fetched in place of reads. Decoding then needs no I/O, and reports which bytes are missing. */
#ifndef ZN_ARCHIVE_FETCHED_H
#define ZN_ARCHIVE_FETCHED_H

#include "workers/ends.h"
#include "workers/engine.h"

struct zn_fetched {
    const zipnn_piece *piece; /* in ascending order of source and offset */
    size_t n;
    uint64_t longest;     /* length of the longest piece */
    zipnn_range *missing; /* room for `cap` ranges that are needed and missing; n_missing are listed */
    size_t cap, n_missing;
    size_t n_lacking; /* how often bytes were missing, listed or not */
};

/* Checks the pieces; call it first. Returns ZIPNN_E_ARGUMENT when they are not in order, or one has no bytes. */
zipnn_status zn_fetched_check(struct zn_fetched *f, zipnn_error *err);

/* Sorts the missing ranges and lists each of them once. */
void zn_fetched_settle(struct zn_fetched *f);

/* Returns whether these bytes of the input are present. If not, they are listed as missing. */
bool zn_fetched_has(struct zn_fetched *f, const struct zn_input *in, uint64_t off, uint64_t len);

/* Reads as zn_input_at does, unless the worker has fetched bytes. Then it takes those; if they are missing, it counts
 * that and returns ZIPNN_E_NOT_FOUND. */
zipnn_status zn_fetch(const struct zn_worker *w, const struct zn_input *in, uint64_t off, size_t len, uint8_t *buf,
                      const uint8_t **bytes, zipnn_error *err);

#endif
