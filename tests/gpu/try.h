/* Tries a body: the kernels under emulation, and the library's decoder, whose verdict is the right one. */
#ifndef ZN_TESTS_GPU_TRY_H
#define ZN_TESTS_GPU_TRY_H

#include "gpu/emulated.h"

/* How a body is laid in memory and run. */
struct try_how {
    unsigned body_at, dst_at; /* addresses modulo 16 */
    bool general;             /* by the general kernel of its width, whatever its shape */
    emu_kernel *kernel;       /* this one for all shapes; NULL: those of emu_kernels */
    uint64_t seed;            /* of the order of threads */
    void (*damage)(struct zn_gpu_chunk *chunk, uint8_t *meta,
                   unsigned number); /* of what the host made, and of the body; or NULL */
    unsigned number;                 /* for `damage` */
};

enum try_answer {
    TRY_HOST,    /* the host decodes this body */
    TRY_SAME,    /* both restore the same bytes */
    TRY_REFUSED, /* both refuse it */
    TRY_FOUND,   /* the kernel refuses what the library restores: right only if `damage` was done */
    TRY_WRONG    /* a fault of the kernel, or a wrong answer; *why says which */
};

/* Tries body[0, len). The coder is for chunks of orig_len bytes. *kernel is set unless the answer is TRY_HOST. */
enum try_answer try_body(struct zn_coder *coder, const uint8_t *body, size_t len, uint32_t orig_len,
                         const struct try_how *how, enum zn_gpu_kernel *kernel, const char **why);

#endif
