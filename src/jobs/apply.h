/* Turns a base in memory into the original of an archive, in place. */
#ifndef ZN_JOBS_APPLY_H
#define ZN_JOBS_APPLY_H

#include "workers/ends.h"
#include "workers/job.h"

/* Applies the archive to memory[0, len), which holds its one base, or what an earlier call left when it failed. Before
 * the first chunk is changed, every chunk is found to be the base's or the result's; otherwise ZIPNN_E_BASE is
 * returned. */
zipnn_status zn_apply(const struct zn_job *job, const struct zn_input *in, uint8_t *memory, size_t len,
                      zipnn_stats *stats, zipnn_error *err);

#endif
