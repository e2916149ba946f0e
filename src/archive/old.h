/* Inputs of the old format, which their first bytes distinguish from archives. */
#ifndef ZN_ARCHIVE_OLD_H
#define ZN_ARCHIVE_OLD_H

#include "archive/original.h"
#include "legacy/legacy.h"
#include "workers/digest.h"

/* The memory with which a context restores old records. It is allocated on first use, and continues where the last read
 * ended. */
struct zn_old_scratch {
    uint64_t of; /* the number of the original read last */
    struct zn_old_work *work;
};

void zn_old_scratch_free(struct zn_old_scratch *scratch, const zipnn_allocator *alloc);

/* An input that may be of the old format. It must stay where it was opened, and must outlive the input it was opened
 * on. */
struct zn_old_input {
    zipnn_allocator alloc;
    struct zn_original self; /* self.old is NULL: the input is something else, and unchanged */
    uint8_t head[ZN_LEGACY_SNIFF];
    uint8_t *spool; /* a sequential input that had to be read to its end */
    size_t spool_cap;
};

/* Opens an input. A sequential input that may be of the old format is read into memory and becomes a random-access one.
 * `base` is what a delta was made against; NULL: nothing. On failure nothing is owned. zn_old_input_close accepts a
 * zeroed struct. */
zipnn_status zn_old_input_open(struct zn_engine *e, struct zn_input *in, const zipnn_source *base,
                               struct zn_old_input *old, zipnn_error *err);
void zn_old_input_close(struct zn_old_input *old);

/* Restores everything. With ZN_DIGEST_VERIFY the digest is computed for `stats`; an old record has none to compare it
 * with. */
zipnn_status zn_old_restore(const struct zn_job *job, const struct zn_original *o, const struct zn_output *out,
                            enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err);

/* Returns the original bytes that the context's scratch has decoded so far, with those that were skipped. */
uint64_t zn_old_decoded(const struct zn_job *job);

/* Fills an initialised plan with the only tensor of a listing: the one that the record describes. */
zipnn_status zn_old_plan(const struct zn_original *o, struct zn_plan *plan, zipnn_error *err);

/* Returns whether the bytes cannot be restored: it is a delta, and its base is missing. */
bool zn_old_lacks_base(const struct zn_original *o);

#endif
