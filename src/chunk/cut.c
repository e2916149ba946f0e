#include "chunk/cut.h"

#include <stdbool.h>

#include "base/bytes.h"
#include "plan/dtype.h"

/* A chunk costs about 350 bytes of tables and index, whatever its length. Coding bytes as the wrong type costs about a
 * tenth of them. So for fewer than TINY bytes, a chunk of their own would cost more. */
enum {
    TINY = 4 << 10,                      /* a run of another type this short is absorbed */
    LARGE = 256 << 10,                   /* a tensor this long begins a chunk ... */
    ENOUGH = ZN_CUT_MAX - ZN_CUT_TARGET, /* ... if that leaves the chunk before it at least this long */
    SOME = 192 << 10,  /* among small tensors, one that begins behind so many bytes may begin a chunk by its name */
    MOST = 512 << 10,  /* ... but not more than so many */
    MIN_HEADER = 256,  /* a file's header this long is kept apart from weights; a shorter one ... */
    MUCH = 1 << 20,    /* ... from a tensor this long, so that a list of tensors takes few bytes of the archive */
    SHARED = 64 << 10, /* a piece below this, with a link of its own, shares a chunk with others of its base */
    GRAIN = 128,       /* units: cuts inside a tensor fall on multiples of this from its start */
    MATRIX = 8 << 20,  /* a matrix this long begins a chunk, and is cut at whole rows ... */
    LEAST = 448 << 10, /* ... if that gives chunks at least this long */
    MAX_KINDS = 64
};

/* Counts the bytes of a chunk by type and by phase (the offset of the elements modulo their size). A kind that does not
 * fit into the table is ignored. */
struct tally {
    struct kind {
        zipnn_dtype dtype;
        unsigned phase;
        uint32_t bytes;
    } kind[MAX_KINDS];
    unsigned n;
    unsigned most; /* the kind of the greatest count; the first of equals */
};

static unsigned phase_of(const struct zn_span *span) {
    return (unsigned)(span->off % zn_dtype_word(span->dtype));
}

static void count(struct tally *t, const struct zn_span *span, uint32_t len) {
    const unsigned phase = phase_of(span);
    unsigned i = 0;
    while (i < t->n && (t->kind[i].dtype != span->dtype || t->kind[i].phase != phase)) i++;
    if (i == MAX_KINDS) return;
    if (i == t->n) t->kind[t->n++] = (struct kind){span->dtype, phase, 0};
    t->kind[i].bytes += len;
    if (t->kind[i].bytes > t->kind[t->most].bytes) t->most = i;
}

/* Returns the link that contains the byte at `off`, NULL for none. `off` must not fall from call to call. */
static const struct zn_link *link_at(struct zn_cutter *c, uint64_t off) {
    if (!c->links) return NULL;
    const struct zn_links *links = c->links;
    const struct zn_link *link = links->link + c->next_link, *end = links->link + links->n;
    while (link < end && off >= link->off + link->len) link++;
    c->next_link = (size_t)(link - links->link);
    return link < end && link->off <= off ? link : NULL;
}

/* Returns where the next link begins or ends after `off`, UINT64_MAX if none does. link_at(c, off) was called. */
static uint64_t next_edge(const struct zn_cutter *c, uint64_t off) {
    if (!c->links || c->next_link == c->links->n) return UINT64_MAX;
    const struct zn_link *link = &c->links->link[c->next_link];
    return link->off > off ? link->off : link->off + link->len;
}

/* Takes the next span, or as much of it as lies before the edge of a link. */
static void look_ahead(struct zn_cutter *c) {
    if (c->rest.len == 0) c->rest = zn_plan_next(&c->walk);
    c->ahead = c->rest;
    c->ahead_link = link_at(c, c->ahead.off);
    c->ahead.len = ZN_MIN(c->ahead.len, next_edge(c, c->ahead.off) - c->ahead.off);
    c->rest.off += c->ahead.len;
    c->rest.len -= c->ahead.len;
    c->rest.row = 0; /* the rest of a matrix may begin inside a row */
}

