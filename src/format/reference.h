/* Frames that depend on bytes outside themselves: chunks with a reference, and the table of the bases that they refer
 * to (doc/format.md, section 9). */
#ifndef ZN_FORMAT_REFERENCE_H
#define ZN_FORMAT_REFERENCE_H

#include "format/format.h"

enum {
    ZN_REFERENCE_LEN = 32, /* body of a chunk with a reference, before its payload */
    ZN_BASES_LEN = 4,      /* body of a table of bases, before its records */
    ZN_BASE_LEN = 26,      /* record of a base, before its name */
    ZN_MAX_BASES = 64,
    ZN_MAX_BASE_NAME = 255,
    ZN_MAX_TOUCHED = 16 /* chunks that a reference to the archive's own original may touch */
};

enum zn_method {
    ZN_METHOD_COPY,       /* the chunk is the bytes referred to */
    ZN_METHOD_DELTA,      /* the payload says how it differs from them */
    ZN_METHOD_MADE_COPY,  /* the same, of a reference that a recipe makes (recipe.h) */
    ZN_METHOD_MADE_DELTA, /* ... which stands before the rest of the payload */
    ZN_N_METHODS
};

static inline bool zn_method_copies(uint8_t method) {
    return method == ZN_METHOD_COPY || method == ZN_METHOD_MADE_COPY;
}

static inline bool zn_method_makes(uint8_t method) {
    return method >= ZN_METHOD_MADE_COPY;
}

/* Bytes [off, off + len) of an original. */
struct zn_reference {
    uint8_t method; /* enum zn_method */
    uint8_t source; /* ZN_SOURCE_SELF, or n for the n-th base of the table */
    uint32_t len;
    uint64_t off;        /* 0 where a recipe says which bytes they are */
    uint64_t ref_check;  /* XXH3-64 of the bytes referred to, or made */
    uint64_t orig_check; /* XXH3-64 of the chunk's original bytes */
};

enum { ZN_SOURCE_SELF = 0 };

/* Writes ZN_REFERENCE_LEN bytes. */
void zn_reference_write(uint8_t *out, const struct zn_reference *ref);

/* Reads the head of a body that stands for orig_len bytes; `at` is the offset of the body. */
zipnn_status zn_reference_read(const uint8_t *body, size_t len, uint32_t orig_len, uint64_t at,
                               struct zn_reference *ref, zipnn_error *err);

/* A base, by what it holds. The name tells people where it came from; the library never uses it as a path. */
struct zn_base_record {
    uint8_t xxh3[16]; /* XXH3-128 of the whole original */
    uint64_t length;
    uint8_t name_len;
    char name[ZN_MAX_BASE_NAME + 1];
};

/* Length of the body of a table. */
size_t zn_bases_len(const struct zn_base_record *bases, unsigned n);

/* Writes it. */
void zn_bases_write(uint8_t *out, const struct zn_base_record *bases, unsigned n);

/* Reads a body whose check was verified into at most ZN_MAX_BASES records. */
zipnn_status zn_bases_read(const uint8_t *body, size_t len, uint64_t at, struct zn_base_record *bases, unsigned *n,
                           zipnn_error *err);

#endif
