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

/* How the bytes of a tensor are its values; 0: row after row, little-endian. */
enum zn_meaning {
    ZN_BIG_ENDIAN = 1,   /* each element, of complex types each part */
    ZN_COLUMN_MAJOR = 2, /* the first index runs fastest */
    ZN_CONJUGATE = 4,    /* the values are the conjugates of the bytes */
    ZN_NEGATIVE = 8,     /* ... their negatives */
    ZN_UNREADABLE = 16,  /* the bytes are compressed by a filter of the file's own format */
    ZN_ALIAS = 32,       /* listed, but no part of what the chunker sees; set by zn_plan_finish where tensors overlap */
    ZN_REMAINDER = 64,   /* bytes named after where they are, listed where no tensor has them */
    ZN_HIDDEN = 128,     /* a part of what the chunker sees, but never listed */
    ZN_ALONE = 256       /* left out where it overlaps another: the format forbids it */
};

#define ZN_NO_STRIDES SIZE_MAX
#define ZN_NO_GRID UINT32_MAX

struct zn_tensor {
    uint64_t off, len; /* bytes of the file, which may be shorter than the plan believes; off + len does not overflow */
    zipnn_dtype dtype; /* of the elements, or for the chunker of their parts */
    zipnn_dtype type;  /* of the elements, for everybody else */
    uint32_t rank;
    uint32_t meaning; /* enum zn_meaning */
    bool superseded;  /* the file means another one by this name */
    size_t name;      /* offset of its NUL-terminated name in zn_plan.names */
    size_t shape;     /* index of its first dimension in zn_plan.dims */
    size_t strides;   /* likewise of its strides in elements, ZN_NO_STRIDES for a tensor without holes */
    uint32_t grid;    /* index in zn_plan.grids, ZN_NO_GRID for a tensor in one run of bytes */
};

/* An array cut into pieces of one shape, which lie anywhere: those of the last row and column reach beyond the array,
 * those that are missing are full of one value. */
enum { ZN_MAX_FILL = 16 };
struct zn_grid {
    uint64_t piece_len;        /* bytes */
    size_t shape;              /* of a piece: index of its first dimension in zn_plan.dims, as many as the array has */
    size_t first, n;           /* in zn_plan.pieces: ascending by cell, each cell once */
    uint8_t fill[ZN_MAX_FILL]; /* the value */
};
struct zn_grid_piece {
    uint64_t cell; /* its number among those that the array would be cut into, row after row */
    uint64_t off;  /* in the file */
};

struct zn_plan {
    zipnn_allocator alloc;
    const char *container;     /* "safetensors", "gguf", "npy", ..., "raw"; static */
    struct zn_tensor *tensors; /* ascending by off, not overlapping; len may be 0 ... */
    size_t n_tensors, tensors_cap;
    size_t n_aliases; /* ... and behind these, ascending by off, those that only have names */
    char *names;
    size_t names_len, names_cap;
    uint64_t *dims;
    size_t n_dims, dims_cap;
    struct zn_grid *grids;
    size_t n_grids, grids_cap;
    struct zn_grid_piece *pieces;
    size_t n_pieces, pieces_cap;
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
    size_t n_tensors, names_len, n_dims, n_grids, n_pieces;
    uint64_t n_left_out;
};
struct zn_plan_mark zn_plan_mark(const struct zn_plan *plan);
void zn_plan_rewind(struct zn_plan *plan, const struct zn_plan_mark *mark);

/* The tensor that was added last, to say more about it; NULL when zn_plan_add left it out. */
struct zn_tensor *zn_plan_last(struct zn_plan *plan, const struct zn_plan_mark *before);

/* Gives a tensor strides, `rank` of them, in elements. This and what follows is paid from the purse, too. */
zipnn_status zn_plan_set_strides(struct zn_plan *plan, struct zn_tensor *t, const uint64_t *strides, zipnn_error *err);

/* Begins a grid of pieces of this shape, and adds a piece to the last grid, in any order. */
zipnn_status zn_plan_add_grid(struct zn_plan *plan, const uint64_t *dims, uint32_t rank, uint64_t piece_len,
                              const uint8_t fill[ZN_MAX_FILL], uint32_t *grid, zipnn_error *err);
zipnn_status zn_plan_add_piece(struct zn_plan *plan, uint64_t cell, uint64_t off, zipnn_error *err);

/* Sorts by offset, makes aliases of tensors that overlap an earlier one (of two at one offset the one added first
 * stays), and tells apart those of one name: the first by offset that is no alias and not superseded keeps it, the
 * others become NAME#1, NAME#2 ..., without the numbers that give the name of another tensor; so does one that is
 * superseded and alone. Once, after the last zn_plan_add. */
zipnn_status zn_plan_finish(struct zn_plan *plan, zipnn_error *err);

/* Its last step: gives listed tensors of one name further names. */
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
