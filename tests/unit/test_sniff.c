/* The sniffer: made-up data of every kind at every phase, then real weights whose type is known. */
#include <stdio.h>

#include "base/bytes.h"
#include "chunk/cut.h"
#include "chunk/sniff.h"
#include "plan/dtype.h"
#include "support/plans.h"
#include "support/testdata.h"
#include "support/unit.h"

enum { LEN = 512 << 10 };

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 32;
}

/* About normally distributed around 0, sigma 0.02 * 2^(0 .. 1). */
static double next_weight(uint64_t *seed) {
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += (double)next_random(seed) / 4294967296.0;
    return sum * 0.02 * (1 + (double)(*seed >> 60 & 1));
}

static uint32_t bits_of_float(double v) {
    const float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Truncated; what is below the smallest normal number becomes 0. */
static uint16_t f16_of(double v) {
    const uint32_t bits = bits_of_float(v), exponent = bits >> 23 & 255;
    if (exponent < 113) return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits >> 16 & 0x8000) | (exponent - 112) << 10 | (bits >> 13 & 0x3ff));
}

/* The next element of a kind. */
enum kind { BF16, F16, F32, F32_OF_BF16, F32_OF_F16, F64, I16, I32, I64, I8, N_KINDS };

static uint64_t element(enum kind kind, uint64_t *seed) {
    const double w = next_weight(seed);
    uint64_t bits = 0;
    switch (kind) {
        case BF16:
            return bits_of_float(w) >> 16;
        case F16:
            return f16_of(w);
        case F32:
            return bits_of_float(w);
        case F32_OF_BF16:
            return bits_of_float(w) & 0xffff0000;
        case F32_OF_F16:
            return bits_of_float(w) & 0xffffe000;
        case F64:
            memcpy(&bits, &w, sizeof bits);
            return bits;
        case I16:
            return (uint64_t)(int64_t)(w * 10000);
        case I32:
            return (uint64_t)(int64_t)(w * 100000);
        case I64:
            return next_random(seed) % 50000;
        default:
            return (uint64_t)(int64_t)(w * 1000);
    }
}

static const struct {
    const char *name;
    unsigned width;
    enum zn_shape shape,
        also; /* what may be as good; with any head, as the planes of plain shapes are the same for all */
} kinds[N_KINDS] = {
    [BF16] = {"bf16", 2, ZN_SHAPE_16R, ZN_SHAPE_16R},
    [F16] = {"f16", 2, ZN_SHAPE_F16, ZN_SHAPE_F16},
    [F32] = {"f32", 4, ZN_SHAPE_32R, ZN_SHAPE_32R},
    [F32_OF_BF16] = {"f32 of bf16", 4, ZN_SHAPE_32R, ZN_SHAPE_32},
    [F32_OF_F16] = {"f32 of f16", 4, ZN_SHAPE_32R, ZN_SHAPE_32},
    [F64] = {"f64", 8, ZN_SHAPE_64R, ZN_SHAPE_64},
    [I16] = {"i16", 2, ZN_SHAPE_16, ZN_SHAPE_16},
    [I32] = {"i32", 4, ZN_SHAPE_32, ZN_SHAPE_32},
    [I64] = {"i64", 8, ZN_SHAPE_64, ZN_SHAPE_64},
    [I8] = {"i8", 1, ZN_SHAPE_8, ZN_SHAPE_8},
};

static void fill(enum kind kind, uint8_t *data, size_t len) {
    uint64_t seed = 7;
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i += kinds[kind].width) {
        zn_put_u64(bytes, element(kind, &seed));
        memcpy(data + i, bytes, ZN_MIN(kinds[kind].width, len - i));
    }
}

static void each_type_is_known_at_each_phase(void **state) {
    (void)state;
    static uint8_t data[LEN + 8];
    static const size_t lens[] = {16 << 10, 100000, LEN};
    for (int kind = 0; kind < N_KINDS; kind++) {
        fill((enum kind)kind, data, sizeof data);
        for (unsigned at = 0; at < 8; at++) {
            for (size_t i = 0; i < 3; i++) {
                const struct zn_guess g = zn_sniff(zn_kernels_at(0), data + at, lens[i]);
                const unsigned head = (kinds[kind].width - at % kinds[kind].width) % kinds[kind].width;
                const bool right = g.shape == kinds[kind].shape && g.head == head;
                if (!right && (g.shape == kinds[kind].shape || g.shape != kinds[kind].also))
                    fail_msg("%s at %u, %zu bytes: shape %d, head %u", kinds[kind].name, at, lens[i], (int)g.shape,
                             g.head);
            }
        }
    }
}

