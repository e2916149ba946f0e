/* The layout of values: blocks of quantised weights whose values are coded as symbols and low bits, sorted by what
 * their scales tell of them (doc/format.md, section 5.4). */
#ifndef ZN_CHUNK_VALUES_H
#define ZN_CHUNK_VALUES_H

#include "chunk/chunk.h"
#include "format/value_types.h"
#include "kernels/values/values_loops.h"

/* Whether a stream of R16 has more escapes than the chunk has bytes: readers have no room for them. */
static inline bool zn_values_are_escapes_many(const uint8_t *coded, size_t len, uint32_t orig_len) {
    return len >= 8 && zn_get_u32(coded + 4) > orig_len;
}

/* The type that elements of this dtype have; false where there is none. */
bool zn_values_of_dtype(zipnn_dtype dtype, enum zn_values_id *id);

struct zn_values_shape zn_values_shape_of(const struct zn_values_type *t);

/* Where the symbols of each group of n records are, counted in groups: sorted by the keys of the groups, then as they
 * stand; or as they stand. `room` has a byte for each of a record, and is aligned for what is returned in it. Sides are
 * the bytes beside the values, a plane each. */
const uint32_t *zn_values_places(const struct zn_values_type *t, const struct zn_values_kernels *k,
                                 const uint8_t *const *sides, size_t n, bool sorted, uint8_t *room);

#endif
