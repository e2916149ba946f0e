#include "delta/delta.h"
#include "sync/steps.h"

/* ---- what changed ------------------------------------------------------------------------------------------------ */

uint32_t zn_sync_changed(const struct zn_kernels *k, const struct zn_sync_pair *pair, uint64_t *masks) {
    const unsigned unit = pair->portion.unit;
    const size_t n = pair->portion.len / unit;
    uint32_t sum = 0;
    if (unit <= 4) return (uint32_t)k->delta->changed_masks(pair->after, pair->before, unit, n, masks);
    memset(masks, 0, (n + 63) / 64 * sizeof *masks);
    for (size_t i = 0; i < n; i++)
        masks[i / 64] |= (uint64_t)(memcmp(pair->after + i * unit, pair->before + i * unit, unit) != 0) << i % 64;
    for (size_t g = 0; g * 64 < n; g++) sum += (uint32_t)__builtin_popcountll(masks[g]);
    return sum;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

enum { GAPS_AT = 9, SHARE = 16 /* of wide numbers; where more have changed, a difference is shorter */ };

/* Returns how many bits of a gap are stored. A power of two near the mean gap is best. */
static unsigned rice_of(size_t n_elements, uint32_t n) {
    const size_t mean = (n_elements - n) / ((size_t)n + 1);
    return mean < 2 ? 0 : 31u - (unsigned)__builtin_clz((uint32_t)mean);
}

/* Collects the elements at n positions. */
static void collect(const uint32_t *positions, uint32_t n, unsigned unit, const uint8_t *from, uint8_t *to) {
    for (uint32_t i = 0; i < n; i++) memcpy(to + (size_t)i * unit, from + (size_t)positions[i] * unit, unit);
}

/* Writes the gaps between the changes. Returns their length: at most 3 bits for an element of the chunk. */
static size_t write_gaps(const struct zn_kernels *k, struct zn_sync_room *room, size_t n, unsigned rice, uint8_t *out) {
    const struct zn_members all = {.n = n};
    uint32_t *end = room->positions;
    struct zn_bit_sink bits = {.p = out};
    for (size_t g = 0; g * 64 < n; g++)
        for (uint64_t m = room->masks[g]; m; m &= m - 1) *end++ = (uint32_t)(g * 64) + (uint32_t)__builtin_ctzll(m);
    k->delta->gaps_write(&bits, rice, &all, room->positions, (size_t)(end - room->positions));
    return (size_t)(zn_bit_sink_flush(&bits) - out);
}

static zipnn_status verify_chunk(const struct zn_job *job, struct zn_worker *w, const uint8_t *body, uint32_t len,
                                 const uint8_t *bytes, uint32_t n, zipnn_error *err) {
    const struct zn_chunk_body chunk = {body, len, ZN_NOWHERE, {0}, NULL};
    bool same = false;
    const struct zn_comparison with = {bytes, n, w->check, &same};
    if (job->verify != ZIPNN_VERIFY_DEFAULT) return ZIPNN_OK;
    if (zn_chunk_compare(&w->coder, &chunk, &with, err) == ZIPNN_OK && same) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE,
                   "verification failed: what was just encoded does not decode to the tensor's values. They changed "
                   "meanwhile, or memory is faulty, or this is a bug worth reporting");
}

zipnn_status zn_step_encode_values(const struct zn_job *job, struct zn_worker *w, struct zn_sync_room *room,
                                   const struct zn_portion *p, const uint8_t *after, uint32_t n, uint8_t *out,
                                   size_t *len, zipnn_error *err) {
    const size_t n_elements = p->len / p->unit;
    const uint32_t values_len = n * p->unit;
    const unsigned rice = rice_of(n_elements, n);
    uint8_t *payload = out + ZN_UPDATE_STEP_LEN;
    const size_t gaps_len = write_gaps(w->e->k, room, n_elements, rice, payload + GAPS_AT);
    *len = 0;
    if (n == 0 || values_len + gaps_len >= p->len) return ZIPNN_OK;
    collect(room->positions, n, p->unit, after, room->values);
    zn_put_u32(payload, n);
    payload[4] = (uint8_t)rice;
    zn_put_u32(payload + 5, (uint32_t)gaps_len);
    const struct zn_chunk_hint hint = {.dtype = p->dtype};
    const struct zn_encoder encoder = {&w->coder, &job->effort, hint, room->values, values_len};
    uint8_t *body = payload + GAPS_AT + gaps_len;
    const uint32_t body_len = zn_chunk_encode(&encoder, body);
    ZN_TRY(verify_chunk(job, w, body, body_len, room->values, values_len, err));
    const struct zn_update_step step = {.method = ZN_STEP_VALUES, .len = (uint32_t)(GAPS_AT + gaps_len) + body_len};
    zn_update_step_write(out, &step);
    *len = ZN_UPDATE_STEP_LEN + step.len;
    return ZIPNN_OK;
}

