/* Restores an archive. Workers claim frames, verify and decode them, and hand them on, in turn if order matters. */
#include "archive/bases.h"
#include "archive/reading.h"
#include "jobs/jobs.h"
#include "workers/digest.h"
#include "workers/each.h"

struct unpack {
    const struct zn_job *job;
    struct zn_engine *e;
    struct zn_input *in;
    const struct zn_output *out;
    enum zn_digesting digesting;
    unsigned n_workers;
    enum zn_store store;
    struct zn_archive archive; /* its index: of random input from the start, else once it has come by */
    /* under the claim lock */
    uint64_t n_frames; /* claimed */
    uint64_t at, off;  /* of the next frame and its chunk */
    bool drained;      /* nothing more is claimed */
    uint8_t *entries;  /* sequential: the frames seen, as an index would list them */
    size_t entries_cap;
    uint8_t *tail; /* sequential: frames that hold no chunk, the index last */
    size_t tail_cap;
    /* by whoever has the turn */
    struct zn_digest digest;
    struct zn_gather gather; /* to a sink */
    uint64_t original;       /* bytes done; where nobody takes turns, under the claim lock */
    uint64_t n_unchecked;    /* chunks whose base is missing */
};

/* A frame in the hands of a worker. */
struct item {
    struct zn_place place;
    const uint8_t *frame; /* NULL when it is still to be read */
    void *memory;         /* holds a frame too large for the worker's own */
    struct zn_ahead ahead;
};

_Static_assert(sizeof(struct item) <= ZN_TASK_ROOM, "a worker has room for an item");

static struct item *item_of(const struct zn_task *task) {
    return task->w->task;
}

/* ---- random input ------------------------------------------------------------------------------------------------ */

static bool claim_listed(struct unpack *u, struct item *item) {
    if (u->n_frames == u->archive.index.n_entries || u->drained) return false;
    const uint8_t *entry = u->archive.index.entries + u->n_frames++ * ZN_ENTRY_LEN;
    item->place = (struct zn_place){zn_entry_read(entry), u->at, u->off};
    u->at += zn_frame_size(&item->place.frame);
    u->off += item->place.frame.orig_len;
    return true;
}

static zipnn_status fetch(const struct unpack *u, struct zn_worker *w, struct item *item, zipnn_error *err) {
    size_t len = (size_t)zn_frame_size(&item->place.frame);
    uint8_t *buf = w->frame;
    if (!u->in->mem && item->place.frame.orig_len == 0) {
        buf = item->memory = zn_alloc(&u->e->alloc, len);
        if (!buf) return zn_fail(err, ZIPNN_E_MEMORY, item->place.at, "out of memory: a frame takes %zu bytes", len);
    }
    /* Prefetch only where the next frame is known: workers come to frames of memory in rotation. */
    if (u->n_workers == 1 || u->in->mem) item->ahead = zn_look_ahead(u->in, &item->place, u->n_workers);
    return zn_input_at(u->in, item->place.at, len, buf, &item->frame, err);
}

/* ---- sequential input -------------------------------------------------------------------------------------------- */

static zipnn_status read_exactly(struct unpack *u, uint8_t *buf, size_t len, zipnn_error *err) {
    size_t got;
    ZN_TRY(zn_input_next(u->in, buf, len, &got, err));
    if (got == len) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_TRUNCATED, u->in->pos, "archive ends here, %zu bytes too early", len - got);
}

/* Reads a body of unproven length in steps, so that memory is taken only for bytes that really come. */
static zipnn_status read_tail(struct unpack *u, const uint8_t *head, size_t body_len, zipnn_error *err) {
    enum { STEP = 1 << 20 };
    size_t len = 0, total = ZN_FRAME_LEN + body_len;
    while (len < total) {
        size_t step = ZN_MIN(total - len, (size_t)STEP);
        void *tail = u->tail;
        zipnn_status status = zn_grow(&u->e->alloc, &tail, &u->tail_cap, len + step, 1, err);
        u->tail = tail;
        ZN_TRY(status);
        if (len == 0) {
            memcpy(u->tail, head, ZN_FRAME_LEN);
            len = ZN_FRAME_LEN;
            step -= ZN_MIN(step, (size_t)ZN_FRAME_LEN);
        }
        ZN_TRY(read_exactly(u, u->tail + len, step, err));
        len += step;
    }
    return ZIPNN_OK;
}

static zipnn_status record_entry(struct unpack *u, const struct zn_frame *f, zipnn_error *err) {
    void *entries = u->entries;
    zipnn_status status = zn_grow(&u->e->alloc, &entries, &u->entries_cap, (size_t)u->n_frames + 1, ZN_ENTRY_LEN, err);
    u->entries = entries;
    ZN_TRY(status);
    zn_entry_write(u->entries + u->n_frames++ * ZN_ENTRY_LEN, f);
    return ZIPNN_OK;
}

