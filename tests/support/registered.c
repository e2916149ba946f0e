#include "support/registered.h"

#include <string.h>

#include "chunk/scaled.h"
#include "support/samples.h"

enum { OLD = 100, NEW = 101, LEN = 40000 };

/* ---- chunks ---- */

static void text(uint8_t *data, uint32_t len) {
    zt_sample(ZT_TEXT, 1, data, len);
}

static void bf16(uint8_t *data, uint32_t len) {
    zt_sample(ZT_BF16, 1, data, len);
}

static void f16(uint8_t *data, uint32_t len) {
    zt_sample(ZT_F16, 1, data, len);
}

/* Fills fp32: bf16 with 16 more random bits. */
static void f32(uint8_t *data, uint32_t len) {
    uint64_t seed = 2;
    zt_sample(ZT_BF16, 1, data, len / 2);
    for (uint32_t i = len / 4; i-- > 0;)
        zn_put_u32(data + 4 * i, (uint32_t)zn_get_u16(data + 2 * i) << 16 | (uint32_t)(zt_random(&seed) & 0xffff));
}

/* Fills fp64: the same of many scales, with an exponent of 11 bits and 29 more random bits. */
static void f64(uint8_t *data, uint32_t len) {
    uint64_t seed = 3;
    f32(data, len / 2);
    for (uint32_t i = len / 8; i-- > 0;) {
        const uint64_t w = zn_get_u32(data + 4 * i), sign = w >> 31, r = zt_random(&seed);
        const uint64_t exponent = 1023 - r % 8 - 8 * (uint64_t)__builtin_ctzll(r >> 8 | 1 << 8);
        zn_put_u64(data + 8 * i, sign << 63 | exponent << 52 | (w & 0x7fffff) << 29 | zt_random(&seed) >> 35);
    }
}

/* Fills words whose top byte has four random bits, and whose other bytes have eight. */
static void words(uint8_t *data, uint32_t len, unsigned width) {
    zt_sample(ZT_RANDOM, width, data, len);
    for (uint32_t i = width - 1; i < len; i += width) data[i] = 0x40 | (data[i] & 15);
}

static void words_16(uint8_t *data, uint32_t len) {
    words(data, len, 2);
}

static void words_32(uint8_t *data, uint32_t len) {
    words(data, len, 4);
}

static void words_64(uint8_t *data, uint32_t len) {
    words(data, len, 8);
}

/* Fills words whose top bytes are all the same. */
static void one_top(uint8_t *data, uint32_t len) {
    zt_sample(ZT_RANDOM, 3, data, len);
    for (uint32_t i = 3; i < len; i += 4) data[i] = 7;
}

static void counter(uint8_t *data, uint32_t len) {
    for (uint32_t i = 0; i + 4 <= len; i += 4) zn_put_u32(data + i, 1000000 + 37 * (i / 4) + i / 4 % 3);
}

/* Fills noise that repeats. */
static void copies(uint8_t *data, uint32_t len) {
    enum { PERIOD = 9000 };
    zt_sample(ZT_RANDOM, 4, data, len);
    for (uint32_t i = PERIOD; i < len; i++) data[i] = data[i - PERIOD];
}

/* Fills floats of which two thirds are the same. */
static void pruned(uint8_t *data, uint32_t len) {
    f32(data, len);
    for (uint32_t i = 0; i + 4 <= len; i += 4)
        if (i / 4 * 2654435761u >> 16 & 3) zn_put_u32(data + i, 0);
}

/* Returns a random number near the middle of 0 .. most. */
static uint8_t around(uint64_t *seed, unsigned most) {
    const uint64_t r = zt_random(seed);
    return (uint8_t)(((r & 255) + (r >> 8 & 255) + (r >> 16 & 255) + (r >> 24 & 255)) * most / 1020);
}

/* Fills blocks of two bytes of scale and sixteen bytes of nibbles. */
static void blocks(uint8_t *data, uint32_t len) {
    uint64_t seed = 6;
    for (uint32_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i % 18 < 2 ? 40 + (int)(zt_random(&seed) % 4) : around(&seed, 15) | around(&seed, 15) << 4);
}

/* Fills bytes whose upper half is noise. */
static void halves(uint8_t *data, uint32_t len) {
    uint64_t seed = 7;
    for (uint32_t i = 0; i < len; i++) data[i] = (uint8_t)(around(&seed, 15) | (zt_random(&seed) & 15) << 4);
}

