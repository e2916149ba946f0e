/* What verifies a chunk just encoded finds every byte that differs, and no fault in damaged ones, whatever they say. */
#include "support/coder.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/unit.h"

enum { MAX_LEN = 140001, N_CHANGED = 60, N_DAMAGED = 300 };

static const struct {
    zipnn_dtype dtype;
    enum zt_sample sample;
} kinds[] = {{ZIPNN_BF16, ZT_BF16},   {ZIPNN_F32, ZT_F32},   {ZIPNN_F16, ZT_F16},
             {ZIPNN_BF16, ZT_RANDOM}, {ZIPNN_BF16, ZT_ZERO}, {ZIPNN_DTYPE_UNKNOWN, ZT_MIXED}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* An encoded chunk, each part of it before a page that must not be touched. */
struct rig {
    struct zn_coder coder;
    struct guard original, body, room;
    uint32_t len, body_len;
};

static void encode(struct rig *r, unsigned kind, uint32_t len) {
    const struct zn_effort effort = zn_effort_of(3);
    const struct zn_chunk_hint hint = {.dtype = kinds[kind].dtype, .head = kind % 2};
    uint8_t *original = guard_high(&r->original, len), *body = malloc(zn_chunk_bound(len));
    uint64_t seed = kind;
    assert_non_null(body);
    memset(original, 'h', hint.head);
    zt_sample(kinds[kind].sample, kind, original + hint.head, len - hint.head);
    if (kinds[kind].dtype == ZIPNN_F32) /* noise below, which the sample leaves empty */
        for (uint32_t i = hint.head; i + 4 <= len; i += 4) zn_put_u16(original + i, (uint16_t)zt_random(&seed));
    r->len = len;
    r->body_len = zn_chunk_encode(&(struct zn_encoder){&r->coder, &effort, hint, original, len}, body);
    memcpy(guard_high(&r->body, r->body_len), body, r->body_len);
    free(body);
}

/* Whether the chunk is found to be what it was made from. */
static bool is_same(struct rig *r) {
    const struct zn_chunk_body body = {.data = guard_high(&r->body, r->body_len), .len = r->body_len};
    bool same = false;
    const struct zn_comparison with = {guard_high(&r->original, r->len), r->len, guard_high(&r->room, r->len), &same};
    return zn_chunk_compare(&r->coder, &body, &with, NULL) == ZIPNN_OK && same;
}

static bool decodes(struct rig *r) {
    const struct zn_chunk_body body = {.data = guard_high(&r->body, r->body_len), .len = r->body_len};
    uint8_t *out = guard_high(&r->room, r->len);
    return zn_chunk_decode(&r->coder, &body, out, r->len, ZN_STORE_CACHED, NULL) == ZIPNN_OK &&
           memcmp(out, guard_high(&r->original, r->len), r->len) == 0;
}

static void check(struct rig *r, uint64_t seed) {
    uint8_t *original = guard_high(&r->original, r->len), *body = guard_high(&r->body, r->body_len);
    assert_true(is_same(r));
    for (unsigned i = 0; i < N_CHANGED; i++) { /* the edges, and anywhere */
        const uint32_t at = i < 8 ? i : i < 16 ? r->len - 1 - (i - 8) : (uint32_t)(zt_random(&seed) % r->len);
        original[at] ^= (uint8_t)(1 << i % 8);
        assert_false(is_same(r));
        original[at] ^= (uint8_t)(1 << i % 8);
    }
    for (unsigned i = 0; i < N_DAMAGED; i++) {
        const uint32_t at = (uint32_t)(zt_random(&seed) % (i % 2 ? ZN_MIN(r->body_len, 100u) : r->body_len));
        const uint8_t change = (uint8_t)(1 + zt_random(&seed) % 255);
        body[at] ^= change;
        assert_int_equal(is_same(r), decodes(r));
        body[at] ^= change;
    }
}

static void every_difference_is_found(void **state) {
    (void)state;
    static const uint32_t lens[] = {64, 70000, MAX_LEN};
    for (unsigned set = 0; zn_kernels_at(set); set++) {
        void *memory;
        struct rig r = {.original = guard_make(MAX_LEN),
                        .body = guard_make(zn_chunk_bound(MAX_LEN)),
                        .room = guard_make(MAX_LEN),
                        .coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory)};
        for (unsigned i = 0; i < N_KINDS * 3; i++) {
            encode(&r, i / 3, lens[i % 3]);
            check(&r, i);
        }
        zt_coder_free(&r.coder, memory);
        guard_free(&r.original);
        guard_free(&r.body);
        guard_free(&r.room);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_difference_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
