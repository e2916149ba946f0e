#include "jobs/refer.h"

#include "archive/references.h"
#include "delta/delta.h"

/* Reads the bytes that the chunk resembles. lent->bytes is NULL if there are none. */
static zipnn_status fetch(struct zn_worker *w, const struct zn_relations *relations, const struct zn_input *in,
                          const struct zn_likely *chunk, const struct zn_reference *ref, struct zn_lent *lent,
                          zipnn_error *err) {
    const struct zn_link *link = chunk->link;
    const struct zn_original itself = zn_original_plain(in);
    const struct zn_original *from = link->source == ZN_SOURCE_SELF ? &itself : relations->bases[link->source - 1];
    *lent = (struct zn_lent){NULL, NULL};
    const uint64_t into = chunk->off - link->off;
    if (into > link->len || chunk->len > link->len - into) return ZIPNN_OK;
    if (ref->off > from->length || ref->len > from->length - ref->off) return ZIPNN_OK;
    w->toll.original += chunk->len;
    return zn_original_lend(w, from, ref->off, ref->len, lent, err);
}

/* Encodes the difference and, unless the caller turned verification off, decodes and compares it. Returns its length, 0
 * if it saves nothing. */
static uint32_t encode_delta(const struct zn_job *job, struct zn_worker *w, const struct zn_likely *chunk,
                             const uint8_t *ref, uint8_t *payload) {
    const struct zn_chunk_hint hint = {.dtype = chunk->dtype, .head = chunk->head};
    const struct zn_encoder encoder = {&w->coder, &job->effort, hint, chunk->bytes, chunk->len};
    if (chunk->link->likeness == ZN_LINK_EQUAL) return 0;
    const uint32_t len = zn_delta_encode(&encoder, ref, payload);
    if (len == 0 || job->verify != ZIPNN_VERIFY_DEFAULT) return len;
    const struct zn_chunk_body body = {payload, len, chunk->off, {0}, NULL};
    const struct zn_delta_reference given = {ref, chunk->len};
    const zipnn_status status = zn_delta_decode(&w->coder, &body, given, w->check, ZN_STORE_CACHED, NULL);
    return status == ZIPNN_OK && memcmp(w->check, chunk->bytes, chunk->len) == 0 ? len : 0;
}

/* Writes the body, given the bytes that the chunk resembles. Returns its length, 0 if it saves nothing. */
static uint32_t encode(const struct zn_job *job, struct zn_worker *w, const struct zn_likely *chunk,
                       const uint8_t *bytes, struct zn_reference *ref, uint8_t *body) {
    ref->ref_check = ref->orig_check = w->e->k->xxh3_64(bytes, ref->len);
    uint32_t body_len = ZN_REFERENCE_LEN;
    if (memcmp(bytes, chunk->bytes, chunk->len) != 0) {
        const uint32_t len = encode_delta(job, w, chunk, bytes, body + ZN_REFERENCE_LEN);
        ref->method = ZN_METHOD_DELTA;
        ref->orig_check = w->e->k->xxh3_64(chunk->bytes, chunk->len);
        body_len = len ? ZN_REFERENCE_LEN + len : 0;
    }
    if (body_len) zn_reference_write(body, ref);
    return body_len;
}

zipnn_status zn_refer(const struct zn_job *job, struct zn_worker *w, const struct zn_relations *relations,
                      const struct zn_input *in, const struct zn_likely *chunk, uint8_t *body, uint32_t *body_len,
                      zipnn_error *err) {
    const struct zn_link *link = chunk->link;
    struct zn_reference ref = {.method = ZN_METHOD_COPY,
                               .source = link->source,
                               .len = chunk->len,
                               .off = link->ref_off + (chunk->off - link->off)};
    struct zn_lent lent;
    *body_len = 0;
    ZN_TRY(fetch(w, relations, in, chunk, &ref, &lent, err));
    if (lent.bytes) *body_len = encode(job, w, chunk, lent.bytes, &ref, body);
    zn_shelf_return(lent.slot);
    return ZIPNN_OK;
}
