/* Finds bytes of a file in a base where no tensor tells the place. */
#ifndef ZN_JOBS_ELSEWHERE_H
#define ZN_JOBS_ELSEWHERE_H

#include "jobs/relations.h"

/* Appends a gap. A gap that is too short to gain anything is left out. */
zipnn_status zn_gaps_add(struct zn_gaps *gaps, uint64_t off, uint64_t len, zipnn_dtype dtype, zipnn_error *err);

/* Links parts of the gaps to bytes of the base that they equal, or nearly, and removes these parts from the gaps. */
zipnn_status zn_parts_find(const struct zn_model *model, const struct zn_model *base, uint8_t source,
                           struct zn_gaps *gaps, struct zn_links *links, zipnn_error *err);

#endif
