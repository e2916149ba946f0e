/* Estimates what compressing would give. */
#include "api/context.h"
#include "api/relate.h"
#include "jobs/sampling.h"

enum { DEFAULT_SAMPLE = 96 << 20 };

zipnn_status zipnn_estimate(zipnn_ctx *ctx, const zipnn_source *source, uint64_t max_sampled, zipnn_estimate_info *info,
                            zipnn_error *err) {
    struct zn_input in;
    struct zn_plan plan;
    uint8_t *head;
    zn_clear_error(err);
    if (!ctx || !info) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_estimate: a pointer is NULL");
    ZN_TRY(zn_input_of_source(source, &in, err));
    if (!zn_input_is_random(&in))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "an estimate needs a source with read_at");
    ZN_TRY(zn_plan_input(ctx, &in, &plan, &head, err));
    struct zn_relations relations;
    zipnn_status status = zn_relate(ctx, &ctx->job, &plan, &in, &relations, err);
    if (status == ZIPNN_OK)
        status = zn_estimate(&ctx->job, &plan, &relations, &in, max_sampled ? max_sampled : DEFAULT_SAMPLE, info, err);
    zn_relations_free(ctx, &relations);
    zn_plan_free(&plan);
    zn_free(&ctx->engine.alloc, head);
    return status;
}
