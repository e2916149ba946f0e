/* Chunks made of chunks: what is sparse, has few values, repeats or counts up takes what it should and comes back. */
#include "codec/repeats.h"
#include "support/coder.h"
#include "support/samples.h"
#include "support/unit.h"

enum { MAX_LEN = 90000 };

/* The i-th element of a kind, of up to 8 bytes. */
enum kind {
    SPARSE_BF16,
    SPARSE_F16,
    SPARSE_F32,
    SPARSE_SIGNS, /* fp32, half of the zeros negative */
    QUANTISED,    /* fp32 of 200 values */
    LEVELS_BF16,  /* of 15 values */
    TWICE_F32,    /* the second half is the first */
    COUNTING_I64,
    SORTED_I32,
    SIGNED_I16,
    SMALL_I64, /* of both signs */
    PATCH_F32, /* a quarter are 300 values again and again, among random ones */
    SHORT_F16, /* of few bits and other magnitudes every 512 */
    N_KINDS
};

static const struct {
    zipnn_dtype dtype;
    unsigned width, percent;
} kinds[N_KINDS] = {
    [SPARSE_BF16] = {ZIPNN_BF16, 2, 45}, [SPARSE_F16] = {ZIPNN_F16, 2, 50},  [SPARSE_F32] = {ZIPNN_F32, 4, 46},
    [SPARSE_SIGNS] = {ZIPNN_F32, 4, 48}, [QUANTISED] = {ZIPNN_F32, 4, 27},   [LEVELS_BF16] = {ZIPNN_BF16, 2, 27},
    [TWICE_F32] = {ZIPNN_F32, 4, 46},    [COUNTING_I64] = {ZIPNN_I64, 8, 1}, [SORTED_I32] = {ZIPNN_I32, 4, 30},
    [SIGNED_I16] = {ZIPNN_I16, 2, 60},   [SMALL_I64] = {ZIPNN_I64, 8, 17},   [PATCH_F32] = {ZIPNN_F32, 4, 70},
    [SHORT_F16] = {ZIPNN_F16, 2, 65},
};

static uint64_t element(enum kind kind, size_t i, uint64_t *seed, uint64_t before) {
    uint8_t bytes[4];
    const uint64_t r = zt_random(seed);
    zt_sample(kind == SPARSE_F16 || kind == SHORT_F16 ? ZT_F16 : ZT_F32, r, bytes, 4);
    const uint32_t f = zn_get_u32(bytes);
    switch (kind) {
        case SPARSE_BF16:
            return r % 5 < 2 ? f >> 16 : 0;
        case SPARSE_F16:
        case SPARSE_F32:
            return r % 5 < 2 ? f : 0;
        case SPARSE_SIGNS:
            return r % 5 < 2 ? f : r % 5 < 4 ? 0 : 0x80000000;
        case QUANTISED:
            return (uint32_t)(r % 200 * 0x01234567 ^ 0x3F000000);
        case LEVELS_BF16:
            return 0x3F80 + r % 15 * 0x13;
        case COUNTING_I64:
            return 1000000 + 3 * i;
        case SORTED_I32:
            return before + r % 100;
        case SIGNED_I16:
            return (r & 127) - 64;
        case SMALL_I64:
            return (r & 255) - 128;
        case PATCH_F32:
            return i / 5500 == 1 ? (uint32_t)(i % 300 * 0x9E3779B1) >> 9 | 0x3D000000 : f;
        case SHORT_F16:
            return (f >> 10 & 31) < 8 ? f & 0x83F8 : (f & 0xFFF8) - (i / 512 % 8 << 10);
        default:
            return f;
    }
}

static void fill(enum kind kind, uint8_t *data, size_t len) {
    uint64_t seed = kind, value = 0;
    const size_t width = kinds[kind].width, half = len / 2 / width * width;
    for (size_t at = 0; at < len; at += width) {
        uint8_t bytes[8];
        value = element(kind, at / width, &seed, value);
        zn_put_u64(bytes, value);
        memcpy(data + at, bytes, ZN_MIN(width, len - at));
    }
    if (kind == TWICE_F32) memcpy(data + half, data, half);
}

static void each_kind_shrinks_as_it_should(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN);
    void *memory;
    assert_non_null(data);
    for (unsigned set = 0; zn_kernels_at(set); set++) {
        struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
        for (unsigned kind = 0; kind < N_KINDS; kind++) {
            fill((enum kind)kind, data, MAX_LEN);
            const struct zn_chunk_hint hint = {.dtype = kinds[kind].dtype};
            const uint32_t len = zt_coder_round_trip(&coder, 3, hint, data, MAX_LEN);
            if (len > MAX_LEN / 100 * kinds[kind].percent) fail_msg("kind %u: %u of %d bytes", kind, len, MAX_LEN);
        }
        zt_coder_free(&coder, memory);
    }
    free(data);
}

