#include "shared/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/cli_fail.h"
#include "shared/text.h"
#include "zipnn/joined.h"

struct spool {
    unsigned char head[24];
    size_t head_len, at; /* bytes read ahead, and of them given out */
    zipnn_source rest;
    zipnn_file *temp; /* the whole archive, NULL when it can be restored as it comes */
    int fd;
};

static zipnn_status read_on(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err) {
    struct spool *s = user;
    if (s->at == s->head_len) return s->rest.read(s->rest.user, buf, cap, got, err);
    const size_t left = s->head_len - s->at;
    *got = cap < left ? cap : left;
    memcpy(buf, s->head + s->at, *got);
    s->at += *got;
    return ZIPNN_OK;
}

static zipnn_status write_all(int fd, const unsigned char *bytes, size_t len, zipnn_error *err) {
    while (len > 0) {
        const ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return cli_fail(err, ZIPNN_E_IO, "temporary file: cannot write: %s", strerror(errno));
        bytes += n;
        len -= (size_t)n;
    }
    return ZIPNN_OK;
}

/* A temporary file that is gone when it is closed. */
static zipnn_status open_temp(struct spool *s, zipnn_error *err) {
    const char *folder = getenv("TMPDIR");
    char *path = text_join(folder && *folder ? folder : "/tmp", "/zipnn-XXXXXX", "");
    s->fd = mkstemp(path);
    if (s->fd < 0) cli_fail(err, ZIPNN_E_IO, "%.150s: cannot create: %s", path, strerror(errno));
    if (s->fd >= 0) unlink(path);
    free(path);
    return s->fd < 0 ? ZIPNN_E_IO : ZIPNN_OK;
}

static zipnn_status spool_all(struct spool *s, zipnn_source *source, zipnn_error *err) {
    enum { STEP = 1 << 20 };
    zipnn_status st = open_temp(s, err);
    unsigned char *buf = st == ZIPNN_OK ? malloc(STEP) : NULL;
    if (st == ZIPNN_OK && !buf) st = cli_fail(err, ZIPNN_E_MEMORY, "no memory to keep what comes through a pipe");
    for (size_t got = 1; st == ZIPNN_OK && got > 0;) {
        st = read_on(s, buf, STEP, &got, err);
        if (st == ZIPNN_OK) st = write_all(s->fd, buf, got, err);
    }
    free(buf);
    if (st == ZIPNN_OK && lseek(s->fd, 0, SEEK_SET) != 0)
        st = cli_fail(err, ZIPNN_E_IO, "temporary file: cannot seek: %s", strerror(errno));
    if (st == ZIPNN_OK) st = zipnn_file_from_fd(s->fd, "temporary file", &s->temp, err);
    if (st == ZIPNN_OK) zipnn_file_source(s->temp, source);
    return st;
}

/* Looks at the first bytes of a sequential source. *source becomes one that gives them once more, or, when the archive
 * must be random-access, the temporary file. spool_close must follow, also after a failure. */
static zipnn_status spool_open(struct spool *s, zipnn_source *source, zipnn_error *err) {
    size_t got = 1;
    *s = (struct spool){.rest = *source, .fd = -1};
    if (source->read_at) return ZIPNN_OK;
    while (s->head_len < sizeof s->head && got > 0) {
        zipnn_status st = s->rest.read(s->rest.user, s->head + s->head_len, sizeof s->head - s->head_len, &got, err);
        if (st != ZIPNN_OK) return st;
        s->head_len += got;
    }
    *source = (zipnn_source){.read = read_on, .length = UINT64_MAX, .user = s};
    return zipnn_needs_read_at(s->head, s->head_len) ? spool_all(s, source, err) : ZIPNN_OK;
}

static void spool_close(struct spool *s) {
    zipnn_file_close(s->temp);
    if (s->temp || s->fd > 0) close(s->fd);
    *s = (struct spool){.fd = -1};
}

/* Restores the next archive of a sequential source. *more is false when there is none. An archive that needs random access
 * is written to the temporary file with all that follows it. */
static zipnn_status restore_next(const struct restoring *r, const zipnn_source *pipe, bool *more, zipnn_error *err) {
    struct spool spool;
    zipnn_source source = *pipe;
    zipnn_stats stats;
    zipnn_status st = spool_open(&spool, &source, err);
    *more = !spool.temp && (r->restored->n == 0 || spool.head_len > 0);
    if (st == ZIPNN_OK && spool.temp) {
        st = joined_restore(r, &source, err);
    } else if (st == ZIPNN_OK && *more) {
        if (r->restored->n && !begins_archive(spool.head, spool.head_len))
            st = joined_refuse(r->restored->stats.archive, err);
        if (st == ZIPNN_OK) st = zipnn_joined_unpack(r->ctx, &source, r->sink, &stats, err);
        if (st == ZIPNN_OK) st = joined_add(r, &stats, err);
    }
    spool_close(&spool);
    return st;
}

zipnn_status spool_restore(const struct restoring *r, const zipnn_source *source, zipnn_error *err) {
    *r->restored = (struct restored){.n = 0};
    if (source->read_at) return joined_restore(r, source, err);
    zipnn_sink in_order = r->sink ? *r->sink : (zipnn_sink){.write = NULL};
    in_order.write_at = NULL;
    const struct restoring sequential = {r->ctx, r->sink ? &in_order : NULL, r->most, r->restored};
    zipnn_status st = ZIPNN_OK;
    for (bool more = true; st == ZIPNN_OK && more;) st = restore_next(&sequential, source, &more, err);
    return st;
}
