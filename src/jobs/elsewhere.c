/* Finds bytes of a file in a base where no tensor tells the place: a tensor within a longer one, rows of one, files of
 * bytes alone, at any shift.
 *
 * Sixteen bytes here and there in the base are its anchors. The gaps of the file are searched for them, place by place.
 * From an anchor that occurs, the run of bytes that resemble each other is followed in both directions, a look here and
 * there. Links are hints, so nothing is lost where a look deceives. */
#include "jobs/elsewhere.h"

#include "jobs/likeness.h"

enum {
    LEAST = 4 << 10, /* bytes: shorter gaps and runs gain nothing */
    ANCHOR = 16,     /* bytes */
    STEP = 4 << 10,  /* from anchor to anchor, in short bases */
    MAX_ANCHORS = 1 << 19,
    PIECE = 256 << 10,   /* bytes that are read at a time */
    BLOCK = 1 << 10,     /* bytes of a look */
    STRIDE = 64 << 10,   /* most bytes from look to look */
    MAX_DECEIVED = 1024, /* anchors that lead to nothing */
    FILTER = 16          /* bits of the filter for each anchor */
};

/* ---- gaps -------------------------------------------------------------------------------------------------------- */

zipnn_status zn_gaps_add(struct zn_gaps *gaps, uint64_t off, uint64_t len, zipnn_dtype dtype, zipnn_error *err) {
    void *grown = gaps->gap;
    if (len < LEAST) return ZIPNN_OK;
    const zipnn_status status = zn_grow(&gaps->alloc, &grown, &gaps->cap, gaps->n + 1, sizeof *gaps->gap, err);
    gaps->gap = grown;
    if (status == ZIPNN_OK) gaps->gap[gaps->n++] = (struct zn_gap){off, len, dtype};
    return status;
}

static uint64_t length_of(const struct zn_gaps *gaps) {
    uint64_t sum = 0;
    for (size_t i = 0; i < gaps->n; i++) sum += gaps->gap[i].len;
    return sum;
}

/* ---- bytes of a model -------------------------------------------------------------------------------------------- */

/* The bytes of a model that were read last. */
struct window {
    const struct zn_model *model;
    uint8_t *bytes; /* PIECE of them */
    uint64_t off;
    size_t len;
};

/* Returns [off, off + len), len <= PIECE, which lie in the model. They stay until the next call. */
static zipnn_status look(struct window *w, uint64_t off, size_t len, const uint8_t **bytes, zipnn_error *err) {
    if (off < w->off || off + len > w->off + w->len) {
        w->len = 0;
        const size_t some = (size_t)ZN_MIN((uint64_t)PIECE, w->model->length - off);
        ZN_TRY(w->model->read(w->model->user, off, some, w->bytes, err));
        w->off = off;
        w->len = some;
    }
    *bytes = w->bytes + (off - w->off);
    return ZIPNN_OK;
}

/* ---- anchors ----------------------------------------------------------------------------------------------------- */

struct anchor {
    uint64_t hash; /* 0: none */
    uint64_t off;
};

struct search {
    const zipnn_allocator *alloc;
    struct window here, there; /* the file, and the base */
    uint8_t source;
    struct zn_links *links;
    struct anchor *table;
    size_t mask;
    uint64_t *filter;
    uint64_t filter_mask; /* bits */
    unsigned n_deceived;
};

/* Returns a hash of the anchor; 0 for one that says nothing, since all of its words are alike. */
static inline uint64_t hash_of(const uint8_t *p) {
    const uint64_t a = zn_get_u64(p), b = zn_get_u64(p + 8);
    if (a == b) return 0;
    uint64_t h = a * 0x9e3779b97f4a7c15u ^ (b ^ b >> 29) * 0xbf58476d1ce4e5b9u;
    h ^= h >> 31;
    return h;
}

static void put_anchor(struct search *s, uint64_t hash, uint64_t off) {
    size_t i = (size_t)(hash >> 20) & s->mask;
    while (s->table[i].hash && s->table[i].hash != hash) i = (i + 1) & s->mask;
    if (s->table[i].hash) return; /* the first place stays */
    s->table[i] = (struct anchor){hash, off};
    const uint64_t bit = hash & s->filter_mask;
    s->filter[bit / 64] |= (uint64_t)1 << bit % 64;
}

static const struct anchor *find_anchor(const struct search *s, uint64_t hash) {
    const uint64_t bit = hash & s->filter_mask;
    if (!(s->filter[bit / 64] >> bit % 64 & 1)) return NULL;
    for (size_t i = (size_t)(hash >> 20) & s->mask; s->table[i].hash; i = (i + 1) & s->mask)
        if (s->table[i].hash == hash) return &s->table[i];
    return NULL;
}

/* Sets anchors in a run of the base, at multiples of a step that is a multiple of the word. */
static zipnn_status set_anchors(struct search *s, const struct zn_span *run, uint64_t step, zipnn_error *err) {
    const unsigned word = zn_dtype_word(run->dtype);
    for (uint64_t at = 0; at + ANCHOR <= run->len; at += step / word * word) {
        const uint8_t *p;
        ZN_TRY(look(&s->there, run->off + at, ANCHOR, &p, err));
        const uint64_t hash = hash_of(p);
        if (hash) put_anchor(s, hash, run->off + at);
    }
    return ZIPNN_OK;
}

