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

/* Never returns NULL: a value that is no dtype gives UNKNOWN. */
const struct zn_dtype_facts *zn_dtype_facts(zipnn_dtype dtype);

/* As safetensors or GGUF spells it, "?" for UNKNOWN and for values that are no dtype; static. */
const char *zn_dtype_name(zipnn_dtype dtype);

/* Bits of an element, 0 for UNKNOWN, block types and values that are no dtype. */
unsigned zn_dtype_bits(zipnn_dtype dtype);

/* Bytes of the unit that data is made of. Elements: 1, 2, 4 or 8, their little-endian word; types narrower than a byte
 * and UNKNOWN have 1, complex ones that of their parts. Block types: the block's, 17 .. ZN_MAX_WORD. */
enum { ZN_MAX_WORD = 292 };
unsigned zn_dtype_word(zipnn_dtype dtype);

/* Returns whether a type is a float of eight bits with a mantissa. */
bool zn_dtype_is_fp8(zipnn_dtype dtype);

/* Elements of a block; 0 for types that have none. */
unsigned zn_dtype_elements(zipnn_dtype dtype);

/* Returns the bytes that byte order reverses: those of an element, of complex types those of a part; 0 if that is not a
 * whole number of bytes. */
unsigned zn_dtype_unit(zipnn_dtype dtype);

/* The dtype that has this name in dtypes.def, in any of its spellings; false for none. */
bool zn_dtype_from_text(const char *text, zipnn_dtype *dtype);

/* The dtype that safetensors spells name[0, len); UNKNOWN for any other spelling. */
zipnn_dtype zn_dtype_from_safetensors(const char *name, size_t len);

#endif
