#include "archive/scan.h"

struct scan {
    struct zn_engine *e;
    const struct zn_origin *of;
    const struct zn_place *places;
    uint64_t n, next; /* `next` under the claim lock */
    zn_scan_fn *visit;
    void *user;
    struct zn_turns turns;
};

static zipnn_status decode(const struct scan *s, struct zn_worker *w, const struct zn_place *place, uint8_t *room,
                           zipnn_error *err) {
    const uint8_t *frame;
    if (place->at == ZN_NOWHERE) return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "not found in the archive");
    ZN_TRY(zn_input_at(&s->of->in, place->at, (size_t)zn_frame_size(&place->frame), room, &frame, err));
    return zn_frame_decode(w, s->of, frame, place, w->orig, ZN_STORE_CACHED, (struct zn_ahead){0}, err);
}

/* Frames that hold no chunk may be larger than a worker's room. */
static zipnn_status decode_large(const struct scan *s, struct zn_worker *w, const struct zn_place *place,
                                 zipnn_error *err) {
    void *room = zn_alloc(&s->e->alloc, (size_t)zn_frame_size(&place->frame));
    if (!room)
        return zn_fail(err, ZIPNN_E_MEMORY, place->at, "out of memory: a frame takes %u bytes", place->frame.body_len);
    zipnn_status status = decode(s, w, place, room, err);
    zn_free(&s->e->alloc, room);
    return status;
}

/* A fault of the archive is a finding; want of memory ends the scan. */
static zipnn_status scan_place(struct scan *s, struct zn_worker *w, uint64_t i, zipnn_error *err) {
    const struct zn_place *place = &s->places[i];
    zipnn_error fault = {ZIPNN_OK, ZN_NOWHERE, ""};
    const bool chunk = place->frame.orig_len != 0;
    zipnn_status found = chunk ? decode(s, w, place, w->frame, &fault) : decode_large(s, w, place, &fault);
    if (found == ZIPNN_E_MEMORY) {
        *err = fault;
        return found;
    }
    if (!zn_turns_wait(&s->turns, ZN_STAGE_RESULT, i)) return ZIPNN_OK;
    const bool sound = found == ZIPNN_OK;
    const struct zn_scanned scanned = {place, sound && chunk ? w->orig : NULL, sound ? NULL : &fault};
    ZN_TRY(s->visit(s->user, &scanned, err));
    zn_turns_pass(&s->turns, ZN_STAGE_RESULT);
    return ZIPNN_OK;
}

static void work(void *arg, size_t worker) {
    struct scan *s = arg;
    while (!zn_turns_failed(&s->turns)) {
        zipnn_error error = {ZIPNN_OK, ZN_NOWHERE, ""};
        pthread_mutex_lock(&s->turns.claim);
        const uint64_t i = s->next < s->n ? s->next++ : s->n;
        pthread_mutex_unlock(&s->turns.claim);
        if (i == s->n) return;
        if (scan_place(s, &s->e->workers[worker], i, &error) != ZIPNN_OK) zn_turns_fail(&s->turns, i, &error);
    }
}

zipnn_status zn_scan(struct zn_engine *e, const struct zn_origin *of, const struct zn_place *places, uint64_t n,
                     zn_scan_fn *visit, void *user, zipnn_error *err) {
    struct scan s = {.e = e, .of = of, .places = places, .n = n, .visit = visit, .user = user};
    if (n == 0) return ZIPNN_OK;
    ZN_TRY(zn_turns_init(&s.turns, err));
    const struct zn_place *last = &places[n - 1];
    zn_engine_run(e, zn_engine_crew(e, last->off + last->frame.orig_len), work, &s);
    zipnn_status status = s.turns.failed ? s.turns.error.status : ZIPNN_OK;
    if (status != ZIPNN_OK && err) *err = s.turns.error;
    zn_turns_destroy(&s.turns);
    return status;
}
