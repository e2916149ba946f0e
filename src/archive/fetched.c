#include "archive/fetched.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
    const zipnn_range *x = a, *y = b;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->length > y->length) - (x->length < y->length);
}

zipnn_status zn_fetched_check(struct zn_fetched *f, zipnn_error *err) {
    f->longest = 0;
    for (size_t i = 0; i < f->n; i++) {
        const zipnn_range *r = &f->piece[i].range, *last = i ? &f->piece[i - 1].range : NULL;
        uint64_t end;
        if ((!f->piece[i].bytes && r->length) || !zn_add(r->offset, r->length, &end) || r->length > SIZE_MAX)
            return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "piece %zu has no bytes, or more than memory has", i);
        if (last && (last->source > r->source || (last->source == r->source && last->offset > r->offset)))
            return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                           "piece %zu comes before piece %zu: they must ascend by source, then by offset", i, i - 1);
        f->longest = ZN_MAX(f->longest, r->length);
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

/* Returns how many pieces begin at or before the start of the range. */
static size_t count_before(const struct zn_fetched *f, const zipnn_range *range) {
    size_t lo = 0, hi = f->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const zipnn_range *r = &f->piece[mid].range;
        if (r->source < range->source || (r->source == range->source && r->offset <= range->offset))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Returns the bytes of the range, NULL when no piece holds all of them. Pieces may overlap, and a piece further away
 * may be longer. */
static const uint8_t *find(const struct zn_fetched *f, const zipnn_range *range) {
    for (size_t i = count_before(f, range); i-- > 0;) {
        const zipnn_piece *p = &f->piece[i];
        const uint64_t into = range->offset - p->range.offset;
        if (p->range.source != range->source || into > f->longest) return NULL;
        if (into <= p->range.length && range->length <= p->range.length - into)
            return (const uint8_t *)p->bytes + (size_t)into;
    }
    return NULL;
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
