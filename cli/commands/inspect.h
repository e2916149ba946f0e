/* zipnn inspect: why a model compresses as it does. */
#ifndef ZIPNN_CLI_INSPECT_H
#define ZIPNN_CLI_INSPECT_H

#include "commands/profile.h"
#include "shared/run.h"

/* Exponents of all tensors of a type. */
struct sum {
    uint64_t bins[PROFILE_BINS];
};

/* All that is shown of a file. */
struct inspection {
    const char *path;
    zipnn_archive_info info;
    uint64_t n_left_out; /* of the listing */
    bool plain;          /* no archive: `estimate` says what it would be */
    zipnn_estimate_info estimate;
    struct profiler profiler;
    struct profile *profiles;
    size_t n;
    struct sum *sums; /* by element type, n_dtypes of them */
    int n_dtypes;
};

/* The page of --html: one file, no scripts, nothing fetched. */
zipnn_status inspect_write_page(struct run *run, struct inspection *x, const char *out, zipnn_error *err);

#endif
