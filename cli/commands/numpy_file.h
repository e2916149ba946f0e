/* Headers of .npy files. */
#ifndef ZIPNN_CLI_NUMPY_FILE_H
#define ZIPNN_CLI_NUMPY_FILE_H

#include <stdbool.h>

#include "zipnn/zipnn.h"

enum { NPY_MAX_RANK = 64, NPY_MAX_HEADER = 2048 };

/* An array as numpy sees it. */
struct npy_shape {
    bool exact;     /* numpy has the element type; otherwise unsigned integers hold its bits */
    bool bytes;     /* elements are not whole bytes, such as blocks: the last dimension counts bytes */
    char descr[24]; /* "<f4"; big-endian where the tensor is */
    char type_name[16];
    bool in_columns;
    uint32_t rank;
    uint64_t dim[NPY_MAX_RANK];
};

/* Describes `rows` rows of a tensor that has `layout`; together they take `length` bytes. */
struct npy_shape npy_shape_of(const zipnn_tensor_info *t, const zipnn_tensor_layout *layout, uint64_t rows,
                              uint64_t length);

/* Writes the header and returns its length. */
size_t npy_header(const struct npy_shape *shape, char out[NPY_MAX_HEADER]);

#endif
