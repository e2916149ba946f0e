/* Finds tensors that nearly repeat another one of the same file: experts that began as copies, averages of weights,
 * target networks. Slices of a tensor that stacks several matrices count as tensors.
 *
 * A chunk that refers to its own original must refer to chunks that do not. So of tensors that resemble each other one
 * is the hub and stands alone, and the others, its followers, are linked to it. */
#include <stdlib.h>

#include "jobs/likeness.h"
#include "jobs/relations.h"

enum {
    WORTH_A_LINK = 16 << 10, /* bytes: what is shorter gains less than a chunk of its own costs */
    MAX_UNITS = 1 << 16,     /* of a file with more, only longer ones are looked at */
    MAX_SLICES = 1 << 12,    /* of one tensor */
    N_RUNS = 4,
    RUN = 33, /* words, of which 32 neighbours are compared */
    N_WORDS = N_RUNS * RUN,
    SHIFT = N_WORDS / 2 + 1, /* words this far apart have nothing to do with each other */
    N_BANDS = 10,
    BAND = 12,         /* bits */
    MOST_UNLIKE = 40,  /* signature bits that may differ; of unrelated weights 64 differ, give or take 6 */
    MAX_WALK = 32,     /* units of a band that are looked at */
    MAX_TIES = 16,     /* ... and of those, at most so many are tied to each unit */
    LEAST_SPREAD = 8,  /* 16ths of a bit: a tensor of one value, or nearly */
    LEAST_GAIN = 5 * 8 /* 16ths of a bit: a word must become so much shorter, or half as long */
};

enum role { ROLE_NONE, ROLE_HUB, ROLE_FOLLOWER };

/* A tensor, or a slice of one. */
struct unit {
    uint64_t off, len;
    zipnn_dtype dtype;
    uint32_t alone;   /* distance to what it would be coded against otherwise: a base, or nothing */
    uint64_t sign[2]; /* signature: for each two neighbours of the sample, whether the first is less */
    uint8_t *sample;
    uint64_t score;    /* what would be gained if it were a hub */
    uint64_t hub;      /* of a follower: its offset ... */
    uint32_t distance; /* ... and how far it is away */
    uint32_t seen;     /* number of the unit that it was last compared with, counted from 1 */
    uint8_t role;      /* enum role */
};

/* Unit a may be coded as its difference from unit b. */
struct tie {
    uint32_t a, b, distance;
};

struct search {
    const zipnn_allocator *alloc;
    const struct zn_plan *plan;
    const struct zn_input *in;
    struct zn_links *links;
    uint32_t *away; /* for each tensor, its distance to a base; ZN_UNRELATED: none; BUSY: it is linked already */
    struct unit *unit;
    size_t n, cap;
    uint8_t *samples;
    struct tie *tie;
    size_t n_ties, ties_cap;
    /* units by the bands of their signatures: lists, the first unit first */
    uint32_t *first, *last, *next; /* numbers of entries, which are unit * N_BANDS + band; NO_ENTRY: none */
    size_t n_lists;
};

#define BUSY UINT32_MAX
#define NO_ENTRY UINT32_MAX

static zipnn_status get_memory(const struct search *s, void *to, size_t n, size_t size, zipnn_error *err) {
    void *memory = zn_alloc(s->alloc, ZN_MAX(n, (size_t)1) * size);
    memcpy(to, &memory, sizeof memory);
    if (memory) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu tensors are compared", n);
}

/* ---- units ------------------------------------------------------------------------------------------------------- */

/* Returns the index of the tensor that begins at `off`; n_tensors if none does. */
static size_t tensor_at(const struct zn_plan *plan, uint64_t off) {
    size_t lo = 0, hi = plan->n_tensors;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const struct zn_tensor *t = &plan->tensors[mid];
        if (t->off < off || (t->off == off && t->len == 0))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < plan->n_tensors && plan->tensors[lo].off == off ? lo : plan->n_tensors;
}

/* Notes which tensors are linked already. What repeats others stays as it is; so does what is coded given another
 * tensor, and that tensor, too. */
