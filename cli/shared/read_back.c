#include "shared/read_back.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "shared/cli_fail.h"
#include "shared/concatenated.h"

static zipnn_status not_as_written(const char *path, zipnn_error *err) {
    return cli_fail(err, ZIPNN_E_CORRUPT, "the file is kept: reading back %.100s gives other bytes than were written",
                    path);
}

/* A sink that writes nothing. It compares with a source, up to the end even if it finds a difference. */
struct comparison {
    const zipnn_source *with;
    uint64_t at; /* of the sequential call */
    atomic_bool differs;
};

static zipnn_status compare_at(void *user, uint64_t off, const void *buf, size_t len, zipnn_error *err) {
    struct comparison *c = user;
    const unsigned char *expected = buf;
    unsigned char found[1 << 15];
    if (off > c->with->length || len > c->with->length - off) atomic_store(&c->differs, true);
    while (len > 0 && !atomic_load(&c->differs)) {
        const size_t n = len < sizeof found ? len : sizeof found;
        zipnn_status st = c->with->read_at(c->with->user, off, found, n, err);
        if (st != ZIPNN_OK) return st;
        if (memcmp(found, expected, n) != 0) atomic_store(&c->differs, true);
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

/* Returns whether a status says that an archive is wrong, and not that it could not be read. */
static bool is_damage(zipnn_status st) {
    return st != ZIPNN_OK && st != ZIPNN_E_IO && st != ZIPNN_E_MEMORY && st != ZIPNN_E_BASE && st != ZIPNN_E_CANCELLED;
}

/* Decodes `archive` and compares it with `with` (NULL: with nothing). Fills *stats. */
static zipnn_status decode(zipnn_ctx *ctx, const zipnn_source *archive, const zipnn_source *with, bool *differs,
                           zipnn_stats *stats, zipnn_error *err) {
    struct comparison c = {.with = with};
    const zipnn_sink sink = {compare_next, compare_at, &c};
    atomic_init(&c.differs, false);
    struct restored restored = {.n = 0};
    const struct restoring r = {ctx, with ? &sink : NULL, 0, &restored};
    zipnn_status st = joined_restore(&r, archive, err);
    *stats = restored.stats;
    *differs = atomic_load(&c.differs) || (with && st == ZIPNN_OK && stats->original != with->length);
    if (st == ZIPNN_OK && stats->n_unchecked)
        st = cli_fail(err, ZIPNN_E_BASE, "the file is kept: a base of the archive is missing");
    return st;
}

zipnn_status verify_archive(zipnn_ctx *ctx, const zipnn_file *archive, const char *path, const struct made_from *from,
                            zipnn_error *err) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_stats found;
    bool differs;
    zipnn_status st = zipnn_file_read_back(archive, &file, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(file, &source);
    st = decode(ctx, &source, from->source, &differs, &found, err);
    zipnn_file_close(file);
    const bool other =
        st == ZIPNN_OK && !from->stats->unverified &&
        (found.original != from->stats->original || memcmp(found.xxh3, from->stats->xxh3, sizeof found.xxh3) != 0);
    if (other || is_damage(st)) return not_as_written(path, err);
    if (st != ZIPNN_OK || !differs) return st;
    return cli_fail(err, ZIPNN_E_IO, "%.150s: kept: it holds other bytes now than those that were compressed",
                    from->path);
}

zipnn_status verify_restored(zipnn_ctx *ctx, const char *path, const zipnn_file *written, const char *output,
                             zipnn_error *err) {
    zipnn_file *archive = NULL, *file = NULL;
    zipnn_source source, restored;
    zipnn_stats stats;
    bool differs = false;
    zipnn_status st = zipnn_file_read_back(written, &file, err);
    if (st == ZIPNN_OK) st = zipnn_file_open(path, &archive, err);
    if (st == ZIPNN_OK) st = zipnn_file_at_rest(archive, err);
    if (st == ZIPNN_OK) {
        zipnn_file_source(file, &restored);
        zipnn_file_source(archive, &source);
        if (source.read_at)
            st = decode(ctx, &source, &restored, &differs, &stats, err);
        else
            st = cli_fail(err, ZIPNN_E_ARGUMENT, "the file is kept: only regular files can be compared");
    }
    zipnn_file_close(archive);
    zipnn_file_close(file);
    return st == ZIPNN_OK && differs ? not_as_written(output, err) : st;
}
