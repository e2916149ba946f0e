/* Pure loops over bytes: no allocation, no status, no I/O, no state of their own.
 *
 * A kernel set is a value: one const struct of function pointers per instruction set. The scalar set is the readable
 * definition, and every other set is tested against it, byte for byte. The codec that calls a kernel has proved each
 * precondition below. A loop over hostile bits may return false; no other kernel can fail.
 */
#ifndef ZN_KERNELS_KERNELS_H
#define ZN_KERNELS_KERNELS_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/delta/delta_loops.h"
#include "kernels/hash/sha256.h"
#include "kernels/products/products_loops.h"
#include "kernels/r32/r32.h"
#include "kernels/values/values_loops.h"

/* ---- R16: interleaved rANS with 16-bit states and 64 or 128 slots (doc/format.md, "R16") ------------------------- */

enum {
    ZN_R16_SLOTS_LOG2 = 6, /* probabilities are multiples of 1/64 */
    ZN_R16_SLOTS = 1 << ZN_R16_SLOTS_LOG2,
    ZN_R16_LOW = 256,       /* a state lies in [256, 65536) between symbols */
    ZN_R16_LANES = 128,     /* lanes of a full-size stream; small streams use fewer */
    ZN_R16_MAX_LISTED = 15, /* symbols a table lists besides the escape */
    ZN_R16W_SLOTS_LOG2 = 7, /* R16W: probabilities are multiples of 1/128 ... */
    ZN_R16W_SLOTS = 1 << ZN_R16W_SLOTS_LOG2,
    ZN_R16W_MAX_LISTED = 31, /* ... and a table lists up to 31 consecutive symbols besides the escape */
    ZN_R16W_UNLISTED = 255,  /* a symbol that no table of R16W lists */
    ZN_R16_MAX_TABLES = 16,
    ZN_R16_CLASSES = 32,     /* encoder: symbols are first mapped to classes; class 31 is "listed nowhere" */
    ZN_R16_MIN_BLOCK = 7,    /* log2 of the smallest block that has a table of its own */
    ZN_R16_MAX_COUNTED = 13, /* log2 of the largest block that is counted from words */
    ZN_SLACK = 64            /* bytes that must be readable or writable past an area where a contract says "slack" */
};

/* The decoder's form of a table. By slot: the frequency F and bias B of the update x = F * (x >> 6) + B, and the
 * symbol. By rank (position in the table, the escape last): the same, for kernels that look up 16 entries instead of
 * 64. */
struct zn_r16_table {
    alignas(64) uint8_t freq[ZN_R16W_SLOTS]; /* 1 .. 128 */
    uint8_t bias[ZN_R16W_SLOTS];             /* slot - first slot of its symbol */
    uint8_t sym[ZN_R16W_SLOTS];              /* symbol, or zn_r16_decoder.esc_mark in the slots of the escape */
    uint8_t rank[ZN_R16W_SLOTS];             /* slot -> rank */
    uint8_t rank_freq[32];
    uint8_t rank_first[32]; /* first slot */
    uint8_t rank_sym[32];
    uint8_t last; /* rank of the escape, which is the number of listed symbols */
    uint8_t base; /* R16W: the first symbol */
};

/* One table as the format states it: n listed symbols with their frequencies, then the escape. sum(freq) + esc_freq is
 * the number of slots, every freq >= 1, symbols distinct. R16W: symbols are consecutive, from `base` on. */
struct zn_r16_model {
    uint8_t n; /* 0 .. ZN_R16_MAX_LISTED, or ZN_R16W_MAX_LISTED */
    uint8_t base;
    uint8_t esc_freq;
    uint8_t sym[ZN_R16W_MAX_LISTED];
    uint8_t freq[ZN_R16W_MAX_LISTED];
};

/* Fills the decoder's form of a table of 1 << slots_log2 slots. `esc_mark` is a byte that no table of the stream lists.
 */
void zn_r16_table_build(struct zn_r16_table *table, const struct zn_r16_model *model, unsigned slots_log2,
                        uint8_t esc_mark);

/* Bytes that the caller will read next. A kernel may prefetch them, `lines` lines of 64 bytes for each step of its
 * work, and advances `at`. A step is 128 symbols in R16, and 1024 bytes in xxh3_64_passing. All zero: nothing to
 * prefetch. */
