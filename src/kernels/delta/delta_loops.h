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
    ZN_DELTA_BLOCK = 8,     /* log2 of the least elements that share a scale */
    ZN_DELTA_ZERO = 128,    /* symbol of an upper part 0 (of an element that did not change, in words of 4 bytes) */
    ZN_DELTA_LITERAL = 0,   /* symbol of an element that is stored as it is, in words of 2 and 4 bytes */
    ZN_DELTA_MAX_LOW = 2,   /* whole bytes below */
    ZN_DELTA_MAX_SKIP = 32, /* zeros before the one of a Rice code, at most */
    ZN_DELTA_RAW_GAP = 22   /* bits of the gap behind as many zeros */
};

/* Bits read from the lowest of a byte up. */
struct zn_bit_feed {
    const uint8_t *p;
    size_t len;  /* bytes */
    uint64_t at; /* bits read */
};

/* Bits written likewise. `p` has 8 bytes of room behind what is written. */
struct zn_bit_sink {
    uint8_t *p;
    uint64_t held;
    unsigned n_held;
};

/* How a run of elements is coded: the upper part of each d as a symbol, its low bits stored. */
struct zn_delta_grid {
    enum zn_number number;
    unsigned n_low;        /* words of 4 bytes: whole bytes below the bits, 0 .. ZN_DELTA_MAX_LOW */
    const uint8_t *scales; /* by model: the context up from which d has no low bits beyond n_low bytes */
    const uint8_t *ids;    /* the model of each block; NULL: always 0 */
    unsigned block_log2;   /* >= ZN_DELTA_BLOCK */
};

/* Where the low parts are, in reading and in writing. */
struct zn_delta_reader {
    struct zn_delta_grid grid;
    size_t pos; /* elements read so far */
    struct zn_bit_feed bits;
    const uint8_t *low[ZN_DELTA_MAX_LOW];
    size_t n_low; /* left in each of them */
    const uint8_t *literals, *literals_end;
};

struct zn_delta_writer {
    struct zn_delta_grid grid;
    struct zn_bit_sink bits;
    uint8_t *low[ZN_DELTA_MAX_LOW];
    uint8_t *literals;
};

struct zn_delta_kernels {
    /* The context bytes of n references. */
    void (*context)(enum zn_number number, const uint8_t *ref, size_t n, uint8_t *context);

    /* By block, the sum of |d| << r, where |d| counts for 2^23 at most and r is what the context exceeds `base` by, 31
     * at most. */
    void (*moves)(enum zn_number number, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                  unsigned block_log2, unsigned base, uint64_t *sums);

    /* Takes n elements apart; symbols receives n bytes. Low planes and literals have room for all n elements, the bits
     * for 7 of each in words of 2 bytes and for 15 in words of 4. The last bits may be held in the sink. */
    void (*split)(struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                  uint8_t *symbols);

    /* The inverse for the next n elements, n a multiple of 64 except in the last call. False when bits, low bytes or
     * literals run out; out is then unspecified. */
    bool (*merge)(struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context, const uint8_t *symbols,
                  size_t n, uint8_t *out);

    /* Bit i % 64 of masks[i / 64]: whether lo <= p[i] <= hi; bits past n are 0. */
    void (*range_masks)(const uint8_t *p, size_t n, uint8_t lo, uint8_t hi, uint64_t *masks);

    /* Likewise: whether elements i of `width` bytes differ. */
    void (*changed_masks)(const uint8_t *src, const uint8_t *ref, unsigned width, size_t n, uint64_t *masks);

    /* Writes, for each of `members` that is in `chosen` too, how many members lie between it and the one before, by
     * Rice codes of `rice` low bits, and how many remain after the last. Its position is appended to *positions. */
    void (*gaps_write)(struct zn_bit_sink *bits, unsigned rice, const uint64_t *members, const uint64_t *chosen,
                       size_t n_masks, uint32_t **positions);

    /* Reads them again into *positions, which moves on and stays below `end`. False when the gaps do not end where the
     * members do. */
    bool (*gaps_read)(struct zn_bit_feed *bits, unsigned rice, const uint64_t *members, size_t n_masks,
                      uint32_t **positions, const uint32_t *end);

    /* Puts n elements of 1 or 2 bytes at their positions in out, from their symbols and, behind symbols of 2-byte
     * elements that are ZN_DELTA_LITERAL, from the literals, which move on. False when these run out. */
    bool (*patch)(enum zn_number number, const uint8_t *ref, const uint32_t *positions, const uint8_t *symbols,
                  size_t n, const uint8_t **literals, const uint8_t *literals_end, uint8_t *out);
};

extern const struct zn_delta_kernels zn_delta_kernels_scalar;
#if defined(__x86_64__)
extern const struct zn_delta_kernels zn_delta_kernels_avx2, zn_delta_kernels_avx512;
#endif

/* Writes out what a sink holds and returns the end. */
static inline uint8_t *zn_bit_sink_flush(struct zn_bit_sink *s) {
    for (; s->n_held > 0; s->held >>= 8, s->n_held -= s->n_held < 8 ? s->n_held : 8) *s->p++ = (uint8_t)s->held;
    return s->p;
}

/* Whether all bytes were read and the bits behind the last one are 0. */
static inline bool zn_bit_feed_used_up(const struct zn_bit_feed *b) {
    return (b->at + 7) / 8 == b->len && (b->at % 8 == 0 || b->p[b->len - 1] >> b->at % 8 == 0);
}

#endif
