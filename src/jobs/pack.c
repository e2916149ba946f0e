/* Makes an archive of an original. Workers claim cuts, encode and verify them, and write them in turn. */
#include "archive/circles.h"
#include "chunk/cut.h"
#include "jobs/jobs.h"
#include "jobs/refer.h"
#include "workers/digest.h"
#include "workers/each.h"

struct pack {
    const struct zn_job *job;
    struct zn_engine *e;
    struct zn_input *in;
    const struct zn_output *out;
    const struct zn_relations *relations; /* NULL: none */
    unsigned n_workers;
    enum zn_store store; /* of frames in memory */
    /* under the claim lock */
    struct zn_cutter cutter;
    bool drained;
    /* by whoever has the turn */
    struct zn_digest digest;
    struct zn_gather gather; /* to a sink */
    uint8_t *entries;
    size_t n_entries, entries_cap; /* entries of ZN_ENTRY_LEN bytes */
    uint64_t original, archive;
};

/* A chunk in the hands of a worker. */
struct item {
    struct zn_cut cut;
    uint32_t len;
    const uint8_t *bytes; /* NULL when they are still to be read */
};

_Static_assert(sizeof(struct item) <= ZN_TASK_ROOM, "a worker has room for an item");

static struct item *item_of(const struct zn_task *task) {
    return task->w->task;
}

/* Claims the next cut, until the input is used up. */
static zipnn_status claim(void *arg, struct zn_task *task, bool *some, zipnn_error *err) {
    struct pack *p = arg;
    struct item *item = item_of(task);
    *some = !p->drained;
    if (p->drained) return ZIPNN_OK;
    item->cut = zn_cut_next(&p->cutter);
    uint64_t wanted = item->cut.len;
    if (zn_input_is_random(p->in)) {
        wanted = ZN_MIN(wanted, p->in->length - ZN_MIN(p->in->length, item->cut.off));
    } else {
        size_t got;
        ZN_TRY(zn_input_next(p->in, task->w->orig, (size_t)wanted, &got, err));
        p->drained = got < wanted;
        wanted = got;
        item->bytes = task->w->orig;
    }
    item->len = (uint32_t)wanted;
    *some = wanted != 0;
    return ZIPNN_OK;
}

/* Decodes the body just made and compares it with the chunk. An archive that is not right is not written. */
static zipnn_status verify(struct zn_worker *w, const struct item *item, const uint8_t *bytes, uint32_t len,
                           zipnn_error *err) {
    struct zn_chunk_body body = {bytes, len, item->cut.off, {0}, NULL};
    bool same = false;
    const struct zn_comparison with = {item->bytes, item->len, w->check, &same};
    if (zn_chunk_compare(&w->coder, &body, &with, err) == ZIPNN_OK && same) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, item->cut.off,
                   "verification failed: the chunk just encoded does not decode to its original. The input changed "
                   "meanwhile, or memory is faulty, or this is a bug worth reporting");
}

/* Lists a frame in the index. The worker has the turn. */
static zipnn_status list_frame(struct pack *p, const struct zn_frame *f, zipnn_error *err) {
    void *entries = p->entries;
    zipnn_status status = zn_grow(&p->e->alloc, &entries, &p->entries_cap, p->n_entries + 1, ZN_ENTRY_LEN, err);
    p->entries = entries;
    ZN_TRY(status);
    zn_entry_write(p->entries + p->n_entries++ * ZN_ENTRY_LEN, f);
    p->archive += zn_frame_size(f);
    return ZIPNN_OK;
}

/* Accounts for the chunk and finds the place of its frame. The worker has the turn. */
static zipnn_status account(struct pack *p, const struct item *item, const struct zn_frame *f, uint64_t *at,
                            zipnn_error *err) {
    *at = p->archive;
    ZN_TRY(list_frame(p, f, err));
    p->original += item->len;
    return zn_job_progress(p->job, p->original, p->in->length, err);
}

/* Adds the chunk to the digest, in turn. This is done before encoding, so that other workers encode meanwhile and the
 * bytes are still in the caches when this one does. */
static bool take_digest(struct pack *p, struct zn_task *task) {
    const struct item *item = item_of(task);
    if (!zn_task_wait(task, ZN_STAGE_BYTES)) return false;
    zn_digest_update(&p->digest, item->bytes, item->len);
    zn_task_pass(task, ZN_STAGE_BYTES);
    return true;
}

/* Returns where the frame is made: at its final place if one worker alone writes to memory by way of the caches, else
 * in the worker's buffer. */
