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

/* Encodes the chunk by a reference to the bytes that its link leads to. `body` has room for zn_chunk_bound(len).
 * *body_len is 0 if that saves nothing. What is written has been decoded and compared with the chunk. */
zipnn_status zn_refer(const struct zn_job *job, struct zn_worker *w, const struct zn_relations *relations,
                      const struct zn_input *in, const struct zn_likely *chunk, uint8_t *body, uint32_t *body_len,
                      zipnn_error *err);

#endif
