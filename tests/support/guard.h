/* Buffers that begin or end at a page that must not be touched. */
#ifndef ZN_TESTS_GUARD_H
#define ZN_TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>

struct guard {
    uint8_t *map; /* a PROT_NONE page, whole pages for cap bytes, a PROT_NONE page */
    size_t map_len, cap;
};

/* Returns room for at least `cap` bytes between two guard pages. Ends the process when there is no memory. */
struct guard guard_make(size_t cap);
void guard_free(struct guard *g);

/* Return the first, or the last, `len` bytes of the room. Touching the byte before, or after, faults. `len` <= cap. */
uint8_t *guard_low(const struct guard *g);
uint8_t *guard_high(const struct guard *g, size_t len);

#endif
