/* Any bytes, compressed and restored: the same bytes again, from every kernel set the same archive. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "plan/dtype.h"
#include "zipnn/zipnn.h"

enum { PREFIX = 3, MAX_LEN = 1 << 20, MAX_SETS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t *room(size_t len) {
    uint8_t *p = malloc(len ? len : 1);
    if (!p) abort();
    return p;
}

/* Input that is too short for threads and models to matter is repeated, with a few bits changed each time. */
static uint8_t *stretch(const uint8_t *data, size_t len, unsigned times) {
    uint8_t *p = room(len * times);
    for (unsigned i = 0; i < times; i++) {
        memcpy(p + i * len, data, len);
        if (len) p[i * len + i * 7919 % len] ^= (uint8_t)(i * 37);
    }
    return p;
}

/* Compresses with one kernel set and restores with it; the archive is the caller's. */
static size_t round_trip(zipnn_options options, const uint8_t *original, size_t len, uint8_t *archive, size_t bound) {
    zipnn_ctx *ctx;
    size_t archive_len, restored_len;
    uint8_t *restored = room(len);
    if (zipnn_create(&options, &ctx, NULL) != ZIPNN_OK) abort();
    if (zipnn_compress(ctx, original, len, archive, bound, &archive_len, NULL) != ZIPNN_OK) abort();
    if (zipnn_decompress(ctx, archive, archive_len, restored, len, &restored_len, NULL) != ZIPNN_OK) abort();
    if (restored_len != len || memcmp(restored, original, len) != 0) abort();
    zipnn_destroy(ctx);
    free(restored);
    return archive_len;
}

static bool has_cpu(zipnn_cpu cpu) {
    const zipnn_options options = {.size = sizeof options, .cpu = cpu};
    zipnn_ctx *ctx;
    if (zipnn_create(&options, &ctx, NULL) != ZIPNN_OK) return false;
    zipnn_destroy(ctx);
    return true;
}

/* Byte 0: dtype. Byte 1: level. Byte 2: how often the rest is repeated. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len < PREFIX || len > 4096) return 0;
    const unsigned times = 1u + (data[2] < 200 ? data[2] / 16u : data[2]);
    const size_t original_len = (len - PREFIX) * times;
    const size_t bound = (size_t)zipnn_compress_bound(original_len);
    uint8_t *original = stretch(data + PREFIX, len - PREFIX, times), *archive = room(bound), *first = room(bound);
    size_t n = 0;
    for (int cpu = ZIPNN_CPU_SCALAR; cpu <= ZIPNN_CPU_NEON; cpu++) {
        if (!has_cpu((zipnn_cpu)cpu)) continue;
        const zipnn_options options = {.size = sizeof options,
                                       .dtype = (zipnn_dtype)(data[0] % ZN_N_DTYPES),
                                       .level = data[1] % 10,
                                       .cpu = (zipnn_cpu)cpu};
        size_t got = round_trip(options, original, original_len, archive, bound);
        if (cpu == ZIPNN_CPU_SCALAR) memcpy(first, archive, n = got);
        if (got != n || memcmp(first, archive, n) != 0) abort();
    }
    free(original);
    free(archive);
    free(first);
    return 0;
}
