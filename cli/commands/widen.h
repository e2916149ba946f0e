/* Floats of fewer bits as fp32, which holds each of their values exactly. */
#ifndef ZIPNN_CLI_WIDEN_H
#define ZIPNN_CLI_WIDEN_H

#include "shared/output.h"

/* Returns the bytes of an element of the type, 0 if fp32 does not hold all of its values. */
size_t widen_unit(zipnn_dtype from);

/* A sink that takes little-endian values of the type and hands them to `to` as fp32. Infinities, signs of zeros, and the
 * payloads of NaNs where the type has any, are kept. */
struct widening {
    struct output *to;
    zipnn_dtype from;
    unsigned char held[4]; /* of a value that is not complete */
    size_t n_held;
};

/* The write function of the sink; user is a struct widening. */
zipnn_status widen_write(void *user, const void *buf, size_t len, zipnn_error *err);

#endif