static void what_is_no_array_stays_whole(void **state) {
    (void)state;
    static uint8_t data[LEN];
    uint64_t seed = 3;
    memset(data, 0, LEN);
    assert_int_equal(zn_sniff(zn_kernels_at(0), data, LEN).shape, ZN_SHAPE_8);
    for (size_t i = 0; i < LEN; i++) data[i] = (uint8_t)next_random(&seed);
    for (size_t len = 0; len <= LEN; len = len * 2 + 1)
        assert_int_equal(zn_sniff(zn_kernels_at(0), data, len).shape, ZN_SHAPE_8);
    for (size_t i = 0; i + 128 < LEN;) {
        const unsigned a = (unsigned)next_random(&seed) % 1000, b = (unsigned)next_random(&seed);
        i += (size_t)snprintf((char *)data + i, 128,
                              "\"layers.%u.weight\":{\"dtype\":\"F32\",\"shape\":[%u],\"data_offsets\":[%u,%u]},", a,
                              a % 77, b, b + a);
    }
    for (size_t len = 1024; len <= LEN - 128; len = len * 3 / 2)
        assert_int_equal(zn_sniff(zn_kernels_at(0), data, len).shape, ZN_SHAPE_8);
}

static void every_kernel_set_answers_alike(void **state) {
    (void)state;
    static uint8_t data[LEN];
    for (int kind = 0; kind < N_KINDS; kind++) {
        fill((enum kind)kind, data, LEN);
        const struct zn_guess best = zn_sniff(zn_kernels_at(0), data + 3, LEN - 3);
        for (unsigned i = 1; zn_kernels_at(i); i++) {
            const struct zn_guess g = zn_sniff(zn_kernels_at(i), data + 3, LEN - 3);
            assert_true(g.shape == best.shape && g.head == best.head);
        }
    }
}

static void nothing_is_read_outside(void **state) {
    (void)state;
    for (size_t len = 0; len < 5000; len += len < 1100 && len > 1000 ? 1 : 61) {
        uint8_t *data = malloc(len ? len : 1);
        assert_non_null(data);
        fill(F32, data, len);
        zn_sniff(zn_kernels_at(0), data, len);
        free(data);
    }
}

/* ---- real weights */

struct score {
    size_t right, total;
};

static enum zn_shape shape_of(zipnn_dtype dtype) {
    switch (dtype) {
        case ZIPNN_BF16:
            return ZN_SHAPE_16R;
        case ZIPNN_F16:
            return ZN_SHAPE_F16;
        case ZIPNN_F32:
            return ZN_SHAPE_32R;
        case ZIPNN_F64:
            return ZN_SHAPE_64R;
        case ZIPNN_I8:
        case ZIPNN_F8_E4M3:
            return ZN_SHAPE_8;
        default:
            return ZN_N_SHAPES;
    }
}

static void score_file(void *arg, const char *name, const uint8_t *data, size_t len) {
    (void)name;
    struct score *score = arg;
    struct zn_plan plan = zt_plan_of(data, len, ZN_VIEW_WHOLE);
    struct zn_cutter cutter;
    zn_cutter_init(&cutter, &plan);
    for (struct zn_cut cut = zn_cut_next(&cutter); cut.off + cut.len <= len; cut = zn_cut_next(&cutter)) {
        if (cut.len < 64 << 10 || shape_of(cut.dtype) == ZN_N_SHAPES) continue;
        for (unsigned at = 0; at < 8; at++, score->total++) {
            const struct zn_guess g = zn_sniff(zn_kernels_at(0), data + cut.off + at, cut.len - at);
            score->right += g.shape == shape_of(cut.dtype) && (g.head + at) % zn_dtype_word(cut.dtype) == cut.head;
        }
    }
    zn_plan_free(&plan);
}

static void real_weights_are_known(void **state) {
    (void)state;
    struct score score = {0, 0};
    if (!zt_each_file("weights", score_file, &score)) skip();
    printf("%zu of %zu chunks recognised\n", score.right, score.total);
    assert_true(score.right * 100 >= score.total * 85); /* some are coded better as another type */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_is_known_at_each_phase), cmocka_unit_test(what_is_no_array_stays_whole),
        cmocka_unit_test(every_kernel_set_answers_alike),   cmocka_unit_test(nothing_is_read_outside),
        cmocka_unit_test(real_weights_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
