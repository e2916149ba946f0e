/* From a body to what the device is told of it. */
#ifndef ZN_GPU_PREPARE_H
#define ZN_GPU_PREPARE_H

#include "chunk/chunk.h"
#include "gpu/device.h"

/* Where the parts of a chunk are on the device, and room for what the host adds. */
struct zn_gpu_room {
    uint64_t body; /* address of the body; the bytes around it are readable as device.h says */
    uint64_t dst;  /* of the original bytes, from the address that a launch is given */
    uint64_t meta; /* address that `bytes` will have; a multiple of 16 */
    uint8_t *bytes;
    size_t cap;
};

/* Bytes of meta that chunks of orig_len bytes need at most, except those that are nearly all escapes: the host decodes these. */
size_t zn_gpu_meta_bound(uint32_t orig_len);

/* Validates a body, whose frame was verified, and describes it. `coder` is for decoding chunks of orig_len bytes. Returns false when the host must decode the
 * chunk: it has a form that the kernels do not take, or it is damaged, and the host finds the words for that. */
bool zn_gpu_prepare(struct zn_coder *coder, const struct zn_chunk_body *in, uint32_t orig_len,
                    const struct zn_gpu_room *room, struct zn_gpu_chunk *chunk, size_t *meta_len);

/* Returns the kernel for a chunk of that shape. */
enum zn_gpu_kernel zn_gpu_kernel_of(const struct zn_gpu_shape *shape);

/* Returns the name of a kernel, without what all names begin with. */
const char *zn_gpu_kernel_name(enum zn_gpu_kernel kernel);

/* Writes the whole name, by which the driver knows it. */
void zn_gpu_kernel_symbol(enum zn_gpu_kernel kernel, char *name, size_t cap);

#endif
