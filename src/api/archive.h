/* What an opened archive is, for the files that list, read and verify it. */
#ifndef ZN_API_ARCHIVE_H
#define ZN_API_ARCHIVE_H

#include "api/context.h"
#include "api/old_input.h"

struct zipnn_archive {
    zipnn_ctx *ctx;
    struct zn_input in;
    struct zn_old_input old; /* with `legacy` set: in this format, and of `toc` only the length of the original holds */
    struct zn_toc toc;
    struct zn_place *places; /* of the frames that hold chunks */
    uint64_t n_chunks;
    struct zn_plan plan;
    bool plain;          /* no archive: a model file as it is */
    size_t *by_name;     /* indices of tensors, sorted by name */
    uint8_t *held;       /* the chunk that was last read in part: small tensors that share one are decoded once */
    uint64_t held_index; /* of that chunk, NOTHING_HELD for none */
};

/* Index of the chunk that holds original byte `off`, which lies inside the original. */
uint64_t zn_archive_chunk_at(const zipnn_archive *a, uint64_t off);

/* The tensor of that number, or ZIPNN_E_NOT_FOUND. */
zipnn_status zn_archive_tensor(const zipnn_archive *a, uint64_t index, const struct zn_tensor **t, zipnn_error *err);

#endif
