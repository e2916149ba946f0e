/* Rebuilds an archive that cannot be opened as it is: finds its chunks and puts them where they belong. */
#include "api/archive.h"
#include "archive/recover.h"

enum { LONGEST_HOLE = 1 << 30 }; /* a place holds 32 bits */

/* What was found, before it has its place. */
struct rebuild {
    zipnn_archive *a;
    const struct zn_found *found;
    size_t n;
    size_t first, last;   /* the stretches of unknown length: n, 0 when there is none */
    uint64_t front, back; /* original bytes before the first and after the last of them */
    size_t cap;
    uint64_t unlisted; /* with an index: original bytes of frames that are not its own */
};

static void set_length(zipnn_archive *a, uint64_t original) {
    a->archive.index.original = a->archive.self.length = original;
}

static zipnn_status put(struct rebuild *b, struct zn_place place, uint64_t off, zipnn_error *err) {
    zipnn_archive *a = b->a;
    void *places = a->archive.places;
    zipnn_status status = zn_grow(&a->ctx->engine.alloc, &places, &b->cap, (size_t)a->archive.n_places + 1,
                                  sizeof *a->archive.places, err);
    a->archive.places = places;
    ZN_TRY(status);
    place.off = off;
    a->archive.places[a->archive.n_places++] = place;
    return ZIPNN_OK;
}

static zipnn_status put_hole(struct rebuild *b, uint64_t off, uint64_t end, zipnn_error *err) {
    while (off < end) {
        const uint32_t len = (uint32_t)ZN_MIN(end - off, (uint64_t)LONGEST_HOLE);
        ZN_TRY(put(b, (struct zn_place){{0, 0, len}, ZN_NOWHERE, 0}, off, err));
        off += len;
    }
    return ZIPNN_OK;
}

static zipnn_status put_found(struct rebuild *b, size_t from, size_t to, uint64_t off, zipnn_error *err) {
    for (size_t i = from; i < to; i++) {
        ZN_TRY(put(b, b->found[i].place, off, err));
        off += b->found[i].place.frame.orig_len;
    }
    return ZIPNN_OK;
}

static void measure(struct rebuild *b) {
    b->first = b->n;
    for (size_t i = 0; i < b->n; i++) {
        if (b->found[i].kind == ZN_LOST_LENGTH) {
            if (b->first == b->n) b->first = i;
            b->last = i;
            b->back = 0;
        } else if (b->first == b->n) {
            b->front += b->found[i].place.frame.orig_len;
        } else {
            b->back += b->found[i].place.frame.orig_len;
        }
    }
}

/* Returns where the last tensor ends. Files of safetensors and npy are exactly so long. */
static uint64_t planned_length(const struct zn_plan *plan) {
    uint64_t end = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) end = ZN_MAX(end, plan->tensors[i].off + plan->tensors[i].len);
    return end;
}

/* Counts the frames between two stretches of unknown length: nobody knows where they belong. */
static void set_aside(struct rebuild *b) {
    for (size_t i = b->first; i < b->last; i++)
        if (b->found[i].kind == ZN_FOUND) b->a->unplaced += b->found[i].place.frame.orig_len;
}

/* How long an original may claim to be by its own header alone. Missing bytes become zeros, and a few bytes could claim
 * exabytes. */
enum { BELIEVED = 64 << 20, BELIEVED_PER_BYTE = 1 << 10 };

/* Compares the length that the tensors claim with the bytes present. */
static bool is_believed(zipnn_archive *a, uint64_t planned) {
    uint64_t most;
    if (!zn_mul(a->in.length, BELIEVED_PER_BYTE, &most) || !zn_add(most, BELIEVED, &most) || planned <= most)
        return true;
    zn_fail(&a->claim, ZIPNN_E_CORRUPT, ZN_NOWHERE,
            "the original's header claims %llu bytes; an archive of %llu bytes without an index is believed for %llu",
            (unsigned long long)planned, (unsigned long long)a->in.length, (unsigned long long)most);
    return false;
}

/* Places chunks without an index. Those before the first stretch of unknown length have their place. The tensors tell
 * how long the original is, and so where the chunks after the last such stretch belong. */
static zipnn_status place_by_plan(struct rebuild *b, zipnn_error *err) {
    zipnn_archive *a = b->a;
    measure(b);
    ZN_TRY(put_found(b, 0, b->first, 0, err));
    set_length(a, b->front);
    zipnn_status status = zn_archive_plan(a, err);
    if (status != ZIPNN_OK && status != ZIPNN_E_CORRUPT) return status;
    if (status != ZIPNN_OK) zn_archive_forget_plan(a);
    uint64_t planned = planned_length(&a->plan);
    if (!is_believed(a, planned)) planned = 0;
    if (b->first == b->n) { /* fewer bytes than the tensors take: a frame is missing without a trace */
        a->length_unknown = planned > b->front || a->claim.status != ZIPNN_OK;
        return ZIPNN_OK;
    }
    set_aside(b);
    a->length_unknown = planned < b->front + b->back || a->claim.status != ZIPNN_OK;
    const uint64_t end = a->length_unknown ? b->front + b->back : planned;
    ZN_TRY(put_hole(b, b->front, end - b->back, err));
    ZN_TRY(put_found(b, b->last + 1, b->n, end - b->back, err));
    set_length(a, end);
    return ZIPNN_OK;
}

static zipnn_status place_by_index(struct rebuild *b, const struct zn_index *index, zipnn_error *err) {
    b->a->archive.index = *index;
    set_length(b->a, index->original);
    b->a->has_digests = true;
    b->a->unplaced = b->unlisted;
    ZN_TRY(put_found(b, 0, b->n, 0, err));
    zipnn_status status = zn_archive_plan(b->a, err);
    if (status == ZIPNN_E_CORRUPT) zn_archive_forget_plan(b->a);
    return status == ZIPNN_E_CORRUPT ? ZIPNN_OK : status;
}

/* Begins the archive, and finds the bases that it refers to as far as they can be found. */
static zipnn_status begin(zipnn_archive *a, const struct zn_recovery *r, zipnn_error *err) {
    struct zn_archive *x = &a->archive;
    zn_archive_begin(x, &a->in, &r->header);
    x->self.number = zn_engine_number(&a->ctx->engine, a, a->in.length);
    if (!r->has_header) x->header.flags = ZN_FLAG_SELF | ZN_FLAG_BASES;
    const zipnn_status status = zn_archive_find_bases(&a->ctx->bases, x, ZN_MISSING_STAYS_NULL, err);
    if (status == ZIPNN_OK) return status;
    zn_archive_measure(x);
    return status == ZIPNN_E_CORRUPT || status == ZIPNN_E_TRUNCATED ? ZIPNN_OK : status;
}

zipnn_status zn_archive_rebuild(zipnn_archive *a, zipnn_error *err) {
    struct zn_engine *e = &a->ctx->engine;
    struct zn_recovery r;
    ZN_TRY(zn_recover(&e->alloc, e->k, &a->in, &r, err));
    struct rebuild b = {.a = a, .found = r.found, .n = r.n_found, .unlisted = r.unlisted};
    size_t n_sound = 0;
    for (size_t i = 0; i < r.n_found; i++) n_sound += r.found[i].kind == ZN_FOUND;
    zipnn_status status = ZIPNN_E_FORMAT;
    if (n_sound || r.has_header || r.has_index)
        status = begin(a, &r, err);
    else if (err)
        *err = a->fault;
    if (status == ZIPNN_OK) status = r.has_index ? place_by_index(&b, &r.index, err) : place_by_plan(&b, err);
    zn_recovery_free(&e->alloc, &r);
    return status;
}
