/* Joint symbols, at level 3 with one bit of the mantissa, at level 6 with two: floats that gain come back from every kernel set, the bytes are the same from each and fewer than
 * without; exponents of 128 and more, in the sample or not, and types that older readers know; every set's loops do
 * what the plain ones do; damage is an error or other bytes, never a fault. */
#include "chunk/joint.h"
#include "support/coder.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/unit.h"

enum { N = 70003, MAX_LEN = 4 * N + 8, N_DAMAGED = 400, OUTLIERS = 6 };

static const struct {
    zipnn_dtype dtype;
    enum zn_joint joint;
    uint8_t inner;
} kinds[] = {{ZIPNN_BF16, ZN_JOINT_16, ZN_LAYOUT_16R},
             {ZIPNN_F32, ZN_JOINT_32, ZN_LAYOUT_32R},
             {ZIPNN_F16, ZN_JOINT_F16, ZN_LAYOUT_F16}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* Triangular numbers about 0, whose density falls within an octave as that of weights does. */
static void fill(unsigned kind, uint64_t seed, uint8_t *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const int64_t a = (int64_t)(zt_random(&seed) & 0x3fffffff), c = (int64_t)(zt_random(&seed) & 0x3fffffff);
        const float x = (float)(a + c - 0x3fffffff) / 17179869184.0F;
        uint32_t w;
        memcpy(&w, &x, sizeof w);
        if (kind == 0) zn_put_u16(data + 2 * i, (uint16_t)(w >> 16));
        if (kind == 1) zn_put_u32(data + 4 * i, w);
        const uint32_t exponent = w >> 23 & 255;
        if (kind == 2)
            zn_put_u16(data + 2 * i,
                       (uint16_t)((w >> 16 & 0x8000) | (exponent > 112 ? exponent - 112 : 0) << 10 | (w >> 13 & 1023)));
    }
}

/* Gives word i an exponent of its own. */
static void set_exponent(unsigned kind, uint8_t *data, size_t i, unsigned exponent) {
    if (kind == 0) zn_put_u16(data + 2 * i, (uint16_t)((zn_get_u16(data + 2 * i) & 0x807f) | exponent << 7));
    if (kind == 1) zn_put_u32(data + 4 * i, (zn_get_u32(data + 4 * i) & 0x807fffff) | exponent << 23);
}

static uint32_t encode(struct zn_coder *coder, int level, bool joint, struct zn_chunk_hint hint, const uint8_t *data,
                       uint32_t len, uint8_t *body) {
    struct zn_effort effort = zn_effort_of(level);
    if (!joint) effort.readers = 100;
    return zn_chunk_encode(&(struct zn_encoder){coder, &effort, hint, data, len}, body);
}

static void floats_come_back_and_take_less(void **state) {
    (void)state;
    static const size_t lens[] = {N, 16384, 16384 + 77};
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN)), *other = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body && other);
    for (unsigned i = 0; i < N_KINDS * 3 * 2; i++) {
        const unsigned kind = i / 6, head = i % 2, width = zn_joint_info(kinds[kind].joint).width;
        const uint32_t len = (uint32_t)(head + lens[i / 2 % 3] * width);
        uint32_t first = 0;
        data[0] = 'h';
        fill(kind, i, data + head, lens[i / 2 % 3]);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            const struct zn_chunk_hint hint = {.dtype = kinds[kind].dtype, .head = head};
            const uint32_t got = encode(&coder, 3, true, hint, data, len, set == 0 ? body : other);
            if (set == 0) first = got;
            assert_int_equal(got, first);
            if (set) assert_memory_equal(other, body, got);
            assert_int_equal(body[1], ZN_LAYOUT_JOINT);
            assert_true(got < encode(&coder, 3, false, hint, data, len, other));
            assert_int_not_equal(other[1], ZN_LAYOUT_JOINT);
            assert_int_equal(zt_coder_round_trip(&coder, 3, hint, data, len), got);
            assert_true(zt_coder_round_trip(&coder, 6, hint, data, len) <= got);
            zt_coder_free(&coder, memory);
        }
    }
    free(data);
    free(body);
    free(other);
}

