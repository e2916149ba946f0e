/* Which tensors extract writes, and which rows of them. */
#ifndef ZIPNN_CLI_PARTS_H
#define ZIPNN_CLI_PARTS_H

#include "shared/run.h"

/* The bytes of the values alone, an array of numpy, many of them in a .npz file, or a safetensors file. */
enum form { VALUES, NUMPY, NUMPY_ZIP, SAFETENSORS };

/* Part of a tensor. */
struct part {
    uint64_t index; /* of the tensor */
    zipnn_tensor_info tensor;
    zipnn_tensor_layout layout;
    uint64_t first, n;       /* rows */
    uint64_t offset, length; /* offset of the first value in the original; bytes of the values */
    bool widened;            /* --as: `tensor.dtype` and `length` are those of what is written ... */
    zipnn_dtype stored_as;   /* ... and this is the type in the original */
};

struct parts {
    struct part *part; /* in the order of the file */
    size_t n, cap;
    uint64_t length; /* of all values */
};

/* Chooses the form by the name of the output, NULL for standard output; DIR/ stands for arrays in a folder. If the name
 * promises another container, nothing is to be written: ZIPNN_E_ARGUMENT. */
zipnn_status parts_form(const char *path, enum form *form, zipnn_error *err);

/* Finds what each --tensor names: the tensor of that name, or else all that it matches as a pattern with "*" and "?".
 * `parts` must be zeroed; parts_free must follow, also after a failure. What the tensors are called lives as long as
 * the archive. */
zipnn_status parts_find(const struct run *run, zipnn_archive *archive, struct parts *parts, zipnn_error *err);
void parts_free(struct parts *parts);

#endif
