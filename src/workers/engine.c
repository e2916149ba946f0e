#include "workers/engine.h"

#include <stdatomic.h>
#include <time.h>

#include "base/pages.h"
#include "chunk/cut.h"
#include "workers/ends.h"
#include "workers/threads.h"

enum {
    MAX_WORKERS = 256,
    WORTH_A_THREAD = 1 << 20 /* original bytes; for fewer, waking a thread takes longer than it saves */
};

static const struct zn_kernels *find_kernels(zipnn_cpu cpu) {
    static const char *const names[] = {"", "scalar", "avx2", "avx512", "neon"};
    for (unsigned i = 0; zn_kernels_at(i); i++)
        if (cpu == ZIPNN_CPU_BEST || strcmp(zn_kernels_at(i)->name, names[cpu]) == 0) return zn_kernels_at(i);
    return NULL;
}

static zipnn_status set_fields(struct zn_engine *e, const zipnn_options *o, zipnn_error *err) {
    if ((unsigned)o->cpu > ZIPNN_CPU_NEON)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "instruction set number %d does not exist", (int)o->cpu);
    e->alloc = zn_allocator_or_default(&o->allocator);
    e->n_workers = e->seats = e->crew = ZN_MIN(ZN_MAX(o->threads, 1u), (unsigned)MAX_WORKERS);
    e->executor = o->executor;
    e->k = find_kernels(o->cpu);
    if (!e->k) return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE, "this machine lacks the instruction set asked for");
    return ZIPNN_OK;
}

zipnn_status zn_engine_init(struct zn_engine *e, const zipnn_options *options, zipnn_error *err) {
    memset(e, 0, sizeof *e);
    ZN_TRY(set_fields(e, options, err));
    e->workers = zn_alloc(&e->alloc, e->n_workers * sizeof *e->workers);
    if (!e->workers) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory creating %u workers", e->n_workers);
    memset(e->workers, 0, e->n_workers * sizeof *e->workers);
    for (unsigned i = 0; i < e->n_workers; i++) e->workers[i].e = e;
    if (e->executor.run || e->n_workers == 1) return ZIPNN_OK;
    const zipnn_status status = zn_pool_create(&e->alloc, e->n_workers - 1, &e->pool, err);
    if (status != ZIPNN_OK) zn_engine_release(e);
    if (status == ZIPNN_OK) e->executor = (zipnn_executor){zn_pool_run, e->pool};
    return status;
}

static void release_worker(struct zn_engine *e, struct zn_worker *w) {
    const struct zn_toll toll = w->toll;
    zn_codec_close(&w->coder.codec);
    zn_free(&e->alloc, w->memory);
    zn_shelf_free(&w->shelf, &e->alloc);
    *w = (struct zn_worker){.e = e, .toll = toll};
}

void zn_engine_release(struct zn_engine *e) {
    zn_pool_destroy(e->pool);
    for (unsigned i = 0; e->workers && i < e->n_workers; i++) release_worker(e, &e->workers[i]);
    zn_free(&e->alloc, e->workers);
    zn_free(&e->alloc, e->held.bytes);
    memset(e, 0, sizeof *e);
}

/* Leaves the room before the buffer that zn_gather needs. */
static uint8_t *carve_behind_block(struct zn_arena *arena, size_t len) {
    uint8_t *block = zn_carve(arena, ZN_BLOCK + len);
    return block ? block + ZN_BLOCK : NULL;
}

static void carve_worker(struct zn_worker *w, struct zn_arena *arena, uint32_t max_chunk, enum zn_codec_use use) {
    zn_coder_carve(&w->coder, arena, max_chunk, use);
    w->task = zn_carve(arena, ZN_TASK_ROOM);
    w->orig = carve_behind_block(arena, max_chunk);
    const uint32_t body = use == ZN_USE_BOTH ? zn_chunk_bound(max_chunk) : max_chunk + ZN_CHUNK_GROWTH;
    w->frame = carve_behind_block(arena, ZN_FRAME_LEN + (size_t)body);
    w->check = use == ZN_USE_BOTH ? zn_carve(arena, max_chunk) : NULL;
}

static size_t worker_len(uint32_t max_chunk, enum zn_codec_use use) {
    struct zn_arena arena = {NULL, 0};
    struct zn_worker measured = {.n_levels = 0};
    carve_worker(&measured, &arena, max_chunk, use);
    return arena.used;
}

static zipnn_status prepare_worker(struct zn_engine *e, struct zn_worker *w, size_t len, uint32_t max_chunk,
                                   enum zn_codec_use use, zipnn_error *err) {
    w->memory = zn_alloc(&e->alloc, len);
    if (!w->memory) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a worker needs %zu bytes", len);
    struct zn_arena arena = {w->memory, 0};
    carve_worker(w, &arena, max_chunk, use);
    return zn_codec_open(&w->coder.codec, e->k, use, err);
}

/* Returns how many workers of `len` bytes fit beside the shelves. If chunks are no larger than this library writes, all
 * do. */
static unsigned seats_for(const struct zn_engine *e, uint32_t max_chunk, size_t len) {
    const uint64_t all = ZN_MEMORY - ZN_SHELVES + (uint64_t)ZN_MEMORY_OF_THREAD * e->n_workers;
    if (max_chunk <= ZN_CUT_MAX) return e->n_workers;
    return (unsigned)ZN_MIN(ZN_MAX(all / len, (uint64_t)1), (uint64_t)e->n_workers);
}