/* One word, which the sample may miss, or one in eight; exponents that leave room for a base, or none. */
static void large_exponents_find_a_base_or_another_layout(void **state) {
    (void)state;
    static const struct {
        unsigned exponent;
        size_t stride;
        bool joint;
    } cases[OUTLIERS] = {{127, N, true},    {128, N, true},  {129, 8, true},
                         {150, 9001, true}, {255, N, false}, {254, 64, false}};
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN)), *same = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body && same);
    for (unsigned i = 0; i < 2 * OUTLIERS; i++) {
        const unsigned kind = i / OUTLIERS, width = zn_joint_info(kinds[kind].joint).width;
        const struct zn_chunk_hint hint = {.dtype = kinds[kind].dtype};
        uint32_t first = 0;
        fill(kind, 3, data, N);
        for (size_t at = 0; at < N; at++) /* no exponent is so small that no base does */
            if ((width == 2 ? zn_get_u16(data + 2 * at) >> 7 & 255 : zn_get_u32(data + 4 * at) >> 23 & 255) < 100)
                set_exponent(kind, data, at, 0);
        for (size_t at = 77; at < N; at += cases[i % OUTLIERS].stride)
            set_exponent(kind, data, at, cases[i % OUTLIERS].exponent);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            const uint32_t len = encode(&coder, 3, true, hint, data, N * width, set ? same : body);
            if (set == 0) first = len;
            assert_int_equal(len, first);
            if (set) assert_memory_equal(same, body, len);
            assert_int_equal(body[1] == ZN_LAYOUT_JOINT, cases[i % OUTLIERS].joint);
            zt_coder_round_trip(&coder, 3, hint, data, N * width);
            zt_coder_free(&coder, memory);
        }
    }
    free(data);
    free(body);
    free(same);
}

/* With two bits of the mantissa: zeros, and exponents that the usual base, another, or none brings into the range of the
 * symbols. Every set writes the same bytes. */
static void two_bits_take_any_range_of_exponents(void **state) {
    (void)state;
    static const struct {
        unsigned exponent;
        size_t stride;
        uint8_t bits, base; /* bits 0: another layout */
    } cases[] = {{0, 50, 2, 64},     {0, N, 2, 64},     {127, N, 2, 64}, {128, N, 2, 65},
                 {150, 9001, 2, 87}, {65, 9001, 2, 64}, {64, N, 2, 59},  {255, N, 0, 0}};
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN)), *same = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body && same);
    for (unsigned i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const unsigned kind = i % 2, width = zn_joint_info(kinds[kind].joint).width;
        const struct zn_chunk_hint hint = {.dtype = kinds[kind].dtype};
        uint32_t first = 0;
        fill(kind, 3, data, N);
        for (size_t at = 0; at < N; at++)
            if ((width == 2 ? zn_get_u16(data + 2 * at) >> 7 & 255 : zn_get_u32(data + 4 * at) >> 23 & 255) < 100)
                set_exponent(kind, data, at, 110);
        for (size_t at = 377; at < N; at += cases[i / 2].stride) set_exponent(kind, data, at, cases[i / 2].exponent);
        if (cases[i / 2].base == 59) set_exponent(kind, data, 378, 122);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            const uint32_t len = encode(&coder, 6, true, hint, data, N * width, set ? same : body);
            if (set == 0) first = len;
            assert_int_equal(len, first);
            if (set) assert_memory_equal(same, body, len);
            assert_int_equal(body[1] == ZN_LAYOUT_JOINT && body[5] == 2, cases[i / 2].bits == 2);
            if (cases[i / 2].bits == 2) assert_int_equal(body[6], cases[i / 2].base);
            zt_coder_round_trip(&coder, 6, hint, data, N * width);
            zt_coder_free(&coder, memory);
        }
    }
    free(data);
    free(body);
    free(same);
}

/* Words at the front of a chunk with exponents of any size, as text has them, become a part of the head. */
static void an_unusual_front_becomes_head(void **state) {
    (void)state;
    static const char text[] =
        "{\"w\": {\"dtype\": \"BF16\", \"shape\": [2048, 4096], \"data_offsets\": [0, 16777216]}}  ";
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    for (unsigned i = 0; i < 4; i++) {
        const unsigned kind = i / 2, head = i % 2, width = zn_joint_info(kinds[kind].joint).width;
        const uint32_t len = N * width + head;
        const struct zn_chunk_hint hint = {.dtype = kinds[kind].dtype, .head = head};
        fill(kind, 3, data + head, N);
        for (size_t at = 0; at < N; at++)
            if ((zn_get_u16(data + head + (at + 1) * width - 2) >> 7 & 255) < 66)
                set_exponent(kind, data + head, at, 110);
        memcpy(data, text, 80);
        encode(&coder, 6, true, hint, data, len, body);
        assert_int_equal(body[1], ZN_LAYOUT_JOINT);
        assert_int_equal(body[5], 2);
        assert_int_equal(body[6], 64);
        assert_in_range(body[2], 72, 80 + width);
        zt_coder_round_trip(&coder, 6, hint, data, len);
    }
    zt_coder_free(&coder, memory);
    free(data);
    free(body);
}

