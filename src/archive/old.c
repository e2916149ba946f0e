#include "archive/old.h"

#include "plan/dtype.h"

enum {
    SPOOL_STEP = 1 << 20,
    SPOOL_MAX = 1 << 30 /* the parts of an old record cannot be restored in the order in which a pipe brings them */
};

/* ---- opening */

static zipnn_status read_input(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    return zn_input_copy(user, off, len, buf, err);
}

/* Reads the rest of a sequential input, whose first bytes are in old->head. */
static zipnn_status spool(struct zn_input *in, struct zn_old_input *old, zipnn_error *err) {
    size_t len = 0, got = SPOOL_STEP;
    while (got == SPOOL_STEP) {
        void *grown = old->spool;
        if (len >= SPOOL_MAX)
            return zn_fail(err, ZIPNN_E_LIMIT, len,
                           "old records in a pipe must fit in %d bytes: restore them from a file", SPOOL_MAX);
        zipnn_status status = zn_grow(&old->alloc, &grown, &old->spool_cap, len + SPOOL_STEP, 1, err);
        old->spool = grown;
        ZN_TRY(status);
        ZN_TRY(zn_input_next(in, old->spool + len, SPOOL_STEP, &got, err));
        len += got;
    }
    *in = zn_input_of_memory(old->spool, len);
    return ZIPNN_OK;
}

static zipnn_status sniff(struct zn_input *in, struct zn_old_input *old, bool *suspect, zipnn_error *err) {
    const uint8_t *head = old->head;
    size_t len;
    if (zn_input_is_random(in)) {
        len = (size_t)ZN_MIN(in->length, (uint64_t)sizeof old->head);
        ZN_TRY(zn_input_at(in, 0, len, old->head, &head, err));
    } else {
        ZN_TRY(zn_input_next(in, old->head, sizeof old->head, &len, err));
        in->head = old->head;
        in->head_len = len;
        in->pos = 0;
    }
    *suspect = zn_legacy_suspects(head, len);
    return ZIPNN_OK;
}

static zipnn_status open_suspect(struct zn_input *in, struct zn_old_input *old, zipnn_error *err) {
    if (!zn_input_is_random(in)) ZN_TRY(spool(in, old, err));
    const zipnn_source source = {.read_at = read_input, .length = in->length, .user = in};
    return zn_legacy_open(&old->alloc, &source, &old->self.old, err);
}

zipnn_status zn_old_input_open(struct zn_engine *e, struct zn_input *in, const zipnn_source *base,
                               struct zn_old_input *old, zipnn_error *err) {
    bool suspect = false;
    memset(old, 0, sizeof *old);
    old->alloc = e->alloc;
    ZN_TRY(sniff(in, old, &suspect, err));
    if (!suspect) return ZIPNN_OK;
    zipnn_status status = open_suspect(in, old, err);
    if (status != ZIPNN_OK) zn_old_input_close(old);
    if (status != ZIPNN_OK || !old->self.old) return status;
    old->self.way = &zn_way_old;
    old->self.in = *in;
    old->self.length = old->self.old->original;
    if (base && base->read_at) old->self.old_base = *base;
    old->self.number = zn_engine_number(e, old, old->self.length);
    return ZIPNN_OK;
}

void zn_old_input_close(struct zn_old_input *old) {
    zn_legacy_close(old->self.old);
    if (old->spool) zn_free(&old->alloc, old->spool);
    memset(old, 0, sizeof *old);
}

/* ---- restoring */

/* Where restored bytes go: first to the digest, then to the output. */
struct outlet {
    const struct zn_job *job; /* tells its caller the progress */
    const struct zn_output *out;
    struct zn_digest *digest; /* NULL: none */
    uint64_t done, total;
};

static zipnn_status put(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct outlet *o = user;
    if (o->digest) zn_digest_update(o->digest, buf, len);
    ZN_TRY(zn_output_put(o->out, o->done, buf, len, err));
    o->done += len;
    return zn_job_progress(o->job, o->done, o->total, err);
}

/* Records are read again while they are restored, and the input may have become shorter since. */
static zipnn_status check_complete(const struct outlet *o, zipnn_error *err) {
    if (o->done == o->total) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "%llu of %llu bytes were restored: the input changed meanwhile",
                   (unsigned long long)o->done, (unsigned long long)o->total);
}