/* ---- other methods ----------------------------------------------------------------------------------------------- */

static zipnn_status encode_whole(const struct zn_job *job, struct zn_worker *w, const struct zn_sync_pair *pair,
                                 uint8_t *out, size_t *len, zipnn_error *err) {
    const struct zn_chunk_hint hint = {.dtype = pair->portion.dtype};
    const struct zn_encoder encoder = {&w->coder, &job->effort, hint, pair->after, pair->portion.len};
    struct zn_update_step step = {.method = ZN_STEP_WHOLE};
    step.len = zn_chunk_encode(&encoder, out + ZN_UPDATE_STEP_LEN);
    zn_update_step_write(out, &step);
    *len = ZN_UPDATE_STEP_LEN + step.len;
    return verify_chunk(job, w, out + ZN_UPDATE_STEP_LEN, step.len, pair->after, pair->portion.len, err);
}

/* Writes the difference. *len is 0 if it saves nothing, or cannot be verified. */
static void encode_delta(const struct zn_job *job, struct zn_worker *w, const struct zn_sync_pair *pair, uint8_t *out,
                         size_t *len) {
    const uint32_t n = pair->portion.len;
    const struct zn_chunk_hint hint = {.dtype = pair->portion.dtype};
    const struct zn_encoder encoder = {&w->coder, &job->effort, hint, pair->after, n};
    struct zn_update_step step = {.method = ZN_STEP_DELTA};
    step.len = zn_delta_encode(&encoder, pair->before, out + ZN_UPDATE_STEP_LEN);
    zn_update_step_write(out, &step);
    *len = step.len ? ZN_UPDATE_STEP_LEN + step.len : 0;
    if (step.len == 0 || job->verify != ZIPNN_VERIFY_DEFAULT) return;
    const struct zn_chunk_body body = {out + ZN_UPDATE_STEP_LEN, step.len, ZN_NOWHERE, {0}, NULL};
    const struct zn_delta_reference ref = {pair->before, n};
    const bool ok = zn_delta_decode(&w->coder, &body, ref, w->check, ZN_STORE_CACHED, NULL) == ZIPNN_OK;
    if (!ok || memcmp(w->check, pair->after, n) != 0) *len = 0;
}

/* Writes the values that changed where they are few and wide, since differences have no sparse form for those, and
 * takes them if they are shorter than the difference. */
static zipnn_status rather_values(const struct zn_job *job, struct zn_worker *w, struct zn_sync_room *room,
                                  const struct zn_sync_pair *pair, uint8_t *out, size_t *len, zipnn_error *err) {
    const struct zn_portion *p = &pair->portion;
    const uint32_t n = zn_sync_changed(w->e->k, pair, room->masks);
    size_t rival;
    if (p->unit < 4 || n > p->len / p->unit / SHARE) return ZIPNN_OK;
    ZN_TRY(zn_step_encode_values(job, w, room, p, pair->after, n, room->b, &rival, err));
    if (rival == 0 || (*len && rival >= *len)) return ZIPNN_OK;
    memcpy(out, room->b, rival);
    *len = rival;
    return ZIPNN_OK;
}

zipnn_status zn_step_encode(const struct zn_job *job, struct zn_worker *w, struct zn_sync_room *room,
                            const struct zn_sync_pair *pair, zipnn_update_form form, uint8_t *out, size_t *len,
                            zipnn_error *err) {
    *len = 0;
    if (form == ZIPNN_UPDATE_DIFFERENCE) {
        encode_delta(job, w, pair, out, len);
        ZN_TRY(rather_values(job, w, room, pair, out, len, err));
    } else if (form == ZIPNN_UPDATE_VALUES) {
        const uint32_t n = zn_sync_changed(w->e->k, pair, room->masks);
        ZN_TRY(zn_step_encode_values(job, w, room, &pair->portion, pair->after, n, out, len, err));
    }
    return *len ? ZIPNN_OK : encode_whole(job, w, pair, out, len, err);
}
