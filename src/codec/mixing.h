/* Codes floats whose noise has few bits by mixed predictions: the smallest and slowest way (doc/format.md, section 8).
 * Each element is divided into yes-or-no decisions, whose probabilities are learnt on the way. The model learns the
 * usual scale at each position of the tensor's axes, and how often each decision is yes near that scale, in several
 * contexts whose predictions are mixed. Encoder and decoder are one function. It computes with integers only, so every
 * machine writes the same bytes. */
#ifndef ZN_CODEC_MIXING_H
#define ZN_CODEC_MIXING_H

#include "codec/codec.h"

/* A run of elements of one tensor. `axis` has the lengths of its two fastest axes of more than one element, slowest
 * first; 1 stands for no axis. A length is at most that of the run and ZN_MIXING_MAX_AXIS. */
struct zn_mixing_run {
    uint32_t n;
    uint32_t axis[2];
    uint32_t phase; /* index of the first element modulo axis[0] * axis[1] */
};

enum {
    ZN_MIXING_MAX_AXIS = 1 << 16,
    ZN_MIXING_MAX_RUN_LEN = 20,
    ZN_MIXING_MIN_EXPONENT = 2,
    ZN_MIXING_MAX_EXPONENT = 8
};

/* How bytes form floats: `head` bytes, then words of `width` (1, 2 or 4) bytes, each a sign, `exponent` bits, a
 * mantissa. */
struct zn_mixing_words {
    unsigned width, exponent, head;
    const struct zn_mixing_run *runs; /* tile all words */
    size_t n_runs;
};

struct zn_mixing; /* mixing_model.h */
size_t zn_mixing_size(void);
void zn_mixing_open(struct zn_mixing *m); /* prepares new memory of that size */

/* Encodes src[0, n), which has at least one word, to less than `limit` bytes at `out`. Returns false when it takes
 * more. It uses the scratch of the codec's depth 0. */
bool zn_mixing_encode(struct zn_codec *c, const struct zn_mixing_words *words, const uint8_t *src, size_t n,
                      size_t limit, struct zn_out *out);

zipnn_status zn_mixing_decode(struct zn_codec *c, const struct zn_coded *in, uint8_t *out, size_t n, zipnn_error *err);

#endif
