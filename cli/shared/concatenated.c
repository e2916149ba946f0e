#include "shared/concatenated.h"

#include <inttypes.h>
#include <string.h>

#include "shared/cli_fail.h"
#include "zipnn/joined.h"

static zipnn_status read_at(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const struct joined *j = user;
    return j->whole->read_at(j->whole->user, j->at + off, buf, len, err);
}

static zipnn_status view(void *user, uint64_t off, size_t len, const void **bytes, zipnn_error *err) {
    const struct joined *j = user;
    return j->whole->view(j->whole->user, j->at + off, len, bytes, err);
}

/* Makes the part of what begins at j->at. */
static void set_part(struct joined *j) {
    const uint64_t left = j->whole->length - j->at;
    j->part = (zipnn_source){.read_at = read_at, .view = j->whole->view ? view : NULL, .length = left, .user = j};
    uint64_t length;
    if (zipnn_joined_length(&j->part, &length, NULL) == ZIPNN_OK) j->part.length = length;
}

bool begins_archive(const void *head, size_t len) {
    static const unsigned char magic[ARCHIVE_MAGIC] = {0x8F, 'Z', 'N', 'N', '\r', '\n', 0x1A, '\n'};
    return len >= sizeof magic && memcmp(head, magic, sizeof magic) == 0;
}

static bool follows(const struct joined *j) {
    unsigned char head[ARCHIVE_MAGIC];
    const uint64_t end = j->at + j->part.length;
    return j->whole->length - end >= sizeof head &&
           j->whole->read_at(j->whole->user, end, head, sizeof head, NULL) == ZIPNN_OK &&
           begins_archive(head, sizeof head);
}

bool joined_begin(struct joined *j, const zipnn_source *whole) {
    *j = (struct joined){.whole = whole};
    if (!whole->read_at) return false;
    set_part(j);
    return follows(j);
}

bool joined_next(struct joined *j) {
    if (!follows(j)) return false;
    j->at += j->part.length;
    set_part(j);
    return true;
}

zipnn_status joined_refuse(uint64_t end, zipnn_error *err) {
    cli_fail(err, ZIPNN_E_CORRUPT,
             "bytes were appended: they follow the end of the archive; it is whole in the first %" PRIu64 " bytes",
             end);
    err->offset = end;
    return ZIPNN_E_CORRUPT;
}

zipnn_status joined_add(const struct restoring *r, const zipnn_stats *more, zipnn_error *err) {
    zipnn_stats *sum = &r->restored->stats;
    if (++r->restored->n == 1) {
        *sum = *more;
        return ZIPNN_OK;
    }
    sum->original += more->original;
    sum->archive += more->archive;
    sum->n_chunks += more->n_chunks;
    sum->n_unchecked += more->n_unchecked;
    sum->has_sha256 = 0;
    memset(sum->xxh3, 0, sizeof sum->xxh3);
    if (sum->original < more->original) return cli_fail(err, ZIPNN_E_LIMIT, "the originals have 2^64 bytes and more");
    if (!r->most || sum->original <= r->most) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_LIMIT,
                    "%" PRIu64 " archives one after the other hold %" PRIu64 " bytes, and %" PRIu64
                    " are allowed (--max-output)",
                    r->restored->n, sum->original, r->most);
}

/* A sink for the originals that follow the first. */
struct further {
    const zipnn_sink *sink;
    uint64_t at;
};

static zipnn_status write_on(void *user, const void *buf, size_t len, zipnn_error *err) {
    const struct further *f = user;
    return f->sink->write(f->sink->user, buf, len, err);
}

static zipnn_status write_further(void *user, uint64_t off, const void *buf, size_t len, zipnn_error *err) {
    const struct further *f = user;
    return f->sink->write_at(f->sink->user, f->at + off, buf, len, err);
}

static zipnn_status restore_part(const struct restoring *r, const zipnn_source *part, zipnn_error *err) {
    struct further further = {r->sink, r->restored->stats.original};
    const zipnn_sink to = {write_on, r->sink && r->sink->write_at ? write_further : NULL, &further};
    zipnn_stats stats;
    zipnn_status st = r->sink ? zipnn_unpack(r->ctx, part, &to, &stats, err) : zipnn_test(r->ctx, part, &stats, err);
    return st == ZIPNN_OK ? joined_add(r, &stats, err) : st;
}

/* Returns whether the source may be several archives: then it is no archive as a whole. This is asked first, since a
 * look at the heads of all frames takes a read for each. */
static bool may_be_joined(zipnn_ctx *ctx, const zipnn_source *source) {
    zipnn_archive *archive = NULL;
    const zipnn_status st = zipnn_archive_open(ctx, source, &archive, NULL);
    zipnn_archive_close(archive);
    return st == ZIPNN_E_CORRUPT;
}

zipnn_status joined_restore(const struct restoring *r, const zipnn_source *source, zipnn_error *err) {
    struct joined j;
    if (!may_be_joined(r->ctx, source) || !joined_begin(&j, source)) return restore_part(r, source, err);
    zipnn_status st;
    do {
        st = restore_part(r, &j.part, err);
        if (st != ZIPNN_OK && err->offset != UINT64_MAX) err->offset += j.at;
    } while (st == ZIPNN_OK && joined_next(&j));
    const uint64_t end = j.at + j.part.length;
    return st == ZIPNN_OK && end < source->length ? joined_refuse(end, err) : st;
}