struct zn_ahead {
    const uint8_t *at;
    size_t len;
    unsigned lines;
};

/* The XXH3-64 of bytes that are being decoded, computed in the same loop (check_begin), so that the bytes are not read
 * from memory twice. A decoder that computes it advances `at` by whole blocks of XXH3 and prefetches the bytes that
 * follow. */
struct zn_check {
    alignas(64) uint64_t acc[8]; /* XXH3's accumulators after [begin, at) */
    const uint8_t *secret;
    const uint8_t *begin, *at, *end;
};

/* How a symbol and `bits` packed bits make a byte: symbol << bits | low, rotated to the right by one bit or not, then
 * some bits flipped. */
struct zn_r16_halves {
    uint8_t bits; /* 1 .. 4 */
    bool rotated;
    uint8_t flip;
    uint8_t seen; /* all bits of the symbols that r16_decode_halves has met, beside those that were set before */
};

struct zn_r16_decoder {
    alignas(64) uint16_t state[ZN_R16_LANES]; /* by lane: symbol i of the stream uses lane i mod (1 << lanes_log2) */
    const struct zn_r16_table *tables;
    const uint8_t *ids;  /* table of each block; every entry proved to be a table's index. NULL: always table 0 */
    unsigned block_log2; /* block = 1 << block_log2 symbols, >= ZN_R16_MIN_BLOCK */
    unsigned lanes_log2; /* 0 .. 7; vectors are made for 7 and 5, other numbers may be slower */
    unsigned slots_log2; /* ZN_R16_SLOTS_LOG2, or ZN_R16W_SLOTS_LOG2 where a contract allows it */
    uint8_t esc_mark;    /* a byte that no table lists */
    size_t pos;          /* symbols decoded so far */
    const uint8_t *in, *in_end;   /* renormalisation bytes not yet used */
    const uint8_t *esc, *esc_end; /* escaped symbols not yet used; R16W: as zn_r16w_escape makes them */
    struct zn_ahead ahead;
    struct zn_check *check;      /* a check for the decoders of words to compute along the way, or NULL */
    struct zn_r16_halves halves; /* for r16_decode_halves */
};

enum { ZN_R16_MAX_CONTEXTS = 16, ZN_R16_MAX_GIVEN = 64 /* tables of a stream that is given a context */ };

/* Says which table a symbol takes when its stream is given a context, which is a byte for each symbol. A model (which a
 * block's id names) has n tables, and its first table is n * model. Context c takes the table at the index of the
 * number of cuts at or below c. */
struct zn_r16_contexts {
    unsigned n;                                               /* tables of a model, 1 .. ZN_R16_MAX_CONTEXTS */
    uint8_t cuts[ZN_R16_MAX_TABLES][ZN_R16_MAX_CONTEXTS - 1]; /* by model, n - 1 of them, ascending */
    uint8_t table_of[ZN_R16_MAX_TABLES][256];                 /* by model and context: 0 .. n - 1 */
};

/* Fills table_of of a model from the model's cuts. */
void zn_r16_contexts_build(struct zn_r16_contexts *contexts, unsigned model);

struct zn_r16_codes;

struct zn_r16_encoder {
    uint16_t state[ZN_R16_LANES];
    const struct zn_r16_codes *tables;
    unsigned n_tables;  /* for r16c_encode: models * contexts */
    const uint8_t *ids; /* as above; covers all n symbols */
    unsigned block_log2, lanes_log2;
    unsigned slots_log2;   /* as above */
    uint8_t class_of[256]; /* R16: symbol -> class; unlisted ones -> 31 */
    uint8_t *out;          /* renormalisation bytes are written downwards, below this */
    uint8_t *esc;          /* the same for escaped symbols */
    struct zn_ahead ahead;
};

/* Encoder side of one table, by class. A class the table does not list has its bit set in `escaped` and carries the
 * numbers of the escape. In R16W the class of a symbol is min(symbol - base, last), a byte: its rank in the table.
 * Update of a state x for a class c, all in 16 bits except the sum before it is halved:
 *   if (x > top) emit the low byte of x, x >>= 8;
 *   q = ((x + (x * recip >> 16) + 1) >> 1) >> shift;                   (equals x / freq, see r16_codes.c)
 *   x = x + first + q * rest;                                          (q * slots + first + x mod freq)
 */
