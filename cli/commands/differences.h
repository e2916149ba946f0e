/* Compares elements of one type. */
#ifndef ZIPNN_CLI_DIFFERENCES_H
#define ZIPNN_CLI_DIFFERENCES_H

#include <stdbool.h>
#include <stddef.h>

#include "zipnn/zipnn.h"

/* What two tensors of one type and shape differ in. */
struct differences {
    uint64_t n, n_changed; /* units: elements, bytes if an element has fewer bits, or blocks */
    bool measured;         /* the type has values that are measured; otherwise what follows is 0 */
    uint64_t n_undefined;  /* changed elements of which one is infinite or no number: they are not in what follows */
    double largest;        /* |a - b| */
    double squares, squares_of_first; /* sums of (a - b)^2 and of a^2 */
};

/* Returns how many bytes are compared together. */
size_t differences_unit(zipnn_dtype dtype);

/* Compares `len` bytes, a multiple of the unit, and adds to `d`. */
void differences_add(zipnn_dtype dtype, const unsigned char *a, const unsigned char *b, size_t len,
                     struct differences *d);

/* Returns the norm of the difference as a share of the norm of the first tensor; 0 if that is 0. */
double differences_relative(const struct differences *d);

#endif
