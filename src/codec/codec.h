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

/* As listings show it, "?" for what is no codec; static. */
const char *zn_codec_name(unsigned codec);

enum { ZN_MAX_DEPTH = 2 }; /* a plane's R16 may hold streams (1) whose R16 holds streams (2) */

/* What an encoder may spend. */
struct zn_effort {
    unsigned max_tables; /* 1 .. 16 */
    unsigned block_log2; /* symbols per table id, for streams long enough */
    unsigned hist_step;  /* every how many groups of 64 symbols are counted at a glance: 2, 4; 1 for none */
    unsigned rounds;     /* of clustering */
    int zstd_level;
    bool careful; /* a little smaller is worth much time */
    /* What chooses among the ways of coding a chunk (chunk/ways.c). */
    int level;        /* 1 .. 9 */
    unsigned readers; /* 100 * major + minor of the oldest version that must read what is written */
};

/* The effort of a level 1 .. 9. */
struct zn_effort zn_effort_of(int level);

/* A stream being decoded piece by piece by the r16_decode kernels. */
struct zn_r16_reader {
    struct zn_r16_decoder d;
    struct zn_r16_table *tables; /* ZN_R16_MAX_TABLES; of planes ZN_R16_MAX_GIVEN */
    uint8_t *ids, *esc;
    unsigned n_models; /* that ids name */
    uint8_t last;      /* the highest symbol that a table lists, 0 when none lists any */
};

struct zn_r16_fit;  /* the encoder's choice of tables; r16_fit.h */
struct zn_r16c_fit; /* the same given a context; r16c_fit.h */
struct zn_mixing;   /* mixing_model.h */

struct zn_codec {
    const struct zn_kernels *k;
    size_t max_len; /* longest stream it takes */
    struct zn_r16_reader reader[ZN_MAX_DEPTH];
    struct zn_r16_contexts *contexts; /* decoder: of the plane being read */
    struct zn_r16_fit *fit[ZN_MAX_DEPTH];
    struct zn_r16c_fit *given;                             /* encoder */
    uint8_t *renorm[ZN_MAX_DEPTH], *escapes[ZN_MAX_DEPTH]; /* encoder: max_len + 2 * ZN_SLACK each */
    struct zn_mixing *mixing;
    void *zstd_enc, *zstd_dec;
    struct zn_ahead ahead; /* encoder: for the next plane that R16 codes */
    uint64_t slow;         /* decoder: bytes coded by mixing, which take longest, so far */
};

enum zn_codec_use { ZN_USE_DECODE, ZN_USE_BOTH };

/* Symbols of a stream that stands for max_len bytes: of parts of bytes there are more, up to 256 for 110 bytes. */
#define ZN_MOST_SYMBOLS(max_len) ((size_t)(max_len) / 3 * 7 + 1024)

/* Escapes that a reader has room for, however many symbols there are: a byte each for as many bytes as the chunk has,
 * or for the least plane of packed bits of fp16. */
#define ZN_MOST_ESCAPES(max_len) ((size_t)(max_len) + 24)

/* Carves scratch for streams that stand for up to max_len bytes; with a measuring arena only counts. */
void zn_codec_carve(struct zn_codec *c, struct zn_arena *arena, size_t max_len, enum zn_codec_use use);

/* After carving for real: sets the kernels, creates the zstd contexts. zn_codec_close accepts a zeroed struct. */
zipnn_status zn_codec_open(struct zn_codec *c, const struct zn_kernels *k, enum zn_codec_use use, zipnn_error *err);
void zn_codec_close(struct zn_codec *c);

/* Decodes all n bytes of a stream into out[0, n). depth 0 is a plane. */
zipnn_status zn_stream_decode(struct zn_codec *c, unsigned depth, const struct zn_coded *in, uint8_t *out, size_t n,
                              zipnn_error *err);

/* What a sample tells of a stream before it is coded. */
struct zn_survey {
    uint32_t counts[256];
    uint64_t sampled; /* bytes counted */
    uint64_t order0;  /* their cost at their own entropy, in ZN_COST_ONE units */
    bool constant;    /* all bytes are equal: no sample, certain */
    bool random;      /* as good as incompressible: to be stored */
    uint8_t varying;  /* bits that differ among the sampled bytes */
    bool patchy;      /* noise but for the part that begins at `patch`: not random */
    size_t patch;
};

void zn_stream_survey(const struct zn_codec *c, const uint8_t *plane, size_t n, struct zn_survey *survey);

/* Encodes n bytes by whatever is smallest within the effort and appends the coded bytes to `out`. Never more than n
 * bytes; *out has room for n. Returns the codec used. Except for a random plane, which may lie anywhere, no byte of
 * it is part of *out. */
enum zn_codec_id zn_stream_encode(struct zn_codec *c, unsigned depth, const struct zn_effort *effort,
                                  const struct zn_survey *survey, const uint8_t *plane, size_t n, struct zn_out *out);

/* The same for a plane, neither constant nor random, that zn_r16_fit saw last and for which it returned `expected`. */
enum zn_codec_id zn_stream_encode_fitted(struct zn_codec *c, const struct zn_effort *effort,
                                         const struct zn_survey *survey, const uint8_t *plane, size_t n,
                                         size_t expected, struct zn_out *out);

/* The same as zn_stream_encode for n symbols 0 .. 15, which take n / 2 bytes as nibbles: never more than that, rounded
 * up. *out has room for as many. */
enum zn_codec_id zn_stream_encode_halves(struct zn_codec *c, const struct zn_effort *effort,
                                         const struct zn_survey *survey, const uint8_t *plane, size_t n,
                                         struct zn_out *out);

