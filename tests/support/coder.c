#include "support/coder.h"

#include <stdlib.h>

#include "support/guard.h"
#include "support/samples.h"
#include "support/unit.h"

struct zn_coder zt_coder_make(const struct zn_kernels *k, uint32_t max_len, void **memory) {
    struct zn_coder coder = {0};
    struct zn_arena arena = {NULL, 0};
    zn_coder_carve(&coder, &arena, max_len, ZN_USE_BOTH);
    *memory = aligned_alloc(64, (arena.used + 63) / 64 * 64);
    assert_non_null(*memory);
    arena = (struct zn_arena){*memory, 0};
    zn_coder_carve(&coder, &arena, max_len, ZN_USE_BOTH);
    assert_int_equal(zn_codec_open(&coder.codec, k, ZN_USE_BOTH, NULL), ZIPNN_OK);
    return coder;
}

void zt_coder_free(struct zn_coder *coder, void *memory) {
    zn_codec_close(&coder->codec);
    free(memory);
}

uint32_t zt_coder_round_trip(struct zn_coder *coder, int level, struct zn_chunk_hint hint, const uint8_t *src,
                             uint32_t len) {
    const struct zn_effort effort = zn_effort_of(level);
    uint8_t *body = malloc(zn_chunk_bound(len)), *in = malloc(len), *out = malloc(len);
    assert_true(body && in && out);
    memcpy(in, src, len);
    const uint32_t body_len = zn_chunk_encode(&(struct zn_encoder){coder, &effort, hint, in, len}, body);
    assert_true(body_len <= len + ZN_CHUNK_LEN + ZN_PLANE_LEN);
    uint8_t *exact = malloc(body_len);
    assert_non_null(exact);
    memcpy(exact, body, body_len);
    const struct zn_chunk_body coded = {.data = exact, .len = body_len};
    assert_int_equal(zn_chunk_decode(coder, &coded, out, len, ZN_STORE_CACHED, NULL), ZIPNN_OK);
    assert_memory_equal(out, src, len);
    free(body);
    free(in);
    free(out);
    free(exact);
    return body_len;
}

void zt_coder_damage(struct zn_coder *coder, const uint8_t *body, uint32_t len, uint32_t orig_len, unsigned n,
                     uint64_t *seed) {
    struct guard in = guard_make(len), to = guard_make(orig_len);
    for (unsigned d = 0; d < n; d++) {
        const uint32_t cut = d % 2 ? len : len - 1 - (uint32_t)(zt_random(seed) % len);
        uint8_t *damaged = guard_high(&in, cut), *out = guard_high(&to, orig_len);
        if (cut) memcpy(damaged, body, cut);
        if (d % 2) damaged[zt_random(seed) % (d % 4 == 1 ? 64 : len)] ^= (uint8_t)(1 + zt_random(seed) % 255);
        const struct zn_chunk_body b = {.data = damaged, .len = cut};
        const zipnn_status s = zn_chunk_decode(coder, &b, out, orig_len, ZN_STORE_CACHED, NULL);
        if (cut < len) assert_int_not_equal(s, ZIPNN_OK);
    }
    guard_free(&in);
    guard_free(&to);
}