/* Keeps scratch that is large enough, unless it is so large that some workers had to do without. */
zipnn_status zn_engine_prepare(struct zn_engine *e, uint32_t max_chunk, enum zn_codec_use use, zipnn_error *err) {
    const bool same = max_chunk == e->max_chunk && use == e->use, crowded = e->seats < e->n_workers;
    if (e->max_chunk && (same || (!crowded && max_chunk <= e->max_chunk && use <= e->use))) return ZIPNN_OK;
    if (!crowded) {
        max_chunk = ZN_MAX(max_chunk, e->max_chunk);
        use = ZN_MAX(use, e->use);
    }
    const size_t len = worker_len(max_chunk, use);
    e->max_chunk = 0;
    e->seats = e->crew = seats_for(e, max_chunk, len);
    for (unsigned i = 0; i < e->n_workers; i++) {
        release_worker(e, &e->workers[i]);
        if (i < e->seats) ZN_TRY(prepare_worker(e, &e->workers[i], len, max_chunk, use, err));
    }
    e->max_chunk = max_chunk;
    e->use = use;
    return ZIPNN_OK;
}

zipnn_status zn_engine_prepare_levels(struct zn_engine *e, unsigned n, zipnn_error *err) {
    /* One slot for each archive, and four for the chunks being worked on. The frame takes as much memory as a slot. */
    enum { MORE_THAN_LEVELS = 4, MOST_SLOTS = 96, FRAME = 1 };
    const unsigned slots = (unsigned)ZN_MIN(ZN_SHELVES / ZN_MAX(e->max_chunk, 1u), (uint32_t)ZN_SHELVES);
    e->crew = e->seats;
    if (n) e->crew = ZN_MIN(ZN_MAX(slots / (n + MORE_THAN_LEVELS), 1u), e->seats);
    for (unsigned i = 0; i < e->n_workers; i++) {
        struct zn_worker *w = &e->workers[i];
        const unsigned share = n && i < e->crew ? ZN_MIN(slots / e->crew, (unsigned)MOST_SLOTS) - FRAME : 0;
        w->n_levels = n;
        w->before = w->toll;
        ZN_TRY(zn_shelf_prepare(&w->shelf, &e->alloc, share, e->max_chunk, err));
    }
    return ZIPNN_OK;
}

zipnn_status zn_engine_hold(struct zn_engine *e, size_t len, zipnn_error *err) {
    if (len <= e->held.cap) return ZIPNN_OK;
    zn_free(&e->alloc, e->held.bytes);
    e->held = (struct zn_held){.bytes = zn_alloc(&e->alloc, len)};
    if (!e->held.bytes) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a chunk of %zu bytes", len);
    e->held.cap = len;
    return ZIPNN_OK;
}

/* The library keeps no state besides its contexts, so there is no common counter. Two numbers of one context differ by
 * the count. Those of two contexts would agree only where all else does: the addresses, which memory given back and
 * taken again may bring, the content's mark, and the time. */
uint64_t zn_engine_number(struct zn_engine *e, const void *place, uint64_t mark) {
    struct timespec now = {0, 0};
    (void)timespec_get(&now, TIME_UTC);
    const uint64_t facts[] = {(uintptr_t)e, (uintptr_t)place,     ++e->n_numbers,
                              mark,         (uint64_t)now.tv_sec, (uint64_t)now.tv_nsec};
    return e->k->xxh3_64((const uint8_t *)facts, sizeof facts) | 1;
}

struct zn_toll zn_engine_toll(const struct zn_engine *e) {
    struct zn_toll sum = {0, 0, 0};
    for (unsigned i = 0; i < e->n_workers; i++) {
        sum.own += e->workers[i].toll.own;
        sum.referred += e->workers[i].toll.referred;
        sum.original += e->workers[i].toll.original;
    }
    return sum;
}

unsigned zn_engine_crew(const struct zn_engine *e, uint64_t original) {
    return (unsigned)ZN_MIN((uint64_t)e->crew, ZN_MAX(original / WORTH_A_THREAD, (uint64_t)1));
}

struct shift {
    void (*work)(void *arg, size_t worker);
    void *arg;
    atomic_size_t done; /* number of workers that ended */
};

static void work_and_count(void *arg, size_t worker) {
    struct shift *s = arg;
    s->work(s->arg, worker);
    atomic_fetch_add(&s->done, 1);
}

/* Any one worker can finish the job. If the executor ran no task (it may be shut down), run one here, or an empty
 * result would look like success. */
void zn_engine_run(struct zn_engine *e, unsigned n, void (*work)(void *arg, size_t worker), void *arg) {
    struct shift s = {.work = work, .arg = arg};
    if (n > 1) e->executor.run(e->executor.user, n, work_and_count, &s);
    if (atomic_load(&s.done) == 0) work(arg, 0);
}

enum zn_store zn_store_into(const uint8_t *memory, uint64_t len) {
    enum { MANY = 8 << 20 };
    return len >= MANY && zn_pages_present(memory, (size_t)len) ? ZN_STORE_STREAM : ZN_STORE_CACHED;
}
