/* What a tensor's bits are made of: how much information its exponents, mantissas and bytes hold. */
#ifndef ZIPNN_CLI_PROFILE_H
#define ZIPNN_CLI_PROFILE_H

#include <stdbool.h>

#include "zipnn/zipnn.h"

enum { PROFILE_BINS = 256, PROFILE_PLANES = 8 };

/* Entropies are of order 0, in bits for each element. */
struct profile {
    zipnn_tensor_info tensor;
    uint64_t n_elements;    /* that were looked at */
    unsigned bits;          /* of an element; bytes where the type has no words */
    unsigned exponent_bits; /* 0: no float of this kind; then there are planes alone */
    unsigned mantissa_bits;
    double sign, exponent, mantissa; /* entropies; a mantissa's is that of its bytes, added up */
    unsigned n_planes;
    double plane[PROFILE_PLANES]; /* of each byte of the little-endian word */
    double needed;                /* of all: the least that order-0 coding of these fields takes */
};

/* What looks at one tensor after the other. `bins`, of the last one, are its elements by exponent (of f64: by its upper
 * 8 bits), or by byte of plane 0. */
struct profiler {
    zipnn_archive *archive;
    struct tally *tally;
    unsigned char *window;
    uint64_t bins[PROFILE_BINS];
};

/* profiler_end frees what profiler_start took, and does nothing for one of zeros. */
zipnn_status profiler_start(struct profiler *p, zipnn_archive *archive, zipnn_error *err);
void profiler_end(struct profiler *p);

/* Looks at bytes of the original that are elements of a type, at all of them or at stretches of a long run. */
zipnn_status profiler_look(struct profiler *p, const zipnn_tensor_info *t, struct profile *profile, zipnn_error *err);

/* Looks at the first values of the tensor of this number, whose bytes say little by themselves. */
zipnn_status profiler_look_at_values(struct profiler *p, uint64_t index, const zipnn_tensor_info *t,
                                     struct profile *profile, zipnn_error *err);

/* The bits that `needed` saves of all, as a share left: 0 to 1. */
double profile_share(const struct profile *p);

#endif
