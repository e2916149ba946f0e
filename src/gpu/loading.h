/* Ranges of an original into device memory: decoded at once, or kept compressed. */
#ifndef ZN_GPU_LOADING_H
#define ZN_GPU_LOADING_H

#include "gpu/sending.h"
#include "workers/job.h"
#include "zipnn/gpu.h"

enum { ZN_GPU_SLOTS = 2 }; /* one is filled while the other is copied and decoded */

struct zn_slot_of_gpu {
    struct zn_batch *batch;
    struct zn_batch_room room;
    void *stream;
    bool busy;
};

struct zipnn_gpu {
    struct zn_driver driver;
    zipnn_allocator alloc;
    struct zn_slot_of_gpu slot[ZN_GPU_SLOTS];
};

/* A run of bytes that the host decodes. */
struct zn_host_run {
    uint64_t off, end;
    uint64_t device; /* where they are kept */
};

/* A batch that is kept. */
struct zn_kept_batch {
    uint64_t device;
    struct zn_launches launches;
};

struct zipnn_gpu_kept {
    zipnn_gpu *gpu;
    uint64_t off;
    struct zn_kept_batch *batches;
    size_t n_batches, batches_cap;
    struct zn_host_run *runs;
    size_t n_runs, runs_cap;
};

/* What is to be loaded: bytes [off, off + len) of an original, which lie inside it. */
struct zn_loading {
    zipnn_gpu *gpu;
    const struct zn_job *job;
    const struct zn_original *original;
    uint64_t off, len, dst;
    zipnn_gpu_stats stats;
    struct zipnn_gpu_kept *kept; /* NULL: nothing is kept */
    struct zn_host_run *runs;
    size_t n_runs, runs_cap;
};

/* Decodes the range to dst, and keeps it where `kept` says so. All work of the device is finished when it returns, also on failure. Needs the
 * driver's context. */
zipnn_status zn_gpu_load(struct zn_loading *l, zipnn_error *err);

/* Frees all that is kept, and `kept`. Needs the driver's context. */
void zn_gpu_drop(struct zipnn_gpu_kept *kept);

#endif
