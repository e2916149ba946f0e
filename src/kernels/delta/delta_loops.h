/* Pure loops over elements that are coded against a reference (doc/format.md, "Chunks with a reference"). The contracts
 * are those of kernels.h.
 *
 * Elements are compared as ordered integers: o(x) numbers the values of a type from the lowest to the highest, and what
 * is coded is d = o(element) - o(reference), modulo the word. The context of an element is a byte of its reference that
 * tells how large a step of d is: the exponent of a float.
 */
#ifndef ZN_KERNELS_DELTA_LOOPS_H
#define ZN_KERNELS_DELTA_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wire values. */
enum zn_number {
    ZN_NUMBER_I8,   /* two's complement; context: the magnitude */
    ZN_NUMBER_F8,   /* sign and magnitude; context: the magnitude */
    ZN_NUMBER_I16,  /* two's complement; context: 0 */
    ZN_NUMBER_F16,  /* sign, 5 bits of exponent, which is the context */
    ZN_NUMBER_BF16, /* 8 bits of exponent */
    ZN_NUMBER_I32,
    ZN_NUMBER_F32, /* 8 bits of exponent */
    ZN_N_NUMBERS
};

/* Bytes of an element. */
static inline unsigned zn_number_width(enum zn_number number) {
    return number < ZN_NUMBER_I16 ? 1 : number < ZN_NUMBER_I32 ? 2 : 4;
}

enum {
    ZN_DELTA_BLOCK = 8,     /* log2 of the smallest number of elements that share a scale */
    ZN_DELTA_ZERO = 128,    /* symbol of an upper part 0 (of an element that did not change, in words of 4 bytes) */
    ZN_DELTA_LITERAL = 0,   /* symbol of an element that is stored unchanged, in words of 2 and 4 bytes */
    ZN_DELTA_MAX_LOW = 2,   /* whole bytes below, at most */
    ZN_DELTA_MAX_SKIP = 32, /* zeros before the one of a Rice code, at most */
    ZN_DELTA_RAW_GAP = 22,  /* bits of a gap that follows so many zeros */
    ZN_CLASS_BLOCK = 256    /* elements whose members of a class are counted together */
};

/* Bits that are read, from the lowest bit of a byte upwards. */
struct zn_bit_feed {
    const uint8_t *p;
    size_t len;  /* bytes */
    uint64_t at; /* bits read */
};

/* Bits that are written in the same order. `p` has 8 bytes of room after the written ones. */
struct zn_bit_sink {
    uint8_t *p;
    uint64_t held;
    unsigned n_held;
};

/* How a run of elements is coded: the upper part of each d is a symbol, and its low bits are stored. */
struct zn_delta_grid {
    enum zn_number number;
    unsigned n_low;        /* words of 4 bytes: whole bytes below the bits, 0 .. ZN_DELTA_MAX_LOW */
    const uint8_t *scales; /* by model: the context up from which d has no low bits beyond n_low bytes */
    const uint8_t *ids;    /* the model of each block; NULL: always 0 */
    unsigned block_log2;   /* >= ZN_DELTA_BLOCK */
};

/* The positions of the low parts while reading and writing. */
struct zn_delta_reader {
    struct zn_delta_grid grid;
    size_t pos; /* elements read so far */
    struct zn_bit_feed bits;
    const uint8_t *low[ZN_DELTA_MAX_LOW];
    size_t n_low; /* bytes left in each low plane */
    const uint8_t *literals, *literals_end;
};

struct zn_delta_writer {
    struct zn_delta_grid grid;
    struct zn_bit_sink bits;
    uint8_t *low[ZN_DELTA_MAX_LOW];
    uint8_t *literals;
};

/* A class of elements: those whose contexts are lo .. hi. */
struct zn_members {
    const uint8_t *context; /* NULL: all elements are members */
    size_t n;               /* elements, of all classes */
    uint8_t lo, hi;
    const uint32_t *before; /* members before each block; the last number is that of all members */
};

static inline size_t zn_class_blocks(size_t n) {
    return (n + ZN_CLASS_BLOCK - 1) / ZN_CLASS_BLOCK;
}

