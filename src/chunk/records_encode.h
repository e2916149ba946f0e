/* Chunks of records: blocks of quantised weights, and bytes that fall apart into halves. */
#ifndef ZN_CHUNK_RECORDS_ENCODE_H
#define ZN_CHUNK_RECORDS_ENCODE_H

#include "chunk/chunk.h"
#include "chunk/records.h"

/* Both answer the length of the body, which may be more than that of the bytes stored; 0 when there is nothing to
 * gain. */
uint32_t zn_records_encode(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_record *record,
                           unsigned head, const uint8_t *src, uint32_t len, uint8_t *body);

/* Elements of one byte, labelled or not. `survey` is of src[0, len). */
uint32_t zn_bytes_encode(struct zn_coder *coder, const struct zn_effort *effort, zipnn_dtype dtype,
                         const struct zn_survey *survey, const uint8_t *src, uint32_t len, uint8_t *body);

#endif
