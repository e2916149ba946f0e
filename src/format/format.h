/* The bytes on disk and nothing else: every magic, id, limit and record of doc/format.md. */
#ifndef ZN_FORMAT_FORMAT_H
#define ZN_FORMAT_FORMAT_H

#include "base/cur.h"
#include "base/err.h"
#include "base/out.h"

enum {
    ZN_FORMAT_VERSION = 1,
    ZN_HEADER_LEN = 24,
    ZN_FRAME_LEN = 16, /* head of a frame */
    ZN_LEAST_FRAME = 20,
    ZN_TRAILER_LEN = 16,
    ZN_ENTRY_LEN = 16,
    ZN_INDEX_LEN = 28, /* index body before its optional digest and its entries */
    ZN_SHA256_LEN = 32,
    ZN_MAX_CHUNK = 4 << 20,
    ZN_CHUNK_GROWTH = 256,
    ZN_MAX_ANCILLARY = 16 << 20,
    ZN_CHUNK_LEN = 4, /* chunk body before its edges */
    ZN_PLANE_LEN = 5, /* plane record */
    ZN_MAX_PLANES = 8,
    ZN_MAX_FIELDS = 8, /* of a record */
    ZN_MAX_RECORD = 1024
};

enum zn_kind {
    ZN_KIND_CHUNK = 1,
    ZN_KIND_INDEX = 2,
    ZN_KIND_REFERENCE = 3, /* a chunk that repeats or resembles other bytes: reference.h */
    ZN_KIND_BASES = 4,     /* table of the other originals that chunks refer to */
    ZN_KIND_ANCILLARY = 128
};

/* Of the header. */
enum {
    ZN_FLAG_SELF = 2, /* chunks may refer to this archive's own original: restoring takes random access */
    ZN_FLAG_BASES = 4 /* chunks may refer to bases: the first frame is their table */
};

enum { ZN_DIGEST_XXH3 = 1, ZN_DIGEST_SHA256 = 2 };

/* How a check is computed; the format room does no hashing of its own. */
typedef uint64_t zn_hash_fn(const void *data, size_t len);

struct zn_header {
    uint8_t level;
    uint32_t max_chunk;
    uint8_t flags; /* ZN_FLAG_* */
};

/* Returns whether these bytes begin as an archive does. */
bool zn_is_archive(const uint8_t *in, size_t len);

/* Writes ZN_HEADER_LEN bytes. */
void zn_header_write(uint8_t *out, const struct zn_header *header, zn_hash_fn *hash);

/* `len` bytes are present; fewer than ZN_HEADER_LEN give ZIPNN_E_FORMAT or ZIPNN_E_TRUNCATED. */
zipnn_status zn_header_read(const uint8_t *in, size_t len, struct zn_header *header, zn_hash_fn *hash,
                            zipnn_error *err);

/* Head of a frame, and an entry of the index. */
struct zn_frame {
    uint64_t check;
    uint32_t body_len, orig_len;
};

static inline uint64_t zn_frame_size(const struct zn_frame *f) {
    return (uint64_t)ZN_FRAME_LEN + f->body_len;
}

/* Completes the frame whose body was written at frame + ZN_FRAME_LEN: writes its head, computes the check, and returns
 * both. */
struct zn_frame zn_frame_seal(uint8_t *frame, uint32_t body_len, uint32_t orig_len, zn_hash_fn *hash);

/* The same in two steps, for a caller that computes the check itself, over all bytes from ZN_FRAME_CHECKED on. */
void zn_frame_begin(uint8_t *frame, uint32_t body_len, uint32_t orig_len);
struct zn_frame zn_frame_end(uint8_t *frame, uint64_t check);

/* Reads the 16 bytes of a head. Its lengths may be anything. */
struct zn_frame zn_frame_of(const uint8_t in[ZN_FRAME_LEN]);

/* Reads the 16 bytes of a head and holds its lengths against the limits. `at` is the frame's offset, for errors. */
zipnn_status zn_frame_read(const uint8_t *in, uint32_t max_chunk, uint64_t at, struct zn_frame *frame,
                           zipnn_error *err);

/* Verifies the check of a whole frame (head and body contiguous). */
zipnn_status zn_frame_verify(const uint8_t *in, const struct zn_frame *frame, uint64_t at, zn_hash_fn *hash,
                             zipnn_error *err);

/* The part of a frame that its check covers. */
enum { ZN_FRAME_CHECKED = 8 }; /* from this offset to the end */

/* Returns the error for a frame whose check does not match. */
zipnn_status zn_frame_mismatch(const struct zn_frame *frame, uint64_t at, zipnn_error *err);

void zn_entry_write(uint8_t out[ZN_ENTRY_LEN], const struct zn_frame *frame);
struct zn_frame zn_entry_read(const uint8_t in[ZN_ENTRY_LEN]);

struct zn_index {
    uint64_t original;
    uint8_t xxh3[16];
    uint8_t sha256[ZN_SHA256_LEN];
    bool has_sha256;
    const uint8_t *entries; /* inside the body that was read; n_entries of ZN_ENTRY_LEN bytes */
    uint64_t n_entries;
};

/* Bytes of an index body before its entries. */
size_t zn_index_head_len(bool has_sha256);

/* Writes them; the entries follow. */
void zn_index_head_write(uint8_t *out, const struct zn_index *index);

/* Reads an index body whose check was verified; `at` is the offset of its frame, which the entries must add up to. */
zipnn_status zn_index_read(const uint8_t *body, size_t len, uint32_t max_chunk, uint64_t at, struct zn_index *index,
                           zipnn_error *err);

void zn_trailer_write(uint8_t out[ZN_TRAILER_LEN], uint64_t index_len);
zipnn_status zn_trailer_read(const uint8_t in[ZN_TRAILER_LEN], uint64_t at, uint64_t *index_len, zipnn_error *err);

#endif
