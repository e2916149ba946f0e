/* Inputs of the old format, told from archives by their first bytes. */
#ifndef ZN_ARCHIVE_OLD_H
#define ZN_ARCHIVE_OLD_H

#include "archive/original.h"
#include "legacy/legacy.h"
#include "work/digest.h"

/* What a context restores old records with, taken on first need. It goes on where the last read of a record ended. */
struct zn_old_scratch {
    uint64_t of; /* the number of the original read last */
    struct zn_old_work *work;
};

void zn_old_scratch_free(struct zn_old_scratch *scratch, const zipnn_allocator *alloc);

/* Must stay where it was opened, and outlive the input it was opened on. */
struct zn_old_input {
    zipnn_allocator alloc;
    struct zn_original self; /* self.old is NULL: the input is something else, and as good as before */
    uint8_t head[ZN_LEGACY_SNIFF];
    uint8_t *spool; /* a sequential input that had to be read whole */
    size_t spool_cap;
};

/* A sequential input that may be of the old format is read into memory and becomes a random one. `base` is what a delta
 * was made against, NULL for nothing. On failure nothing is owned; zn_old_input_close accepts a zeroed struct. */
zipnn_status zn_old_input_open(struct zn_engine *e, struct zn_input *in, const zipnn_source *base,
                               struct zn_old_input *old, zipnn_error *err);
void zn_old_input_close(struct zn_old_input *old);

/* Restores everything. With ZN_DIGEST_VERIFY the digest is computed for `stats`; there is none to compare it with. */
zipnn_status zn_old_restore(const struct zn_job *job, const struct zn_original *o, const struct zn_output *out,
                            enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err);

/* Original bytes that the context's scratch has decoded so far, those that were passed over among them. */
uint64_t zn_old_decoded(const struct zn_job *job);

/* Fills an initialised plan with the tensors of a listing: the one that the record says it is. */
zipnn_status zn_old_plan(const struct zn_original *o, struct zn_plan *plan, zipnn_error *err);

/* Whether the bytes cannot be had: a delta, and there is no base. */
bool zn_old_lacks_base(const struct zn_original *o);

#endif
