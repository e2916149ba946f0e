/* The machine that every job runs on: workers, each with the memory that coding a chunk takes, and the threads that
 * they work on. It knows neither what is coded nor why: jobs say that (job.h). */
#ifndef ZN_WORK_ENGINE_H
#define ZN_WORK_ENGINE_H

#include "chunk/chunk.h"
#include "work/shelf.h"

struct zn_engine;
struct zn_fetched;
struct zn_pool;

/* What decoding has cost a thread so far, in bytes that usual chunks decode to. Counted, not timed: tests hold it
 * against what they allow. */
struct zn_toll {
    uint64_t own;      /* chunks that were asked for */
    uint64_t referred; /* those that they refer to */
    uint64_t original; /* bytes of the former */
};

/* What one thread works with. */
struct zn_worker {
    const struct zn_engine *e; /* it works for */
    struct zn_coder coder;
    struct zn_shelf shelf;       /* for what chunks refer to */
    unsigned n_levels;           /* archives that references may lead through */
    struct zn_toll toll, before; /* now, and when the operation began */
    uint8_t *orig;               /* max_chunk, and room for ZN_BLOCK before */
    uint8_t *frame;              /* a whole frame, likewise */
    uint8_t *check;              /* encoder: max_chunk, what the encoded chunk decodes to */
    struct zn_fetched *fetched;  /* bytes to be used in place of reads, or NULL: archive/fetched.h */
    void *task;                  /* ZN_TASK_ROOM bytes for what it has claimed: each.h */
    void *memory;
};

enum { ZN_TASK_ROOM = 160 };

/* The chunk that was last read in part. */
struct zn_held {
    uint64_t of, index; /* number of its original, 0: none is held; and its own in there */
    uint8_t *bytes;
    size_t cap;
};

struct zn_engine {
    zipnn_allocator alloc;
    const struct zn_kernels *k;
    unsigned n_workers;
    unsigned seats; /* of them, those that are prepared */
    unsigned crew;  /* of these, those that may work now */
    zipnn_executor executor;
    struct zn_pool *pool; /* behind executor when the caller gave none */
    struct zn_worker *workers;
    uint32_t max_chunk; /* what the workers are prepared for */
    enum zn_codec_use use;
    struct zn_held held;
    uint64_t n_numbers; /* that were given out */
};

/* Makes the workers and starts no thread yet. On failure everything is released again. */
zipnn_status zn_engine_init(struct zn_engine *e, const zipnn_options *options, zipnn_error *err);
void zn_engine_release(struct zn_engine *e);

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

/* Has room for a chunk of `len` bytes in `held`, which is empty then if it had not. */
zipnn_status zn_engine_hold(struct zn_engine *e, size_t len, zipnn_error *err);

/* A number for what is opened at `place`, other than that of anything else that any context opened before. `mark` is
 * something to tell its content by. */
uint64_t zn_engine_number(struct zn_engine *e, const void *place, uint64_t mark);

/* What all workers have cost since the engine was made. */
struct zn_toll zn_engine_toll(const struct zn_engine *e);

/* Runs `n` workers, fewer when there are fewer jobs or too little work for a second thread. */
void zn_engine_run(struct zn_engine *e, unsigned n, void (*work)(void *arg, size_t worker), void *arg);

/* How many workers pay for `original` bytes (UINT64_MAX: unknown), of those that the shelves are for. */
unsigned zn_engine_crew(const struct zn_engine *e, uint64_t original);

/* How `len` decoded bytes are best stored to memory. Past the caches when they are many and the pages have been in use;
 * the kernel clears a fresh page by way of the caches, and finds it there on the first write. */
enum zn_store zn_store_into(const uint8_t *memory, uint64_t len);

#endif
