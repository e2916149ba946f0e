/* Chunks that were decoded. The cache only bridges the few requests that meet in one chunk: the kernel's page cache
 * keeps what was read. A larger one is slower, since memory touched for the first time costs more than decoding again:
 * sequentially 8 MiB take 160 ms of CPU where 256 MiB take 270. So buffers go round. */
#ifndef ZIPNN_MOUNT_CHUNK_CACHE_H
#define ZIPNN_MOUNT_CHUNK_CACHE_H

#include "archives.h"

enum { N_CHUNK_SLOTS = 256, LEAST_BUFFER = 64 << 10, N_BUFFER_SIZES = 7 };

struct chunk {
    uint64_t serial; /* of the archive; and in it ... */
    uint64_t index;
    zipnn_chunk_info info;
    unsigned char *bytes;
    unsigned size; /* of the buffer: LEAST_BUFFER << size */
    enum { CHUNK_LOADING, CHUNK_READY, CHUNK_FAILED } state;
    unsigned refs;
    struct chunk *next;            /* of its slot */
    struct chunk *older, *younger; /* of those without references */
};

struct chunk_cache {
    struct contexts *contexts;
    pthread_mutex_t lock;
    pthread_cond_t loaded;
    uint64_t most, held; /* bytes of buffers */
    struct chunk *slots[N_CHUNK_SLOTS];
    struct chunk *oldest, *youngest;
    unsigned char *spare[N_BUFFER_SIZES]; /* each begins with a pointer to the next */
};

void chunk_cache_init(struct chunk_cache *cache, struct contexts *contexts, uint64_t most);
void chunk_cache_destroy(struct chunk_cache *cache);

/* Returns a chunk, decoded, or NULL: then it is damaged, and that was said. chunk_put gives it back. The caller holds
 * the archive. */
struct chunk *chunk_get(struct chunk_cache *cache, struct opened *o, uint64_t index);
void chunk_put(struct chunk_cache *cache, struct chunk *chunk);

/* Returns whether a chunk is there, or being decoded. */
bool chunk_is_there(struct chunk_cache *cache, const struct opened *o, uint64_t index);

#endif
