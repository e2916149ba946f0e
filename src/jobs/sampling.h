/* Estimates the result of packing from a sample of the chunks. */
#ifndef ZN_JOBS_SAMPLING_H
#define ZN_JOBS_SAMPLING_H

#include "jobs/relations.h"

/* Compresses up to max_sampled original bytes of a random-access input, cut by the plan; all of it when it is not
 * longer. The sample is the same every time. Chunks that repeat others or resemble a base are sampled separately. */
zipnn_status zn_estimate(const struct zn_job *job, const struct zn_plan *plan, const struct zn_relations *relations,
                         const struct zn_input *in, uint64_t max_sampled, zipnn_estimate_info *info, zipnn_error *err);

#endif
