/* One chunk, start to finish, on one thread: original bytes <-> the body of a frame (doc/format.md, section 5). */
#ifndef ZN_CHUNK_CHUNK_H
#define ZN_CHUNK_CHUNK_H

#include "base/scratch.h"
#include "codec/codec.h"
#include "format/body.h"
#include "plan/plan.h"

/* What one thread needs to code chunks of up to max_chunk bytes. */
struct zn_coder {
    struct zn_codec codec;
    struct zn_scratch scratch;
    uint32_t max_chunk;
};

void zn_coder_carve(struct zn_coder *coder, struct zn_arena *arena, uint32_t max_chunk, enum zn_codec_use use);

/* What the planner knows of a chunk. */
struct zn_chunk_hint {
    zipnn_dtype dtype;          /* UNKNOWN: the chunk is measured */
    unsigned head;              /* bytes before the first whole element, when the dtype is known */
    struct zn_ahead ahead;      /* what will be encoded next; the coder sets `lines` */
    const struct zn_plan *plan; /* plan of the file, or NULL */
    uint64_t off;               /* offset of the chunk in the file */
    bool measured;              /* dtype and head were found by measuring */
};

/* Returns the room that encoding `len` original bytes needs. A body is at most 9 bytes longer than the chunk, which is
 * the length of stored bytes. But while it is made, the exponents of fp16 take a byte for five bits, which may be a
 * quarter more. */
static inline uint32_t zn_chunk_bound(uint32_t len) {
    return len + len / 4 + ZN_CHUNK_GROWTH;
}

/* Spreads the prefetching of `ahead` over the coding of n symbols. */
static inline struct zn_ahead zn_ahead_paced(struct zn_ahead ahead, size_t n) {
    size_t lines = ahead.len / 64 / (n / ZN_R16_LANES + 1) + 1;
    ahead.lines = ahead.len ? (unsigned)ZN_MIN(lines, 8u) : 0;
    return ahead;
}

/* A chunk to encode, and the coder that encodes it. */
struct zn_encoder {
    struct zn_coder *coder; /* carved with ZN_USE_BOTH */
    const struct zn_effort *effort;
    struct zn_chunk_hint hint;
    const uint8_t *src; /* the chunk is src[0, len), 1 <= len <= max_chunk */
    uint32_t len;
};

/* Encodes the chunk into body, which has room for zn_chunk_bound(len). Returns the length of the body. */
uint32_t zn_chunk_encode(const struct zn_encoder *e, uint8_t *body);

/* A body to decode. Its frame's check has been verified, or is verified meanwhile. The check makes it likely, but not
 * certain, that an encoder wrote the body. */
struct zn_chunk_body {
    const uint8_t *data;
    size_t len;
    uint64_t at;            /* offset of the body in the archive, for error messages */
    struct zn_ahead ahead;  /* what will be read next; the decoder sets `lines` */
    struct zn_check *check; /* check of the frame, computed along the way as far as possible, or NULL */
};

/* Returns whether decoding computes most of the check along the way. It does for large chunks of usual floats. */
bool zn_chunk_takes_check(const struct zn_chunk_body *body, uint32_t orig_len);

/* Decodes into out[0, orig_len), orig_len <= max_chunk. */
zipnn_status zn_chunk_decode(struct zn_coder *coder, const struct zn_chunk_body *body, uint8_t *out, uint32_t orig_len,
                             enum zn_store store, zipnn_error *err);

/* The bytes that a body should decode to: original[0, orig_len), orig_len <= max_chunk. `room` is scratch of orig_len
 * bytes. *same says whether the body decodes to them. */
struct zn_comparison {
    const uint8_t *original;
    uint32_t orig_len;
    uint8_t *room;
    bool *same;
};

zipnn_status zn_chunk_compare(struct zn_coder *coder, const struct zn_chunk_body *body,
                              const struct zn_comparison *with, zipnn_error *err);

#endif
