/* Applies an update: frames are read in turn, decoded by workers and put into their tensors. */
#include "sync/steps.h"
#include "sync/updates.h"
#include "workers/each.h"

struct applying {
    const struct zn_job *job;
    zipnn_weights *weights;
    const zipnn_update_listener *listener;
    struct zn_sync_rooms rooms;
    /* under the claim lock */
    struct zn_update_reader reader;
    /* by whoever has the turn */
    size_t told;  /* members before this one are told */
    size_t until; /* members from `told` to here have changed */
    uint64_t n_already;
    uint64_t done;
};

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

static zipnn_status claim(void *arg, struct zn_task *task, bool *some, zipnn_error *err) {
    struct applying *a = arg;
    *some = !a->reader.ended;
    if (!*some) return ZIPNN_OK;
    return zn_update_next(&a->reader, zn_sync_room_of(&a->rooms, task->w), task->w->task, some, err);
}

_Static_assert(sizeof(struct zn_update_frame) <= ZN_TASK_ROOM, "a worker has room for a frame of changes");

/* The error for a chunk that does not become what the update says: its tensor was changed, or the update is damaged. */
static zipnn_status failed(const struct applying *a, struct zn_worker *w, const struct zn_update_frame *c,
                           const struct zn_stepping *s, zipnn_status status, zipnn_error *err) {
    const struct zn_roster *roster = &a->weights->roster;
    const uint8_t *bytes = zn_roster_bytes(roster, &s->portion, zn_sync_room_of(&a->rooms, w)->a);
    if (w->e->k->xxh3_64(bytes, s->portion.len) != a->weights->checks[c->chunk])
        return zn_fail(err, ZIPNN_E_BASE, c->at,
                       "tensor \"%.80s\", or one that shares a chunk with it, was changed by somebody else",
                       roster->members[s->portion.first].name);
    if (status != ZIPNN_OK) return status;
    return zn_fail(err, ZIPNN_E_CORRUPT, c->at, "chunk %u, of tensor \"%.80s\", does not become what the update says",
                   c->chunk, roster->members[s->portion.first].name);
}

