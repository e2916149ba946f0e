/* How much of a run of bytes was there before, by sampling. */
#ifndef ZN_CODEC_REPEATS_H
#define ZN_CODEC_REPEATS_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of p[0, n) that belong to stretches of 128 bytes or more that occur earlier, at whatever distance, estimated.
 * About a byte in 50 is looked at. */
size_t zn_repeats_estimate(const uint8_t *p, size_t n);

/* A stretch that occurs earlier: p[from, from + len), from + len <= at. */
struct zn_repeat {
    uint32_t at, len, from;
};

/* Finds such stretches of at least `shortest` bytes, in order, without overlap, at most `max`. They begin at `head`
 * plus a multiple of `grain` and are multiples of it long. Returns their number. */
size_t zn_repeats_find(const uint8_t *p, size_t n, size_t head, size_t grain, size_t shortest,
                       struct zn_repeat *repeats, size_t max);

#endif
