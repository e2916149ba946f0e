#include "jobs/apply.h"

#include "archive/bases.h"
#include "archive/references.h"
#include "delta/delta.h"
#include "workers/each.h"

/* The action for a chunk of the memory. */
enum todo { TODO_NOTHING, TODO_DECODE, TODO_LAST /* it refers to bytes of the result */ };

struct apply {
    const struct zn_job *job;
    struct zn_engine *e;
    const struct zn_input *in;
    uint8_t *memory;
    size_t len;
    struct zn_archive archive; /* it refers to the memory before and after the change */
    struct zn_original base;   /* the memory before the change */
    uint8_t *todo;             /* enum todo, one per chunk */
    unsigned pass;             /* the action of the current pass */
};

/* Reads the head of a body: as much of it as a reference takes. */
static zipnn_status read_head(const struct apply *a, const struct zn_place *place, uint8_t *buf, const uint8_t **head,
                              size_t *len, zipnn_error *err) {
    *len = ZN_MIN(place->frame.body_len, (uint32_t)ZN_REFERENCE_LEN);
    return zn_input_at(a->in, place->at + ZN_FRAME_LEN, *len, buf, head, err);
}

/* Decides on a chunk made against the base. It must lie where it lies in the base, and the memory must hold the base's
 * bytes there, or the result's already. */
static zipnn_status decide_delta(const struct apply *a, uint64_t i, const struct zn_reference *ref, zipnn_error *err) {
    const struct zn_place *p = &a->archive.places[i];
    if (zn_method_makes(ref->method))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, p->at,
                       "bytes %llu to %llu are made of other parts of the base: this cannot be done in place",
                       (unsigned long long)p->off, (unsigned long long)(p->off + p->frame.orig_len));
    if (ref->off != p->off)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, p->at,
                       "bytes moved from offset %llu to %llu: this cannot be done in place",
                       (unsigned long long)ref->off, (unsigned long long)p->off);
    const uint64_t check = a->e->k->xxh3_64(a->memory + p->off, p->frame.orig_len);
    a->todo[i] = check == ref->orig_check ? TODO_NOTHING : TODO_DECODE;
    if (check == ref->orig_check || check == ref->ref_check) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_BASE, p->at, "bytes %llu to %llu of the memory are neither the base's nor the result's",
                   (unsigned long long)p->off, (unsigned long long)(p->off + p->frame.orig_len));
}

static zipnn_status decide(void *arg, struct zn_task *task, zipnn_error *err) {
    const struct apply *a = arg;
    const uint64_t i = task->i;
    const struct zn_place *p = &a->archive.places[i];
    uint8_t buf[ZN_REFERENCE_LEN];
    const uint8_t *head;
    size_t len;
    struct zn_reference ref;
    ZN_TRY(read_head(a, p, buf, &head, &len, err));
    a->todo[i] = TODO_DECODE;
    if (head[0] != ZN_KIND_REFERENCE) return ZIPNN_OK;
    ZN_TRY(zn_reference_read(head, len, p->frame.orig_len, p->at, &ref, err));
    if (ref.source != ZN_SOURCE_SELF) return decide_delta(a, i, &ref, err);
    a->todo[i] = TODO_LAST;
    return ZIPNN_OK;
}

/* Returns whether the frame names a few elements of the same place that change. Whatever else is the matter with it is
 * found elsewhere. */
static bool is_patch(struct zn_whole_frame frame, struct zn_reference *ref) {
    const struct zn_place *p = frame.place;
    const uint8_t *body = frame.bytes + ZN_FRAME_LEN;
    const size_t len = p->frame.body_len;
    if (body[0] != ZN_KIND_REFERENCE || zn_reference_read(body, len, p->frame.orig_len, p->at, ref, NULL) != ZIPNN_OK)
        return false;
    return ref->method == ZN_METHOD_DELTA && ref->source != ZN_SOURCE_SELF && ref->off == p->off &&
           zn_delta_patches(body + ZN_REFERENCE_LEN, len - ZN_REFERENCE_LEN);
}

/* Changes the few elements of a chunk where they lie. The memory was found to hold the base's bytes, and what it becomes
 * has the chunk's checksum, or it is left as it was. */
static zipnn_status patch_chunk(const struct apply *a, struct zn_worker *w, struct zn_whole_frame frame,
                                const struct zn_reference *ref, zipnn_error *err) {
    const struct zn_scope scope = {&a->archive, 0, false};
    struct zn_chunk_body body;
    ZN_TRY(zn_frame_open(w, &scope, frame, &body, err));
    body.data += ZN_REFERENCE_LEN, body.len -= ZN_REFERENCE_LEN, body.at += ZN_REFERENCE_LEN;
    return zn_delta_patch(&w->coder, &body, a->memory + frame.place->off, ref->len, ref->orig_check, err);
}

