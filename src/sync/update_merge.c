/* Makes one update of two, without the weights. Their frames come in the order of their chunks, so one pass joins them. */
#include "sync/steps.h"
#include "sync/updates.h"

/* One of the two, and the frame of it that comes next. */
struct side {
    struct zn_update_reader reader;
    struct zn_sync_room room; /* its body alone is used */
    struct zn_update_frame changes;
    bool some; /* there is a frame */
};

struct merging {
    const struct zn_job *job;
    struct side first, second;
    struct zn_sync_rooms rooms;
    struct zn_update_writer writer;
    uint8_t *frame; /* of two frames */
};

static zipnn_status advance(struct side *s, zipnn_error *err) {
    return zn_update_next(&s->reader, &s->room, &s->changes, &s->some, err);
}

/* Writes a frame with the steps of both; those of the first are left out if the second makes all of the chunk new. */
static zipnn_status put_both(struct merging *m, zipnn_error *err) {
    struct zn_update_frame *a = &m->first.changes;
    const struct zn_update_frame *b = &m->second.changes;
    struct zn_update_frame both = *b;
    if (b->steps_len && b->steps[0] == ZN_STEP_WHOLE) {
        a->n_steps = 0;
        a->steps_len = 0;
    }
    const size_t len = ZN_UPDATE_CHANGES_LEN + a->steps_len + b->steps_len;
    both.n_steps = a->n_steps + b->n_steps;
    if (both.n_steps > ZN_UPDATE_MAX_STEPS || len > ZN_UPDATE_MAX_BODY)
        return zn_fail(err, ZIPNN_E_LIMIT, b->at,
                       "chunk %u would have %u steps in %zu bytes, and %d in %d are the most: apply these updates one "
                       "after the other",
                       b->chunk, both.n_steps, len, ZN_UPDATE_MAX_STEPS, ZN_UPDATE_MAX_BODY);
    uint8_t *body = m->frame + ZN_FRAME_LEN;
    zn_update_changes_write(body, &both);
    memcpy(body + ZN_UPDATE_CHANGES_LEN, a->steps, a->steps_len);
    memcpy(body + ZN_UPDATE_CHANGES_LEN + a->steps_len, b->steps, b->steps_len);
    return zn_update_put(&m->writer, m->frame, len, b->len, err);
}

/* Returns whether the steps do not depend on what the chunk was: no difference is among them, or all is new before it. */
static bool stand_alone(const struct zn_update_frame *c) {
    struct zn_cur cur = zn_cur_of(c->steps, c->steps_len);
    for (unsigned i = 0; i < c->n_steps; i++) {
        struct zn_update_step step;
        if (zn_update_step_read(&cur, c, &step, NULL) != ZIPNN_OK || step.method == ZN_STEP_DELTA) return false;
    }
    return true;
}

/* Writes the changes of both as one step: what is newest of each element. *len is 0 if that is not shorter. */
static zipnn_status join(struct merging *m, struct zn_update_frame *both, size_t *len, zipnn_error *err) {
    struct zn_worker *w = &m->job->e->workers[0];
    struct zn_sync_room *room = &m->rooms.rooms[0];
    struct zn_stepping s = {.portion = zn_roster_portion(&m->second.reader.roster, both->chunk),
                            .marks = true,
                            .next = room->a,
                            .other = room->b};
    both->n_steps = m->first.changes.n_steps + m->second.changes.n_steps;
    both->steps = m->frame;
    both->steps_len = m->first.changes.steps_len + m->second.changes.steps_len;
    memcpy(m->frame, m->first.changes.steps, m->first.changes.steps_len);
    memcpy(m->frame + m->first.changes.steps_len, m->second.changes.steps, m->second.changes.steps_len);
    ZN_TRY(zn_steps_decode(w, room, both, &s, err));
    uint32_t n = 0;
    const size_t n_elements = s.portion.len / s.portion.unit;
    for (size_t g = 0; g * 64 < n_elements; g++) n += (uint32_t)__builtin_popcountll(room->masks[g]);
    uint8_t *to = m->frame + ZN_FRAME_LEN + ZN_UPDATE_CHANGES_LEN;
    both->n_steps = 1;
    if (n < n_elements) return zn_step_encode_values(m->job, w, room, &s.portion, s.now, n, to, len, err);
    const struct zn_sync_pair pair = {.portion = s.portion, .before = s.now, .after = s.now};
    return zn_step_encode(m->job, w, room, &pair, ZIPNN_UPDATE_WHOLE, to, len, err);
}

/* Both change the chunk. */
static zipnn_status put_joined(struct merging *m, zipnn_error *err) {
    struct zn_update_frame both = m->second.changes;
    size_t len = 0;
    if (stand_alone(&m->first.changes) && stand_alone(&m->second.changes)) ZN_TRY(join(m, &both, &len, err));
    if (len == 0 || len > m->first.changes.steps_len + m->second.changes.steps_len) return put_both(m, err);
    zn_update_changes_write(m->frame + ZN_FRAME_LEN, &both);
    return zn_update_put(&m->writer, m->frame, ZN_UPDATE_CHANGES_LEN + len, both.len, err);
}

