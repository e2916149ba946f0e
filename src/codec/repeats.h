/* How much of a run of bytes was there before, by sampling. */
#ifndef ZN_CODEC_REPEATS_H
#define ZN_CODEC_REPEATS_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of p[0, n) that belong to stretches of 128 bytes or more that occur earlier, at whatever distance, estimated.
 * About a byte in 50 is looked at. */
size_t zn_repeats_estimate(const uint8_t *p, size_t n);

#endif
