#include "api/context.h"

#include "plan/dtype.h"

#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *zipnn_version(void) {
    return VERSION_TEXT(ZIPNN_VERSION_MAJOR, ZIPNN_VERSION_MINOR, ZIPNN_VERSION_PATCH);
}

const char *zipnn_status_name(zipnn_status status) {
    static const char *const names[] = {"ok",        "argument",  "memory",      "io",    "format",
                                        "truncated", "corrupt",   "unsupported", "limit", "space",
                                        "not found", "cancelled", "base"};
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "unknown";
}

/* Copies the caller's options over zeros. What a longer struct has beyond them must be zero. */
static zipnn_status copy_options(const zipnn_options *given, zipnn_options *o, zipnn_error *err) {
    memset(o, 0, sizeof *o);
    if (!given) return ZIPNN_OK;
    if (given->size < sizeof given->size)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_options.size is %zu", given->size);
    memcpy(o, given, ZN_MIN(given->size, sizeof *o));
    for (size_t i = sizeof *o; i < given->size; i++)
        if (((const uint8_t *)given)[i])
            return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                           "zipnn_options has fields that this library does not know");
    if ((o->allocator.alloc == NULL) != (o->allocator.release == NULL))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "an allocator needs both alloc and release");
    if ((unsigned)o->dtype >= ZN_N_DTYPES || (unsigned)o->verify > ZIPNN_VERIFY_OFF)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "dtype %d or verify %d does not exist", (int)o->dtype,
                       (int)o->verify);
    if ((unsigned)o->repeats > ZIPNN_REPEATS_OFF)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "repeats %d does not exist", (int)o->repeats);
    if (!o->known && o->n_known)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "n_known is %zu, but known is NULL", o->n_known);
    if (!o->bases && o->n_bases)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "n_bases is %zu, but bases is NULL", o->n_bases);
    if (o->base && (!o->base->read_at || o->base->length == UINT64_MAX))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a base needs read_at and its length");
    return ZIPNN_OK;
}

/* On failure nothing is owned. */
static zipnn_status init(zipnn_ctx *ctx, const zipnn_options *o, zipnn_error *err) {
    memset(ctx, 0, sizeof *ctx);
    ctx->job.e = &ctx->engine;
    ctx->job.bases = &ctx->bases;
    ctx->job.old = &ctx->old;
    ctx->dtype = o->dtype;
    ctx->repeats = o->repeats;
    ctx->n_direct = o->n_direct && o->n_direct < o->n_bases ? o->n_direct : o->n_bases;
    ctx->base = o->base ? *o->base : (zipnn_source){.length = 0};
    ZN_TRY(zn_job_init(&ctx->job, o, err));
    ZN_TRY(zn_engine_init(&ctx->engine, o, err));
    const zipnn_status status = zn_bases_create(&ctx->engine, o, &ctx->bases, err);
    if (status != ZIPNN_OK) zn_engine_release(&ctx->engine);
    return status;
}

zipnn_status zipnn_create(const zipnn_options *options, zipnn_ctx **out, zipnn_error *err) {
    zipnn_options o;
    zn_clear_error(err);
    if (!out) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_create: a pointer is NULL");
    ZN_TRY(copy_options(options, &o, err));
    zipnn_allocator alloc = zn_allocator_or_default(&o.allocator);
    zipnn_ctx *ctx = zn_alloc(&alloc, sizeof *ctx);
    if (!ctx) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory creating a context");
    zipnn_status status = init(ctx, &o, err);
    if (status == ZIPNN_OK)
        *out = ctx;
    else
        zn_free(&alloc, ctx);
    return status;
}

void zipnn_destroy(zipnn_ctx *ctx) {
    if (!ctx) return;
    zipnn_allocator alloc = ctx->engine.alloc;
    zn_bases_destroy(&ctx->bases);
    zn_old_scratch_free(&ctx->old, &alloc);
    zn_free(&alloc, ctx->tile);
    zn_engine_release(&ctx->engine);
    zn_free(&alloc, ctx);
}

const char *zipnn_kernel_name(const zipnn_ctx *ctx) {
    return ctx ? ctx->engine.k->name : "";
}
