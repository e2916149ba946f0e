/* What a zipnn_ctx is. */
#ifndef ZN_API_CONTEXT_H
#define ZN_API_CONTEXT_H

#include "archive/bases.h"
#include "archive/old.h"
#include "workers/job.h"

struct zipnn_ctx {
    struct zn_engine engine;
    struct zn_bases bases;
    struct zn_job job; /* what it does: the caller's options, on engine and bases */
    zipnn_dtype dtype;
    struct zn_old_scratch old;
    zipnn_source base; /* of old records; read_at NULL: none */
    zipnn_repeats repeats;
    uint8_t *tile; /* rows of a product, decoded; NULL until there is one */
    size_t tile_cap;
    size_t n_direct; /* bases that compressing may refer to */
};

/* Clears *err, so that a status left from an earlier call is not taken for this one's. */
static inline void zn_clear_error(zipnn_error *err) {
    if (err) *err = (zipnn_error){ZIPNN_OK, ZN_NOWHERE, ""};
}

/* ZIPNN_E_ARGUMENT when one of two pointers that a function needs is NULL. Clears *err otherwise. */
static inline zipnn_status zn_given(const char *function, const void *one, const void *other, zipnn_error *err) {
    zn_clear_error(err);
    if (one && other) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "%s: a pointer is NULL", function);
}

/* Plans the input from its first ZN_WINDOW bytes. Of a sequential one *head holds what had to be read for that (free
 * with zn_free) and stays in use. On failure nothing is owned. */
zipnn_status zn_plan_input(zipnn_ctx *ctx, struct zn_input *in, struct zn_plan *plan, uint8_t **head, zipnn_error *err);

/* Compresses the input as the job says, which is the context's own or a copy with other options. */
zipnn_status zn_pack_input(zipnn_ctx *ctx, const struct zn_job *job, struct zn_input *in, const struct zn_output *out,
                           zipnn_stats *stats, zipnn_error *err);

/* Plans an archive's original, all of which is in sight. */
zipnn_status zn_plan_original(zipnn_archive *archive, uint64_t original, struct zn_plan *plan, zipnn_error *err);

#endif
