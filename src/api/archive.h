/* An opened archive, for the files that list, read and verify it. It never changes once it is open. */
#ifndef ZN_API_ARCHIVE_H
#define ZN_API_ARCHIVE_H

#include "api/context.h"
#include "archive/old.h"
#include "archive/original.h"

struct zn_verifying;

/* The differences between an archive, an old record and a plain file that a caller sees. */
struct zn_nature {
    const char *container; /* NULL: that of the plan */
    int unverified;        /* it has no digests, levels or chunks */
    zipnn_status (*verify)(struct zn_verifying *v, zipnn_error *err);
};

struct zipnn_archive {
    zipnn_ctx *ctx; /* the context that opened it, with the memory and bases it uses */
    struct zn_input in;
    struct zn_glance glance; /* used while it is opened */
    const struct zn_nature *nature;
    const struct zn_original *original; /* archive.self or old.self */
    struct zn_archive archive;
    struct zn_old_input old;
    struct zn_plan plan;
    const struct zn_tensor **listed; /* tensors of the plan in ascending order of offset, as callers number them */
    uint64_t *reach;                 /* for each tensor, the end of it and of all before it */
    size_t n_listed;
    size_t *by_name;     /* their indices, sorted by name */
    bool has_digests;    /* `archive.index` holds those of the original */
    zipnn_error fault;   /* why it could not be opened as it is, if it was rebuilt; chunks at ZN_NOWHERE are lost */
    zipnn_error claim;   /* why the length that its original claims is not believed, if it is not */
    uint64_t unplaced;   /* original bytes in sound frames whose place is unknown */
    bool length_unknown; /* the length of the original is unknown */
};

/* Lists the tensors of the plan that was made. */
zipnn_status zn_archive_list(zipnn_archive *a, zipnn_error *err);

/* Returns whether some bytes of the tensor are also those of an earlier tensor. */
bool zn_archive_shares(const zipnn_archive *a, size_t index);

/* Computes the bytes that the values of n rows take. Returns ZIPNN_E_LIMIT if they do not fit in 64 bits. */
zipnn_status zn_archive_size_values(const zipnn_archive *a, const struct zn_tensor *t, uint64_t n, uint64_t *len,
                                    zipnn_error *err);

/* Finds the tensor of that number. Returns ZIPNN_E_NOT_FOUND if there is none. */
zipnn_status zn_archive_tensor(const zipnn_archive *a, uint64_t index, const struct zn_tensor **t, zipnn_error *err);

/* Plans the original from its first bytes, decoded by the context that opens the archive. */
zipnn_status zn_archive_plan(zipnn_archive *a, zipnn_error *err);

/* Forgets the tensors, if the original's header cannot be read: there are no names then, but intact bytes can still be
 * read. */
void zn_archive_forget_plan(zipnn_archive *a);

/* Finds the chunks of an archive that could not be opened because of `fault`. A chunk that is not found is missing from
 * the places, or lies at ZN_NOWHERE there. */
zipnn_status zn_archive_rebuild(zipnn_archive *a, zipnn_error *err);

/* The three ways to verify: chunk by chunk, as a whole, and not at all. */
zipnn_status zn_verify_chunks(struct zn_verifying *v, zipnn_error *err);
zipnn_status zn_verify_old(struct zn_verifying *v, zipnn_error *err);
zipnn_status zn_verify_nothing(struct zn_verifying *v, zipnn_error *err);

#endif
