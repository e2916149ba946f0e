#include "archive/scan.h"

#include "workers/each.h"

struct scan {
    struct zn_engine *e;
    const struct zn_archive *of;
    const struct zn_place *places;
    zn_scan_fn *visit;
    void *user;
};

static zipnn_status decode(const struct scan *s, struct zn_worker *w, const struct zn_place *place, uint8_t *room,
                           zipnn_error *err) {
    const uint8_t *frame;
    if (place->at == ZN_NOWHERE) return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "not found in the archive");
    ZN_TRY(zn_input_at(&s->of->self.in, place->at, (size_t)zn_frame_size(&place->frame), room, &frame, err));
    const struct zn_target target = {.out = w->orig, .store = ZN_STORE_CACHED};
    return zn_frame_decode(w, s->of, (struct zn_whole_frame){frame, place}, &target, err);
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

/* A fault of the archive is passed to `visit`. Only a lack of memory ends the scan. */
static zipnn_status scan_place(void *arg, struct zn_task *task, zipnn_error *err) {
    struct scan *s = arg;
    struct zn_worker *w = task->w;
    const struct zn_place *place = &s->places[task->i];
    zipnn_error fault = {ZIPNN_OK, ZN_NOWHERE, ""};
    const bool chunk = place->frame.orig_len != 0;
    zipnn_status found = chunk ? decode(s, w, place, w->frame, &fault) : decode_large(s, w, place, &fault);
    if (found == ZIPNN_E_MEMORY) {
        *err = fault;
        return found;
    }
    if (!zn_task_wait(task, ZN_STAGE_RESULT)) return ZIPNN_OK;
    const bool sound = found == ZIPNN_OK;
    const struct zn_scanned scanned = {place, sound && chunk ? w->orig : NULL, sound ? NULL : &fault};
    ZN_TRY(s->visit(s->user, &scanned, err));
    zn_task_pass(task, ZN_STAGE_RESULT);
    return ZIPNN_OK;
}

zipnn_status zn_scan(struct zn_engine *e, const struct zn_archive *of, const struct zn_place *places, uint64_t n,
                     zn_scan_fn *visit, void *user, zipnn_error *err) {
    struct scan s = {.e = e, .of = of, .places = places, .visit = visit, .user = user};
    const struct zn_tasks tasks = {.n = n, .work = scan_place, .arg = &s};
    if (n == 0) return ZIPNN_OK;
    const struct zn_place *last = &places[n - 1];
    return zn_each(e, zn_engine_crew(e, last->off + last->frame.orig_len), &tasks, err);
}
