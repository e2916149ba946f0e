/* Recompresses: makes another archive of the same original. */
#include "api/context.h"
#include "workers/windows.h"

enum { WINDOW = 8 << 20 };

/* Makes a second context to decode with, since the caller's is busy encoding. The caller's executor must not be entered
 * from its own tasks: then the thread that asks decodes alone. */
static zipnn_status create_decoder(const zipnn_ctx *ctx, zipnn_ctx **decoder, zipnn_error *err) {
    const bool own_threads = ctx->engine.pool != NULL;
    const zipnn_options options = {
        .size = sizeof options, .threads = own_threads ? ctx->engine.n_workers : 1, .allocator = ctx->engine.alloc};
    ZN_TRY(zipnn_create(&options, decoder, err));
    (*decoder)->engine.k = ctx->engine.k;
    return ZIPNN_OK;
}

static zipnn_status fetch(void *archive, uint64_t off, uint64_t len, void *dst, zipnn_error *err) {
    return zipnn_archive_read(archive, off, len, dst, err);
}

/* Compares the digests in the old archive, which were computed from the original itself, with those of what was
 * decoded. */
static zipnn_status compare_digests(const zipnn_archive_info *old, const zipnn_stats *now, zipnn_error *err) {
    if (old->unverified) return ZIPNN_OK;
    const bool same = memcmp(old->xxh3, now->xxh3, sizeof old->xxh3) == 0 &&
                      (!old->has_sha256 || memcmp(old->sha256, now->sha256, sizeof old->sha256) == 0);
    if (same && old->original == now->original) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE,
                   "all chunks verify, but the digest of the whole original does not match");
}

static zipnn_status recompress(zipnn_ctx *ctx, zipnn_archive *archive, const zipnn_sink *sink, zipnn_stats *stats,
                               zipnn_error *err) {
    zipnn_archive_info info;
    struct zn_windows windows;
    struct zn_job job = ctx->job;
    struct zn_input in;
    struct zn_output out;
    zipnn_archive_get_info(archive, &info);
    ZN_TRY(zn_job_allows(&ctx->job, info.original, err));
    if (info.n_bases)
        return zn_fail(
            err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
            "is a difference from another file, and differences are not recompressed: restore it and compress "
            "that");
    ZN_TRY(zn_output_of_sink(sink, &out, err));
    ZN_TRY(zn_windows_open(&windows, &ctx->engine.alloc, fetch, archive, info.original, WINDOW, err));
    const zipnn_source original = {.read_at = zn_windows_read_at, .length = info.original, .user = &windows};
    job.sha256 |= info.has_sha256 != 0;
    zipnn_status status = zn_input_of_source(&original, &in, err);
    if (status == ZIPNN_OK) status = zn_pack_input(ctx, &job, &in, &out, stats, err);
    zn_windows_close(&windows);
    if (status != ZIPNN_OK) return status;
    stats->unverified = info.unverified;
    return compare_digests(&info, stats, err);
}

zipnn_status zipnn_recompress(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink, zipnn_stats *stats,
                              zipnn_error *err) {
    zipnn_ctx *decoder = NULL;
    zipnn_archive *archive = NULL;
    zipnn_stats unwanted;
    zn_clear_error(err);
    if (!ctx) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_recompress: ctx is NULL");
    ZN_TRY(create_decoder(ctx, &decoder, err));
    zipnn_status status = zipnn_archive_open(decoder, source, &archive, err);
    if (status == ZIPNN_OK) status = recompress(ctx, archive, sink, stats ? stats : &unwanted, err);
    zipnn_archive_close(archive);
    zipnn_destroy(decoder);
    return status;
}
