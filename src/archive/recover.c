#include "archive/recover.h"

#include <stdlib.h>

/* Bytes of a frame's head and of the first byte of its body, its kind. */
enum { LOOK = ZN_FRAME_LEN + 1, BLOCK = 1 << 20 };

/* How often all of the input may be hashed. An honest archive is hashed once, and a little more where bytes look like a
 * frame by chance. */
enum { HASH_BUDGET = 8, LEAST_BUDGET = 64 << 20 };

struct walk {
    const zipnn_allocator *alloc;
    const struct zn_kernels *k;
    const struct zn_input *in;
    struct zn_recovery *r;
    uint64_t budget; /* bytes that may still be hashed */
    uint8_t *block;  /* BLOCK + LOOK bytes */
    uint8_t *frame;
    size_t frame_cap;
    uint64_t index_at; /* the index's place according to the trailer; ZN_NOWHERE without one */
    struct {
        bool found;            /* there is an index that may be the archive's */
        uint64_t at;           /* offset of its frame */
        uint64_t ends;         /* end of the frames that it lists, by their lengths */
        struct zn_index index; /* its entries point into `frame` when the walk is done */
    } listed;
};

static zipnn_status add(struct walk *w, enum zn_found_kind kind, const struct zn_frame *f, uint64_t at,
                        zipnn_error *err) {
    struct zn_recovery *r = w->r;
    void *found = r->found;
    zipnn_status status = zn_grow(w->alloc, &found, &r->cap, r->n_found + 1, sizeof *r->found, err);
    r->found = found;
    ZN_TRY(status);
    r->found[r->n_found++] = (struct zn_found){kind, {*f, at, 0}};
    return ZIPNN_OK;
}

/* Tells whether a frame may begin with these LOOK bytes. */
static bool is_plausible(const struct walk *w, const uint8_t *look, uint64_t at, struct zn_frame *f) {
    if (zn_frame_read(look, w->r->header.max_chunk, at, f, NULL) != ZIPNN_OK) return false;
    const uint8_t kind = look[ZN_FRAME_LEN];
    if (zn_frame_size(f) > w->in->length - at) return false;
    if (f->orig_len) return kind != 0 && kind != ZN_KIND_INDEX && kind < ZN_KIND_ANCILLARY;
    return kind == ZN_KIND_INDEX || (kind > ZN_KIND_INDEX && f->body_len <= ZN_MAX_ANCILLARY);
}

/* Reads the frame, which lies inside the input, and verifies its check; *bytes is NULL when it fails, else a copy that
 * stays what it is. */
static zipnn_status try_frame(struct walk *w, uint64_t at, const struct zn_frame *f, const uint8_t **bytes,
                              zipnn_error *err) {
    const uint64_t size = zn_frame_size(f);
    *bytes = NULL;
    if (size > w->budget || size > SIZE_MAX) return ZIPNN_OK;
    w->budget -= size;
    void *frame = w->frame;
    zipnn_status status = zn_grow(w->alloc, &frame, &w->frame_cap, ZN_MAX((size_t)size, (size_t)BLOCK), 1, err);
    w->frame = frame;
    ZN_TRY(status);
    ZN_TRY(zn_input_copy(w->in, at, (size_t)size, w->frame, err));
    if (zn_frame_verify(w->frame, f, at, w->k->xxh3_64, NULL) == ZIPNN_OK) *bytes = w->frame;
    return ZIPNN_OK;
}

/* Reads the frame at `at`. *bytes is NULL if there is no whole frame. */
static zipnn_status frame_at(struct walk *w, uint64_t at, struct zn_frame *f, const uint8_t **bytes, zipnn_error *err) {
    uint8_t buf[LOOK];
    const uint8_t *look;
    *bytes = NULL;
    if (w->in->length < LOOK || at > w->in->length - LOOK) return ZIPNN_OK;
    ZN_TRY(zn_input_at(w->in, at, LOOK, buf, &look, err));
    return is_plausible(w, look, at, f) ? try_frame(w, at, f, bytes, err) : ZIPNN_OK;
}

