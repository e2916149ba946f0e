/* Level 6: floats whose upper bits of mantissa are coded given the exponent come back from every kernel set, the bytes
 * are the same from each and never more than at level 3; damage is an error or other bytes, never a fault. */
#include "support/coder.h"
#include "support/samples.h"
#include "support/unit.h"

enum { MAX_LEN = 140001, N_DAMAGED = 400 };

static const struct {
    zipnn_dtype dtype;
    enum zt_sample sample;
    uint8_t inner;
} kinds[] = {
    {ZIPNN_BF16, ZT_BF16, ZN_LAYOUT_16R}, {ZIPNN_F16, ZT_F16, ZN_LAYOUT_F16}, {ZIPNN_F32, ZT_F32, ZN_LAYOUT_32R}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* Floats; those of 32 bits get noise for their lower half, which the sample leaves empty. */
static void fill(unsigned kind, uint64_t seed, uint8_t *data, uint32_t len) {
    const uint32_t head = len % 2;
    memset(data, 'h', head);
    zt_sample(kinds[kind].sample, seed, data + head, len - head);
    if (kinds[kind].dtype != ZIPNN_F32) return;
    for (uint32_t i = head; i + 4 <= len; i += 4) zn_put_u16(data + i, (uint16_t)zt_random(&seed));
}

/* The length of a body without joint symbols, which compete with upper bits given the exponent. */
static uint32_t encode(struct zn_coder *coder, int level, struct zn_chunk_hint hint, const uint8_t *data, uint32_t len,
                       uint8_t *body) {
    struct zn_effort effort = zn_effort_of(level);
    effort.readers = 100; /* which know no joint symbols */
    return zn_chunk_encode(&(struct zn_encoder){coder, &effort, hint, data, len}, body);
}

static void floats_come_back_and_take_less(void **state) {
    (void)state;
    static const uint32_t lens[] = {64, 301, 4096, 65539, MAX_LEN};
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body);
    for (unsigned i = 0; i < N_KINDS * 5; i++) {
        const unsigned kind = i / 5;
        const uint32_t len = lens[i % 5];
        uint32_t first = 0;
        fill(kind, i, data, len);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            const struct zn_chunk_hint hint = {.dtype = kinds[kind].dtype, .head = len % 2};
            const uint32_t usual = zt_coder_round_trip(&coder, 3, hint, data, len);
            const uint32_t high = zt_coder_round_trip(&coder, 6, hint, data, len);
            assert_true(high <= usual);
            if (len == MAX_LEN)
                assert_true(encode(&coder, 6, hint, data, len, body) < encode(&coder, 3, hint, data, len, body));
            if (set == 0) first = high;
            assert_int_equal(high, first);
            zt_coder_free(&coder, memory);
        }
    }
    free(data);
    free(body);
}

static void every_sample_comes_back_under_any_label(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN);
    void *memory;
    assert_non_null(data);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    for (int sample = 0; sample < ZT_N_SAMPLES; sample++)
        for (unsigned kind = 0; kind < N_KINDS; kind++) {
            const struct zn_chunk_hint hint = {.dtype = kinds[kind].dtype, .head = kind % 2};
            const uint32_t len = 40000 + (uint32_t)sample;
            zt_sample((enum zt_sample)sample, kind, data, len);
            assert_true(zt_coder_round_trip(&coder, 6, hint, data, len) <=
                        zt_coder_round_trip(&coder, 3, hint, data, len));
        }
    zt_coder_free(&coder, memory);
    free(data);
}

static void damage_is_no_fault(void **state) {
    (void)state;
    enum { LEN = MAX_LEN & ~3 };
    uint8_t *data = malloc(LEN), *body = malloc(zn_chunk_bound(LEN));
    void *memory;
    assert_true(data && body);
    for (unsigned kind = 0; kind < N_KINDS; kind++) {
        struct zn_coder coder = zt_coder_make(zn_kernels_at(0), LEN, &memory);
        uint64_t seed = kind;
        fill(kind, kind, data, LEN);
        const uint32_t len = encode(&coder, 6, (struct zn_chunk_hint){.dtype = kinds[kind].dtype}, data, LEN, body);
        assert_true(body[1] == ZN_LAYOUT_TOPS && body[ZN_CHUNK_LEN] == kinds[kind].inner);
        zt_coder_damage(&coder, body, len, LEN, N_DAMAGED, &seed);
        zt_coder_free(&coder, memory);
    }
    free(data);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_come_back_and_take_less),
        cmocka_unit_test(every_sample_comes_back_under_any_label),
        cmocka_unit_test(damage_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
