/* One stream of bytes <-> coded bytes: raw, constant, R16 (also given a context), zstd, nibbles, bits (doc/format.md,
 * sections 5 and 6).
 *
 * A zn_codec holds the scratch of one thread; nothing here allocates after zn_codec_create, except zstd inside its
 * contexts on first use. Streams carry no checksum: the frame around them has one. Decoders still survive any bytes.
 */
#ifndef ZN_CODEC_CODEC_H
#define ZN_CODEC_CODEC_H

#include "base/err.h"
#include "base/mem.h"
#include "base/out.h"
#include "format/body.h"
#include "kernels/joint/joint_loops.h"
#include "kernels/kernels.h"

enum zn_codec_id {
#define CODEC(id, number, ...) ZN_CODEC_##id = number,
#include "codec/codecs.def"
#undef CODEC
    ZN_N_CODECS
};

/* Returns the codec's name for listings, "?" for an unknown codec. The string is static. */
const char *zn_codec_name(unsigned codec);

enum { ZN_MAX_DEPTH = 2 }; /* a plane's R16 may hold streams (1) whose R16 holds streams (2) */

/* A zstd_level below all others: hardly any matches, only Huffman codes. Where bytes are numbers, a match saves little, and
 * levels with matches take 2 to 20 times as long to encode and up to twice as long to decode (doc/notebook/types.md). */
enum { ZN_ZSTD_LITERALS = 0 };

/* How much time and space an encoder may spend. */
struct zn_effort {
    unsigned max_tables; /* 1 .. 16 */
    unsigned block_log2; /* symbols per table id, in long streams */
    unsigned hist_step;  /* one in so many groups of 64 symbols is counted at first: 1, 2 or 4 */
    unsigned rounds;     /* rounds of clustering */
    int zstd_level;      /* of zstd, or ZN_ZSTD_LITERALS */
    bool careful;        /* a small gain is worth much time */
    /* These choose among the ways of coding a chunk (chunk/ways.c). */
    int level;        /* 1 .. 9 */
    unsigned readers; /* 100 * major + minor of the oldest version that must read the result */
};

/* Returns the effort of a level 1 .. 9. */
struct zn_effort zn_effort_of(int level);

/* A stream that the r16_decode kernels decode piece by piece. */
struct zn_r16_reader {
    struct zn_r16_decoder d;
    struct zn_r16_table *tables; /* ZN_R16_MAX_TABLES of them; ZN_R16_MAX_GIVEN for planes */
    uint8_t *ids, *esc;
    unsigned n_models; /* number of models that ids may name */
    uint8_t last;      /* highest symbol that a table lists, 0 if no table lists any */
};

struct zn_r16_fit;  /* the encoder's choice of tables; r16_fit.h */
struct zn_r16c_fit; /* the same given a context; r16c_fit.h */
struct zn_r16w_fit; /* the same of R16W; r16w_fit.h */
struct zn_mixing;   /* mixing_model.h */
struct zn_r32;      /* r32.c */

struct zn_codec {
    const struct zn_kernels *k;
    size_t max_len; /* length of the longest stream */
    struct zn_r16_reader reader[ZN_MAX_DEPTH];
    struct zn_r16_contexts *contexts; /* decoder: contexts of the plane that is read */
    struct zn_r16_fit *fit[ZN_MAX_DEPTH];
    struct zn_r16c_fit *given;                             /* encoder */
    struct zn_r16w_fit *wide[ZN_MAX_DEPTH];                /* encoder */
    uint8_t *renorm[ZN_MAX_DEPTH], *escapes[ZN_MAX_DEPTH]; /* encoder: max_len + 2 * ZN_SLACK each */
    struct zn_mixing *mixing;
    struct zn_r32 *fine; /* decoder */
    uint16_t *slots;     /* encoder: ZN_R32_SLOTS of each table of R32 */
    void *zstd_enc, *zstd_dec;
    struct zn_ahead ahead; /* encoder: what to prefetch while R16 codes the next plane */
    bool declined;         /* encoder: a shorter code was declined, because it decodes slowly and saves little */
    uint64_t slow;         /* decoder: bytes decoded by mixing so far; they take longest */
};