static zipnn_status note_links(struct search *s, zipnn_error *err) {
    const size_t n = s->plan->n_tensors;
    ZN_TRY(get_memory(s, &s->away, n + 1, sizeof *s->away, err));
    for (size_t i = 0; i <= n; i++) s->away[i] = ZN_UNRELATED;
    for (size_t i = 0; i < s->links->n; i++) {
        const struct zn_link *l = &s->links->link[i];
        const size_t t = tensor_at(s->plan, l->off);
        if (l->source != ZN_SOURCE_SELF) {
            s->away[t] = ZN_MIN(s->away[t], l->distance);
            continue;
        }
        s->away[t] = BUSY;
        if (l->likeness == ZN_LINK_CONTEXT) s->away[tensor_at(s->plan, l->ref_off)] = BUSY;
    }
    return ZIPNN_OK;
}

/* Returns in how many slices the tensor is looked at: experts are stacked along the slowest dimension. */
static uint64_t slices_of(const struct search *s, size_t i, uint64_t least) {
    const struct zn_tensor *t = &s->plan->tensors[i];
    if (t->rank < 3 || s->away[i] != ZN_UNRELATED) return 1;
    const uint64_t n = s->plan->dims[t->shape + (t->meaning & ZN_COLUMN_MAJOR ? t->rank - 1 : 0)];
    if (n < 2 || n > MAX_SLICES || t->len % n || t->len / n < least) return 1;
    return t->len / n % zn_dtype_word(t->dtype) ? 1 : n;
}

/* Lists the units of at least so many bytes. Returns how many there are; no more than MAX_UNITS are listed. */
static size_t list_units(struct search *s, uint64_t least, struct unit *unit) {
    size_t n = 0;
    for (size_t i = 0; i < s->plan->n_tensors; i++) {
        const struct zn_tensor *t = &s->plan->tensors[i];
        const bool inside = t->off <= s->in->length && t->len <= s->in->length - t->off;
        if (!inside || t->len < least || s->away[i] == BUSY || t->meaning & ZN_UNREADABLE) continue;
        const uint64_t slices = slices_of(s, i, least), len = t->len / slices;
        for (uint64_t k = 0; k < slices; k++, n++)
            if (unit && n < MAX_UNITS)
                unit[n] = (struct unit){.off = t->off + k * len, .len = len, .dtype = t->dtype, .alone = s->away[i]};
    }
    return n;
}

static int by_kind(const void *a, const void *b) {
    const struct unit *x = a, *y = b;
    if (x->dtype != y->dtype) return x->dtype < y->dtype ? -1 : 1;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return (x->off > y->off) - (x->off < y->off);
}

static int by_place(const void *a, const void *b) {
    const struct unit *x = a, *y = b;
    return (x->off > y->off) - (x->off < y->off);
}

static bool same_kind(const struct unit *x, const struct unit *y) {
    return x->dtype == y->dtype && x->len == y->len;
}

/* Keeps the units that are not the only one of their kind, in the order of kinds. */
static zipnn_status choose_units(struct search *s, zipnn_error *err) {
    uint64_t least = WORTH_A_LINK;
    size_t n = list_units(s, least, NULL), kept = 0;
    while (n > MAX_UNITS) n = list_units(s, least *= 2, NULL);
    if (n < 2) return ZIPNN_OK;
    ZN_TRY(get_memory(s, &s->unit, n, sizeof *s->unit, err));
    list_units(s, least, s->unit);
    qsort(s->unit, n, sizeof *s->unit, by_kind);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && same_kind(&s->unit[i], &s->unit[end]);) end++;
        for (size_t k = i; end - i > 1 && k < end; k++) s->unit[kept++] = s->unit[k];
    }
    s->n = kept;
    return ZIPNN_OK;
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static void sign(struct unit *u) {
    for (unsigned r = 0; r < N_RUNS; r++) {
        uint64_t here = zn_likeness_value(u->sample, (size_t)r * RUN, u->dtype);
        for (unsigned i = 1; i < RUN; i++) {
            const uint64_t next = zn_likeness_value(u->sample, (size_t)r * RUN + i, u->dtype);
            u->sign[r / 2] = u->sign[r / 2] << 1 | (here < next);
            here = next;
        }
    }
}

