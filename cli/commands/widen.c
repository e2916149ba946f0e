#include "commands/widen.h"

#include <stdbool.h>

/* How the bits of a type fall apart. Subnormals have exponent 0. */
struct float_form {
    unsigned exponent_bits, mantissa_bits;
    bool has_infinity; /* the largest exponent stands for infinity and NaN; otherwise all ones alone stand for NaN */
};

static bool form_of(zipnn_dtype dtype, struct float_form *form) {
    switch (dtype) {
        case ZIPNN_F32:
            *form = (struct float_form){8, 23, true};
            return true;
        case ZIPNN_BF16:
            *form = (struct float_form){8, 7, true};
            return true;
        case ZIPNN_F16:
            *form = (struct float_form){5, 10, true};
            return true;
        case ZIPNN_F8_E4M3:
            *form = (struct float_form){4, 3, false};
            return true;
        case ZIPNN_F8_E5M2:
            *form = (struct float_form){5, 2, true};
            return true;
        default:
            return false;
    }
}

size_t widen_unit(zipnn_dtype from) {
    struct float_form f;
    return form_of(from, &f) ? (1 + f.exponent_bits + f.mantissa_bits) / 8 : 0;
}

/* Returns the bits of the fp32 of the same value. */
static uint32_t widen(uint32_t bits, const struct float_form *f) {
    const uint32_t ones = (1u << f->exponent_bits) - 1, bias = ones >> 1;
    const uint32_t sign = bits >> (f->exponent_bits + f->mantissa_bits) << 31;
    uint32_t exponent = bits >> f->mantissa_bits & ones, mantissa = bits & ((1u << f->mantissa_bits) - 1);
    const bool all_ones = exponent == ones && mantissa == (1u << f->mantissa_bits) - 1;
    mantissa <<= 23 - f->mantissa_bits;
    if (f->exponent_bits == 8) return sign | exponent << 23 | mantissa;
    if (f->has_infinity ? exponent == ones : all_ones) return sign | 0x7f800000u | mantissa;
    if (exponent > 0) return sign | (exponent + 127 - bias) << 23 | mantissa;
    if (mantissa == 0) return sign;
    for (exponent = 128 - bias; !(mantissa >> 23); exponent--) mantissa <<= 1; /* subnormals become normal */
    return sign | exponent << 23 | (mantissa & 0x7fffff);
}

zipnn_status widen_write(void *user, const void *buf, size_t len, zipnn_error *err) {
    enum { AT_ONCE = 4096 };
    struct widening *w = user;
    struct float_form form = {0, 0, false};
    unsigned char wide[4 * AT_ONCE];
    const unsigned char *bytes = buf;
    const size_t unit = form_of(w->from, &form) ? widen_unit(w->from) : 1;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        w->held[w->n_held++] = bytes[i];
        if (w->n_held < unit) continue;
        uint32_t bits = 0;
        for (size_t b = 0; b < unit; b++) bits |= (uint32_t)w->held[b] << 8 * b;
        bits = widen(bits, &form);
        for (unsigned b = 0; b < 4; b++) wide[n++] = (unsigned char)(bits >> 8 * b);
        w->n_held = 0;
        if (n < sizeof wide) continue;
        const zipnn_status st = output_put(w->to, wide, n, err);
        if (st != ZIPNN_OK) return st;
        n = 0;
    }
    return output_put(w->to, wide, n, err);
}
