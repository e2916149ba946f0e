/* Restores float32 records up to zipnn 0.3.5: four groups over the whole record, each stored or one zstd frame. */
#include <zstd.h>
#include <zstd_errors.h>

#include "legacy/groups.h"
#include "legacy/record.h"

enum {
    FRAME_HEAD = 18, /* a frame states its size within this many bytes */
    /* The window that a frame may ask for: that of level 19 of zstd, or a multiple of the frame's length, up to what
     * zstd allows by default. */
    WINDOW_LOG = 23,
    WINDOW_PER_BYTE = 16,
    MAX_WINDOW_LOG = 27
};

/* ---- how long it is */

static zipnn_status measure_group(const zipnn_source *source, const struct zn_old_record *r, unsigned g, uint64_t at,
                                  uint64_t *original, zipnn_error *err) {
    uint8_t head[FRAME_HEAD];
    *original = r->sizes[g];
    if (!r->zstd[g]) return ZIPNN_OK;
    const size_t len = (size_t)ZN_MIN(r->sizes[g], (uint64_t)sizeof head);
    ZN_TRY(zn_old_read(source, at, head, len, err));
    const unsigned long long size = ZSTD_getFrameContentSize(head, len);
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "group %u of an old record is no zstd frame of known size", g);
    *original = size;
    return ZIPNN_OK;
}

zipnn_status zn_old_whole_measure(const zipnn_source *source, struct zn_old_record *r, zipnn_error *err) {
    uint64_t at = r->at + r->len, n[ZN_OLD_MAX_GROUPS], sum = 0;
    for (unsigned g = 4; g-- > 0;) {
        at -= r->sizes[g];
        ZN_TRY(measure_group(source, r, g, at, &n[g], err));
        if (!zn_add(sum, n[g], &sum)) sum = UINT64_MAX;
    }
    for (unsigned g = 0; g < 4; g++)
        if (sum == UINT64_MAX || n[g] != zn_group_len(sum, 4, g))
            return zn_fail(err, ZIPNN_E_CORRUPT, r->body + 4,
                           "the groups of an old record have lengths that cannot be");
    r->original = sum;
    return ZIPNN_OK;
}

/* ---- its bytes */

void zn_old_work_begin(struct zn_old_work *work) {
    work->decoded = 0;
    work->whole.open = false;
}

static void close_record(struct zn_old_whole *x) {
    for (unsigned g = 0; x->open && g < 4; g++) ZSTD_freeDCtx(x->group[g].zstd);
    x->open = false;
}

void zn_old_work_end(struct zn_old_work *work) {
    close_record(&work->whole);
}

static zipnn_status frame_fault(const struct zn_old_group *x, size_t code, zipnn_error *err) {
    if (ZSTD_getErrorCode(code) != ZSTD_error_frameParameter_windowTooLarge)
        return zn_fail(err, ZIPNN_E_CORRUPT, x->at, "a zstd frame of an old record: %s", ZSTD_getErrorName(code));
    return zn_fail(err, ZIPNN_E_LIMIT, x->at,
                   "a zstd frame of an old record asks for a window of more than %d bytes, or %d times its length",
                   1 << WINDOW_LOG, WINDOW_PER_BYTE);
}

static zipnn_status refill(const zipnn_source *source, struct zn_old_group *x, zipnn_error *err) {
    const size_t n = (size_t)ZN_MIN(x->left, (uint64_t)sizeof x->input);
    if (n == 0) return zn_fail(err, ZIPNN_E_CORRUPT, x->at, "a zstd frame of an old record: it ends too early");
    ZN_TRY(zn_old_read(source, x->at, x->input, n, err));
    x->in_len = n;
    x->in_pos = 0;
    x->at += n;
    x->left -= n;
    return ZIPNN_OK;
}