struct zn_r16_codes {
    alignas(64) uint16_t top[ZN_R16_CLASSES]; /* largest x that needs no byte emitted: freq * 65536 / slots - 1 */
    uint16_t recip[ZN_R16_CLASSES];
    uint16_t shift[ZN_R16_CLASSES];
    uint16_t first[ZN_R16_CLASSES]; /* first slot */
    uint16_t rest[ZN_R16_CLASSES];  /* slots - freq */
    uint32_t escaped;               /* bit c: class c is sent as an escape */
    uint8_t base, last;             /* R16W */
};

/* Fills the encoder's form of a table. The model's symbols have classes of their own, below 31. Classes that the model
 * does not list get the escape. If the model has no escape (esc_freq 0), the caller promises that these classes do not
 * occur. */
void zn_r16_codes_build(struct zn_r16_codes *codes, const struct zn_r16_model *model, const uint8_t *class_of);

/* The same for a table of R16W; the classes are ranks. */
void zn_r16w_codes_build(struct zn_r16_codes *codes, const struct zn_r16_model *model);

/* Escaped symbols of R16W stand in their stream by their distance from a table of n symbols from `base` on: 128, 129 ...
 * above it, 127, 126 ... below it, modulo 256. */
static inline uint8_t zn_r16w_escape(uint8_t base, uint8_t n, uint8_t symbol) {
    const uint8_t from = (uint8_t)(symbol - base);
    return (uint8_t)(from + 128 - (from < 128 ? n : 0));
}

static inline uint8_t zn_r16w_escaped(uint8_t base, uint8_t n, uint8_t escape) {
    return (uint8_t)(escape + base - 128 + (escape < 128 ? 0 : n));
}

/* ---- layouts: how elements fall apart into planes ---------------------------------------------------------------- */

/* Elements are little-endian words of W bytes. "R" shapes rotate the word left by one bit first, which brings a float's
 * exponent to the top and its sign to the bottom. Plane p is then byte p of every word (plane W-1 is the top byte), n
 * bytes each. */
enum zn_shape {
    ZN_SHAPE_8,   /* 1 plane: the bytes themselves */
    ZN_SHAPE_16,  /* 2 planes */
    ZN_SHAPE_16R, /* 2 planes; bf16: plane 1 = exponent, plane 0 = mantissa and sign */
    ZN_SHAPE_32,  /* 4 planes */
    ZN_SHAPE_32R, /* 4 planes; fp32: plane 3 = exponent */
    ZN_SHAPE_64,  /* 8 planes */
    ZN_SHAPE_64R, /* 8 planes */
    ZN_SHAPE_F16, /* 3 planes of fp16, rotated: plane 2 = the top 5 bits (exponent), one byte each; plane 1 = the next 3
                     bits, packed: per 64 elements three 64-bit little-endian masks (bit 2, bit 1, bit 0 of the three;
                     bit i of a mask belongs to element i; a last group of fewer elements has zero bits above), 24 *
                     ceil(n / 64) bytes; plane 0 = low byte */
    ZN_N_SHAPES
};

enum zn_store {
    ZN_STORE_CACHED, /* ordinary stores */
    ZN_STORE_STREAM  /* the output is large and not read soon: bypass the caches where that pays; same bytes, and other
                        threads see them only after zn_kernels.settle */
};

struct zn_kernels {
    const char *name; /* "scalar", "avx2", ... */

    /* Decodes the next n symbols into out[0, n). pos must be a multiple of the lane count; n must be one too, except in
     * the last call of a stream. false: renormalisation bytes or escapes ran out; *d and out are then unspecified.
     * Reads nothing outside [in, in_end) and [esc, esc_end), writes nothing outside out[0, n). Takes R16W, too, as do
     * r16_decode_halves, r16_encode and the loops of joint symbols; the other loops take R16 only. */
    bool (*r16_decode)(struct zn_r16_decoder *d, uint8_t *out, size_t n);

    /* The same fused with the merge of ZN_SHAPE_16R: symbols are plane 1, raw[0, n) is plane 0, out receives 2n bytes.
     * lanes_log2 must be 7. */
    bool (*r16_decode_16r)(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n, enum zn_store store);

