/* Writes the old format. */
#include "api/context.h"
#include "legacy/tensor_file_write.h"

static zipnn_status write_form(zipnn_ctx *ctx, zipnn_old_form form, const zipnn_source *source, const zipnn_sink *sink,
                               uint64_t *size, zipnn_error *err) {
    const zipnn_dtype dtype = ctx->dtype == ZIPNN_DTYPE_UNKNOWN ? ZIPNN_BF16 : ctx->dtype;
    const struct zn_old_make make = zn_old_make_default(dtype);
    const zipnn_source *base = ctx->base.read_at ? &ctx->base : NULL;
    struct zn_old_press *press;
    ZN_TRY(zn_old_press_create(&ctx->engine.alloc, &press, err));
    zipnn_status status = form == ZIPNN_OLD_SAFETENSORS
                              ? zn_tensor_file_write(&ctx->engine.alloc, press, source, sink, size, err)
                              : zn_old_file_write(press, source, base, &make, sink, size, err);
    zn_old_press_free(press);
    return status;
}

zipnn_status zipnn_pack_old(zipnn_ctx *ctx, zipnn_old_form form, const zipnn_source *source, const zipnn_sink *sink,
                            zipnn_stats *stats, zipnn_error *err) {
    uint64_t size;
    zn_clear_error(err);
    if (!ctx || !source || !sink || !sink->write || (unsigned)form > ZIPNN_OLD_SAFETENSORS)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                       "zipnn_pack_old: a pointer is NULL or the form does not exist");
    if (!source->read_at || source->length == UINT64_MAX)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "old records are written from a file: a source with read_at");
    ZN_TRY(write_form(ctx, form, source, sink, &size, err));
    if (stats) *stats = (zipnn_stats){.original = source->length, .archive = size, .unverified = 1};
    return ZIPNN_OK;
}
