/* Test data of every kind that the coder treats differently, the same on every machine. */
#ifndef ZN_TESTS_SUPPORT_SAMPLES_H
#define ZN_TESTS_SUPPORT_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

enum zt_sample {
    ZT_RANDOM,
    ZT_ZERO,
    ZT_CONSTANT,
    ZT_NIBBLES, /* bytes 0 .. 15 */
    ZT_TEXT,
    ZT_SMALL_INTS, /* 32 bits, mostly near 0 */
    ZT_BF16,       /* floats begin here; they are Gaussian, as weights are */
    ZT_F16,
    ZT_F32,
    ZT_F64,
    ZT_SPECIALS,   /* 32-bit NaN with payloads, infinities, zeros of both signs, subnormals */
    ZT_EXPONENTS,  /* bf16 with all 256 exponents */
    ZT_SUBNORMALS, /* 16 bits, exponent 0 */
    ZT_MIXED,      /* ranges of other kinds, of odd lengths */
    ZT_N_SAMPLES
};

const char *zt_sample_name(enum zt_sample kind);

/* Fills out[0, len). The same seed gives the same bytes, and a longer sample begins with the shorter one, except
 * ZT_MIXED. */
void zt_sample(enum zt_sample kind, uint64_t seed, uint8_t *out, size_t len);

/* Returns the next number of SplitMix64, a sequence that never repeats within a test. */
uint64_t zt_random(uint64_t *state);

#endif
