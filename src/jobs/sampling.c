/* Chunks differ: layers, embeddings and padding do not compress alike. So a few KiB of every chunk are compressed, its
 * taste, and some chunks are compressed whole. The estimate is what the tastes promise for all chunks, corrected by how
 * promises and sizes compare where both are known: the ratio estimator of survey sampling, for each element type by
 * itself. */
#include "jobs/sampling.h"

#include "chunk/cut.h"
#include "jobs/refer.h"
#include "plan/dtype.h"
#include "workers/each.h"

enum {
    MAX_LOOKED_AT = 1 << 16, /* chunks that are tasted, about; more only where tensors cut more of them */
    LEAST_SAMPLES = 3,       /* of each type, so that their spread is known */
    SLICES = 8,              /* slices of a chunk that make a taste */
    SLICE = 4 << 10,
    GRAIN = 64 /* slices begin at multiples of this, so that an unknown width is kept */
};

struct chunk {
    struct zn_cut cut;
    uint32_t tasted, promised; /* bytes of the taste before and after compression */
    uint32_t stored;           /* bytes of the whole chunk after compression, when it is picked */
    bool picked;
};

/* Chunks form groups by element type. Chunks with links form a group of their own, since their size does not follow
 * their type. */
enum { LINKED = ZN_N_DTYPES, N_STRATA };

/* The chunks of one element type. */
struct stratum {
    uint64_t n, bytes; /* chunks; bytes of all of them */
    uint64_t passed;   /* bytes of chunks that are too many to be looked at */
    uint64_t quota;    /* chunks to compress: one from each of as many equal parts */
    uint64_t seen, group, pick;
    double promised;             /* bytes that all tastes promise */
    uint64_t n_sampled, sampled; /* compressed chunks, and their original bytes */
    uint64_t stored;             /* their bytes after compression */
    double sampled_promised;     /* bytes that their tastes promised */
    double pp, ps, ss;           /* sums of products of promises and sizes, per byte */
};

struct estimate {
    const struct zn_job *job;
    struct zn_engine *e;
    const struct zn_plan *plan;
    const struct zn_relations *relations; /* NULL: none */
    const struct zn_input *in;
    struct stratum strata[N_STRATA];
    struct chunk *chunks;
    size_t n_chunks, cap;
    uint64_t n_passed; /* chunks that are not looked at */
    bool whole;        /* everything is compressed, without tastes */
};

/* ---- choosing */

