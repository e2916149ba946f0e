#include "gpu/cases.h"

#include <string.h>

#include "base/bytes.h"
#include "support/samples.h"

/* Makes floats of 16 bits smaller from part to part, so that a chunk has several tables. */
static void scale_parts(uint8_t *data, uint32_t len, unsigned exponent_at) {
    enum { PART = 3000, SCALES = 4 };
    const unsigned mask = 0x7fffu >> exponent_at << exponent_at;
    for (uint32_t i = 0; i + 2 <= len; i += 2) {
        const unsigned w = zn_get_u16(data + i), less = i / PART % SCALES << exponent_at;
        if ((w & mask) > less) zn_put_u16(data + i, (uint16_t)(w - less));
    }
}

static void fill_bf16(uint8_t *data, uint32_t len) {
    zt_sample(ZT_BF16, 1, data, len);
    scale_parts(data, len, 7);
}

static void fill_f16(uint8_t *data, uint32_t len) {
    zt_sample(ZT_F16, 1, data, len);
    scale_parts(data, len, 10);
}

/* Fills fp32: bf16 with 16 more random bits. */
static void fill_f32(uint8_t *data, uint32_t len) {
    uint64_t seed = 2;
    fill_bf16(data, len / 2);
    for (uint32_t i = len / 4; i-- > 0;)
        zn_put_u32(data + 4 * i, (uint32_t)zn_get_u16(data + 2 * i) << 16 | (uint32_t)(zt_random(&seed) & 0xffff));
    memset(data + len / 4 * 4, 'x', len % 4);
}

/* Fills floats of 8 bits: the upper bits of bf16, with an exponent that suits them. */
static void fill_fp8(uint8_t *data, uint32_t len, unsigned mantissa) {
    const unsigned most = (1u << (7 - mantissa)) - 1;
    for (uint32_t i = 0; i < len; i++) {
        uint8_t two[2];
        zt_sample(ZT_BF16, i, two, 2);
        const unsigned w = zn_get_u16(two), wanted = (w >> 7 & 255) + most, e = wanted > 126 ? wanted - 126 : 0;
        data[i] =
            (uint8_t)((w >> 15) << 7 | ZN_MIN(e, most) << mantissa | (w >> (7 - mantissa) & ((1u << mantissa) - 1)));
    }
}

static void fill_e4m3(uint8_t *data, uint32_t len) {
    fill_fp8(data, len, 3);
}

/* Fills the same with mantissas that depend on the exponents. */
static void fill_coarse_e4m3(uint8_t *data, uint32_t len) {
    fill_fp8(data, len, 3);
    for (uint32_t i = 0; i < len; i++)
        if (data[i] & 8) data[i] &= 0x7f;
}

static void fill_e5m2(uint8_t *data, uint32_t len) {
    fill_fp8(data, len, 2);
}

/* Fills small integers: sums of four dice. */
static void fill_int8(uint8_t *data, uint32_t len) {
    uint64_t seed = 5;
    for (uint32_t i = 0; i < len; i++) {
        const uint64_t r = zt_random(&seed);
        data[i] = (uint8_t)((r & 31) + (r >> 8 & 31) + (r >> 16 & 31) + (r >> 24 & 31) - 62);
    }
}

static void fill_zeros(uint8_t *data, uint32_t len) {
    memset(data, 0, len);
}

static void fill_one_top(uint8_t *data, uint32_t len) {
    zt_sample(ZT_RANDOM, 3, data, len);
    for (uint32_t i = 3; i < len; i += 4) data[i] = 7;
}

/* Fills integers of 16 bits whose upper bytes are small. */
static void fill_u16(uint8_t *data, uint32_t len) {
    uint64_t seed = 6;
    for (uint32_t i = 0; i < len; i++) {
        const uint64_t r = zt_random(&seed);
        data[i] = (uint8_t)(i % 2 ? (r & 7) + (r >> 8 & 7) + (r >> 16 & 7) : r >> 24);
    }
}

const struct gpu_case gpu_cases[] = {
    {"bf16", fill_bf16, ZIPNN_BF16, 3, 100, 2, ZN_GPU_BF16},
    {"bf16, joint", fill_bf16, ZIPNN_BF16, 3, 101, 2, ZN_GPU_BF16_JOINT},
    {"bf16, joint 2", fill_bf16, ZIPNN_BF16, 6, 101, 2, ZN_GPU_BF16_JOINT2},
    {"bf16, tops", fill_bf16, ZIPNN_BF16, 6, 100, 2, ZN_GPU_BF16_TOPS},
    {"fp16", fill_f16, ZIPNN_F16, 3, 100, 2, ZN_GPU_FP16},
    {"fp16, joint", fill_f16, ZIPNN_F16, 3, 101, 2, ZN_GPU_FP16_JOINT},
    {"fp16, tops", fill_f16, ZIPNN_F16, 6, 100, 2, ZN_GPU_FP16_TOPS},
    {"fp32", fill_f32, ZIPNN_F32, 3, 100, 4, ZN_GPU_FP32},
    {"fp32, joint", fill_f32, ZIPNN_F32, 3, 101, 4, ZN_GPU_FP32_JOINT},
    {"fp32, joint 2", fill_f32, ZIPNN_F32, 6, 101, 4, ZN_GPU_FP32_JOINT2},
    {"fp32, tops", fill_f32, ZIPNN_F32, 6, 100, 4, ZN_GPU_FP32_TOPS},
    {"fp8, three low bits", fill_e4m3, ZIPNN_F8_E4M3, 3, 101, 1, ZN_GPU_FP8_LOW3},
    {"fp8, two low bits", fill_e5m2, ZIPNN_F8_E5M2, 3, 101, 1, ZN_GPU_FP8_LOW2},
    {"fp8, low bits given the others", fill_coarse_e4m3, ZIPNN_F8_E4M3, 3, 101, 1, ZN_GPU_SECOND_1},
    {"int8", fill_int8, ZIPNN_I8, 3, 101, 1, ZN_GPU_GENERAL_1},
    {"zeros", fill_zeros, ZIPNN_F32, 3, 101, 4, ZN_GPU_GENERAL_1},
    {"a constant byte", fill_one_top, ZIPNN_U32, 3, 101, 4, ZN_GPU_GENERAL_4},
    {"integers of 16 bits", fill_u16, ZIPNN_U16, 3, 101, 2, ZN_GPU_GENERAL_2},
};
const size_t gpu_n_cases = sizeof gpu_cases / sizeof *gpu_cases;

uint32_t gpu_case_encode(struct zn_coder *coder, const struct gpu_case *c, unsigned head, uint32_t len, uint8_t *data,
                         uint8_t *body) {
    struct zn_effort effort = zn_effort_of(c->level);
    effort.readers = c->readers;
    memset(data, 'h', head);
    c->fill(data + head, len - head);
    const struct zn_encoder e = {coder, &effort, {.dtype = c->dtype, .head = head}, data, len};
    return zn_chunk_encode(&e, body);
}
