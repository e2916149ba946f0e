/* Chunks on their way to the device, as many as a piece of pinned memory holds. */
#ifndef ZN_GPU_SENDING_H
#define ZN_GPU_SENDING_H

#include "archive/original.h"
#include "gpu/driver.h"

enum {
    ZN_BATCH_CHUNKS = 512,    /* chunks of a batch, at most */
    ZN_BATCH_LEAST = 12 << 20 /* bytes of pinned memory that any chunk fits into, with its meta and what surrounds it */
};

/* Memory of one batch: `pinned` on the host and `device` on the device have the same bytes. */
struct zn_batch_room {
    uint8_t *pinned;
    uint64_t device;
    size_t cap;
};

/* The launches of a batch: the chunks of each kernel stand together. */
struct zn_launches {
    uint64_t chunks, status; /* device addresses */
    uint32_t n, first[ZN_GPU_N_KERNELS + 1], shared[ZN_GPU_N_KERNELS];
};

/* Where a chunk comes from. */
struct zn_chunk_of {
    const struct zn_archive *archive;
    uint64_t index;
    size_t part; /* of what is loaded: its number */
};

struct zn_batch {
    struct zn_batch_room room;
    size_t used;        /* bytes to copy */
    uint64_t status_at; /* offset of the statuses, which follow what is copied */
    struct zn_launches launches;
    struct zn_gpu_chunk chunk[ZN_BATCH_CHUNKS];
    struct zn_chunk_of from[ZN_BATCH_CHUNKS];
    unsigned n;
    uint64_t original; /* bytes that it stands for */
};

/* Begins an empty batch. */
void zn_batch_begin(struct zn_batch *b, const struct zn_batch_room *room);

enum zn_batch_answer { ZN_BATCH_TAKEN, ZN_BATCH_FULL, ZN_BATCH_HOST /* the host must decode this chunk */ };

/* Reads a chunk, verifies it, and adds it, to be decoded to the address of the launch + dst. */
zipnn_status zn_batch_add(struct zn_batch *b, struct zn_worker *w, const struct zn_chunk_of *from, uint64_t dst,
                          enum zn_batch_answer *answer, zipnn_error *err);

/* Completes what is to be copied: the descriptions of the chunks follow them. Returns the bytes that the device's memory must have; it may be set after this, in
 * room.device, if all addresses were made for device address 0. */
size_t zn_batch_end(struct zn_batch *b);

/* Moves all addresses from device address 0 to room.device. */
void zn_batch_settle(struct zn_batch *b);

/* Copies the batch and launches its kernels; statuses come back to the end of the pinned memory. */
zipnn_status zn_batch_send(const struct zn_driver *d, struct zn_batch *b, uint64_t dst, void *stream, zipnn_error *err);

/* Launches kernels for chunks that are on the device. */
zipnn_status zn_launch(const struct zn_driver *d, const struct zn_launches *l, uint64_t dst, void *stream,
                       zipnn_error *err);

/* Returns a chunk that the device found damaged, or NULL. The stream must have been waited for. */
const struct zn_chunk_of *zn_batch_damaged(const struct zn_batch *b);

#endif
