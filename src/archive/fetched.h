/* Bytes that the caller fetched, in place of reads: decoding then needs no I/O, and says which bytes it lacks. */
#ifndef ZN_ARCHIVE_FETCHED_H
#define ZN_ARCHIVE_FETCHED_H

#include "work/ends.h"
#include "work/engine.h"

struct zn_fetched {
    const zipnn_piece *piece; /* ascending by source and offset */
    size_t n;
    uint64_t longest;     /* bytes of one of them */
    zipnn_range *missing; /* room for `cap` ranges that are needed and not there; n_missing are listed */
    size_t cap, n_missing;
    size_t n_lacking; /* how often something was not there, listed or not */
};

/* Looks the pieces over, before anything else. ZIPNN_E_ARGUMENT when they are not in order, or one has no bytes. */
zipnn_status zn_fetched_check(struct zn_fetched *f, zipnn_error *err);

/* Sorts what is missing and lists each range once. */
void zn_fetched_settle(struct zn_fetched *f);

/* Whether the bytes of the input are there; lists them as missing if not. */
bool zn_fetched_has(struct zn_fetched *f, const struct zn_input *in, uint64_t off, uint64_t len);

/* zn_input_at for a worker: reads, unless the worker has fetched bytes. Then the bytes are those, or ZIPNN_E_NOT_FOUND
 * is returned, and counted. */
zipnn_status zn_fetch(const struct zn_worker *w, const struct zn_input *in, uint64_t off, size_t len, uint8_t *buf,
                      const uint8_t **bytes, zipnn_error *err);

#endif
