/* Blocks of quantised weights: every type, whatever its bytes and wherever they begin, comes back; what should shrink
 * does; a table of fields that breaks a rule is refused. */
#include <stdio.h>

#include "base/bytes.h"
#include "chunk/records.h"
#include "plan/dtype.h"
#include "support/coder.h"
#include "support/samples.h"
#include "support/unit.h"

enum { MAX_LEN = 70000 };

static uint32_t round_trip(struct zn_coder *coder, zipnn_dtype dtype, unsigned head, const uint8_t *src, uint32_t len) {
    return zt_coder_round_trip(coder, 3, (struct zn_chunk_hint){.dtype = dtype, .head = head}, src, len);
}

static void every_type_has_a_record_of_its_size(void **state) {
    (void)state;
    for (unsigned i = 0; i < ZN_N_DTYPES; i++) {
        const struct zn_record r = zn_record_of_dtype((zipnn_dtype)i);
        assert_int_equal(zn_record_width(&r), zn_dtype_elements((zipnn_dtype)i) ? zn_dtype_word((zipnn_dtype)i) : 0);
        assert_true(zn_record_planes(&r) <= ZN_MAX_PLANES);
    }
}

static void any_bytes_come_back(void **state) {
    (void)state;
    static const uint32_t lengths[] = {1, 17, 300, 2000, MAX_LEN};
    static const unsigned heads[] = {0, 1, 255, 291};
    uint8_t *data = malloc(MAX_LEN);
    assert_non_null(data);
    for (unsigned k = 0; zn_kernels_at(k); k++) {
        void *memory;
        struct zn_coder coder = zt_coder_make(zn_kernels_at(k), MAX_LEN, &memory);
        for (unsigned sample = 0; sample < ZT_N_SAMPLES; sample++) {
            zt_sample((enum zt_sample)sample, 1, data, MAX_LEN);
            for (unsigned d = ZIPNN_F8_E4M3; d < ZN_N_DTYPES; d++)
                for (unsigned l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
                    const unsigned head = heads[(d + l) % 4] % zn_dtype_word((zipnn_dtype)d);
                    round_trip(&coder, (zipnn_dtype)d, head, data, lengths[l]);
                }
        }
        zt_coder_free(&coder, memory);
    }
    free(data);
}

/* Sums of random numbers: 0 .. 15, mostly in the middle. */
static unsigned middling(uint64_t *state) {
    const uint64_t r = zt_random(state);
    return (unsigned)((r & 3) + (r >> 8 & 3) + (r >> 16 & 3) + (r >> 24 & 3) + (r >> 32 & 3)) & 15;
}

static void what_is_not_random_shrinks(void **state) {
    (void)state;
    enum { BLOCKS = 3000, BLOCK = 18 };
    uint8_t *data = malloc(BLOCKS * BLOCK);
    uint64_t seed = 5;
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    assert_non_null(data);
    for (size_t i = 0; i < BLOCKS; i++) {
        data[i * BLOCK] = (uint8_t)zt_random(&seed);
        data[i * BLOCK + 1] = (uint8_t)(20 + middling(&seed) / 4);
        for (size_t j = 2; j < BLOCK; j++) data[i * BLOCK + j] = (uint8_t)(middling(&seed) | middling(&seed) << 4);
    }
    const uint32_t len = round_trip(&coder, ZIPNN_Q4_0, 0, data, BLOCKS * BLOCK);
    assert_true(len < BLOCKS * BLOCK * 85 / 100);
    assert_true(len < round_trip(&coder, ZIPNN_U8, 0, data, BLOCKS * BLOCK));
    zt_coder_free(&coder, memory);
    free(data);
}

/* Bytes of each kind, whose tensors fill a chunk, take less than their own entropy allows zstd, and come back. */
static void bytes_of_every_type_shrink(void **state) {
    (void)state;
    static const struct {
        zipnn_dtype dtype;
        unsigned percent;
    } cases[] = {
        {ZIPNN_F8_E4M3, 90}, {ZIPNN_F8_E4M3FNUZ, 90}, {ZIPNN_F8_E5M2, 90},       {ZIPNN_F8_E5M2FNUZ, 90},
        {ZIPNN_I8, 90},      {ZIPNN_U8, 90},          {ZIPNN_DTYPE_UNKNOWN, 90},
    };
    uint8_t *data = malloc(MAX_LEN);
    uint64_t seed = 11;
    assert_non_null(data);
    for (unsigned set = 0; zn_kernels_at(set); set++) {
        void *memory;
        struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
        for (unsigned c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            /* The size of the numbers changes from one row to the next. */
            for (size_t i = 0; i < MAX_LEN; i++) {
                const int size = (int)middling(&seed) * 3 + (int)middling(&seed) + (int)(i >> 11 & 3) * 8;
                data[i] = (uint8_t)((unsigned)ZN_MIN(size, 127) | (unsigned)(zt_random(&seed) & 128));
            }
            for (uint32_t len = MAX_LEN - 3; len > 2000; len = len * 3 / 4)
                assert_true(round_trip(&coder, cases[c].dtype, 0, data, len) <= len / 100 * cases[c].percent);
        }
        zt_coder_free(&coder, memory);
    }
    free(data);
}

/* Of fp8 whose mantissas are even, the low bits are packed and the exponent with the top bit is coded, which restores
 * fast. Mantissas that follow from the exponent are coded given it. */
