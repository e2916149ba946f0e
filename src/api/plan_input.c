#include "api/context.h"
#include "readers/readers.h"

/* Bare weights of a type that the caller named: one tensor without end. */
static zipnn_status plan_bare(const zipnn_ctx *ctx, struct zn_plan *plan, zipnn_error *err) {
    if (plan->n_tensors || ctx->dtype == ZIPNN_DTYPE_UNKNOWN || strcmp(plan->container, "raw") != 0) return ZIPNN_OK;
    ZN_TRY(zn_plan_add(plan, 0, (uint64_t)INT64_MAX, ctx->dtype, "", 0, NULL, 0, err));
    zn_plan_finish(plan);
    return ZIPNN_OK;
}

/* The first `want` bytes of the input, or all it has: *len of them at *head, which grows. */
static zipnn_status read_head(zipnn_ctx *ctx, struct zn_input *in, size_t want, uint8_t **head, size_t *cap,
                              size_t *len, zipnn_error *err) {
    void *grown = *head;
    zipnn_status status = zn_grow(&ctx->engine.alloc, &grown, cap, want, 1, err);
    *head = grown;
    ZN_TRY(status);
    if (zn_input_is_random(in)) {
        const uint8_t *bytes;
        *len = (size_t)ZN_MIN(in->length, (uint64_t)want);
        ZN_TRY(zn_input_at(in, 0, *len, *head, &bytes, err));
        if (bytes != *head && *len) memcpy(*head, bytes, *len);
        return ZIPNN_OK;
    }
    size_t got;
    ZN_TRY(zn_input_next(in, *head + *len, want - *len, &got, err));
    *len += got;
    return ZIPNN_OK;
}

static zipnn_status plan_head(zipnn_ctx *ctx, struct zn_input *in, struct zn_plan *plan, uint8_t **head,
                              zipnn_error *err) {
    size_t cap = 0, len = 0;
    ZN_TRY(read_head(ctx, in, ZN_SNIFF_LEN, head, &cap, &len, err));
    size_t want = zn_reader_want(*head, len);
    while (want > len) {
        const size_t asked = want;
        ZN_TRY(read_head(ctx, in, asked, head, &cap, &len, err));
        want = len < asked ? 0 : zn_reader_want(*head, len);
    }
    ZN_TRY(zn_reader_plan(*head, len, plan, err));
    ZN_TRY(plan_bare(ctx, plan, err));
    if (!zn_input_is_random(in)) {
        in->head = *head;
        in->head_len = len;
        in->pos = 0;
    }
    return ZIPNN_OK;
}

zipnn_status zn_plan_input(zipnn_ctx *ctx, struct zn_input *in, struct zn_plan *plan, uint8_t **head,
                           zipnn_error *err) {
    *head = NULL;
    zn_plan_init(plan, &ctx->engine.alloc);
    zipnn_status status = plan_head(ctx, in, plan, head, err);
    if (status == ZIPNN_OK) return ZIPNN_OK;
    zn_plan_free(plan);
    zn_free(&ctx->engine.alloc, *head);
    *head = NULL;
    return status;
}
