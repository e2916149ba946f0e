#include "chunk_cache.h"

#include <stdlib.h>
#include <string.h>

void chunk_cache_init(struct chunk_cache *cache, struct contexts *contexts, uint64_t most) {
    *cache = (struct chunk_cache){.contexts = contexts, .most = most};
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->loaded, NULL);
}

/* ---- buffers; under the lock */

static uint64_t buffer_len(unsigned size) {
    return (uint64_t)LEAST_BUFFER << size;
}

static unsigned buffer_size(uint64_t len) {
    unsigned size = 0;
    while (size + 1 < N_BUFFER_SIZES && buffer_len(size) < len) size++;
    return size;
}

static unsigned char *take_spare(struct chunk_cache *cache, unsigned size) {
    unsigned char *bytes = cache->spare[size];
    if (bytes) memcpy(&cache->spare[size], bytes, sizeof cache->spare[size]);
    return bytes;
}

static void give_spare(struct chunk_cache *cache, unsigned char *bytes, unsigned size) {
    memcpy(bytes, &cache->spare[size], sizeof cache->spare[size]);
    cache->spare[size] = bytes;
}

/* ---- the lists; under the lock */

static struct chunk **slot_of(struct chunk_cache *cache, uint64_t serial, uint64_t index) {
    const uint64_t mixed = (index + (serial << 20)) * 0x9E3779B97F4A7C15u;
    return &cache->slots[mixed >> 56];
}

static struct chunk *find(struct chunk_cache *cache, uint64_t serial, uint64_t index) {
    struct chunk *c = *slot_of(cache, serial, index);
    while (c && (c->serial != serial || c->index != index)) c = c->next;
    return c;
}

static void age_out(struct chunk_cache *cache, struct chunk *c) {
    *(c->older ? &c->older->younger : &cache->oldest) = c->younger;
    *(c->younger ? &c->younger->older : &cache->youngest) = c->older;
}

static void age_in(struct chunk_cache *cache, struct chunk *c) {
    c->older = cache->youngest;
    c->younger = NULL;
    *(c->older ? &c->older->younger : &cache->oldest) = c;
    cache->youngest = c;
}

/* Removes a chunk that is in no other list than its slot's. */
static void unlist(struct chunk_cache *cache, struct chunk *c) {
    struct chunk **at = slot_of(cache, c->serial, c->index);
    while (*at != c) at = &(*at)->next;
    *at = c->next;
}

/* Forgets a chunk that nobody uses; its buffer becomes spare. */
static void evict(struct chunk_cache *cache, struct chunk *c) {
    age_out(cache, c);
    unlist(cache, c);
    give_spare(cache, c->bytes, c->size);
    free(c);
}

static bool free_a_spare(struct chunk_cache *cache) {
    for (unsigned size = N_BUFFER_SIZES; size-- > 0;) {
        unsigned char *bytes = take_spare(cache, size);
        if (!bytes) continue;
        cache->held -= buffer_len(size);
        free(bytes);
        return true;
    }
    return false;
}

/* Finds a buffer: a spare one of the size, after old chunks were given up as far as there are too many, or a new one.
 * NULL: no memory. */
static unsigned char *take_buffer(struct chunk_cache *cache, unsigned size) {
    unsigned char *bytes = take_spare(cache, size);
    while (!bytes && cache->held + buffer_len(size) > cache->most && cache->oldest) {
        evict(cache, cache->oldest);
        bytes = take_spare(cache, size);
    }
    while (!bytes && cache->held + buffer_len(size) > cache->most && free_a_spare(cache)) continue;
    if (bytes) return bytes;
    bytes = aligned_alloc(4096, (size_t)buffer_len(size));
    if (bytes) cache->held += buffer_len(size);
    return bytes;
}

void chunk_cache_destroy(struct chunk_cache *cache) {
    while (cache->oldest) evict(cache, cache->oldest);
    while (free_a_spare(cache)) continue;
    pthread_mutex_destroy(&cache->lock);
    pthread_cond_destroy(&cache->loaded);
}

/* ---- chunks */

/* Adds a chunk that the caller will load. NULL: no memory. */
static struct chunk *begin(struct chunk_cache *cache, const struct opened *o, uint64_t index,
                           const zipnn_chunk_info *info) {
    struct chunk *c = malloc(sizeof *c);
    if (!c) return NULL;
    *c = (struct chunk){.serial = o->serial,
                        .index = index,
                        .info = *info,
                        .size = buffer_size(info->length),
                        .state = CHUNK_LOADING,
                        .refs = 1};
    c->bytes = take_buffer(cache, c->size);
    if (!c->bytes) {
        free(c);
        return NULL;
    }
    struct chunk **slot = slot_of(cache, o->serial, index);
    c->next = *slot;
    *slot = c;
    return c;
}

/* Gives up a reference. What failed is forgotten with the last one, so that a later read tries again. */
static void put(struct chunk_cache *cache, struct chunk *c) {
    if (--c->refs) return;
    age_in(cache, c);
    if (c->state == CHUNK_FAILED || cache->held > cache->most) evict(cache, c);
    while (cache->held > cache->most && free_a_spare(cache)) continue;
}

/* Returns with the lock. */
static void load(struct chunk_cache *cache, struct opened *o, struct chunk *c) {
    zipnn_error err;
    const bool ok = opened_read(o, cache->contexts, c->info.offset, c->info.length, c->bytes, &err) == ZIPNN_OK;
    if (!ok) opened_report(o, c->index, &err);
    pthread_mutex_lock(&cache->lock);
    c->state = ok ? CHUNK_READY : CHUNK_FAILED;
    pthread_cond_broadcast(&cache->loaded);
}

struct chunk *chunk_get(struct chunk_cache *cache, struct opened *o, uint64_t index) {
    zipnn_chunk_info info;
    if (zipnn_archive_chunk(o->archive, index, &info, NULL) != ZIPNN_OK) return NULL;
    pthread_mutex_lock(&cache->lock);
    struct chunk *c = find(cache, o->serial, index);
    if (c) {
        if (c->refs++ == 0) age_out(cache, c);
        while (c->state == CHUNK_LOADING) pthread_cond_wait(&cache->loaded, &cache->lock);
    } else {
        c = begin(cache, o, index, &info);
        pthread_mutex_unlock(&cache->lock);
        if (!c) return NULL;
        load(cache, o, c);
    }
    if (c->state == CHUNK_FAILED) {
        put(cache, c);
        c = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    return c;
}

void chunk_put(struct chunk_cache *cache, struct chunk *c) {
    pthread_mutex_lock(&cache->lock);
    put(cache, c);
    pthread_mutex_unlock(&cache->lock);
}

bool chunk_is_there(struct chunk_cache *cache, const struct opened *o, uint64_t index) {
    pthread_mutex_lock(&cache->lock);
    const bool there = find(cache, o->serial, index) != NULL;
    pthread_mutex_unlock(&cache->lock);
    return there;
}
