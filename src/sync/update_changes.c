/* Tells what an update changes, element by element. */
#include "sync/steps.h"
#include "sync/updates.h"
#include "workers/each.h"

enum { BATCH = 1 << 14 }; /* elements that are told at once */

struct telling {
    const struct zn_job *job;
    const zipnn_weights *base; /* NULL: none */
    const zipnn_update_listener *listener;
    zn_changes_fn *take;
    void *user;
    struct zn_sync_rooms rooms;
    struct zn_update_reader reader; /* under the claim lock */
    /* by whoever has the turn */
    uint64_t *indices; /* BATCH of them */
    uint8_t *values;   /* of BATCH elements */
    uint64_t done;
};

static zipnn_status claim(void *arg, struct zn_task *task, bool *some, zipnn_error *err) {
    struct telling *t = arg;
    *some = !t->reader.ended;
    if (!*some) return ZIPNN_OK;
    return zn_update_next(&t->reader, zn_sync_room_of(&t->rooms, task->w), task->w->task, some, err);
}

/* Makes the chunk. room->masks tell which elements are new. */
static zipnn_status make(const struct telling *t, struct zn_worker *w, const struct zn_update_frame *c,
                         struct zn_stepping *s, zipnn_error *err) {
    struct zn_sync_room *room = zn_sync_room_of(&t->rooms, w);
    const bool difference = t->reader.head.form == ZIPNN_UPDATE_DIFFERENCE;
    struct zn_sync_pair pair = {.portion = s->portion};
    s->marks = !difference;
    if (difference) s->now = pair.before = zn_roster_bytes(&t->base->roster, &s->portion, room->a);
    ZN_TRY(zn_steps_decode(w, room, c, s, err));
    if (!difference) return ZIPNN_OK;
    pair.after = s->now;
    if (w->e->k->xxh3_64(s->now, s->portion.len) != c->check)
        return zn_fail(err, ZIPNN_E_BASE, c->at,
                       "chunk %u does not become what the update says: the weights given are not its base", c->chunk);
    zn_sync_changed(w->e->k, &pair, room->masks);
    return ZIPNN_OK;
}

/* Hands over what was collected. */
static zipnn_status hand_over(const struct telling *t, zipnn_changes *changes, zipnn_error *err) {
    if (changes->n == 0) return ZIPNN_OK;
    if (err) err->status = ZIPNN_OK;
    const zipnn_status status = t->take(t->user, changes, err);
    changes->n = 0;
    if (status == ZIPNN_OK || (err && err->status == status)) return status;
    return zn_fail(err, status, ZN_NOWHERE, "whoever takes the changes failed (%s)", zipnn_status_name(status));
}

/* Tells of the elements [from, from + n) of a chunk. They are those of one tensor from number `first` on. */
static zipnn_status tell_member(const struct telling *t, const struct zn_stepping *s, const uint64_t *masks,
                                size_t member, size_t from, size_t n, uint64_t first, zipnn_error *err) {
    const unsigned unit = s->portion.unit;
    zipnn_changes changes = {.tensor = member,
                             .name = t->reader.roster.members[member].name,
                             .width = unit,
                             .indices = t->indices,
                             .values = t->values};
    for (size_t i = from; i < from + n; i++) {
        const uint64_t rest = masks[i / 64] >> i % 64;
        if (rest == 0) i |= 63;
        if (!(rest & 1)) continue;
        t->indices[changes.n] = first + (i - from);
        memcpy(t->values + (size_t)changes.n * unit, s->now + i * unit, unit);
        if (++changes.n == BATCH) ZN_TRY(hand_over(t, &changes, err));
    }
    return hand_over(t, &changes, err);
}

static zipnn_status tell(const struct telling *t, const struct zn_stepping *s, const uint64_t *masks,
                         zipnn_error *err) {
    const struct zn_portion *p = &s->portion;
    if (p->n == 1) return tell_member(t, s, masks, p->first, 0, p->len / p->unit, p->off / p->unit, err);
    size_t from = 0;
    for (size_t i = p->first; i < p->first + p->n; i++) {
        const size_t n = (size_t)t->reader.roster.members[i].bytes / p->unit;
        ZN_TRY(tell_member(t, s, masks, i, from, n, 0, err));
        from += n;
    }
    return ZIPNN_OK;
}

static zipnn_status work(void *arg, struct zn_task *task, zipnn_error *err) {
    struct telling *t = arg;
    const struct zn_update_frame *c = task->w->task;
    struct zn_sync_room *room = zn_sync_room_of(&t->rooms, task->w);
    struct zn_stepping s = {
        .portion = zn_roster_portion(&t->reader.roster, c->chunk), .next = room->b, .other = room->c};
    ZN_TRY(make(t, task->w, c, &s, err));
    if (!zn_task_wait(task, ZN_STAGE_RESULT)) return ZIPNN_OK;
    ZN_TRY(tell(t, &s, room->masks, err));
    t->done += s.portion.len;
    ZN_TRY(zn_job_progress(t->job, t->done, UINT64_MAX, err));
    zn_task_pass(task, ZN_STAGE_RESULT);
    return ZIPNN_OK;
}

static zipnn_status check_base(const struct telling *t, zipnn_error *err) {
    const struct zn_update_reader *r = &t->reader;
    if (r->head.form != ZIPNN_UPDATE_DIFFERENCE || !t->take) return ZIPNN_OK;
    if (!t->base)
        return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE,
                       "the update holds differences: give the weights of version %llu that it was packed against",
                       (unsigned long long)r->head.base.version);
    if (t->base->torn)
        return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE, "the weights are torn: an update of them ended early");
    ZN_TRY(zn_update_suits(&r->head, t->base, err));
    return zn_roster_compare(&t->base->roster, &r->roster, err);
}

static zipnn_status tell_all(struct telling *t, struct zn_input *in, zipnn_update_stats *stats, zipnn_error *err) {
    enum { WIDEST = 16 };
    const struct zn_tasks tasks = {.n = UINT64_MAX, .claim = claim, .work = work, .arg = t};
    struct zn_engine *e = t->job->e;
    ZN_TRY(zn_update_open(&t->reader, e, in, err));
    ZN_TRY(zn_sync_rooms_make(&t->rooms, e, UINT64_MAX, err));
    ZN_TRY(zn_update_read_list(&t->reader, err));
    ZN_TRY(check_base(t, err));
    ZN_TRY(zn_update_tell(&t->reader, t->listener, err));
    if (!t->take) return ZIPNN_OK;
    t->indices = zn_alloc(&e->alloc, BATCH * sizeof *t->indices);
    t->values = zn_alloc(&e->alloc, (size_t)BATCH * WIDEST);
    if (!t->indices || !t->values) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: room for changes");
    ZN_TRY(zn_each(e, t->rooms.n, &tasks, err));
    *stats = (zipnn_update_stats){
        .update = t->reader.at, .n_chunks = t->reader.roster.n_chunks, .n_sent = t->reader.n_frames, .is_exact = 1};
    return ZIPNN_OK;
}

zipnn_status zn_update_changes(const struct zn_job *job, const zipnn_weights *base, struct zn_input *in,
                               const zipnn_update_listener *listener, zn_changes_fn *take, void *user,
                               zipnn_update_stats *stats, zipnn_error *err) {
    struct telling t = {.job = job, .base = base, .listener = listener, .take = take, .user = user};
    const zipnn_status status = tell_all(&t, in, stats, err);
    zn_free(&job->e->alloc, t.indices);
    zn_free(&job->e->alloc, t.values);
    zn_sync_rooms_free(&t.rooms);
    zn_update_close(&t.reader);
    return status;
}