/* Makes the chunk of the frame, and finds its check. */
static zipnn_status make(const struct applying *a, struct zn_worker *w, const struct zn_update_frame *c,
                         struct zn_stepping *s, uint64_t *check, zipnn_error *err) {
    struct zn_sync_room *room = zn_sync_room_of(&a->rooms, w);
    s->now = zn_roster_bytes(&a->weights->roster, &s->portion, room->a);
    const zipnn_status status = zn_steps_decode(w, room, c, s, err);
    if (status != ZIPNN_OK) return failed(a, w, c, s, status, err);
    *check = w->e->k->xxh3_64(s->now, s->portion.len);
    if (*check == c->check || a->reader.head.form == ZIPNN_UPDATE_VALUES) return ZIPNN_OK;
    return failed(a, w, c, s, ZIPNN_OK, err);
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

/* Tells that all members before `to` which have changed are done. */
static zipnn_status tell_until(struct applying *a, size_t to, zipnn_error *err) {
    for (; a->told < ZN_MIN(a->until, to); a->told++) {
        if (!a->listener->done) continue;
        if (err) err->status = ZIPNN_OK;
        const zipnn_status status =
            a->listener->done(a->listener->user, a->weights->roster.members[a->told].given, err);
        if (status == ZIPNN_OK) continue;
        if (err && err->status == status) return status;
        return zn_fail(err, status, ZN_NOWHERE, "the listener failed (%s)", zipnn_status_name(status));
    }
    return ZIPNN_OK;
}

/* The chunk is in its tensors. Earlier ones are, too. */
static zipnn_status tell(struct applying *a, const struct zn_portion *p, zipnn_error *err) {
    ZN_TRY(tell_until(a, p->first, err));
    a->told = ZN_MAX(a->told, p->first);
    a->until = p->first + p->n;
    a->done += p->len;
    return zn_job_progress(a->job, a->done, UINT64_MAX, err);
}

static zipnn_status work(void *arg, struct zn_task *task, zipnn_error *err) {
    struct applying *a = arg;
    zipnn_weights *w = a->weights;
    const struct zn_update_frame *c = task->w->task;
    struct zn_sync_room *room = zn_sync_room_of(&a->rooms, task->w);
    struct zn_stepping s = {.portion = zn_roster_portion(&w->roster, c->chunk), .next = room->b, .other = room->c};
    const bool already = w->checks[c->chunk] == c->check && a->reader.head.form == ZIPNN_UPDATE_DIFFERENCE;
    if (!already) {
        uint64_t check = 0;
        ZN_TRY(make(a, task->w, c, &s, &check, err));
        zn_roster_put(&w->roster, &s.portion, s.now);
        w->checks[c->chunk] = check;
    }
    if (!zn_task_wait(task, ZN_STAGE_RESULT)) return ZIPNN_OK;
    a->n_already += already;
    ZN_TRY(tell(a, &s.portion, err));
    zn_task_pass(task, ZN_STAGE_RESULT);
    return ZIPNN_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

zipnn_status zn_update_suits(const struct zn_update_head *head, const zipnn_weights *w, zipnn_error *err) {
    if (head->base.version != w->state.version)
        return zn_fail(
            err, ZIPNN_E_BASE, 16, "the update leads from version %llu to %llu, and the weights have version %llu",
            (unsigned long long)head->base.version, (unsigned long long)head->to, (unsigned long long)w->state.version);
    if (memcmp(head->base.digest, w->state.digest, sizeof head->base.digest) != 0)
        return zn_fail(err, ZIPNN_E_BASE, 32,
                       "the update was made for other weights than these, although they have the same version %llu: "
                       "their digests differ",
                       (unsigned long long)head->to);
    if (w->torn && w->torn_to != head->to)
        return zn_fail(err, ZIPNN_E_BASE, 24,
                       "an update to version %llu ended early: apply that one again, or one of form WHOLE",
                       (unsigned long long)w->torn_to);
    return ZIPNN_OK;
}

zipnn_status zn_update_tell(const struct zn_update_reader *r, const zipnn_update_listener *listener, zipnn_error *err) {
    if (!listener->begin) return ZIPNN_OK;
    const struct zn_roster *roster = &r->roster;
    zipnn_tensor *tensors = zn_alloc(&r->e->alloc, roster->n * sizeof *tensors + 1);
    if (!tensors) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a list of %zu tensors", roster->n);
    for (size_t i = 0; i < roster->n; i++) {
        const struct zn_member *m = &roster->members[i];
        tensors[i] = (zipnn_tensor){.name = m->name, .dtype = m->dtype, .rank = m->rank, .shape = m->shape};
    }
    zipnn_update_info info = {.form = r->head.form,
                              .from = r->head.base.version,
                              .to = r->head.to,
                              .n_tensors = roster->n,
                              .tensors = tensors,
                              .note = r->note,
                              .note_len = r->head.note_len};
    memcpy(info.base, r->head.base.digest, sizeof info.base);
    if (err) err->status = ZIPNN_OK;
    zipnn_status status = listener->begin(listener->user, &info, err);
    zn_free(&r->e->alloc, tensors);
    if (status == ZIPNN_OK || (err && err->status == status)) return status;
    return zn_fail(err, status, ZN_NOWHERE, "the listener refuses the update (%s)", zipnn_status_name(status));
}

/* Refuses what does not fit. */
static zipnn_status begin(struct applying *a, struct zn_input *in, zipnn_error *err) {
    struct zn_engine *e = a->job->e;
    ZN_TRY(zn_update_open(&a->reader, e, in, err));
    if (a->reader.head.form == ZIPNN_UPDATE_DIFFERENCE) ZN_TRY(zn_update_suits(&a->reader.head, a->weights, err));
    ZN_TRY(zn_sync_rooms_make(&a->rooms, e, a->weights->roster.bytes, err));
    ZN_TRY(zn_update_read_list(&a->reader, err));
    ZN_TRY(zn_roster_compare(&a->weights->roster, &a->reader.roster, err));
    return zn_update_tell(&a->reader, a->listener, err);
}

/* All chunks are done: the weights have a new state. */
static zipnn_status end(struct applying *a, zipnn_update_stats *stats, zipnn_error *err) {
    zipnn_weights *w = a->weights;
    const struct zn_update_reader *r = &a->reader;
    struct zn_state state = {.version = r->head.to};
    zn_weights_digest(a->job->e->k, &w->roster, w->checks, state.digest);
    const bool exact = memcmp(state.digest, r->end.digest, sizeof state.digest) == 0;
    if (!exact && r->head.form != ZIPNN_UPDATE_VALUES)
        return zn_fail(err, ZIPNN_E_CORRUPT, r->at, "the update leads to weights with another digest than it says");
    w->state = state;
    w->torn = false;
    *stats = (zipnn_update_stats){.update = r->at,
                                  .n_chunks = w->roster.n_chunks,
                                  .n_sent = r->n_frames,
                                  .n_already = a->n_already,
                                  .is_exact = exact};
    return ZIPNN_OK;
}

static zipnn_status apply(struct applying *a, struct zn_input *in, zipnn_update_stats *stats, zipnn_error *err) {
    const struct zn_tasks tasks = {.n = UINT64_MAX, .claim = claim, .work = work, .arg = a};
    ZN_TRY(begin(a, in, err));
    ZN_TRY(zn_each(a->job->e, a->rooms.n, &tasks, err));
    ZN_TRY(tell_until(a, a->until, err));
    return end(a, stats, err);
}

/* Finds out whether a failed update has changed a chunk. */
static void look_after(struct applying *a) {
    zipnn_weights *w = a->weights;
    uint8_t digest[ZIPNN_DIGEST_LEN];
    zn_weights_digest(a->job->e->k, &w->roster, w->checks, digest);
    w->torn = memcmp(digest, w->state.digest, sizeof digest) != 0;
    w->torn_to = a->reader.head.to;
}

zipnn_status zn_update_apply(const struct zn_job *job, zipnn_weights *weights, struct zn_input *in,
                             const zipnn_update_listener *listener, zipnn_update_stats *stats, zipnn_error *err) {
    struct applying a = {.job = job, .weights = weights, .listener = listener};
    const zipnn_status status = apply(&a, in, stats, err);
    if (status != ZIPNN_OK && a.reader.n_frames) look_after(&a);
    zn_sync_rooms_free(&a.rooms);
    zn_update_close(&a.reader);
    return status;
}