/* Decodes a chunk into scratch, where it is verified, and then copies it to its place. So no chunk is ever half done.
 */
static zipnn_status apply_chunk(const struct apply *a, struct zn_worker *w, uint64_t i, zipnn_error *err) {
    const struct zn_place *p = &a->archive.places[i];
    const uint8_t *frame;
    struct zn_reference ref;
    ZN_TRY(zn_input_at(a->in, p->at, (size_t)zn_frame_size(&p->frame), w->frame, &frame, err));
    const struct zn_whole_frame whole = {frame, p};
    if (is_patch(whole, &ref)) return patch_chunk(a, w, whole, &ref, err);
    const struct zn_target target = {.out = w->orig, .store = ZN_STORE_CACHED};
    ZN_TRY(zn_frame_decode(w, &a->archive, whole, &target, err));
    memcpy(a->memory + p->off, w->orig, p->frame.orig_len);
    return ZIPNN_OK;
}

static zipnn_status work(void *arg, struct zn_task *task, zipnn_error *err) {
    struct apply *a = arg;
    return a->todo[task->i] == a->pass ? apply_chunk(a, task->w, task->i, err) : ZIPNN_OK;
}

static zipnn_status run_pass(struct apply *a, zipnn_status (*work_on)(void *, struct zn_task *, zipnn_error *),
                             zipnn_error *err) {
    const struct zn_tasks tasks = {.n = a->archive.n_places, .work = work_on, .arg = a};
    return zn_each(a->e, zn_engine_crew(a->e, a->len), &tasks, err);
}

/* Decides on every chunk first. Only then is the memory changed. */
static zipnn_status run_all(struct apply *a, zipnn_error *err) {
    ZN_TRY(run_pass(a, decide, err));
    for (a->pass = TODO_DECODE; a->pass <= TODO_LAST; a->pass++) ZN_TRY(run_pass(a, work, err));
    return ZIPNN_OK;
}

/* Checks that the original can take the place of its base. */
static zipnn_status check_lengths(const struct apply *a, zipnn_error *err) {
    const struct zn_archive *x = &a->archive;
    if (x->n_bases > 1)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                       "the archive has %u bases, and one memory holds only one of them", x->n_bases);
    if (x->index.original == a->len && (x->n_bases == 0 || x->records[0].length == a->len)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                   "%llu bytes become %llu, and the memory has %zu: this cannot be done in place",
                   (unsigned long long)(x->n_bases ? x->records[0].length : a->len),
                   (unsigned long long)x->index.original, a->len);
}

static zipnn_status open(struct apply *a, zipnn_error *err) {
    struct zn_engine *e = a->e;
    const struct zn_input memory = zn_input_of_memory(a->memory, a->len);
    ZN_TRY(zn_archive_open(&e->alloc, e->k, a->in, &a->archive, err));
    ZN_TRY(zn_archive_find_bases(a->job->bases, &a->archive, ZN_MISSING_STAYS_NULL, err));
    ZN_TRY(check_lengths(a, err));
    a->base = zn_original_plain(&memory);
    a->archive.bases[0] = &a->base;
    a->archive.self = a->base;
    zn_archive_measure(&a->archive);
    a->todo = zn_alloc(&e->alloc, (size_t)a->archive.n_places + 1);
    if (!a->todo) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a byte per chunk");
    ZN_TRY(zn_engine_prepare(e, a->archive.header.max_chunk, ZN_USE_DECODE, err));
    return zn_engine_prepare_levels(e, a->archive.levels, err);
}

zipnn_status zn_apply(const struct zn_job *job, const struct zn_input *in, uint8_t *memory, size_t len,
                      zipnn_stats *stats, zipnn_error *err) {
    struct apply a = {.job = job, .e = job->e, .in = in, .memory = memory, .len = len};
    zipnn_status status = open(&a, err);
    if (status == ZIPNN_OK) status = run_all(&a, err);
    if (status == ZIPNN_OK && stats) {
        *stats = (zipnn_stats){.original = len, .archive = in->length, .n_chunks = a.archive.n_places};
        memcpy(stats->xxh3, a.archive.index.xxh3, sizeof stats->xxh3);
    }
    zn_archive_close(&a.archive, &job->e->alloc);
    zn_free(&job->e->alloc, a.todo);
    return status;
}
