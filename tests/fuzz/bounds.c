#include "bounds.h"

#include <stdio.h>
#include <stdlib.h>

/* A frame of 20 bytes counts as 1 KiB, and a byte coded by mixing, in chunks within chunks, as 64. */
enum { FREE_WORK = 1 << 30, PER_BYTE_PRESENT = 64, PER_BYTE_RESTORED = 320 };
enum { FREE_MEMORY = 72 << 20, MEMORY_PER_BYTE = 8 };

void zt_bounds_begin(struct zt_bounds *b, const zipnn_ctx *ctx) {
    b->before = zn_engine_toll(&ctx->engine);
    atomic_store(&b->heap.peak, atomic_load(&b->heap.now));
}

static void hold(const char *what, uint64_t found, uint64_t allowed) {
    if (found <= allowed) return;
    fprintf(stderr, "%s: %llu, and %llu are allowed\n", what, (unsigned long long)found, (unsigned long long)allowed);
    abort();
}

void zt_bounds_end(const struct zt_bounds *b, const zipnn_ctx *ctx, uint64_t present, uint64_t original, unsigned n) {
    const struct zn_toll now = zn_engine_toll(&ctx->engine);
    const uint64_t work = now.own - b->before.own + now.referred - b->before.referred;
    hold("work", work, n * (FREE_WORK + PER_BYTE_PRESENT * present + PER_BYTE_RESTORED * original));
    hold("memory", atomic_load(&b->heap.peak), FREE_MEMORY + MEMORY_PER_BYTE * present);
}

uint64_t zt_claimed(const uint8_t *archive, size_t len) {
    uint64_t claimed = 0;
    for (size_t at = 0; at + ZN_LEAST_FRAME <= len; at++) {
        struct zn_frame f;
        if (zn_frame_read(archive + at, ZN_MAX_CHUNK, at, &f, NULL) != ZIPNN_OK || zn_frame_size(&f) > len - at)
            continue;
        claimed += f.orig_len;
    }
    return claimed;
}
