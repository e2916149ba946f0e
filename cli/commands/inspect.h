/* zipnn inspect: why a model compresses as it does. */
#ifndef ZIPNN_CLI_INSPECT_H
#define ZIPNN_CLI_INSPECT_H

#include "commands/metadata.h"
#include "commands/roles.h"
#include "shared/coding_text.h"
#include "shared/open_archive.h"
#include "shared/run.h"

/* All that is shown of a file. */
struct inspection {
    const char *path;
    struct opened opened;
    zipnn_archive_info info;
    uint64_t n_left_out; /* of the listing */
    bool talkative;      /* each tensor is listed */
    bool plain;          /* no archive: `estimate` says what it would be */
    zipnn_estimate_info estimate;
    struct profiler profiler;
    struct profile *profiles;
    size_t n;
    struct metadata metadata;
    struct roles roles, types; /* sums of the tensors with one purpose, and of all with one type; the longest first */
};

/* Returns whether the tensor shares chunks with others, so that what is stored of it is not its own. */
static inline bool inspect_is_shared(const struct inspection *x, const zipnn_tensor_info *t) {
    return !x->plain && coding_is_shared(x->profiler.archive, t->offset, t->length);
}

/* Returns how many bytes are stored, or would be about. */
static inline uint64_t inspect_stored(const struct inspection *x) {
    return x->plain ? x->estimate.archive : x->info.archive;
}

/* Returns the number of parameters: elements of all tensors. */
static inline uint64_t inspect_parameters(const struct inspection *x) {
    return x->info.n_tensors ? roles_parameters(&x->types) : 0;
}

/* The page of --html: one file, nothing fetched; it can be read without its script. */
zipnn_status inspect_write_page(struct run *run, struct inspection *x, const char *out, zipnn_error *err);

#endif