/* Takes a sample at places that follow from type and length alone. */
static zipnn_status sample(const struct search *s, struct unit *u, zipnn_error *err) {
    const unsigned word = zn_likeness_word(u->dtype);
    const size_t run = (size_t)RUN * word;
    for (unsigned i = 0; i < N_RUNS; i++) {
        const uint64_t part = (u->len - run) / N_RUNS, off = part * i + part / 3;
        ZN_TRY(zn_input_copy(s->in, u->off + off / word * word, run, u->sample + i * run, err));
    }
    u->alone = ZN_MIN(u->alone, zn_likeness_spread(u->sample, N_WORDS, SHIFT, u->dtype));
    sign(u);
    return ZIPNN_OK;
}

static zipnn_status take_samples(struct search *s, zipnn_error *err) {
    size_t total = 0, at = 0;
    for (size_t i = 0; i < s->n; i++) total += (size_t)N_WORDS * zn_likeness_word(s->unit[i].dtype);
    ZN_TRY(get_memory(s, &s->samples, total, 1, err));
    for (size_t i = 0; i < s->n; i++) {
        s->unit[i].sample = s->samples + at;
        at += (size_t)N_WORDS * zn_likeness_word(s->unit[i].dtype);
        ZN_TRY(sample(s, &s->unit[i], err));
    }
    return ZIPNN_OK;
}

/* ---- ties -------------------------------------------------------------------------------------------------------- */

static size_t list_of(const struct search *s, const struct unit *u, unsigned band) {
    const unsigned bit = band * BAND % 64;
    uint64_t h = u->sign[band * BAND / 64] >> bit;
    if (bit + BAND > 64) h |= u->sign[1] << (64 - bit);
    h = (h & ((1U << BAND) - 1)) * N_BANDS + band;
    h = (h + u->len * 64 + (uint64_t)u->dtype) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 32) & (s->n_lists - 1);
}

static zipnn_status make_lists(struct search *s, zipnn_error *err) {
    for (s->n_lists = 1024; s->n_lists < s->n * N_BANDS;) s->n_lists *= 2;
    ZN_TRY(get_memory(s, &s->first, s->n_lists, sizeof *s->first, err));
    ZN_TRY(get_memory(s, &s->last, s->n_lists, sizeof *s->last, err));
    ZN_TRY(get_memory(s, &s->next, s->n * N_BANDS, sizeof *s->next, err));
    memset(s->first, 0xFF, s->n_lists * sizeof *s->first);
    memset(s->last, 0xFF, s->n_lists * sizeof *s->last);
    return ZIPNN_OK;
}

static void put_into_lists(struct search *s, size_t i) {
    for (unsigned band = 0; band < N_BANDS; band++) {
        const size_t list = list_of(s, &s->unit[i], band);
        const uint32_t entry = (uint32_t)(i * N_BANDS + band);
        s->next[entry] = NO_ENTRY;
        if (s->last[list] == NO_ENTRY)
            s->first[list] = entry;
        else
            s->next[s->last[list]] = entry;
        s->last[list] = entry;
    }
}

/* Returns whether the unit gains enough when it is coded as its difference from another one at this distance. */
static bool gains(const struct unit *u, uint32_t distance) {
    if (distance > zn_likeness_far(u->dtype) || distance >= u->alone) return false;
    return u->alone - distance >= LEAST_GAIN || u->alone >= 2 * distance;
}

static bool may_resemble(const struct unit *x, const struct unit *y) {
    if (!same_kind(x, y)) return false;
    return __builtin_popcountll(x->sign[0] ^ y->sign[0]) + __builtin_popcountll(x->sign[1] ^ y->sign[1]) <= MOST_UNLIKE;
}