/* Bytes that symbols 0 .. 15 of this survey take at their own entropy, n / 2 when that is as good as all. */
size_t zn_survey_halves(const struct zn_survey *survey, size_t n);

/* Appends one zstd frame of fewer than `limit` bytes; false when it takes more (then out is as before). */
bool zn_stream_encode_zstd(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                           size_t limit, struct zn_out *out);

/* Bytes that zstd needs for n >= 1 bytes, judged by a piece from their middle; n when it finds nothing. */
size_t zn_stream_probe_zstd(struct zn_codec *c, const uint8_t *p, size_t n);

/* ---- given a context: a byte for each symbol, known to both sides ------------------------------------------------ */

/* zn_stream_decode of a plane, which codec R16C may code too. */
zipnn_status zn_stream_decode_given(struct zn_codec *c, const struct zn_coded *in, const uint8_t *context, uint8_t *out,
                                    size_t n, zipnn_error *err);

/* zn_stream_encode of a plane, by R16C where that is smallest; up to max_contexts tables. */
enum zn_codec_id zn_stream_encode_given(struct zn_codec *c, const struct zn_effort *effort,
                                        const struct zn_survey *survey, const uint8_t *context, unsigned max_contexts,
                                        const uint8_t *plane, size_t n, struct zn_out *out);

/* A plane to be coded by R16C. */
struct zn_r16c_input {
    const uint8_t *context, *plane;
    size_t n;
    unsigned max_contexts; /* tables of a model, 1 .. 16 */
    unsigned hist_step;    /* as in zn_effort */
    unsigned n_models;     /* 1 .. 16, no more than leave each its tables: n_models * max_contexts <= 64 */
    const uint8_t *ids;    /* the model of each block, when there are several */
    unsigned block_log2;
};

/* A plane as zn_stream_encode_given codes it, and what it must take less than, being slow to restore, where a rival
 * takes so much. */
struct zn_r16c_input zn_given_input(const struct zn_effort *effort, const uint8_t *context, unsigned max_contexts,
                                    const uint8_t *plane, size_t n);
size_t zn_given_limit(const struct zn_effort *effort, size_t rival);

/* zn_r16_fit and zn_r16_write given a context. */
size_t zn_r16c_fit(struct zn_codec *c, const struct zn_r16c_input *in);
bool zn_r16c_write(struct zn_codec *c, const struct zn_effort *effort, const struct zn_r16c_input *in,
                   struct zn_out *out);

/* ---- R16 piece by piece ------------------------------------------------------------------------------------------ */

/* Parses a stream of n symbols, by R16 or R16C as in->codec says, up to its first symbol. A stream of R16C goes on with
 * r16c_decode and c->contexts. *reader belongs to the codec and is good until the next use of
 * this depth. */
zipnn_status zn_r16_open(struct zn_codec *c, unsigned depth, const struct zn_coded *in, size_t n,
                         struct zn_r16_reader **reader, zipnn_error *err);

/* After the last symbol: every state at rest and every byte used, or corrupt. */
zipnn_status zn_r16_finish(const struct zn_r16_reader *reader, uint64_t at, zipnn_error *err);

/* No symbol of the stream is above this. */
uint8_t zn_r16_highest(const struct zn_r16_reader *reader);

/* What a kernel's false means. */
zipnn_status zn_r16_ran_out(const struct zn_r16_reader *reader, uint64_t at, zipnn_error *err);

/* Chooses tables for plane[0, n), n >= 1. Returns the cost it expects, in bytes. */
size_t zn_r16_fit(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                  const uint32_t *counts);

/* How many tables zn_r16_fit has just chosen for a plane. */
unsigned zn_r16_n_tables(const struct zn_codec *c);

/* Encodes with the tables just chosen; false when it takes n bytes or more (then out is as before). */
bool zn_r16_write(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                  struct zn_out *out);

/* ---- R16 from words: the top plane of words that have not been split --------------------------------------------- */

/* Words of ZN_SHAPE_16R, _32R or _F16: the symbols are their top plane, or joint ones (kernels/joint/joint_loops.h). */
struct zn_words {
    enum zn_shape shape;
    bool joint;
    const uint8_t *at;
    size_t n;            /* at least enough for all lanes: ZN_R16_FULL */
    uint8_t *const *raw; /* where the planes below the symbols go */
    uint8_t *room;       /* for n joint symbols, where a set has no loop that leaves them out */
};

enum { ZN_R16_FULL = 1 << 14 }; /* symbols; from here on a stream gets 128 lanes */

/* zn_r16_fit for the top plane, counted without splitting the words. */
size_t zn_r16_fit_words(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                        const uint32_t *counts);

/* What joint symbols take in bytes, and what their exponents alone would by the same clusters, with a bit each: the
 * latter at least, where joint symbols are clearly better. */
struct zn_joint_costs {
    size_t joint, exponents;
};

/* Whether joint symbols are so much better that clusters of the exponents' own would not change it. */
static inline bool zn_joint_is_clear(const struct zn_joint_costs *costs) {
    enum { NEAR_SHIFT = 7 };
    return costs->joint + (costs->joint >> NEAR_SHIFT) < costs->exponents;
}

/* zn_r16_fit_words for joint symbols, of exponents below 128. */
struct zn_joint_costs zn_r16_fit_joint(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                                       const uint32_t *counts);

/* zn_r16_write of the symbols; the planes below are split off meanwhile. False also when joint symbols meet an exponent
 * of 128 or more. */
bool zn_r16_write_words(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                        struct zn_out *out);

#endif
