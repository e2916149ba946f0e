/* Bytes that fall apart into halves. */
#ifndef ZN_CHUNK_BYTES_ENCODE_H
#define ZN_CHUNK_BYTES_ENCODE_H

#include "chunk/chunk.h"
#include "chunk/records.h"

/* Elements of one byte, labelled or not. `survey` is of the chunk. Returns the length of the body, which may be more
 * than that of the bytes stored; 0 when there is nothing to gain. */
uint32_t zn_bytes_encode(const struct zn_encoder *e, const struct zn_survey *survey, uint8_t *body);

#endif
