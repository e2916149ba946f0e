/* zipnn, digests: of the bytes of any source. zipnn/zipnn.h does not include this header. */
#ifndef ZIPNN_DIGESTS_H
#define ZIPNN_DIGESTS_H

#include "zipnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads all bytes of a source in order, and computes their digests with the instructions that the context uses. *stats
 * gets original (their number), xxh3, sha256 and has_sha256. A source with read_at is read a megabyte at a time, by this
 * thread alone; its functions may read archives that were opened with the same context. */
ZIPNN_API zipnn_status zipnn_digests(zipnn_ctx *ctx, const zipnn_source *source, zipnn_stats *stats, zipnn_error *err);

#ifdef __cplusplus
}
#endif
#endif