enum zn_codec_use { ZN_USE_DECODE, ZN_USE_BOTH };

/* Symbols of a stream that stands for max_len bytes. Parts of bytes are more than bytes: up to 256 for 110 bytes. */
#define ZN_MOST_SYMBOLS(max_len) ((size_t)(max_len) / 3 * 7 + 1024)

/* Escapes that a reader has room for, whatever the number of symbols: one byte for each byte of the chunk, or for the
 * smallest packed plane of fp16. */
#define ZN_MOST_ESCAPES(max_len) ((size_t)(max_len) + 24)

/* Carves scratch for streams that stand for up to max_len bytes. With a measuring arena it only counts the bytes. The
 * readers are what decoding takes besides zstd. */
void zn_codec_carve_readers(struct zn_codec *c, struct zn_arena *arena, size_t max_len);
void zn_codec_carve(struct zn_codec *c, struct zn_arena *arena, size_t max_len, enum zn_codec_use use);

/* Sets the kernels and creates the zstd contexts; call it after carving real memory. zn_codec_close accepts a zeroed
 * struct. */
zipnn_status zn_codec_open(struct zn_codec *c, const struct zn_kernels *k, enum zn_codec_use use, zipnn_error *err);
void zn_codec_close(struct zn_codec *c);

/* Decodes all n bytes of a stream into out[0, n). A plane has depth 0. */
zipnn_status zn_stream_decode(struct zn_codec *c, unsigned depth, const struct zn_coded *in, uint8_t *out, size_t n,
                              zipnn_error *err);

/* Returns the step with which a sample of n elements has at least `enough` of them. It is odd: rows and blocks have lengths
 * that are powers of two, and an even step would meet the same part of each. */
static inline size_t zn_sample_step(size_t n, size_t enough) {
    const size_t step = ZN_MAX(n / enough, (size_t)1);
    return step - (step + 1) % 2;
}

/* What a sample shows of a stream before it is coded. */
struct zn_survey {
    uint32_t counts[256];
    uint64_t sampled; /* bytes counted */
    uint64_t order0;  /* their cost at their own entropy, in ZN_COST_ONE units */
    bool constant;    /* all bytes are equal; this is certain and not from a sample */
    bool random;      /* as good as incompressible, so the stream is stored */
    uint8_t varying;  /* bits that vary among the sampled bytes */
    bool patchy;      /* noise except for a part that begins at `patch`; such a stream is not `random` */
    size_t patch;
};

void zn_stream_survey(const struct zn_codec *c, const uint8_t *plane, size_t n, struct zn_survey *survey);

/* Encodes n bytes with the codec that gives the shortest result within the effort, and appends at most n coded bytes to
 * `out`, which has room for n. Returns the codec. The plane must not overlap *out, except that a random plane may lie
 * anywhere. */
enum zn_codec_id zn_stream_encode(struct zn_codec *c, unsigned depth, const struct zn_effort *effort,
                                  const struct zn_survey *survey, const uint8_t *plane, size_t n, struct zn_out *out);

/* The same for the plane that zn_r16_fit saw last, neither constant nor random. `expected` is what zn_r16_fit
 * returned. */
enum zn_codec_id zn_stream_encode_fitted(struct zn_codec *c, const struct zn_effort *effort,
                                         const struct zn_survey *survey, const uint8_t *plane, size_t n,
                                         size_t expected, struct zn_out *out);

/* zn_stream_encode for n symbols 0 .. 15. They take at most n / 2 bytes, rounded up, which is their length as nibbles;
 * *out has room for as many. */
enum zn_codec_id zn_stream_encode_halves(struct zn_codec *c, const struct zn_effort *effort,
                                         const struct zn_survey *survey, const uint8_t *plane, size_t n,
                                         struct zn_out *out);