/* Writes a frame as it is. */
static zipnn_status put_one(struct merging *m, struct side *s, zipnn_error *err) {
    const size_t len = ZN_UPDATE_CHANGES_LEN + s->changes.steps_len;
    ZN_TRY(zn_update_put(&m->writer, s->room.body, len, s->changes.len, err));
    return advance(s, err);
}

static zipnn_status put_frames(struct merging *m, zipnn_error *err) {
    ZN_TRY(advance(&m->first, err));
    ZN_TRY(advance(&m->second, err));
    while (m->first.some || m->second.some) {
        const uint64_t a = m->first.some ? m->first.changes.chunk : UINT64_MAX;
        const uint64_t b = m->second.some ? m->second.changes.chunk : UINT64_MAX;
        if (a != b) {
            ZN_TRY(put_one(m, a < b ? &m->first : &m->second, err));
            continue;
        }
        ZN_TRY(put_joined(m, err));
        ZN_TRY(advance(&m->first, err));
        ZN_TRY(advance(&m->second, err));
    }
    return ZIPNN_OK;
}

/* Reads the end of the first update, to see whether the second follows it. */
static zipnn_status check_order(struct merging *m, zipnn_error *err) {
    struct zn_update_reader *a = &m->first.reader, *b = &m->second.reader;
    uint8_t digest[ZIPNN_DIGEST_LEN];
    if (a->in->length < sizeof digest) return ZIPNN_OK; /* an error follows */
    ZN_TRY(zn_input_copy(a->in, a->in->length - sizeof digest, sizeof digest, digest, err));
    if (a->head.to != b->head.base.version || memcmp(digest, b->head.base.digest, sizeof digest) != 0)
        return zn_fail(
            err, ZIPNN_E_BASE, 16,
            "the second update leads from version %llu, and the first one to version %llu, or to other weights",
            (unsigned long long)b->head.base.version, (unsigned long long)a->head.to);
    return ZIPNN_OK;
}

static zipnn_update_form form_of(const struct merging *m) {
    const zipnn_update_form a = m->first.reader.head.form, b = m->second.reader.head.form;
    if (a == ZIPNN_UPDATE_WHOLE || b == ZIPNN_UPDATE_WHOLE) return ZIPNN_UPDATE_WHOLE;
    return a == b ? a : ZIPNN_UPDATE_DIFFERENCE;
}

static zipnn_status merge(struct merging *m, struct zn_input *first, struct zn_input *second, zipnn_error *err) {
    struct zn_engine *e = m->job->e;
    ZN_TRY(zn_update_open(&m->first.reader, e, first, err));
    ZN_TRY(zn_update_open(&m->second.reader, e, second, err));
    ZN_TRY(check_order(m, err));
    ZN_TRY(zn_sync_rooms_make(&m->rooms, e, 0, err));
    ZN_TRY(zn_update_read_list(&m->first.reader, err));
    ZN_TRY(zn_update_read_list(&m->second.reader, err));
    ZN_TRY(zn_roster_compare(&m->first.reader.roster, &m->second.reader.roster, err));
    m->frame = zn_alloc(&e->alloc, ZN_FRAME_LEN + 2 * (size_t)ZN_UPDATE_MAX_BODY);
    if (!m->frame) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a frame of two updates");
    struct zn_update_head head = m->second.reader.head;
    head.form = form_of(m);
    head.base = m->first.reader.head.base;
    ZN_TRY(zn_update_begin(&m->writer, m->job, &head, &m->second.reader.roster, m->second.reader.note, err));
    ZN_TRY(put_frames(m, err));
    return zn_update_finish(&m->writer, m->second.reader.end.digest, err);
}

zipnn_status zn_update_merge(const struct zn_job *job, struct zn_input *first, struct zn_input *second,
                             const struct zn_output *out, zipnn_update_stats *stats, zipnn_error *err) {
    struct merging m = {.job = job};
    m.writer = (struct zn_update_writer){.out = out, .hash = job->e->k->xxh3_64};
    const zipnn_status status = merge(&m, first, second, err);
    if (status == ZIPNN_OK)
        *stats = (zipnn_update_stats){.update = m.writer.at,
                                      .n_chunks = m.first.reader.roster.n_chunks,
                                      .n_sent = m.writer.n_frames,
                                      .is_exact = 1};
    const zipnn_allocator *alloc = &job->e->alloc;
    zn_free(alloc, m.frame);
    zn_free(alloc, m.first.room.body);
    zn_free(alloc, m.second.room.body);
    zn_sync_rooms_free(&m.rooms);
    zn_update_close(&m.first.reader);
    zn_update_close(&m.second.reader);
    return status;
}
