#include "chunk/delta.h"

uint32_t zn_delta_encode(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                         const uint8_t *src, const uint8_t *ref, uint32_t len, uint8_t *payload) {
    (void)coder, (void)effort, (void)hint, (void)src, (void)ref, (void)len, (void)payload;
    return 0;
}

zipnn_status zn_delta_decode(struct zn_coder *coder, const struct zn_chunk_body *body, const uint8_t *ref, uint8_t *out,
                             uint32_t orig_len, enum zn_store store, zipnn_error *err) {
    (void)coder, (void)ref, (void)out, (void)orig_len, (void)store;
    return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at, "chunks with a reference are not supported");
}
