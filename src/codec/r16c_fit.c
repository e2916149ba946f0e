/* Chooses which contexts share a table. Contexts are ordered (they are exponents or similar), so each table of a model
 * belongs to a run of contexts. At first there is a run for every context seen. Then the two neighbours that lose least
 * by sharing are joined, until the tables are few enough and each saves more than it takes to write. It computes with
 * integers only. */
#include "codec/r16c_fit.h"

#include "codec/codec.h"
#include "codec/cost.h"

enum {
    SAMPLED = 1 << 16, /* bytes that suffice to see which symbols and contexts occur */
    TABLE_COST = 12 * 8 * ZN_COST_ONE
};

static size_t sample_step(const struct zn_r16c_input *in) {
    return ZN_MAX(in->n / SAMPLED, (size_t)in->hist_step);
}

static void choose_classes(struct zn_r16c_fit *fit, const struct zn_codec *c, const struct zn_r16c_input *in,
                           uint32_t counts[256]) {
    c->k->byte_hist(in->plane, in->n, sample_step(in), counts);
    zn_r16_choose_classes(counts, ZN_R16_RARE_SHIFT, ZN_MAX_LISTABLE, fit->class_of, fit->classes, &fit->n_classes);
}

enum { N_COUNTERS = 4 }; /* used in turn for each pair; otherwise equal pairs in a row would wait for one count */

/* Counts the pairs of [from, to). row_of maps a context to its rank times ZN_R16_CLASSES, class_of a symbol to its
 * class. */
static void count_pairs(const struct zn_r16c_input *in, const uint16_t row_of[256], const uint8_t class_of[256],
                        size_t from, size_t to, uint32_t counts[N_COUNTERS][ZN_R16C_RANKS * ZN_R16_CLASSES]) {
    const uint8_t *const context = in->context, *const plane = in->plane;
    size_t k = from;
    for (; k + N_COUNTERS <= to; k += N_COUNTERS)
        for (unsigned j = 0; j < N_COUNTERS; j++) counts[j][row_of[context[k + j]] + class_of[plane[k + j]]]++;
    for (; k < to; k++) counts[0][row_of[context[k]] + class_of[plane[k]]]++;
}

/* Counts the blocks of a model. A context of rank r is `lowest` + r; all contexts below `lowest` have rank 0. */
static void count_joint(struct zn_r16c_fit *fit, const struct zn_r16c_input *in, unsigned model, unsigned lowest) {
    const size_t block = in->n_models > 1 ? (size_t)1 << in->block_log2 : in->n, stride = 64 * (size_t)in->hist_step;
    uint32_t counts[N_COUNTERS][ZN_R16C_RANKS * ZN_R16_CLASSES];
    uint16_t row_of[256];
    memset(counts, 0, sizeof counts);
    for (unsigned c = 0; c < 256; c++) {
        const unsigned ctx = ZN_MIN(c, lowest + ZN_R16C_RANKS - 1);
        row_of[c] = (uint16_t)((ctx - ZN_MIN(ctx, lowest)) * ZN_R16_CLASSES);
    }
    for (size_t b = 0, at = 0; at < in->n; b++, at += block) {
        if (in->n_models > 1 && in->ids[b] != model) continue;
        const size_t end = ZN_MIN(in->n - at, block) + at;
        if (in->hist_step == 1) count_pairs(in, row_of, fit->class_of, at, end, counts);
        for (size_t i = at; i < end && in->hist_step > 1; i += stride)
            count_pairs(in, row_of, fit->class_of, i, ZN_MIN(i + 64, end), counts);
    }
    for (unsigned r = 0; r < ZN_R16C_RANKS; r++)
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++) {
            const unsigned i = r * ZN_R16_CLASSES + c;
            fit->joint[r][c] = counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i];
        }
}

/* Runs of ranks that become tables. */
struct runs {
    unsigned n;
    uint8_t first[ZN_R16C_RANKS];   /* the first rank of a run */
    uint64_t own[ZN_R16C_RANKS];    /* cost of a run's counts at their entropy */
    uint64_t joined[ZN_R16C_RANKS]; /* the same for a run and the next one together */
};

static uint64_t joined_cost(const uint32_t *a, const uint32_t *b) {
    uint32_t sum[ZN_R16_CLASSES];
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) sum[c] = a[c] + b[c];
    return zn_entropy(sum, ZN_R16_CLASSES);
}

static void start_runs(const struct zn_r16c_fit *fit, struct runs *r) {
    r->n = 0;
    for (unsigned rank = 0; rank < ZN_R16C_RANKS; rank++) {
        uint32_t any = 0;
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++) any |= fit->joint[rank][c];
        if (!any) continue;
        r->first[r->n] = (uint8_t)rank;
        r->own[r->n++] = zn_entropy(fit->joint[rank], ZN_R16_CLASSES);
    }
    for (unsigned i = 0; i + 1 < r->n; i++)
        r->joined[i] = joined_cost(fit->joint[r->first[i]], fit->joint[r->first[i + 1]]);
}

