/* What readers see: the beginning of an input that is packed, or the whole original of an archive. */
#include "api/archive.h"
#include "readers/readers.h"

/* ---- inputs */

/* The first ZN_WINDOW bytes of an input. Of a sequential input, the bytes that were asked for so far. */
struct window {
    const zipnn_ctx *ctx;
    struct zn_input *in;
    void *head;
    size_t len, cap;
    bool ended;
};

static zipnn_status read_random(void *user, uint64_t off, uint8_t *buf, size_t len, size_t *got, zipnn_error *err) {
    const struct window *w = user;
    const uint64_t end = ZN_MIN(w->in->length, (uint64_t)ZN_WINDOW);
    *got = off < end ? (size_t)ZN_MIN((uint64_t)len, end - off) : 0;
    return *got ? zn_input_copy(w->in, off, *got, buf, err) : ZIPNN_OK;
}

/* A file of exactly ZN_WINDOW bytes counts as longer, since a pipe of that length cannot tell. */
static zipnn_status measure_random(void *user, uint64_t *len, enum zn_view_end *end, zipnn_error *err) {
    const struct window *w = user;
    (void)err;
    *len = ZN_MIN(w->in->length, (uint64_t)ZN_WINDOW);
    *end = *len < ZN_WINDOW ? ZN_VIEW_WHOLE : ZN_VIEW_CUT;
    return ZIPNN_OK;
}

/* Reads ahead until `want` bytes are there or the input ends. */
static zipnn_status read_ahead(struct window *w, size_t want, zipnn_error *err) {
    if (want <= w->len || w->ended) return ZIPNN_OK;
    ZN_TRY(zn_grow(&w->ctx->engine.alloc, &w->head, &w->cap, want, 1, err));
    size_t got;
    ZN_TRY(zn_input_next(w->in, (uint8_t *)w->head + w->len, want - w->len, &got, err));
    w->ended = got < want - w->len;
    w->len += got;
    return ZIPNN_OK;
}

static zipnn_status read_sequential(void *user, uint64_t off, uint8_t *buf, size_t len, size_t *got, zipnn_error *err) {
    struct window *w = user;
    *got = 0;
    if (off >= ZN_WINDOW) return ZIPNN_OK;
    ZN_TRY(read_ahead(w, (size_t)off + ZN_MIN(len, (size_t)(ZN_WINDOW - off)), err));
    *got = off < w->len ? ZN_MIN(len, w->len - (size_t)off) : 0;
    if (*got) memcpy(buf, (const uint8_t *)w->head + off, *got);
    return ZIPNN_OK;
}

static zipnn_status measure_sequential(void *user, uint64_t *len, enum zn_view_end *end, zipnn_error *err) {
    struct window *w = user;
    ZN_TRY(read_ahead(w, ZN_WINDOW, err));
    *len = w->len;
    *end = w->len < ZN_WINDOW ? ZN_VIEW_WHOLE : ZN_VIEW_CUT;
    return ZIPNN_OK;
}

/* Plans bare weights of a type that the caller named: one tensor without end. */
static zipnn_status plan_bare(const zipnn_ctx *ctx, struct zn_plan *plan, zipnn_error *err) {
    if (plan->n_tensors || ctx->dtype == ZIPNN_DTYPE_UNKNOWN || strcmp(plan->container, "raw") != 0) return ZIPNN_OK;
    ZN_TRY(zn_plan_add(plan, 0, (uint64_t)INT64_MAX, ctx->dtype, "", 0, NULL, 0, err));
    return zn_plan_finish(plan, err);
}

zipnn_status zn_plan_input(zipnn_ctx *ctx, struct zn_input *in, struct zn_plan *plan, uint8_t **head,
                           zipnn_error *err) {
    struct window window = {.ctx = ctx, .in = in};
    const bool random = zn_input_is_random(in);
    const struct zn_view view = {.read = random ? read_random : read_sequential,
                                 .measure = random ? measure_random : measure_sequential,
                                 .user = &window,
                                 .last = UINT64_MAX};
    *head = NULL;
    zn_plan_init(plan, &ctx->engine.alloc);
    zipnn_status status = zn_reader_plan(&view, plan, err);
    if (status == ZIPNN_OK) status = plan_bare(ctx, plan, err);
    if (status != ZIPNN_OK) {
        zn_plan_free(plan);
        zn_free(&ctx->engine.alloc, window.head);
        return status;
    }
    if (!random) {
        *head = window.head;
        in->head = *head;
        in->head_len = window.len;
        in->pos = 0;
    }
    return ZIPNN_OK;
}

