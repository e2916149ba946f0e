/* Any bytes as a delta and its reference: an error or success, the same from every kernel set. And any two runs of
 * bytes as a chunk and its reference: what is encoded comes back. */
#include <stdlib.h>
#include <string.h>

#include "delta/delta.h"

enum { MAX_ORIGINAL = 1 << 14, MAX_SETS = 4, PREFIX = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t make_coders(struct zn_coder *coders) {
    size_t n = 0;
    for (; n < MAX_SETS && zn_kernels_at((unsigned)n); n++) {
        struct zn_arena arena = {NULL, 0};
        zn_coder_carve(&coders[n], &arena, MAX_ORIGINAL, ZN_USE_BOTH);
        arena = (struct zn_arena){aligned_alloc(64, (arena.used + 63) / 64 * 64), 0};
        if (!arena.base) abort();
        zn_coder_carve(&coders[n], &arena, MAX_ORIGINAL, ZN_USE_BOTH);
        if (zn_codec_open(&coders[n].codec, zn_kernels_at((unsigned)n), ZN_USE_BOTH, NULL) != ZIPNN_OK) abort();
    }
    return n;
}

/* A copy with nothing to touch behind it. */
static uint8_t *copy(const uint8_t *data, size_t len) {
    uint8_t *p = malloc(len ? len : 1);
    if (!p) abort();
    if (len) memcpy(p, data, len);
    return p;
}

static void check_decode(struct zn_coder *coders, size_t n, const uint8_t *ref, uint32_t len, const uint8_t *coded,
                         size_t coded_len, const uint8_t *expected) {
    const struct zn_chunk_body body = {.data = coded, .len = coded_len};
    uint8_t *first = copy(ref, len), *out = copy(ref, len);
    const zipnn_status status =
        zn_delta_decode(&coders[0], &body, (struct zn_delta_reference){ref, len}, first, ZN_STORE_CACHED, NULL);
    if (expected && (status != ZIPNN_OK || memcmp(first, expected, len) != 0)) abort();
    for (size_t i = 1; i < n; i++) {
        if (zn_delta_decode(&coders[i], &body, (struct zn_delta_reference){ref, len}, out, ZN_STORE_CACHED, NULL) !=
            status)
            abort();
        if (status == ZIPNN_OK && memcmp(out, first, len) != 0) abort();
    }
    free(first);
    free(out);
}

static void check_encode(struct zn_coder *coders, size_t n, struct zn_chunk_hint hint, const uint8_t *ref,
                         const uint8_t *src, uint32_t len) {
    const struct zn_effort effort = zn_effort_of(3);
    uint8_t *coded = malloc(zn_chunk_bound(len));
    if (!coded) abort();
    const uint32_t got = zn_delta_encode(&(struct zn_encoder){&coders[0], &effort, hint, src, len}, ref, coded);
    if (got) check_decode(coders, n, ref, len, coded, got, src);
    free(coded);
}

/* Bytes 0 and 1: length of the reference. Byte 2: what the rest is. Byte 3: dtype. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static struct zn_coder coders[MAX_SETS];
    static size_t n_coders;
    if (n_coders == 0) n_coders = make_coders(coders);
    if (len < PREFIX) return 0;
    const size_t rest = len - PREFIX, ref_len = ZN_MIN(ZN_MIN(zn_get_u16(data), (size_t)MAX_ORIGINAL), rest);
    uint8_t *ref = copy(data + PREFIX, ref_len);
    if (data[2] % 2 == 0) {
        uint8_t *coded = copy(data + PREFIX + ref_len, rest - ref_len);
        check_decode(coders, n_coders, ref, (uint32_t)ref_len, coded, rest - ref_len, NULL);
        free(coded);
    } else if (ref_len > 0) {
        uint8_t *src = copy(ref, ref_len);
        memcpy(src, data + PREFIX + ref_len, ZN_MIN(rest - ref_len, ref_len));
        const struct zn_chunk_hint hint = {.dtype = (zipnn_dtype)(data[3] % 20), .head = data[2] / 2 % 4};
        check_encode(coders, n_coders, hint, ref, src, (uint32_t)ref_len);
        free(src);
    }
    free(ref);
    return 0;
}
