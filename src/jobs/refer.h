/* The encoder of chunks with a reference. */
#ifndef ZN_JOBS_REFER_H
#define ZN_JOBS_REFER_H

#include "jobs/relations.h"

/* A chunk that begins in a link. */
struct zn_likely {
    const struct zn_link *link;
    uint64_t off; /* of its first byte in the file */
    zipnn_dtype dtype;
    unsigned head;
    const uint8_t *bytes;
    uint32_t len;
};

/* Writes the body of the chunk into body, which has room for zn_chunk_bound(len), by means of what its link leads to:
 * *body_len, 0 when that is no gain. What is written has been held against the bytes: it restores to them. */
zipnn_status zn_refer(const struct zn_job *job, struct zn_worker *w, const struct zn_relations *relations,
                      const struct zn_input *in, const struct zn_likely *chunk, uint8_t *body, uint32_t *body_len,
                      zipnn_error *err);

#endif