/* Returns the bytes that symbols 0 .. 15 take at their own entropy; n / 2 when nearly nothing would be saved. */
size_t zn_survey_halves(const struct zn_survey *survey, size_t n);

/* Appends one zstd frame of fewer than `limit` bytes. Returns false and leaves *out as it was when zstd takes more. */
bool zn_stream_encode_zstd(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                           size_t limit, struct zn_out *out);

/* Estimates the bytes that zstd needs for n >= 1 bytes from a piece in their middle; n when zstd finds nothing. */
size_t zn_stream_probe_zstd(struct zn_codec *c, const uint8_t *p, size_t n);

/* ---- given a context: a byte for each symbol, known to encoder and decoder --------------------------------------- */

/* Decodes a plane as zn_stream_decode does, and also by codec R16C. */
zipnn_status zn_stream_decode_given(struct zn_codec *c, const struct zn_coded *in, const uint8_t *context, uint8_t *out,
                                    size_t n, zipnn_error *err);

/* Encodes a plane as zn_stream_encode does, or by R16C with up to max_contexts tables where that is shorter. */
enum zn_codec_id zn_stream_encode_given(struct zn_codec *c, const struct zn_effort *effort,
                                        const struct zn_survey *survey, const uint8_t *context, unsigned max_contexts,
                                        const uint8_t *plane, size_t n, struct zn_out *out);

/* A plane that R16C codes. */
struct zn_r16c_input {
    const uint8_t *context, *plane;
    size_t n;
    unsigned max_contexts; /* tables of a model, 1 .. 16 */
    unsigned hist_step;    /* as in zn_effort */
    unsigned n_models;     /* 1 .. 16; each must have its tables: n_models * max_contexts <= 64 */
    const uint8_t *ids;    /* the model of each block, if there are several models */
    unsigned block_log2;
};

/* Return the input with which zn_stream_encode_given codes a plane, and the length that R16C must stay below when a
 * rival takes `rival` bytes: R16C decodes slowly. */
struct zn_r16c_input zn_given_input(const struct zn_effort *effort, const uint8_t *context, unsigned max_contexts,
                                    const uint8_t *plane, size_t n);
size_t zn_given_limit(const struct zn_effort *effort, size_t rival);

/* zn_r16_fit and zn_r16_write, given a context. */
size_t zn_r16c_fit(struct zn_codec *c, const struct zn_r16c_input *in);
bool zn_r16c_write(struct zn_codec *c, const struct zn_effort *effort, const struct zn_r16c_input *in,
                   struct zn_out *out);

/* ---- R16 piece by piece ------------------------------------------------------------------------------------------ */

/* Parses a stream of n symbols, by R16, R16C or R16W as in->codec says, up to its first symbol. A stream of R16C is decoded
 * by r16c_decode with c->contexts. The codec owns *reader, which is valid until the next use of this depth. */
zipnn_status zn_r16_open(struct zn_codec *c, unsigned depth, const struct zn_coded *in, size_t n,
                         struct zn_r16_reader **reader, zipnn_error *err);

/* Checks the end of a stream: every state is at rest and every byte was used. Otherwise the stream is corrupt. */
zipnn_status zn_r16_finish(const struct zn_r16_reader *reader, uint64_t at, zipnn_error *err);

/* Returns a bound of the stream's symbols: none is greater. */
uint8_t zn_r16_highest(const struct zn_r16_reader *reader);

/* Returns the error for a kernel that returned false. */
zipnn_status zn_r16_ran_out(const struct zn_r16_reader *reader, uint64_t at, zipnn_error *err);

/* Fits tables to plane[0, n), n >= 1. Returns the expected cost in bytes. */
size_t zn_r16_fit(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                  const uint32_t *counts);

/* Returns the expected cost of the dearer tables that zn_r16_fit has just compared for a plane, in bytes. A faster level
 * may know none but these. */
size_t zn_r16_dearest(const struct zn_codec *c);

/* Returns the bytes that a plane takes at least with the clusters that zn_r16_fit has just chosen, if the lowest bit of
 * each symbol is left out. */
