/* Archives opened for random access, and read. */
#include "api/archive.h"

#include "archive/fetched.h"

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Lists the tensors of the original when it is a model file, else the record as one. */
static zipnn_status open_old(zipnn_archive *a, zipnn_error *err) {
    static const struct zn_nature old = {"zipnn 0.x", 1, zn_verify_old};
    a->nature = &old;
    a->original = &a->old.self;
    if (!zn_old_lacks_base(a->original)) ZN_TRY(zn_archive_plan(a, err));
    if (a->n_listed) return ZIPNN_OK;
    zn_plan_free(&a->plan);
    ZN_TRY(zn_old_plan(a->original, &a->plan, err));
    return zn_archive_list(a, err);
}

static zipnn_status open_chunks(zipnn_archive *a, zipnn_error *err) {
    struct zn_engine *e = &a->ctx->engine;
    ZN_TRY(zn_archive_open(&e->alloc, e->k, &a->in, &a->archive, err));
    a->archive.self.number = zn_engine_number(e, a, zn_get_u64(a->archive.index.xxh3));
    ZN_TRY(zn_archive_find_bases(&a->ctx->bases, &a->archive, ZN_MISSING_STAYS_NULL, err));
    a->has_digests = true;
    const zipnn_status status = zn_archive_plan(a, err);
    if (status != ZIPNN_E_CORRUPT && status != ZIPNN_E_BASE) return status;
    zn_archive_forget_plan(a);
    return ZIPNN_OK;
}

static zipnn_status open_parts(zipnn_archive *a, zipnn_error *err) {
    ZN_TRY(zn_old_input_open(&a->ctx->engine, &a->in, &a->ctx->base, &a->old, err));
    return a->old.self.old ? open_old(a, err) : open_chunks(a, err);
}

static zipnn_status open_plain(zipnn_archive *a, zipnn_error *err) {
    static const struct zn_nature plain = {NULL, 1, zn_verify_nothing};
    a->nature = &plain;
    a->archive.self = zn_original_plain(&a->in);
    return zn_archive_plan(a, err);
}

/* Opens the archive as it is, or else what can be found of it. */
static zipnn_status open_damaged(zipnn_archive *a, zipnn_error *err) {
    zipnn_status status = open_parts(a, &a->fault);
    const bool damaged = status == ZIPNN_E_FORMAT || status == ZIPNN_E_TRUNCATED || status == ZIPNN_E_CORRUPT;
    if (status == ZIPNN_OK || !damaged || a->original->old) {
        if (err) *err = a->fault;
        return status;
    }
    zn_archive_close(&a->archive, &a->ctx->engine.alloc);
    return zn_archive_rebuild(a, err);
}

/* Only listings of tensors need the sums. */
static zipnn_status sum_stored(zipnn_archive *a, zipnn_error *err) {
    return a->n_listed ? zn_archive_sum_stored(&a->archive, &a->ctx->engine.alloc, err) : ZIPNN_OK;
}

static void end_glance(zipnn_archive *a) {
    a->in.glance = a->archive.self.in.glance = a->old.self.in.glance = NULL;
    zn_glance_end(&a->glance, &a->ctx->engine.alloc);
}

static zipnn_status create(zipnn_ctx *ctx, const struct zn_input *in, zipnn_archive **archive, zipnn_error *err) {
    static const struct zn_nature chunks = {NULL, 0, zn_verify_chunks};
    zipnn_archive *a = zn_alloc(&ctx->engine.alloc, sizeof *a);
    if (!a) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory opening an archive");
    memset(a, 0, sizeof *a);
    a->ctx = ctx;
    a->in = *in;
    a->nature = &chunks;
    a->original = &a->archive.self;
    zn_plan_init(&a->plan, &ctx->engine.alloc);
    const zipnn_status status = zn_glance_try(&a->glance, &ctx->engine.alloc, &a->in, err);
    if (status == ZIPNN_OK)
        *archive = a;
    else
        zipnn_archive_close(a);
    return status;
}

static zipnn_status open_by(zipnn_status (*parts)(zipnn_archive *a, zipnn_error *err), zipnn_ctx *ctx,
                            const zipnn_source *source, zipnn_archive **archive, zipnn_error *err) {
    struct zn_input in;
    zipnn_archive *a = NULL;
    zn_clear_error(err);
    if (!ctx || !source || !archive)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "opening an archive: a pointer is NULL");
    if (!source->read_at)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "random access needs a source with read_at");
    ZN_TRY(zn_input_of_source(source, &in, err));
    ZN_TRY(create(ctx, &in, &a, err));
    zipnn_status status = parts(a, err);
    if (status == ZIPNN_OK) status = sum_stored(a, err);
    end_glance(a);
    if (status == ZIPNN_OK)
        *archive = a;
    else
        zipnn_archive_close(a);
    return status;
}