/* Reads the next n bytes of the group into its plane. */
static zipnn_status next_bytes(const zipnn_source *source, struct zn_old_group *x, size_t n, zipnn_error *err) {
    if (!x->zstd) {
        ZN_TRY(zn_old_read(source, x->at, x->plane, n, err));
        x->at += n;
        return ZIPNN_OK;
    }
    ZSTD_outBuffer out = {x->plane, n, 0};
    while (out.pos < n) {
        ZSTD_inBuffer in = {x->input, x->in_len, x->in_pos};
        const size_t before = out.pos, left = ZSTD_decompressStream(x->zstd, &out, &in);
        const bool stuck = out.pos == before && in.pos == x->in_pos;
        x->in_pos = in.pos;
        if (ZSTD_isError(left)) return frame_fault(x, left, err);
        if (left == 0 && out.pos < n)
            return zn_fail(err, ZIPNN_E_CORRUPT, x->at, "a zstd frame of an old record: it restores to too few bytes");
        if (stuck) ZN_TRY(refill(source, x, err));
    }
    return ZIPNN_OK;
}

static zipnn_status open_group(struct zn_old_group *x, uint64_t at, uint64_t len, bool zstd, zipnn_error *err) {
    x->at = at;
    x->left = len;
    x->zstd = NULL;
    x->in_len = x->in_pos = 0;
    if (!zstd) return ZIPNN_OK;
    int log = WINDOW_LOG;
    while (log < MAX_WINDOW_LOG && (uint64_t)1 << log < len * WINDOW_PER_BYTE) log++;
    x->zstd = ZSTD_createDCtx();
    if (!x->zstd) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory for a zstd decoder");
    ZSTD_DCtx_setParameter(x->zstd, ZSTD_d_windowLogMax, log);
    return ZIPNN_OK;
}

static zipnn_status open_record(const struct zn_old_record *r, struct zn_old_whole *x, zipnn_error *err) {
    uint64_t at = r->at + r->len - r->sizes[0] - r->sizes[1] - r->sizes[2] - r->sizes[3];
    zipnn_status status = ZIPNN_OK;
    close_record(x);
    for (unsigned g = 0; g < 4; g++) x->group[g].zstd = NULL;
    x->open = true;
    x->at = r->at;
    x->original = r->original;
    x->off = x->last = 0;
    for (unsigned g = 0; g < 4 && status == ZIPNN_OK; g++) {
        status = open_group(&x->group[g], at, r->sizes[g], r->zstd[g], err);
        at += r->sizes[g];
    }
    return status;
}

/* Passes on what was decoded last. */
static zipnn_status put_last(const struct zn_old_record *r, const struct zn_old_whole *x, struct zn_old_work *work,
                             const struct zn_old_taker *taker, zipnn_error *err) {
    const uint8_t *const planes[4] = {x->group[0].plane, x->group[1].plane, x->group[2].plane, x->group[3].plane};
    zn_groups_join(planes, 4, r->rotated, work->piece, x->last);
    return taker->take(taker->arg, x->off - x->last, work->piece, x->last, err);
}

static zipnn_status read_on(const zipnn_source *source, const struct zn_old_record *r, uint64_t from, uint64_t to,
                            struct zn_old_work *work, const struct zn_old_taker *taker, zipnn_error *err) {
    struct zn_old_whole *x = &work->whole;
    const bool goes_on = x->open && x->at == r->at && x->original == r->original && from >= x->off - x->last;
    if (!goes_on) ZN_TRY(open_record(r, x, err));
    if (from < x->off) ZN_TRY(put_last(r, x, work, taker, err));
    while (x->off < r->original && x->off < to) {
        const size_t len = (size_t)ZN_MIN(r->original - x->off, (uint64_t)(4 * ZN_OLD_PLANE));
        for (unsigned g = 0; g < 4; g++) ZN_TRY(next_bytes(source, &x->group[g], (size_t)zn_group_len(len, 4, g), err));
        x->off += len;
        x->last = len;
        work->decoded += len;
        if (x->off > from) ZN_TRY(put_last(r, x, work, taker, err));
    }
    return ZIPNN_OK;
}

zipnn_status zn_old_whole_restore(const zipnn_source *source, const struct zn_old_record *r, uint64_t from, uint64_t to,
                                  struct zn_old_work *work, const struct zn_old_taker *taker, zipnn_error *err) {
    const zipnn_status status = read_on(source, r, from, to, work, taker, err);
    if (status != ZIPNN_OK) close_record(&work->whole);
    return status;
}
