#include "api/old_input.h"

#include "plan/dtype.h"
#include "work/digest.h"

enum {
    SPOOL_STEP = 1 << 20,
    SPOOL_MAX = 1 << 30 /* old records come in no order that a pipe could be restored in */
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
    return zn_legacy_open(&old->alloc, &source, &old->legacy, err);
}

zipnn_status zn_old_input_open(const zipnn_allocator *alloc, struct zn_input *in, struct zn_old_input *old,
                               zipnn_error *err) {
    bool suspect = false;
    memset(old, 0, sizeof *old);
    old->alloc = *alloc;
    ZN_TRY(sniff(in, old, &suspect, err));
    if (!suspect) return ZIPNN_OK;
    zipnn_status status = open_suspect(in, old, err);
    if (status != ZIPNN_OK) zn_old_input_close(old);
    return status;
}

void zn_old_input_close(struct zn_old_input *old) {
    zn_legacy_close(old->legacy);
    if (old->spool) zn_free(&old->alloc, old->spool);
    memset(old, 0, sizeof *old);
}

/* ---- restoring */

/* Where restored bytes go: past the digest to the output. */
struct outlet {
    const struct zn_job *job; /* whose caller may want to know the progress */
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

/* Records are read again as they are restored: there may be fewer of them by then. */
static zipnn_status check_complete(const struct outlet *o, zipnn_error *err) {
    if (o->done == o->total) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "%llu of %llu bytes were restored: the input changed meanwhile",
                   (unsigned long long)o->done, (unsigned long long)o->total);
}

static const zipnn_source *base_of(const zipnn_ctx *ctx) {
    return ctx->base.read_at ? &ctx->base : NULL;
}

zipnn_status zn_old_input_restore(zipnn_ctx *ctx, struct zn_old_input *old, const struct zn_output *out,
                                  enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err) {
    struct zn_legacy *l = old->legacy;
    struct zn_digest digest;
    struct outlet o = {.job = &ctx->job, .out = out, .total = l->original};
    const zipnn_sink sink = {.write = put, .user = &o};
    uint8_t unused[ZN_SHA256_LEN];
    if (out->mem && l->original > out->cap)
        return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "the original has %llu bytes, the output buffer %zu",
                       (unsigned long long)l->original, out->cap);
    if (digesting == ZN_DIGEST_VERIFY) {
        ZN_TRY(zn_digest_begin(&digest, ctx->engine.k, false, err));
        o.digest = &digest;
    }
    ZN_TRY(zn_legacy_restore(l, base_of(ctx), 0, l->original, &sink, err));
    ZN_TRY(check_complete(&o, err));
    if (!stats) return ZIPNN_OK;
    *stats = (zipnn_stats){.original = l->original, .archive = l->source.length, .unverified = 1};
    if (o.digest) zn_digest_result(o.digest, stats->xxh3, unused);
    return ZIPNN_OK;
}

zipnn_status zn_old_input_read(zipnn_ctx *ctx, struct zn_old_input *old, uint64_t off, uint64_t len, void *dst,
                               zipnn_error *err) {
    const struct zn_output out = {.mem = dst, .cap = (size_t)len};
    struct outlet o = {.job = &ctx->job, .out = &out, .total = len};
    const zipnn_sink sink = {.write = put, .user = &o};
    ZN_TRY(zn_legacy_restore(old->legacy, base_of(ctx), off, off + len, &sink, err));
    return check_complete(&o, err);
}

uint64_t zn_old_input_decoded(const struct zn_old_input *old) {
    return old->legacy ? old->legacy->work->decoded : 0;
}

bool zn_old_input_lacks_base(const zipnn_ctx *ctx, const struct zn_old_input *old) {
    return !old->legacy->tensor_file && old->legacy->first.delta && !base_of(ctx);
}

/* ---- listing */

zipnn_status zn_old_input_plan(const struct zn_old_input *old, struct zn_plan *plan, zipnn_error *err) {
    const struct zn_legacy *l = old->legacy;
    const struct zn_old_record *r = &l->first;
    if (l->tensor_file) return ZIPNN_OK;
    const uint64_t elements = l->original / (zn_dtype_bits(r->dtype) / 8);
    ZN_TRY(zn_plan_add(plan, 0, l->original, r->dtype, "", 0, r->has_shape ? r->dims : &elements,
                       r->has_shape ? r->rank : 1, err));
    return zn_plan_finish(plan, err);
}
