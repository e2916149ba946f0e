#include "support/samples.h"

#include <string.h>

#include "base/bytes.h"

uint64_t zt_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/* Returns a nearly Gaussian number with deviation 0.02: a sum of twelve uniform numbers of 16 bits, exact in a
 * double. */
static double gaussian(uint64_t *state) {
    double sum = -6.0;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t r = zt_random(state);
        for (unsigned j = 0; j < 64; j += 16) sum += (double)(r >> j & 0xFFFF) / 65536;
    }
    return sum * 0.02;
}

static uint64_t f64_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint32_t f32_bits(double value) {
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    return bits;
}

/* Returns a number truncated to fp16; below the normal range it becomes zero. */
static uint32_t f16_bits(double value) {
    uint32_t f = f32_bits(value), exponent = f >> 23 & 255;
    uint32_t sign = f >> 16 & 0x8000;
    return exponent <= 112 ? sign : sign | (exponent - 112) << 10 | (f >> 13 & 0x3FF);
}

static uint32_t special(uint64_t r) {
    const uint32_t values[] = {0x7F800000, 0xFF800000,          0,         0x80000000, 0x7FC00000 | (uint32_t)(r >> 42),
                               0xFF800001, (uint32_t)(r >> 41), 0x3F800000};
    return values[r % 8];
}

/* Returns an element of up to 8 bytes, little-endian. */
static uint64_t element(enum zt_sample kind, uint64_t *state, size_t i) {
    static const char text[] =
        "the weights of a model are numbers; their exponents are few and their mantissas are many. ";
    switch (kind) {
        case ZT_ZERO:
            return 0;
        case ZT_CONSTANT:
            return 0x4141414141414141;
        case ZT_NIBBLES:
            return zt_random(state) & 0x0F0F0F0F0F0F0F0F;
        case ZT_TEXT:
            return (uint8_t)text[(i + (i / 1000) * 7) % (sizeof text - 1)];
        case ZT_SMALL_INTS:
            return (uint32_t)(int32_t)(gaussian(state) * 5000);
        case ZT_BF16:
            return f32_bits(gaussian(state)) >> 16;
        case ZT_F16:
            return f16_bits(gaussian(state));
        case ZT_F32:
            return f32_bits(gaussian(state));
        case ZT_F64:
            return f64_bits(gaussian(state));
        case ZT_SPECIALS:
            return special(zt_random(state));
        case ZT_EXPONENTS:
            return (i & 255) << 7 | (zt_random(state) & 0x807F);
        case ZT_SUBNORMALS:
            return zt_random(state) & 0x807F;
        default:
            return zt_random(state);
    }
}

static const struct {
    const char *name;
    size_t width;
} kinds[ZT_N_SAMPLES] = {
    [ZT_RANDOM] = {"random", 8},
    [ZT_ZERO] = {"zero", 8},
    [ZT_CONSTANT] = {"constant", 8},
    [ZT_NIBBLES] = {"nibbles", 8},
    [ZT_TEXT] = {"text", 1},
    [ZT_SMALL_INTS] = {"small ints", 4},
    [ZT_BF16] = {"bf16", 2},
    [ZT_F16] = {"fp16", 2},
    [ZT_F32] = {"fp32", 4},
    [ZT_F64] = {"fp64", 8},
    [ZT_SPECIALS] = {"specials", 4},
    [ZT_EXPONENTS] = {"exponents", 2},
    [ZT_SUBNORMALS] = {"subnormals", 2},
    [ZT_MIXED] = {"mixed", 1},
};

const char *zt_sample_name(enum zt_sample kind) {
    return kinds[kind].name;
}

static void mixed(uint64_t seed, uint8_t *out, size_t len) {
    uint64_t state = seed;
    for (size_t at = 0, n; at < len; at += n) {
        n = (size_t)(zt_random(&state) % 9973) + 1;
        n = ZN_MIN(n, len - at);
        const uint64_t of_stretch = state;
        const enum zt_sample kind = (enum zt_sample)(zt_random(&state) % ZT_MIXED);
        zt_sample(kind, of_stretch, out + at, n);
    }
}

void zt_sample(enum zt_sample kind, uint64_t seed, uint8_t *out, size_t len) {
    if (kind == ZT_MIXED) {
        mixed(seed, out, len);
        return;
    }
    uint64_t state = seed;
    const size_t width = kinds[kind].width;
    for (size_t at = 0; at < len; at += width) {
        uint8_t bytes[8];
        zn_put_u64(bytes, element(kind, &state, at / width));
        memcpy(out + at, bytes, ZN_MIN(width, len - at));
    }
}
