/* Integers times scales, stored as bf16 or fp16, are found, whatever the groups; what is no such thing stays what it
 * is; products are rounded as floats are; damage is an error or other bytes, never a fault. */
#include "base/bytes.h"
#include "chunk/scaled.h"
#include "support/coder.h"
#include "support/samples.h"
#include "support/unit.h"

enum { N = 50000, MAX_LEN = 2 * N + 2, N_DAMAGED = 400 };

/* Scales with a mantissa of 24 bits; signs of zeros too. */
static void fill(bool is_f16, unsigned most, uint32_t group, uint64_t seed, uint8_t *data) {
    uint32_t scale = 0;
    for (size_t i = 0; i < N; i++) {
        const uint64_t r = zt_random(&seed);
        if (i % group == 0) scale = 0x3a000000 + (uint32_t)(r >> 20 & 0xffffff);
        const unsigned q = (unsigned)((r & 255) * (r >> 8 & 255) % (most + 1));
        zn_put_u16(data + 2 * i, (uint16_t)(zn_scaled_product(q, scale, is_f16) | (r >> 50 & 1) << 15));
    }
}

static void integers_are_found(void **state) {
    (void)state;
    static const struct {
        unsigned most;
        uint32_t group, percent;
    } cases[] = {{127, 256, 55}, {127, 128, 58}, {7, 128, 28}, {7, 32, 34}, {1, 64, 20}};
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body);
    for (unsigned set = 0; zn_kernels_at(set); set++)
        for (unsigned i = 0; i < 20; i++) {
            const unsigned c = i % 5, head = i / 5 % 2;
            const bool is_f16 = i >= 10;
            const struct zn_chunk_hint hint = {.dtype = is_f16 ? ZIPNN_F16 : ZIPNN_BF16, .head = head};
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            struct zn_effort older = zn_effort_of(3);
            data[0] = 'h';
            fill(is_f16, cases[c].most, cases[c].group, i, data + head);
            zt_sample(ZT_RANDOM, i, data + head + 2 * 9 * 256, 512); /* a group without a scale */
            const uint32_t len = 2 * N + head;
            for (int level = 1; level <= 9; level += 4) {
                const uint32_t got = zt_coder_round_trip(&coder, level, hint, data, len);
                assert_true(got < len * cases[c].percent / 100);
            }
            assert_true(zn_chunk_encode(&(struct zn_encoder){&coder, &older, hint, data, len}, body) > 0);
            assert_int_equal(body[1], ZN_LAYOUT_SCALED);
            older.readers = 100;
            assert_true(zn_chunk_encode(&(struct zn_encoder){&coder, &older, hint, data, len}, body) > 0);
            assert_int_not_equal(body[1], ZN_LAYOUT_SCALED);
            zt_coder_free(&coder, memory);
        }
    free(data);
    free(body);
}

static void other_floats_come_back(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN);
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    assert_non_null(data);
    for (unsigned sample = 0; sample < ZT_N_SAMPLES; sample++)
        for (unsigned i = 0; i < 2; i++) {
            zt_sample((enum zt_sample)sample, i, data, MAX_LEN);
            zt_coder_round_trip(&coder, 3, (struct zn_chunk_hint){.dtype = i ? ZIPNN_F16 : ZIPNN_BF16}, data, 9001);
        }
    zt_coder_free(&coder, memory);
    free(data);
}

static void products_are_those_of_floats(void **state) {
    (void)state;
    static const struct {
        unsigned q;
        uint32_t scale;
        uint16_t bf16, f16;
    } cases[] = {{0, 0x3f800000, 0, 0},           {1, 0x3f800000, 0x3f80, 0x3c00}, {3, 0x3f800000, 0x4040, 0x4200},
                 {1, 0x3f808000, 0x3f80, 0x3c04}, {1, 0x3f818000, 0x3f82, 0x3c0c}, {127, 0x7f7fffff, 0x7f80, 0x7c00},
                 {1, 0x477fefff, 0x4780, 0x7bff}, {1, 0x477ff000, 0x4780, 0x7c00}, {1, 0x33800000, 0x3380, 0x0001},
                 {1, 0x33000000, 0x3300, 0x0000}, {1, 0x33000001, 0x3300, 0x0001}, {3, 0x33000000, 0x33c0, 0x0002},
                 {1, 0x387fe000, 0x3880, 0x0400}, {1, 0x00000001, 0x0000, 0x0000}, {127, 0x007fffff, 0x03fe, 0x0000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(zn_scaled_product(cases[i].q, cases[i].scale, false), cases[i].bf16);
        assert_int_equal(zn_scaled_product(cases[i].q, cases[i].scale, true), cases[i].f16);
    }
}

static void damage_is_no_fault(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    const struct zn_effort effort = zn_effort_of(3);
    uint64_t seed = 4;
    assert_true(data && body);
    fill(false, 127, 128, 1, data);
    zt_sample(ZT_RANDOM, 1, data, 512);
    const uint32_t orig_len = 2 * N;
    const struct zn_encoder e = {&coder, &effort, {.dtype = ZIPNN_BF16}, data, orig_len};
    const uint32_t len = zn_chunk_encode(&e, body);
    assert_int_equal(body[1], ZN_LAYOUT_SCALED);
    zt_coder_damage(&coder, body, len, orig_len, N_DAMAGED, &seed);
    zt_coder_free(&coder, memory);
    free(data);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_found),
        cmocka_unit_test(other_floats_come_back),
        cmocka_unit_test(products_are_those_of_floats),
        cmocka_unit_test(damage_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