struct zn_delta_kernels {
    /* Writes the context bytes of n references. */
    void (*context)(enum zn_number number, const uint8_t *ref, size_t n, uint8_t *context);

    /* Computes for each block the sum of |d| << r. |d| counts for at most 2^23, and r is the context minus `base`, at
     * most 31. */
    void (*moves)(enum zn_number number, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                  unsigned block_log2, unsigned base, uint64_t *sums);

    /* Splits n elements; symbols receives n bytes. Low planes and literals have room for all n elements. The bits have
     * room for 7 bits per element in words of 2 bytes, and for 15 in words of 4. The sink may hold back the last
     * bits. */
    void (*split)(struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                  uint8_t *symbols);

    /* Does the inverse for the next n elements; n is a multiple of 64 except in the last call. Returns false when bits,
     * low bytes or literals run out; out is then unspecified. */
    bool (*merge)(struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context, const uint8_t *symbols,
                  size_t n, uint8_t *out);

    /* Sets bit i % 64 of masks[i / 64] if the elements i, of `width` bytes, differ. Returns how many do. */
    size_t (*changed_masks)(const uint8_t *src, const uint8_t *ref, unsigned width, size_t n, uint64_t *masks);

    /* flips[i] = whether the signs of the 16-bit elements i differ. Returns how many do. */
    size_t (*sign_flips)(const uint8_t *src, const uint8_t *ref, size_t n, uint8_t *flips);

    /* Inverts the signs of the 16-bit elements whose flips[i] is 1. */
    void (*turn_signs)(const uint8_t *flips, size_t n, uint8_t *words);

    /* Counts the members of each class before each block, and all of them: before[c * (blocks + 1) + block]. The contexts
     * of class c begin at firsts[c] and end before those of the next class; the firsts ascend from 0. */
    void (*count_members)(const uint8_t *context, size_t n, const uint8_t *firsts, unsigned n_classes,
                          uint32_t *before);

    /* Writes, for each of n_positions members in their order, how many members lie between it and the one before, and at
     * the end how many remain. The numbers are Rice codes of `rice` low bits. */
    void (*gaps_write)(struct zn_bit_sink *bits, unsigned rice, const struct zn_members *members,
                       const uint32_t *positions, size_t n_positions);

    /* Reads the positions back to *positions, which advances and stays below `end`. Returns false when the gaps do not
     * end where the members end. */
    bool (*gaps_read)(struct zn_bit_feed *bits, unsigned rice, const struct zn_members *members, uint32_t **positions,
                      const uint32_t *end);

    /* Finds the symbols of n elements of 1 or 2 bytes at these positions. A 2-byte element that has moved too far is a
     * literal; *literals advances, and has room for all. */
    void (*pick)(enum zn_number number, const uint8_t *src, const uint8_t *ref, const uint32_t *positions, size_t n,
                 uint8_t *symbols, uint8_t **literals);

    /* Puts n elements of 1 or 2 bytes at their positions in out, from their symbols; out may be ref. A 2-byte element
     * whose symbol is ZN_DELTA_LITERAL is taken from the literals, which advance. Returns false when these run out. */
    bool (*patch)(enum zn_number number, const uint8_t *ref, const uint32_t *positions, const uint8_t *symbols,
                  size_t n, const uint8_t **literals, const uint8_t *literals_end, uint8_t *out);
};

extern const struct zn_delta_kernels zn_delta_kernels_scalar;
#if defined(__x86_64__)
extern const struct zn_delta_kernels zn_delta_kernels_avx2, zn_delta_kernels_avx512;
#endif

/* Writes what a sink holds back. Returns the end. */
static inline uint8_t *zn_bit_sink_flush(struct zn_bit_sink *s) {
    for (; s->n_held > 0; s->held >>= 8, s->n_held -= s->n_held < 8 ? s->n_held : 8) *s->p++ = (uint8_t)s->held;
    return s->p;
}

/* Returns whether all bytes were read and the bits after the last one are 0. */
static inline bool zn_bit_feed_used_up(const struct zn_bit_feed *b) {
    return (b->at + 7) / 8 == b->len && (b->at % 8 == 0 || b->p[b->len - 1] >> b->at % 8 == 0);
}

#endif
