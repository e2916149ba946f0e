/* zipnn inspect: why a model compresses as it does. */
#ifndef ZIPNN_CLI_INSPECT_H
#define ZIPNN_CLI_INSPECT_H

#include "commands/roles.h"
#include "shared/coding_text.h"
#include "shared/run.h"

/* All that is shown of a file. */
struct inspection {
    const char *path;
    zipnn_archive_info info;
    uint64_t n_left_out; /* of the listing */
    bool talkative;      /* each tensor is listed */
    bool plain;          /* no archive: `estimate` says what it would be */
    zipnn_estimate_info estimate;
    struct profiler profiler;
    struct profile *profiles;
    size_t n;
    struct roles roles, types; /* sums of the tensors with one purpose, and of all with one type; the longest first */
};

/* Returns whether the tensor shares chunks with others, so that what is stored of it is not its own. */
static inline bool inspect_is_shared(const struct inspection *x, const zipnn_tensor_info *t) {
    return !x->plain && coding_is_shared(x->profiler.archive, t->offset, t->length);
}

/* The page of --html: one file, nothing fetched; it can be read without its script. */
zipnn_status inspect_write_page(struct run *run, struct inspection *x, const char *out, zipnn_error *err);

#endif