static uint8_t *frame_room(const struct pack *p, const struct zn_worker *w, uint32_t len) {
    size_t need = ZN_FRAME_LEN + (size_t)zn_chunk_bound(len);
    bool direct = p->n_workers == 1 && p->out->mem && p->store == ZN_STORE_CACHED && p->archive <= p->out->cap &&
                  p->out->cap - p->archive >= need;
    return direct ? p->out->mem + p->archive : w->frame;
}

/* Returns the range that this worker is likely to encode next. In memory, workers come to chunks in rotation. */
static struct zn_ahead look_ahead(const struct pack *p, const struct item *item) {
    const uint64_t next = item->cut.off + (uint64_t)item->len * p->n_workers;
    if (!p->in->mem || next >= p->in->length) return (struct zn_ahead){0};
    return (struct zn_ahead){.at = p->in->mem + next,
                             .len = (size_t)ZN_MIN(p->in->length - next, (uint64_t)ZN_CUT_TARGET)};
}

/* Keeps the last quarter of the prefetch range for the hashing loop. Empty if this kernel set does not prefetch while
 * hashing. */
static struct zn_ahead leave_some(const struct zn_kernels *k, struct zn_ahead *ahead) {
    if (k->encode_fetches == 0 || ahead->len == 0) return (struct zn_ahead){0};
    const size_t some = ahead->len / 4;
    ahead->len -= some;
    return (struct zn_ahead){.at = ahead->at + ahead->len, .len = some, .lines = k->encode_fetches};
}

/* A frame on its way out. */
struct made {
    uint8_t *frame;
    uint32_t len;         /* of its body */
    struct zn_ahead rest; /* for the hash to fetch */
};

static zipnn_status encode(struct pack *p, struct zn_worker *w, const struct item *item, struct made *m,
                           zipnn_error *err) {
    uint8_t *body = m->frame + ZN_FRAME_LEN;
    m->len = 0;
    m->rest = (struct zn_ahead){0};
    if (item->cut.link) {
        const struct zn_likely likely = {item->cut.link, item->cut.off, item->cut.dtype,
                                         item->cut.head, item->bytes,   item->len};
        ZN_TRY(zn_refer(p->job, w, p->relations, p->in, &likely, body, &m->len, err));
        if (m->len) return ZIPNN_OK;
    }
    struct zn_ahead ahead = look_ahead(p, item);
    m->rest = leave_some(p->e->k, &ahead);
    const struct zn_chunk_hint hint = {.dtype = item->cut.dtype,
                                       .head = item->cut.head,
                                       .ahead = ahead,
                                       .plan = p->cutter.walk.plan,
                                       .off = item->cut.off};
    const struct zn_encoder encoder = {&w->coder, &p->job->effort, hint, item->bytes, item->len};
    m->len = zn_chunk_encode(&encoder, body);
    return p->job->verify == ZIPNN_VERIFY_DEFAULT ? verify(w, item, body, m->len, err) : ZIPNN_OK;
}

/* Does what zn_frame_seal does and prefetches meanwhile. If `copy` is not NULL, the frame is also copied there, past
 * the caches. */
static struct zn_frame seal(const struct zn_kernels *k, struct made *m, const struct item *item, uint8_t *copy) {
    zn_frame_begin(m->frame, m->len, item->len);
    const uint64_t check = k->xxh3_64_passing(m->frame + ZN_FRAME_CHECKED, ZN_FRAME_LEN - ZN_FRAME_CHECKED + m->len,
                                              &m->rest, copy ? copy + ZN_FRAME_CHECKED : NULL);
    const struct zn_frame f = zn_frame_end(m->frame, check);
    if (copy) memcpy(copy, m->frame, ZN_FRAME_CHECKED);
    return f;
}

/* Puts a frame into memory. It gets its place before its check is known, so that hashing and copying are one pass;
 * write_index reads the check from the archive. */
static zipnn_status put_in_memory(struct pack *p, struct zn_task *task, struct made *m, zipnn_error *err) {
    const struct zn_output *out = p->out;
    const struct item *item = item_of(task);
    const struct zn_frame unchecked = {0, m->len, item->len};
    const size_t size = (size_t)zn_frame_size(&unchecked);
    uint64_t at;
    if (!zn_task_wait(task, ZN_STAGE_RESULT)) return ZIPNN_OK;
    ZN_TRY(account(p, item, &unchecked, &at, err));
    zn_task_pass(task, ZN_STAGE_RESULT);
    const bool streams = p->store == ZN_STORE_STREAM && at <= out->cap && size <= out->cap - at;
    seal(p->e->k, m, item, streams ? out->mem + at : NULL);
    if (streams) p->e->k->settle();
    return streams ? ZIPNN_OK : zn_output_put(out, at, m->frame, size, err);
}