static uint64_t scramble(uint64_t x) { /* SplitMix64 */
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static unsigned stratum_of(const struct zn_cut *cut) {
    return cut->link ? (unsigned)LINKED : (unsigned)cut->dtype;
}

static zipnn_status list_chunks(struct estimate *x, zipnn_error *err) {
    struct zn_cutter cutter;
    const uint64_t step = x->in->length / ZN_CUT_TARGET / MAX_LOOKED_AT + 1;
    zn_cutter_init_linked(&cutter, x->plan, x->relations ? &x->relations->links : NULL);
    for (;;) {
        struct zn_cut cut = zn_cut_next(&cutter);
        if (cut.len == 0 || cut.off >= x->in->length) return ZIPNN_OK;
        cut.len = (uint32_t)ZN_MIN((uint64_t)cut.len, x->in->length - cut.off);
        void *chunks = x->chunks;
        zipnn_status status = zn_grow(&x->e->alloc, &chunks, &x->cap, x->n_chunks + 1, sizeof *x->chunks, err);
        x->chunks = chunks;
        ZN_TRY(status);
        x->chunks[x->n_chunks++] = (struct chunk){.cut = cut};
        struct stratum *s = &x->strata[stratum_of(&cut)];
        const uint64_t end = cut.off + cut.len, left = (x->in->length - end) / ZN_CUT_MAX;
        uint64_t passed = 0;
        if (step > 1) x->n_passed += zn_cut_skip(&cutter, ZN_MIN(left, step - 1), &passed);
        s->passed += passed;
        s->bytes += cut.len + passed;
        s->n++;
    }
}

static void choose_pick(struct stratum *s, unsigned seed) {
    const uint64_t start = s->group * s->n / s->quota, end = (s->group + 1) * s->n / s->quota;
    s->pick = start + scramble((uint64_t)seed << 32 | s->group) % (end - start);
    s->group++;
}

static void pick_chunks(struct estimate *x, uint64_t max_sampled) {
    const double part = x->whole ? 1 : (double)max_sampled / (double)x->in->length;
    for (unsigned d = 0; d < N_STRATA; d++) {
        struct stratum *s = &x->strata[d];
        if (s->n == 0) continue;
        s->quota = ZN_MIN(s->n, ZN_MAX((uint64_t)((double)s->n * part + 0.5), (uint64_t)LEAST_SAMPLES));
        choose_pick(s, d);
    }
    for (size_t i = 0; i < x->n_chunks; i++) {
        const unsigned d = stratum_of(&x->chunks[i].cut);
        struct stratum *s = &x->strata[d];
        x->chunks[i].picked = s->seen++ == s->pick;
        if (x->chunks[i].picked && s->group < s->quota) choose_pick(s, d);
    }
}

/* ---- compressing */

/* Encodes the chunk as packing does. */
static zipnn_status encode(const struct estimate *x, struct zn_worker *w, const struct zn_cut *cut,
                           const uint8_t *bytes, uint32_t *body_len, zipnn_error *err) {
    uint8_t *body = w->frame + ZN_FRAME_LEN;
    *body_len = 0;
    if (cut->link) {
        const struct zn_likely likely = {cut->link, cut->off, cut->dtype, cut->head, bytes, cut->len};
        ZN_TRY(zn_refer(x->job, w, x->relations, x->in, &likely, body, body_len, err));
    }
    const struct zn_chunk_hint hint = {.dtype = cut->dtype, .head = cut->head, .plan = x->plan, .off = cut->off};
    const struct zn_encoder encoder = {&w->coder, &x->job->effort, hint, bytes, cut->len};
    if (*body_len == 0) *body_len = zn_chunk_encode(&encoder, body);
    return ZIPNN_OK;
}

/* Compresses slices of the chunk, one after the other in w->orig. Of known types these are whole elements. */
static zipnn_status taste(struct estimate *x, struct zn_worker *w, struct chunk *c, zipnn_error *err) {
    const struct zn_cut *cut = &c->cut;
    const uint32_t word = zn_dtype_word(cut->dtype), grain = word * GRAIN, slice = (SLICE + grain - 1) / grain * grain;
    const uint32_t inner = cut->len - ZN_MIN(cut->len, cut->head);
    const uint32_t head = inner < 2 * SLICES * slice ? cut->head : 0;
    const uint8_t *bytes;
    c->tasted = 0;
    if (inner < 2 * SLICES * slice) { /* little more than its slices, so all of it is taken */
        ZN_TRY(zn_input_at(x->in, cut->off, cut->len, w->orig, &bytes, err));
        c->tasted = cut->len;
    } else {
        for (uint32_t i = 0; i < SLICES; i++) {
            const uint64_t at = cut->head + (uint64_t)i * (inner - slice) / (SLICES - 1) / grain * grain;
            ZN_TRY(zn_input_copy(x->in, cut->off + at, slice, w->orig + c->tasted, err));
            c->tasted += slice;
        }
        bytes = w->orig;
    }
    const struct zn_chunk_hint hint = {.dtype = cut->dtype, .head = head};
    c->promised = ZN_FRAME_LEN + ZN_ENTRY_LEN;
    const struct zn_encoder encoder = {&w->coder, &x->job->effort, hint, bytes, c->tasted};
    c->promised += zn_chunk_encode(&encoder, w->frame + ZN_FRAME_LEN);
    return ZIPNN_OK;
}

static zipnn_status sample(struct estimate *x, struct zn_worker *w, struct chunk *c, zipnn_error *err) {
    const struct zn_cut *cut = &c->cut;
    const uint8_t *bytes;
    uint32_t body_len;
    if (!x->whole && !cut->link) ZN_TRY(taste(x, w, c, err));
    if (!c->picked) return ZIPNN_OK;
    ZN_TRY(zn_input_at(x->in, cut->off, cut->len, w->orig, &bytes, err));
    ZN_TRY(encode(x, w, cut, bytes, &body_len, err));
    c->stored = ZN_FRAME_LEN + ZN_ENTRY_LEN + body_len;
    return ZIPNN_OK;
}

static zipnn_status work(void *arg, struct zn_task *task, zipnn_error *err) {
    struct estimate *x = arg;
    return sample(x, task->w, &x->chunks[task->i], err);
}

/* ---- adding up */

static double square_root(double x) { /* Newton's method, since the library does not need libm */
    double root = x > 1 ? x : 1;
    for (int i = 0; i < 200; i++) root = (root + x / root) / 2;
    return root;
}

/* Adds up in the order of the file, so that the sums do not depend on which worker was first. */
static void add_chunk(struct stratum *s, const struct chunk *c) {
    const double len = c->cut.len, stored = c->stored;
    const double promise = c->tasted ? (double)c->promised / c->tasted * len : c->cut.link ? len : stored;
    s->promised += promise;
    if (!c->picked) return;
    s->n_sampled++;
    s->sampled += c->cut.len;
    s->stored += c->stored;
    s->sampled_promised += promise;
    s->pp += promise * promise / len;
    s->ps += promise * stored / len;
    s->ss += stored * stored / len;
}

/* Returns how sizes and promises compare where both are known. */
static double correction_of(const struct stratum *s) {
    return s->sampled_promised > 0 ? (double)s->stored / s->sampled_promised : 1;
}

/* Returns the variance of a stratum's size, in bytes squared: what the promises do not explain of the sizes, and less
 * of it the more chunks were compressed. */
static double variance_of(const struct stratum *s) {
    if (s->n_sampled == s->n || s->n_sampled < 2) return 0;
    const double r = correction_of(s), n = (double)s->n_sampled, bytes = (double)s->bytes;
    const double rest = (s->ss - 2 * r * s->ps + r * r * s->pp) / (double)s->sampled; /* squared, per byte */
    return rest > 0 ? rest / (n - 1) * (1 - n / (double)s->n) * bytes * bytes : 0;
}

static void sum_up(struct estimate *x, zipnn_estimate_info *info) {
    double variance = 0;
    for (size_t i = 0; i < x->n_chunks; i++) add_chunk(&x->strata[stratum_of(&x->chunks[i].cut)], &x->chunks[i]);
    *info = (zipnn_estimate_info){.original = x->in->length, .n_chunks = x->n_chunks + x->n_passed};
    info->archive = ZN_HEADER_LEN + ZN_FRAME_LEN + zn_index_head_len(x->job->sha256) + ZN_TRAILER_LEN;
    for (unsigned d = 0; d < N_STRATA; d++) {
        const struct stratum *s = &x->strata[d];
        info->sampled += s->sampled;
        info->archive += s->stored;
        if (s->n_sampled < s->n) info->archive += (uint64_t)((s->promised - s->sampled_promised) * correction_of(s));
        if (s->passed)
            info->archive +=
                (uint64_t)(s->promised * correction_of(s) * (double)s->passed / (double)(s->bytes - s->passed));
        variance += variance_of(s);
    }
    info->margin = (uint64_t)(2 * square_root(variance));
}

static zipnn_status run(struct estimate *x, zipnn_estimate_info *info, zipnn_error *err) {
    const struct zn_tasks tasks = {.n = x->n_chunks, .work = work, .arg = x};
    ZN_TRY(zn_each(x->e, zn_engine_crew(x->e, x->in->length), &tasks, err));
    sum_up(x, info);
    return ZIPNN_OK;
}

zipnn_status zn_estimate(const struct zn_job *job, const struct zn_plan *plan, const struct zn_relations *relations,
                         const struct zn_input *in, uint64_t max_sampled, zipnn_estimate_info *info, zipnn_error *err) {
    if (relations && relations->links.n == 0) relations = NULL;
    struct zn_engine *e = job->e;
    struct estimate x = {
        .job = job, .e = e, .plan = plan, .relations = relations, .in = in, .whole = in->length <= max_sampled};
    ZN_TRY(zn_relations_prepare(e, relations, err));
    zipnn_status status = list_chunks(&x, err);
    if (status == ZIPNN_OK) pick_chunks(&x, max_sampled);
    if (status == ZIPNN_OK) status = run(&x, info, err);
    zn_free(&e->alloc, x.chunks);
    return status;
}
