/* zipnn, GPU: archives restored into the memory of a GPU, which decodes most chunks itself.
 *
 *     zipnn_gpu *gpu;
 *     zipnn_gpu_options options = {sizeof options, 0, NULL, 0};
 *     zipnn_gpu_part part = {archive, tensor.offset, tensor.length, device_address};
 *     zipnn_gpu_open(&options, &gpu, &err);
 *     zipnn_gpu_load(gpu, ctx, &part, 1, NULL, &err);
 *
 * It needs NVIDIA's driver, which zipnn_gpu_open loads at run time, and nothing of CUDA to link. The kernels are in the library if it was built with
 * what `make gpu` makes (zipnn_gpu_has_kernels); a program may also bring them. **It has run under an
 * emulation only, on no GPU yet** (doc/internals/gpu.md). zipnn/zipnn.h does not include this header, and its calls may still change.
 *
 * Addresses of device memory are those of CUDA (CUdeviceptr), streams are CUstream. All calls use the primary context of the device, as
 * PyTorch and CUDA's runtime do. A zipnn_gpu loads, keeps and decompresses for one thread at a time; any thread may call zipnn_gpu_decode and
 * zipnn_gpu_drop meanwhile, one at a time for each thing that is kept.
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
    int device; /* number of the device, as CUDA counts them */
    const void *
        code; /* the kernels: a fatbin, a cubin, or PTX that ends with a zero, of this version of zipnn; used by zipnn_gpu_open only. NULL:
                         those that are in the library */
    size_t
        staging; /* bytes of pinned host memory, half of which is filled while the other half is copied; 0: 64 MiB. Device memory of the same size
                       is used while loading. At least 24 MiB */
} zipnn_gpu_options;

typedef struct zipnn_gpu zipnn_gpu;

/* Returns 1 if the kernels are in this library, otherwise 0. */
ZIPNN_API int zipnn_gpu_has_kernels(void);

/* Opens a device.
 *  - ZIPNN_E_UNSUPPORTED: there is no driver, no such device, or a device before compute capability 8.0; or the driver does not take the code, or that
 *    is of another version of zipnn; or no code is given and none is in the library; or the processor is big-endian.
 *  - ZIPNN_E_MEMORY: host or device memory is lacking. */
ZIPNN_API zipnn_status zipnn_gpu_open(const zipnn_gpu_options *options, zipnn_gpu **gpu, zipnn_error *err);

/* Closes it; NULL is accepted. Drop what is kept by it before. */
ZIPNN_API void zipnn_gpu_close(zipnn_gpu *gpu);

/* Bytes [off, off + len) of an archive's original, and where they go. */
typedef struct zipnn_gpu_part {
    const zipnn_archive *archive; /* it stays the caller's */
    uint64_t off, len;
    uint64_t
        dst; /* zipnn_gpu_load: device memory. zipnn_gpu_keep: offset from the address that zipnn_gpu_decode is given */
} zipnn_gpu_part;

/* How parts came to the device. */
typedef struct zipnn_gpu_stats {
    uint64_t by_gpu;  /* original bytes that the GPU decoded ... */
    uint64_t by_host; /* ... and that the host did: chunks that the kernels do not take, or that reach past the range */
    uint64_t copied;  /* bytes copied to the device */
} zipnn_gpu_stats;

/* Restores parts[0, n) in device memory. Parts of one archive are best in the order of their offsets, and may be of several archives. `ctx` decodes what the
 * host must; stats may be NULL.
 *  - One call with many parts is faster than many calls: chunks of all parts are on the device at once. A chunk that has bytes of two parts is decoded by
 *    the host.
 *  - Every checksum is verified by the host before bytes are copied, and every chunk's status is known when the call returns. After a failure all parts
 *    hold anything. Damage gives the error that zipnn_archive_read_in gives.
 *  - It uses streams of its own: earlier work on the memory must be finished, and the bytes are there when it returns.
 *  - ZIPNN_E_NOT_FOUND: a part is not inside its original. ZIPNN_E_IO: the driver reports an error. */
ZIPNN_API zipnn_status zipnn_gpu_load(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_gpu_part *parts, size_t n,
                                      zipnn_gpu_stats *stats, zipnn_error *err);

/* An archive in host memory, as zipnn_compress makes it, and where its original goes. */
typedef struct zipnn_gpu_buffer {
    const void *archive;
    size_t len;
    uint64_t dst; /* device memory ... */
    uint64_t cap; /* ... of so many bytes; the original may be shorter (zipnn_original_size) */
} zipnn_gpu_buffer;

/* Restores whole archives of others' containers, all of them in one go, as zipnn_gpu_load does. After a failure *failed is the number of the buffer that could
 * not be restored, or n if it is not known which; it may be NULL. ZIPNN_E_SPACE: an original is longer than its memory. */
ZIPNN_API zipnn_status zipnn_gpu_decompress(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_gpu_buffer *buffers, size_t n,
                                            size_t *failed, zipnn_gpu_stats *stats, zipnn_error *err);

/* Parts of originals that stay compressed in device memory, but for chunks that only the host can decode: their bytes are kept as they are. */
typedef struct zipnn_gpu_kept zipnn_gpu_kept;

/* Keeps parts[0, n), of which no two may have bytes in common at their destination. They are decoded once, to device memory that is freed again, so that damage
 * is found now. Errors are those of zipnn_gpu_load; on failure nothing is kept. stats->copied is the device memory that the parts take. The archives are not
 * needed afterwards. All that is decoded together is best kept together: a GPU needs hundreds of chunks to be busy (doc/internals/gpu.md). */
ZIPNN_API zipnn_status zipnn_gpu_keep(zipnn_gpu *gpu, zipnn_ctx *ctx, const zipnn_gpu_part *parts, size_t n,
                                      zipnn_gpu_kept **kept, zipnn_gpu_stats *stats, zipnn_error *err);

/* Decodes what is kept to dst, in order on `stream` (NULL: the default stream). It only launches kernels and copies: it allocates nothing and waits for
 * nothing, and a CUDA graph can capture it. dst must be as aligned as the original's elements are for full speed; any address is right. */
ZIPNN_API zipnn_status zipnn_gpu_decode(const zipnn_gpu_kept *kept, uint64_t dst, void *stream, zipnn_error *err);

/* Frees it; NULL is accepted. Work that decodes it must be finished. */
ZIPNN_API void zipnn_gpu_drop(zipnn_gpu_kept *kept);

#ifdef __cplusplus
}
#endif
#endif
