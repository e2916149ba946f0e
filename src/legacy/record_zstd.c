/* float32 records up to zipnn 0.3.5: four groups over the whole record, each stored or one zstd frame. */
#include <zstd.h>

#include "legacy/groups.h"
#include "legacy/record.h"

enum {
    FRAME_HEAD = 18,     /* a frame says its size within these bytes */
    MAX_WINDOW_LOG = 27, /* what zstd itself allows unless told otherwise */
    PIECE = 64 << 10,    /* bytes of each group that are joined at once */
    INPUT = PIECE / 2    /* bytes of a frame that are read at once */
};

/* One group while it is read. */
struct group {
    uint64_t at, left; /* in the source: not yet read */
    uint64_t original; /* bytes it still restores to */
    ZSTD_DCtx *zstd;   /* NULL: stored */
    ZSTD_inBuffer in;
    uint8_t *input;
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

static zipnn_status frame_fault(const struct group *x, const char *why, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, x->at, "a zstd frame of an old record: %s", why);
}

static zipnn_status refill(const zipnn_source *source, struct group *x, zipnn_error *err) {
    const size_t n = (size_t)ZN_MIN(x->left, (uint64_t)INPUT);
    if (n == 0) return frame_fault(x, "it ends too early", err);
    ZN_TRY(zn_old_read(source, x->at, x->input, n, err));
    x->in = (ZSTD_inBuffer){x->input, n, 0};
    x->at += n;
    x->left -= n;
    return ZIPNN_OK;
}

/* The next n bytes of the group. */
static zipnn_status next_bytes(const zipnn_source *source, struct group *x, uint8_t *to, size_t n, zipnn_error *err) {
    if (!x->zstd) {
        ZN_TRY(zn_old_read(source, x->at, to, n, err));
        x->at += n;
        return ZIPNN_OK;
    }
    ZSTD_outBuffer out = {to, n, 0};
    while (out.pos < n) {
        const size_t before = out.pos, read = x->in.pos;
        const size_t left = ZSTD_decompressStream(x->zstd, &out, &x->in);
        if (ZSTD_isError(left)) return frame_fault(x, ZSTD_getErrorName(left), err);
        if (left == 0 && out.pos < n) return frame_fault(x, "it restores to too few bytes", err);
        if (out.pos == before && x->in.pos == read) ZN_TRY(refill(source, x, err));
    }
    return ZIPNN_OK;
}

static zipnn_status restore_pieces(const zipnn_source *source, const struct zn_old_record *r, struct group group[4],
                                   uint64_t from, uint64_t to, struct zn_old_work *work,
                                   const struct zn_old_taker *taker, zipnn_error *err) {
    const uint8_t *const planes[4] = {work->group[0], work->group[1], work->group[2], work->group[3]};
    for (uint64_t off = 0; off < r->original && off < to; off += 4 * PIECE) {
        const size_t len = (size_t)ZN_MIN(r->original - off, (uint64_t)(4 * PIECE));
        for (unsigned g = 0; g < 4; g++)
            ZN_TRY(next_bytes(source, &group[g], work->group[g], (size_t)zn_group_len(len, 4, g), err));
        if (off + len <= from) continue;
        zn_groups_join(planes, 4, r->rotated, work->piece, len);
        ZN_TRY(taker->take(taker->arg, off, work->piece, len, err));
    }
    return ZIPNN_OK;
}

static zipnn_status open_group(struct group *x, zipnn_error *err) {
    x->zstd = ZSTD_createDCtx();
    if (!x->zstd) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory for a zstd decoder");
    ZSTD_DCtx_setParameter(x->zstd, ZSTD_d_windowLogMax, MAX_WINDOW_LOG);
    return ZIPNN_OK;
}

zipnn_status zn_old_whole_restore(const zipnn_source *source, const struct zn_old_record *r, uint64_t from, uint64_t to,
                                  struct zn_old_work *work, const struct zn_old_taker *taker, zipnn_error *err) {
    struct group group[4];
    zipnn_status status = ZIPNN_OK;
    uint64_t at = r->at + r->len - r->sizes[0] - r->sizes[1] - r->sizes[2] - r->sizes[3];
    memset(group, 0, sizeof group);
    for (unsigned g = 0; g < 4; g++) {
        group[g].at = at;
        group[g].left = r->sizes[g];
        group[g].input = work->payload + g * INPUT;
        at += r->sizes[g];
        if (r->zstd[g] && status == ZIPNN_OK) status = open_group(&group[g], err);
    }
    if (status == ZIPNN_OK) status = restore_pieces(source, r, group, from, to, work, taker, err);
    for (unsigned g = 0; g < 4; g++) ZSTD_freeDCtx(group[g].zstd);
    return status;
}