static zipnn_status add_tie(struct search *s, size_t a, size_t b, uint32_t distance, zipnn_error *err) {
    void *tie = s->tie;
    if (!gains(&s->unit[a], distance)) return ZIPNN_OK;
    const zipnn_status status = zn_grow(s->alloc, &tie, &s->ties_cap, s->n_ties + 1, sizeof *s->tie, err);
    s->tie = tie;
    ZN_TRY(status);
    s->tie[s->n_ties++] = (struct tie){(uint32_t)a, (uint32_t)b, distance};
    s->unit[b].score += s->unit[a].alone - distance;
    return ZIPNN_OK;
}

/* Ties unit i to earlier ones. *alike tells whether it adds nothing new: it hardly differs from one of them. */
static zipnn_status tie_unit(struct search *s, size_t i, bool *alike, zipnn_error *err) {
    const size_t from = s->n_ties;
    struct unit *u = &s->unit[i];
    *alike = false;
    for (unsigned band = 0; band < N_BANDS && s->n_ties - from < 2 * MAX_TIES; band++) {
        uint32_t entry = s->first[list_of(s, u, band)];
        for (unsigned n = 0; entry != NO_ENTRY && n < MAX_WALK; n++, entry = s->next[entry]) {
            const size_t k = entry / N_BANDS;
            struct unit *other = &s->unit[k];
            if (other->seen == i + 1 || !may_resemble(u, other)) continue;
            const uint32_t distance = zn_likeness_distance(u->sample, other->sample, N_WORDS, u->dtype);
            other->seen = (uint32_t)i + 1;
            ZN_TRY(add_tie(s, i, k, distance, err));
            ZN_TRY(add_tie(s, k, i, distance, err));
            *alike |= distance <= u->alone / 8;
        }
    }
    return ZIPNN_OK;
}

/* Ties units that resemble each other. A unit that hardly differs from an earlier one is not offered to later ones: they
 * are tied to that one. So the ties of many copies are few. */
static zipnn_status tie_units(struct search *s, zipnn_error *err) {
    ZN_TRY(make_lists(s, err));
    for (size_t i = 0; i < s->n; i++) {
        bool alike;
        if (s->unit[i].alone < LEAST_SPREAD) continue;
        ZN_TRY(tie_unit(s, i, &alike, err));
        if (!alike) put_into_lists(s, i);
    }
    return ZIPNN_OK;
}

/* ---- hubs -------------------------------------------------------------------------------------------------------- */

/* What hubs are chosen by: the gain, of which only the first three bits count, then the order in the file. */
struct rank {
    uint64_t score;
    uint32_t unit;
};

static int by_rank(const void *a, const void *b) {
    const struct rank *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->unit > y->unit) - (x->unit < y->unit);
}

static int by_hub(const void *a, const void *b) {
    const struct tie *x = a, *y = b;
    if (x->b != y->b) return x->b < y->b ? -1 : 1;
    return (x->a > y->a) - (x->a < y->a);
}

static uint64_t round_score(uint64_t score) {
    const unsigned bits = score ? 64 - (unsigned)__builtin_clzll(score) : 0;
    return bits > 3 ? score >> (bits - 3) << (bits - 3) : score;
}

static void follow(struct unit *u, const struct unit *hub, uint32_t distance) {
    u->role = ROLE_FOLLOWER;
    u->hub = hub->off;
    u->distance = distance;
}

/* Gives the unit those followers that have no hub yet. */
static void make_hub(struct search *s, uint32_t hub) {
    size_t lo = 0, hi = s->n_ties;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (s->tie[mid].b < hub)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < s->n_ties && s->tie[lo].b == hub; lo++) {
        struct unit *u = &s->unit[s->tie[lo].a];
        if (u->role != ROLE_NONE) continue;
        s->unit[hub].role = ROLE_HUB;
        follow(u, &s->unit[hub], s->tie[lo].distance);
    }
}