/* The index frame is in u->tail: it must list exactly the frames that came, and only the trailer may follow. */
static zipnn_status finish_sequence(struct unpack *u, const struct zn_frame *f, zipnn_error *err) {
    uint8_t trailer[ZN_TRAILER_LEN], excess[ZN_HEADER_LEN];
    uint64_t index_len;
    size_t got;
    ZN_TRY(
        zn_index_read(u->tail + ZN_FRAME_LEN, f->body_len, u->archive.header.max_chunk, u->at, &u->archive.index, err));
    if (u->archive.index.n_entries != u->n_frames ||
        (u->n_frames && memcmp(u->archive.index.entries, u->entries, (size_t)u->n_frames * ZN_ENTRY_LEN) != 0))
        return zn_fail(err, ZIPNN_E_CORRUPT, u->at, "index does not list the frames that precede it");
    ZN_TRY(read_exactly(u, trailer, sizeof trailer, err));
    ZN_TRY(zn_trailer_read(trailer, u->at + zn_frame_size(f), &index_len, err));
    if (index_len != zn_frame_size(f))
        return zn_fail(err, ZIPNN_E_CORRUPT, u->at, "trailer gives the index %llu bytes, it has %llu",
                       (unsigned long long)index_len, (unsigned long long)zn_frame_size(f));
    u->drained = true;
    if (u->in->joined) return ZIPNN_OK;
    const uint64_t end = u->in->pos;
    ZN_TRY(zn_input_next(u->in, excess, sizeof excess, &got, err));
    if (got) return zn_fail_excess(excess, got, end, ZN_NOWHERE, err);
    return ZIPNN_OK;
}

/* A frame without a chunk is ancillary, or the index, whose length follows from what came before: others are not read.
 */
static zipnn_status check_tail_length(const struct unpack *u, const struct zn_frame *f, zipnn_error *err) {
    const uint64_t entries = u->n_frames * ZN_ENTRY_LEN;
    const bool index =
        f->body_len == zn_index_head_len(false) + entries || f->body_len == zn_index_head_len(true) + entries;
    if (index || f->body_len <= ZN_MAX_ANCILLARY) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, u->at,
                   "frame of %u bytes: more than an ancillary frame may have, and other than the index of %llu frames",
                   f->body_len, (unsigned long long)u->n_frames);
}

/* Reads the next frame of a sequential input: a chunk into the worker's buffer, others here. */
static zipnn_status claim_next(struct unpack *u, struct zn_worker *w, struct item *item, zipnn_error *err) {
    while (!u->drained) {
        struct zn_frame f;
        ZN_TRY(read_exactly(u, w->frame, ZN_FRAME_LEN, err));
        ZN_TRY(zn_frame_read(w->frame, u->archive.header.max_chunk, u->at, &f, err));
        if (f.orig_len) {
            ZN_TRY(read_exactly(u, w->frame + ZN_FRAME_LEN, f.body_len, err));
            item->frame = w->frame;
        } else {
            ZN_TRY(check_tail_length(u, &f, err));
            ZN_TRY(read_tail(u, w->frame, f.body_len, err));
            ZN_TRY(zn_frame_verify(u->tail, &f, u->at, u->e->k->xxh3_64, err));
            if (u->tail[ZN_FRAME_LEN] == ZN_KIND_INDEX) return finish_sequence(u, &f, err);
            if (f.body_len > ZN_MAX_ANCILLARY)
                return zn_fail(err, ZIPNN_E_CORRUPT, u->at, "ancillary frame of %u bytes, at most %d are legal",
                               f.body_len, ZN_MAX_ANCILLARY);
            item->frame = u->tail;
        }
        item->place = (struct zn_place){f, u->at, u->off};
        ZN_TRY(record_entry(u, &f, err));
        u->at += zn_frame_size(&f);
        u->off += f.orig_len;
        if (f.orig_len) return zn_job_allows(u->job, u->off, err);
        /* u->tail belongs to the claim lock: an ancillary frame is done with here and takes no turn. */
        const struct zn_whole_frame frame = {item->frame, &item->place};
        ZN_TRY(zn_frame_decode(w, &u->archive, frame, &(struct zn_target){.out = NULL}, err));
        item->frame = NULL;
    }
    return ZIPNN_OK;
}

/* ---- all inputs -------------------------------------------------------------------------------------------------- */

static zipnn_status claim(void *arg, struct zn_task *task, bool *some, zipnn_error *err) {
    struct unpack *u = arg;
    struct item *item = item_of(task);
    if (zn_input_is_random(u->in)) {
        *some = claim_listed(u, item);
        return ZIPNN_OK;
    }
    ZN_TRY(claim_next(u, task->w, item, err));
    *some = item->frame != NULL;
    return ZIPNN_OK;
}

