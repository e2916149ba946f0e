/* What the library knows about each element type. */
#ifndef ZN_PLAN_DTYPE_H
#define ZN_PLAN_DTYPE_H

#include <stddef.h>

#include "zipnn/zipnn.h"

enum { ZN_N_DTYPES = ZIPNN_C64 + 1 };

/* As safetensors spells it, "?" for UNKNOWN and for values that are no dtype; static. */
const char *zn_dtype_name(zipnn_dtype dtype);

/* Bits of an element, 0 for UNKNOWN and for values that are no dtype. */
unsigned zn_dtype_bits(zipnn_dtype dtype);

/* Bytes of the little-endian word that elements are made of: 1, 2, 4 or 8. Types narrower than a byte and UNKNOWN have
 * 1, C64 has the 4 of its parts. */
unsigned zn_dtype_word(zipnn_dtype dtype);

/* The dtype that safetensors spells name[0, len); UNKNOWN for any other spelling. */
zipnn_dtype zn_dtype_from_safetensors(const char *name, size_t len);

#endif
