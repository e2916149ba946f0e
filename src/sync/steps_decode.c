#include "delta/delta.h"
#include "sync/steps.h"

enum { MAX_RICE = 19 };

/* Takes s->next for the chunk's bytes. */
static void use_next(struct zn_stepping *s) {
    uint8_t *used = s->next;
    s->now = used;
    s->next = s->other;
    s->other = used;
}

/* Makes a copy of the chunk's bytes, which are then that copy. Returns it. */
static uint8_t *copy_on(struct zn_stepping *s) {
    uint8_t *to = s->next;
    if (s->now)
        memcpy(to, s->now, s->portion.len);
    else
        memset(to, 0, s->portion.len);
    use_next(s);
    return to;
}

static void mark_all(struct zn_sync_room *room, const struct zn_stepping *s) {
    if (s->marks) zn_sync_all(room->masks, s->portion.len / s->portion.unit);
}

static zipnn_status apply_whole(struct zn_worker *w, struct zn_sync_room *room, const struct zn_update_step *step,
                                struct zn_stepping *s, zipnn_error *err) {
    const struct zn_chunk_body body = {step->payload, step->len, step->at, {0}, NULL};
    ZN_TRY(zn_chunk_decode(&w->coder, &body, s->next, s->portion.len, ZN_STORE_CACHED, err));
    use_next(s);
    mark_all(room, s);
    return ZIPNN_OK;
}

static zipnn_status apply_delta(struct zn_worker *w, struct zn_sync_room *room, const struct zn_update_step *step,
                                struct zn_stepping *s, zipnn_error *err) {
    const struct zn_chunk_body body = {step->payload, step->len, step->at, {0}, NULL};
    const struct zn_delta_reference ref = {s->now, s->portion.len};
    if (!s->now)
        return zn_fail(err, ZIPNN_E_BASE, step->at,
                       "the update has differences, and no weights were given to hold them against");
    ZN_TRY(zn_delta_decode(&w->coder, &body, ref, s->next, ZN_STORE_CACHED, err));
    use_next(s);
    mark_all(room, s);
    return ZIPNN_OK;
}

/* Reads the positions of n elements of a chunk. */
static zipnn_status read_positions(struct zn_worker *w, struct zn_sync_room *room, const struct zn_stepping *s,
                                   struct zn_cur *cur, uint32_t *n, uint64_t at, zipnn_error *err) {
    const size_t n_elements = s->portion.len / s->portion.unit;
    *n = zn_cur_u32(cur);
    const unsigned rice = zn_cur_u8(cur);
    struct zn_bit_feed bits = {.len = zn_cur_u32(cur)};
    bits.p = zn_cur_take(cur, bits.len);
    if (!bits.p || *n == 0 || *n > n_elements || rice > MAX_RICE)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "%u values of %zu, gaps of %u stored bits", *n, n_elements, rice);
    const struct zn_members all = {.n = n_elements};
    uint32_t *end = room->positions;
    const bool ok = w->e->k->delta->gaps_read(&bits, rice, &all, &end, room->positions + n_elements);
    if (ok && zn_bit_feed_used_up(&bits) && (size_t)(end - room->positions) == *n) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "the places of %u values are damaged", *n);
}

static zipnn_status apply_values(struct zn_worker *w, struct zn_sync_room *room, const struct zn_update_step *step,
                                 struct zn_stepping *s, zipnn_error *err) {
    const unsigned unit = s->portion.unit;
    struct zn_cur cur = zn_cur_of(step->payload, step->len);
    uint32_t n;
    ZN_TRY(read_positions(w, room, s, &cur, &n, step->at, err));
    const struct zn_chunk_body body = {cur.at, zn_cur_left(&cur), step->at, {0}, NULL};
    ZN_TRY(zn_chunk_decode(&w->coder, &body, room->values, n * unit, ZN_STORE_CACHED, err));
    uint8_t *to = copy_on(s);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t at = room->positions[i];
        memcpy(to + (size_t)at * unit, room->values + (size_t)i * unit, unit);
        if (s->marks) room->masks[at / 64] |= UINT64_C(1) << at % 64;
    }
    return ZIPNN_OK;
}

typedef zipnn_status apply_fn(struct zn_worker *w, struct zn_sync_room *room, const struct zn_update_step *step,
                              struct zn_stepping *s, zipnn_error *err);

static apply_fn *const methods[ZN_N_STEPS] = {
    [ZN_STEP_WHOLE] = apply_whole, [ZN_STEP_DELTA] = apply_delta, [ZN_STEP_VALUES] = apply_values};

zipnn_status zn_steps_decode(struct zn_worker *w, struct zn_sync_room *room, const struct zn_update_frame *c,
                             struct zn_stepping *s, zipnn_error *err) {
    struct zn_cur cur = zn_cur_of(c->steps, c->steps_len);
    if (s->marks) memset(room->masks, 0, ((size_t)s->portion.len / s->portion.unit + 63) / 64 * sizeof *room->masks);
    for (unsigned i = 0; i < c->n_steps; i++) {
        struct zn_update_step step;
        ZN_TRY(zn_update_step_read(&cur, c, &step, err));
        ZN_TRY(methods[step.method](w, room, &step, s, err));
    }
    if (zn_cur_left(&cur) == 0) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, c->at, "a frame of the update has %zu bytes past its steps",
                   zn_cur_left(&cur));
}
