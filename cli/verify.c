#include "verify.h"

#include <string.h>

#include "run.h"

static zipnn_status not_as_written(const char *path, zipnn_error *err) {
    return run_fail(err, ZIPNN_E_CORRUPT, "kept, for reading back %.100s gives other bytes than were written", path);
}

zipnn_status verify_archive(zipnn_ctx *ctx, const char *path, const zipnn_stats *stats, zipnn_error *err) {
    zipnn_file *file;
    zipnn_source source;
    zipnn_stats found;
    zipnn_status st = zipnn_file_open(path, &file, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(file, &source);
    st = zipnn_test(ctx, &source, &found, err);
    zipnn_file_close(file);
    if (st == ZIPNN_E_IO || st == ZIPNN_E_MEMORY) return st;
    bool same =
        st == ZIPNN_OK && found.original == stats->original && memcmp(found.xxh3, stats->xxh3, sizeof found.xxh3) == 0;
    return same ? ZIPNN_OK : not_as_written(path, err);
}

/* A sink that writes nothing: it compares with a file. */
struct comparison {
    const char *path;
    zipnn_source file;
    uint64_t at; /* of the sequential call */
};

static zipnn_status compare_at(void *user, uint64_t off, const void *buf, size_t len, zipnn_error *err) {
    const struct comparison *c = user;
    const unsigned char *expected = buf;
    unsigned char found[1 << 15];
    while (len > 0) {
        size_t n = len < sizeof found ? len : sizeof found;
        zipnn_status st = c->file.read_at(c->file.user, off, found, n, err);
        if (st != ZIPNN_OK) return st;
        if (memcmp(found, expected, n) != 0) return not_as_written(c->path, err);
        expected += n;
        off += n;
        len -= n;
    }
    return ZIPNN_OK;
}

static zipnn_status compare_next(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct comparison *c = user;
    c->at += len;
    return compare_at(c, c->at - len, buf, len, err);
}

zipnn_status verify_restored(zipnn_ctx *ctx, zipnn_file *archive, const char *path, const zipnn_stats *stats,
                             zipnn_error *err) {
    zipnn_file *file;
    zipnn_source source;
    struct comparison c = {.path = path};
    zipnn_sink sink = {compare_next, compare_at, &c};
    zipnn_status st = zipnn_file_open(path, &file, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(file, &c.file);
    zipnn_file_source(archive, &source);
    if (!c.file.read_at || !source.read_at)
        st = run_fail(err, ZIPNN_E_ARGUMENT, "kept, for only regular files can be compared");
    else if (c.file.length != stats->original)
        st = not_as_written(path, err);
    else
        st = zipnn_unpack(ctx, &source, &sink, NULL, err);
    zipnn_file_close(file);
    return st;
}