/* ---- archives */

/* A listing may decode each chunk once, as restoring does. Decoding chunks again, and what they refer to, may cost
 * FREE_AGAIN and AGAIN_PER_BYTE for each byte of the original: the directories of honest files lie together. */
enum { FREE_AGAIN = 256 << 20, AGAIN_PER_BYTE = 4 };

struct original {
    zipnn_archive *archive;
    uint64_t len;
    uint8_t *met;   /* a bit for each chunk that was decoded ... */
    uint8_t few[8]; /* ... here if they are few */
    uint64_t again; /* the cost of decoding chunks again, in the unit of struct zn_toll */
};

/* Notes the chunks of a range. Returns whether all of them are new. */
static bool meet(struct original *o, uint64_t off, uint64_t len) {
    const zipnn_archive *a = o->archive;
    const struct zn_archive *x = &a->archive;
    bool fresh = x->n_places > 0;
    if (!fresh) return false;
    for (uint64_t i = zn_archive_chunk_at(x, off), end = zn_archive_chunk_at(x, off + len - 1); i <= end; i++) {
        fresh &= !(o->met[i / 8] >> i % 8 & 1);
        o->met[i / 8] |= (uint8_t)(1u << i % 8);
    }
    return fresh;
}

static zipnn_status read_original(void *user, uint64_t off, uint8_t *buf, size_t len, size_t *got, zipnn_error *err) {
    struct original *o = user;
    const zipnn_archive *a = o->archive;
    *got = off < o->len ? (size_t)ZN_MIN((uint64_t)len, o->len - off) : 0;
    if (*got == 0) return ZIPNN_OK;
    if (o->again > FREE_AGAIN && (o->again - FREE_AGAIN) / AGAIN_PER_BYTE > o->len)
        return zn_fail(err, ZIPNN_E_LIMIT, off,
                       "the original's directory is scattered: a listing has decoded %llu bytes again and again",
                       (unsigned long long)o->again);
    const bool fresh = meet(o, off, *got);
    const struct zn_toll before = zn_engine_toll(&a->ctx->engine);
    const uint64_t old = zn_old_decoded(&a->ctx->job);
    const zipnn_status status = a->original->way->read(&a->ctx->job, a->original, off, *got, buf, err);
    const struct zn_toll now = zn_engine_toll(&a->ctx->engine);
    o->again += now.referred - before.referred + (fresh ? 0 : now.own - before.own);
    o->again += zn_old_decoded(&a->ctx->job) - old;
    return status;
}

static zipnn_status measure_original(void *user, uint64_t *len, enum zn_view_end *end, zipnn_error *err) {
    const struct original *o = user;
    (void)err;
    *len = o->len;
    *end = ZN_VIEW_WHOLE;
    return ZIPNN_OK;
}

/* Returns the number of bytes that the original is made from: the archive's, and those of the bases at hand. */
static uint64_t present_for(const zipnn_archive *archive) {
    uint64_t present = archive->in.length;
    zipnn_base_info base;
    for (unsigned i = 0; i < archive->archive.n_bases; i++)
        if (zipnn_archive_base(archive, i, &base, NULL) == ZIPNN_OK && base.at_hand)
            present += ZN_MIN(base.original, UINT64_MAX - present);
    return present;
}

zipnn_status zn_plan_original(zipnn_archive *archive, uint64_t original, struct zn_plan *plan, zipnn_error *err) {
    struct original o = {.archive = archive, .len = original};
    const size_t n = (size_t)(archive->archive.n_places / 8 + 1);
    struct zn_work work = zn_work_of(present_for(archive));
    const struct zn_view view = {
        .read = read_original, .measure = measure_original, .user = &o, .last = UINT64_MAX, .work = &work};
    void *memory = n <= sizeof o.few ? NULL : zn_alloc(&archive->ctx->engine.alloc, n);
    o.met = n <= sizeof o.few ? o.few : memory;
    if (!o.met) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a bit for each chunk");
    memset(o.met, 0, n);
    const zipnn_status status = zn_reader_plan(&view, plan, err);
    zn_free(&archive->ctx->engine.alloc, memory);
    return status;
}
