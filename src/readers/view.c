#include "readers/view.h"

static zipnn_status read_memory(void *user, uint64_t off, uint8_t *buf, size_t len, size_t *got, zipnn_error *err) {
    const struct zn_memory_view *m = user;
    (void)err;
    *got = off < m->len ? ZN_MIN(len, m->len - (size_t)off) : 0;
    if (*got) memcpy(buf, m->bytes + off, *got);
    return ZIPNN_OK;
}

static zipnn_status measure_memory(void *user, uint64_t *len, enum zn_view_end *end, zipnn_error *err) {
    const struct zn_memory_view *m = user;
    (void)err;
    *len = m->len;
    *end = m->end;
    return ZIPNN_OK;
}

struct zn_view zn_view_of_memory(struct zn_memory_view *memory) {
    return (struct zn_view){read_memory, measure_memory, memory, 0, UINT64_MAX, 0, NULL};
}

struct zn_view zn_view_part(const struct zn_view *view, uint64_t off, uint64_t len) {
    struct zn_view part = *view;
    part.first = view->first + ZN_MIN(off, view->last - view->first);
    part.last = part.first + ZN_MIN(len, view->last - part.first);
    part.depth++;
    return part;
}

enum { READ_STEPS = 64, BYTES_A_STEP = 8 };

zipnn_status zn_view_read(const struct zn_view *view, uint64_t off, uint8_t *buf, size_t len, size_t *got,
                          zipnn_error *err) {
    const uint64_t size = view->last - view->first;
    *got = 0;
    if (off >= size || len == 0) return ZIPNN_OK;
    ZN_TRY(view->read(view->user, view->first + off, buf, (size_t)ZN_MIN((uint64_t)len, size - off), got, err));
    zn_work_see(view->work, view->first + off + *got);
    return zn_work_step(view->work, READ_STEPS + *got / BYTES_A_STEP, err);
}

zipnn_status zn_view_measure(const struct zn_view *view, uint64_t *len, enum zn_view_end *end, zipnn_error *err) {
    uint64_t seen;
    ZN_TRY(view->measure(view->user, &seen, end, err));
    if (view->last <= seen) *end = ZN_VIEW_WHOLE;
    seen = ZN_MIN(seen, view->last);
    *len = seen - ZN_MIN(seen, view->first);
    return ZIPNN_OK;
}

enum { AFTER_A_JUMP = 512 };

void zn_scan_init(struct zn_scan *s, const struct zn_view *view, uint64_t off, uint64_t end, zipnn_error *err) {
    s->view = view;
    s->off = ZN_MIN(off, end);
    s->end = end;
    s->at = s->len = 0;
    s->bad = off > end;
    s->jumped = false;
    s->status = ZIPNN_OK;
    s->err = err;
}

/* Reads until the buffer holds at least `len` bytes. */
static void refill(struct zn_scan *s, size_t len) {
    size_t got = 0;
    const size_t ahead = s->jumped ? ZN_MAX(len, (size_t)AFTER_A_JUMP) : sizeof s->buf;
    s->status = zn_view_read(s->view, s->off, s->buf, (size_t)ZN_MIN((uint64_t)ahead, s->end - s->off), &got, s->err);
    s->jumped = false;
    s->at = 0;
    s->len = got;
    s->bad = s->status != ZIPNN_OK || got < len;
}

const uint8_t *zn_scan_take(struct zn_scan *s, size_t len) {
    if (s->bad) return NULL;
    s->status = zn_work_step(s->view->work, 1, s->err);
    s->bad = s->status != ZIPNN_OK || len > s->end - s->off;
    if (!s->bad && len > s->len - s->at) refill(s, len);
    if (s->bad) return NULL;
    const uint8_t *p = s->buf + s->at;
    s->at += len;
    s->off += len;
    return p;
}

void zn_scan_seek(struct zn_scan *s, uint64_t off) {
    if (s->bad || off > s->end) {
        s->bad = true;
        return;
    }
    const uint64_t start = s->off - s->at; /* offset of the buffer in the file */
    if (off >= start && off - start <= s->len)
        s->at = (size_t)(off - start);
    else {
        s->at = s->len = 0;
        s->jumped = true;
    }
    s->off = off;
}

void zn_scan_skip(struct zn_scan *s, uint64_t len) {
    if (s->bad || len > s->end - s->off)
        s->bad = true;
    else
        zn_scan_seek(s, s->off + len);
}