/* Fills integers of four bits times a scale for each 32 of them. */
static void dequantised(uint8_t *data, uint32_t len) {
    uint64_t seed = 10;
    uint32_t scale = 0;
    for (uint32_t i = 0; i + 2 <= len; i += 2) {
        const uint64_t r = zt_random(&seed);
        if (i % 64 == 0) scale = 0x3a000000 + (uint32_t)(r >> 20 & 0xffffff);
        zn_put_u16(data + i, (uint16_t)(zn_scaled_product((unsigned)(r & 7), scale, false) | (r >> 50 & 1) << 15));
    }
}

/* Fills bf16 whose scale is that of a column, of 128. */
static void columns(uint8_t *data, uint32_t len) {
    bf16(data, len);
    for (uint32_t i = 0; i + 2 <= len; i += 2)
        zn_put_u16(data + i, (uint16_t)(zn_get_u16(data + i) - ((i / 2 % 128 * 37 % 7) << 7)));
}

/* Fills words of eight numbers of four bits, around another middle in each 16 words. */
static void zero_points(uint8_t *data, uint32_t len) {
    uint64_t seed = 11;
    unsigned least = 0;
    for (uint32_t i = 0; i < len; i++) {
        if (i % 64 == 0) least = (unsigned)(zt_random(&seed) >> 20) % 8;
        data[i] = (uint8_t)((around(&seed, 8) + least) | (around(&seed, 8) + least) << 4);
    }
}

/* Fills fp32 spelled as UTF-8 of latin-1; its end is cut. */
static void latin1(uint8_t *data, uint32_t len) {
    uint8_t plain[2 * LEN];
    f32(plain, sizeof plain);
    for (uint32_t at = 0, i = 0; at < len; i++) {
        const uint8_t b = plain[i];
        data[at++] = b < 0x80 ? b : (uint8_t)(0xc0 | b >> 6);
        if (b >= 0x80 && at < len) data[at++] = 0x80 | (b & 0x3f);
    }
}

/* ---- their references ---- */

static void nudged(const uint8_t *data, uint32_t len, uint8_t *ref) {
    uint64_t seed = 8;
    for (uint32_t i = 0; i + 2 <= len; i += 2)
        zn_put_u16(ref + i, (uint16_t)(zn_get_u16(data + i) ^ zt_random(&seed) % 4));
}

static void touched(const uint8_t *data, uint32_t len, uint8_t *ref) {
    memcpy(ref, data, len);
    for (uint32_t i = 0; i + 2 <= len; i += 200) ref[i] ^= 1;
}

/* Fills references of which one word in ten has the other sign. */
static void crossed(const uint8_t *data, uint32_t len, uint8_t *ref) {
    uint64_t seed = 18;
    nudged(data, len, ref);
    for (uint32_t i = 0; i + 2 <= len; i += 2)
        if (zt_random(&seed) % 10 == 0) ref[i + 1] ^= 0x80;
}

/* Fills references: floats twice as large, with other mantissas. */
static void scaled(const uint8_t *data, uint32_t len, uint8_t *ref) {
    uint64_t seed = 9;
    for (uint32_t i = 0; i + 4 <= len; i += 4) {
        const uint32_t w = zn_get_u32(data + i) + (1u << 23);
        zn_put_u32(ref + i, (w & 0xff800000u) | ((uint32_t)zt_random(&seed) & 0x7fffff));
    }
}

