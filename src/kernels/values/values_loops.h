/* Blocks of quantised values (doc/format.md, section 5.4): their bits gathered to a byte a value and spread again; a
 * value divided into a symbol and low bits and put together again.
 *
 * The symbol of a value v is the place of v among the exact values plus n_bins, and there are no low bits; or else
 * v >> low_bits, and the low bits are the rest. Symbols of a group of values stand together, where the group's place
 * says; low bits follow one another in the order of the values, from the low bit of a byte up.
 */
#ifndef ZN_KERNELS_VALUES_LOOPS_H
#define ZN_KERNELS_VALUES_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ZN_VALUES_UNIT = 16, ZN_VALUES_EXACT = 16, ZN_VALUES_SYMBOLS = 32, ZN_VALUES_BESIDE = 4 };

/* Some bits of the values of a record. From byte `at` on, each stride * 8 / bits values lie in `stride` bytes, the
 * first `stride` values in the lowest bits of these bytes. Strides are 1, 8, 16, 32 and 64 for 4 bits, 32 for 1 and 2
 * bits, and 1 for 1 and 8 bits. Values of 8 bits have their top bit flipped. */
struct zn_value_bits {
    unsigned at, bits, stride;
};

struct zn_values_shape {
    size_t width, n;                /* bytes and values of a record; n is a multiple of 32 */
    struct zn_value_bits low, high; /* high.bits may be 0 */
};

struct zn_values_code {
    unsigned group_log2;            /* 4 or 5 */
    unsigned low_bits;              /* 0, 1, 2 or 4 */
    unsigned n_bins, n_exact;       /* n_bins <= 16, n_exact <= 16 */
    uint8_t flip;                   /* bit that is flipped in each rebuilt value: 0, or 128 for values of 8 bits */
    uint8_t exact[ZN_VALUES_EXACT]; /* ascending */
    uint8_t symbol_of[256];
};

/* Low bits that are read; `bit` of them have been. */
struct zn_low_bits {
    const uint8_t *data;
    size_t len, bit;
};

/* Low bits that are written: whole bytes at `at`, and fewer than 8 bits that are held back. */
struct zn_low_writer {
    uint8_t *at; /* 16 bytes past the final output are writable */
    uint64_t left;
    unsigned n_left;
};

/* What records are rebuilt from. */
struct zn_values_rebuilt {
    const struct zn_values_shape *shape;
    const struct zn_values_code *code;
    const uint8_t *symbols;
    const uint32_t *places; /* of the groups of the first record and of those that follow */
    const uint8_t *beside;  /* beside_len bytes for each record, which stand from byte beside_at on */
    unsigned beside_at, beside_len;
};

struct zn_values_kernels {
    /* Copies the bits of the values of n records to one byte each. */
    void (*unpack)(const struct zn_values_shape *s, const uint8_t *records, size_t n, uint8_t *values);

    /* Computes the keys of n groups from the logarithms of their scales, 1024 to the octave. A level counts as that of
     * levels[i] * up[i] / down[i]; `up` and `down` are NULL where there are none, and `down` only beside `up`. If
     * `relative`, each is compared with the mean of the 16 groups around it (fewer at the end). There are 16 keys to the
     * octave, and 128 is the middle. */
    void (*keys)(const int32_t *levels, const uint8_t *up, const uint8_t *down, size_t n, bool relative, uint8_t *keys);

    /* Rebuilds n records: their values, and the bytes beside them that are given; others are left alone. Group i of all these has
     * its symbols, each below n_bins + n_exact, at symbols + (places[i] << group_log2). Returns false when the low bits
     * run out. If mapped bytes change meanwhile and a symbol is too large, the values are arbitrary, but nothing else
     * happens. */
    bool (*rebuild)(const struct zn_values_rebuilt *v, size_t n, struct zn_low_bits *low, uint8_t *records);

    /* Divides the values of n groups into symbols and low bits. */
    void (*divide)(const struct zn_values_code *c, const uint8_t *values, const uint32_t *places, size_t n,
                   uint8_t *symbols, struct zn_low_writer *low);
};

extern const struct zn_values_kernels zn_values_kernels_scalar;
#if defined(__x86_64__)
extern const struct zn_values_kernels zn_values_kernels_avx2;
extern const struct zn_values_kernels zn_values_kernels_avx512;
#endif

#endif
