/* What an opened archive is, for the files that list, read and verify it. Nothing of it changes once it is open. */
#ifndef ZN_API_ARCHIVE_H
#define ZN_API_ARCHIVE_H

#include "api/context.h"
#include "archive/old.h"
#include "archive/original.h"

struct zn_verifying;

/* What is said of an archive, an old record and a plain file alike, each in its way. */
struct zn_nature {
    const char *container; /* NULL: the plan's */
    int unverified;        /* without digests, levels and chunks */
    zipnn_status (*verify)(struct zn_verifying *v, zipnn_error *err);
};

struct zipnn_archive {
    zipnn_ctx *ctx; /* that opened it, and whose memory and bases it uses */
    struct zn_input in;
    struct zn_glance glance; /* while it is opened */
    const struct zn_nature *nature;
    const struct zn_original *original; /* archive.self or old.self */
    struct zn_archive archive;
    struct zn_old_input old;
    struct zn_plan plan;
    const struct zn_tensor **listed; /* of the plan, ascending by offset: what callers number */
    uint64_t *reach;                 /* of each, how far it and those before it go */
    size_t n_listed;
    size_t *by_name;     /* indices of them, sorted by name */
    bool has_digests;    /* `archive.index` holds those of the original */
    zipnn_error fault;   /* why it could not be opened as it is, if it was rebuilt; chunks at ZN_NOWHERE are lost */
    zipnn_error claim;   /* why the length that its original claims is not believed, if it is not */
    uint64_t unplaced;   /* original bytes in sound frames that belong nobody knows where */
    bool length_unknown; /* of the original */
};

/* Lists the tensors of the plan that was made. */
zipnn_status zn_archive_list(zipnn_archive *a, zipnn_error *err);

/* Whether all of its bytes, or some, are those of a tensor before it. */
bool zn_archive_shares(const zipnn_archive *a, size_t index);

/* Bytes that the values of n rows take; ZIPNN_E_LIMIT when that does not fit. */
zipnn_status zn_archive_size_values(const zipnn_archive *a, const struct zn_tensor *t, uint64_t n, uint64_t *len,
                                    zipnn_error *err);

/* The tensor of that number, or ZIPNN_E_NOT_FOUND. */
zipnn_status zn_archive_tensor(const zipnn_archive *a, uint64_t index, const struct zn_tensor **t, zipnn_error *err);

/* Plans the original from its first bytes, decoded by the context that opens the archive. */
zipnn_status zn_archive_plan(zipnn_archive *a, zipnn_error *err);

/* Without the original's header there are no names, but what else is intact can be read by its place. */
void zn_archive_forget_plan(zipnn_archive *a);

/* Finds the chunks of an archive that `fault` keeps from being opened. Nothing is lost for good: what is missing is
 * missing from the places, or lies at ZN_NOWHERE there. */
zipnn_status zn_archive_rebuild(zipnn_archive *a, zipnn_error *err);

/* The three ways to verify: chunk by chunk, as a whole, and not at all. */
zipnn_status zn_verify_chunks(struct zn_verifying *v, zipnn_error *err);
zipnn_status zn_verify_old(struct zn_verifying *v, zipnn_error *err);
zipnn_status zn_verify_nothing(struct zn_verifying *v, zipnn_error *err);

#endif