/* Finds the next whole frame from *at on. If there is none, *bytes is NULL and *at is the end. */
static zipnn_status search(struct walk *w, uint64_t *at, struct zn_frame *f, const uint8_t **bytes, zipnn_error *err) {
    const uint64_t length = w->in->length;
    *bytes = NULL;
    while (length >= LOOK && *at <= length - LOOK) {
        const size_t n = (size_t)ZN_MIN(length - LOOK - *at + 1, (uint64_t)BLOCK);
        const uint8_t *block;
        ZN_TRY(zn_input_at(w->in, *at, n + LOOK - 1, w->block, &block, err));
        for (size_t i = 0; i < n; i++) {
            if (!is_plausible(w, block + i, *at + i, f)) continue;
            ZN_TRY(try_frame(w, *at + i, f, bytes, err));
            if (!*bytes) continue;
            *at += i;
            return ZIPNN_OK;
        }
        *at += n;
    }
    *at = length;
    return ZIPNN_OK;
}

/* Adds the damaged stretch [from, to). If heads lead from frame to frame to its end, their lengths are believed. */
static zipnn_status add_gap(struct walk *w, uint64_t from, uint64_t to, zipnn_error *err) {
    struct zn_recovery *r = w->r;
    const size_t before = r->n_found;
    uint8_t buf[LOOK];
    const uint8_t *look;
    struct zn_frame f;
    for (uint64_t at = from; at < to && w->in->length - at >= LOOK; at += zn_frame_size(&f)) {
        ZN_TRY(zn_input_at(w->in, at, LOOK, buf, &look, err));
        if (!is_plausible(w, look, at, &f)) break;
        if (f.orig_len) ZN_TRY(add(w, ZN_LOST, &f, ZN_NOWHERE, err));
        if (at + zn_frame_size(&f) == to) return ZIPNN_OK;
    }
    r->n_found = before;
    return add(w, ZN_LOST_LENGTH, &(struct zn_frame){0, 0, 0}, ZN_NOWHERE, err);
}

/* Reads a sound frame as an index, wherever it is. Returns false when it is not one. */
static bool read_index(struct walk *w, uint64_t at, const struct zn_frame *f, const uint8_t *frame) {
    const uint8_t *body = frame + ZN_FRAME_LEN;
    const size_t head = zn_index_head_len(f->body_len > 1 && (body[1] & ZN_DIGEST_SHA256));
    uint64_t ends = ZN_HEADER_LEN;
    if (f->orig_len != 0 || body[0] != ZN_KIND_INDEX) return false;
    for (size_t i = head; i + ZN_ENTRY_LEN <= f->body_len; i += ZN_ENTRY_LEN) {
        const struct zn_frame entry = zn_entry_read(body + i);
        ends += zn_frame_size(&entry);
    }
    w->listed.at = at;
    w->listed.ends = ends;
    return zn_index_read(body, f->body_len, w->r->header.max_chunk, ends, &w->listed.index, NULL) == ZIPNN_OK;
}

static int by_check(const void *a, const void *b) {
    const uint64_t x = ((const struct zn_found *)a)->place.frame.check,
                   y = ((const struct zn_found *)b)->place.frame.check;
    return (x > y) - (x < y);
}

/* Returns the frame that the index lists from those found, or NULL. `found` is sorted by check. */
static struct zn_found *whereabouts(struct zn_found *found, size_t n, const struct zn_frame *f) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (found[mid].place.frame.check < f->check)
            lo = mid + 1;
        else
            hi = mid;
    }
    const bool same = lo < n && found[lo].place.frame.check == f->check &&
                      found[lo].place.frame.body_len == f->body_len && found[lo].place.frame.orig_len == f->orig_len;
    return same ? &found[lo] : NULL;
}

/* Copies the sound frames, sorted by check. *n is their number. */
static zipnn_status sort_sound(const struct walk *w, struct zn_found **sorted, size_t *n, zipnn_error *err) {
    const struct zn_recovery *r = w->r;
    *sorted = zn_alloc(w->alloc, (r->n_found + 1) * sizeof **sorted);
    if (!*sorted) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of %zu frames", r->n_found);
    *n = 0;
    for (size_t i = 0; i < r->n_found; i++)
        if (r->found[i].kind == ZN_FOUND) (*sorted)[(*n)++] = r->found[i];
    if (*n) qsort(*sorted, *n, sizeof **sorted, by_check);
    return ZIPNN_OK;
}

