/* What the host tells a GPU of a chunk. The host has validated all of it: the device reads no length, count or offset from
 * an archive. Addresses are the device's. */
#ifndef ZN_GPU_DEVICE_H
#define ZN_GPU_DEVICE_H

#include <stdint.h>

/* What host and kernels agree on. It stands in the names of the kernels, so that kernels of another version are not found; a change of this file,
 * or of what the kernels make of it, is a new one. */
#define ZN_GPU_VERSION 1

enum {
    ZN_GPU_PLANES = 3,
    ZN_GPU_PAD = 768,    /* bytes that are readable past a body: the kernel loads the planes of the next steps early */
    ZN_GPU_BEFORE = 16,  /* bytes that are readable before a body */
    ZN_GPU_MASKS = 9,    /* as the bits of a plane: three bits of each element, as masks (fp16) */
    ZN_GPU_RANKS = 32,   /* entries of a table in `meta` */
    ZN_GPU_STATES = 256, /* bytes of the 128 states */
    ZN_GPU_MAP = 256,    /* bytes of a map from a symbol to a table */
    ZN_GPU_RING = 2048,  /* shared memory: renormalisation bytes at hand ... */
    ZN_GPU_RING_ROOM = ZN_GPU_RING + 16, /* ... and the first four of them again */
    ZN_GPU_UNIT = 512                    /* bytes that are fetched at once */
};

/* A stream of R16, R16C or R16W with 128 lanes, without its head. `meta`, aligned to 16 bytes: 128 states; tables; maps; escapes; ids.
 * A table has ZN_GPU_RANKS entries of four bytes:
 *
 *     frequency (0: no such entry) | first slot | symbol | 0, or for the escape 1 | k << 1
 *
 * An escape e stands for the symbol e + the entry's symbol, + k if e is at least 128, modulo 256. */
struct zn_gpu_stream {
    uint64_t meta;
    uint64_t in; /* renormalisation bytes */
    uint32_t in_len;
    uint32_t maps; /* offset in meta: for each model the table of each symbol above; of the second stream only */
    uint32_t esc, n_esc;
    uint32_t ids; /* offset in meta: the table (second stream: the model) of each block; 0: there is one */
    uint8_t n_tables, n_models;
    uint8_t block_log2; /* at least 7: a step of 128 symbols has one table */
    uint8_t unused;
};

/* How an element is made. Numbers beside each other become one word of `width` bytes, shifted to their places; then all
 * bits move right by one, around the word's end, if it is rotated. */
struct zn_gpu_shape {
    uint8_t width;      /* 1, 2 or 4 */
    uint8_t second;     /* 1: a second stream codes a plane given the symbols of the first */
    uint8_t slots_log2; /* of the first stream: 6, or 7 for R16W */
    uint8_t rotated;    /* 0 or 1 */
    uint8_t based;      /* 1: `base` is added to the upper byte of each element where that is not 0 */
    uint8_t n_planes;
    uint8_t top_shift, second_shift;
    uint8_t bits[ZN_GPU_PLANES + 1];  /* of a number of a plane: 1 .. 8, packed from the low bit up; or ZN_GPU_MASKS */
    uint8_t shift[ZN_GPU_PLANES + 1]; /* no number reaches across bit 16 */
};

/* Offsets in the shared memory of a warp: the tables of the first stream begin it; here are those of the second, the maps, and the ring of each stream.
 */
struct zn_gpu_shared {
    uint32_t second, maps, ring, second_ring, size;
};

struct zn_gpu_chunk {
    uint64_t dst;   /* of the first original byte, from the address that a launch is given */
    uint64_t edges; /* the bytes before the first element, then those after the last one */
    uint64_t plane[ZN_GPU_PLANES];
    struct zn_gpu_stream top, second;
    uint32_t n;     /* elements, at least 1 */
    uint32_t fixed; /* bits of constant planes, repeated to fill 32 bits; exclusive or before the rotation */
    uint32_t base;  /* in the upper byte of both halves */
    uint32_t head, tail;
    struct zn_gpu_shared shared;
    struct zn_gpu_shape shape;
};

/* The shapes that have a kernel of their own, in which the numbers of the shape are constants. All others take the
 * general kernel of their width, without or with a second stream. */
enum zn_gpu_kernel {
#define SHAPE(id, ...) ZN_GPU_##id,
#include "gpu/shapes.def"
#undef SHAPE
    ZN_GPU_GENERAL_1,
    ZN_GPU_GENERAL_2,
    ZN_GPU_GENERAL_4,
    ZN_GPU_SECOND_1,
    ZN_GPU_SECOND_2,
    ZN_GPU_SECOND_4,
    ZN_GPU_N_KERNELS
};

#endif
