/* What the library knows about each element type. */
#ifndef ZN_PLAN_DTYPE_H
#define ZN_PLAN_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zipnn/zipnn.h"

enum { ZN_N_DTYPES = ZIPNN_C32 + 1 };

enum zn_dtype_kind {
    ZN_KIND_BYTES, /* UNKNOWN */
    ZN_KIND_FLOAT,
    ZN_KIND_SIGNED,
    ZN_KIND_UNSIGNED,
    ZN_KIND_BOOLEAN,
    ZN_KIND_COMPLEX,
    ZN_KIND_BLOCK
};

/* A row of dtypes.def, which says what the fields mean. */
struct zn_dtype_facts {
    const char *id, *name;
    enum zn_dtype_kind kind;
    uint8_t bits, exponent;
    uint16_t word, elements;
    const char *numpy, *ml_dtypes, *torch, *aliases;
};

/* Returns the facts of a dtype, never NULL. A value that is not a dtype has those of UNKNOWN. */
const struct zn_dtype_facts *zn_dtype_facts(zipnn_dtype dtype);

/* Returns the name that safetensors or GGUF uses; "?" for UNKNOWN and for values that are not dtypes. The string is
 * static. */
const char *zn_dtype_name(zipnn_dtype dtype);

/* Returns the bits of an element; 0 for UNKNOWN, for block types and for values that are not dtypes. */
unsigned zn_dtype_bits(zipnn_dtype dtype);

/* Returns the bytes of the unit that the data consists of. For elements that is 1, 2, 4 or 8, their little-endian word.
 * Types narrower than a byte and UNKNOWN have 1, and complex types the word of their parts. For block types it is the
 * block's length, 17 .. ZN_MAX_WORD. */
enum { ZN_MAX_WORD = 292 };
unsigned zn_dtype_word(zipnn_dtype dtype);

/* Returns whether a type is a float of eight bits with a mantissa. */
bool zn_dtype_is_fp8(zipnn_dtype dtype);

/* Returns the elements of a block; 0 for types without blocks. */
unsigned zn_dtype_elements(zipnn_dtype dtype);

/* Returns the bytes that byte order reverses: those of an element, of complex types those of a part; 0 if that is not a
 * whole number of bytes. */
unsigned zn_dtype_unit(zipnn_dtype dtype);

/* Finds the dtype with this name in dtypes.def, in any of its spellings. Returns false when there is none. */
bool zn_dtype_from_text(const char *text, zipnn_dtype *dtype);

/* Returns the dtype that safetensors spells name[0, len); UNKNOWN for any other spelling. */
zipnn_dtype zn_dtype_from_safetensors(const char *name, size_t len);

#endif
