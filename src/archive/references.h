/* Chunks that refer to other bytes: of their own original, or of a base. A reference may lead to a chunk with a
 * reference, through as many archives as the workers are prepared for; what that may cost is bounded. */
#ifndef ZN_ARCHIVE_REFERENCES_H
#define ZN_ARCHIVE_REFERENCES_H

#include "archive/original.h"

/* The origin of a request for a chunk: the archive it belongs to, and the number of references that led here. */
struct zn_scope {
    const struct zn_archive *of; /* NULL: chunks with references cannot be decoded */
    unsigned depth;
    bool referred; /* a chunk of the same archive refers to this one, which then must not refer to its own archive */
};

/* Decodes the body of a chunk with a reference into out[0, orig_len). Its frame's check has been verified. */
zipnn_status zn_reference_decode(struct zn_worker *w, const struct zn_scope *scope, const struct zn_chunk_body *body,
                                 uint8_t *out, uint32_t orig_len, zipnn_error *err);

/* Bytes in memory, which stay valid until zn_shelf_return(slot). */
struct zn_lent {
    const uint8_t *bytes;
    struct zn_slot *slot; /* NULL: nothing is lent */
};

/* Reads [off, off + len), which lies inside the original and is no longer than a worker's chunk. */
zipnn_status zn_original_lend(struct zn_worker *w, const struct zn_original *original, uint64_t off, uint32_t len,
                              struct zn_lent *lent, zipnn_error *err);

/* Makes a reference of `len` bytes by a recipe that this library wrote. */
zipnn_status zn_original_make(struct zn_worker *w, const struct zn_original *original, const uint8_t *recipe,
                              size_t recipe_len, uint32_t len, struct zn_lent *lent, zipnn_error *err);

#endif
