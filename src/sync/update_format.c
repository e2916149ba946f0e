#include "sync/update_format.h"

static const uint8_t magic[8] = {0x8F, 'Z', 'N', 'S', '\r', '\n', 0x1A, '\n'};

/* ---- head -------------------------------------------------------------------------------------------------------- */

void zn_update_head_write(uint8_t out[ZN_UPDATE_HEAD_LEN], const struct zn_update_head *head, zn_hash_fn *hash) {
    struct zn_out o = zn_out_of(out, ZN_UPDATE_HEAD_LEN);
    zn_out_bytes(&o, magic, sizeof magic);
    zn_out_u16(&o, ZN_UPDATE_VERSION);
    zn_out_u8(&o, (uint8_t)head->form);
    zn_out_u8(&o, 0);
    zn_out_u32(&o, head->n_tensors);
    zn_out_u64(&o, head->base.version);
    zn_out_u64(&o, head->to);
    zn_out_bytes(&o, head->base.digest, sizeof head->base.digest);
    zn_out_u32(&o, head->list_len);
    zn_out_u32(&o, head->note_len);
    zn_out_u64(&o, hash(out, zn_out_len(&o)));
}

static zipnn_status check_head(const struct zn_update_head *head, unsigned version, unsigned reserved,
                               zipnn_error *err) {
    if (version != ZN_UPDATE_VERSION || head->form > ZIPNN_UPDATE_WHOLE || reserved)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, 8, "the update has version %u and form %u, which are not supported",
                       version, (unsigned)head->form);
    if (head->list_len > ZN_UPDATE_MAX_LIST || head->note_len > ZN_UPDATE_MAX_NOTE)
        return zn_fail(err, ZIPNN_E_LIMIT, 48,
                       "the update has a list of %u bytes and a note of %u: at most %u and %u are read", head->list_len,
                       head->note_len, ZN_UPDATE_MAX_LIST, ZN_UPDATE_MAX_NOTE);
    return ZIPNN_OK;
}

