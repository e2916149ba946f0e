/* Compresses and restores whole originals: from and to memory, from sources and to sinks. */
#include "api/context.h"
#include "api/relate.h"
#include "archive/old.h"
#include "jobs/apply.h"
#include "jobs/jobs.h"
#include "zipnn/joined.h"

zipnn_status zn_pack_input(zipnn_ctx *ctx, const struct zn_job *job, struct zn_input *in, const struct zn_output *out,
                           zipnn_stats *stats, zipnn_error *err) {
    struct zn_plan plan;
    uint8_t *head;
    ZN_TRY(zn_plan_input(ctx, in, &plan, &head, err));
    struct zn_relations relations;
    zipnn_status status = zn_relate(ctx, job, &plan, in, &relations, err);
    if (status == ZIPNN_OK) status = zn_pack(job, &plan, &relations, in, out, stats, err);
    zn_relations_free(ctx, &relations);
    zn_plan_free(&plan);
    zn_free(&ctx->engine.alloc, head);
    return status;
}

static zipnn_status restore_either(zipnn_ctx *ctx, struct zn_input *in, const struct zn_output *out,
                                   enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err) {
    struct zn_old_input old;
    ZN_TRY(zn_old_input_open(&ctx->engine, in, &ctx->base, &old, err));
    zipnn_status status = ZIPNN_OK;
    if (!old.self.old)
        status = zn_unpack(&ctx->job, in, out, digesting, stats, err);
    else
        status = zn_job_allows(&ctx->job, old.self.length, err);
    if (status == ZIPNN_OK && old.self.old) status = zn_old_restore(&ctx->job, &old.self, out, digesting, stats, err);
    zn_old_input_close(&old); /* holds a pipe's bytes even where they turn out to be no old record */
    return status;
}

/* Restores an archive or an input of the old format. */
static zipnn_status restore(zipnn_ctx *ctx, struct zn_input *in, const struct zn_output *out,
                            enum zn_digesting digesting, zipnn_stats *stats, zipnn_error *err) {
    struct zn_glance glance;
    ZN_TRY(zn_glance_begin(&glance, &ctx->engine.alloc, in, err));
    const zipnn_status status = restore_either(ctx, in, out, digesting, stats, err);
    zn_glance_end(&glance, &ctx->engine.alloc);
    return status;
}

uint64_t zipnn_compress_bound(uint64_t len) {
    /* A chunk takes at most its own length, 9 bytes, a frame head and an index entry. All chunks but a few have 4 KiB
     * or more. */
    uint64_t chunks = len / (4 << 10) + 4, overhead, bound;
    uint64_t fixed = ZN_HEADER_LEN + ZN_FRAME_LEN + ZN_INDEX_LEN + ZN_SHA256_LEN + ZN_TRAILER_LEN;
    if (!zn_mul(chunks, ZN_FRAME_LEN + 9 + ZN_ENTRY_LEN, &overhead) || !zn_add(len, overhead, &bound) ||
        !zn_add(bound, fixed, &bound))
        return UINT64_MAX;
    return bound;
}

zipnn_status zipnn_compress(zipnn_ctx *ctx, const void *src, size_t len, void *dst, size_t cap, size_t *out_len,
                            zipnn_error *err) {
    zn_clear_error(err);
    if (!ctx || (!src && len) || !dst || !out_len)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_compress: a pointer is NULL");
    struct zn_input in = zn_input_of_memory(src, len);
    struct zn_output out = {.mem = dst, .cap = cap};
    zipnn_stats stats;
    ZN_TRY(zn_pack_input(ctx, &ctx->job, &in, &out, &stats, err));
    *out_len = (size_t)stats.archive;
    return ZIPNN_OK;
}

static zipnn_status measure(zipnn_ctx *ctx, const void *src, size_t len, uint64_t *original, zipnn_error *err) {
    struct zn_input in = zn_input_of_memory(src, len);
    struct zn_old_input old;
    struct zn_archive archive;
    ZN_TRY(zn_old_input_open(&ctx->engine, &in, NULL, &old, err));
    if (old.self.old) {
        *original = old.self.length;
        zn_old_input_close(&old);
        return ZIPNN_OK;
    }
    ZN_TRY(zn_archive_open(&ctx->engine.alloc, ctx->engine.k, &in, &archive, err));
    *original = archive.self.length;
    zn_archive_close(&archive, &ctx->engine.alloc);
    return ZIPNN_OK;
}

zipnn_status zipnn_original_size(const void *src, size_t len, uint64_t *original, zipnn_error *err) {
    zn_clear_error(err);
    if ((!src && len) || !original)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_original_size: a pointer is NULL");
    zipnn_ctx *ctx;
    ZN_TRY(zipnn_create(NULL, &ctx, err));
    const zipnn_status status = measure(ctx, src, len, original, err);
    zipnn_destroy(ctx);
    return status;
}

