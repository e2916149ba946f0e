/* Ranges of originals into device memory: decoded at once, or kept compressed. */
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

/* Bytes [off, off + len) of an original, which lie inside it, and where they go: from the address of all parts on. */
struct zn_gpu_part {
    const struct zn_original *original;
    uint64_t off, len, dst;
};

/* A run of bytes that the host decodes. */
struct zn_host_run {
    struct zn_gpu_part part;
    size_t number;   /* of the part that it belongs to */
    uint64_t device; /* where its bytes are kept */
};

/* A batch that is kept. */
struct zn_kept_batch {
    uint64_t device;
    struct zn_launches launches;
};

struct zn_host_runs {
    struct zn_host_run *run;
    size_t n, cap;
};

struct zipnn_gpu_kept {
    zipnn_gpu *gpu;
    struct zn_kept_batch *batches;
    size_t n_batches, batches_cap;
    struct zn_host_runs runs;
};

/* What is to be loaded. */
struct zn_loading {
    zipnn_gpu *gpu;
    const struct zn_job *job;
    const struct zn_gpu_part *parts;
    size_t n_parts;
    uint64_t dst; /* the address of all parts */
    zipnn_gpu_stats stats;
    struct zipnn_gpu_kept *kept; /* NULL: nothing is kept */
    struct zn_host_runs runs;
    size_t failed; /* the part that could not be loaded, after a failure; n_parts: it is not known which */
};

/* Decodes the parts, and keeps them where `kept` says so. All work of the device is finished when it returns, also on failure. Needs the
 * driver's context. */
zipnn_status zn_gpu_load(struct zn_loading *l, zipnn_error *err);

/* Frees all that is kept, and `kept`. Needs the driver's context. */
void zn_gpu_drop(struct zipnn_gpu_kept *kept);

#endif
