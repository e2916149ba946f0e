/* Functions that read the parts of an R16 stream which R32 has, too. */
#ifndef ZN_CODEC_R16_READ_H
#define ZN_CODEC_R16_READ_H

#include "base/cur.h"
#include "codec/codec.h"

/* Decodes the stream of n bytes at the cursor, which is nested in the stream `in` of this depth. */
zipnn_status zn_r16_read_nested(struct zn_codec *c, unsigned depth, struct zn_cur *cur, const struct zn_coded *in,
                                uint8_t *out, size_t n, zipnn_error *err);

/* Reads the tables of n_blocks blocks into the reader's ids. */
zipnn_status zn_r16_read_ids(struct zn_codec *c, unsigned depth, struct zn_cur *cur, const struct zn_coded *in,
                             size_t n_blocks, unsigned n_tables, zipnn_error *err);

#endif
