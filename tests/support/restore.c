#include "support/restore.h"

#include <string.h>

#include "support/streams.h"

static zipnn_status by_memory(zipnn_ctx *ctx, const uint8_t *archive, size_t len, uint8_t *out, size_t cap, size_t *got,
                              zipnn_error *err) {
    return zipnn_decompress(ctx, archive, len, out, cap, got, err);
}

static zipnn_status unpack(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink,
                           const struct zt_output *out, size_t *got, zipnn_error *err) {
    zipnn_stats stats;
    memset(&stats, 0xEE, sizeof stats);
    zipnn_status status = zipnn_unpack(ctx, source, sink, &stats, err);
    if (status != ZIPNN_OK) return status;
    *got = out->written;
    return stats.original == out->written && !out->overrun ? ZIPNN_OK : ZT_BROKEN;
}

static zipnn_status by_pipe(zipnn_ctx *ctx, const uint8_t *archive, size_t len, uint8_t *out, size_t cap, size_t *got,
                            zipnn_error *err) {
    struct zt_input in = {.data = archive, .len = len};
    struct zt_output to = {.data = out, .cap = cap};
    zipnn_source source = zt_pipe(&in);
    zipnn_sink sink = zt_pipe_sink(&to);
    return unpack(ctx, &source, &sink, &to, got, err);
}

static zipnn_status by_file_to_pipe(zipnn_ctx *ctx, const uint8_t *archive, size_t len, uint8_t *out, size_t cap,
                                    size_t *got, zipnn_error *err) {
    struct zt_input in = {.data = archive, .len = len};
    struct zt_output to = {.data = out, .cap = cap};
    zipnn_source source = zt_file(&in);
    zipnn_sink sink = zt_pipe_sink(&to);
    return unpack(ctx, &source, &sink, &to, got, err);
}

static zipnn_status by_file(zipnn_ctx *ctx, const uint8_t *archive, size_t len, uint8_t *out, size_t cap, size_t *got,
                            zipnn_error *err) {
    struct zt_input in = {.data = archive, .len = len};
    struct zt_output to = {.data = out, .cap = cap};
    zipnn_source source = zt_file(&in);
    zipnn_sink sink = zt_file_sink(&to);
    zipnn_status status = unpack(ctx, &source, &sink, &to, got, err);
    return in.overrun ? ZT_BROKEN : status;
}

static zipnn_status by_test(zipnn_ctx *ctx, const uint8_t *archive, size_t len, uint8_t *out, size_t cap, size_t *got,
                            zipnn_error *err) {
    struct zt_input in = {.data = archive, .len = len};
    zipnn_source source = zt_pipe(&in);
    zipnn_status status = zipnn_test(ctx, &source, NULL, err);
    return status == ZIPNN_OK ? zipnn_decompress(ctx, archive, len, out, cap, got, err) : status;
}

static zipnn_status by_range(zipnn_ctx *ctx, const uint8_t *archive, size_t len, uint8_t *out, size_t cap, size_t *got,
                             zipnn_error *err) {
    struct zt_input in = {.data = archive, .len = len};
    zipnn_source source = zt_map(&in);
    zipnn_archive *a;
    zipnn_status status = zipnn_archive_open(ctx, &source, &a, err);
    if (status != ZIPNN_OK) return status;
    zipnn_archive_info info;
    zipnn_archive_get_info(a, &info);
    *got = (size_t)info.original;
    status = info.original > cap ? ZIPNN_E_SPACE : zipnn_archive_read(a, 0, info.original, out, err);
    zipnn_archive_close(a);
    return in.overrun ? ZT_BROKEN : status;
}

const struct zt_way zt_ways[ZT_N_WAYS] = {
    {"decompress", by_memory, true, false, false, false},
    {"unpack, pipe", by_pipe, true, true, false, true},
    {"unpack, file to pipe", by_file_to_pipe, true, true, true, false},
    {"unpack, file", by_file, true, true, true, false},
    {"test", by_test, true, true, false, true},
    {"archive_read", by_range, false, false, false, false},
};