static zipnn_status make_table(struct search *s, uint64_t n, zipnn_error *err) {
    size_t size = 1024;
    while (size < 2 * n) size *= 2;
    s->mask = size - 1;
    s->filter_mask = (uint64_t)size / 2 * FILTER - 1;
    const size_t filter_len = (size_t)(s->filter_mask + 1) / 8;
    s->table = zn_alloc(s->alloc, size * sizeof *s->table);
    s->filter = zn_alloc(s->alloc, filter_len);
    if (!s->table || !s->filter)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu places of a base", size);
    memset(s->table, 0, size * sizeof *s->table);
    memset(s->filter, 0, filter_len);
    return ZIPNN_OK;
}

static zipnn_status list_anchors(struct search *s, zipnn_error *err) {
    const struct zn_model *base = s->there.model;
    struct zn_plan_walk walk = {base->plan, 0, 0};
    uint64_t step = STEP;
    while (base->length / step + base->plan->n_tensors > MAX_ANCHORS && step < (uint64_t)1 << 40) step *= 2;
    ZN_TRY(make_table(s, base->length / step * 2 + base->plan->n_tensors * 2, err));
    for (;;) {
        struct zn_span run = zn_plan_next(&walk);
        if (run.off >= base->length || run.len == 0) return ZIPNN_OK;
        run.len = ZN_MIN(run.len, base->length - run.off);
        ZN_TRY(set_anchors(s, &run, step, err));
    }
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* A run of the file [off, end) and its limits; byte x of the file belongs to byte x + shift of the base, modulo 2^64. */
struct run {
    uint64_t off, end, least, most, shift;
    zipnn_dtype dtype;
};

static bool fits(const struct run *r, const uint8_t *a, const uint8_t *b, size_t len) {
    const unsigned word = zn_likeness_word(r->dtype);
    if (memcmp(a, b, len) == 0) return true;
    if (r->dtype != ZIPNN_DTYPE_UNKNOWN && len >= (size_t)8 * word)
        return zn_likeness_distance(a, b, len / word, r->dtype) <= zn_likeness_far(r->dtype) / 4 * 3;
    size_t same = 0;
    for (size_t i = 0; i + 2 <= len; i += 2) same += a[i] == b[i] && a[i + 1] == b[i + 1];
    return same >= len / 8;
}

static zipnn_status looks_alike(struct search *s, const struct run *r, uint64_t off, size_t len, bool *alike,
                                zipnn_error *err) {
    const uint8_t *a, *b;
    ZN_TRY(look(&s->here, off, len, &a, err));
    ZN_TRY(look(&s->there, off + r->shift, len, &b, err));
    *alike = fits(r, a, b, len);
    return ZIPNN_OK;
}

/* Follows the run forward: by longer and longer strides, and by blocks when one fails. */
static zipnn_status go_on(struct search *s, struct run *r, zipnn_error *err) {
    uint64_t stride = BLOCK;
    while (r->end < r->most) {
        const uint64_t next = r->end + ZN_MIN(stride, r->most - r->end);
        const size_t len = (size_t)ZN_MIN((uint64_t)BLOCK, next - r->end);
        bool alike;
        ZN_TRY(looks_alike(s, r, next - len, len, &alike, err));
        if (!alike && stride <= BLOCK) return ZIPNN_OK;
        if (alike) r->end = next;
        stride = alike ? ZN_MIN(stride * 2, (uint64_t)STRIDE) : BLOCK;
    }
    return ZIPNN_OK;
}

/* Follows the run backward. */
static zipnn_status go_back(struct search *s, struct run *r, zipnn_error *err) {
    uint64_t stride = BLOCK;
    while (r->off > r->least) {
        const uint64_t next = r->off - ZN_MIN(stride, r->off - r->least);
        const size_t len = (size_t)ZN_MIN((uint64_t)BLOCK, r->off - next);
        bool alike;
        ZN_TRY(looks_alike(s, r, next, len, &alike, err));
        if (!alike && stride <= BLOCK) return ZIPNN_OK;
        if (alike) r->off = next;
        stride = alike ? ZN_MIN(stride * 2, (uint64_t)STRIDE) : BLOCK;
    }
    return ZIPNN_OK;
}

/* Adds the bytes at both ends that are equal, less than a block of them. */
static zipnn_status add_ends(struct search *s, struct run *r, zipnn_error *err) {
    const size_t after = (size_t)ZN_MIN((uint64_t)BLOCK, r->most - r->end);
    const size_t before = (size_t)ZN_MIN((uint64_t)BLOCK, r->off - r->least);
    const uint8_t *a, *b;
    size_t n = 0;
    ZN_TRY(look(&s->here, r->end, after, &a, err));
    ZN_TRY(look(&s->there, r->end + r->shift, after, &b, err));
    while (n < after && a[n] == b[n]) n++;
    r->end += n;
    ZN_TRY(look(&s->here, r->off - before, before, &a, err));
    ZN_TRY(look(&s->there, r->off - before + r->shift, before, &b, err));
    for (n = 0; n < before && a[before - 1 - n] == b[before - 1 - n];) n++;
    r->off -= n;
    return ZIPNN_OK;
}

/* Finds the run through an anchor. */
static zipnn_status follow(struct search *s, struct run *r, uint64_t anchor, zipnn_error *err) {
    const uint64_t length = s->there.model->length, word = zn_likeness_word(r->dtype);
    r->shift = anchor - r->off;
    r->least = ZN_MAX(r->least, r->off - ZN_MIN(r->off, anchor));
    r->most = ZN_MIN(r->most, r->off + (length - anchor));
    r->end = r->off;
    const uint64_t start = r->off;
    ZN_TRY(go_on(s, r, err));
    if (r->end == r->off) return ZIPNN_OK;
    ZN_TRY(go_back(s, r, err));
    ZN_TRY(add_ends(s, r, err));
    r->off += (start - r->off) % word;
    r->end -= (r->end - start) % word;
    return ZIPNN_OK;
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

/* Finds the first anchor of the base in bytes[0, len) of the gap. Returns its place in the gap, or one where the search
 * goes on. */
static size_t search_piece(const struct search *s, const uint8_t *bytes, size_t len, size_t step,
                           const struct anchor **found) {
    size_t i = 0;
    for (*found = NULL; i + ANCHOR <= len; i += step) {
        const uint64_t hash = hash_of(bytes + i);
        if (hash && (*found = find_anchor(s, hash))) break;
    }
    return i;
}

/* Places are tried at each word where both sides know their words, else at each byte. */
static size_t step_of(const struct search *s, const struct zn_gap *gap) {
    const unsigned word = zn_dtype_word(gap->dtype);
    return s->there.model->plan->n_tensors && (word & (word - 1)) == 0 && word <= 8 ? word : 1;
}

static zipnn_status keep(struct search *s, const struct zn_gap *gap, const struct run *r, struct zn_gaps *rest,
                         uint64_t from, zipnn_error *err) {
    const struct zn_link link = {.off = r->off,
                                 .len = r->end - r->off,
                                 .ref_off = r->off + r->shift,
                                 .source = s->source,
                                 .likeness = ZN_LINK_SIMILAR};
    ZN_TRY(zn_links_add(s->links, &link, err));
    return zn_gaps_add(rest, from, r->off - from, gap->dtype, err);
}

static zipnn_status search_gap(struct search *s, const struct zn_gap *gap, struct zn_gaps *rest, zipnn_error *err) {
    const uint64_t end = gap->off + gap->len;
    const size_t step = step_of(s, gap);
    uint64_t from = gap->off; /* of what is not linked */
    for (uint64_t at = from; at + ANCHOR <= end && s->n_deceived < MAX_DECEIVED;) {
        const size_t len = (size_t)ZN_MIN((uint64_t)PIECE, end - at);
        const struct anchor *found;
        const uint8_t *bytes;
        ZN_TRY(look(&s->here, at, len, &bytes, err));
        at += search_piece(s, bytes, len, step, &found);
        if (!found) continue;
        struct run r = {.off = at, .least = from, .most = end, .dtype = gap->dtype};
        ZN_TRY(follow(s, &r, found->off, err));
        const bool gains = r.end - r.off >= LEAST;
        s->n_deceived += !gains;
        at += step;
        if (!gains) continue;
        ZN_TRY(keep(s, gap, &r, rest, from, err));
        at = from = r.end;
    }
    return zn_gaps_add(rest, from, end - from, gap->dtype, err);
}

static zipnn_status search_gaps(struct search *s, struct zn_gaps *gaps, zipnn_error *err) {
    struct zn_gaps rest = {.alloc = gaps->alloc};
    zipnn_status status = list_anchors(s, err);
    for (size_t i = 0; status == ZIPNN_OK && i < gaps->n; i++) status = search_gap(s, &gaps->gap[i], &rest, err);
    zn_free(&gaps->alloc, gaps->gap);
    *gaps = rest;
    return status;
}

zipnn_status zn_parts_find(const struct zn_model *model, const struct zn_model *base, uint8_t source,
                           struct zn_gaps *gaps, struct zn_links *links, zipnn_error *err) {
    enum { LITTLE = 256 }; /* of so many bytes of the base, one: a pass over it would cost more than it may gain */
    if (base->length < LEAST || length_of(gaps) < ZN_MAX((uint64_t)LEAST, base->length / LITTLE)) return ZIPNN_OK;
    struct search s = {.alloc = &gaps->alloc, .source = source, .links = links};
    uint8_t *pieces = zn_alloc(s.alloc, (size_t)2 * PIECE);
    if (!pieces) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: two pieces of %d bytes", PIECE);
    s.here = (struct window){.model = model, .bytes = pieces};
    s.there = (struct window){.model = base, .bytes = pieces + PIECE};
    const zipnn_status status = search_gaps(&s, gaps, err);
    zn_free(s.alloc, pieces);
    zn_free(s.alloc, s.table);
    zn_free(s.alloc, s.filter);
    return status;
}