static uint64_t grain_of(zipnn_dtype dtype) {
    const unsigned bits = zn_dtype_bits(dtype), word = zn_dtype_word(dtype);
    return bits ? (uint64_t)GRAIN * bits / 8 : (uint64_t)GRAIN * word;
}

/* Returns the length of the chunks of a large matrix: whole rows, and a multiple of the grain. So a product with some
 * rows needs no chunk that others have a part of. 0: the matrix is small, or no such length is near ZN_CUT_TARGET. */
static uint64_t step_of(const struct zn_span *span) {
    const uint64_t grain = grain_of(span->dtype);
    uint64_t rows = span->row;
    if (span->len < MATRIX || rows == 0 || rows > ZN_CUT_MAX) return 0;
    while (rows % grain != 0 && rows <= ZN_CUT_MAX) rows += span->row;
    if (rows > ZN_CUT_MAX) return 0;
    const uint64_t below = ZN_CUT_TARGET / rows * rows;
    const uint64_t step = below >= LEAST ? below : ZN_CUT_MAX / rows * rows;
    return step >= LEAST ? step : 0;
}

/* Makes the next span the piece, together with the following spans of its type as long as all of them are tiny. */
static void next_piece(struct zn_cutter *c) {
    c->piece = c->ahead;
    c->piece_link = c->ahead_link;
    look_ahead(c);
    c->start = c->piece.off;
    c->step = step_of(&c->piece);
    while (c->piece.len < TINY && c->ahead.len > 0 && c->ahead.len < TINY && c->ahead.dtype == c->piece.dtype &&
           phase_of(&c->ahead) == phase_of(&c->piece) && c->ahead_link == c->piece_link) {
        c->piece.len += c->ahead.len;
        look_ahead(c);
    }
}

static bool is_open_end(const struct zn_span *span) {
    return span->dtype == ZIPNN_DTYPE_UNKNOWN && span->off + span->len == UINT64_MAX;
}

void zn_cutter_init(struct zn_cutter *cutter, const struct zn_plan *plan) {
    zn_cutter_init_linked(cutter, plan, NULL);
}

void zn_cutter_init_linked(struct zn_cutter *cutter, const struct zn_plan *plan, const struct zn_links *links) {
    *cutter = (struct zn_cutter){.walk = {plan, 0, 0}, .links = links};
    look_ahead(cutter);
    next_piece(cutter);
    const struct zn_span *first = &cutter->piece;
    const bool is_long = first->len >= MIN_HEADER || (cutter->ahead.len >= MUCH && !is_open_end(&cutter->ahead));
    if (first->dtype == ZIPNN_DTYPE_UNKNOWN && is_long && !is_open_end(first)) cutter->header_end = first->len;
}

/* Returns whether the piece, of which nothing has been cut, may share a chunk with the `have` bytes before it. */
static bool joins(const struct zn_cutter *c, const struct tally *t, uint32_t have) {
    const struct zn_span *piece = &c->piece;
    if (have >= ZN_CUT_TARGET || piece->off == c->header_end || is_open_end(piece)) return false;
    if (piece->off == c->end_by_name) return false;
    if (c->step || (piece->len >= LARGE && have >= ENOUGH)) return false;
    if (piece->len < LARGE && have + piece->len > ZN_CUT_MAX) return false;
    const struct kind *most = &t->kind[t->most];
    const bool alike = piece->dtype == most->dtype && phase_of(piece) == most->phase;
    return alike || piece->len < TINY || have < TINY;
}

/* FNV-1a, and its bits mixed. */
static uint32_t hash_name(const char *name) {
    uint32_t hash = UINT32_C(2166136261);
    for (; *name; name++) hash = (hash ^ (uint8_t)*name) * UINT32_C(16777619);
    hash = (hash ^ hash >> 16) * UINT32_C(0x45d9f3b);
    return hash ^ hash >> 16;
}

/* Returns where the chunk that begins at `off` ends if it is one of small tensors: before the one, of those that begin
 * behind SOME and up to ZN_CUT_MAX bytes, whose name has the least hash. So two versions of a model that differ in a tensor
 * have most chunks in common: cuts fall together again soon after it. Returns UINT64_MAX if something else ends the chunk:
 * a large tensor, another type, the end. */