/* Tells whether the index lists every sound chunk that was found. */
static zipnn_status lists_all(const struct walk *w, bool *all, zipnn_error *err) {
    const struct zn_index *index = &w->listed.index;
    struct zn_found *sorted;
    size_t n, listed = 0;
    ZN_TRY(sort_sound(w, &sorted, &n, err));
    for (uint64_t i = 0; i < index->n_entries; i++) {
        const struct zn_frame f = zn_entry_read(index->entries + i * ZN_ENTRY_LEN);
        struct zn_found *x = whereabouts(sorted, n, &f);
        for (; x && x < sorted + n && x->kind == ZN_FOUND && x->place.frame.check == f.check; x++, listed++)
            x->kind = ZN_LOST; /* it is counted */
    }
    *all = listed == n;
    zn_free(w->alloc, sorted);
    return ZIPNN_OK;
}

/* Whether the index is that of this archive, and not of another that lies in it or behind it. Where the trailer is
 * sound, it names the index; where it is not, the entries end where the index begins. Where the trailer names one whose
 * entries end elsewhere, bytes were cut out, or put before the header: then the header is there, and nothing sound is
 * unlisted. */
static zipnn_status believe_index(struct walk *w, bool *believed, zipnn_error *err) {
    uint8_t head[ZN_HEADER_LEN];
    struct zn_recovery *r = w->r;
    const uint64_t at = w->listed.at, ends = w->listed.ends;
    *believed = w->listed.found && at == ends;
    if (!w->listed.found || *believed || (r->has_header && ends < at)) return ZIPNN_OK;
    if (ends < at) {
        ZN_TRY(zn_input_copy(w->in, at - ends, sizeof head, head, err));
        if (zn_header_read(head, sizeof head, &r->header, w->k->xxh3_64, NULL) != ZIPNN_OK) {
            r->header = (struct zn_header){.max_chunk = ZN_MAX_CHUNK};
            return ZIPNN_OK;
        }
    }
    return lists_all(w, believed, err);
}

/* Puts the frames that were found where the index lists them. */
static zipnn_status match_index(struct walk *w, zipnn_error *err) {
    const struct zn_index *index = &w->listed.index;
    struct zn_recovery *r = w->r;
    struct zn_found *sorted;
    size_t n;
    ZN_TRY(sort_sound(w, &sorted, &n, err));
    for (size_t i = 0; i < n; i++)
        if (sorted[i].place.at > w->listed.at) r->unlisted += sorted[i].place.frame.orig_len;
    r->n_found = 0;
    zipnn_status status = ZIPNN_OK;
    uint64_t off = 0;
    for (uint64_t i = 0; i < index->n_entries && status == ZIPNN_OK; i++) {
        const struct zn_frame f = zn_entry_read(index->entries + i * ZN_ENTRY_LEN);
        if (f.orig_len == 0) continue;
        const struct zn_found *x = whereabouts(sorted, n, &f);
        status = add(w, x ? ZN_FOUND : ZN_LOST, &f, x ? x->place.at : ZN_NOWHERE, err);
        if (status == ZIPNN_OK) r->found[r->n_found - 1].place.off = off;
        off += f.orig_len;
    }
    zn_free(w->alloc, sorted);
    r->has_index = status == ZIPNN_OK;
    r->index = *index;
    r->index.entries = NULL;
    r->index.n_entries = 0;
    return status;
}

/* Adds what is missing at the end of an archive without an index: nothing, if the index begins where the frames end. */
static zipnn_status end_walk(struct walk *w, uint64_t at, zipnn_error *err) {
    if (at == w->index_at || (w->listed.found && w->index_at == ZN_NOWHERE)) return ZIPNN_OK;
    if (at == w->in->length) return add(w, ZN_LOST_LENGTH, &(struct zn_frame){0, 0, 0}, ZN_NOWHERE, err);
    const bool to_index = w->index_at != ZN_NOWHERE && at < w->index_at;
    return add_gap(w, at, to_index ? w->index_at : w->in->length, err);
}

