/* zipnn, GPU: archives restored into the memory of a GPU, which decodes most chunks itself.
 *
 *     zipnn_gpu *gpu;
 *     zipnn_gpu_options options = {sizeof options, 0, fatbin, 0};     // what `make gpu` builds
 *     zipnn_gpu_open(&options, &gpu, &err);
 *     zipnn_gpu_load(gpu, ctx, archive, tensor.offset, tensor.length, device_address, NULL, &err);
 *
 * It needs NVIDIA's driver, which zipnn_gpu_open loads at run time, and nothing of CUDA to build or to link. **It has run under an
 * emulation only, on no GPU yet** (doc/internals/gpu.md). zipnn/zipnn.h does not include this header, and its calls may still change.
 *
 * Addresses of device memory are those of CUDA (CUdeviceptr), streams are CUstream. All calls use the primary context of the device, as
 * PyTorch and CUDA's runtime do. A zipnn_gpu, and what is kept by it, is for one thread at a time.
 */
#ifndef ZIPNN_GPU_H
#define ZIPNN_GPU_H

#include "zipnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero every field that you do not set and put sizeof(zipnn_gpu_options) in `size`. A longer struct than this library knows is accepted if
 * the part that it does not know is zero. */
typedef struct zipnn_gpu_options {
    size_t size;
    int device;       /* number of the device, as CUDA counts them */
    const void *code; /* the kernels: a fatbin, a cubin, or PTX that ends with a zero; used by zipnn_gpu_open only */
    size_t
        staging; /* bytes of pinned host memory, half of which is filled while the other half is copied; 0: 64 MiB. Device memory of the same size
                       is used while loading. At least 24 MiB */
} zipnn_gpu_options;

typedef struct zipnn_gpu zipnn_gpu;

/* Opens a device.
 *  - ZIPNN_E_UNSUPPORTED: there is no driver, no such device, or a device before compute capability 8.0; or the driver does not take the code;
 *    or the processor is big-endian.
 *  - ZIPNN_E_ARGUMENT: no code is given. ZIPNN_E_MEMORY: host or device memory is lacking. */
ZIPNN_API zipnn_status zipnn_gpu_open(const zipnn_gpu_options *options, zipnn_gpu **gpu, zipnn_error *err);

/* Closes it; NULL is accepted. Drop what is kept by it before. */
ZIPNN_API void zipnn_gpu_close(zipnn_gpu *gpu);

/* How a range came to the device. */
typedef struct zipnn_gpu_stats {
    uint64_t by_gpu;  /* original bytes that the GPU decoded ... */
    uint64_t by_host; /* ... and that the host did: chunks that the kernels do not take, or that reach past the range */
    uint64_t copied;  /* bytes copied to the device */
} zipnn_gpu_stats;

/* Restores bytes [off, off + len) of the original to dst in device memory. `ctx` decodes what the host must; stats may be NULL.
 *  - Every checksum is verified by the host before bytes are copied, and every chunk's status is known when the call returns. After a failure dst
 *    holds anything. Damage gives the error that zipnn_archive_read_in gives.
 *  - It uses streams of its own: earlier work on dst must be finished, and the bytes are there when it returns.
 *  - ZIPNN_E_NOT_FOUND: the range is not inside the original. ZIPNN_E_IO: the driver reports an error. */
ZIPNN_API zipnn_status zipnn_gpu_load(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t off,
                                      uint64_t len, uint64_t dst, zipnn_gpu_stats *stats, zipnn_error *err);

/* A range of an original that stays compressed in device memory, but for chunks that only the host can decode: their bytes are kept as they are. */
typedef struct zipnn_gpu_kept zipnn_gpu_kept;

/* Keeps bytes [off, off + len). They are decoded once, to len bytes of device memory that are freed again, so that damage is found now. Errors are those of
 * zipnn_gpu_load; on failure nothing is kept. stats->copied is the device memory that the range takes. */
ZIPNN_API zipnn_status zipnn_gpu_keep(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t off,
                                      uint64_t len, zipnn_gpu_kept **kept, zipnn_gpu_stats *stats, zipnn_error *err);

/* Decodes what is kept to dst, in order on `stream` (NULL: the default stream). It only launches kernels and copies: it allocates nothing and waits for
 * nothing, and a CUDA graph can capture it. dst must be as aligned as the original's elements are for full speed; any address is right. */
ZIPNN_API zipnn_status zipnn_gpu_decode(const zipnn_gpu_kept *kept, uint64_t dst, void *stream, zipnn_error *err);

/* Frees it; NULL is accepted. Work that decodes it must be finished. */
ZIPNN_API void zipnn_gpu_drop(zipnn_gpu_kept *kept);

#ifdef __cplusplus
}
#endif
#endif
