/* The state of some weights: where their tensors are, and the checks of their chunks. */
#ifndef ZN_SYNC_WEIGHTS_H
#define ZN_SYNC_WEIGHTS_H

#include "sync/roster.h"
#include "workers/job.h"

/* What a state is known by. */
struct zn_state {
    uint64_t version;
    uint8_t digest[ZIPNN_DIGEST_LEN];
};

struct zipnn_weights {
    struct zn_roster roster;
    uint8_t *copy;    /* the bytes of all members, if they are its own */
    uint64_t *checks; /* XXH3-64 of each chunk */
    struct zn_state state;
    /* An update that ended early. It leads from `state` to `torn_to`. */
    bool torn;
    uint64_t torn_to;
};

/* Memory of one worker for chunks that change. */
struct zn_sync_room {
    uint8_t *a, *b, *c, *values; /* ZN_SYNC_CHUNK bytes each */
    uint64_t *masks;             /* a bit for each byte of a chunk */
    uint32_t *positions;         /* one for each byte of a chunk */
    uint8_t *body;               /* of a frame that is read; it grows */
    size_t body_cap;
};

/* The memory of all workers. */
struct zn_sync_rooms {
    zipnn_allocator alloc;
    struct zn_sync_room *rooms;
    unsigned n;
    void *memory;
};

/* Prepares the engine, and memory for as many workers as weights of so many bytes are worth. On failure nothing is
 * owned. */
zipnn_status zn_sync_rooms_make(struct zn_sync_rooms *r, struct zn_engine *e, uint64_t bytes, zipnn_error *err);

/* Accepts a zeroed struct. */
void zn_sync_rooms_free(struct zn_sync_rooms *r);

static inline struct zn_sync_room *zn_sync_room_of(const struct zn_sync_rooms *r, const struct zn_worker *w) {
    return &r->rooms[w - w->e->workers];
}

zipnn_status zn_weights_open(const struct zn_job *job, const zipnn_tensor *tensors, size_t n, bool copy,
                             uint64_t version, zipnn_weights **weights, zipnn_error *err);

/* Accepts NULL. */
void zn_weights_close(zipnn_weights *weights);

/* Computes the digest of a list of tensors and of the checks of their chunks. */
void zn_weights_digest(const struct zn_kernels *k, const struct zn_roster *r, const uint64_t *checks,
                       uint8_t digest[ZIPNN_DIGEST_LEN]);

#endif
