#define _GNU_SOURCE /* fopencookie */
#define _FILE_OFFSET_BITS 64

#include "io/files_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "io/files_priv.h"

enum { WINDOW = 1 << 20 }; /* bytes that are read at a time for small reads */

struct stream {
    struct zn_stream_source source;
    uint64_t at;    /* position of the next read */
    uint64_t begin; /* of the bytes in the window */
    size_t n;       /* their number */
    unsigned char window[WINDOW];
};

/* Reads, and sets errno if that fails. */
static bool read_at(const struct stream *s, void *buf, size_t len) {
    const zipnn_status st = s->source.read_at(s->source.user, s->at, buf, len);
    if (st != ZIPNN_OK) errno = st == ZIPNN_E_MEMORY ? ENOMEM : EIO;
    return st == ZIPNN_OK;
}

/* Fills the window from the present position on. */
static bool fill(struct stream *s, uint64_t left) {
    const size_t n = left < WINDOW ? (size_t)left : WINDOW;
    s->n = 0;
    if (!read_at(s, s->window, n)) return false;
    s->begin = s->at;
    s->n = n;
    return true;
}

static bool is_in_window(const struct stream *s) {
    return s->at >= s->begin && s->at - s->begin < s->n;
}

/* Reads up to `len` bytes. Returns -1 with errno set if it cannot. */
static ssize_t read_some(struct stream *s, char *buf, size_t len) {
    const uint64_t left = s->at < s->source.length ? s->source.length - s->at : 0;
    size_t n = len < left ? len : (size_t)left;
    if (n == 0) return 0;
    if (!is_in_window(s) && n >= WINDOW) {
        if (!read_at(s, buf, n)) return -1;
    } else {
        if (!is_in_window(s) && !fill(s, left)) return -1;
        const size_t from = (size_t)(s->at - s->begin);
        if (n > s->n - from) n = s->n - from;
        memcpy(buf, s->window + from, n);
    }
    s->at += n;
    return (ssize_t)n;
}

/* Moves the position, also past the end. Returns false with errno set if there is no such position. */
static bool seek(struct stream *s, int64_t by, int whence, int64_t *at) {
    const uint64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->at : s->source.length;
    const bool known = whence == SEEK_SET || whence == SEEK_CUR || whence == SEEK_END;
    const uint64_t way = by < 0 ? 0 - (uint64_t)by : (uint64_t)by;
    errno = EINVAL;
    if (!known || (by < 0 ? way > from : way > INT64_MAX - from)) return false;
    s->at = by < 0 ? from - way : from + way;
    *at = (int64_t)s->at;
    return true;
}

static int end(void *cookie) {
    struct stream *s = cookie;
    s->source.close(s->source.user);
    free(s);
    return 0;
}

#if defined(__linux__) && !defined(__ANDROID__)

static ssize_t cookie_read(void *cookie, char *buf, size_t len) {
    return read_some(cookie, buf, len);
}

static int cookie_seek(void *cookie, off_t *off, int whence) {
    int64_t at;
    if (!seek(cookie, *off, whence, &at)) return -1;
    *off = at;
    return 0;
}

static FILE *open_stream(struct stream *s) {
    return fopencookie(s, "rb", (cookie_io_functions_t){.read = cookie_read, .seek = cookie_seek, .close = end});
}

#elif defined(__APPLE__) || defined(__ANDROID__) || defined(__FreeBSD__) || defined(__NetBSD__) || \
    defined(__OpenBSD__) || defined(__DragonFly__)

static int cookie_read(void *cookie, char *buf, int len) {
    return (int)read_some(cookie, buf, (size_t)len);
}

static fpos_t cookie_seek(void *cookie, fpos_t off, int whence) {
    int64_t at;
    return seek(cookie, off, whence, &at) ? (fpos_t)at : -1;
}

static FILE *open_stream(struct stream *s) {
    return funopen(s, cookie_read, NULL, cookie_seek, end);
}

#else

static FILE *open_stream(struct stream *s) {
    (void)s, (void)read_some, (void)seek, (void)end;
    errno = ENOSYS;
    return NULL;
}

#endif

zipnn_status zn_stream_open(const struct zn_stream_source *source, const char *path, FILE **stream, zipnn_error *err) {
    struct stream *s = malloc(sizeof *s);
    if (!s) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "no memory for a stream");
    s->source = *source;
    s->at = s->begin = s->n = 0;
    if (s->source.length > INT64_MAX) s->source.length = INT64_MAX;
    *stream = open_stream(s);
    if (*stream) return ZIPNN_OK;
    free(s);
    return zn_fail_os(path, "make a stream", ZN_NOWHERE, errno, err);
}

zipnn_status zn_stream_open_file(const char *path, FILE **stream, zipnn_error *err) {
    *stream = fopen(path, "rbe");
    return *stream ? ZIPNN_OK : zn_fail_os(path, "open", ZN_NOWHERE, errno, err);
}