static void fp8_is_packed_where_that_is_as_small(void **state) {
    (void)state;
    enum { N = 1 << 17, LOW_CODEC = 8, RECORDS_FIELD = 5 };
    uint8_t *data = malloc(N), *body = malloc(zn_chunk_bound(N));
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), N, &memory);
    const struct zn_effort effort = zn_effort_of(ZIPNN_LEVEL_DEFAULT);
    const struct zn_chunk_hint hint = {.dtype = ZIPNN_F8_E4M3};
    uint64_t seed = 5;
    assert_non_null(data);
    assert_non_null(body);
    for (unsigned depends = 0; depends < 2; depends++) {
        for (size_t i = 0; i < N; i++) {
            const unsigned exponent = middling(&seed) & 15, noise = (unsigned)zt_random(&seed);
            data[i] = (uint8_t)((noise & 0x80) | exponent << 3 | (depends ? exponent & 7 : noise & 7));
        }
        zn_chunk_encode(&(struct zn_encoder){&coder, &effort, hint, data, N}, body);
        assert_int_equal(body[1], ZN_LAYOUT_RECORDS);
        assert_int_equal(body[RECORDS_FIELD], ZN_FIELD_E5);
        assert_int_equal(body[LOW_CODEC] == ZN_CODEC_BITS, !depends);
        round_trip(&coder, ZIPNN_F8_E4M3, 0, data, N);
    }
    zt_coder_free(&coder, memory);
    free(body);
    free(data);
}

/* The top bit of the mantissa of E5M2 is coded with the exponent, but not for readers of version 1.0, nor where that makes
 * more symbols than a table lists. */
static void e5m2_joins_exponent_and_top_bit(void **state) {
    (void)state;
    enum { N = 1 << 16, RECORDS_FIELD = 5 };
    uint8_t *data = malloc(N), *body = malloc(zn_chunk_bound(N));
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), N, &memory);
    struct zn_effort effort = zn_effort_of(ZIPNN_LEVEL_DEFAULT);
    const struct zn_chunk_hint hint = {.dtype = ZIPNN_F8_E5M2};
    uint64_t seed = 6;
    uint32_t len[2];
    assert_true(data && body);
    for (unsigned many = 0; many < 2; many++) {
        for (size_t i = 0; i < N; i++) { /* the greater the exponent, the rarer the top bit */
            const unsigned exponent = 8 + middling(&seed) / (many ? 1 : 3), noise = (unsigned)zt_random(&seed);
            const unsigned top = (noise >> 8 & 15) < (many ? 8 : 31 - 2 * exponent);
            data[i] = (uint8_t)((noise & 0x80) | exponent << 2 | top << 1 | (noise & 1));
        }
        for (unsigned older = 0; older < 2; older++) {
            effort.readers = older ? 100 : 101;
            len[older] = zn_chunk_encode(&(struct zn_encoder){&coder, &effort, hint, data, N}, body);
            assert_int_equal(body[1], ZN_LAYOUT_RECORDS);
            assert_int_equal(body[RECORDS_FIELD], older || many ? ZN_FIELD_E5 : ZN_FIELD_E6);
        }
        assert_true(many || len[0] < len[1]);
        for (uint32_t n = N; n > 4096; n = n * 3 / 4) round_trip(&coder, ZIPNN_F8_E5M2, 0, data, n);
    }
    zt_coder_free(&coder, memory);
    free(body);
    free(data);
}

static void tables_of_fields_are_held_to_the_rules(void **state) {
    (void)state;
    static const struct {
        zipnn_status status;
        size_t len;
        uint8_t table[25];
    } cases[] = {
        {ZIPNN_OK, 7, {2, 0, 2, 0, 1, 16, 0}},
        {ZIPNN_OK, 4, {1, 0, 0, 4}},
        {ZIPNN_OK, 4, {1, 1, 1, 0}},
        {ZIPNN_OK, 13, {4, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0}},
        {ZIPNN_E_CORRUPT, 16, {5, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0}}, /* nine planes */
        {ZIPNN_E_CORRUPT, 4, {1, 0, 1, 4}},                                      /* 1025 bytes */
        {ZIPNN_E_CORRUPT, 7, {2, 0, 255, 255, 0, 255, 255}},
        {ZIPNN_E_CORRUPT, 4, {1, 0, 0, 0}},
        {ZIPNN_E_CORRUPT, 6, {2, 0, 2, 0, 1, 16}},
        {ZIPNN_E_CORRUPT, 0, {0}},
        {ZIPNN_E_UNSUPPORTED, 1, {0}},
        {ZIPNN_E_UNSUPPORTED, 1, {9}},
        {ZIPNN_OK, 13, {4, 1, 1, 0, 2, 1, 0, 3, 1, 0, 4, 1, 0}},
        {ZIPNN_E_CORRUPT, 16, {5, 1, 1, 0, 2, 1, 0, 3, 1, 0, 4, 1, 0, 0, 1, 0}},
        {ZIPNN_OK, 7, {2, 5, 1, 0, 5, 9, 0}},
        {ZIPNN_OK, 10, {3, 6, 1, 0, 7, 9, 0, 8, 2, 0}},
        {ZIPNN_E_UNSUPPORTED, 4, {1, 9, 1, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zn_cur cur = zn_cur_of(cases[i].table, cases[i].len);
        struct zn_record r;
        if (zn_record_read(&cur, 0, &r, NULL) != cases[i].status) fail_msg("case %zu", i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_a_record_of_its_size),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(what_is_not_random_shrinks),
        cmocka_unit_test(bytes_of_every_type_shrink),
        cmocka_unit_test(fp8_is_packed_where_that_is_as_small),
        cmocka_unit_test(e5m2_joins_exponent_and_top_bit),
        cmocka_unit_test(tables_of_fields_are_held_to_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
