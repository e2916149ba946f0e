#include "commands/differences.h"

#include <math.h>
#include <string.h>

/* The bits of a little-endian word. */
static uint64_t word(const unsigned char *bytes, size_t len) {
    uint64_t w = 0;
    for (size_t i = 0; i < len; i++) w |= (uint64_t)bytes[i] << 8 * i;
    return w;
}

static double value_of_f32(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static double value_of_f16(uint32_t bits) {
    const int exponent = (int)(bits >> 10 & 31);
    const double mantissa = (double)(bits & 1023), sign = bits >> 15 ? -1 : 1;
    if (exponent == 31) return mantissa > 0 ? (double)NAN : sign * HUGE_VAL;
    return sign * (exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24));
}

static double value_of_f64(uint64_t bits) {
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* The bits `w` of `n` bytes as a signed number. */
static double value_of_signed(uint64_t w, size_t n) {
    const unsigned shift = (unsigned)(64 - 8 * n);
    const uint64_t top = w << shift;
    return top >> 63 ? -(double)((~top >> shift) + 1) : (double)w;
}

/* Returns false if values of the type are not measured. */
static bool value_of(zipnn_dtype dtype, const unsigned char *bytes, size_t n, double *value) {
    const uint64_t w = word(bytes, n);
    switch (dtype) {
        case ZIPNN_BF16:
            *value = value_of_f32((uint32_t)w << 16);
            return true;
        case ZIPNN_F16:
            *value = value_of_f16((uint32_t)w);
            return true;
        case ZIPNN_F32:
            *value = value_of_f32((uint32_t)w);
            return true;
        case ZIPNN_F64:
            *value = value_of_f64(w);
            return true;
        case ZIPNN_I8:
        case ZIPNN_I16:
        case ZIPNN_I32:
        case ZIPNN_I64:
            *value = value_of_signed(w, n);
            return true;
        case ZIPNN_U8:
        case ZIPNN_U16:
        case ZIPNN_U32:
        case ZIPNN_U64:
            *value = (double)w;
            return true;
        default:
            return false;
    }
}

size_t differences_unit(zipnn_dtype dtype) {
    zipnn_dtype_info info = {.size = sizeof info};
    if (zipnn_dtype_describe(dtype, &info, NULL) != ZIPNN_OK) return 1;
    return info.block_bytes ? info.block_bytes : info.bits < 8 ? 1 : info.bits / 8;
}

static void measure(zipnn_dtype dtype, const unsigned char *a, const unsigned char *b, size_t unit, bool same,
                    struct differences *d) {
    double x, y;
    if (!value_of(dtype, a, unit, &x) || !value_of(dtype, b, unit, &y)) return;
    d->measured = true;
    if (isfinite(x)) d->squares_of_first += x * x;
    if (same) return;
    if (!isfinite(x) || !isfinite(y)) {
        d->n_undefined++;
        return;
    }
    const double apart = fabs(x - y);
    if (apart > d->largest) d->largest = apart;
    d->squares += apart * apart;
}

void differences_add(zipnn_dtype dtype, const unsigned char *a, const unsigned char *b, size_t len,
                     struct differences *d) {
    const size_t unit = differences_unit(dtype);
    for (size_t i = 0; i < len; i += unit) {
        const bool same = memcmp(a + i, b + i, unit) == 0;
        d->n++;
        d->n_changed += !same;
        if (unit <= sizeof(uint64_t)) measure(dtype, a + i, b + i, unit, same, d);
    }
}

double differences_relative(const struct differences *d) {
    return d->squares_of_first > 0 ? sqrt(d->squares / d->squares_of_first) : 0;
}
