/* The machine that every job runs on: workers, each with the memory that coding a chunk takes, and the threads that
 * they work on. It knows neither what is coded nor why: jobs say that (job.h). */
#ifndef ZN_WORKERS_ENGINE_H
#define ZN_WORKERS_ENGINE_H

#include "chunk/chunk.h"
#include "workers/shelf.h"

struct zn_engine;
struct zn_fetched;
struct zn_pool;

/* What decoding has cost a thread so far. The unit is a byte that a usual chunk decodes to. It is counted, not timed,
 * so that tests can compare it with a limit. */
struct zn_toll {
    uint64_t own;      /* chunks that were asked for */
    uint64_t referred; /* chunks that those refer to */
    uint64_t original; /* bytes of the chunks that were asked for */
};

/* What one thread works with. */
struct zn_worker {
    const struct zn_engine *e; /* the engine that it belongs to */
    struct zn_coder coder;
    struct zn_shelf shelf;       /* chunks that others refer to, decoded */
    unsigned n_levels;           /* how many archives references may lead through */
    struct zn_toll toll, before; /* the cost now, and when the operation began */
    uint8_t *orig;               /* max_chunk, and room for ZN_BLOCK before */
    uint8_t *frame;              /* a whole frame, with room for ZN_BLOCK before it */
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
    unsigned seats; /* workers that are prepared */
    unsigned crew;  /* prepared workers that may work now */
    zipnn_executor executor;
    struct zn_pool *pool; /* behind executor when the caller gave none */
    struct zn_worker *workers;
    uint32_t max_chunk; /* what the workers are prepared for */
    enum zn_codec_use use;
    struct zn_held held;
    uint64_t n_numbers; /* numbers that were given out */
};

/* Makes the workers and starts no thread yet. On failure everything is released again. */
zipnn_status zn_engine_init(struct zn_engine *e, const zipnn_options *options, zipnn_error *err);
void zn_engine_release(struct zn_engine *e);

/* Gives scratch for chunks of max_chunk bytes to every worker, or to as many as ZN_MEMORY has room for. Scratch that is
 * large enough is kept. */
zipnn_status zn_engine_prepare(struct zn_engine *e, uint32_t max_chunk, enum zn_codec_use use, zipnn_error *err);

/* Prepares the workers for references that lead through n archives, 0 for none, and empties their shelves. Call it
 * after zn_engine_prepare, before every operation that decodes. All shelves together take ZN_SHELVES bytes at most; if
 * that is little for n archives, fewer workers work. */
zipnn_status zn_engine_prepare_levels(struct zn_engine *e, unsigned n, zipnn_error *err);

/* The most memory that workers and shelves take together: ZN_MEMORY, and ZN_MEMORY_OF_THREAD for each thread. With
 * chunks of the size that this library writes all threads work; with larger ones fewer do. */
enum { ZN_MEMORY = 56 << 20, ZN_MEMORY_OF_THREAD = 8 << 20, ZN_SHELVES = 40 << 20 };

/* Makes room for a chunk of `len` bytes in `held`. If `held` has to grow, it is empty afterwards. */
zipnn_status zn_engine_hold(struct zn_engine *e, size_t len, zipnn_error *err);

/* Returns a number for what is opened at address `place`. It differs from the numbers of everything that any context
 * opened before. `mark` is taken from the content, such as a part of its digest. */
uint64_t zn_engine_number(struct zn_engine *e, const void *place, uint64_t mark);

/* Returns what all workers have cost since the engine was made. */
struct zn_toll zn_engine_toll(const struct zn_engine *e);

/* Calls work(arg, i) for worker i, 0 to n - 1, on the executor's threads, and returns when all have returned. */
void zn_engine_run(struct zn_engine *e, unsigned n, void (*work)(void *arg, size_t worker), void *arg);

/* Returns how many workers are worth waking for `original` bytes (UINT64_MAX: unknown), at most those that may work. */
unsigned zn_engine_crew(const struct zn_engine *e, uint64_t original);

/* Returns how `len` decoded bytes are best stored. Many bytes go past the caches if their pages have been in use. A
 * fresh page was cleared by the kernel just before, so it is in the caches and is written there. */
enum zn_store zn_store_into(const uint8_t *memory, uint64_t len);

#endif
