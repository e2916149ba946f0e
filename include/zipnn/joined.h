/* zipnn, joined archives: several archives one after the other in a file or a pipe, as `cat a.znn b.znn` makes them.
 * Their original is the originals, one after the other. zipnn_unpack and all that opens archives refuse them, since one
 * index cannot list the chunks of two. A loop over the archives restores them:
 *
 *     for (source_at(&source, at); at < length; at += stats.archive, source_at(&source, at))
 *         if (zipnn_joined_unpack(ctx, &source, &sink, &stats, &err) != ZIPNN_OK) ...
 *
 * zipnn/zipnn.h does not include this header.
 */
#ifndef ZIPNN_JOINED_H
#define ZIPNN_JOINED_H

#include "zipnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Finds the length of the archive that a source with read_at begins with, from the heads of its frames alone: nothing
 * is verified. If that is shorter than the source, something follows the archive. A source that begins with no archive,
 * or with a damaged one, gives its own length. Restoring it tells what is wrong. */
ZIPNN_API zipnn_status zipnn_joined_length(const zipnn_source *source, uint64_t *length, zipnn_error *err);

/* Does what zipnn_unpack does, or if `sink` is NULL what zipnn_test does, with the archive that the source begins with,
 * whatever follows it. stats->archive tells how many bytes that is. A sequential source is read so far and no further:
 * the next call takes the next archive. */
ZIPNN_API zipnn_status zipnn_joined_unpack(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink,
                                           zipnn_stats *stats, zipnn_error *err);

#ifdef __cplusplus
}
#endif
#endif
