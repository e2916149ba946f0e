/* Originals that chunks refer to: bytes as they are, or what an archive restores to. Every worker reads any range. */
#ifndef ZN_ARCHIVE_ORIGIN_H
#define ZN_ARCHIVE_ORIGIN_H

#include "archive/frames.h"
#include "format/reference.h"

struct zn_origin {
    struct zn_input in;
    uint64_t length;               /* of the original */
    const struct zn_place *places; /* of the chunks of an archive; NULL: `in` is the original itself */
    uint64_t n_places;
    uint8_t flags;      /* of the archive's header */
    bool restored;      /* an archive whose original is at hand: `in` is that */
    uint32_t max_chunk; /* of it and of every archive behind it; 0 when there is none */
    unsigned levels;    /* archives that references of its chunks lead through, itself among them */
    unsigned behind;    /* archives one behind the other, behind it */
    /* Of the archive's table; a base that is not at hand is NULL. */
    const struct zn_origin *bases[ZN_MAX_BASES];
    const struct zn_base_record *records;
    unsigned n_bases;
};

/* An original without an archive around it. */
struct zn_origin zn_origin_plain(const struct zn_input *in);

/* The original of an archive, whose chunks lie at `places`. */
struct zn_origin zn_origin_archive(const struct zn_input *in, const struct zn_toc *toc, const struct zn_place *places,
                                   uint64_t n_places);

/* Sets `levels` and raises `max_chunk` once flags and bases are known. */
void zn_origin_measure(struct zn_origin *o);

/* Index of the chunk that holds byte `off`, which lies inside the original. */
uint64_t zn_origin_chunk_at(const struct zn_origin *o, uint64_t off);

/* Who wants a chunk: the archive it belongs to, and how many references led here. */
struct zn_scope {
    const struct zn_origin *of; /* NULL: chunks with references cannot be decoded */
    unsigned depth;
    bool referred; /* a chunk of the same archive refers to this one, which must not do likewise */
};

/* Decodes the body of a chunk with a reference into out[0, orig_len). Its frame's check has been verified. */
zipnn_status zn_reference_decode(struct zn_worker *w, const struct zn_scope *scope, const struct zn_chunk_body *body,
                                 uint8_t *out, uint32_t orig_len, zipnn_error *err);

/* Bytes in memory, until zn_shelf_return(slot). */
struct zn_lent {
    const uint8_t *bytes;
    struct zn_slot *slot; /* NULL: nothing is lent */
};

/* Reads [off, off + len), which lies inside the original and is no longer than a worker's chunk. */
zipnn_status zn_origin_read(struct zn_worker *w, const struct zn_origin *origin, uint64_t off, uint32_t len,
                            struct zn_lent *lent, zipnn_error *err);

#endif
