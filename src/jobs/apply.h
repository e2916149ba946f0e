/* A base in memory becomes what an archive was made of, where it is. */
#ifndef ZN_JOBS_APPLY_H
#define ZN_JOBS_APPLY_H

#include "work/ends.h"
#include "work/job.h"

/* memory[0, len) holds the one base of the archive, or what an earlier call that failed left of it. Every chunk is
 * found to be the base's or the result's before the first is changed; ZIPNN_E_BASE otherwise. */
zipnn_status zn_apply(const struct zn_job *job, const struct zn_input *in, uint8_t *memory, size_t len,
                      zipnn_stats *stats, zipnn_error *err);

#endif
