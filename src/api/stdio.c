/* zipnn_fopen: the original of an archive as a FILE *. */
#include "zipnn/stdio.h"

#include <stdlib.h>

#include "api/context.h"
#include "io/files_stream.h"

/* What a stream owns. */
struct opened {
    zipnn_ctx *ctx;
    zipnn_file *file;
    zipnn_archive *archive;
};

static void close_opened(void *user) {
    struct opened *o = user;
    zipnn_archive_close(o->archive);
    zipnn_file_close(o->file);
    zipnn_destroy(o->ctx);
    free(o);
}

static zipnn_status read_original(void *user, uint64_t off, void *buf, size_t len) {
    const struct opened *o = user;
    return zipnn_archive_read(o->archive, off, len, buf, NULL);
}

static zipnn_status open_archive(const char *path, const zipnn_options *options, struct opened *o, zipnn_error *err) {
    zipnn_source source;
    ZN_TRY(zipnn_file_open(path, &o->file, err));
    zipnn_file_source(o->file, &source);
    if (!source.read_at)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "%.200s: only a regular file can be read as a stream", path);
    ZN_TRY(zipnn_create(options, &o->ctx, err));
    if (source.length == 0) return ZIPNN_E_FORMAT; /* a plain file of no bytes */
    return zipnn_archive_open(o->ctx, &source, &o->archive, err);
}

static zipnn_status open_stream(const char *path, const zipnn_options *options, FILE **stream, zipnn_error *err) {
    struct opened *o = calloc(1, sizeof *o);
    if (!o) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "no memory for a stream");
    zipnn_archive_info info;
    zipnn_status st = open_archive(path, options, o, err);
    const bool plain = st == ZIPNN_E_FORMAT;
    if (st == ZIPNN_OK) {
        zipnn_archive_get_info(o->archive, &info);
        const struct zn_stream_source source = {info.original, read_original, close_opened, o};
        st = zn_stream_open(&source, path, stream, err);
    }
    if (st != ZIPNN_OK) close_opened(o);
    return plain ? zn_stream_open_file(path, stream, err) : st;
}

FILE *zipnn_fopen(const char *path, const zipnn_options *options, zipnn_error *err) {
    FILE *stream = NULL;
    if (zn_given("zipnn_fopen", path, path, err) != ZIPNN_OK) return NULL;
    return open_stream(path, options, &stream, err) == ZIPNN_OK ? stream : NULL;
}
