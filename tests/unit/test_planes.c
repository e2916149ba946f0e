/* Planes that are less than random in a way of their own take what they should, by every kernel set, and come back. */
#include "codec/codec.h"
#include "support/samples.h"
#include "support/unit.h"

enum { MAX_LEN = 70000 };

static struct zn_codec make_codec(const struct zn_kernels *k, void **memory) {
    struct zn_codec codec = {0};
    struct zn_arena arena = {NULL, 0};
    zn_codec_carve(&codec, &arena, MAX_LEN, ZN_USE_BOTH);
    *memory = aligned_alloc(64, (arena.used + 63) / 64 * 64);
    assert_non_null(*memory);
    arena = (struct zn_arena){*memory, 0};
    zn_codec_carve(&codec, &arena, MAX_LEN, ZN_USE_BOTH);
    assert_int_equal(zn_codec_open(&codec, k, ZN_USE_BOTH, NULL), ZIPNN_OK);
    return codec;
}

/* Codes and decodes a plane of exactly its size in memory; returns the codec. */
static enum zn_codec_id round_trip(struct zn_codec *codec, const uint8_t *src, size_t n, size_t *coded_len) {
    uint8_t *plane = malloc(n), *coded = malloc(n), *out = malloc(n);
    struct zn_survey survey;
    assert_true(plane && coded && out);
    memcpy(plane, src, n);
    struct zn_out to = zn_out_of(coded, n);
    const struct zn_effort effort = zn_effort_of(3);
    zn_stream_survey(codec, plane, n, &survey);
    const enum zn_codec_id id = zn_stream_encode(codec, 0, &effort, &survey, plane, n, &to);
    uint8_t *exact = malloc(zn_out_len(&to));
    assert_non_null(exact);
    memcpy(exact, coded, *coded_len = zn_out_len(&to));
    const struct zn_coded in = {(uint8_t)id, exact, *coded_len, 0};
    assert_int_equal(zn_stream_decode(codec, 0, &in, out, n, NULL), ZIPNN_OK);
    assert_memory_equal(out, plane, n);
    free(plane);
    free(coded);
    free(out);
    free(exact);
    return id;
}

/* Whatever bits vary, k of them cost k bits. */
static void constant_bits_cost_nothing(void **state) {
    (void)state;
    static const uint8_t masks[] = {0x01, 0x80, 0xFE, 0x7F, 0xAA, 0x3C, 0xFD};
    static const size_t lengths[] = {200, 4096, 4097, 9999, MAX_LEN};
    uint8_t *plane = malloc(MAX_LEN);
    assert_non_null(plane);
    for (unsigned set = 0; zn_kernels_at(set); set++) {
        void *memory;
        struct zn_codec codec = make_codec(zn_kernels_at(set), &memory);
        for (size_t m = 0; m < sizeof masks; m++)
            for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
                const size_t n = lengths[l];
                size_t len;
                zt_sample(ZT_RANDOM, m + l, plane, n);
                for (size_t i = 0; i < n; i++) plane[i] = (uint8_t)((plane[i] & masks[m]) | (0x42 & ~masks[m]));
                round_trip(&codec, plane, n, &len);
                assert_true(len <= n * (unsigned)__builtin_popcount(masks[m]) / 8 + n / 100 + 3);
            }
        zn_codec_close(&codec);
        free(memory);
    }
    free(plane);
}

/* One byte that breaks the rule, where no sample sees it, must come back too. */
static void a_rare_exception_comes_back(void **state) {
    (void)state;
    uint8_t *plane = malloc(MAX_LEN);
    void *memory;
    struct zn_codec codec = make_codec(zn_kernels_at(0), &memory);
    assert_non_null(plane);
    for (size_t at = 0; at < MAX_LEN; at += 6007) {
        size_t len;
        zt_sample(ZT_RANDOM, at, plane, MAX_LEN);
        for (size_t i = 0; i < MAX_LEN; i++) plane[i] &= 0xFE;
        plane[at] |= 1;
        round_trip(&codec, plane, MAX_LEN, &len);
    }
    zn_codec_close(&codec);
    free(memory);
    free(plane);
}

static void every_set_packs_alike(void **state) {
    (void)state;
    enum { GROUPS = 300 };
    uint8_t src[8 * GROUPS], packed[8 * GROUPS], expected[8 * GROUPS], back[8 * GROUPS];
    zt_sample(ZT_RANDOM, 3, src, sizeof src);
    for (unsigned set = 0; zn_kernels_at(set); set++)
        for (unsigned mask = 0; mask < 256; mask++)
            for (size_t n = 0; n <= GROUPS; n += n < 20 ? 1 : 280) {
                const size_t len = n * (unsigned)__builtin_popcount(mask);
                memset(packed, 0xEE, sizeof packed);
                memset(back, 0xEE, sizeof back);
                zn_kernels_scalar.pack_bits(src, n, (uint8_t)mask, expected);
                zn_kernels_at(set)->pack_bits(src, n, (uint8_t)mask, packed);
                assert_memory_equal(packed, expected, len);
                if (len < sizeof packed) assert_int_equal(packed[len], 0xEE);
                zn_kernels_at(set)->unpack_bits(packed, n, (uint8_t)mask, (uint8_t)~mask, back);
                for (size_t i = 0; i < 8 * n; i++) assert_int_equal(back[i], (src[i] & mask) | (uint8_t)~mask);
                if (8 * n < sizeof back) assert_int_equal(back[8 * n], 0xEE);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_bits_cost_nothing),
        cmocka_unit_test(a_rare_exception_comes_back),
        cmocka_unit_test(every_set_packs_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
