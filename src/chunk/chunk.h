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
    zipnn_dtype dtype;          /* UNKNOWN: measure */
    unsigned head;              /* bytes before its first whole element, when the dtype is known */
    struct zn_ahead ahead;      /* what will be encoded next; `lines` is set here */
    const struct zn_plan *plan; /* of the file, or NULL */
    uint64_t off;               /* of the chunk in it */
};

/* Room that encoding `len` original bytes needs. What comes out is never longer than the bytes stored raw, 9 more than
 * len; on the way there the exponents of fp16, five bits in a byte each, may take a quarter more. */
static inline uint32_t zn_chunk_bound(uint32_t len) {
    return len + len / 4 + ZN_CHUNK_GROWTH;
}

/* Spreads what is ahead over the coding of n symbols. */
static inline struct zn_ahead zn_ahead_paced(struct zn_ahead ahead, size_t n) {
    size_t lines = ahead.len / 64 / (n / ZN_R16_LANES + 1) + 1;
    ahead.lines = ahead.len ? (unsigned)ZN_MIN(lines, 8u) : 0;
    return ahead;
}

/* A chunk to encode, and by whom. */
struct zn_encoder {
    struct zn_coder *coder; /* carved with ZN_USE_BOTH */
    const struct zn_effort *effort;
    struct zn_chunk_hint hint;
    const uint8_t *src; /* the chunk is src[0, len), 1 <= len <= max_chunk */
    uint32_t len;
};

/* Encodes the chunk into body, which has room for zn_chunk_bound(len). Returns the length of the body. */
uint32_t zn_chunk_encode(const struct zn_encoder *e, uint8_t *body);

/* A body to decode. Its frame's check has been verified or is verified meanwhile; either makes it likely, not certain,
 * to be what an encoder wrote. */
struct zn_chunk_body {
    const uint8_t *data;
    size_t len;
    uint64_t at;            /* its offset in the archive, for errors */
    struct zn_ahead ahead;  /* what will be read next; `lines` is set here */
    struct zn_check *check; /* of the frame, to be taken along as far as possible, or NULL */
};

/* Whether decoding takes most of a check along: large chunks of floats coded as they usually are. */
bool zn_chunk_takes_check(const struct zn_chunk_body *body, uint32_t orig_len);

/* Decodes into out[0, orig_len), orig_len <= max_chunk. */
zipnn_status zn_chunk_decode(struct zn_coder *coder, const struct zn_chunk_body *body, uint8_t *out, uint32_t orig_len,
                             enum zn_store store, zipnn_error *err);

/* What a body should decode to: original[0, orig_len), orig_len <= max_chunk. `room` has as many bytes, which hold
 * anything afterwards; *same tells whether it does. */
struct zn_comparison {
    const uint8_t *original;
    uint32_t orig_len;
    uint8_t *room;
    bool *same;
};

zipnn_status zn_chunk_compare(struct zn_coder *coder, const struct zn_chunk_body *body,
                              const struct zn_comparison *with, zipnn_error *err);

#endif
