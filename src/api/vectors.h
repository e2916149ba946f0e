/* What stands before the numbers of vectors that are ready for products. */
#ifndef ZN_API_VECTORS_H
#define ZN_API_VECTORS_H

#include "api/context.h"
#include "zipnn/matrix.h"

enum { ZN_VECTORS_HEAD = 64, ZN_VECTORS_MARK = 0x5a4e5631 };

struct zn_vectors {
    uint32_t mark;
    uint32_t sum; /* zipnn_sum */
    uint32_t n, n_filled;
    uint64_t n_columns;
};

#endif