    /* The same fused with the merge of ZN_SHAPE_32R: symbols are plane 3, raw[0 .. 2] the planes below, out receives 4n
     * bytes. */
    bool (*r16_decode_32r)(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                           enum zn_store store);

    /* The same fused with the merge of ZN_SHAPE_F16: symbols are plane 2, none above 31, raw[0 .. 1] the planes below,
     * out receives 2n bytes. NULL: this set has none; r16_decode and merge, piece by piece, do the same. */
    bool (*r16_decode_f16)(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                           enum zn_store store);

    /* The same fused with the low bits of bytes: out receives n bytes made as d->halves says of symbols and `packed`, which
     * has low bits as pack_bits makes them; 24 bytes more are readable. A symbol of 1 << (8 - bits) or more shows in
     * d->halves.seen, and its byte is unspecified. lanes_log2 must be 7. NULL: this set has none. */
    bool (*r16_decode_halves)(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                              enum zn_store store);

    /* Encodes src[0, n) from the last symbol to the first, symbol i on lane i mod lanes. At least n + ZN_SLACK writable
     * bytes lie below e->out and below e->esc. */
    void (*r16_encode)(struct zn_r16_encoder *e, const uint8_t *src, size_t n);

    /* The same fused with the split of ZN_SHAPE_16R: n words at src, plane 1 is encoded, raw[0] gets plane 0.
     * lanes_log2 must be 7. */
    void (*r16_encode_16r)(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);

    /* The same for ZN_SHAPE_32R: plane 3 is encoded, raw[0 .. 2] get the planes below. */
    void (*r16_encode_32r)(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);

    /* The same for ZN_SHAPE_F16: plane 2 is encoded, raw[0 .. 1] get the planes below. */
    void (*r16_encode_f16)(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n);

    /* r16_decode for a stream given a context: context[i] belongs to the i-th of these symbols. */
    bool (*r16c_decode)(struct zn_r16_decoder *d, const struct zn_r16_contexts *contexts, const uint8_t *context,
                        uint8_t *out, size_t n);

    /* r16_encode for a stream given a context. */
    void (*r16c_encode)(struct zn_r16_encoder *e, const struct zn_r16_contexts *contexts, const uint8_t *context,
                        const uint8_t *src, size_t n);

    /* Decodes the next n symbols of R32 into out[0, n). pos must be a multiple of ZN_R32_LANES; n must be one too, except
     * in the last call of a stream. The rest as r16_decode. */
    bool (*r32_decode)(struct zn_r32_decoder *d, uint8_t *out, size_t n);

    /* Splits n elements at src into planes. Plane pointers beyond the shape's number of planes are ignored. */
    void (*split[ZN_N_SHAPES])(const uint8_t *src, size_t n, uint8_t *const *planes);

    /* Splits only every step-th group of 64 elements (step >= 1), of which the last may be shorter, and writes the
     * groups one after the other. */
    void (*sample_16r)(const uint8_t *src, size_t n, size_t step, uint8_t *const *planes);
    void (*sample_32r)(const uint8_t *src, size_t n, size_t step, uint8_t *const *planes);
    void (*sample_f16)(const uint8_t *src, size_t n, size_t step, uint8_t *const *planes);

    /* The inverse of split. */
    void (*merge[ZN_N_SHAPES])(const uint8_t *const *planes, size_t n, uint8_t *out, enum zn_store store);

    /* Ends streaming stores: once after many calls, since it waits for memory. */
    void (*settle)(void);

    /* Counts the symbols of a plane by block and class: hist[b][c] for block b of 1 << block_log2 symbols (the last may
     * be shorter) is how many of its symbols have class_of[] == c, counting only groups of 64 symbols whose index in
     * the plane is a multiple of `step` (1, 2 or 4; a group's index is position / 64). Blocks hold at least 64 * step
     * symbols. Classes n_classes .. 31 do not occur except 31; hist entries of all 32 classes are written. */
    void (*class_hist)(const uint8_t *plane, size_t n, unsigned block_log2, const uint8_t *class_of, unsigned n_classes,
                       unsigned step, uint16_t (*hist)[ZN_R16_CLASSES]);

