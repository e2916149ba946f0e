/* Chunks of every shape that the kernels know. */
#ifndef ZN_TESTS_GPU_CASES_H
#define ZN_TESTS_GPU_CASES_H

#include "gpu/prepare.h"

struct gpu_case {
    const char *name;
    void (*fill)(uint8_t *data, uint32_t len);
    zipnn_dtype dtype;
    int level;
    unsigned readers;          /* as in zn_effort */
    unsigned width;            /* bytes of an element */
    enum zn_gpu_kernel kernel; /* that decodes GPU_ELEMENTS */
};

enum { GPU_ELEMENTS = 40000 };

extern const struct gpu_case gpu_cases[];
extern const size_t gpu_n_cases;

/* Encodes `head` bytes and then elements, `len` bytes in all. Returns the length of the body; `data` has room for len, `body` for
 * zn_chunk_bound(len). */
uint32_t gpu_case_encode(struct zn_coder *coder, const struct gpu_case *c, unsigned head, uint32_t len, uint8_t *data,
                         uint8_t *body);

#endif