static zipnn_status walk_frames(struct walk *w, zipnn_error *err) {
    uint64_t at = ZN_HEADER_LEN, from = at;
    struct zn_frame f;
    const uint8_t *bytes;
    ZN_TRY(frame_at(w, at, &f, &bytes, err));
    if (!bytes && !w->r->has_header) at = 0; /* the header may have been cut off */
    for (;;) {
        if (!bytes) ZN_TRY(search(w, &at, &f, &bytes, err));
        if (!bytes) return end_walk(w, from, err);
        if (at > from) ZN_TRY(add_gap(w, from, at, err));
        if (at == w->index_at && w->listed.found) return ZIPNN_OK;
        if (w->index_at == ZN_NOWHERE && !w->listed.found)
            w->listed.found = read_index(w, at, &f, bytes) && w->listed.ends == at;
        if (f.orig_len) ZN_TRY(add(w, ZN_FOUND, &f, at, err));
        from = at += zn_frame_size(&f);
        ZN_TRY(frame_at(w, at, &f, &bytes, err));
    }
}

/* Reads an index at its place: its entries stay in `frame` until another frame is read. */
static zipnn_status fetch_index(struct walk *w, uint64_t at, zipnn_error *err) {
    struct zn_frame f;
    const uint8_t *bytes;
    w->listed.found = false;
    if (at == ZN_NOWHERE) return ZIPNN_OK;
    ZN_TRY(frame_at(w, at, &f, &bytes, err));
    w->listed.found = bytes && read_index(w, at, &f, bytes);
    return ZIPNN_OK;
}

static zipnn_status recover(struct walk *w, zipnn_error *err) {
    bool believed;
    ZN_TRY(fetch_index(w, w->index_at, err)); /* the trailer, which is sound, names it */
    ZN_TRY(walk_frames(w, err));
    if (w->listed.found) ZN_TRY(fetch_index(w, w->listed.at, err)); /* again, because other frames took its buffer */
    ZN_TRY(believe_index(w, &believed, err));
    return believed ? match_index(w, err) : ZIPNN_OK;
}

static zipnn_status read_ends(struct walk *w, zipnn_error *err) {
    uint8_t buf[ZN_HEADER_LEN];
    const uint8_t *bytes;
    const uint64_t length = w->in->length;
    uint64_t index_len;
    struct zn_recovery *r = w->r;
    r->header = (struct zn_header){.max_chunk = ZN_MAX_CHUNK};
    if (length < ZN_HEADER_LEN + ZN_TRAILER_LEN) return ZIPNN_OK;
    ZN_TRY(zn_input_at(w->in, 0, ZN_HEADER_LEN, buf, &bytes, err));
    r->has_header = zn_header_read(bytes, ZN_HEADER_LEN, &r->header, w->k->xxh3_64, NULL) == ZIPNN_OK;
    if (!r->has_header) r->header = (struct zn_header){.max_chunk = ZN_MAX_CHUNK};
    ZN_TRY(zn_input_at(w->in, length - ZN_TRAILER_LEN, ZN_TRAILER_LEN, buf, &bytes, err));
    if (zn_trailer_read(bytes, 0, &index_len, NULL) == ZIPNN_OK && index_len < length - ZN_TRAILER_LEN)
        w->index_at = length - ZN_TRAILER_LEN - index_len;
    return ZIPNN_OK;
}

zipnn_status zn_recover(const zipnn_allocator *alloc, const struct zn_kernels *k, const struct zn_input *in,
                        struct zn_recovery *r, zipnn_error *err) {
    struct walk w = {.alloc = alloc, .k = k, .in = in, .r = r, .index_at = ZN_NOWHERE};
    memset(r, 0, sizeof *r);
    w.budget = in->length > UINT64_MAX / (2 * HASH_BUDGET) ? UINT64_MAX : HASH_BUDGET * in->length + LEAST_BUDGET;
    w.block = zn_alloc(alloc, BLOCK + LOOK);
    zipnn_status status = w.block
                              ? read_ends(&w, err)
                              : zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a block of %d bytes", BLOCK);
    if (status == ZIPNN_OK) status = recover(&w, err);
    zn_free(alloc, w.block);
    zn_free(alloc, w.frame);
    if (status != ZIPNN_OK) zn_recovery_free(alloc, r);
    return status;
}

void zn_recovery_free(const zipnn_allocator *alloc, struct zn_recovery *r) {
    zn_free(alloc, r->found);
    memset(r, 0, sizeof *r);
}
