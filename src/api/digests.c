/* Digests of the bytes of a source. */
#include "zipnn/digests.h"

#include "api/context.h"
#include "workers/digest.h"

enum { STEP = 1 << 20 };

/* Reads up to STEP bytes from `done` on; *got is 0 at the end. */
static zipnn_status read_step(struct zn_input *in, uint64_t done, uint8_t *buf, const uint8_t **bytes, size_t *got,
                              zipnn_error *err) {
    *bytes = buf;
    if (!zn_input_is_random(in)) return zn_input_next(in, buf, STEP, got, err);
    *got = (size_t)ZN_MIN(in->length - done, (uint64_t)STEP);
    return *got ? zn_input_at(in, done, *got, buf, bytes, err) : ZIPNN_OK;
}

static zipnn_status digest_all(struct zn_input *in, struct zn_digest *d, uint8_t *buf, zipnn_stats *stats,
                               zipnn_error *err) {
    for (;;) {
        const uint8_t *bytes;
        size_t got;
        ZN_TRY(read_step(in, stats->original, buf, &bytes, &got, err));
        if (got == 0) return ZIPNN_OK;
        zn_digest_update(d, bytes, got);
        stats->original += got;
    }
}

zipnn_status zipnn_digests(zipnn_ctx *ctx, const zipnn_source *source, zipnn_stats *stats, zipnn_error *err) {
    zn_clear_error(err);
    struct zn_input in;
    struct zn_digest digest;
    if (!ctx || !stats) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_digests: a pointer is NULL");
    ZN_TRY(zn_input_of_source(source, &in, err));
    uint8_t *buf = zn_alloc(&ctx->engine.alloc, STEP);
    if (!buf) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %d bytes of a source", STEP);
    *stats = (zipnn_stats){.has_sha256 = 1};
    zn_digest_begin(&digest, ctx->engine.k, true);
    const zipnn_status status = digest_all(&in, &digest, buf, stats, err);
    zn_digest_result(&digest, stats->xxh3, stats->sha256);
    zn_free(&ctx->engine.alloc, buf);
    return status;
}
