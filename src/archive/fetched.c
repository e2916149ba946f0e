#include "archive/fetched.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
    const zipnn_range *x = a, *y = b;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->length > y->length) - (x->length < y->length);
}

zipnn_status zn_fetched_check(const struct zn_fetched *f, zipnn_error *err) {
    for (size_t i = 0; i < f->n; i++) {
        const zipnn_range *r = &f->piece[i].range, *last = i ? &f->piece[i - 1].range : NULL;
        uint64_t end;
        if ((!f->piece[i].bytes && r->length) || !zn_add(r->offset, r->length, &end) || r->length > SIZE_MAX)
            return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "piece %zu has no bytes, or more than memory has", i);
        if (last &&
            (last->source > r->source || (last->source == r->source && r->offset < last->offset + last->length)))
            return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                           "piece %zu lies before piece %zu or across it: they must ascend by source and offset", i,
                           i - 1);
    }
    return ZIPNN_OK;
}

void zn_fetched_settle(struct zn_fetched *f) {
    size_t n = 0;
    if (f->n_missing) qsort(f->missing, f->n_missing, sizeof *f->missing, compare);
    for (size_t i = 0; i < f->n_missing; i++)
        if (n == 0 || compare(&f->missing[n - 1], &f->missing[i]) != 0) f->missing[n++] = f->missing[i];
    f->n_missing = n;
}

/* The bytes of the range, NULL when no piece holds all of it. */
static const uint8_t *find(const struct zn_fetched *f, const zipnn_range *range) {
    size_t lo = 0, hi = f->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const zipnn_range *r = &f->piece[mid].range;
        if (r->source < range->source || (r->source == range->source && r->offset <= range->offset))
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0) return NULL;
    const zipnn_piece *p = &f->piece[lo - 1];
    if (p->range.source != range->source || range->offset - p->range.offset > p->range.length ||
        range->length > p->range.length - (range->offset - p->range.offset))
        return NULL;
    return (const uint8_t *)p->bytes + (size_t)(range->offset - p->range.offset);
}

bool zn_fetched_has(struct zn_fetched *f, const struct zn_input *in, uint64_t off, uint64_t len) {
    const zipnn_range range = {.source = in->number, .offset = off, .length = len};
    if (find(f, &range)) return true;
    f->n_lacking++;
    if (f->n_missing < f->cap) f->missing[f->n_missing++] = range;
    return false;
}

zipnn_status zn_fetch(const struct zn_worker *w, const struct zn_input *in, uint64_t off, size_t len, uint8_t *buf,
                      const uint8_t **bytes, zipnn_error *err) {
    const zipnn_range range = {.source = in->number, .offset = off, .length = len};
    if (!w->fetched) return zn_input_at(in, off, len, buf, bytes, err);
    if (!zn_fetched_has(w->fetched, in, off, len))
        return zn_fail(err, ZIPNN_E_NOT_FOUND, off, "%zu bytes of source %u were not fetched", len, in->number);
    *bytes = find(w->fetched, &range);
    return ZIPNN_OK;
}
