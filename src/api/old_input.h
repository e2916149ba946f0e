/* Inputs of the old format, told from archives by their first bytes. */
#ifndef ZN_API_OLD_INPUT_H
#define ZN_API_OLD_INPUT_H

#include "api/context.h"
#include "jobs/jobs.h"
#include "legacy/legacy.h"

/* Must stay where it was opened, and outlive the input it was opened on. */
struct zn_old_input {
    zipnn_allocator alloc;
    struct zn_legacy *legacy; /* NULL: the input is something else, and as good as before */
    uint8_t head[ZN_LEGACY_SNIFF];
    uint8_t *spool; /* a sequential input that had to be read whole */
    size_t spool_cap;
};

/* A sequential input that may be of the old format is read into memory and becomes a random one. On failure nothing is
 * owned; zn_old_input_close accepts a zeroed struct. */
zipnn_status zn_old_input_open(const zipnn_allocator *alloc, struct zn_input *in, struct zn_old_input *old,
                               zipnn_error *err);
void zn_old_input_close(struct zn_old_input *old);

/* Restores everything. With ZN_DIGEST_VERIFY the digest is computed for `stats`; there is none to compare it with. */
zipnn_status zn_old_input_restore(zipnn_ctx *ctx, struct zn_old_input *old, const struct zn_output *out,
                                  enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err);

/* Restores original bytes [off, off + len), which lie inside the original. */
zipnn_status zn_old_input_read(zipnn_ctx *ctx, struct zn_old_input *old, uint64_t off, uint64_t len, void *dst,
                               zipnn_error *err);

/* Bytes that were decoded for it so far, those that were passed over among them. */
uint64_t zn_old_input_decoded(const struct zn_old_input *old);

/* Fills an initialised plan with the tensors of a listing: the one that the record says it is. */
zipnn_status zn_old_input_plan(const struct zn_old_input *old, struct zn_plan *plan, zipnn_error *err);

/* Whether the bytes cannot be had: a delta, and the context has no base. */
bool zn_old_input_lacks_base(const zipnn_ctx *ctx, const struct zn_old_input *old);

#endif
