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

enum { ZN_VALUES_UNIT = 16, ZN_VALUES_EXACT = 16, ZN_VALUES_SYMBOLS = 32 };

/* Some bits of the values of a record: from byte `at` on, each stride * 8 / bits values are in `stride` bytes, the
 * first `stride` of them in the lowest bits of these. Strides are 1, 8, 16, 32 and 64 for 4 bits, 32 for 1 and 2, and 1
 * for 1 and 8; values of 8 bits have their top bit flipped. */
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
    uint8_t flip;                   /* bit that restore turns in each value: none, or 128 */
    uint8_t exact[ZN_VALUES_EXACT]; /* ascending */
    uint8_t symbol_of[256];
};

/* Low bits being read; `bit` of them were. */
struct zn_low_bits {
    const uint8_t *data;
    size_t len, bit;
};

/* Low bits being written: whole bytes at `at`, and fewer than 8 bits left over. */
struct zn_low_writer {
    uint8_t *at; /* 16 bytes past what will be written are writable */
    uint64_t left;
    unsigned n_left;
};

struct zn_values_kernels {
    /* All bits of the values of n records, a byte each; and back, which leaves the bytes beside them alone. */
    void (*unpack)(const struct zn_values_shape *s, const uint8_t *records, size_t n, uint8_t *values);
    void (*pack)(const struct zn_values_shape *s, const uint8_t *values, size_t n, uint8_t *records);

    /* Keys of n groups by the logarithms of their scales, 1024 to the octave: each held against the mean of the 16
     * that stand together with it (fewer at the end), or as they are; 16 keys to the octave, 128 being the middle. */
    void (*keys)(const int32_t *levels, size_t n, bool relative, uint8_t *keys);

    /* Values of n groups, of which the i-th has its symbols, all below n_bins + n_exact, at
     * symbols + (places[i] << group_log2); the values of a group follow those of the one before by `stride`, which is
     * the length of a group or more. False when the low bits run out. Symbols that are no such number, since they lie in
     * mapped bytes that changed, lead to any values and to nothing else. */
    bool (*restore)(const struct zn_values_code *c, const uint8_t *symbols, const uint32_t *places, size_t n,
                    struct zn_low_bits *low, uint8_t *values, size_t stride);

    /* The way there. */
    void (*divide)(const struct zn_values_code *c, const uint8_t *values, const uint32_t *places, size_t n,
                   uint8_t *symbols, struct zn_low_writer *low);
};

extern const struct zn_values_kernels zn_values_kernels_scalar;
#if defined(__x86_64__)
extern const struct zn_values_kernels zn_values_kernels_avx2;
extern const struct zn_values_kernels zn_values_kernels_avx512;
#endif

#endif
