/* Finds what the bytes of an input resemble, before the first chunk. */
#ifndef ZN_API_RELATE_H
#define ZN_API_RELATE_H

#include "api/context.h"
#include "jobs/relations.h"

/* Finds repeats within a random-access input, and what its tensors have from the context's bases, in ways that the job's readers know. `relations` is to be
 * freed with zn_relations_free, also after a failure. */
zipnn_status zn_relate(zipnn_ctx *ctx, const struct zn_job *job, const struct zn_plan *plan, const struct zn_input *in,
                       struct zn_relations *relations, zipnn_error *err);
void zn_relations_free(zipnn_ctx *ctx, struct zn_relations *relations);

#endif