static zipnn_status put(struct pack *p, struct zn_task *task, struct made *m, zipnn_error *err) {
    const struct item *item = item_of(task);
    const struct zn_frame f = seal(p->e->k, m, item, NULL);
    uint64_t at;
    if (!zn_task_wait(task, ZN_STAGE_RESULT)) return ZIPNN_OK;
    ZN_TRY(account(p, item, &f, &at, err));
    struct zn_piece piece = {at, m->frame, (size_t)zn_frame_size(&f)};
    if (p->out->sink) piece = zn_gather(&p->gather, m->frame, piece.len);
    const bool random = zn_output_is_random(p->out);
    if (!random) ZN_TRY(zn_output_put(p->out, piece.off, piece.bytes, piece.len, err));
    zn_task_pass(task, ZN_STAGE_RESULT);
    return random ? zn_output_put(p->out, piece.off, piece.bytes, piece.len, err) : ZIPNN_OK;
}

static zipnn_status work(void *arg, struct zn_task *task, zipnn_error *err) {
    struct pack *p = arg;
    struct zn_worker *w = task->w;
    struct item *item = item_of(task);
    if (!item->bytes) ZN_TRY(zn_input_at(p->in, item->cut.off, item->len, w->orig, &item->bytes, err));
    if (!take_digest(p, task)) return ZIPNN_OK;
    struct made made = {.frame = frame_room(p, w, item->len)};
    ZN_TRY(encode(p, w, item, &made, err));
    return (p->out->mem ? put_in_memory : put)(p, task, &made, err);
}

/* Completes the entries of frames in memory: reads their checks. */
static void read_checks(struct pack *p) {
    const uint8_t *frame = p->out->mem + ZN_HEADER_LEN;
    for (size_t i = 0; i < p->n_entries; i++) {
        uint8_t *entry = p->entries + i * ZN_ENTRY_LEN;
        struct zn_frame f = zn_entry_read(entry);
        f.check = zn_get_u64(frame);
        zn_entry_write(entry, &f);
        frame += zn_frame_size(&f);
    }
}

/* Refuses a circle once more: what was found before the first chunk may have changed since. */
static zipnn_status refuse_circle(struct pack *p, const struct zn_index *index, zipnn_error *err) {
    const struct zn_relations *r = p->relations;
    struct zn_identity original = {.length = index->original};
    memcpy(original.xxh3, index->xxh3, sizeof original.xxh3);
    return r ? zn_circle_refuse(p->job->bases, &original, r->records, r->n_bases, err) : ZIPNN_OK;
}

/* Writes index frame and trailer, in one piece. */
static zipnn_status write_index(struct pack *p, zipnn_stats *stats, zipnn_error *err) {
    struct zn_index index = {.original = p->original, .has_sha256 = p->digest.has_sha256};
    zn_digest_result(&p->digest, index.xxh3, index.sha256);
    ZN_TRY(refuse_circle(p, &index, err));
    size_t head_len = zn_index_head_len(index.has_sha256);
    uint64_t body_len = head_len + (uint64_t)p->n_entries * ZN_ENTRY_LEN;
    if (body_len > UINT32_MAX)
        return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE, "%zu chunks are more than an index can list", p->n_entries);
    size_t len = ZN_FRAME_LEN + (size_t)body_len + ZN_TRAILER_LEN;
    uint8_t *tail = zn_alloc(&p->e->alloc, len);
    if (!tail) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: the index takes %zu bytes", len);
    zn_index_head_write(tail + ZN_FRAME_LEN, &index);
    if (p->out->mem) read_checks(p);
    if (p->n_entries) memcpy(tail + ZN_FRAME_LEN + head_len, p->entries, p->n_entries * ZN_ENTRY_LEN);
    zn_frame_seal(tail, (uint32_t)body_len, 0, p->e->k->xxh3_64);
    zn_trailer_write(tail + len - ZN_TRAILER_LEN, len - ZN_TRAILER_LEN);
    zipnn_status status = zn_output_put(p->out, p->archive, tail, len, err);
    zn_free(&p->e->alloc, tail);
    if (status != ZIPNN_OK || !stats) return status;
    *stats = (zipnn_stats){
        .original = p->original, .archive = p->archive + len, .n_chunks = p->n_entries, .has_sha256 = index.has_sha256};
    memcpy(stats->xxh3, index.xxh3, sizeof stats->xxh3);
    memcpy(stats->sha256, index.sha256, sizeof stats->sha256);
    return ZIPNN_OK;
}

