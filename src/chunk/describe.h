/* How a chunk is coded, from the first bytes of its body, without decoding it. */
#ifndef ZN_CHUNK_DESCRIBE_H
#define ZN_CHUNK_DESCRIBE_H

#include <stddef.h>

#include "zipnn/zipnn.h"

/* First bytes of a body that tell all: what precedes its planes is never longer. */
enum { ZN_DESCRIBE_LEN = 1536 };

/* Fills *coding from a body of which head[0, len) is known. A layout that this library does not know, or a body that
 * makes no sense, has no planes. */
void zn_chunk_describe(const uint8_t *head, size_t len, uint32_t body_len, uint32_t orig_len, zipnn_coding *coding);

#endif
