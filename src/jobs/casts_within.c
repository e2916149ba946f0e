/* Finds floats that are casts of others of the same file: the weights of 16 bits beside their masters of 32. A sample of
 * the wide tensor is cast, and must equal that of the narrow one. */
#include <stdlib.h>

#include "delta/casts.h"
#include "jobs/relations.h"
#include "plan/dtype.h"

enum {
    WORTH_A_LINK = 16 << 10, /* bytes */
    N_RUNS = 4,
    RUN = 32 /* elements */
};

/* A narrow tensor as it is, or a wide one as it is after a cast. */
struct cast_sample {
    uint64_t n; /* elements of the tensor */
    size_t tensor;
    uint8_t cast; /* that makes it; of a narrow tensor: ZN_N_CASTS */
    zipnn_dtype to;
    uint64_t hash;
};

struct search {
    const struct zn_engine *e;
    const struct zn_plan *plan;
    const struct zn_input *in;
    uint8_t *busy; /* for each tensor: a link inside the file begins or leads there */
    struct cast_sample *sample;
    size_t n, cap;
};

static int compare(const void *a, const void *b) {
    const struct cast_sample *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    const bool narrow = x->cast == ZN_N_CASTS, other = y->cast == ZN_N_CASTS;
    if (narrow != other) return narrow ? 1 : -1;
    return (x->tensor > y->tensor) - (x->tensor < y->tensor);
}

static void mark(const struct search *s, uint64_t off) {
    const size_t i = zn_plan_at(s->plan, off);
    if (i < s->plan->n_tensors) s->busy[i] = 1;
}

/* A chunk that others refer to refers to nothing in its file, so tensors with links are left alone. */
static void mark_busy(const struct search *s, const struct zn_links *links) {
    for (size_t i = 0; i < links->n; i++) {
        const struct zn_link *l = &links->link[i];
        if (l->source != 0 || l->len == 0) continue;
        mark(s, l->off);
        mark(s, l->ref_off);
        mark(s, l->ref_off + l->len - 1);
    }
}

/* Hashes a sample of the tensor, after the cast if there is one. A sample of one value tells nothing: hash 0. */
static zipnn_status take_sample(struct search *s, size_t i, uint8_t cast, zipnn_dtype to, zipnn_error *err) {
    const struct zn_tensor *t = &s->plan->tensors[i];
    const unsigned word = zn_dtype_word(t->dtype);
    const uint64_t n = t->len / word, part = (n - RUN) / N_RUNS;
    uint8_t bytes[RUN * sizeof(uint32_t)], all[N_RUNS * RUN * sizeof(uint16_t)];
    for (unsigned r = 0; r < N_RUNS; r++) {
        uint8_t *at = all + (size_t)r * RUN * sizeof(uint16_t);
        const uint64_t off = t->off + (part * r + part / 3) * word;
        ZN_TRY(zn_input_copy(s->in, off, (size_t)RUN * word, cast == ZN_N_CASTS ? at : bytes, err));
        if (cast != ZN_N_CASTS) zn_cast((enum zn_cast)cast, bytes, RUN, at);
    }
    if (memcmp(all, all + 2, sizeof all - 2) == 0) return ZIPNN_OK;
    void *samples = s->sample;
    const zipnn_status status = zn_grow(&s->e->alloc, &samples, &s->cap, s->n + 1, sizeof *s->sample, err);
    s->sample = samples;
    if (status == ZIPNN_OK) s->sample[s->n++] = (struct cast_sample){n, i, cast, to, s->e->k->xxh3_64(all, sizeof all)};
    return status;
}

static zipnn_status sample_tensor(struct search *s, size_t i, zipnn_error *err) {
    const struct zn_tensor *t = &s->plan->tensors[i];
    const bool inside = t->off <= s->in->length && t->len <= s->in->length - t->off;
    if (s->busy[i] || !inside || t->len < WORTH_A_LINK || t->len % zn_dtype_word(t->dtype)) return ZIPNN_OK;
    if (t->meaning & (ZN_BIG_ENDIAN | ZN_UNREADABLE)) return ZIPNN_OK;
    if (t->dtype == ZIPNN_BF16 || t->dtype == ZIPNN_F16) return take_sample(s, i, ZN_N_CASTS, t->dtype, err);
    if (t->dtype != ZIPNN_F32) return ZIPNN_OK;
    ZN_TRY(take_sample(s, i, ZN_CAST_F32_BF16, ZIPNN_BF16, err));
    ZN_TRY(take_sample(s, i, ZN_CAST_F32_BF16_CUT, ZIPNN_BF16, err));
    return take_sample(s, i, ZN_CAST_F32_F16, ZIPNN_F16, err);
}

static bool makes(const struct cast_sample *wide, const struct cast_sample *narrow) {
    return wide->n == narrow->n && wide->to == narrow->to && wide->hash == narrow->hash && wide->cast != ZN_N_CASTS;
}

/* Links each narrow tensor to the first wide one that makes its sample. Samples are sorted: the wide ones come first. */
static zipnn_status link_all(const struct search *s, struct zn_links *links, zipnn_error *err) {
    const struct cast_sample *wide = NULL;
    for (size_t i = 0; i < s->n; i++) {
        const struct cast_sample *x = &s->sample[i];
        if (x->cast != ZN_N_CASTS) {
            if (!wide || wide->n != x->n || wide->to != x->to || wide->hash != x->hash) wide = x;
            continue;
        }
        if (!wide || !makes(wide, x)) continue;
        const struct zn_tensor *t = &s->plan->tensors[x->tensor];
        const struct zn_cast_widths w = zn_casts[wide->cast];
        const struct zn_link link = {.off = t->off,
                                     .len = t->len,
                                     .ref_off = s->plan->tensors[wide->tensor].off,
                                     .likeness = ZN_LINK_SIMILAR,
                                     .cast = wide->cast,
                                     .from = w.from,
                                     .to = w.to};
        ZN_TRY(zn_links_add(links, &link, err));
    }
    return ZIPNN_OK;
}

/* Returns whether the file has floats of 32 bits and of 16. */
static bool has_both(const struct zn_plan *plan) {
    bool wide = false, narrow = false;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const zipnn_dtype dtype = plan->tensors[i].dtype;
        if (plan->tensors[i].len < WORTH_A_LINK) continue;
        wide |= dtype == ZIPNN_F32;
        narrow |= dtype == ZIPNN_BF16 || dtype == ZIPNN_F16;
    }
    return wide && narrow;
}

zipnn_status zn_relate_casts(const struct zn_engine *e, const struct zn_plan *plan, const struct zn_input *in,
                             struct zn_links *links, zipnn_error *err) {
    struct search s = {.e = e, .plan = plan, .in = in};
    if (!has_both(plan)) return ZIPNN_OK;
    s.busy = zn_alloc(&e->alloc, plan->n_tensors);
    if (!s.busy) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu tensors", plan->n_tensors);
    memset(s.busy, 0, plan->n_tensors);
    mark_busy(&s, links);
    zipnn_status status = ZIPNN_OK;
    for (size_t i = 0; status == ZIPNN_OK && i < plan->n_tensors; i++) status = sample_tensor(&s, i, err);
    if (s.n) qsort(s.sample, s.n, sizeof *s.sample, compare);
    if (status == ZIPNN_OK) status = link_all(&s, links, err);
    zn_free(&e->alloc, s.sample);
    zn_free(&e->alloc, s.busy);
    return status;
}
