/* Reads updates, front to back and not a byte too far. */
#include "sync/update_format.h"

static zipnn_status take(struct zn_update_reader *r, uint8_t *buf, size_t len, zipnn_error *err) {
    size_t got = len;
    if (!zn_input_is_random(r->in))
        ZN_TRY(zn_input_next(r->in, buf, len, &got, err));
    else if (r->at > r->in->length || len > r->in->length - r->at)
        got = 0;
    else
        ZN_TRY(zn_input_copy(r->in, r->at, len, buf, err));
    if (got < len)
        return zn_fail(err, ZIPNN_E_TRUNCATED, r->at, "the update ends after %llu bytes: more were announced",
                       (unsigned long long)(r->at + got));
    r->at += len;
    return ZIPNN_OK;
}

zipnn_status zn_update_open(struct zn_update_reader *r, struct zn_engine *e, struct zn_input *in, zipnn_error *err) {
    uint8_t head[ZN_UPDATE_HEAD_LEN];
    *r = (struct zn_update_reader){.e = e, .in = in};
    ZN_TRY(take(r, head, sizeof head, err));
    return zn_update_head_read(head, &r->head, e->k->xxh3_64, err);
}

/* Reads a frame, head and body, into room->body, which grows, and verifies its check. */
static zipnn_status take_frame(struct zn_update_reader *r, struct zn_sync_room *room, struct zn_frame *f, uint64_t *at,
                               zipnn_error *err) {
    uint8_t head[ZN_FRAME_LEN];
    *at = r->at;
    ZN_TRY(take(r, head, sizeof head, err));
    *f = zn_frame_of(head);
    if (f->body_len < 4 || f->body_len > ZN_UPDATE_MAX_BODY || f->orig_len > ZN_SYNC_CHUNK)
        return zn_fail(err, ZIPNN_E_CORRUPT, *at, "a frame of the update claims %u bytes for %u", f->body_len,
                       f->orig_len);
    void *body = room->body;
    const zipnn_status status = zn_grow(&r->e->alloc, &body, &room->body_cap, (size_t)zn_frame_size(f), 1, err);
    room->body = body;
    ZN_TRY(status);
    memcpy(room->body, head, sizeof head);
    ZN_TRY(take(r, room->body + ZN_FRAME_LEN, f->body_len, err));
    return zn_frame_verify(room->body, f, *at, r->e->k->xxh3_64, err);
}

/* ---- list and note ----------------------------------------------------------------------------------------------- */

/* Text that grows with what arrives, so that a head alone takes no memory. */
struct text {
    uint8_t *bytes;
    size_t len, cap;
};

static zipnn_status take_text(struct zn_update_reader *r, struct zn_sync_room *room, size_t left, struct text *t,
                              zipnn_error *err) {
    struct zn_frame f;
    uint64_t at;
    ZN_TRY(take_frame(r, room, &f, &at, err));
    const uint8_t *body = room->body + ZN_FRAME_LEN;
    if (body[0] != ZN_UPDATE_TEXT || f.orig_len == 0 || f.orig_len != ZN_MIN(left, (size_t)ZN_SYNC_CHUNK))
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "the update's list of tensors or its note is cut short");
    void *bytes = t->bytes;
    const zipnn_status status = zn_grow(&r->e->alloc, &bytes, &t->cap, t->len + f.orig_len, 1, err);
    t->bytes = bytes;
    ZN_TRY(status);
    const struct zn_chunk_body chunk = {body + 1, f.body_len - 1, at + ZN_FRAME_LEN + 1, {0}, NULL};
    ZN_TRY(zn_chunk_decode(&r->e->workers[0].coder, &chunk, t->bytes + t->len, f.orig_len, ZN_STORE_CACHED, err));
    t->len += f.orig_len;
    return ZIPNN_OK;
}

