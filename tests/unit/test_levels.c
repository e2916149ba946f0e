/* No level is larger than a faster one by more than 0.01 points of the original, whatever the chunk: pruned floats, rows
 * of different scale, bytes of many scales, blocks of few values. Blocks of many scales are where more tables for shorter
 * blocks mislead. */
#include "support/coder.h"
#include "support/samples.h"
#include "support/unit.h"

enum { LEN = 1 << 17, N_LEVELS = 5 };

/* A number that is nearly normal, of deviation 1. */
static float normal(uint64_t *seed) {
    float sum = 0;
    for (unsigned i = 0; i < 12; i++) sum += (float)(zt_random(seed) & 0xffff) / 65536.0F;
    return sum - 6;
}

static uint16_t bf16_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* The E4M3 code of x, cut off. */
static uint8_t e4m3_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int exponent = (int)(bits >> 23 & 255) - 127 + 7;
    const uint32_t sign = bits >> 31 << 7;
    if (exponent <= 0) return (uint8_t)sign;
    return (uint8_t)(sign | ZN_MIN((uint32_t)exponent << 3 | (bits >> 20 & 7), 0x7eu));
}

/* Two of four numbers are 0. */
static void fill_pruned(uint64_t seed, uint8_t *data) {
    for (uint32_t i = 0; i < LEN; i += 2) {
        const float x = 0.02F * normal(&seed);
        zn_put_u16(data + i, i / 2 % 4 < 2 ? 0 : bf16_of(x));
    }
}

/* Half of the numbers are 0, at random. */
static void fill_sparse(uint64_t seed, uint8_t *data) {
    for (uint32_t i = 0; i < LEN; i += 2) {
        const float x = 0.02F * normal(&seed);
        zn_put_u16(data + i, zt_random(&seed) & 1024 ? 0 : bf16_of(x));
    }
}

static float scale_of(uint32_t row) {
    return 0.003F * (float)(1 + row * 37 % 97);
}

static void fill_rows(uint64_t seed, uint8_t *data) {
    for (uint32_t i = 0; i < LEN; i += 2) zn_put_u16(data + i, bf16_of(scale_of(i / 1024) * normal(&seed)));
}

/* fp8 in blocks of 256 that have one of twelve scales. Level 1 tries E4 fields here, because its tables do not suffice. */
static void fill_bytes(uint64_t seed, uint8_t *data) {
    enum { N_SCALES = 12, BLOCK = 256 };
    float scale[N_SCALES] = {0.03F};
    for (unsigned i = 1; i < N_SCALES; i++) scale[i] = scale[i - 1] * 1.6F;
    for (uint32_t i = 0; i < LEN; i++) {
        const float x = 3.4F * ((float)(zt_random(&seed) >> 20 & 0xffff) / 65536.0F - 0.5F);
        data[i] = e4m3_of(scale[i / BLOCK % N_SCALES] * x);
    }
}

/* How blocks of one scale follow each other: their length in bytes, the number of scales, and the ratio of two of them. */
struct stairs {
    uint32_t block;
    unsigned n_scales;
    float ratio, least, width;
    bool as_int8; /* codes are int8, else E4M3 */
};

static uint8_t int8_of(float x) {
    const float scaled = 40 * x;
    return (uint8_t)(int8_t)(scaled > 127 ? 127 : scaled < -127 ? -127 : scaled);
}

static void fill_stairs(const struct stairs *s, uint64_t seed, uint8_t *data) {
    float scale[32] = {s->least};
    for (unsigned i = 1; i < s->n_scales; i++) scale[i] = scale[i - 1] * s->ratio;
    for (uint32_t i = 0; i < LEN; i++) {
        const float even = (float)(zt_random(&seed) >> 20 & 0xffff) / 65536.0F - 0.5F;
        const float x = scale[i / s->block % s->n_scales] * (s->width > 0 ? s->width * even : normal(&seed));
        data[i] = s->as_int8 ? int8_of(x) : e4m3_of(x);
    }
}

/* Few values stand for all numbers. */
static void fill_few(uint64_t seed, uint8_t *data) {
    for (uint32_t i = 0; i < LEN; i += 2) zn_put_u16(data + i, bf16_of((float)(zt_random(&seed) >> 20 & 7) - 3.5F));
}

/* Numbers of four bits around another middle in each 18 bytes, of which the first two are a scale. */
static void fill_blocks(uint64_t seed, uint8_t *data) {
    for (uint32_t i = 0; i < LEN; i++) {
        const unsigned least = i / 18 % 5, a = (unsigned)zt_random(&seed) & 7, b = (unsigned)zt_random(&seed) & 7;
        data[i] = (uint8_t)(i % 18 < 2 ? 40 + i % 18 + least : (a + least) | (b + least) << 4);
    }
}

static const struct {
    const char *what;
    zipnn_dtype dtype;
    void (*fill)(uint64_t seed, uint8_t *data);
} kinds[] = {{"pruned", ZIPNN_BF16, fill_pruned},
             {"sparse", ZIPNN_BF16, fill_sparse},
             {"sparse, as fp16", ZIPNN_F16, fill_sparse},
             {"rows", ZIPNN_BF16, fill_rows},
             {"rows, as fp16", ZIPNN_F16, fill_rows},
             {"rows, as fp32", ZIPNN_F32, fill_rows},
             {"fp8", ZIPNN_F8_E4M3, fill_bytes},
             {"bytes", ZIPNN_DTYPE_UNKNOWN, fill_bytes},
             {"few values", ZIPNN_BF16, fill_few},
             {"few values, as fp16", ZIPNN_F16, fill_few},
             {"int8", ZIPNN_I8, fill_bytes},
             {"blocks of Q4_0", ZIPNN_Q4_0, fill_blocks},
             {"blocks of Q8_0", ZIPNN_Q8_0, fill_rows},
             {"numbers of four bits", ZIPNN_I32, fill_blocks}};