static uint8_t flags_of(const struct zn_relations *relations) {
    uint8_t flags = 0;
    for (size_t i = 0; relations && i < relations->links.n; i++)
        flags |= relations->links.link[i].source == ZN_SOURCE_SELF ? ZN_FLAG_SELF : ZN_FLAG_BASES;
    return flags;
}

/* Writes the table of bases, which is the first frame. */
static zipnn_status write_bases(struct pack *p, zipnn_error *err) {
    const struct zn_relations *r = p->relations;
    const size_t len = zn_bases_len(r->records, r->n_bases);
    uint8_t *frame = zn_alloc(&p->e->alloc, ZN_FRAME_LEN + len);
    if (!frame) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of %u bases", r->n_bases);
    zn_bases_write(frame + ZN_FRAME_LEN, r->records, r->n_bases);
    const struct zn_frame f = zn_frame_seal(frame, (uint32_t)len, 0, p->e->k->xxh3_64);
    zipnn_status status = zn_output_put(p->out, p->archive, frame, ZN_FRAME_LEN + len, err);
    zn_free(&p->e->alloc, frame);
    if (status == ZIPNN_OK) status = list_frame(p, &f, err);
    return status;
}

static zipnn_status begin(struct pack *p, zipnn_error *err) {
    const struct zn_header header = {(uint8_t)p->job->level, ZN_CUT_MAX, flags_of(p->relations)};
    uint8_t bytes[ZN_HEADER_LEN];
    zn_header_write(bytes, &header, p->e->k->xxh3_64);
    p->archive = sizeof bytes;
    ZN_TRY(zn_output_put(p->out, 0, bytes, sizeof bytes, err));
    return p->relations && p->relations->n_bases ? write_bases(p, err) : ZIPNN_OK;
}

static zipnn_status run(struct pack *p, zipnn_stats *stats, zipnn_error *err) {
    ZN_TRY(begin(p, err));
    if (p->out->sink) ZN_TRY(zn_gather_begin(&p->gather, &p->e->alloc, p->archive, err));
    if (p->out->mem) p->store = zn_store_into(p->out->mem, ZN_MIN(p->in->length, (uint64_t)p->out->cap));
    const struct zn_tasks tasks = {.n = UINT64_MAX, .claim = claim, .work = work, .arg = p};
    ZN_TRY(zn_each(p->e, p->n_workers, &tasks, err));
    const struct zn_piece rest = zn_gather_rest(&p->gather);
    ZN_TRY(zn_output_put(p->out, rest.off, rest.bytes, rest.len, err));
    return write_index(p, stats, err);
}

zipnn_status zn_relations_prepare(struct zn_engine *e, const struct zn_relations *relations, zipnn_error *err) {
    uint32_t max_chunk = ZN_CUT_MAX;
    unsigned levels = relations ? 1 : 0;
    for (unsigned i = 0; relations && i < relations->n_bases; i++) {
        const struct zn_archive *base = relations->bases[i]->archive;
        if (base) max_chunk = ZN_MAX(max_chunk, base->max_chunk);
        if (base) levels = ZN_MAX(levels, base->levels + 1);
    }
    ZN_TRY(zn_engine_prepare(e, max_chunk, ZN_USE_BOTH, err));
    return zn_engine_prepare_levels(e, levels, err);
}

zipnn_status zn_pack(const struct zn_job *job, const struct zn_plan *plan, const struct zn_relations *relations,
                     struct zn_input *in, const struct zn_output *out, zipnn_stats *stats, zipnn_error *err) {
    if (relations && relations->links.n == 0) relations = NULL;
    struct zn_engine *e = job->e;
    struct pack p = {.job = job, .e = e, .in = in, .out = out, .relations = relations};
    ZN_TRY(zn_relations_prepare(e, relations, err));
    p.n_workers = zn_engine_crew(e, in->length);
    zn_cutter_init_linked(&p.cutter, plan, relations ? &relations->links : NULL);
    zn_digest_begin(&p.digest, e->k, job->sha256);
    const zipnn_status status = run(&p, stats, err);
    zn_free(&e->alloc, p.gather.held);
    zn_free(&e->alloc, p.entries);
    return status;
}