/* Splitting, merging and counting of every set beside the plain loops, to the end of a page. */
/* Blocks with two bits of the mantissa are as long as rows whose scales differ, up to 1024 words. */
static void blocks_are_as_long_as_rows(void **state) {
    (void)state;
    static const struct {
        unsigned row_log2, block_log2;
    } cases[] = {{7, 7}, {8, 8}, {9, 9}, {10, 10}, {12, 10}, {20, 0}};
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct zn_chunk_hint hint = {.dtype = ZIPNN_BF16};
        fill(0, i, data, N);
        for (size_t at = 0; at < N; at++) {
            const unsigned exponent = zn_get_u16(data + 2 * at) >> 7 & 255, row = (unsigned)(at >> cases[i].row_log2);
            set_exponent(0, data, at,
                         ZN_MAX(exponent, 90u) - (row * 2654435761U >> 20) % 4); /* no column is like itself */
        }
        struct zn_body read = {
            .data = body, .len = encode(&coder, 6, true, hint, data, 2 * N, body), .orig_len = 2 * N};
        assert_int_equal(zn_body_read(&read, NULL), ZIPNN_OK);
        assert_int_equal(read.plane[1].codec, ZN_CODEC_R16W);
        assert_int_equal(read.plane[1].data[1], cases[i].block_log2);
        zt_coder_round_trip(&coder, 6, hint, data, 2 * N);
    }
    zt_coder_free(&coder, memory);
    free(data);
    free(body);
}

static void loops_are_as_the_plain_ones(void **state) {
    (void)state;
    enum { LONGEST = 1100 };
    struct guard in = guard_make(4 * LONGEST), to = guard_make(4 * LONGEST), low = guard_make(LONGEST);
    uint8_t raw[2][3][LONGEST + 64], symbols[2][LONGEST];
    uint64_t seed = 9;
    for (unsigned set = 0; zn_kernels_at(set); set++)
        for (unsigned i = 0; i < 300; i++) {
            const enum zn_joint joint = (enum zn_joint)(i % ZN_N_JOINTS);
            const struct zn_joint_info info = zn_joint_info(joint);
            const size_t n = 1 + (size_t)zt_random(&seed) % (i % 2 ? 40 : LONGEST);
            const struct zn_joint_kernels *k = zn_kernels_at(set)->joint, *plain = &zn_joint_kernels_scalar;
            uint8_t *src = guard_high(&in, n * info.width), *out = guard_high(&to, n * info.width);
            for (size_t b = 0; b < n * info.width; b++) src[b] = (uint8_t)zt_random(&seed);
            for (size_t w = 0; w < n && joint != ZN_JOINT_F16; w++)
                src[(w + 1) * info.width - 1] = (uint8_t)((src[(w + 1) * info.width - 1] & (i % 5 ? 0xbf : 0xff)) |
                                                          (zn_joint_is_wide(joint) && i % 5 ? 0x20 : 0));
            uint8_t *const mine[3] = {raw[0][0], raw[0][1], raw[0][2]}, *const its[3] = {raw[1][0], raw[1][1],
                                                                                         raw[1][2]};
            const bool fits = k->split[joint](src, n, mine, symbols[0]);
            assert_int_equal(fits, plain->split[joint](src, n, its, symbols[1]));
            assert_memory_equal(symbols[0], symbols[1], n);
            for (unsigned p = 0; p < info.n_raw; p++)
                assert_memory_equal(mine[p], its[p], zn_joint_raw_len(joint, p, n));
            if (!fits) continue;
            const size_t packed_len = zn_joint_raw_len(joint, info.packed, n);
            uint8_t *packed = guard_high(&low, packed_len);
            memcpy(packed, mine[info.packed], packed_len);
            const uint8_t *from[3] = {mine[0], mine[1], mine[2]};
            from[info.packed] = packed;
            k->merge[joint](from, symbols[0], n, out);
            assert_memory_equal(out, src, n * info.width);
        }
    guard_free(&in);
    guard_free(&to);
    guard_free(&low);
}

