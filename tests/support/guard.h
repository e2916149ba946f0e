/* Buffers that end, or begin, right at a page that faults when touched. */
#ifndef ZN_TESTS_GUARD_H
#define ZN_TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>

struct guard {
    uint8_t *map; /* PROT_NONE page, cap bytes in whole pages, PROT_NONE page */
    size_t map_len, cap;
};

/* Room for at least `cap` bytes between two guard pages; ends the process when the system has no memory. */
struct guard guard_make(size_t cap);
void guard_free(struct guard *g);

/* The first, or the last, `len` bytes of the room: the byte before, or after, faults. `len` <= cap. */
uint8_t *guard_low(const struct guard *g);
uint8_t *guard_high(const struct guard *g, size_t len);

#endif
