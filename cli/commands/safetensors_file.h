/* Safetensors files of one tensor. */
#ifndef ZIPNN_CLI_SAFETENSORS_FILE_H
#define ZIPNN_CLI_SAFETENSORS_FILE_H

#include "shared/output.h"

/* ZIPNN_E_ARGUMENT when the format cannot hold `rows` rows of a tensor: it lacks the element type, or its elements
 * do not fill whole bytes. */
zipnn_status safetensors_check(const zipnn_tensor_info *t, uint64_t rows, zipnn_error *err);

/* Writes what stands before the bytes of `rows` rows of a tensor, `length` of them. */
zipnn_status safetensors_put_head(struct output *out, const zipnn_tensor_info *t, uint64_t rows, uint64_t length,
                                  zipnn_error *err);

#endif