static zipnn_status report_progress(const struct unpack *u, zipnn_error *err) {
    const uint64_t total = zn_input_is_random(u->in) ? u->archive.index.original : UINT64_MAX;
    return zn_job_progress(u->job, u->original, total, err);
}

/* Tells whether this is a test: it has no output, and goes on after chunks whose base is missing. */
static bool is_test(const struct unpack *u) {
    return !u->out->mem && !u->out->sink;
}

/* Tells whether chunks must be handed on in order. */
static bool is_ordered(const struct unpack *u) {
    return u->digesting == ZN_DIGEST_VERIFY || u->out->sink;
}

/* Counts a chunk that takes no turn. A caller who cancelled is not asked again. */
static zipnn_status count_done(struct unpack *u, const struct zn_task *task, uint32_t len, zipnn_error *err) {
    zipnn_status status = ZIPNN_OK;
    if (!u->job->progress) return ZIPNN_OK;
    zn_task_lock(task);
    u->original += len;
    if (!u->drained) status = report_progress(u, err);
    if (status != ZIPNN_OK) u->drained = true;
    zn_task_unlock(task);
    return status;
}

static zipnn_status put(const struct unpack *u, struct zn_piece piece, zipnn_error *err) {
    return zn_output_put(u->out, piece.off, piece.bytes, piece.len, err);
}

/* `orig` is NULL for a chunk that a test could not decode. */
static zipnn_status hand_on(struct unpack *u, struct zn_task *task, uint8_t *orig, zipnn_error *err) {
    const struct zn_place *place = &item_of(task)->place;
    const uint32_t len = place->frame.orig_len;
    const bool random = zn_output_is_random(u->out);
    struct zn_piece piece = {place->off, orig, len};
    if (is_ordered(u)) {
        if (!zn_task_wait(task, ZN_STAGE_RESULT)) return ZIPNN_OK;
        if (u->digesting == ZN_DIGEST_VERIFY && orig) zn_digest_update(&u->digest, orig, len);
        u->n_unchecked += !orig;
        u->original += len;
        ZN_TRY(report_progress(u, err));
        if (u->out->sink) piece = zn_gather(&u->gather, orig, len);
        if (!random) ZN_TRY(put(u, piece, err));
        zn_task_pass(task, ZN_STAGE_RESULT);
    } else {
        ZN_TRY(count_done(u, task, len, err));
    }
    return random ? put(u, piece, err) : ZIPNN_OK;
}

static zipnn_status decode(struct unpack *u, struct zn_task *task, zipnn_error *err) {
    const struct item *item = item_of(task);
    struct zn_worker *w = task->w;
    uint8_t *orig = u->out->mem ? u->out->mem + item->place.off : w->orig;
    const struct zn_whole_frame frame = {item->frame, &item->place};
    const struct zn_target target = {orig, u->store, item->ahead};
    zipnn_status status = zn_frame_decode(w, &u->archive, frame, &target, err);
    if (status == ZIPNN_E_BASE && is_test(u)) orig = NULL;
    return status == ZIPNN_OK || !orig ? hand_on(u, task, orig, err) : status;
}

static zipnn_status work(void *arg, struct zn_task *task, zipnn_error *err) {
    struct unpack *u = arg;
    struct item *item = item_of(task);
    zipnn_status status = item->frame ? ZIPNN_OK : fetch(u, task->w, item, err);
    if (status == ZIPNN_OK) status = decode(u, task, err);
    zn_free(&u->e->alloc, item->memory);
    return status;
}

static zipnn_status check_digests(struct unpack *u, zipnn_stats *stats, zipnn_error *err) {
    uint8_t xxh3[16] = {0}, sha256[ZN_SHA256_LEN] = {0};
    if (u->digesting == ZN_DIGEST_VERIFY && u->n_unchecked == 0) {
        zn_digest_result(&u->digest, xxh3, sha256);
        if (memcmp(xxh3, u->archive.index.xxh3, sizeof xxh3) != 0)
            return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE,
                           "the restored bytes do not have the XXH3-128 digest of the original");
        if (u->digest.has_sha256 && memcmp(sha256, u->archive.index.sha256, sizeof sha256) != 0)
            return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE,
                           "the restored bytes do not have the SHA-256 digest of the original");
    }
    if (!stats) return ZIPNN_OK;
    *stats = (zipnn_stats){.original = u->archive.index.original,
                           .n_chunks = u->n_frames,
                           .has_sha256 = u->archive.index.has_sha256,
                           .n_unchecked = u->n_unchecked};
    stats->archive = u->at + ZN_FRAME_LEN + zn_index_head_len(u->archive.index.has_sha256) +
                     u->n_frames * ZN_ENTRY_LEN + ZN_TRAILER_LEN;
    memcpy(stats->xxh3, u->archive.index.xxh3, sizeof stats->xxh3);
    if (u->archive.index.has_sha256) memcpy(stats->sha256, u->archive.index.sha256, sizeof stats->sha256);
    return ZIPNN_OK;
}

