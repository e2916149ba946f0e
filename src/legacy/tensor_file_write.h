/* Writes "X.znn.safetensors" as the Python package writes and reads it, without the faults of its script: tensors that
 * would not become smaller keep their bytes, and the list of compressed tensors exists even when the file had no
 * metadata. */
#ifndef ZN_LEGACY_TENSOR_FILE_WRITE_H
#define ZN_LEGACY_TENSOR_FILE_WRITE_H

#include "legacy/record_write.h"

/* Writes the safetensors file `source`; returns ZIPNN_E_FORMAT if it is not one. *size is the number of bytes
 * written. */
zipnn_status zn_tensor_file_write(const zipnn_allocator *alloc, struct zn_old_press *press, const zipnn_source *source,
                                  const zipnn_sink *sink, uint64_t *size, zipnn_error *err);

#endif
