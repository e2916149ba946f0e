/* Planes by R32 (doc/format.md, section 6.3): the tables of blocks as R16W has them, with probabilities of 12 bits. */
#ifndef ZN_CODEC_R32_STREAM_H
#define ZN_CODEC_R32_STREAM_H

#include "codec/codec.h"
#include "kernels/r32/r32.h"

/* Returns the bytes of a struct zn_r32. */
size_t zn_r32_size(void);

/* Prepares the decoder for the first symbol of a plane. The decoder is the codec's, up to the next plane by R32 or R16. */
zipnn_status zn_r32_open(struct zn_codec *c, const struct zn_coded *in, size_t n, struct zn_r32_decoder **d,
                         zipnn_error *err);

/* Fails unless the stream ended where it must, after its last symbol. */
zipnn_status zn_r32_finish(const struct zn_r32_decoder *d, uint64_t at, zipnn_error *err);

/* Says that r32_decode returned false. */
zipnn_status zn_r32_ran_out(const struct zn_r32_decoder *d, uint64_t at, zipnn_error *err);

/* The frequencies of a table from the sizes of its entries, which are at most ZN_R32_MOST_SIZE, not all 0. */
enum { ZN_R32_MOST_SIZE = 104, ZN_R32_SIZE_STEP = 4 /* a size is written less the one so many entries before */ };
void zn_r32_frequencies(const uint8_t size[ZN_R32_ENTRIES], uint16_t freq[ZN_R32_ENTRIES]);

/* Returns the number that a size stands for: 0, 8, 9 .. 15, 16, 18 .. 30, 32, 36 .. */
static inline uint32_t zn_r32_weight(unsigned size) {
    return size ? (8 + (size - 1) % 8) << (size - 1) / 8 : 0;
}

/* Appends n symbols to `out`, for which zn_r16w_fit found tables last: R32 takes their clusters. Returns false if they do
 * not fit. */
bool zn_r32_write(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *symbols, size_t n,
                  struct zn_out *out);

#endif
