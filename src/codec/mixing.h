/* Floats of a few bits' noise coded by mixed predictions: the slow, small end (doc/format.md, section 8).
 *
 * Each element is taken apart by yes-or-no decisions. What decides is learnt as the elements pass: the scale that is
 * usual at each place of the tensor's axes, and how often a decision fell which way near that scale, in several
 * contexts whose opinions are mixed. Encoder and decoder are one walk. Integers only: the bytes are the same on every
 * machine. */
#ifndef ZN_CODEC_MIXING_H
#define ZN_CODEC_MIXING_H

#include "codec/codec.h"

/* A run of elements of one tensor. The two fastest axes of more than one element, slowest first; 1 where there is
 * none. No longer than the run and ZN_MIXING_MAX_AXIS. */
struct zn_mixing_run {
    uint32_t n;
    uint32_t axis[2];
    uint32_t phase; /* of the first element: its index modulo axis[0] * axis[1] */
};

enum {
    ZN_MIXING_MAX_AXIS = 1 << 16,
    ZN_MIXING_MAX_RUN_LEN = 20,
    ZN_MIXING_MIN_EXPONENT = 2,
    ZN_MIXING_MAX_EXPONENT = 8
};

/* How bytes are floats: `head` bytes, then words of `width` (1, 2, 4) bytes, sign on top, `exponent` bits below. */
struct zn_mixing_words {
    unsigned width, exponent, head;
    const struct zn_mixing_run *runs; /* tile all words */
    size_t n_runs;
};

struct zn_mixing; /* mixing_model.h */
size_t zn_mixing_size(void);
void zn_mixing_open(struct zn_mixing *m); /* makes fresh memory of that size usable */

/* Encodes src[0, n), with at least one word, to less than `limit` bytes at `out`; false when it takes more. Uses the
 * scratch of the codec's depth 0. */
bool zn_mixing_encode(struct zn_codec *c, const struct zn_mixing_words *words, const uint8_t *src, size_t n,
                      size_t limit, struct zn_out *out);

zipnn_status zn_mixing_decode(struct zn_codec *c, const struct zn_coded *in, uint8_t *out, size_t n, zipnn_error *err);

#endif