/* Past the caches, to addresses that are and are not those of whole lines: each has a way of its own. */
static void output_goes_to_any_address(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN)),
            *room = aligned_alloc(64, MAX_LEN + 128 - MAX_LEN % 64);
    void *memory;
    assert_true(data && body && room);
    for (unsigned i = 0; i < N_KINDS * 4; i++) {
        const unsigned kind = i / 4, level = i & 2 ? 6 : 3, width = zn_joint_info(kinds[kind].joint).width;
        const uint32_t len = (i % 2 ? 16384 + 64 : 20001) * width;
        if (kind == 2 && level == 6) continue; /* fp16 has no symbols with two bits */
        fill(kind, i, data, len / width);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            const struct zn_chunk_body b = {
                .data = body,
                .len = encode(&coder, (int)level, true, (struct zn_chunk_hint){.dtype = kinds[kind].dtype}, data, len,
                              body)};
            assert_int_equal(body[1], ZN_LAYOUT_JOINT);
            assert_int_equal(body[5], level == 6 ? 2 : 1);
            for (unsigned at = 0; at < 64; at += at % 8 == 1 ? 3 : 1) {
                memset(room, 0xa5, len + 128);
                assert_int_equal(zn_chunk_decode(&coder, &b, room + at, len, ZN_STORE_STREAM, NULL), ZIPNN_OK);
                assert_memory_equal(room + at, data, len);
                for (unsigned j = 0; j < at; j++) assert_int_equal(room[j], 0xa5);
                assert_int_equal(room[at + len], 0xa5);
            }
            zt_coder_free(&coder, memory);
        }
    }
    free(data);
    free(body);
    free(room);
}

static void every_sample_comes_back_under_any_label(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN);
    void *memory;
    assert_non_null(data);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    for (int sample = 0; sample < ZT_N_SAMPLES; sample++)
        for (unsigned kind = 0; kind < N_KINDS; kind++)
            for (int level = 1; level <= 3; level += 2) {
                const uint32_t len = 40000 + (uint32_t)sample;
                zt_sample((enum zt_sample)sample, kind, data, len);
                const struct zn_chunk_hint hint = {.dtype = kinds[kind].dtype, .head = kind % 2};
                zt_coder_round_trip(&coder, level, hint, data, len);
            }
    zt_coder_free(&coder, memory);
    free(data);
}

static void damage_is_no_fault(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    struct guard in = guard_make(MAX_LEN + MAX_LEN / 2), to = guard_make(MAX_LEN);
    void *memory;
    assert_true(data && body);
    for (unsigned i = 0; i < 4 * N_KINDS; i++) {
        const unsigned kind = i / 4, level = i & 2 ? 6 : 3;
        const uint32_t orig_len = (uint32_t)N * zn_joint_info(kinds[kind].joint).width;
        struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
        uint64_t seed = kind;
        fill(kind, kind, data, N);
        if (i % 2) set_exponent(kind, data, 5, 130);
        const uint32_t len =
            encode(&coder, (int)level, true, (struct zn_chunk_hint){.dtype = kinds[kind].dtype}, data, orig_len, body);
        if (level == 3) assert_int_equal(body[1], ZN_LAYOUT_JOINT);
        for (unsigned d = 0; d < N_DAMAGED; d++) {
            const uint32_t cut = d % 2 ? len : len - 1 - (uint32_t)(zt_random(&seed) % len);
            uint8_t *damaged = guard_high(&in, cut), *out = guard_high(&to, orig_len);
            bool same;
            if (cut) memcpy(damaged, body, cut);
            if (d % 2) damaged[zt_random(&seed) % (d % 4 == 1 ? 64 : len)] ^= (uint8_t)(1 + zt_random(&seed) % 255);
            const struct zn_chunk_body b = {.data = damaged, .len = cut};
            const zipnn_status s = zn_chunk_decode(&coder, &b, out, orig_len, ZN_STORE_CACHED, NULL);
            if (cut < len) assert_int_not_equal(s, ZIPNN_OK);
            const zipnn_status c =
                zn_chunk_compare(&coder, &b, &(struct zn_comparison){data, orig_len, out, &same}, NULL);
            assert_int_equal(c == ZIPNN_OK, s == ZIPNN_OK);
        }
        zt_coder_free(&coder, memory);
    }
    guard_free(&in);
    guard_free(&to);
    free(data);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_come_back_and_take_less),
        cmocka_unit_test(large_exponents_find_a_base_or_another_layout),
        cmocka_unit_test(two_bits_take_any_range_of_exponents),
        cmocka_unit_test(an_unusual_front_becomes_head),
        cmocka_unit_test(blocks_are_as_long_as_rows),
        cmocka_unit_test(loops_are_as_the_plain_ones),
        cmocka_unit_test(output_goes_to_any_address),
        cmocka_unit_test(every_sample_comes_back_under_any_label),
        cmocka_unit_test(damage_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
