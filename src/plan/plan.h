/* The shared vocabulary of readers and engine: which bytes of a file are elements of which type.
 *
 * A plan only gives hints. The archive always replays the original bytes, so a plan that is wrong, incomplete or made
 * up costs ratio, never data. Whatever no tensor covers is opaque, and so is everything past the end of the file.
 */
#ifndef ZN_PLAN_PLAN_H
#define ZN_PLAN_PLAN_H

#include <stdbool.h>

#include "base/mem.h"
#include "plan/work.h"

enum { ZN_MAX_RANK = 64 };

struct zn_tensor {
    uint64_t off, len; /* bytes of the file, which may be shorter than the plan believes; off + len does not overflow */
    zipnn_dtype dtype;
    uint32_t rank;
    bool superseded; /* the file means another one by this name */
    size_t name;     /* offset of its NUL-terminated name in zn_plan.names */
    size_t shape;    /* index of its first dimension in zn_plan.dims */
};

struct zn_plan {
    zipnn_allocator alloc;
    const char *container;     /* "safetensors", "gguf", "npy", ..., "raw"; static */
    struct zn_tensor *tensors; /* ascending by off, not overlapping; len may be 0 */
    size_t n_tensors, tensors_cap;
    char *names;
    size_t names_len, names_cap;
    uint64_t *dims;
    size_t n_dims, dims_cap;
    uint64_t origin; /* what zn_plan_add adds to offsets: where the file at hand begins, when it is part of another */
    const char *prefix; /* ... and puts before names; NULL for nothing */
    bool superseded;    /* ... and says of tensors */
    uint64_t
        n_left_out; /* entries of the file's directory that are no tensors here; and 1 where reading was given up */
    struct zn_work *work; /* what tensors are paid from; NULL: they are free */
};

/* An empty plan ("raw"). zn_plan_free frees what it holds and leaves it as zn_plan_init did. */
void zn_plan_init(struct zn_plan *plan, const zipnn_allocator *alloc);
void zn_plan_free(struct zn_plan *plan);

/* Appends a tensor; any order. off + len must not overflow; a NUL in the name becomes "\u0000", as JSON spells it.
 * Fails, leaving the plan as it was, only for lack of memory. One with more than ZN_MAX_RANK dimensions, one that the
 * origin moves out of range and one that the purse does not pay for are left out. */
zipnn_status zn_plan_add(struct zn_plan *plan, uint64_t off, uint64_t len, zipnn_dtype dtype, const char *name,
                         size_t name_len, const uint64_t *dims, uint32_t rank, zipnn_error *err);

/* What zn_plan_add added after the mark is taken back by zn_plan_rewind. */
struct zn_plan_mark {
    size_t n_tensors, names_len, n_dims;
    uint64_t n_left_out;
};
struct zn_plan_mark zn_plan_mark(const struct zn_plan *plan);
void zn_plan_rewind(struct zn_plan *plan, const struct zn_plan_mark *mark);

/* Sorts by offset, leaves out tensors that overlap an earlier one (of two at one offset the one added first stays), and
 * tells apart those of one name: the first by offset that is not superseded keeps it, the others become NAME#1, NAME#2
 * ..., without the numbers that give the name of another tensor. Once, after the last zn_plan_add. */
zipnn_status zn_plan_finish(struct zn_plan *plan, zipnn_error *err);

/* Its last step: gives tensors of one name further names. */
zipnn_status zn_plan_tell_apart(struct zn_plan *plan, zipnn_error *err);

/* One run of bytes of one type, for the chunker. */
struct zn_span {
    uint64_t off, len; /* len is UINT64_MAX - off for the open end after the last tensor */
    zipnn_dtype dtype; /* UNKNOWN where no tensor lies */
};

/* Walks a finished plan as spans that tile [0, UINT64_MAX) in order; empty tensors are skipped. Start with {plan, 0,
 * 0}. After the open end come empty spans. */
struct zn_plan_walk {
    const struct zn_plan *plan;
    size_t next; /* index of the next tensor */
    uint64_t at; /* bytes tiled so far */
};
struct zn_span zn_plan_next(struct zn_plan_walk *walk);

#endif