static void no_level_is_larger_than_a_faster_one(void **state) {
    (void)state;
    static const int levels[N_LEVELS] = {1, 3, 6, 8, 9};
    uint8_t *data = malloc(LEN);
    void *memory;
    assert_non_null(data);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), LEN, &memory);
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint32_t least = UINT32_MAX;
        kinds[i].fill(i + 1, data);
        for (unsigned j = 0; j < N_LEVELS; j++) {
            const struct zn_chunk_hint hint = {.dtype = kinds[i].dtype};
            const uint32_t len = zt_coder_round_trip(&coder, levels[j], hint, data, LEN);
            if (len > least && len - least > LEN / 10000)
                fail_msg("%s: level %d takes %u bytes, a faster one %u", kinds[i].what, levels[j], len, least);
            least = ZN_MIN(least, len);
        }
    }
    zt_coder_free(&coder, memory);
    free(data);
}

/* On integers and blocks level 9 writes what level 6 writes. */
static void best_is_for_floats(void **state) {
    (void)state;
    uint8_t *data = malloc(LEN), *high = malloc(zn_chunk_bound(LEN)), *best = malloc(zn_chunk_bound(LEN));
    const struct zn_effort efforts[] = {zn_effort_of(ZIPNN_LEVEL_HIGH), zn_effort_of(ZIPNN_LEVEL_BEST)};
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), LEN, &memory);
    assert_true(data && high && best);
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const zipnn_dtype dtype = kinds[i].dtype;
        const struct zn_chunk_hint hint = {.dtype = dtype};
        if (dtype != ZIPNN_I8 && dtype != ZIPNN_I32 && dtype != ZIPNN_Q4_0 && dtype != ZIPNN_Q8_0) continue;
        kinds[i].fill(i + 1, data);
        const uint32_t len = zn_chunk_encode(&(struct zn_encoder){&coder, &efforts[0], hint, data, LEN}, high);
        assert_int_equal(zn_chunk_encode(&(struct zn_encoder){&coder, &efforts[1], hint, data, LEN}, best), len);
        assert_memory_equal(best, high, len);
    }
    zt_coder_free(&coder, memory);
    free(data);
    free(high);
    free(best);
}

static void the_default_is_not_larger_where_scales_change(void **state) {
    (void)state;
    static const uint32_t blocks[] = {256, 512, 1024, 4096, 16384};
    static const unsigned n_scales[] = {5, 8, 12, 32};
    uint8_t *data = malloc(LEN);
    void *memory;
    assert_non_null(data);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), LEN, &memory);
    for (unsigned i = 0; i < 5 * 4 * 4; i++) {
        const bool as_int8 = i & 1, even = i & 2;
        const struct stairs s = {.block = blocks[i / 4 % 5],
                                 .n_scales = n_scales[i / 20],
                                 .ratio = 1.6F,
                                 .least = as_int8 ? 0.03F : 0.004F,
                                 .width = even ? 3.4F : 0,
                                 .as_int8 = as_int8};
        const struct zn_chunk_hint hint = {.dtype = as_int8 ? ZIPNN_I8 : ZIPNN_F8_E4M3};
        fill_stairs(&s, i + 1, data);
        const uint32_t fastest = zt_coder_round_trip(&coder, 1, hint, data, LEN);
        const uint32_t len = zt_coder_round_trip(&coder, 3, hint, data, LEN);
        if (len > fastest && len - fastest > LEN / 10000)
            fail_msg("%s, %u scales in blocks of %u: level 3 takes %u bytes, level 1 takes %u",
                     as_int8 ? "int8" : "E4M3", s.n_scales, s.block, len, fastest);
    }
    zt_coder_free(&coder, memory);
    free(data);
}

/* fp64 of one scale is split as it is, so that a byte has four bits of the exponent and four of the mantissa; fp64 of many
 * scales is rotated. */
static void doubles_are_rotated_where_that_is_shorter(void **state) {
    (void)state;
    uint8_t *data = malloc(LEN), *body = malloc(zn_chunk_bound(LEN));
    void *memory;
    assert_true(data && body);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), LEN, &memory);
    const struct zn_chunk_hint hint = {.dtype = ZIPNN_F64};
    for (unsigned many = 0; many < 2; many++)
        for (int level = 1; level <= 6; level += 5) {
            const struct zn_effort effort = zn_effort_of(level);
            uint64_t seed = 5;
            for (uint32_t i = 0; i < LEN; i += 8) {
                const double x = 0.02 * (double)normal(&seed);
                uint64_t bits;
                memcpy(&bits, &x, sizeof bits);
                if (many) bits = (bits & ~(UINT64_C(0x7ff) << 52)) | (900 + zt_random(&seed) % 64) << 52;
                zn_put_u64(data + i, bits ^ (zt_random(&seed) & 0xffffffffff));
            }
            zn_chunk_encode(&(struct zn_encoder){&coder, &effort, hint, data, LEN}, body);
            assert_int_equal(body[1], many ? ZN_LAYOUT_64R : ZN_LAYOUT_64);
            zt_coder_round_trip(&coder, level, hint, data, LEN);
        }
    zt_coder_free(&coder, memory);
    free(data);
    free(body);
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(no_level_is_larger_than_a_faster_one),
                                              cmocka_unit_test(doubles_are_rotated_where_that_is_shorter),
                                              cmocka_unit_test(best_is_for_floats),
                                              cmocka_unit_test(the_default_is_not_larger_where_scales_change)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
