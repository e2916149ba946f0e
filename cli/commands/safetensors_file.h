/* Safetensors files of one tensor. */
#ifndef ZIPNN_CLI_SAFETENSORS_FILE_H
#define ZIPNN_CLI_SAFETENSORS_FILE_H

#include "shared/output.h"

/* Returns ZIPNN_E_ARGUMENT if the format cannot hold `rows` rows of a tensor: because it lacks the element type, or
 * because the elements do not fill whole bytes. */
zipnn_status safetensors_check(const zipnn_tensor_info *t, uint64_t rows, zipnn_error *err);

/* Writes the header of a file that holds `rows` rows of a tensor in `length` bytes. */
zipnn_status safetensors_put_head(struct output *out, const zipnn_tensor_info *t, uint64_t rows, uint64_t length,
                                  zipnn_error *err);

#endif
