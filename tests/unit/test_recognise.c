/* Floats that are labelled as integers, or not at all, at any phase, take what they take when they are labelled right.
 * Integers stay integers. */
#include "base/bytes.h"
#include "chunk/recognise.h"
#include "plan/dtype.h"
#include "support/coder.h"
#include "support/samples.h"
#include "support/unit.h"

enum { LEN = 300000, MAX_HEAD = 7 };

struct bytes {
    uint8_t *data; /* MAX_HEAD bytes, then the elements */
    struct zn_coder coder;
    void *memory;
};

static struct bytes make(void) {
    struct bytes b = {.data = malloc(MAX_HEAD + LEN)};
    assert_non_null(b.data);
    memset(b.data, 'h', MAX_HEAD);
    b.coder = zt_coder_make(zn_kernels_at(0), MAX_HEAD + LEN, &b.memory);
    return b;
}

static void drop(struct bytes *b) {
    zt_coder_free(&b->coder, b->memory);
    free(b->data);
}

/* Returns the nearest byte of fp8 with these bits of exponent to a number of Gaussian shape. */
static uint8_t fp8(uint64_t *seed, unsigned exponent) {
    int32_t sum = 0;
    for (unsigned i = 0; i < 8; i++) sum += (int32_t)(zt_random(seed) & 0xffff) - 0x8000;
    const uint32_t m = (uint32_t)(sum < 0 ? -sum : sum) | 1, bits = 7 - exponent;
    const unsigned e = 31u - (unsigned)__builtin_clz(m);
    const uint32_t mantissa = (e >= bits ? m >> (e - bits) : m << (bits - e)) & ((1u << bits) - 1);
    const unsigned field = e > 5 ? e - 5 : 0;
    return (uint8_t)((sum < 0 ? 128u : 0) | field << bits | mantissa);
}

static void fill(zipnn_dtype dtype, uint8_t *data) {
    uint64_t seed = 7;
    switch (dtype) {
        case ZIPNN_BF16:
            zt_sample(ZT_BF16, 1, data, LEN);
            break;
        case ZIPNN_F16:
            zt_sample(ZT_F16, 1, data, LEN);
            break;
        case ZIPNN_F32:
            zt_sample(ZT_F32, 1, data, LEN);
            for (size_t i = 0; i + 4 <= LEN; i += 4) zn_put_u16(data + i, (uint16_t)zt_random(&seed));
            break;
        default:
            for (size_t i = 0; i < LEN; i++) data[i] = fp8(&seed, zn_dtype_facts(dtype)->exponent);
    }
}

static const zipnn_dtype floats[] = {ZIPNN_BF16, ZIPNN_F16, ZIPNN_F32, ZIPNN_F8_E4M3, ZIPNN_F8_E5M2};
static const zipnn_dtype labels[] = {ZIPNN_DTYPE_UNKNOWN, ZIPNN_I8,  ZIPNN_U8,  ZIPNN_I16, ZIPNN_U16,
                                     ZIPNN_I32,           ZIPNN_U32, ZIPNN_I64, ZIPNN_U64};

static void floats_are_seen_through_their_labels(void **state) {
    (void)state;
    struct bytes b = make();
    for (size_t f = 0; f < sizeof floats / sizeof *floats; f++) {
        fill(floats[f], b.data + MAX_HEAD);
        for (int level = 1; level <= 9; level += level == 1 ? 2 : 3) {
            const uint32_t right = zt_coder_round_trip(&b.coder, level, (struct zn_chunk_hint){.dtype = floats[f]},
                                                       b.data + MAX_HEAD, LEN);
            assert_true(right < LEN / 100 * 97);
            for (size_t l = 0; l < sizeof labels / sizeof *labels; l++) {
                const unsigned head = (unsigned)(l + f) % (MAX_HEAD + 1);
                const struct zn_chunk_hint hint = {.dtype = labels[l], .head = head % zn_dtype_word(labels[l])};
                const uint32_t len = zt_coder_round_trip(&b.coder, level, hint, b.data + MAX_HEAD - head, LEN + head);
                assert_true(len < right + LEN / 1000);
            }
        }
    }
    drop(&b);
}

static void all_sets_recognise_alike(void **state) {
    (void)state;
    struct bytes b = make();
    for (size_t f = 0; f < sizeof floats / sizeof *floats; f++) {
        fill(floats[f], b.data + MAX_HEAD);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            void *memory;
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), LEN + 1, &memory);
            const struct zn_effort effort = zn_effort_of(3);
            const struct zn_encoder e = {&coder, &effort, {.dtype = ZIPNN_I32}, b.data + MAX_HEAD - 1, LEN + 1};
            const struct zn_chunk_hint hint = zn_recognised(&e);
            assert_int_equal(hint.dtype, floats[f]);
            assert_int_equal(hint.head, 1 % zn_dtype_word(floats[f]));
            zt_coder_free(&coder, memory);
        }
    }
    drop(&b);
}

/* Integers of `bits` bits, as a noisy signal has them. */
static void fill_noise(unsigned bits, uint8_t *data) {
    uint64_t seed = bits;
    for (size_t i = 0; i + 2 <= LEN; i += 2) {
        int32_t sum = 0;
        for (unsigned k = 0; k < 4; k++) sum += (int32_t)(zt_random(&seed) & ((1u << bits) - 1)) - (1 << (bits - 1));
        zn_put_u16(data + i, (uint16_t)(sum / 2));
    }
}

static void integers_stay_integers(void **state) {
    (void)state;
    struct bytes b = make();
    const struct zn_effort effort = zn_effort_of(3);
    for (unsigned bits = 4; bits <= 15; bits++) {
        fill_noise(bits, b.data);
        const struct zn_encoder e = {&b.coder, &effort, {.dtype = ZIPNN_I16}, b.data, LEN};
        assert_int_equal(zn_recognised(&e).dtype, ZIPNN_I16);
    }
    for (int kind = ZT_RANDOM; kind <= ZT_SMALL_INTS; kind++) {
        zt_sample((enum zt_sample)kind, 3, b.data, LEN);
        const struct zn_encoder e = {&b.coder, &effort, {.dtype = ZIPNN_U8}, b.data, LEN};
        assert_int_equal(zn_recognised(&e).dtype, ZIPNN_U8);
    }
    drop(&b);
}

/* fp4: a sign and three bits twice in a byte, unevenly distributed. */
static void packed_nibbles_are_not_fp8(void **state) {
    (void)state;
    struct bytes b = make();
    const struct zn_effort effort = zn_effort_of(3);
    uint64_t seed = 5;
    for (size_t i = 0; i < LEN; i++) {
        const uint64_t r = zt_random(&seed);
        const unsigned low = (unsigned)((r & 7) * (r >> 3 & 7) / 7), high = (unsigned)((r >> 6 & 7) * (r >> 9 & 7) / 7);
        b.data[i] = (uint8_t)(low | (r >> 12 & 1) << 3 | high << 4 | (r >> 13 & 1) << 7);
    }
    const struct zn_encoder e = {&b.coder, &effort, {.dtype = ZIPNN_U8}, b.data, LEN};
    assert_int_equal(zn_recognised(&e).dtype, ZIPNN_U8);
    drop(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_seen_through_their_labels), cmocka_unit_test(all_sets_recognise_alike),
        cmocka_unit_test(integers_stay_integers), cmocka_unit_test(packed_nibbles_are_not_fp8)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
