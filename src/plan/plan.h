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

/* How the bytes of a tensor represent its values. 0: row after row, little-endian. */
enum zn_meaning {
    ZN_BIG_ENDIAN = 1,   /* each element is big-endian; in complex types, each part is */
    ZN_COLUMN_MAJOR = 2, /* the first index runs fastest */
    ZN_CONJUGATE = 4,    /* the values are the conjugates of the bytes */
    ZN_NEGATIVE = 8,     /* ... their negatives */
    ZN_UNREADABLE = 16,  /* the file's own format has compressed the bytes, or spelled them as text */
    ZN_ALIAS = 32,       /* listed, but invisible to the chunker; zn_plan_finish sets it for overlapping tensors */
    ZN_REMAINDER = 64,   /* bytes named after their place; listed only where no tensor has them */
    ZN_HIDDEN = 128,     /* visible to the chunker, but never listed */
    ZN_ALONE = 256       /* dropped where it overlaps another tensor, since the format forbids overlaps */
};

#define ZN_NO_STRIDES SIZE_MAX
#define ZN_NO_GRID UINT32_MAX

struct zn_tensor {
    uint64_t off, len; /* bytes of the file, which may be shorter than the plan believes; off + len does not overflow */
    zipnn_dtype dtype; /* type of the elements; for the chunker, of their parts */
    zipnn_dtype type;  /* type of the elements, for everybody else */
    uint32_t rank;
    uint32_t meaning; /* enum zn_meaning */
    bool superseded;  /* another tensor of this name is the valid one */
    size_t name;      /* offset of its NUL-terminated name in zn_plan.names */
    size_t shape;     /* index of its first dimension in zn_plan.dims */
    size_t strides;   /* the same for its strides in elements; ZN_NO_STRIDES: no holes */
    uint32_t grid;    /* index in zn_plan.grids; ZN_NO_GRID: one run of bytes */
};

/* An array that is cut into pieces of one shape, which lie anywhere in the file. The pieces of the last row and column
 * reach beyond the array. Missing pieces are filled with one value. */
enum { ZN_MAX_FILL = 16 };
struct zn_grid {
    uint64_t piece_len;        /* bytes */
    size_t shape;              /* of a piece: index of its first dimension in zn_plan.dims; its rank is the array's */
    size_t first, n;           /* range in zn_plan.pieces, in ascending order of cells; each cell occurs once */
    uint8_t fill[ZN_MAX_FILL]; /* the value of missing pieces */
};
struct zn_grid_piece {
    uint64_t cell; /* number of the piece, counted row after row */
    uint64_t off;  /* offset in the file */
};

struct zn_plan {
    zipnn_allocator alloc;
    const char *container;     /* "safetensors", "gguf", "npy", ..., "raw"; static */
    struct zn_tensor *tensors; /* in ascending order of off, not overlapping; len may be 0 ... */
    size_t n_tensors, tensors_cap;
    size_t n_aliases; /* ... and after them, in the same order, tensors that are only listed */
    char *names;
    size_t names_len, names_cap;
    uint64_t *dims;
    size_t n_dims, dims_cap;
    struct zn_grid *grids;
    size_t n_grids, grids_cap;
    struct zn_grid_piece *pieces;
    size_t n_pieces, pieces_cap;
    uint64_t origin;    /* zn_plan_add adds this to offsets: where the file begins inside another */
    const char *prefix; /* ... puts this before names; NULL: nothing */
    bool superseded;    /* ... and marks tensors with this */
    uint64_t
        n_left_out; /* entries of the directory that gave no tensor, and 1 for a place where reading was given up */
    struct zn_work *work; /* the purse that pays for tensors; NULL: they are free */
};

/* Makes an empty plan ("raw"). zn_plan_free frees its memory and leaves an empty plan. */
void zn_plan_init(struct zn_plan *plan, const zipnn_allocator *alloc);
void zn_plan_free(struct zn_plan *plan);

/* Appends a tensor; the order does not matter. off + len must not overflow. A NUL in the name becomes "\u0000", as JSON
 * spells it. It fails only when there is no memory, and then leaves the plan as it was. A tensor is left out if it has
 * more than ZN_MAX_RANK dimensions, if the origin moves it out of range, or if the purse cannot pay for it. */
zipnn_status zn_plan_add(struct zn_plan *plan, uint64_t off, uint64_t len, zipnn_dtype dtype, const char *name,
                         size_t name_len, const uint64_t *dims, uint32_t rank, zipnn_error *err);

/* A state of the plan. zn_plan_rewind removes what zn_plan_add added after the mark. */
struct zn_plan_mark {
    size_t n_tensors, names_len, n_dims, n_grids, n_pieces;
    uint64_t n_left_out;
};
struct zn_plan_mark zn_plan_mark(const struct zn_plan *plan);
void zn_plan_rewind(struct zn_plan *plan, const struct zn_plan_mark *mark);

/* Returns the tensor that was added after the mark, so that the reader can say more about it; NULL if it was left
 * out. */
struct zn_tensor *zn_plan_last(struct zn_plan *plan, const struct zn_plan_mark *before);

/* Gives a tensor `rank` strides, in elements. The purse pays for this and for the following functions, too. */
zipnn_status zn_plan_set_strides(struct zn_plan *plan, struct zn_tensor *t, const uint64_t *strides, zipnn_error *err);

/* Begins a grid of pieces of this shape, and adds a piece to the last grid, in any order. */
zipnn_status zn_plan_add_grid(struct zn_plan *plan, const uint64_t *dims, uint32_t rank, uint64_t piece_len,
                              const uint8_t fill[ZN_MAX_FILL], uint32_t *grid, zipnn_error *err);
zipnn_status zn_plan_add_piece(struct zn_plan *plan, uint64_t cell, uint64_t off, zipnn_error *err);

/* Sorts the tensors by offset, makes aliases of those that overlap an earlier one (of two at one offset, the one added
 * first stays), and gives each tensor a name of its own. Of equal names, the first by offset that is neither an alias
 * nor superseded keeps the name. The others become NAME#1, NAME#2 ..., without numbers that would give another tensor's
 * name; so does a superseded tensor that is alone. Call it once, after the last zn_plan_add. */
zipnn_status zn_plan_finish(struct zn_plan *plan, zipnn_error *err);

/* Is the last step of zn_plan_finish: gives listed tensors of one name new names. */
zipnn_status zn_plan_tell_apart(struct zn_plan *plan, zipnn_error *err);

/* Returns the index of the first tensor of a finished plan that ends after `off`. */
size_t zn_plan_at(const struct zn_plan *plan, uint64_t off);

/* One run of bytes of one type, for the chunker. */
struct zn_span {
    uint64_t off, len; /* len is UINT64_MAX - off for the open end after the last tensor */
    zipnn_dtype dtype; /* UNKNOWN where no tensor lies */
    uint64_t row;      /* bytes of a row, if it begins a matrix whose rows lie one after the other; else 0 */
};

/* Walks a finished plan as spans that tile [0, UINT64_MAX) in order. Empty tensors are skipped. Start with {plan, 0,
 * 0}. After the open end, all spans are empty. */
struct zn_plan_walk {
    const struct zn_plan *plan;
    size_t next; /* index of the next tensor */
    uint64_t at; /* bytes tiled so far */
};
struct zn_span zn_plan_next(struct zn_plan_walk *walk);

#endif
