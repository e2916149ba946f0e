/* The layout VALUES: blocks of quantised weights. The values are coded as symbols and low bits, sorted by what their
 * scales say about them (doc/format.md, section 5.4). */
#ifndef ZN_CHUNK_VALUES_H
#define ZN_CHUNK_VALUES_H

#include "chunk/chunk.h"
#include "format/value_types.h"
#include "kernels/values/values_loops.h"

/* Returns whether a stream of R16 or R16W has more escapes than the chunk has bytes. Decoders have no room for so many. */
static inline bool zn_values_are_escapes_many(unsigned codec, const uint8_t *coded, size_t len, uint32_t orig_len) {
    const size_t at = codec == ZN_CODEC_R16W ? 3 : 4;
    return (codec == ZN_CODEC_R16 || codec == ZN_CODEC_R16W) && len >= at + 4 && zn_get_u32(coded + at) > orig_len;
}

/* Finds the type of block that a dtype has. Returns false when it has none. */
bool zn_values_of_dtype(zipnn_dtype dtype, enum zn_values_id *id);

struct zn_values_shape zn_values_shape_of(const struct zn_values_type *t);

/* Returns the place of the symbols of each group of n records, counted in groups. If `sorted`, groups are ordered by
 * their keys, and by position where keys are equal; otherwise by position. `sides` are the planes of bytes beside the
 * values. The result lies in `room`, which has as many bytes as the n records and is aligned for uint32_t. */
const uint32_t *zn_values_places(const struct zn_values_type *t, const struct zn_values_kernels *k,
                                 const uint8_t *const *sides, size_t n, bool sorted, uint8_t *room);

#endif
