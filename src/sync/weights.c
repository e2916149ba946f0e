#include "sync/weights.h"

#include "chunk/cut.h"
#include "workers/digest.h"
#include "workers/each.h"

/* ---- memory of workers ------------------------------------------------------------------------------------------- */

enum { MASK_LEN = ZN_SYNC_CHUNK / 8, BUFFERS = 4 };

static void carve(struct zn_arena *arena, struct zn_sync_room *room) {
    room->a = zn_carve(arena, ZN_SYNC_CHUNK);
    room->b = zn_carve(arena, ZN_SYNC_CHUNK);
    room->c = zn_carve(arena, ZN_SYNC_CHUNK);
    room->values = zn_carve(arena, ZN_SYNC_CHUNK);
    room->masks = zn_carve(arena, MASK_LEN);
    room->positions = zn_carve(arena, ZN_SYNC_CHUNK * sizeof *room->positions);
}

zipnn_status zn_sync_rooms_make(struct zn_sync_rooms *r, struct zn_engine *e, uint64_t bytes, zipnn_error *err) {
    struct zn_arena arena = {NULL, 0};
    struct zn_sync_room measured;
    ZN_TRY(zn_engine_prepare(e, ZN_CUT_MAX, ZN_USE_BOTH, err));
    ZN_TRY(zn_engine_prepare_levels(e, 0, err));
    const unsigned n = zn_engine_crew(e, bytes);
    *r = (struct zn_sync_rooms){.alloc = e->alloc};
    for (unsigned i = 0; i < n; i++) carve(&arena, &measured);
    r->rooms = zn_alloc(&e->alloc, n * sizeof *r->rooms);
    r->memory = zn_alloc(&e->alloc, arena.used);
    if (!r->rooms || !r->memory) {
        zn_sync_rooms_free(r);
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %u workers need %zu bytes", n, arena.used);
    }
    r->n = n;
    arena = (struct zn_arena){r->memory, 0};
    for (unsigned i = 0; i < n; i++) {
        r->rooms[i] = (struct zn_sync_room){.body = NULL};
        carve(&arena, &r->rooms[i]);
    }
    return ZIPNN_OK;
}

void zn_sync_rooms_free(struct zn_sync_rooms *r) {
    if (!r->alloc.release) return;
    for (unsigned i = 0; i < r->n; i++) zn_free(&r->alloc, r->rooms[i].body);
    zn_free(&r->alloc, r->rooms);
    zn_free(&r->alloc, r->memory);
    *r = (struct zn_sync_rooms){.n = 0};
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

void zn_weights_digest(const struct zn_kernels *k, const struct zn_roster *r, const uint64_t *checks,
                       uint8_t digest[ZIPNN_DIGEST_LEN]) {
    struct zn_digest d;
    uint8_t check[8], none[ZN_SHA256_LEN];
    zn_digest_begin(&d, k, false);
    zn_digest_update(&d, r->text, r->text_len);
    for (uint64_t i = 0; i < r->n_chunks; i++) {
        zn_put_u64(check, checks[i]);
        zn_digest_update(&d, check, sizeof check);
    }
    zn_digest_result(&d, digest, none);
}

struct opening {
    zipnn_weights *weights;
    struct zn_roster copy; /* the same tensors elsewhere; members NULL: no copy is made */
    struct zn_sync_rooms rooms;
};

/* Takes the check of a chunk, and copies it. */
static zipnn_status open_chunk(void *arg, struct zn_task *task, zipnn_error *err) {
    const struct opening *o = arg;
    zipnn_weights *w = o->weights;
    const struct zn_portion p = zn_roster_portion(&w->roster, task->i);
    const uint8_t *bytes = zn_roster_bytes(&w->roster, &p, zn_sync_room_of(&o->rooms, task->w)->a);
    (void)err;
    w->checks[task->i] = task->w->e->k->xxh3_64(bytes, p.len);
    if (o->copy.members) zn_roster_put(&o->copy, &p, bytes);
    return ZIPNN_OK;
}

/* Gives the tensors places of their own. */
static zipnn_status make_copy(struct opening *o, zipnn_error *err) {
    zipnn_weights *w = o->weights;
    struct zn_roster *r = &w->roster;
    w->copy = r->bytes < SIZE_MAX ? zn_alloc(&r->alloc, (size_t)r->bytes + 1) : NULL;
    struct zn_member *members = zn_alloc(&r->alloc, r->n * sizeof *members + 1);
    o->copy = *r;
    o->copy.members = members;
    if (!w->copy || !members)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a copy of %llu bytes",
                       (unsigned long long)r->bytes);
    uint8_t *at = w->copy;
    for (size_t i = 0; i < r->n; at += (size_t)r->members[i++].bytes) {
        members[i] = r->members[i];
        members[i].data = at;
        members[i].strides = NULL;
    }
    return ZIPNN_OK;
}

static zipnn_status open_all(const struct zn_job *job, struct opening *o, bool copy, zipnn_error *err) {
    zipnn_weights *w = o->weights;
    const struct zn_tasks tasks = {.n = w->roster.n_chunks, .work = open_chunk, .arg = o};
    if (w->roster.n_chunks < SIZE_MAX / sizeof *w->checks)
        w->checks = zn_alloc(&w->roster.alloc, (size_t)w->roster.n_chunks * sizeof *w->checks + 1);
    if (!w->checks) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: the checks of the weights");
    ZN_TRY(zn_sync_rooms_make(&o->rooms, job->e, w->roster.bytes, err));
    if (copy) ZN_TRY(make_copy(o, err));
    ZN_TRY(zn_each(job->e, o->rooms.n, &tasks, err));
    zn_weights_digest(job->e->k, &w->roster, w->checks, w->state.digest);
    return ZIPNN_OK;
}

zipnn_status zn_weights_open(const struct zn_job *job, const zipnn_tensor *tensors, size_t n, bool copy,
                             uint64_t version, zipnn_weights **weights, zipnn_error *err) {
    const zipnn_allocator *alloc = &job->e->alloc;
    zipnn_weights *w = zn_alloc(alloc, sizeof *w);
    if (!w) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: the state of the weights");
    *w = (zipnn_weights){.state.version = version};
    struct opening o = {.weights = w};
    zipnn_status status = zn_roster_take(&w->roster, alloc, tensors, n, err);
    if (status != ZIPNN_OK) {
        zn_free(alloc, w);
        return status;
    }
    status = open_all(job, &o, copy, err);
    zn_sync_rooms_free(&o.rooms);
    if (status == ZIPNN_OK && copy) {
        zn_free(alloc, w->roster.members);
        w->roster.members = o.copy.members;
        *weights = w;
    } else if (status == ZIPNN_OK) {
        *weights = w;
    } else {
        zn_free(alloc, o.copy.members);
        zn_weights_close(w);
    }
    return status;
}

void zn_weights_close(zipnn_weights *w) {
    if (!w) return;
    const zipnn_allocator alloc = w->roster.alloc;
    zn_free(&alloc, w->copy);
    zn_free(&alloc, w->checks);
    zn_roster_release(&w->roster);
    zn_free(&alloc, w);
}
