/* How a chunk is coded, from the first bytes of its body, without decoding it. */
#ifndef ZN_CHUNK_DESCRIBE_H
#define ZN_CHUNK_DESCRIBE_H

#include <stddef.h>

#include "zipnn/zipnn.h"

/* Number of first bytes of a body that suffice: what precedes the planes is never longer. */
enum { ZN_DESCRIBE_LEN = 1536 };

/* Fills *coding from a body of which head[0, len) is known. If this library does not know the layout, or the body is
 * damaged, *coding has no planes. */
void zn_chunk_describe(const uint8_t *head, size_t len, uint32_t body_len, uint32_t orig_len, zipnn_coding *coding);

#endif
