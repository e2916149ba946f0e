/* What the elements of a chunk are where its label says nothing, or says integers. */
#ifndef ZN_CHUNK_RECOGNISE_H
#define ZN_CHUNK_RECOGNISE_H

#include "chunk/chunk.h"

/* Returns the hint of the chunk. Floats and blocks are believed. For integers and for bytes without a label a sample
 * tells whether they are floats: files keep bf16 as int16 and fp8 as uint8 where a program knows no better type. If they
 * are, the type and the phase in the hint become those of the floats. */
struct zn_chunk_hint zn_recognised(const struct zn_encoder *e);

#endif
