/* Casts between types of floats, bit by bit as doc/format.md, section 9.1, defines them, on every machine alike. */
#ifndef ZN_DELTA_CASTS_H
#define ZN_DELTA_CASTS_H

#include <stddef.h>
#include <stdint.h>

#include "format/recipe.h"

/* Casts n elements. The buffers do not overlap. */
void zn_cast(enum zn_cast cast, const uint8_t *from, size_t n, uint8_t *to);

#endif
