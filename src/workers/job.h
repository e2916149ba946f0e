/* What somebody wants done, and what with: a machine, bases, and options. One context makes one of these. */
#ifndef ZN_WORKERS_JOB_H
#define ZN_WORKERS_JOB_H

#include "workers/engine.h"

struct zn_bases;
struct zn_old_scratch;

struct zn_job {
    struct zn_engine *e;
    struct zn_bases *bases;     /* that the caller gave: archive/bases.h */
    struct zn_old_scratch *old; /* what old records are restored with: archive/old.h */
    int level;                  /* one that exists ... */
    struct zn_effort effort;    /* ... and what it stands for */
    zipnn_verify verify;
    bool sha256;           /* of the original, is stored too */
    uint64_t max_original; /* bytes that may be restored */
    zipnn_progress_fn progress;
    void *progress_user;
};

/* Takes level, readers, verify, sha256, max_original and progress from the options. ZIPNN_E_ARGUMENT for values that do
 * not exist. */
zipnn_status zn_job_init(struct zn_job *job, const zipnn_options *options, zipnn_error *err);

/* ZIPNN_E_LIMIT when an original has more bytes than the caller allows. */
zipnn_status zn_job_allows(const struct zn_job *job, uint64_t original, zipnn_error *err);

/* Tells the caller that `done` bytes of `total` (UINT64_MAX: unknown) are finished. ZIPNN_E_CANCELLED when the caller
 * wants no more. One thread at a time. */
zipnn_status zn_job_progress(const struct zn_job *job, uint64_t done, uint64_t total, zipnn_error *err);

#endif