zipnn_status zipnn_decompress(zipnn_ctx *ctx, const void *src, size_t len, void *dst, size_t cap, size_t *out_len,
                              zipnn_error *err) {
    zn_clear_error(err);
    if (!ctx || (!src && len) || (!dst && cap) || !out_len)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_decompress: a pointer is NULL");
    uint8_t nothing;
    struct zn_input in = zn_input_of_memory(src, len);
    struct zn_output out = {.mem = dst ? dst : &nothing, .cap = cap};
    zipnn_stats stats;
    ZN_TRY(restore(ctx, &in, &out, ZN_DIGEST_IGNORE, &stats, err));
    *out_len = (size_t)stats.original;
    return ZIPNN_OK;
}

zipnn_status zipnn_pack(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink, zipnn_stats *stats,
                        zipnn_error *err) {
    zn_clear_error(err);
    struct zn_input in;
    struct zn_output out;
    if (!ctx) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_pack: ctx is NULL");
    ZN_TRY(zn_input_of_source(source, &in, err));
    ZN_TRY(zn_output_of_sink(sink, &out, err));
    return zn_pack_input(ctx, &ctx->job, &in, &out, stats, err);
}

zipnn_status zipnn_unpack(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink, zipnn_stats *stats,
                          zipnn_error *err) {
    zn_clear_error(err);
    struct zn_input in;
    struct zn_output out;
    if (!ctx) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_unpack: ctx is NULL");
    ZN_TRY(zn_input_of_source(source, &in, err));
    ZN_TRY(zn_output_of_sink(sink, &out, err));
    return restore(ctx, &in, &out, ZN_DIGEST_VERIFY, stats, err);
}

int zipnn_needs_read_at(const void *head, size_t len) {
    struct zn_header header;
    return head && zn_header_read(head, len, &header, zn_kernels_scalar.xxh3_64, NULL) == ZIPNN_OK &&
           (header.flags & ZN_FLAG_SELF) != 0;
}

zipnn_status zipnn_test(zipnn_ctx *ctx, const zipnn_source *source, zipnn_stats *stats, zipnn_error *err) {
    zn_clear_error(err);
    struct zn_input in;
    if (!ctx) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_test: ctx is NULL");
    ZN_TRY(zn_input_of_source(source, &in, err));
    struct zn_output out = {.sink = NULL};
    return restore(ctx, &in, &out, ZN_DIGEST_VERIFY, stats, err);
}

/* Finds where the first archive of the input ends. An input that begins with none, or with one whose end is not found,
 * is taken as it is: restoring it tells what is wrong. */
static uint64_t first_length(const struct zn_input *in) {
    uint8_t buf[ZN_HEADER_LEN];
    const uint8_t *bytes;
    struct zn_header header;
    const size_t len = (size_t)ZN_MIN(in->length, (uint64_t)sizeof buf);
    if (zn_input_at(in, 0, len, buf, &bytes, NULL) != ZIPNN_OK) return in->length;
    if (zn_header_read(bytes, len, &header, zn_kernels_scalar.xxh3_64, NULL) != ZIPNN_OK) return in->length;
    const uint64_t end = zn_archive_end(in, header.max_chunk);
    return end == ZN_NOWHERE ? in->length : end;
}

zipnn_status zipnn_joined_length(const zipnn_source *source, uint64_t *length, zipnn_error *err) {
    zn_clear_error(err);
    struct zn_input in;
    if (!length) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_joined_length: a pointer is NULL");
    ZN_TRY(zn_input_of_source(source, &in, err));
    if (!zn_input_is_random(&in))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_joined_length needs read_at");
    *length = first_length(&in);
    return ZIPNN_OK;
}

zipnn_status zipnn_joined_unpack(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink, zipnn_stats *stats,
                                 zipnn_error *err) {
    zn_clear_error(err);
    struct zn_input in;
    struct zn_output out = {.sink = NULL};
    if (!ctx) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_joined_unpack: ctx is NULL");
    ZN_TRY(zn_input_of_source(source, &in, err));
    if (sink) ZN_TRY(zn_output_of_sink(sink, &out, err));
    if (zn_input_is_random(&in)) in.length = first_length(&in);
    in.joined = true;
    return restore(ctx, &in, &out, ZN_DIGEST_VERIFY, stats, err);
}

zipnn_status zipnn_apply(zipnn_ctx *ctx, const zipnn_source *source, void *memory, size_t len, zipnn_stats *stats,
                         zipnn_error *err) {
    zn_clear_error(err);
    struct zn_input in;
    if (!ctx || (!memory && len)) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_apply: a pointer is NULL");
    ZN_TRY(zn_input_of_source(source, &in, err));
    if (!zn_input_is_random(&in)) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_apply needs read_at");
    uint8_t nothing;
    return zn_apply(&ctx->job, &in, memory ? memory : &nothing, len, stats, err);
}
