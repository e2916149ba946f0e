/* Splits chunks into groups, and joins them again. */
#ifndef ZN_LEGACY_GROUPS_H
#define ZN_LEGACY_GROUPS_H

#include "base/bytes.h"

/* Returns the bytes of group g in a chunk of len bytes. */
static inline uint64_t zn_group_len(uint64_t len, unsigned n_groups, unsigned g) {
    return len > g ? (len - g - 1) / n_groups + 1 : 0;
}

/* Joins out[0, len) from its groups, and moves the exponents back when `rotated`. Bytes after the last whole word of 32
 * bits stay as they are; the writer does the same. n_groups is 1, 2 or 4. */
void zn_groups_join(const uint8_t *const group[], unsigned n_groups, bool rotated, uint8_t *out, size_t len);

/* Split a chunk: the first moves the exponents up in chunk[0, len), which changes; the second extracts group g. */
void zn_groups_rotate(uint8_t *chunk, size_t len, unsigned n_groups);
void zn_groups_extract(const uint8_t *chunk, size_t len, unsigned n_groups, unsigned g, uint8_t *group);

#endif