size_t zn_r16_least_of_pairs(const struct zn_codec *c);

/* Returns whether zn_r16_fit has just used all tables that the effort allows. */
bool zn_r16_lacks_tables(const struct zn_codec *c);

/* Encodes with the tables just fitted. Returns false and leaves *out as it was when that takes n bytes or more. */
bool zn_r16_write(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                  struct zn_out *out);

/* ---- R16 from words: the top plane of words that have not been split --------------------------------------------- */

/* Words of ZN_SHAPE_16R, _32R or _F16. The symbols are their top plane, or joint symbols
 * (kernels/joint/joint_loops.h). */
struct zn_words {
    enum zn_shape shape;
    unsigned joint; /* bits of the mantissa in a joint symbol; 0: the symbols are the top plane */
    const uint8_t *at;
    size_t n;            /* at least ZN_R16_FULL, so that every lane has symbols */
    uint8_t *const *raw; /* receive the planes below the symbols */
    uint8_t *room;       /* n bytes for joint symbols, for kernel sets that cannot code them directly */
};

enum { ZN_R16_FULL = 1 << 14 }; /* symbols; streams of this length or more have 128 lanes */

/* zn_r16_fit for the top plane, counted without splitting the words. */
size_t zn_r16_fit_words(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                        const uint32_t *counts);

/* The same for joint symbols with one bit of the mantissa, with blocks of the length that suits them best. */
size_t zn_r16_fit_blocks(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                         const uint32_t *counts);

/* The same for symbols of a plane. */
size_t zn_r16_fit_plane_blocks(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                               const uint32_t *counts);

/* The bytes that joint symbols take, and those that their exponents and a stored bit take with the same clusters. Where
 * joint symbols are clearly better, `exponents` may be less than the real cost. */
struct zn_joint_costs {
    size_t joint, exponents;
};

/* Returns whether joint symbols are so much better that clusters fitted to the exponents would not change it. */
static inline bool zn_joint_is_clear(const struct zn_joint_costs *costs) {
    enum { NEAR_SHIFT = 7 };
    return costs->joint + (costs->joint >> NEAR_SHIFT) < costs->exponents;
}

/* zn_r16_fit_words for joint symbols; all exponents must be below 128. */
struct zn_joint_costs zn_r16_fit_joint(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                                       const uint32_t *counts);

/* zn_r16_write for the symbols, by R16W if they have two bits of the mantissa. Splits off the planes below at the same time. Also returns false when joint symbols
 * meet an exponent of 128 or more. */
bool zn_r16_write_words(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                        struct zn_out *out);

/* ---- R16W: with 128 slots, tables list consecutive symbols (doc/format.md, section 6.2) -------------------------- */

/* What joint symbols with two bits of the mantissa take by R16W, in bytes; what they would take with frequencies of any
 * precision; and what those with one bit, by R16 with the same clusters, and a stored bit take. */
struct zn_joint2_costs {
    size_t two, ideal, one;
};

/* Fits tables to joint symbols with two bits of the mantissa. `counts` are those of a sample of joint symbols with one
 * bit. */
struct zn_joint2_costs zn_r16w_fit_words(struct zn_codec *c, const struct zn_effort *effort,
                                         const struct zn_words *words, const uint32_t *counts);

/* zn_r16_fit and zn_r16_write by R16W. */
size_t zn_r16w_fit(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                   const uint32_t *counts);
/* zn_r16w_fit with blocks of the length that suits them best; `halves` are the halves of the symbols, which R16 clusters. */
size_t zn_r16w_fit_blocks(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *plane,
                          const uint8_t *halves, size_t n);

/* zn_r16w_fit with the clusters that zn_r16_fit has just chosen for the upper bits of the same symbols. R16 can still write
 * those. */
size_t zn_r16w_fit_clusters(struct zn_codec *c, const uint8_t *plane, size_t n);

bool zn_r16w_write(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                   struct zn_out *out);

#endif
