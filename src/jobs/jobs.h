/* Operations on whole originals and archives. */
#ifndef ZN_JOBS_JOBS_H
#define ZN_JOBS_JOBS_H

#include "plan/plan.h"
#include "workers/digest.h"
#include "workers/ends.h"
#include "workers/job.h"

struct zn_relations;

/* Packs the input, cut by the plan, into an archive. `relations` may be NULL; with links to itself, the input is
 * random-access. */
zipnn_status zn_pack(const struct zn_job *job, const struct zn_plan *plan, const struct zn_relations *relations,
                     struct zn_input *in, const struct zn_output *out, zipnn_stats *stats, zipnn_error *err);

/* Restores an archive. */
zipnn_status zn_unpack(const struct zn_job *job, struct zn_input *in, const struct zn_output *out,
                       enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err);

#endif
