#include "archive/reading.h"

#include "archive/fetched.h"
#include "workers/each.h"

/* A range of the original to read, what reading it takes, and where it goes. */
struct range {
    const struct zn_archive *a;
    uint64_t off, end;
    uint8_t *dst;         /* where byte `off` goes */
    uint64_t first, last; /* chunks that hold bytes of the range */
    const struct zn_job *job;
    unsigned n_workers;  /* workers for its whole chunks ... */
    enum zn_store store; /* ... and how they are stored */
};

static uint64_t chunk_end(const struct zn_archive *a, uint64_t i) {
    return a->places[i].off + a->places[i].frame.orig_len;
}

static struct range range_of(const struct zn_job *job, const struct zn_archive *a, uint64_t off, uint64_t len,
                             uint8_t *dst) {
    const uint64_t end = off + len;
    return (struct range){.a = a,
                          .off = off,
                          .end = end,
                          .dst = dst,
                          .first = zn_archive_chunk_at(a, off),
                          .last = zn_archive_chunk_at(a, end - 1),
                          .job = job,
                          .n_workers = 0,
                          .store = ZN_STORE_CACHED};
}

static bool is_whole(const struct range *r, uint64_t i) {
    return r->a->places[i].off >= r->off && chunk_end(r->a, i) <= r->end;
}

/* ---- one chunk --------------------------------------------------------------------------------------------------- */

static zipnn_status decode_chunk(const struct range *r, struct zn_worker *w, uint64_t i, uint8_t *out,
                                 zipnn_error *err) {
    const struct zn_place *p = &r->a->places[i];
    const uint8_t *frame;
    if (p->at == ZN_NOWHERE)
        return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE,
                       "original bytes %llu to %llu are lost: not found in the archive", (unsigned long long)p->off,
                       (unsigned long long)(p->off + p->frame.orig_len));
    const struct zn_input *in = &r->a->self.in;
    ZN_TRY(zn_fetch(w, in, p->at, (size_t)zn_frame_size(&p->frame), w->frame, &frame, err));
    const bool look = r->n_workers == 1 && !w->fetched;
    const struct zn_target target = {out, r->store, look ? zn_look_ahead(in, p, 1) : (struct zn_ahead){0}};
    return zn_frame_decode(w, r->a, (struct zn_whole_frame){frame, p}, &target, err);
}

/* Decodes chunk i into the engine's memory, so that small tensors that share a chunk decode it once. */
static zipnn_status hold_chunk(const struct range *r, uint64_t i, zipnn_error *err) {
    struct zn_engine *e = r->job->e;
    struct zn_held *held = &e->held;
    const struct zn_original *self = &r->a->self;
    if (held->of && held->of == self->number && held->index == i) return ZIPNN_OK;
    held->of = 0;
    ZN_TRY(zn_engine_hold(e, r->a->header.max_chunk, err));
    ZN_TRY(decode_chunk(r, &e->workers[0], i, held->bytes, err));
    held->of = self->number;
    held->index = i;
    return ZIPNN_OK;
}

/* Copies what the range has of chunk i, when it does not have all of it. */
static zipnn_status read_part(const struct range *r, uint64_t i, zipnn_error *err) {
    const uint64_t start = r->a->places[i].off, from = ZN_MAX(r->off, start), to = ZN_MIN(r->end, chunk_end(r->a, i));
    ZN_TRY(hold_chunk(r, i, err));
    memcpy(r->dst + (from - r->off), r->job->e->held.bytes + (from - start), (size_t)(to - from));
    return ZIPNN_OK;
}

