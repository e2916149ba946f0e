/* zipnn, streams: an archive as a FILE *, for programs and libraries that take one.
 *
 *     zipnn_error err;
 *     FILE *f = zipnn_fopen("model.gguf.znn", NULL, &err);
 *     struct llama_model *model = f ? llama_model_load_from_file_ptr(f, params) : NULL;    // of llama.cpp
 *     if (f) fclose(f);
 *
 * examples/llama_load.c is the whole of it. zipnn/zipnn.h does not include this header.
 */
#ifndef ZIPNN_STDIO_H
#define ZIPNN_STDIO_H

#include <stdio.h>

#include "zipnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Defined where the C library can make a FILE * of functions (fopencookie of glibc and musl, funopen of the BSDs,
 * macOS and Android); elsewhere there is no zipnn_fopen. */
#if defined(__linux__) || defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(__DragonFly__)
#define ZIPNN_HAS_FOPEN 1

/* Opens the file at `path` for reading its original: an archive, whatever its name is, as what it restores to; any
 * other regular file as fopen would open it.
 *  - The stream reads, seeks and tells; it cannot write, and an archive has no descriptor (fileno is -1). Large reads
 *    are decoded straight into the caller's memory, by the threads that `options` ask for; small ones through a window
 *    of 1 MiB.
 *  - Bytes come only from chunks whose checksums are right. At a damaged chunk the read fails: it returns fewer items,
 *    ferror is set, and errno is EIO (ENOMEM if memory is lacking). A seek there and reads elsewhere go on working.
 *  - `options` are those of zipnn_create, NULL for the defaults: bases that the archive needs, threads, limits. What
 *    they point to must live until fclose, which frees all the rest.
 *  - Returns NULL if that fails, with the reason in *err.
 * One stream may be used by several threads, as any FILE; several streams are independent. */
ZIPNN_API FILE *zipnn_fopen(const char *path, const zipnn_options *options, zipnn_error *err);
#endif

#ifdef __cplusplus
}
#endif
#endif
