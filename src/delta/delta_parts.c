#include "delta/delta_parts.h"

void zn_delta_begin(struct zn_out *out, const struct zn_delta_head *head, const uint8_t *src, uint32_t len,
                    uint32_t tail) {
    zn_out_u8(out, (uint8_t)head->layout);
    zn_out_u8(out, (uint8_t)head->kind);
    zn_out_u8(out, (uint8_t)head->head);
    zn_out_u8(out, (uint8_t)head->detail);
    zn_out_bytes(out, src, head->head);
    zn_out_bytes(out, src + len - tail, tail);
}

zipnn_status zn_delta_take(struct zn_delta_body *body, struct zn_coded *coded, zipnn_error *err) {
    if (zn_coded_take(&body->cur, body->start, body->at, coded)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "delta ends inside a stream of %zu bytes", coded->len);
}

void zn_delta_put_edges(const struct zn_pair *pair, const uint8_t *edges, uint8_t *bytes, uint32_t len) {
    memcpy(bytes, edges, pair->head);
    memcpy(bytes + len - pair->tail, edges + pair->head, pair->tail);
}

void zn_delta_take_edges(const struct zn_pair *pair, const uint8_t *bytes, uint32_t len, uint8_t *edges) {
    memcpy(edges, bytes, pair->head);
    memcpy(edges + pair->head, bytes + len - pair->tail, pair->tail);
}
