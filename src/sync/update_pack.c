/* Makes an update: workers compare and code chunks, and write them in turn. At last the base becomes the new state. */
#include "sync/steps.h"
#include "sync/updates.h"
#include "workers/each.h"

struct packing {
    const struct zn_job *job;
    zipnn_weights *base;
    struct zn_roster now; /* the new tensors */
    const struct zn_update_request *request;
    struct zn_sync_rooms rooms;
    struct zn_update_writer writer; /* by whoever has the turn */
    uint64_t *checks;               /* of the new state */
    uint64_t done;                  /* bytes of chunks that are written or equal */
};

/* Compares a chunk with that of the base. *same says whether nothing changed. */
static zipnn_status encode(const struct packing *p, struct zn_worker *w, uint64_t chunk, size_t *body_len,
                           uint32_t *len, zipnn_error *err) {
    struct zn_sync_room *room = zn_sync_room_of(&p->rooms, w);
    struct zn_sync_pair pair = {.portion = zn_roster_portion(&p->now, chunk)};
    const zipnn_update_form form = p->request->form;
    pair.after = zn_roster_bytes(&p->now, &pair.portion, room->a);
    pair.before = zn_roster_bytes(&p->base->roster, &pair.portion, room->c);
    *len = pair.portion.len;
    *body_len = 0;
    p->checks[chunk] = p->base->checks[chunk];
    const bool same = memcmp(pair.after, pair.before, *len) == 0;
    if (same && form != ZIPNN_UPDATE_WHOLE) return ZIPNN_OK;
    if (!same) p->checks[chunk] = w->e->k->xxh3_64(pair.after, *len);
    uint8_t *body = w->frame + ZN_FRAME_LEN;
    const struct zn_update_frame head = {.n_steps = 1, .chunk = (uint32_t)chunk, .check = p->checks[chunk]};
    zn_update_changes_write(body, &head);
    ZN_TRY(zn_step_encode(p->job, w, room, &pair, form, body + ZN_UPDATE_CHANGES_LEN, body_len, err));
    *body_len += ZN_UPDATE_CHANGES_LEN;
    return ZIPNN_OK;
}

static zipnn_status work(void *arg, struct zn_task *task, zipnn_error *err) {
    struct packing *p = arg;
    size_t body_len;
    uint32_t len;
    ZN_TRY(encode(p, task->w, task->i, &body_len, &len, err));
    if (!zn_task_wait(task, ZN_STAGE_RESULT)) return ZIPNN_OK;
    if (body_len) ZN_TRY(zn_update_put(&p->writer, task->w->frame, body_len, len, err));
    p->done += len;
    ZN_TRY(zn_job_progress(p->job, p->done, p->now.bytes, err));
    zn_task_pass(task, ZN_STAGE_RESULT);
    return ZIPNN_OK;
}

/* ---- the base becomes the new state ------------------------------------------------------------------------------ */

static zipnn_status renew(void *arg, struct zn_task *task, zipnn_error *err) {
    const struct packing *p = arg;
    struct zn_sync_room *room = zn_sync_room_of(&p->rooms, task->w);
    (void)err;
    if (p->checks[task->i] == p->base->checks[task->i]) return ZIPNN_OK;
    const struct zn_portion portion = zn_roster_portion(&p->now, task->i);
    zn_roster_put(&p->base->roster, &portion, zn_roster_bytes(&p->now, &portion, room->a));
    return ZIPNN_OK;
}

/* A run of tasks of which none fails. */
static zipnn_status renew_all(struct packing *p, const struct zn_state *state, zipnn_error *err) {
    const struct zn_tasks tasks = {.n = p->now.n_chunks, .work = renew, .arg = p};
    ZN_TRY(zn_each(p->job->e, p->rooms.n, &tasks, err));
    uint64_t *old = p->base->checks;
    p->base->checks = p->checks;
    p->checks = old;
    p->base->state = *state;
    return ZIPNN_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static zipnn_status pack(struct packing *p, zipnn_update_stats *stats, zipnn_error *err) {
    const struct zn_job *job = p->job;
    const struct zn_update_head head = {.form = p->request->form,
                                        .n_tensors = (uint32_t)p->now.n,
                                        .base = p->base->state,
                                        .to = p->request->version,
                                        .list_len = (uint32_t)p->now.text_len,
                                        .note_len = p->request->note_len};
    struct zn_state state = {.version = p->request->version};
    const struct zn_tasks tasks = {.n = p->now.n_chunks, .work = work, .arg = p};
    ZN_TRY(zn_update_begin(&p->writer, job, &head, &p->now, p->request->note, err));
    ZN_TRY(zn_each(job->e, p->rooms.n, &tasks, err));
    zn_weights_digest(job->e->k, &p->now, p->checks, state.digest);
    ZN_TRY(zn_update_finish(&p->writer, state.digest, err));
    *stats = (zipnn_update_stats){
        .update = p->writer.at, .n_chunks = p->now.n_chunks, .n_sent = p->writer.n_frames, .is_exact = 1};
    return p->request->keep_base ? ZIPNN_OK : renew_all(p, &state, err);
}

static zipnn_status prepare(struct packing *p, zipnn_error *err) {
    if (p->now.text_len > ZN_UPDATE_MAX_LIST)
        return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE,
                       "the names and shapes of %zu tensors take %zu bytes, and an update has room for %d", p->now.n,
                       p->now.text_len, ZN_UPDATE_MAX_LIST);
    if (p->base->torn) return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE, "the base is torn: an update of it ended early");
    ZN_TRY(zn_roster_compare(&p->base->roster, &p->now, err));
    ZN_TRY(zn_sync_rooms_make(&p->rooms, p->job->e, p->now.bytes, err));
    p->checks = zn_alloc(&p->job->e->alloc, (size_t)p->now.n_chunks * sizeof *p->checks + 1);
    if (p->checks) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: the checks of the weights");
}

zipnn_status zn_update_pack(const struct zn_job *job, zipnn_weights *base, const zipnn_tensor *tensors, size_t n,
                            const struct zn_update_request *request, const struct zn_output *out,
                            zipnn_update_stats *stats, zipnn_error *err) {
    struct packing p = {.job = job, .base = base, .request = request};
    p.writer = (struct zn_update_writer){.out = out, .hash = job->e->k->xxh3_64};
    ZN_TRY(zn_roster_take(&p.now, &job->e->alloc, tensors, n, err));
    zipnn_status status = prepare(&p, err);
    if (status == ZIPNN_OK) status = pack(&p, stats, err);
    zn_free(&job->e->alloc, p.checks);
    zn_sync_rooms_free(&p.rooms);
    zn_roster_release(&p.now);
    return status;
}