/* Chooses hubs, those first that most is gained by; then every follower takes the nearest hub. */
static zipnn_status choose_hubs(struct search *s, zipnn_error *err) {
    struct rank *rank;
    if (s->n_ties == 0) return ZIPNN_OK;
    ZN_TRY(get_memory(s, &rank, s->n, sizeof *rank, err));
    for (size_t i = 0; i < s->n; i++) rank[i] = (struct rank){round_score(s->unit[i].score), (uint32_t)i};
    qsort(rank, s->n, sizeof *rank, by_rank);
    qsort(s->tie, s->n_ties, sizeof *s->tie, by_hub);
    for (size_t i = 0; i < s->n && rank[i].score; i++)
        if (s->unit[rank[i].unit].role == ROLE_NONE) make_hub(s, rank[i].unit);
    zn_free(s->alloc, rank);
    for (size_t t = 0; t < s->n_ties; t++) {
        struct unit *u = &s->unit[s->tie[t].a];
        const struct unit *hub = &s->unit[s->tie[t].b];
        if (u->role == ROLE_FOLLOWER && hub->role == ROLE_HUB && s->tie[t].distance < u->distance)
            follow(u, hub, s->tie[t].distance);
    }
    return ZIPNN_OK;
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

static zipnn_status link_to_hub(struct search *s, const struct unit *u, uint64_t off, zipnn_error *err) {
    const bool follows = u->role == ROLE_FOLLOWER;
    const struct zn_link link = {.off = off,
                                 .len = u->len,
                                 .ref_off = follows ? u->hub : u->off,
                                 .source = ZN_SOURCE_SELF,
                                 .likeness = follows ? ZN_LINK_SIMILAR : ZN_LINK_EQUAL,
                                 .distance = follows ? u->distance : 0};
    return zn_links_add(s->links, &link, err);
}

/* A tensor that repeats a follower must refer to the follower's hub, too. Link i is replaced by one for each unit of the
 * tensor that it leads to. The units are in the order of the file. */
static zipnn_status link_past(struct search *s, size_t i, zipnn_error *err) {
    const struct zn_link l = s->links->link[i];
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (s->unit[mid].off < l.ref_off)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool leads_on = false;
    size_t end = lo;
    for (; end < s->n && s->unit[end].off < l.ref_off + l.len; end++) leads_on |= s->unit[end].role == ROLE_FOLLOWER;
    if (!leads_on) return ZIPNN_OK;
    s->links->link[i].len = 0;
    for (; lo < end; lo++) ZN_TRY(link_to_hub(s, &s->unit[lo], s->unit[lo].off - l.ref_off + l.off, err));
    return ZIPNN_OK;
}

static zipnn_status link_units(struct search *s, zipnn_error *err) {
    const size_t n_links = s->links->n;
    if (s->n) qsort(s->unit, s->n, sizeof *s->unit, by_place);
    for (size_t i = 0; i < n_links; i++)
        if (s->links->link[i].source == ZN_SOURCE_SELF) ZN_TRY(link_past(s, i, err));
    for (size_t i = 0; i < s->n; i++)
        if (s->unit[i].role == ROLE_FOLLOWER) ZN_TRY(link_to_hub(s, &s->unit[i], s->unit[i].off, err));
    return ZIPNN_OK;
}

static zipnn_status search(struct search *s, zipnn_error *err) {
    ZN_TRY(note_links(s, err));
    ZN_TRY(choose_units(s, err));
    if (s->n == 0) return ZIPNN_OK;
    ZN_TRY(take_samples(s, err));
    ZN_TRY(tie_units(s, err));
    ZN_TRY(choose_hubs(s, err));
    return s->n_ties ? link_units(s, err) : ZIPNN_OK;
}

/* Returns whether the file has something to compare: two tensors, or one of slices. */
static bool has_enough(const struct zn_plan *plan) {
    return plan->n_tensors > 1 || (plan->n_tensors == 1 && plan->tensors[0].rank > 2);
}

zipnn_status zn_relate_similar(const struct zn_engine *e, const struct zn_plan *plan, const struct zn_input *in,
                               struct zn_links *links, zipnn_error *err) {
    if (!has_enough(plan)) return ZIPNN_OK;
    struct search s = {.alloc = &e->alloc, .plan = plan, .in = in, .links = links};
    const zipnn_status status = search(&s, err);
    void *const owned[] = {s.away, s.unit, s.samples, s.tie, s.first, s.last, s.next};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        if (owned[i]) zn_free(&e->alloc, owned[i]);
    return status;
}
