/* Encodes and decodes chunks in memory of exactly their size. */
#ifndef ZN_TESTS_SUPPORT_CODER_H
#define ZN_TESTS_SUPPORT_CODER_H

#include "chunk/chunk.h"

/* Returns a coder for chunks of up to max_len bytes. zt_coder_free frees it. */
struct zn_coder zt_coder_make(const struct zn_kernels *k, uint32_t max_len, void **memory);
void zt_coder_free(struct zn_coder *coder, void *memory);

/* Encodes at a level, decodes, and asserts that nothing changed. Returns the length of the body. */
uint32_t zt_coder_round_trip(struct zn_coder *coder, int level, struct zn_chunk_hint hint, const uint8_t *src,
                             uint32_t len);

/* Damages body[0, len), the encoding of orig_len bytes, n times: cuts it short, or changes a byte of it. Each is decoded
 * between pages that must not be touched. Asserts that a body cut short is refused. */
void zt_coder_damage(struct zn_coder *coder, const uint8_t *body, uint32_t len, uint32_t orig_len, unsigned n,
                     uint64_t *seed);

#endif
