/* Headers of .npy files. */
#ifndef ZIPNN_CLI_NUMPY_FILE_H
#define ZIPNN_CLI_NUMPY_FILE_H

#include <stdbool.h>

#include "zipnn/zipnn.h"

enum { NPY_MAX_RANK = 64, NPY_MAX_HEADER = 2048 };

/* An array as numpy sees it. */
struct npy_shape {
    bool exact; /* numpy knows the element type; otherwise unsigned integers hold its bits */
    const char *descr, *type_name;
    uint32_t rank;
    uint64_t dim[NPY_MAX_RANK];
};

/* `rows` rows of `row_len` bytes of a tensor. Elements that are no whole bytes, such as blocks, become bytes. */
struct npy_shape npy_shape_of(const zipnn_tensor_info *t, uint64_t rows, uint64_t row_len);

/* Writes the header; answers its length. */
size_t npy_header(const struct npy_shape *shape, char out[NPY_MAX_HEADER]);

#endif
