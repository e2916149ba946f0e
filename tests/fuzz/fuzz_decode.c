/* Any bytes as the body of a chunk, and as each codec's stream: an error or success, the same from every kernel set. */
#include <stdlib.h>
#include <string.h>

#include "chunk/chunk.h"

enum { MAX_ORIGINAL = 1 << 16, MAX_SETS = 4, PREFIX = 3 };

struct decoder {
    const struct zn_kernels *kernels;
    struct zn_coder coder;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t make_decoders(struct decoder *decoders) {
    size_t n = 0;
    for (unsigned i = 0; n < MAX_SETS && zn_kernels_at(i); i++, n++) {
        struct decoder *d = &decoders[n];
        struct zn_arena arena = {NULL, 0};
        zn_coder_carve(&d->coder, &arena, MAX_ORIGINAL, ZN_USE_DECODE);
        arena = (struct zn_arena){aligned_alloc(64, arena.used), 0};
        if (!arena.base) abort();
        zn_coder_carve(&d->coder, &arena, MAX_ORIGINAL, ZN_USE_DECODE);
        d->kernels = zn_kernels_at(i);
        if (zn_codec_open(&d->coder.codec, d->kernels, ZN_USE_DECODE, NULL) != ZIPNN_OK) abort();
    }
    return n;
}

/* Memory with nothing to touch behind it. */
static uint8_t *room(size_t len) {
    uint8_t *p = malloc(len ? len : 1);
    if (!p) abort();
    return p;
}

/* Byte 0 and 1: original length - 1. Byte 2: 0 for a chunk, else a stream of codec byte - 1. The rest is coded. */
static zipnn_status decode(struct decoder *d, const uint8_t *data, const uint8_t *coded, size_t len, uint8_t *out) {
    const uint32_t orig_len = zn_get_u16(data) + 1u;
    const struct zn_chunk_body body = {.data = coded, .len = len};
    const struct zn_coded stream = {(uint8_t)(data[2] - 1), coded, len, 0};
    if (data[2] == 0) return zn_chunk_decode(&d->coder, &body, out, orig_len, ZN_STORE_CACHED, NULL);
    return zn_stream_decode(&d->coder.codec, 0, &stream, out, orig_len, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static struct decoder decoders[MAX_SETS];
    static size_t n_decoders;
    if (n_decoders == 0) n_decoders = make_decoders(decoders);
    if (len < PREFIX) return 0;
    const size_t orig_len = zn_get_u16(data) + 1u;
    uint8_t *coded = room(len - PREFIX), *first = room(orig_len), *out = room(orig_len);
    memcpy(coded, data + PREFIX, len - PREFIX);
    const zipnn_status expected = decode(&decoders[0], data, coded, len - PREFIX, first);
    for (size_t i = 1; i < n_decoders; i++) {
        if (decode(&decoders[i], data, coded, len - PREFIX, out) != expected) abort();
        if (expected == ZIPNN_OK && memcmp(out, first, orig_len) != 0) abort();
    }
    free(coded);
    free(first);
    free(out);
    return 0;
}
