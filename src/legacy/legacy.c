#include "legacy/legacy.h"

bool zn_legacy_suspects(const uint8_t *head, size_t len) {
    return zn_old_record_begins(head, len) || (len >= ZN_LEGACY_SNIFF && head[8] == '{' && zn_get_u32(head + 4) == 0);
}

/* ---- opening */

/* Counts the records by walking from one to the next. Only streaming writes more than one. */
static zipnn_status count_records(struct zn_legacy *l, zipnn_error *err) {
    const uint64_t end = l->source.length;
    struct zn_old_record r;
    for (uint64_t at = 0; at < end; at += r.len) {
        ZN_TRY(zn_old_record_open(&l->source, at, end, &r, err));
        if (at == 0) l->first = r;
        if (r.delta != l->first.delta)
            return zn_fail(err, ZIPNN_E_CORRUPT, at + 9, "a delta and a plain record in one file");
        if (!zn_add(l->original, r.original, &l->original) || l->original > INT64_MAX)
            return zn_fail(err, ZIPNN_E_LIMIT, at + 16, "the records restore to more bytes than a file can have");
        l->n_records++;
        if (!r.streaming && at + r.len < end)
            return zn_fail(err, ZIPNN_E_CORRUPT, at + r.len,
                           "%llu bytes follow an old record that is to be the only one",
                           (unsigned long long)(end - at - r.len));
    }
    return ZIPNN_OK;
}

static zipnn_status open_either(struct zn_legacy *l, bool *found, zipnn_error *err) {
    uint8_t head[ZN_LEGACY_SNIFF];
    const size_t len = (size_t)ZN_MIN(l->source.length, (uint64_t)sizeof head);
    *found = false;
    ZN_TRY(zn_old_read(&l->source, 0, head, len, err));
    if (!zn_legacy_suspects(head, len)) return ZIPNN_OK;
    if (zn_old_record_begins(head, len)) {
        *found = true;
        ZN_TRY(count_records(l, err));
    } else {
        ZN_TRY(zn_tensor_file_open(&l->alloc, &l->source, &l->tensors, found, err));
        l->tensor_file = true;
        l->original = l->tensors.original;
    }
    return ZIPNN_OK;
}

zipnn_status zn_legacy_open(const zipnn_allocator *alloc, const zipnn_source *source, struct zn_legacy **legacy,
                            zipnn_error *err) {
    bool found = false;
    *legacy = NULL;
    struct zn_legacy *l = zn_alloc(alloc, sizeof *l);
    if (!l) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory opening an input");
    memset(l, 0, sizeof *l);
    l->alloc = *alloc;
    l->source = *source;
    zipnn_status status = open_either(l, &found, err);
    if (status == ZIPNN_OK && found)
        *legacy = l;
    else
        zn_legacy_close(l);
    return status;
}

void zn_legacy_close(struct zn_legacy *l) {
    if (!l) return;
    const zipnn_allocator alloc = l->alloc;
    zn_tensor_file_free(&l->tensors);
    zn_free(&alloc, l);
}

/* ---- restoring */

/* The way of restored bytes to the caller: the base of a delta, the range, the sink. */
struct outlet {
    const struct zn_legacy *l;
    const zipnn_source *base;
    uint64_t record; /* offset of the current record in the original */
    uint64_t from, to;
    const zipnn_sink *sink;
};

static zipnn_status apply_base(const struct outlet *o, uint64_t off, uint8_t *bytes, size_t len, zipnn_error *err) {
    uint8_t base[1 << 12];
    for (size_t done = 0; done < len;) {
        const size_t n = ZN_MIN(len - done, sizeof base);
        ZN_TRY(zn_old_read(o->base, off + done, base, n, err));
        for (size_t i = 0; i < n; i++) bytes[done + i] ^= base[i];
        done += n;
    }
    return ZIPNN_OK;
}

static zipnn_status take_piece(void *arg, uint64_t off, uint8_t *bytes, size_t len, zipnn_error *err) {
    const struct outlet *o = arg;
    off += o->record;
    const uint64_t from = ZN_MAX(o->from, off), to = ZN_MIN(o->to, off + len);
    if (from >= to) return ZIPNN_OK;
    if (o->base) ZN_TRY(apply_base(o, off, bytes, len, err));
    if (err) err->status = ZIPNN_OK;
    zipnn_status status = o->sink->write(o->sink->user, bytes + (from - off), (size_t)(to - from), err);
    if (status == ZIPNN_OK || (err && err->status == status)) return status;
    return zn_fail(err, status, from, "the sink failed (%s)", zipnn_status_name(status));
}

static zipnn_status check_base(const struct zn_legacy *l, const zipnn_source *base, zipnn_error *err) {
    if (!base)
        return zn_fail(err, ZIPNN_E_BASE, 9, "an old record that is a delta: the file it was made against is needed");
    if (base->length != l->original)
        return zn_fail(err, ZIPNN_E_BASE, 9, "an old record that is a delta of %llu bytes, and the base has %llu",
                       (unsigned long long)l->original, (unsigned long long)base->length);
    return ZIPNN_OK;
}

static zipnn_status restore_records(const struct zn_legacy *l, struct zn_old_work *work, struct outlet *o,
                                    const struct zn_old_taker *taker, zipnn_error *err) {
    const uint64_t end = l->source.length;
    struct zn_old_record r;
    for (uint64_t at = 0; at < end && o->record < o->to; at += r.len) {
        ZN_TRY(zn_old_record_open(&l->source, at, end, &r, err));
        const uint64_t from = ZN_MAX(o->from, o->record), to = ZN_MIN(o->to, o->record + r.original);
        if (from < to)
            ZN_TRY(zn_old_record_restore(&l->source, &r, from - o->record, to - o->record, work, taker, err));
        o->record += r.original;
    }
    return ZIPNN_OK;
}

zipnn_status zn_legacy_restore(const struct zn_legacy *l, struct zn_old_work *work, const zipnn_source *base,
                               uint64_t from, uint64_t to, const zipnn_sink *sink, zipnn_error *err) {
    const bool delta = !l->tensor_file && l->first.delta;
    if (delta) ZN_TRY(check_base(l, base, err));
    struct outlet o = {.l = l, .base = delta ? base : NULL, .from = from, .to = ZN_MIN(to, l->original), .sink = sink};
    const struct zn_old_taker taker = {take_piece, &o};
    if (l->tensor_file) return zn_tensor_file_restore(&l->source, &l->tensors, o.from, o.to, work, &taker, err);
    return restore_records(l, work, &o, &taker, err);
}

/* ---- listing */

/* Returns the index of the first tensor at or after `off`. */
static size_t find_tensor(const struct zn_tensor_file *f, uint64_t off) {
    size_t lo = 0, hi = f->n_tensors;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (f->tensors[mid].off < off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

uint64_t zn_legacy_stored(const struct zn_legacy *l, uint64_t off, uint64_t len) {
    const struct zn_tensor_file *f = &l->tensors;
    if (l->original == 0 || len == 0) return 0;
    for (size_t i = find_tensor(f, off); i < f->n_tensors && f->tensors[i].off == off; i++)
        if (f->tensors[i].original == len) return f->tensors[i].len;
    return (uint64_t)((double)len / (double)l->original * (double)l->source.length);
}
