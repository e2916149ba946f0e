/* zipnn, tiles: the rows of a tensor, decoded a few at a time into memory that stays in the processor's cache, for
 * whoever uses each row once and then needs it no more: products, searches, statistics, conversions.
 *
 *     static zipnn_status multiply(void *user, uint64_t first, uint64_t n, const void *rows, zipnn_error *err);
 *
 *     zipnn_tiles tiles = {buffer, sizeof buffer, multiply, &product};
 *     zipnn_archive_tiles(ctx, archive, index, 0, n_rows, &tiles, &err);
 *
 * examples/multiply.c is a whole program. zipnn/zipnn.h does not include this header.
 */
#ifndef ZIPNN_TILES_H
#define ZIPNN_TILES_H

#include "zipnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A buffer of this size and of one row more holds what is decoded at once. A smaller one costs a copy of each byte. */
#define ZIPNN_TILE_BYTES (576 * 1024)

/* Where rows are decoded to, and who takes them. The caller owns all of it. */
typedef struct zipnn_tiles {
    void *buffer; /* best aligned to 64 bytes: a tile begins at its first byte */
    size_t cap;   /* at least one row */
    /* Takes rows [first, first + n), n > 0, which are gone when it returns. Values are little-endian and lie row after
     * row. Returns ZIPNN_OK; anything else ends the call and is returned by it, with what the function wrote to *err. */
    zipnn_status (*take)(void *user, uint64_t first, uint64_t n, const void *rows, zipnn_error *err);
    void *user;
} zipnn_tiles;

/* Decodes rows [first, first + n) of a tensor, along its first dimension, and hands them to tiles->take in ascending
 * order, on the thread that calls. No more of them is in memory than the buffer holds, unless the tensor is strided, in
 * pieces, or its rows lie apart: then its bytes are decoded to memory first.
 *  - Rows come only from chunks whose checksums are right. After a failure, take has had some of the rows, all sound.
 *  - ZIPNN_E_SPACE: the buffer is smaller than a row. ZIPNN_E_ARGUMENT: a row begins inside a byte or a block.
 *    ZIPNN_E_NOT_FOUND: there is no such tensor, or it has fewer rows.
 *  - take may not use `ctx`. Several threads share an archive, each with a context and a buffer of its own. Rows that
 *    are cut where chunks begin (zipnn_archive_chunk_at) are decoded once in all; otherwise two threads decode the chunk
 *    that both have a part of.
 *  - The progress function of the context counts the bytes of these rows. */
ZIPNN_API zipnn_status zipnn_archive_tiles(zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t index, uint64_t first,
                                           uint64_t n, const zipnn_tiles *tiles, zipnn_error *err);

#ifdef __cplusplus
}
#endif
#endif