    /* The same for the top plane of n words of ZN_SHAPE_16R, _32R or _F16, in blocks up to ZN_R16_MAX_COUNTED. */
    void (*class_hist_16r)(const uint8_t *src, size_t n, unsigned block_log2, const uint8_t *class_of,
                           unsigned n_classes, unsigned step, uint16_t (*hist)[ZN_R16_CLASSES]);
    void (*class_hist_32r)(const uint8_t *src, size_t n, unsigned block_log2, const uint8_t *class_of,
                           unsigned n_classes, unsigned step, uint16_t (*hist)[ZN_R16_CLASSES]);
    void (*class_hist_f16)(const uint8_t *src, size_t n, unsigned block_log2, const uint8_t *class_of,
                           unsigned n_classes, unsigned step, uint16_t (*hist)[ZN_R16_CLASSES]);

    /* Adds to hist the byte counts of every step-th group of 64 bytes (step >= 1). The last group may be shorter. */
    void (*byte_hist)(const uint8_t *p, size_t n, size_t step, uint32_t *hist);

    /* Finds for each block the table with the least sum over classes of hist[b][c] * cost[t][c]. The lowest index wins
     * a tie. Costs are at most 4095, and the counts of a block add up to at most 65535. */
    void (*assign)(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, const uint16_t (*cost)[ZN_R16_CLASSES],
                   unsigned n_tables, uint8_t *ids);

    /* Computes the sum of hist[b][c] * c over classes 0 .. 30 of each block, which says how high its symbols lie. */
    void (*hist_weights)(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, uint32_t *weights);

    /* Adds the counts of each block b to sums[ids[b]]. */
    void (*hist_sums)(const uint16_t (*hist)[ZN_R16_CLASSES], size_t n_blocks, const uint8_t *ids,
                      uint32_t (*sums)[ZN_R16_CLASSES]);

    /* Packs the bits of `mask` (0 .. 255, k bits of it set) of 8 * n_groups bytes, in order and from the low bit up, k
     * bytes for each group; and puts them back between the bits of `base`, which are outside the mask. Neither touches
     * a byte past its areas. */
    void (*pack_bits)(const uint8_t *src, size_t n_groups, uint8_t mask, uint8_t *out);
    void (*unpack_bits)(const uint8_t *in, size_t n_groups, uint8_t mask, uint8_t base, uint8_t *out);
    /* Kernels for elements against a reference. */
    const struct zn_delta_kernels *delta;

    /* Kernels for floats as joint symbols (joint_loops.h). */
    const struct zn_joint_kernels *joint;

    /* Kernels for blocks of quantised values. */
    const struct zn_values_kernels *values;

    /* XXH3-64 with seed 0. */
    uint64_t (*xxh3_64)(const void *data, size_t len);

    /* The same with two more tasks, since memory has least to do while hashing: it prefetches `ahead`, and it copies
     * the bytes to `copy` (NULL: no copy), past the caches as ZN_STORE_STREAM does. */
    uint64_t (*xxh3_64_passing)(const void *data, size_t len, struct zn_ahead *ahead, uint8_t *copy);
    unsigned decode_fetches, encode_fetches; /* best number of lines to prefetch in a step: doc/notebook/speed.md */

    /* The same, as far as possible while decoding: begin it, pass it to decoders (zn_r16_decoder.check), and end it,
     * which hashes what they left. NULL: the decoders of this set do not compute it. */
    void (*check_begin)(struct zn_check *check, const void *data, size_t len);
    uint64_t (*check_end)(const struct zn_check *check);

    /* Streaming XXH3-128 (seed 0) on a state of xxhash's own type; the state works across kernel sets. */
    void (*xxh3_update)(void *state, const void *data, size_t len);
};

/* Returns the index-th of all compiled sets that this CPU can run, best first. The scalar set is the last; NULL
 * follows. */
const struct zn_kernels *zn_kernels_at(unsigned index);

extern const struct zn_kernels zn_kernels_scalar;

/* Returns the best loop of SHA-256 beside a set; no set implies the instructions for it. */
zn_sha256_loop *zn_kernels_sha256(const struct zn_kernels *k);

/* Returns the best loops of products beside a set; no set implies all instructions for them. */
const struct zn_product_loops *zn_kernels_products(const struct zn_kernels *k);

#endif
