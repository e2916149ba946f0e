/* What the library knows about each element type. */
#ifndef ZN_PLAN_DTYPE_H
#define ZN_PLAN_DTYPE_H

#include <stddef.h>

#include "zipnn/zipnn.h"

enum { ZN_N_DTYPES = ZIPNN_Q2_0 + 1 };

/* As safetensors or GGUF spells it, "?" for UNKNOWN and for values that are no dtype; static. */
const char *zn_dtype_name(zipnn_dtype dtype);

/* Bits of an element, 0 for UNKNOWN, block types and values that are no dtype. */
unsigned zn_dtype_bits(zipnn_dtype dtype);

/* Bytes of the unit that data is made of. Elements: 1, 2, 4 or 8, their little-endian word; types narrower than a byte
 * and UNKNOWN have 1, C64 has the 4 of its parts. Block types: the block's, 17 .. ZN_MAX_WORD. */
enum { ZN_MAX_WORD = 292 };
unsigned zn_dtype_word(zipnn_dtype dtype);

/* Elements of a block; 0 for types that have none. */
unsigned zn_dtype_elements(zipnn_dtype dtype);

/* The dtype that safetensors spells name[0, len); UNKNOWN for any other spelling. */
zipnn_dtype zn_dtype_from_safetensors(const char *name, size_t len);

#endif
