/* What an opened archive is, for the files that list, read and verify it. */
#ifndef ZN_API_ARCHIVE_H
#define ZN_API_ARCHIVE_H

#include "api/context.h"
#include "api/old_input.h"
#include "archive/bases.h"

struct zipnn_archive {
    zipnn_ctx *ctx;
    struct zn_input in;
    struct zn_old_input old; /* with `legacy` set: in this format, and of `toc` only the length of the original holds */
    struct zn_toc toc;
    struct zn_place *places; /* of the frames that hold chunks */
    uint64_t n_chunks;
    struct zn_origin self; /* the same, for chunks that refer to others */
    struct zn_base_record *records;
    struct zn_plan plan;
    bool has_digests;    /* `toc.index` holds those of the original */
    zipnn_error fault;   /* why it could not be opened as it is, if it was rebuilt; chunks at ZN_NOWHERE are lost */
    zipnn_error claim;   /* why the length that its original claims is not believed, if it is not */
    uint64_t unplaced;   /* original bytes in sound frames that belong nobody knows where */
    bool length_unknown; /* of the original */
    bool plain;          /* no archive: a model file as it is */
    const struct zn_tensor **listed; /* of the plan, ascending by offset: what callers number */
    uint64_t *reach;                 /* of each, how far it and those before it go */
    size_t n_listed;
    uint64_t *stored;    /* of each chunk, the archive bytes of those before it; one more at the end */
    size_t *by_name;     /* indices of them, sorted by name */
    uint8_t *held;       /* the chunk that was last read in part: small tensors that share one are decoded once */
    uint64_t held_index; /* of that chunk, NOTHING_HELD for none */
};

/* Index of the chunk that holds original byte `off`, which lies inside the original. */
uint64_t zn_archive_chunk_at(const zipnn_archive *a, uint64_t off);

/* Lists the tensors of the plan that was made. */
zipnn_status zn_archive_list(zipnn_archive *a, zipnn_error *err);

/* Whether all of its bytes, or some, are those of a tensor before it. */
bool zn_archive_shares(const zipnn_archive *a, size_t index);

/* Puts rows [first, first + n) of a tensor into a sink, row after row, little-endian. */
zipnn_status zn_archive_write_values(zipnn_archive *a, const struct zn_tensor *t, uint64_t first, uint64_t n,
                                     const zipnn_sink *sink, zipnn_error *err);

/* Bytes that the values of n rows take; ZIPNN_E_LIMIT when that does not fit. */
zipnn_status zn_archive_size_values(const zipnn_archive *a, const struct zn_tensor *t, uint64_t n, uint64_t *len,
                                    zipnn_error *err);

/* The tensor of that number, or ZIPNN_E_NOT_FOUND. */
zipnn_status zn_archive_tensor(const zipnn_archive *a, uint64_t index, const struct zn_tensor **t, zipnn_error *err);

/* Readies the workers for the archive's chunks, and `self` for those that refer to others. */
zipnn_status zn_archive_prepare(zipnn_archive *a, zipnn_error *err);

/* Plans the original from its first bytes, read through `places`. */
zipnn_status zn_archive_plan(zipnn_archive *a, zipnn_error *err);

/* Without the original's header there are no names, but what else is intact can be read by its place. */
void zn_archive_forget_plan(zipnn_archive *a);

/* Finds the chunks of an archive that `fault` keeps from being opened. Nothing is lost for good: what is missing is
 * missing from `places`, or lies at ZN_NOWHERE there. */
zipnn_status zn_archive_rebuild(zipnn_archive *a, zipnn_error *err);

#endif