static zipnn_status run(struct unpack *u, zipnn_stats *stats, zipnn_error *err) {
    const struct zn_tasks tasks = {.n = UINT64_MAX, .claim = claim, .work = work, .arg = u};
    ZN_TRY(zn_each(u->e, u->n_workers, &tasks, err));
    if (u->out->sink) ZN_TRY(put(u, zn_gather_rest(&u->gather), err));
    return check_digests(u, stats, err);
}

/* Reads the table of bases of a sequential input: it is the first frame. */
static zipnn_status read_table(struct unpack *u, enum zn_missing missing, zipnn_error *err) {
    uint8_t head[ZN_FRAME_LEN];
    struct zn_place place = {.at = u->at};
    ZN_TRY(read_exactly(u, head, sizeof head, err));
    ZN_TRY(zn_frame_read(head, u->archive.header.max_chunk, u->at, &place.frame, err));
    if (place.frame.orig_len || place.frame.body_len > ZN_MAX_ANCILLARY)
        return zn_fail(err, ZIPNN_E_CORRUPT, u->at, "an archive with bases does not begin with their table");
    ZN_TRY(read_tail(u, head, place.frame.body_len, err));
    ZN_TRY(zn_archive_resolve(u->job->bases, &u->archive, u->tail, &place, missing, err));
    ZN_TRY(record_entry(u, &place.frame, err));
    u->at += zn_frame_size(&place.frame);
    return ZIPNN_OK;
}

/* A sequential archive tells whether it has a SHA-256 only at its end: it is not checked then. */
static zipnn_status open_sequence(struct unpack *u, enum zn_missing missing, zipnn_error *err) {
    uint8_t bytes[ZN_HEADER_LEN];
    struct zn_header header;
    size_t got;
    ZN_TRY(zn_input_next(u->in, bytes, sizeof bytes, &got, err));
    ZN_TRY(zn_header_read(bytes, got, &header, u->e->k->xxh3_64, err));
    zn_archive_begin(&u->archive, u->in, &header);
    if (header.flags & ZN_FLAG_SELF)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, 10,
                       "chunks of this archive repeat others: restore it from a file, not from a pipe");
    return header.flags ? read_table(u, missing, err) : ZIPNN_OK;
}

static zipnn_status open_random(struct unpack *u, enum zn_missing missing, zipnn_error *err) {
    const struct zn_index *index = &u->archive.index;
    ZN_TRY(zn_archive_open(&u->e->alloc, u->e->k, u->in, &u->archive, err));
    ZN_TRY(zn_job_allows(u->job, index->original, err));
    if (u->out->mem && index->original > u->out->cap)
        return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "the original has %llu bytes, the output buffer %zu",
                       (unsigned long long)index->original, u->out->cap);
    if (u->out->mem) u->store = zn_store_into(u->out->mem, index->original);
    return zn_archive_find_bases(u->job->bases, &u->archive, missing, err);
}

/* Learns all that can be known before the first chunk. */
static zipnn_status begin(struct unpack *u, zipnn_error *err) {
    const bool random = zn_input_is_random(u->in);
    u->at = ZN_HEADER_LEN;
    ZN_TRY((random ? open_random : open_sequence)(u, is_test(u) ? ZN_MISSING_STAYS_NULL : ZN_MISSING_FAILS, err));
    ZN_TRY(zn_archive_prepare(u->e, &u->archive, err));
    u->n_workers = zn_engine_crew(u->e, random ? u->archive.index.original : UINT64_MAX);
    zn_digest_begin(&u->digest, u->e->k, u->digesting == ZN_DIGEST_VERIFY && u->archive.index.has_sha256);
    return ZIPNN_OK;
}

zipnn_status zn_unpack(const struct zn_job *job, struct zn_input *in, const struct zn_output *out,
                       enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err) {
    struct zn_engine *e = job->e;
    struct unpack u = {.job = job, .e = e, .in = in, .out = out, .digesting = digesting, .store = ZN_STORE_CACHED};
    zipnn_status status = begin(&u, err);
    u.in->glance = u.archive.self.in.glance = NULL;
    if (status == ZIPNN_OK && out->sink) status = zn_gather_begin(&u.gather, &e->alloc, 0, err);
    if (status == ZIPNN_OK) status = run(&u, stats, err);
    zn_archive_close(&u.archive, &e->alloc);
    zn_free(&e->alloc, u.gather.held);
    zn_free(&e->alloc, u.entries);
    zn_free(&e->alloc, u.tail);
    return status;
}