static const zipnn_source *base_of(const struct zn_original *o) {
    return o->old_base.read_at ? &o->old_base : NULL;
}

/* Returns the context's scratch, ready for this original. */
static zipnn_status take_scratch(const struct zn_job *job, const struct zn_original *o, struct zn_old_work **work,
                                 zipnn_error *err) {
    struct zn_old_scratch *s = job->old;
    if (!s->work) {
        s->work = zn_alloc(&job->e->alloc, sizeof *s->work);
        if (!s->work)
            return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: old records take %zu bytes",
                           sizeof *s->work);
        zn_old_work_begin(s->work);
    }
    if (s->of != o->number) zn_old_work_end(s->work);
    s->of = o->number;
    *work = s->work;
    return ZIPNN_OK;
}

void zn_old_scratch_free(struct zn_old_scratch *s, const zipnn_allocator *alloc) {
    if (s->work) zn_old_work_end(s->work);
    zn_free(alloc, s->work);
    *s = (struct zn_old_scratch){0, NULL};
}

static zipnn_status restore_range(const struct zn_job *job, const struct zn_original *o, uint64_t off,
                                  struct outlet *outlet, zipnn_error *err) {
    const zipnn_sink sink = {.write = put, .user = outlet};
    struct zn_old_work *work = NULL;
    ZN_TRY(take_scratch(job, o, &work, err));
    ZN_TRY(zn_legacy_restore(o->old, work, base_of(o), off, off + outlet->total, &sink, err));
    return check_complete(outlet, err);
}

zipnn_status zn_old_restore(const struct zn_job *job, const struct zn_original *o, const struct zn_output *out,
                            enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err) {
    struct zn_digest digest;
    struct outlet outlet = {.job = job, .out = out, .total = o->length};
    uint8_t unused[ZN_SHA256_LEN];
    if (out->mem && o->length > out->cap)
        return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "the original has %llu bytes, the output buffer %zu",
                       (unsigned long long)o->length, out->cap);
    if (digesting == ZN_DIGEST_VERIFY) {
        zn_digest_begin(&digest, job->e->k, false);
        outlet.digest = &digest;
    }
    ZN_TRY(restore_range(job, o, 0, &outlet, err));
    if (!stats) return ZIPNN_OK;
    *stats = (zipnn_stats){.original = o->length, .archive = o->in.length, .unverified = 1};
    if (outlet.digest) zn_digest_result(outlet.digest, stats->xxh3, unused);
    return ZIPNN_OK;
}

static zipnn_status read_old(const struct zn_job *job, const struct zn_original *o, uint64_t off, uint64_t len,
                             uint8_t *dst, zipnn_error *err) {
    const struct zn_output out = {.mem = dst, .cap = (size_t)len};
    struct outlet outlet = {.job = job, .out = &out, .total = len};
    return restore_range(job, o, off, &outlet, err);
}

static uint64_t stored_in_record(const struct zn_original *o, uint64_t off, uint64_t len) {
    return zn_legacy_stored(o->old, off, len);
}

static zipnn_status list_nothing(const struct zn_original *o, uint64_t off, uint64_t len, struct zn_fetched *f,
                                 zipnn_error *err) {
    (void)o, (void)len, (void)f;
    return zn_fail(err, ZIPNN_E_UNSUPPORTED, off,
                   "old records have no index that tells which bytes a range takes: read the range instead");
}

const struct zn_way zn_way_old = {read_old, stored_in_record, list_nothing, NULL};

uint64_t zn_old_decoded(const struct zn_job *job) {
    return job->old->work ? job->old->work->decoded : 0;
}

bool zn_old_lacks_base(const struct zn_original *o) {
    return !o->old->tensor_file && o->old->first.delta && !base_of(o);
}

/* ---- listing */

zipnn_status zn_old_plan(const struct zn_original *o, struct zn_plan *plan, zipnn_error *err) {
    const struct zn_legacy *l = o->old;
    const struct zn_old_record *r = &l->first;
    if (l->tensor_file) return ZIPNN_OK;
    const uint64_t elements = l->original / (zn_dtype_bits(r->dtype) / 8);
    ZN_TRY(zn_plan_add(plan, 0, l->original, r->dtype, "", 0, r->has_shape ? r->dims : &elements,
                       r->has_shape ? r->rank : 1, err));
    return zn_plan_finish(plan, err);
}
