/* Many chunks, many threads, order preserved. The engine takes a plan, an input and an output; it knows no file format
 * but our own and no operating system. */
#ifndef ZN_ENGINE_ENGINE_H
#define ZN_ENGINE_ENGINE_H

#include "chunk/chunk.h"
#include "engine/crew.h"
#include "engine/shelf.h"
#include "engine/stream_io.h"
#include "plan/plan.h"

struct zn_base;
struct zn_origin;
struct zn_relations;
struct zn_scope;

/* What decoding has cost a thread so far, in bytes that usual chunks decode to. Counted, not timed: tests hold it
 * against what they allow. */
struct zn_toll {
    uint64_t own;      /* chunks that were asked for */
    uint64_t referred; /* those that they refer to */
    uint64_t original; /* bytes of the former */
};

/* What one thread works with. */
struct zn_worker {
    struct zn_coder coder;
    struct zn_shelf shelf;       /* for what chunks refer to */
    unsigned n_levels;           /* archives that references may lead through */
    struct zn_toll toll, before; /* now, and when the operation began */
    uint8_t *orig;               /* max_chunk, and room for ZN_BLOCK before */
    uint8_t *frame;              /* a whole frame, likewise */
    uint8_t *check;              /* encoder: max_chunk, what the encoded chunk decodes to */
    void *memory;
};

struct zn_engine {
    zipnn_allocator alloc;
    const struct zn_kernels *k;
    struct zn_effort effort;
    int level;
    unsigned n_workers;
    unsigned seats; /* of them, those that are prepared */
    unsigned crew;  /* of these, those that may work now */
    zipnn_executor executor;
    struct zn_pool *pool; /* behind executor when the caller gave none */
    zipnn_progress_fn progress;
    void *progress_user;
    zipnn_verify verify;
    bool sha256;
    uint64_t max_original; /* the caller's limit of what may be restored */
    struct zn_worker *workers;
    uint32_t max_chunk; /* what the workers are prepared for */
    enum zn_codec_use use;
    struct zn_bases {
        struct zn_base *base;
        size_t n;     /* those that may be read ... */
        size_t n_all; /* ... and, behind them, those that only tell what they were made from */
    } bases;          /* that the caller gave: bases.h */
};

/* Sets up what does not depend on a job. On failure everything is released again. */
zipnn_status zn_engine_init(struct zn_engine *e, const zipnn_options *options, zipnn_error *err);
void zn_engine_release(struct zn_engine *e);

/* Holds the length of an original against the caller's limit. */
zipnn_status zn_engine_allows(const struct zn_engine *e, uint64_t original, zipnn_error *err);

/* Gives every worker scratch for chunks of max_chunk bytes, or as many as ZN_MEMORY has room for; keeps what suffices.
 */
zipnn_status zn_engine_prepare(struct zn_engine *e, uint32_t max_chunk, enum zn_codec_use use, zipnn_error *err);

/* Readies the workers for references that lead through n archives, for chunks of the size prepared for: call it after
 * zn_engine_prepare whenever an operation may meet references, and with 0 where it meets none. Empties their shelves.
 * The shelves of all take ZN_SHELVES bytes at most; where that is little for n archives, fewer workers share it. */
zipnn_status zn_engine_prepare_levels(struct zn_engine *e, unsigned n, zipnn_error *err);

/* What the workers and their shelves take together, at most: so much, and so much for each thread. Chunks of the size
 * that this library writes leave all threads at work; where chunks are larger, fewer workers share it. */
enum { ZN_MEMORY = 56 << 20, ZN_MEMORY_OF_THREAD = 8 << 20, ZN_SHELVES = 40 << 20 };

/* What all workers have cost since the engine was made. */
struct zn_toll zn_engine_toll(const struct zn_engine *e);

/* Runs `n` workers, fewer when there are fewer jobs or too little work for a second thread. */
void zn_engine_run(struct zn_engine *e, unsigned n, void (*work)(void *arg, size_t worker), void *arg);

/* How many workers pay for `original` bytes (UINT64_MAX: unknown), of those that the shelves are for. */
unsigned zn_engine_crew(const struct zn_engine *e, uint64_t original);

