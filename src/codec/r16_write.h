/* Functions that write the parts of an R16 stream. */
#ifndef ZN_CODEC_R16_WRITE_H
#define ZN_CODEC_R16_WRITE_H

#include "base/out.h"
#include "codec/codec.h"

/* Returns log2 of the number of lanes for n symbols. Lanes make a stream fast and take two bytes each. The vector
 * kernels know 128 and 32 lanes. */
unsigned zn_r16_lanes_log2_of(size_t n);

void zn_r16_write_model(struct zn_out *out, uint8_t first, const struct zn_r16_model *model);

/* Appends a stream that is nested in a stream of this depth. */
void zn_r16_write_nested(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *p, size_t n,
                         struct zn_out *out);

#endif