static uint64_t end_by_name(struct zn_cutter *c, uint64_t off) {
    const struct zn_plan *plan = c->walk.plan;
    while (c->next_tensor < plan->n_tensors && plan->tensors[c->next_tensor].off <= off) c->next_tensor++;
    uint64_t end = off + c->piece.len, best = UINT64_MAX;
    uint32_t least = UINT32_MAX;
    for (size_t i = c->next_tensor; i < plan->n_tensors; i++) {
        const struct zn_tensor *t = &plan->tensors[i];
        if (t->off - off > MOST || end - off > MOST) return best;
        if (t->len >= TINY) {
            if (t->len >= LARGE || t->dtype != c->piece.dtype || t->off - end >= TINY) return UINT64_MAX;
            const uint32_t hash = t->off - off >= SOME ? hash_name(plan->names + t->name) : UINT32_MAX;
            if (hash <= least) best = t->off - off >= SOME ? t->off : UINT64_MAX;
            if (hash <= least) least = hash;
        }
        end = t->off + t->len;
    }
    return end - off > MOST ? best : UINT64_MAX;
}

/* Returns how many bytes of the piece go into a chunk that already holds `have` bytes. The sum cannot overflow, because
 * those bytes are part of the file, too. */
static uint32_t share(const struct zn_cutter *c, uint32_t have) {
    if (have + c->piece.len <= ZN_CUT_MAX) return (uint32_t)c->piece.len;
    if (c->step) return (uint32_t)c->step;
    const uint64_t grain = grain_of(c->piece.dtype);
    const uint64_t room = have <= ENOUGH ? ZN_CUT_TARGET : ZN_CUT_TARGET - have;
    const uint64_t end = c->piece.off - c->start + room;
    return (uint32_t)(end / grain * grain - (c->piece.off - c->start));
}

/* Returns whether the piece may share a chunk with bytes of a link. Bytes without a link do so only between others, so that
 * the end of a file, where its directory may stand, can be read without the base. */
static bool fits_link(const struct zn_cutter *c, const struct zn_link *link) {
    if (c->piece_link == link) return true;
    if (!c->links->parts || !link || link->source == 0) return false;
    if (c->piece_link) return c->piece_link->source == link->source && c->piece.len < SHARED;
    return c->ahead_link && c->ahead_link->source == link->source && c->piece.len < TINY;
}

struct zn_cut zn_cut_next(struct zn_cutter *cutter) {
    struct zn_cut cut = {.off = cutter->piece.off, .link = cutter->piece_link};
    struct tally tally; /* clearing 64 kinds would waste time */
    tally.n = tally.most = 0;
    tally.kind[0] = (struct kind){.dtype = ZIPNN_DTYPE_UNKNOWN};
    cutter->end_by_name = end_by_name(cutter, cut.off);
    while (cutter->piece.len > 0 && (cut.len == 0 || (fits_link(cutter, cut.link) && joins(cutter, &tally, cut.len)))) {
        const uint32_t len = share(cutter, cut.len);
        count(&tally, &cutter->piece, len);
        cut.len += len;
        cutter->piece.off += len;
        cutter->piece.len -= len;
        if (cutter->piece.len > 0) break; /* cut inside a tensor */
        next_piece(cutter);
    }
    const struct kind *most = &tally.kind[tally.most];
    const unsigned word = zn_dtype_word(most->dtype);
    cut.dtype = most->dtype;
    cut.head = (most->phase + word - (unsigned)(cut.off % word)) % word;
    return cut;
}

uint64_t zn_cut_skip(struct zn_cutter *cutter, uint64_t n, uint64_t *bytes) {
    struct zn_span *piece = &cutter->piece;
    const uint64_t step = cutter->step ? cutter->step : ZN_CUT_TARGET, there = piece->len / step;
    const uint64_t some = ZN_MIN(n, there - ZN_MIN(there, (uint64_t)2));
    if (piece->off == cutter->start) return 0; /* the last chunk ended before the piece began */
    piece->off += some * step;
    piece->len -= some * step;
    *bytes += some * step;
    return some;
}