/* How `len` decoded bytes are best stored to memory. Past the caches when they are many and the pages have been in use;
 * the kernel clears a fresh page by way of the caches, and finds it there on the first write. */
enum zn_store zn_store_into(const uint8_t *memory, uint64_t len);

/* Packs the input, cut by the plan, into an archive. `relations` may be NULL; with links to itself, the input is
 * random-access. */
zipnn_status zn_engine_pack(struct zn_engine *e, const struct zn_plan *plan, const struct zn_relations *relations,
                            struct zn_input *in, const struct zn_output *out, zipnn_stats *stats, zipnn_error *err);

enum zn_digesting { ZN_DIGEST_IGNORE, ZN_DIGEST_VERIFY };

/* Restores an archive. */
zipnn_status zn_engine_unpack(struct zn_engine *e, struct zn_input *in, const struct zn_output *out,
                              enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err);

/* ---- frames
 * ---------------------------------------------------------------------------------------------------------------- */

/* Where a frame lies. */
struct zn_place {
    struct zn_frame frame; /* as the index lists it */
    uint64_t at;           /* of the frame in the archive */
    uint64_t off;          /* of its chunk in the original */
};

/* Verifies a whole frame in memory against what the index says of it and decodes its chunk into out[0, orig_len),
 * together with whatever it refers to. Frames that hold no chunk are verified and leave out alone. `of` is the archive
 * that the frame belongs to: NULL, and chunks with references cannot be decoded. */
zipnn_status zn_frame_decode(const struct zn_engine *e, struct zn_worker *w, const struct zn_origin *of,
                             const uint8_t *frame, const struct zn_place *place, uint8_t *out, enum zn_store store,
                             struct zn_ahead ahead, zipnn_error *err);

/* Verifies a whole frame that is known to hold a chunk, for the scope that asks for it: its body. */
zipnn_status zn_frame_open(const struct zn_engine *e, struct zn_worker *w, const struct zn_scope *scope,
                           const uint8_t *frame, const struct zn_place *place, struct zn_chunk_body *body,
                           zipnn_error *err);

/* The same inside a reference. */
zipnn_status zn_frame_decode_in(const struct zn_engine *e, struct zn_worker *w, const struct zn_scope *scope,
                                const uint8_t *frame, const struct zn_place *place, uint8_t *out, enum zn_store store,
                                struct zn_ahead ahead, zipnn_error *err);

/* What a worker reads next, n_frames further on, so that it can be fetched into the caches meanwhile: about as much as
 * this frame has, where the input is memory or can be seen; nothing otherwise. */
struct zn_ahead zn_look_ahead(const struct zn_input *in, const struct zn_place *place, unsigned n_frames);

/* ---- the index of a random-access archive
 * ------------------------------------------------------------------------------------- */

struct zn_toc {
    struct zn_header header;
    struct zn_index index; /* entries point into `memory` */
    uint64_t index_at;     /* offset of the index frame */
    void *memory;          /* the index frame: a copy, whatever the input is */
};

/* Reads and verifies header, trailer and index. zn_toc_free accepts a zeroed struct. */
zipnn_status zn_toc_load(const zipnn_allocator *alloc, const struct zn_kernels *k, const struct zn_input *in,
                         struct zn_toc *toc, zipnn_error *err);
void zn_toc_free(const zipnn_allocator *alloc, struct zn_toc *toc);

/* ZIPNN_E_CORRUPT for bytes[0, len) that follow the end of an archive at `end` of an input of `length` bytes, or
 * ZN_NOWHERE of them: another archive, or something else. */
zipnn_status zn_fail_excess(const uint8_t *bytes, size_t len, uint64_t end, uint64_t length, zipnn_error *err);

/* Where every chunk of the index lies, to be freed with zn_free; frames without a chunk are left out. */
zipnn_status zn_toc_places(const zipnn_allocator *alloc, const struct zn_toc *toc, struct zn_place **places,
                           uint64_t *n_places, zipnn_error *err);

#endif