zipnn_status zn_update_head_read(const uint8_t in[ZN_UPDATE_HEAD_LEN], struct zn_update_head *head, zn_hash_fn *hash,
                                 zipnn_error *err) {
    struct zn_cur c = zn_cur_of(in, ZN_UPDATE_HEAD_LEN);
    if (memcmp(zn_cur_take(&c, sizeof magic), magic, sizeof magic) != 0)
        return zn_fail(err, ZIPNN_E_FORMAT, 0, "this is not an update of weights");
    const unsigned version = zn_cur_u16(&c);
    *head = (struct zn_update_head){.form = (zipnn_update_form)zn_cur_u8(&c)};
    const unsigned reserved = zn_cur_u8(&c);
    head->n_tensors = zn_cur_u32(&c);
    head->base.version = zn_cur_u64(&c);
    head->to = zn_cur_u64(&c);
    memcpy(head->base.digest, zn_cur_take(&c, ZIPNN_DIGEST_LEN), ZIPNN_DIGEST_LEN);
    head->list_len = zn_cur_u32(&c);
    head->note_len = zn_cur_u32(&c);
    if (zn_cur_u64(&c) != hash(in, ZN_UPDATE_HEAD_LEN - 8))
        return zn_fail(err, ZIPNN_E_CORRUPT, 0, "the head of the update is damaged: its checksum is wrong");
    return check_head(head, version, reserved, err);
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

void zn_update_changes_write(uint8_t *body, const struct zn_update_frame *c) {
    struct zn_out o = zn_out_of(body, ZN_UPDATE_CHANGES_LEN);
    zn_out_u8(&o, ZN_UPDATE_CHANGES);
    zn_out_u8(&o, (uint8_t)c->n_steps);
    zn_out_u32(&o, c->chunk);
    zn_out_u64(&o, c->check);
}

zipnn_status zn_update_changes_read(const uint8_t *body, size_t len, struct zn_update_frame *c, zipnn_error *err) {
    struct zn_cur cur = zn_cur_of(body, len);
    (void)zn_cur_u8(&cur);
    c->n_steps = zn_cur_u8(&cur);
    c->chunk = zn_cur_u32(&cur);
    c->check = zn_cur_u64(&cur);
    c->steps = cur.at;
    c->steps_len = zn_cur_left(&cur);
    if (!zn_cur_ok(&cur) || c->n_steps == 0 || c->n_steps > ZN_UPDATE_MAX_STEPS)
        return zn_fail(err, ZIPNN_E_CORRUPT, c->at, "a frame of the update has %u steps", c->n_steps);
    return ZIPNN_OK;
}

void zn_update_step_write(uint8_t *out, const struct zn_update_step *step) {
    out[0] = (uint8_t)step->method;
    zn_put_u32(out + 1, step->len);
}

zipnn_status zn_update_step_read(struct zn_cur *cur, const struct zn_update_frame *c, struct zn_update_step *step,
                                 zipnn_error *err) {
    const unsigned method = zn_cur_u8(cur);
    step->method = (enum zn_update_method)method;
    step->len = zn_cur_u32(cur);
    step->at = c->at + ZN_FRAME_LEN + ZN_UPDATE_CHANGES_LEN + (uint64_t)(cur->at - c->steps);
    step->payload = zn_cur_take(cur, step->len);
    if (!step->payload) return zn_fail(err, ZIPNN_E_CORRUPT, c->at, "a frame of the update ends inside a step");
    if (method < ZN_N_STEPS) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_UNSUPPORTED, step->at, "method %u of an update is not supported", method);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static zipnn_status put(struct zn_update_writer *w, const uint8_t *bytes, size_t len, zipnn_error *err) {
    ZN_TRY(zn_output_put(w->out, w->at, bytes, len, err));
    w->at += len;
    return ZIPNN_OK;
}

static zipnn_status put_frame(struct zn_update_writer *w, uint8_t *frame, size_t body_len, uint32_t len,
                              zipnn_error *err) {
    const struct zn_frame f = zn_frame_seal(frame, (uint32_t)body_len, len, w->hash);
    return put(w, frame, (size_t)zn_frame_size(&f), err);
}

zipnn_status zn_update_put(struct zn_update_writer *w, uint8_t *frame, size_t body_len, uint32_t len,
                           zipnn_error *err) {
    w->n_frames++;
    return put_frame(w, frame, body_len, len, err);
}

/* Writes list and note, which are one text, in pieces. They are coded as chunks are. */
static zipnn_status put_text(struct zn_update_writer *w, const struct zn_job *job, const uint8_t *text, size_t len,
                             zipnn_error *err) {
    struct zn_worker *worker = &job->e->workers[0];
    for (size_t at = 0; at < len; at += ZN_SYNC_CHUNK) {
        const uint32_t piece = (uint32_t)ZN_MIN(len - at, (size_t)ZN_SYNC_CHUNK);
        const struct zn_chunk_hint hint = {.dtype = ZIPNN_U8};
        const struct zn_encoder encoder = {&worker->coder, &job->effort, hint, text + at, piece};
        uint8_t *body = worker->frame + ZN_FRAME_LEN;
        body[0] = ZN_UPDATE_TEXT;
        const uint32_t body_len = zn_chunk_encode(&encoder, body + 1);
        ZN_TRY(put_frame(w, worker->frame, 1 + (size_t)body_len, piece, err));
    }
    return ZIPNN_OK;
}

zipnn_status zn_update_begin(struct zn_update_writer *w, const struct zn_job *job, const struct zn_update_head *head,
                             const struct zn_roster *roster, const void *note, zipnn_error *err) {
    uint8_t bytes[ZN_UPDATE_HEAD_LEN];
    const size_t len = roster->text_len + head->note_len;
    uint8_t *text = zn_alloc(&job->e->alloc, len + 1);
    if (!text) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: list and note take %zu bytes", len);
    memcpy(text, roster->text, roster->text_len);
    if (head->note_len) memcpy(text + roster->text_len, note, head->note_len);
    zn_update_head_write(bytes, head, w->hash);
    zipnn_status status = put(w, bytes, sizeof bytes, err);
    if (status == ZIPNN_OK) status = put_text(w, job, text, len, err);
    zn_free(&job->e->alloc, text);
    return status;
}

zipnn_status zn_update_finish(struct zn_update_writer *w, const uint8_t digest[ZIPNN_DIGEST_LEN], zipnn_error *err) {
    uint8_t frame[ZN_FRAME_LEN + ZN_UPDATE_END_LEN] = {0};
    struct zn_out o = zn_out_of(frame + ZN_FRAME_LEN, ZN_UPDATE_END_LEN);
    zn_out_u32(&o, ZN_UPDATE_END);
    zn_out_u32(&o, w->n_frames);
    zn_out_bytes(&o, digest, ZIPNN_DIGEST_LEN);
    return put_frame(w, frame, ZN_UPDATE_END_LEN, 0, err);
}