/* Makes the roster of the text, and keeps the note. */
static zipnn_status use_text(struct zn_update_reader *r, struct text *t, zipnn_error *err) {
    static const uint8_t nothing;
    const uint8_t *bytes = t->bytes ? t->bytes : &nothing;
    ZN_TRY(zn_roster_read(&r->roster, &r->e->alloc, bytes, r->head.list_len, r->head.n_tensors, err));
    r->note = zn_alloc(&r->e->alloc, (size_t)r->head.note_len + 1);
    if (!r->note)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a note of %u bytes", r->head.note_len);
    if (r->head.note_len) memcpy(r->note, bytes + r->head.list_len, r->head.note_len);
    return ZIPNN_OK;
}

zipnn_status zn_update_read_list(struct zn_update_reader *r, zipnn_error *err) {
    const size_t len = (size_t)r->head.list_len + r->head.note_len;
    struct zn_sync_room room = {.body = NULL};
    struct text t = {NULL, 0, 0};
    zipnn_status status = ZIPNN_OK;
    while (status == ZIPNN_OK && t.len < len) status = take_text(r, &room, len - t.len, &t, err);
    if (status == ZIPNN_OK) status = use_text(r, &t, err);
    zn_free(&r->e->alloc, t.bytes);
    zn_free(&r->e->alloc, room.body);
    return status;
}

void zn_update_close(struct zn_update_reader *r) {
    if (!r->e) return;
    zn_free(&r->e->alloc, r->note);
    zn_roster_release(&r->roster);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static zipnn_status read_end(struct zn_update_reader *r, const uint8_t *body, const struct zn_frame *f, uint64_t at,
                             zipnn_error *err) {
    struct zn_cur c = zn_cur_of(body, f->body_len);
    const uint32_t kind = zn_cur_u32(&c);
    r->end.n_frames = zn_cur_u32(&c);
    const uint8_t *digest = zn_cur_take(&c, ZIPNN_DIGEST_LEN);
    if (!digest || zn_cur_left(&c) || kind != ZN_UPDATE_END || f->orig_len || r->end.n_frames != r->n_frames)
        return zn_fail(err, ZIPNN_E_CORRUPT, at,
                       "the end of the update is damaged: it tells of %u changed chunks, and %u came", r->end.n_frames,
                       r->n_frames);
    memcpy(r->end.digest, digest, ZIPNN_DIGEST_LEN);
    if (zn_input_is_random(r->in) && r->at != r->in->length)
        return zn_fail(err, ZIPNN_E_CORRUPT, r->at, "%llu bytes follow the end of the update",
                       (unsigned long long)(r->in->length - r->at));
    r->ended = true;
    return ZIPNN_OK;
}

/* Chunks come in ascending order, so that each comes once. */
static zipnn_status check_place(struct zn_update_reader *r, const struct zn_update_frame *c, zipnn_error *err) {
    if (c->chunk >= r->roster.n_chunks || c->chunk < r->next_chunk)
        return zn_fail(err, ZIPNN_E_CORRUPT, c->at, "the update changes chunk %u of %llu, which is not in its order",
                       c->chunk, (unsigned long long)r->roster.n_chunks);
    const struct zn_portion p = zn_roster_portion(&r->roster, c->chunk);
    if (p.len != c->len)
        return zn_fail(err, ZIPNN_E_CORRUPT, c->at, "chunk %u of the update has %u bytes in place of %u", c->chunk,
                       c->len, p.len);
    r->next_chunk = c->chunk + 1;
    r->n_frames++;
    return ZIPNN_OK;
}

zipnn_status zn_update_next(struct zn_update_reader *r, struct zn_sync_room *room, struct zn_update_frame *changes,
                            bool *some, zipnn_error *err) {
    struct zn_frame f;
    uint64_t at;
    ZN_TRY(take_frame(r, room, &f, &at, err));
    const uint8_t *body = room->body + ZN_FRAME_LEN;
    *some = body[0] == ZN_UPDATE_CHANGES;
    if (!*some) return read_end(r, body, &f, at, err);
    *changes = (struct zn_update_frame){.len = f.orig_len, .at = at};
    ZN_TRY(zn_update_changes_read(body, f.body_len, changes, err));
    return check_place(r, changes, err);
}
