/* How much words resemble other words, by a sample of both: the measure by which tensors are linked. */
#ifndef ZN_JOBS_LIKENESS_H
#define ZN_JOBS_LIKENESS_H

#include <stddef.h>
#include <stdint.h>

#include "plan/dtype.h"

/* Distances are mean bit lengths in 16ths of a bit. */
enum { ZN_LIKENESS_SCALE = 16 };

/* The distance of samples that differ in more than a quarter of their words by as much as words can, as weights of
 * other signs do. */
#define ZN_UNRELATED (UINT32_MAX - 1)

/* Returns the bytes of the words that are compared: 1, 2, 4 or 8. */
unsigned zn_likeness_word(zipnn_dtype dtype);

/* Returns word i of a sample as an integer; integers are ordered as the values are. */
uint64_t zn_likeness_value(const uint8_t *sample, size_t i, zipnn_dtype dtype);

/* Returns the mean bit length of the differences of n words, or ZN_UNRELATED. */
uint32_t zn_likeness_distance(const uint8_t *a, const uint8_t *b, size_t n, zipnn_dtype dtype);

/* Returns the mean bit length of the differences of n words of one sample, each compared with the one `shift` places
 * further on: how far words of such values are apart that have nothing to do with each other. */
uint32_t zn_likeness_spread(const uint8_t *sample, size_t n, size_t shift, zipnn_dtype dtype);

/* Returns the distance beyond which weights are unrelated. */
uint32_t zn_likeness_far(zipnn_dtype dtype);

#endif