/* Joins run i with the next one. The counts of a run are stored at its first rank. */
static void join(struct zn_r16c_fit *fit, struct runs *r, unsigned i) {
    uint32_t *into = fit->joint[r->first[i]];
    const uint32_t *from = fit->joint[r->first[i + 1]];
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) into[c] += from[c];
    r->own[i] = r->joined[i];
    r->n--;
    for (unsigned j = i + 1; j < r->n; j++) {
        r->first[j] = r->first[j + 1];
        r->own[j] = r->own[j + 1];
    }
    for (unsigned j = i + 1; j + 1 < r->n; j++) r->joined[j] = r->joined[j + 1];
    if (i + 1 < r->n) r->joined[i] = joined_cost(into, fit->joint[r->first[i + 1]]);
    if (i > 0) r->joined[i - 1] = joined_cost(fit->joint[r->first[i - 1]], into);
}

static void join_runs(struct zn_r16c_fit *fit, struct runs *r, unsigned max_runs, uint64_t table_cost) {
    while (r->n > 1) {
        unsigned best = 0;
        uint64_t least = UINT64_MAX;
        for (unsigned i = 0; i + 1 < r->n; i++) {
            const uint64_t apart = r->own[i] + r->own[i + 1], loss = r->joined[i] - ZN_MIN(r->joined[i], apart);
            if (loss >= least) continue;
            least = loss;
            best = i;
        }
        if (r->n <= max_runs && least > table_cost) return;
        join(fit, r, best);
    }
}

static void fit_model(struct zn_r16c_fit *fit, const struct zn_r16c_input *in, unsigned model, unsigned lowest) {
    struct runs r;
    count_joint(fit, in, model, lowest);
    start_runs(fit, &r);
    join_runs(fit, &r, in->max_contexts, TABLE_COST / in->hist_step);
    memset(fit->parts[model], 0, sizeof fit->parts[model]);
    for (unsigned i = 0; i < r.n; i++) {
        memcpy(fit->parts[model][i], fit->joint[r.first[i]], sizeof fit->parts[model][i]);
        if (i > 0) fit->contexts.cuts[model][i - 1] = (uint8_t)(lowest + r.first[i]);
    }
    fit->n_parts[model] = (uint8_t)ZN_MAX(r.n, 1u);
}

static unsigned highest_context(const struct zn_codec *c, const struct zn_r16c_input *in) {
    uint32_t counts[256] = {0};
    unsigned highest = 255;
    c->k->byte_hist(in->context, in->n, sample_step(in), counts);
    while (highest > 0 && counts[highest] == 0) highest--;
    return highest;
}

/* Gives every model as many tables as the largest one has. The tables it does not need come first. Their cuts are 0,
 * which every context passes, so they code no symbol. */
static void level(struct zn_r16c_fit *fit, unsigned n_models) {
    unsigned n = 1;
    for (unsigned m = 0; m < n_models; m++) n = ZN_MAX(n, fit->n_parts[m]);
    fit->contexts.n = n;
    for (unsigned m = 0; m < n_models; m++) {
        const unsigned used = fit->n_parts[m], spare = n - used;
        memmove(fit->contexts.cuts[m] + spare, fit->contexts.cuts[m], used - 1);
        memset(fit->contexts.cuts[m], 0, spare);
        memmove(fit->parts[m][spare], fit->parts[m][0], used * sizeof fit->parts[m][0]);
        memset(fit->parts[m][0], 0, spare * sizeof fit->parts[m][0]);
        zn_r16_contexts_build(&fit->contexts, m);
    }
}

size_t zn_r16c_fit(struct zn_codec *c, const struct zn_r16c_input *in) {
    struct zn_r16c_fit *fit = c->given;
    const unsigned highest = highest_context(c, in), lowest = highest - ZN_MIN(highest, ZN_R16C_RANKS - 1u);
    uint32_t symbols[256] = {0};
    choose_classes(fit, c, in, symbols);
    for (unsigned m = 0; m < in->n_models; m++) fit_model(fit, in, m, lowest);
    level(fit, in->n_models);

    const unsigned n = fit->contexts.n;
    struct zn_r16_group g = {.kind = in->hist_step == 1 ? ZN_COUNTS_EXACT : ZN_COUNTS_SAMPLED,
                             .n = in->n_models * n,
                             .symbols = symbols,
                             .class_of = fit->class_of,
                             .classes = fit->classes,
                             .n_classes = fit->n_classes,
                             .first = fit->first,
                             .models = fit->models};
    for (unsigned t = 0; t < g.n; t++) g.counts[t] = fit->parts[t / n][t % n];
    const uint64_t cost = zn_r16_models_fit(&g);
    return (size_t)(cost * in->hist_step / (8 * ZN_COST_ONE)) + 9 + in->n_models * (n - 1) + zn_r16_tables_len(&g);
}
