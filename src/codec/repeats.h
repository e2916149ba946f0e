/* Estimates and finds bytes that occurred before. */
#ifndef ZN_CODEC_REPEATS_H
#define ZN_CODEC_REPEATS_H

#include <stddef.h>
#include <stdint.h>

/* Estimates how many bytes of p[0, n) belong to stretches of at least 128 bytes that occur earlier, at any distance. It
 * looks at about one byte in 50. */
size_t zn_repeats_estimate(const uint8_t *p, size_t n);

/* A stretch at p[at, at + len) that also occurs earlier: at p[from, from + len), from + len <= at. */
struct zn_repeat {
    uint32_t at, len, from;
};

/* Finds such stretches of at least `shortest` bytes, in ascending order and without overlap, at most `max`. They begin
 * at `head` plus a multiple of `grain`, and their length is such a multiple. Returns their number. */
size_t zn_repeats_find(const uint8_t *p, size_t n, size_t head, size_t grain, size_t shortest,
                       struct zn_repeat *repeats, size_t max);

#endif