/* Whatever the label says, wherever elements begin, however many bytes there are. */
static void they_come_back_under_any_label(void **state) {
    (void)state;
    static const zipnn_dtype labels[] = {ZIPNN_DTYPE_UNKNOWN, ZIPNN_BF16, ZIPNN_F32, ZIPNN_F64, ZIPNN_I64,
                                         ZIPNN_I32,           ZIPNN_U16,  ZIPNN_I8,  ZIPNN_C64, ZIPNN_Q8_0};
    uint8_t *data = malloc(MAX_LEN);
    void *memory;
    assert_non_null(data);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    for (unsigned kind = 0; kind < N_KINDS; kind++) {
        fill((enum kind)kind, data, MAX_LEN);
        for (unsigned l = 0; l < sizeof labels / sizeof labels[0]; l++)
            for (uint32_t len = MAX_LEN - l; len > 4000; len = len * 2 / 5 + kind)
                zt_coder_round_trip(&coder, len % 2 ? 3 : 1,
                                    (struct zn_chunk_hint){.dtype = labels[l], .head = len % 4 % 2}, data + l % 3,
                                    len - 3);
    }
    zt_coder_free(&coder, memory);
    free(data);
}

static void repeats_are_found_at_any_distance(void **state) {
    (void)state;
    static const size_t lens[] = {256, 1000, 20000}, places[] = {30000, 50004, 69996};
    uint8_t *data = malloc(MAX_LEN);
    assert_non_null(data);
    for (unsigned i = 0; i < 9; i++) {
        const size_t len = lens[i % 3], at = places[i / 3];
        struct zn_repeat found[4];
        zt_sample(ZT_RANDOM, i, data, MAX_LEN);
        memcpy(data + at, data + 4 * i, len);
        assert_int_equal(zn_repeats_find(data, MAX_LEN, 0, 4, 256, found, 4), 1);
        assert_true(found[0].at == at && found[0].from == 4 * i && found[0].len == len / 4 * 4);
        const size_t estimate = zn_repeats_estimate(data, MAX_LEN);
        assert_true(estimate <= len + MAX_LEN / 16 && estimate + MAX_LEN / 16 >= len);
    }
    zt_sample(ZT_RANDOM, 99, data, MAX_LEN);
    assert_int_equal(zn_repeats_estimate(data, MAX_LEN), 0);
    free(data);
}

/* A body in a mapped file may change under the decoder. Here its runs lie where the inner chunk comes out, and are
 * others when they are used. */
static void runs_may_change_meanwhile(void **state) {
    (void)state;
    enum { KEPT = 22, RUN = 8, ORIG = KEPT + RUN, TABLE = 10, TABLE_END = KEPT, INNER = 9 };
    static const uint32_t others[][3] = {{KEPT, RUN, 0},        {KEPT, RUN, KEPT - RUN + 1}, {KEPT, RUN, 0xFFFFFFFF},
                                         {KEPT, RUN + 1, 0},    {KEPT, 0xFFFFFFFF, 0},       {KEPT, 0, 0},
                                         {KEPT + 1, RUN, 0},    {0xFFFFFFFF, RUN, 0},        {0, RUN, 0},
                                         {0xFFFFFFF0, 16, 0x10}};
    uint8_t memory[RUN + TABLE_END + INNER + KEPT] = {0}, *body = memory + RUN;
    void *scratch;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), 1000, &scratch);
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct zn_out o = zn_out_of(body, TABLE_END + INNER + KEPT);
        const uint8_t start[] = {ZN_KIND_CHUNK, ZN_LAYOUT_REPEATS, 0, 0, 1, 0}, inner[] = {ZN_KIND_CHUNK, 0, 0, 0, 0};
        zn_out_bytes(&o, start, sizeof start);
        zn_out_u32(&o, KEPT);
        for (unsigned f = 0; f < 3; f++) zn_out_u32(&o, others[0][f]);
        zn_out_bytes(&o, inner, sizeof inner);
        zn_out_u32(&o, KEPT);
        zn_out_bytes(&o, memory, TABLE);
        for (unsigned f = 0; f < 3; f++) zn_out_u32(&o, others[i][f]);
        const struct zn_chunk_body coded = {.data = body, .len = zn_out_len(&o)};
        assert_int_equal(zn_chunk_decode(&coder, &coded, memory, ORIG, ZN_STORE_CACHED, NULL),
                         i ? ZIPNN_E_CORRUPT : ZIPNN_OK);
    }
    zt_coder_free(&coder, scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_shrinks_as_it_should),
        cmocka_unit_test(they_come_back_under_any_label),
        cmocka_unit_test(repeats_are_found_at_any_distance),
        cmocka_unit_test(runs_may_change_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
