/* Measures how much information the exponents, mantissas and bytes of a tensor hold. */
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
    unsigned exponent_bits; /* 0: not a float of this kind; only planes are measured then */
    unsigned mantissa_bits;
    double sign, exponent, mantissa; /* entropies; that of a mantissa is the sum over its bytes */
    unsigned n_planes;
    double plane[PROFILE_PLANES]; /* of each byte of the little-endian word */
    double needed;                /* the sum: order-0 coding of these fields needs at least this */
};

/* Measures one tensor after the other. `bins` counts the elements of the last one by exponent (of f64: by its upper 8
 * bits), or by byte of plane 0. */
struct profiler {
    zipnn_archive *archive;
    struct tally *tally;
    unsigned char *window;
    uint64_t bins[PROFILE_BINS];
};

/* profiler_end frees what profiler_start allocated; it accepts a zeroed struct. */
zipnn_status profiler_start(struct profiler *p, zipnn_archive *archive, zipnn_error *err);
void profiler_end(struct profiler *p);

/* Measures a run of the original's bytes that are elements of one type: all of it, or stretches of a long one. */
zipnn_status profiler_look(struct profiler *p, const zipnn_tensor_info *t, struct profile *profile, zipnn_error *err);

/* Measures the first values of the tensor `index`. Use it for tensors whose bytes are not their values. */
zipnn_status profiler_look_at_values(struct profiler *p, uint64_t index, const zipnn_tensor_info *t,
                                     struct profile *profile, zipnn_error *err);

/* Returns `needed` as a share of all bits, 0 to 1. */
double profile_share(const struct profile *p);

#endif