const struct zt_registered zt_registered[] = {
    {"text", ZN_LAYOUT_8, ZN_CODEC_ZSTD, ZIPNN_DTYPE_UNKNOWN, 3, NEW, LEN, text, NULL},
    {"integers of 16 bits", ZN_LAYOUT_16, ZN_CODEC_BITS, ZIPNN_U16, 3, NEW, LEN, words_16, NULL},
    {"bf16", ZN_LAYOUT_16R, ZN_CODEC_R16, ZIPNN_BF16, 3, OLD, LEN, bf16, NULL},
    {"integers of 32 bits", ZN_LAYOUT_32, ZN_CODEC_RAW, ZIPNN_U32, 3, NEW, LEN, words_32, NULL},
    {"one top byte", ZN_LAYOUT_32, ZN_CODEC_CONSTANT, ZIPNN_U32, 3, NEW, LEN, one_top, NULL},
    {"fp32", ZN_LAYOUT_32R, ZN_CODEC_R16, ZIPNN_F32, 3, OLD, 2 * LEN, f32, NULL},
    {"integers of 64 bits", ZN_LAYOUT_64, ZN_CODEC_RAW, ZIPNN_U64, 3, NEW, LEN, words_64, NULL},
    {"fp64", ZN_LAYOUT_64R, ZN_CODEC_R16, ZIPNN_F64, 3, NEW, LEN, f64, NULL},
    {"fp16", ZN_LAYOUT_F16, ZN_CODEC_R16, ZIPNN_F16, 3, OLD, LEN, f16, NULL},
    {"blocks by field", ZN_LAYOUT_RECORDS, ZN_CODEC_R16, ZIPNN_Q4_0, 3, OLD, LEN, blocks, NULL},
    {"halves of bytes", ZN_LAYOUT_RECORDS, ZN_CODEC_NIBBLES, ZIPNN_U8, 3, NEW, LEN, halves, NULL},
    {"dense", ZN_LAYOUT_DELTA, ZN_CODEC_R16C, ZIPNN_BF16, 3, NEW, LEN, bf16, nudged},
    {"sparse", ZN_LAYOUT_SPARSE, ZN_CODEC_R16, ZIPNN_BF16, 3, NEW, LEN, bf16, touched},
    {"signs apart", ZN_LAYOUT_SIGNS, ZN_CODEC_R16C, ZIPNN_BF16, 3, NEW, LEN, bf16, crossed},
    {"given", ZN_LAYOUT_GIVEN, ZN_CODEC_R16C, ZIPNN_F32, 3, NEW, LEN, f32, scaled},
    {"tops", ZN_LAYOUT_TOPS, ZN_CODEC_R16C, ZIPNN_BF16, 6, OLD, 2 * LEN, bf16, NULL},
    {"joint symbols", ZN_LAYOUT_JOINT, ZN_CODEC_R16, ZIPNN_BF16, 3, NEW, LEN, bf16, NULL},
    {"joint symbols of two bits", ZN_LAYOUT_JOINT, ZN_CODEC_R16W, ZIPNN_BF16, 6, NEW, 2 * LEN, bf16, NULL},
    {"joint symbols, finer", ZN_LAYOUT_JOINT, ZN_CODEC_R32, ZIPNN_BF16, 8, NEW, 2 * LEN, bf16, NULL},
    {"columns, finer", ZN_LAYOUT_COLUMNS, ZN_CODEC_R32, ZIPNN_BF16, 8, NEW, 2 * LEN, columns, NULL},
    {"columns", ZN_LAYOUT_COLUMNS, ZN_CODEC_R16W, ZIPNN_BF16, 6, NEW, 2 * LEN, columns, NULL},
    {"a counter", ZN_LAYOUT_DIFFERENCES, ZN_CODEC_RAW, ZIPNN_I32, 3, NEW, LEN, counter, NULL},
    {"copies", ZN_LAYOUT_REPEATS, ZN_CODEC_RAW, ZIPNN_U8, 3, NEW, LEN, copies, NULL},
    {"pruned", ZN_LAYOUT_FREQUENT, ZN_CODEC_RAW, ZIPNN_F32, 3, NEW, LEN, pruned, NULL},
    {"blocks by value", ZN_LAYOUT_VALUES, ZN_CODEC_R16, ZIPNN_Q4_0, 3, NEW, LEN, blocks, NULL},
    {"spelled", ZN_LAYOUT_REWRITTEN, ZN_CODEC_R16, ZIPNN_DTYPE_UNKNOWN, 3, NEW, LEN, latin1, NULL},
    {"dequantised", ZN_LAYOUT_SCALED, ZN_CODEC_R16, ZIPNN_BF16, 3, NEW, LEN, dequantised, NULL},
    {"zero points", ZN_LAYOUT_KEYED, ZN_CODEC_R16, ZIPNN_I32, 3, NEW, LEN, zero_points, NULL},
    {"mixed", ZN_LAYOUT_8, ZN_CODEC_MIXING, ZIPNN_BF16, 9, NEW, LEN / 4, bf16, NULL},
};

const size_t zt_n_registered = sizeof zt_registered / sizeof *zt_registered;