zipnn_status zipnn_archive_open(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive, zipnn_error *err) {
    return open_by(open_parts, ctx, source, archive, err);
}

zipnn_status zipnn_archive_open_damaged(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive,
                                        zipnn_error *err) {
    return open_by(open_damaged, ctx, source, archive, err);
}

zipnn_status zipnn_model_open(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive, zipnn_error *err) {
    return open_by(open_plain, ctx, source, archive, err);
}

const zipnn_error *zipnn_archive_fault(const zipnn_archive *a) {
    return !a || a->fault.status == ZIPNN_OK ? NULL : &a->fault;
}

void zipnn_archive_close(zipnn_archive *a) {
    if (!a) return;
    zipnn_allocator alloc = a->ctx->engine.alloc;
    zn_archive_close(&a->archive, &alloc);
    zn_old_input_close(&a->old);
    zn_plan_free(&a->plan);
    zn_free(&alloc, a->listed);
    zn_free(&alloc, a->reach);
    zn_free(&alloc, a->by_name);
    zn_free(&alloc, a);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static zipnn_status check_range(const zipnn_archive *a, uint64_t off, uint64_t len, zipnn_error *err) {
    const uint64_t original = a->original->length;
    if (off <= original && len <= original - off) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_NOT_FOUND, off, "bytes %llu to %llu are not all inside an original of %llu bytes",
                   (unsigned long long)off, (unsigned long long)(off + len), (unsigned long long)original);
}

zipnn_status zipnn_archive_read_in(zipnn_ctx *ctx, const zipnn_archive *a, uint64_t off, uint64_t len, void *dst,
                                   zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_archive_read", ctx && a ? a : NULL, len ? dst : a, err));
    ZN_TRY(check_range(a, off, len, err));
    return len ? a->original->way->read(&ctx->job, a->original, off, len, dst, err) : ZIPNN_OK;
}

zipnn_status zipnn_archive_read(zipnn_archive *a, uint64_t off, uint64_t len, void *dst, zipnn_error *err) {
    return zipnn_archive_read_in(a ? a->ctx : NULL, a, off, len, dst, err);
}

/* ---- bytes that the caller fetches ------------------------------------------------------------------------------- */

zipnn_status zipnn_archive_ranges(const zipnn_archive *a, uint64_t off, uint64_t len, zipnn_range *ranges, size_t cap,
                                  size_t *n, zipnn_error *err) {
    struct zn_fetched nothing = {.missing = ranges, .cap = cap};
    ZN_TRY(zn_given("zipnn_archive_ranges", a, n && (ranges || cap == 0) ? n : NULL, err));
    ZN_TRY(check_range(a, off, len, err));
    if (len) ZN_TRY(a->original->way->list(a->original, off, len, &nothing, err));
    *n = nothing.n_lacking;
    return ZIPNN_OK;
}

static zipnn_status decode(const zipnn_ctx *ctx, const zipnn_archive *a, uint64_t off, uint64_t len, void *dst,
                           struct zn_fetched *f, zipnn_error *err) {
    const struct zn_original *o = a->original;
    ZN_TRY(zn_fetched_check(f, err));
    if (len == 0) return ZIPNN_OK;
    ZN_TRY(o->way->list(o, off, len, f, err));
    return f->n_lacking ? ZIPNN_OK : o->way->decode(&ctx->job, o, off, len, dst, f, err);
}

zipnn_status zipnn_archive_decode(zipnn_ctx *ctx, const zipnn_archive *a, uint64_t off, uint64_t len, void *dst,
                                  zipnn_fetched *fetched, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_archive_decode", ctx && a && fetched ? a : NULL, len ? dst : a, err));
    if (fetched->size != sizeof *fetched)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a zipnn_fetched of %zu bytes, %zu are expected",
                       fetched->size, sizeof *fetched);
    if ((!fetched->pieces && fetched->n_pieces) || !fetched->missing || fetched->cap == 0)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                       "zipnn_archive_decode: pieces are NULL, or there is no room "
                       "for what is missing");
    ZN_TRY(check_range(a, off, len, err));
    struct zn_fetched f = {
        .piece = fetched->pieces, .n = fetched->n_pieces, .missing = fetched->missing, .cap = fetched->cap};
    ZN_TRY(decode(ctx, a, off, len, dst, &f, err));
    zn_fetched_settle(&f);
    fetched->n_missing = f.n_missing;
    return ZIPNN_OK;
}
