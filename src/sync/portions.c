/* Chunks as runs of bytes: found, gathered from their tensors and put back. */
#include "sync/roster.h"

static uint64_t last_chunk(const struct zn_member *m) {
    return m->bytes < ZN_SYNC_SMALL ? m->chunk : m->chunk + (m->bytes - 1) / ZN_SYNC_CHUNK;
}

/* Returns the first member that has bytes in the chunk. */
static size_t find(const struct zn_roster *r, uint64_t chunk) {
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (last_chunk(&r->members[mid]) < chunk)
            lo = mid + 1;
        else
            hi = mid;
    }
    while (r->members[lo].bytes == 0) lo++;
    return lo;
}

struct zn_portion zn_roster_portion(const struct zn_roster *r, uint64_t chunk) {
    const size_t first = find(r, chunk);
    const struct zn_member *m = &r->members[first];
    struct zn_portion p = {.first = first, .n = 1, .unit = m->unit, .dtype = m->dtype};
    if (m->bytes >= ZN_SYNC_SMALL) {
        p.off = (chunk - m->chunk) * ZN_SYNC_CHUNK;
        p.len = (uint32_t)ZN_MIN(m->bytes - p.off, (uint64_t)ZN_SYNC_CHUNK);
        return p;
    }
    p.len = (uint32_t)m->bytes;
    for (size_t i = first + 1; i < r->n && m[i - first].bytes < ZN_SYNC_SMALL && m[i - first].chunk == chunk; i++) {
        p.len += (uint32_t)m[i - first].bytes;
        p.n = i + 1 - first;
    }
    return p;
}

/* ---- strides ---- */

/* Finds the element with this number: its index in each dimension, and its place. */
static uint8_t *place_of(const struct zn_member *m, uint64_t element, uint64_t index[ZIPNN_TENSOR_MAX_RANK]) {
    uint8_t *at = m->data;
    for (uint32_t i = m->rank; i-- > 0; element /= m->shape[i]) {
        index[i] = element % m->shape[i];
        at += (ptrdiff_t)((int64_t)index[i] * m->strides[i]);
    }
    return at;
}

enum way { GATHER, SCATTER };

/* Copies n elements that lie `stride` bytes apart to or from `flat`. */
static void move_row(uint8_t *at, int64_t stride, size_t n, unsigned unit, enum way way, uint8_t *flat) {
    for (size_t i = 0; i < n; i++, at += (ptrdiff_t)stride, flat += unit)
        if (way == GATHER)
            memcpy(flat, at, unit);
        else
            memcpy(at, flat, unit);
}

/* Copies bytes [off, off + len) of a member to or from `flat`. They are whole elements. */
static void move(const struct zn_member *m, uint64_t off, size_t len, enum way way, uint8_t *flat) {
    if (len == 0) return;
    if (!m->strides && way == GATHER) memcpy(flat, m->data + (size_t)off, len);
    if (!m->strides && way == SCATTER) memcpy(m->data + (size_t)off, flat, len);
    if (!m->strides) return;
    const uint32_t last = m->rank - 1;
    uint64_t index[ZIPNN_TENSOR_MAX_RANK], element = off / m->unit;
    for (size_t left = len / m->unit, n; left; left -= n, element += n, flat += n * m->unit) {
        uint8_t *at = place_of(m, element, index);
        n = (size_t)ZN_MIN(m->shape[last] - index[last], (uint64_t)left);
        move_row(at, m->strides[last], n, m->unit, way, flat);
    }
}

static void move_all(const struct zn_roster *r, const struct zn_portion *p, enum way way, uint8_t *flat) {
    if (p->n == 1) {
        move(&r->members[p->first], p->off, p->len, way, flat);
        return;
    }
    for (size_t i = p->first; i < p->first + p->n; i++) {
        const size_t len = (size_t)r->members[i].bytes;
        move(&r->members[i], 0, len, way, flat);
        flat += len;
    }
}

const uint8_t *zn_roster_bytes(const struct zn_roster *r, const struct zn_portion *p, uint8_t *room) {
    const struct zn_member *m = &r->members[p->first];
    if (p->n == 1 && !m->strides) return m->data + (size_t)p->off;
    move_all(r, p, GATHER, room);
    return room;
}

void zn_roster_put(const struct zn_roster *r, const struct zn_portion *p, const uint8_t *bytes) {
    uint8_t *from = (uint8_t *)(uintptr_t)bytes; /* read only: the way is SCATTER */
    move_all(r, p, SCATTER, from);
}
