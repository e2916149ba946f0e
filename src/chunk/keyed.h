/* Numbers of four bits in groups that have keys (doc/format.md, section 5.1, layout 19): weights of GPTQ, AWQ and their
 * kind, whose groups run down the columns of a matrix. The numbers of all groups are coded together, sorted by key. */
#ifndef ZN_CHUNK_KEYED_H
#define ZN_CHUNK_KEYED_H

#include "chunk/chunk.h"

enum {
    ZN_KEYED_RUNS = 256,   /* of a chunk, at most */
    ZN_KEYED_LEAST = 16,   /* numbers of a group */
    ZN_KEYED_MAX_UNIT = 3, /* log2 of the numbers of an element */
    ZN_KEYED_RUN_LEN = 12  /* bytes of a run in a body */
};

/* Some bytes that are left to the rest, then `count` tiles. A tile is a matrix of rows x columns elements, row after
 * row. Each column is a group. */
struct zn_keyed_run {
    uint32_t gap, columns;
    uint16_t rows, count;
};

/* How a chunk falls apart. An element has 1 << unit_log2 numbers, the first in its lowest bits. */
struct zn_keyed {
    unsigned unit_log2, n_runs;
    struct zn_keyed_run run[ZN_KEYED_RUNS];
    uint32_t n_groups, n_numbers; /* of all runs */
    uint32_t tiles_len;           /* bytes of all tiles */
};

static inline uint32_t zn_keyed_tile_len(const struct zn_keyed *k, const struct zn_keyed_run *r) {
    return (uint32_t)(((uint64_t)r->rows * r->columns << k->unit_log2) / 2);
}

/* Appends a run. Returns false, and changes nothing, when the run breaks a limit, or when gaps and tiles would have
 * more than `left` bytes, which then loses those of the run. */
bool zn_keyed_add(struct zn_keyed *k, const struct zn_keyed_run *run, uint32_t *left);

/* Computes where the numbers of each group begin: groups ascend by their keys, those of one key by position. If `keys`
 * is NULL, all ascend by position. */
void zn_keyed_places(const struct zn_keyed *k, const uint8_t *keys, uint32_t *places);

/* Copy the numbers of a run's tiles to one byte each, and back. places[t * columns + c] says where those of column c of tile
 * t begin. */
void zn_keyed_take(const struct zn_keyed *k, const struct zn_keyed_run *r, const uint8_t *tiles, const uint32_t *places,
                   uint8_t *numbers);
void zn_keyed_give(const struct zn_keyed *k, const struct zn_keyed_run *r, const uint8_t *numbers,
                   const uint32_t *places, uint8_t *tiles);

#endif
