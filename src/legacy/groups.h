/* Chunks taken apart into groups and put together again. */
#ifndef ZN_LEGACY_GROUPS_H
#define ZN_LEGACY_GROUPS_H

#include "base/bytes.h"

/* Bytes of group g in a chunk of len bytes. */
static inline uint64_t zn_group_len(uint64_t len, unsigned n_groups, unsigned g) {
    return len > g ? (len - g - 1) / n_groups + 1 : 0;
}

/* Puts out[0, len) together from its groups, and moves exponents back when `rotated`. Bytes past the last whole 32-bit
 * word stay as they are, as in the writer. n_groups is 1, 2 or 4. */
void zn_groups_join(const uint8_t *const group[], unsigned n_groups, bool rotated, uint8_t *out, size_t len);

/* The reverse: moves exponents up in chunk[0, len), which changes, and extracts group g of it. */
void zn_groups_rotate(uint8_t *chunk, size_t len, unsigned n_groups);
void zn_groups_extract(const uint8_t *chunk, size_t len, unsigned n_groups, unsigned g, uint8_t *group);

#endif