static zipnn_status read_chunk(const struct range *r, struct zn_worker *w, uint64_t i, zipnn_error *err) {
    return decode_chunk(r, w, i, r->dst + (r->a->places[i].off - r->off), err);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* The whole chunks of a range, beginning with chunk `first`. */
struct run {
    const struct range *range;
    uint64_t first;
};

/* Calls the caller's progress function before each chunk of a long range. */
static zipnn_status tell_progress(void *arg, struct zn_task *task, bool *some, zipnn_error *err) {
    const struct run *run = arg;
    const struct range *r = run->range;
    (void)some;
    return zn_job_progress(r->job, r->a->places[run->first + task->i].off - r->off, r->end - r->off, err);
}

static zipnn_status read_task(void *arg, struct zn_task *task, zipnn_error *err) {
    const struct run *run = arg;
    return read_chunk(run->range, task->w, run->first + task->i, err);
}

/* Reads chunks [first, end), all of which are inside the range. */
static zipnn_status read_whole(struct range *r, uint64_t first, uint64_t end, zipnn_error *err) {
    struct run run = {r, first};
    const struct zn_tasks tasks = {.n = end - first, .claim = tell_progress, .work = read_task, .arg = &run};
    if (first == end) return ZIPNN_OK;
    const uint64_t start = r->a->places[first].off, len = chunk_end(r->a, end - 1) - start;
    r->n_workers = zn_engine_crew(r->job->e, len);
    r->store = zn_store_into(r->dst + (start - r->off), len);
    return zn_each(r->job->e, r->n_workers, &tasks, err);
}

zipnn_status zn_archive_prepare(struct zn_engine *e, const struct zn_archive *a, zipnn_error *err) {
    ZN_TRY(zn_engine_prepare(e, a->max_chunk, ZN_USE_DECODE, err));
    return zn_engine_prepare_levels(e, a->levels, err);
}

static zipnn_status read_archive(const struct zn_job *job, const struct zn_original *o, uint64_t off, uint64_t len,
                                 uint8_t *dst, zipnn_error *err) {
    struct range r = range_of(job, o->archive, off, len, dst);
    ZN_TRY(zn_archive_prepare(job->e, r.a, err));
    uint64_t first = r.first, end = r.last + 1;
    const bool cut_back = r.last > r.first && !is_whole(&r, r.last);
    if (!is_whole(&r, first)) ZN_TRY(read_part(&r, first++, err));
    if (cut_back) end--;
    ZN_TRY(read_whole(&r, first, end, err));
    r.n_workers = 0;
    r.store = ZN_STORE_CACHED;
    return cut_back ? read_part(&r, end, err) : ZIPNN_OK;
}

static uint64_t stored_in_archive(const struct zn_original *o, uint64_t off, uint64_t len) {
    const struct zn_archive *a = o->archive;
    if (len == 0 || off >= o->length || a->n_places == 0) return 0;
    const uint64_t end = off + len, first = zn_archive_chunk_at(a, off), last = zn_archive_chunk_at(a, end - 1);
    uint64_t stored = last > first ? a->stored[last] - a->stored[first + 1] : 0;
    for (uint64_t i = first; i <= last; i += ZN_MAX(last - first, 1)) {
        const struct zn_place *p = &a->places[i];
        const uint64_t from = ZN_MAX(off, p->off), to = ZN_MIN(end, chunk_end(a, i));
        if (from < to) stored += zn_frame_size(&p->frame) * (to - from) / p->frame.orig_len;
    }
    return stored;
}

/* ---- from bytes that were fetched -------------------------------------------------------------------------------- */

/* Lists the frames that hold the range. */
static zipnn_status list_frames(const struct zn_original *o, uint64_t off, uint64_t len, struct zn_fetched *f,
                                zipnn_error *err) {
    const struct range r = range_of(NULL, o->archive, off, len, NULL);
    (void)err;
    for (uint64_t i = r.first; i <= r.last; i++) {
        const struct zn_place *p = &r.a->places[i];
        if (p->at != ZN_NOWHERE) zn_fetched_has(f, &o->in, p->at, zn_frame_size(&p->frame));
    }
    return ZIPNN_OK;
}

/* Returns whether a chunk, whose frame is present, refers to others. */
static bool refers(const struct range *r, const struct zn_worker *w, uint64_t i) {
    const struct zn_place *p = &r->a->places[i];
    const uint8_t *kind;
    return p->at != ZN_NOWHERE && r->a->header.flags &&
           zn_fetch(w, &r->a->self.in, p->at + ZN_FRAME_LEN, 1, NULL, &kind, NULL) == ZIPNN_OK &&
           *kind == ZN_KIND_REFERENCE;
}

enum turn { CHUNKS_THAT_REFER, THE_OTHERS };

/* Decodes the chunks of the range in order. What a chunk lacks is listed, and decoding goes on with the next one. */
static zipnn_status decode_some(const struct range *r, struct zn_worker *w, enum turn turn, zipnn_error *err) {
    for (uint64_t i = r->first; i <= r->last; i++) {
        const size_t lacking = w->fetched->n_lacking;
        if (refers(r, w, i) != (turn == CHUNKS_THAT_REFER)) continue;
        const zipnn_status status = is_whole(r, i) ? read_chunk(r, w, i, err) : read_part(r, i, err);
        if (status != ZIPNN_OK && w->fetched->n_lacking == lacking) return status;
    }
    return ZIPNN_OK;
}

static zipnn_status decode_archive(const struct zn_job *job, const struct zn_original *o, uint64_t off, uint64_t len,
                                   uint8_t *dst, struct zn_fetched *fetched, zipnn_error *err) {
    const struct range r = range_of(job, o->archive, off, len, dst);
    ZN_TRY(zn_archive_prepare(job->e, r.a, err));
    struct zn_worker *w = &job->e->workers[0];
    w->fetched = fetched;
    zipnn_status status = decode_some(&r, w, CHUNKS_THAT_REFER, err);
    if (status == ZIPNN_OK && fetched->n_lacking == 0) status = decode_some(&r, w, THE_OTHERS, err);
    w->fetched = NULL;
    return status;
}

const struct zn_way zn_way_archive = {read_archive, stored_in_archive, list_frames, decode_archive};

/* ---- files as they are ------------------------------------------------------------------------------------------- */

static zipnn_status read_plain(const struct zn_job *job, const struct zn_original *o, uint64_t off, uint64_t len,
                               uint8_t *dst, zipnn_error *err) {
    (void)job;
    if (len > SIZE_MAX)
        return zn_fail(err, ZIPNN_E_LIMIT, off, "%llu bytes are more than memory can hold", (unsigned long long)len);
    return zn_input_copy(&o->in, off, (size_t)len, dst, err);
}

static uint64_t stored_in_file(const struct zn_original *o, uint64_t off, uint64_t len) {
    return off < o->length ? ZN_MIN(len, o->length - off) : 0;
}

static zipnn_status list_range(const struct zn_original *o, uint64_t off, uint64_t len, struct zn_fetched *f,
                               zipnn_error *err) {
    (void)err;
    zn_fetched_has(f, &o->in, off, len);
    return ZIPNN_OK;
}

static zipnn_status copy_fetched(const struct zn_job *job, const struct zn_original *o, uint64_t off, uint64_t len,
                                 uint8_t *dst, struct zn_fetched *fetched, zipnn_error *err) {
    const struct zn_worker reader = {.e = job->e, .fetched = fetched};
    const uint8_t *bytes;
    ZN_TRY(zn_fetch(&reader, &o->in, off, (size_t)len, NULL, &bytes, err));
    memcpy(dst, bytes, (size_t)len);
    return ZIPNN_OK;
}

const struct zn_way zn_way_plain = {read_plain, stored_in_file, list_range, copy_fetched};

struct zn_original zn_original_plain(const struct zn_input *in) {
    return (struct zn_original){.way = &zn_way_plain, .in = *in, .length = in->length};
}
