/* The parts of an R16 stream as they are written. */
#ifndef ZN_CODEC_R16_WRITE_H
#define ZN_CODEC_R16_WRITE_H

#include "base/out.h"
#include "codec/codec.h"

/* Lanes make a stream fast and cost two bytes each. The vector kernels know 128 and 32. */
unsigned zn_r16_lanes_log2_of(size_t n);

void zn_r16_write_model(struct zn_out *out, uint8_t first, const struct zn_r16_model *model);

/* A stream nested in one of this depth. */
void zn_r16_write_nested(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *p, size_t n,
                         struct zn_out *out);

#endif
