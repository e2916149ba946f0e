/* Checks the arguments of zipnn/sync.h. */
#include "zipnn/sync.h"

#include "api/context.h"
#include "sync/updates.h"

/* Copies a struct whose first field is its size over zeros. What a longer one has beyond must be zero. */
static zipnn_status copy_sized(const void *given, void *to, size_t len, const char *what, zipnn_error *err) {
    size_t size;
    memset(to, 0, len);
    if (!given) return ZIPNN_OK;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "%s.size is %zu", what, size);
    memcpy(to, given, ZN_MIN(size, len));
    for (size_t i = len; i < size; i++)
        if (((const uint8_t *)given)[i])
            return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE, "%s has fields that this library does not know", what);
    return ZIPNN_OK;
}

/* Fills the caller's struct as far as it goes. */
static zipnn_status give_sized(const void *full, size_t len, void *to, const char *what, zipnn_error *err) {
    size_t size;
    if (!to) return ZIPNN_OK;
    memcpy(&size, to, sizeof size);
    if (size < sizeof size) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "%s.size is %zu", what, size);
    if (size > sizeof size)
        memcpy((uint8_t *)to + sizeof size, (const uint8_t *)full + sizeof size, ZN_MIN(size, len) - sizeof size);
    return ZIPNN_OK;
}

static zipnn_status give_stats(const zipnn_update_stats *full, zipnn_update_stats *stats, zipnn_error *err) {
    return give_sized(full, sizeof *full, stats, "zipnn_update_stats", err);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

zipnn_status zipnn_weights_open(zipnn_ctx *ctx, const zipnn_tensor *tensors, size_t n, int copy, uint64_t version,
                                zipnn_weights **weights, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_weights_open", ctx, weights, err));
    if (n) ZN_TRY(zn_given("zipnn_weights_open", ctx, tensors, err));
    return zn_weights_open(&ctx->job, tensors, n, copy != 0, version, weights, err);
}

void zipnn_weights_close(zipnn_weights *weights) {
    zn_weights_close(weights);
}

zipnn_status zipnn_weights_get_info(const zipnn_weights *w, zipnn_weights_info *info, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_weights_get_info", w, info, err));
    zipnn_weights_info full = {
        .version = w->state.version, .bytes = w->roster.bytes, .n_tensors = w->roster.n, .torn = w->torn};
    memcpy(full.digest, w->state.digest, sizeof full.digest);
    return give_sized(&full, sizeof full, info, "zipnn_weights_info", err);
}

/* ---- updates ----------------------------------------------------------------------------------------------------- */

static zipnn_status request_of(const zipnn_update_options *options, const zipnn_weights *base,
                               struct zn_update_request *request, zipnn_error *err) {
    zipnn_update_options o;
    ZN_TRY(copy_sized(options, &o, sizeof o, "zipnn_update_options", err));
    if ((unsigned)o.form > ZIPNN_UPDATE_WHOLE)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "form %d of an update does not exist", (int)o.form);
    if ((!o.note && o.note_len) || o.note_len > ZN_UPDATE_MAX_NOTE)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a note of %zu bytes: it is NULL, or has more than %d",
                       o.note_len, ZN_UPDATE_MAX_NOTE);
    *request = (struct zn_update_request){.form = o.form,
                                          .version = o.version ? o.version : base->state.version + 1,
                                          .note = o.note,
                                          .note_len = (uint32_t)o.note_len,
                                          .keep_base = o.keep_base != 0};
    return ZIPNN_OK;
}

zipnn_status zipnn_update_pack(zipnn_ctx *ctx, zipnn_weights *base, const zipnn_tensor *tensors, size_t n,
                               const zipnn_update_options *options, const zipnn_sink *sink, zipnn_update_stats *stats,
                               zipnn_error *err) {
    struct zn_update_request request;
    struct zn_output out;
    zipnn_update_stats full = {0};
    ZN_TRY(zn_given("zipnn_update_pack", ctx, base, err));
    if (n) ZN_TRY(zn_given("zipnn_update_pack", ctx, tensors, err));
    ZN_TRY(request_of(options, base, &request, err));
    ZN_TRY(zn_output_of_sink(sink, &out, err));
    ZN_TRY(zn_update_pack(&ctx->job, base, tensors, n, &request, &out, &full, err));
    return give_stats(&full, stats, err);
}

zipnn_status zipnn_update_apply(zipnn_ctx *ctx, zipnn_weights *weights, const zipnn_source *source,
                                const zipnn_update_listener *listener, zipnn_update_stats *stats, zipnn_error *err) {
    zipnn_update_listener l;
    struct zn_input in;
    zipnn_update_stats full = {0};
    ZN_TRY(zn_given("zipnn_update_apply", ctx, weights, err));
    ZN_TRY(copy_sized(listener, &l, sizeof l, "zipnn_update_listener", err));
    ZN_TRY(zn_input_of_source(source, &in, err));
    ZN_TRY(zn_update_apply(&ctx->job, weights, &in, &l, &full, err));
    return give_stats(&full, stats, err);
}

zipnn_status zipnn_update_changes(zipnn_ctx *ctx, const zipnn_weights *base, const zipnn_source *source,
                                  const zipnn_update_listener *listener,
                                  zipnn_status (*take)(void *user, const zipnn_changes *changes, zipnn_error *err),
                                  void *user, zipnn_update_stats *stats, zipnn_error *err) {
    zipnn_update_listener l;
    struct zn_input in;
    zipnn_update_stats full = {0};
    ZN_TRY(zn_given("zipnn_update_changes", ctx, source, err));
    ZN_TRY(copy_sized(listener, &l, sizeof l, "zipnn_update_listener", err));
    ZN_TRY(zn_input_of_source(source, &in, err));
    ZN_TRY(zn_update_changes(&ctx->job, base, &in, &l, take, user, &full, err));
    return give_stats(&full, stats, err);
}

zipnn_status zipnn_update_merge(zipnn_ctx *ctx, const zipnn_source *first, const zipnn_source *second,
                                const zipnn_sink *sink, zipnn_update_stats *stats, zipnn_error *err) {
    struct zn_input one, other;
    struct zn_output out;
    zipnn_update_stats full = {0};
    ZN_TRY(zn_given("zipnn_update_merge", ctx, sink, err));
    ZN_TRY(zn_input_of_source(first, &one, err));
    ZN_TRY(zn_input_of_source(second, &other, err));
    ZN_TRY(zn_output_of_sink(sink, &out, err));
    if (!zn_input_is_random(&one) || !zn_input_is_random(&other))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_update_merge needs read_at");
    ZN_TRY(zn_update_merge(&ctx->job, &one, &other, &out, &full, err));
    return give_stats(&full, stats, err);
}
