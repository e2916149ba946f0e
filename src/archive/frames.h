/* The frames of an archive: their places, and verifying and decoding one of them. */
#ifndef ZN_ARCHIVE_FRAMES_H
#define ZN_ARCHIVE_FRAMES_H

#include "format/format.h"
#include "workers/ends.h"
#include "workers/engine.h"

struct zn_archive;
struct zn_scope;

/* The place of a frame. */
struct zn_place {
    struct zn_frame frame; /* as the index lists it */
    uint64_t at;           /* offset of the frame in the archive */
    uint64_t off;          /* offset of its chunk in the original */
};

/* A whole frame in memory, and its place. */
struct zn_whole_frame {
    const uint8_t *bytes;
    const struct zn_place *place;
};

/* Where a chunk goes, how it is stored, and what is prefetched meanwhile. */
struct zn_target {
    uint8_t *out;
    enum zn_store store;
    struct zn_ahead ahead;
};

/* Verifies a frame against its entry in the index and decodes its chunk into target->out[0, orig_len), with all that
 * the chunk refers to. A frame that holds no chunk is only verified. `of` is the archive that the frame belongs to; if
 * it is NULL, chunks with references cannot be decoded. */
zipnn_status zn_frame_decode(struct zn_worker *w, const struct zn_archive *of, struct zn_whole_frame frame,
                             const struct zn_target *target, zipnn_error *err);

/* Verifies a frame that is known to hold a chunk, and returns its body. */
zipnn_status zn_frame_open(struct zn_worker *w, const struct zn_scope *scope, struct zn_whole_frame frame,
                           struct zn_chunk_body *body, zipnn_error *err);

/* Does what zn_frame_decode does, for a scope inside of a reference. */
zipnn_status zn_frame_decode_in(struct zn_worker *w, const struct zn_scope *scope, struct zn_whole_frame frame,
                                const struct zn_target *target, zipnn_error *err);

/* Returns the range to prefetch: the frame n_frames after this one, assumed to be of the same size. Empty if the input
 * is neither memory nor visible. */
struct zn_ahead zn_look_ahead(const struct zn_input *in, const struct zn_place *place, unsigned n_frames);

#endif
