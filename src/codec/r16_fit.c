/* Choosing tables: blocks are clustered by their counts (k-means with code lengths as the distance), clusters that do
 * not pay for themselves are merged, and each cluster gets a table. Measured on real weights, locality of tables is
 * worth more than their precision: doc/internals/r16.md. */
#include "codec/r16_fit.h"

#include "codec/codec.h"
#include "codec/cost.h"

enum {
    UNLISTED = ZN_R16_CLASSES - 1,
    DEAREST = 14 * ZN_COST_ONE, /* code length given to what a cluster has not seen: an escape and its byte */
    TABLE_COST = 12 * 8 * ZN_COST_ONE,
    SHORT = 1 << 12,      /* symbols; below ... */
    SHORT_RARE_SHIFT = 8, /* ... one of at most 1/256 costs more as a class than it saves */
    BLOCKS_LOG2 = 7,      /* a stream has at least 128 blocks if they can be that small */
    BLOCKS_PER_TABLE = 4, /* at least, or the table costs more than it saves */
    ONE_TABLE_LOG2 = 11,  /* shorter streams are one block or two: a choice takes too long for what it gives */
    MANY_BLOCKS = 512,
    FEW_BLOCKS = 32,
    N_RANKS = 1 << 10 /* steps by which blocks are sorted */
};

static unsigned n_above(const uint32_t *counts, struct zn_used used, uint32_t least) {
    unsigned n = 0;
    for (unsigned s = used.from; s < used.to; s++) n += counts[s] > least;
    return n;
}

/* The count that a symbol must pass for at most 31 to do so; ties may leave some classes unused. */
static uint32_t class_threshold(const uint32_t *counts, struct zn_used used, unsigned rare_shift) {
    uint32_t total = 0;
    for (unsigned s = used.from; s < used.to; s++) total += counts[s];
    uint32_t lo = total >> rare_shift, hi = total;
    if (n_above(counts, used, lo) <= ZN_MAX_LISTABLE) return lo;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (n_above(counts, used, mid) > ZN_MAX_LISTABLE)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void zn_r16_choose_classes(const uint32_t *counts, unsigned rare_shift, uint8_t class_of[256], uint8_t *classes,
                           unsigned *n_classes) {
    const struct zn_used used = zn_used_of(counts);
    const uint32_t least = class_threshold(counts, used, rare_shift);
    unsigned n = 0;
    memset(class_of, UNLISTED, 256);
    for (unsigned s = used.from; s < used.to; s++) {
        if (counts[s] <= least) continue;
        class_of[s] = (uint8_t)n;
        classes[n++] = (uint8_t)s;
    }
    *n_classes = n;
}

/* Blocks being clustered: all of a stream's, or a sample. */
struct crowd {
    const uint16_t (*hist)[ZN_R16_CLASSES];
    size_t n;
    uint8_t *ids;
};

/* By how many lower ones each of few blocks would be preceded in order of weight, each among `part` of an id. */
static void rank_few(const struct crowd *crowd, const uint32_t *weights, uint64_t part) {
    for (size_t b = 0; b < crowd->n; b++) {
        uint64_t before = 0;
        for (size_t i = 0; i < crowd->n; i++) before += weights[i] < weights[b] || (weights[i] == weights[b] && i < b);
        crowd->ids[b] = (uint8_t)(before * part >> 32);
    }
}

/* The same by a counting sort, for weights below N_RANKS. */
static void rank_many(const struct crowd *crowd, const uint32_t *weights, uint64_t part) {
    uint32_t below[N_RANKS + 1] = {0};
    for (size_t b = 0; b < crowd->n; b++) below[weights[b] + 1]++;
    for (unsigned m = 1; m <= N_RANKS; m++) below[m] += below[m - 1];
    for (size_t b = 0; b < crowd->n; b++) crowd->ids[b] = (uint8_t)(below[weights[b]]++ * part >> 32);
}

/* First guess: blocks in order of their weight, cut into equal parts. Weights are brought to N_RANKS steps by a shift;
 * `counted` symbols of a block bound them. */
static void guess_ids(const struct zn_kernels *k, const struct crowd *crowd, unsigned n_tables, uint32_t counted,
                      uint32_t *weights) {
    unsigned shift = 0;
    while ((counted * (ZN_R16_CLASSES - 1)) >> shift >= N_RANKS) shift++;
    k->hist_weights(crowd->hist, crowd->n, weights);
    for (size_t b = 0; b < crowd->n; b++) weights[b] >>= shift;
    const uint64_t part = ((uint64_t)n_tables << 32) / crowd->n;
    (crowd->n < FEW_BLOCKS ? rank_few : rank_many)(crowd, weights, part);
}

static void add_up(const struct zn_kernels *k, const struct crowd *crowd, struct zn_r16_fit *fit) {
    memset(fit->sums, 0, sizeof fit->sums);
    k->hist_sums(crowd->hist, crowd->n, crowd->ids, fit->sums);
}

static void code_lengths(const uint32_t *sum, uint16_t *cost) {
    uint32_t n = 0;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) n += sum[c];
    uint32_t log_n = n ? zn_log2(n) : 0;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++)
        cost[c] = (uint16_t)(sum[c] ? ZN_MIN(log_n - ZN_MIN(log_n, zn_log2(sum[c])), (uint32_t)DEAREST) : DEAREST);
    cost[UNLISTED] = DEAREST;
}

/* Gives each block the cluster that codes it shortest, and the clusters their new counts. */
static void refine(const struct zn_kernels *k, const struct crowd *crowd, struct zn_r16_fit *fit, unsigned n_tables) {
    uint16_t cost[ZN_R16_MAX_TABLES][ZN_R16_CLASSES];
    for (unsigned t = 0; t < n_tables; t++) code_lengths(fit->sums[t], cost[t]);
    k->assign(crowd->hist, crowd->n, (const uint16_t(*)[ZN_R16_CLASSES])cost, n_tables, crowd->ids);
    add_up(k, crowd, fit);
}

/* Of many blocks every fourth is enough to find the clusters. */
static struct crowd draw(const struct crowd *all, struct zn_r16_fit *fit) {
    if (all->n < MANY_BLOCKS) return *all;
    size_t n = 0;
    for (size_t b = 0; b < all->n; b += 4) memcpy(fit->sample[n++], all->hist[b], sizeof all->hist[b]);
    return (struct crowd){(const uint16_t(*)[ZN_R16_CLASSES])fit->sample, n, all->ids};
}

/* Blocks in a row often have one table, whose counts would then wait for themselves. */
static void count_blocks(struct zn_r16_fit *fit) {
    uint32_t count[4][ZN_R16_MAX_TABLES] = {{0}};
    const uint8_t *ids = fit->ids;
    const size_t n = fit->n_blocks;
    for (size_t b = 0; b < n; b++) count[b % 4][ids[b]]++;
    for (unsigned t = 0; t < ZN_R16_MAX_TABLES; t++)
        fit->blocks[t] = count[0][t] + count[1][t] + count[2][t] + count[3][t];
}

static void cluster(const struct zn_kernels *k, struct zn_r16_fit *fit, unsigned n_tables, unsigned rounds,
                    uint32_t counted) {
    struct crowd all = {(const uint16_t(*)[ZN_R16_CLASSES])fit->hist, fit->n_blocks, fit->ids};
    struct crowd some = n_tables > 1 ? draw(&all, fit) : all;
    guess_ids(k, &some, n_tables, counted, fit->weights);
    add_up(k, &some, fit);
    for (unsigned round = 0; round < rounds; round++) refine(k, &some, fit, n_tables);
    if (some.hist != all.hist) refine(k, &all, fit, n_tables);
    count_blocks(fit);
    fit->n_tables = n_tables;
}

/* ---- merging
 * ------------------------------------------------------------------------------------------------------------ */

/* x log2 x */
static uint64_t xlog(uint64_t x) {
    return x ? x * zn_log2((uint32_t)x) : 0;
}

struct merger {
    uint64_t own[ZN_R16_MAX_TABLES];   /* cost of a cluster's counts at their entropy */
    uint64_t joint[ZN_R16_MAX_TABLES]; /* the same of a cluster and its next neighbour together */
    uint64_t extra[ZN_R16_MAX_TABLES]; /* what coding a cluster and its next neighbour by one table costs more */
    uint8_t into[ZN_R16_MAX_TABLES];   /* where a cluster went */
    bool gone[ZN_R16_MAX_TABLES];
};

static uint64_t joint_cost(const uint32_t *a, const uint32_t *b) {
    uint32_t both[ZN_R16_CLASSES];
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) both[c] = a[c] + b[c];
    return zn_entropy(both, ZN_R16_CLASSES);
}

static void price_pair(struct merger *m, const struct zn_r16_fit *fit, unsigned a, unsigned b) {
    const uint64_t apart = m->own[a] + m->own[b];
    m->joint[a] = joint_cost(fit->sums[a], fit->sums[b]);
    m->extra[a] = m->joint[a] > apart ? m->joint[a] - apart : 0;
}

/* What one table less saves: its record, and the choice between the two in the ids. */
static uint64_t merge_saves(const struct zn_r16_fit *fit, unsigned a, unsigned b) {
    uint64_t na = fit->blocks[a], nb = fit->blocks[b];
    return TABLE_COST + xlog(na + nb) - xlog(na) - xlog(nb);
}

/* Clusters are in order of their mean class, so only neighbours are worth merging. */
static unsigned next_left(const struct merger *m, unsigned n_tables, unsigned t) {
    do t++;
    while (t < n_tables && m->gone[t]);
    return t;
}

static void merge_pair(struct merger *m, struct zn_r16_fit *fit, unsigned a, unsigned b) {
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) fit->sums[a][c] += fit->sums[b][c];
    fit->blocks[a] += fit->blocks[b];
    m->own[a] = m->joint[a];
    m->gone[b] = true;
    m->into[b] = (uint8_t)a;
    unsigned before = a, after = next_left(m, fit->n_tables, a);
    while (before > 0 && m->gone[before - 1]) before--;
    if (before > 0) price_pair(m, fit, before - 1, a);
    if (after < fit->n_tables) price_pair(m, fit, a, after);
}

/* The neighbours whose merging saves most; false when none saves anything. Counts are samples: `scale` brings them to
 * all symbols. */
static bool best_pair(const struct merger *m, const struct zn_r16_fit *fit, uint64_t scale, unsigned *a, unsigned *b) {
    int64_t best = -1;
    for (unsigned i = 0, j; (j = next_left(m, fit->n_tables, i)) < fit->n_tables; i = j) {
        int64_t saved = (int64_t)merge_saves(fit, i, j) - (int64_t)(m->extra[i] * scale);
        if (saved <= best) continue;
        best = saved;
        *a = i;
        *b = j;
    }
    return best >= 0;
}

/* Renumbers the tables that are left and rewrites the ids. */
static void compact(struct merger *m, struct zn_r16_fit *fit) {
    uint8_t number[ZN_R16_MAX_TABLES], *const ids = fit->ids;
    const size_t n_blocks = fit->n_blocks;
    unsigned n = 0;
    for (unsigned t = 0; t < fit->n_tables; t++) {
        if (m->gone[t]) continue;
        memmove(fit->sums[n], fit->sums[t], sizeof fit->sums[n]);
        fit->blocks[n] = fit->blocks[t];
        number[t] = (uint8_t)n++;
    }
    for (unsigned t = 0; t < fit->n_tables; t++) {
        unsigned root = t;
        while (m->gone[root]) root = m->into[root];
        if (root != t) number[t] = number[root];
    }
    for (size_t b = 0; b < n_blocks; b++) ids[b] = number[ids[b]];
    fit->n_tables = n;
}

static void merge_tables(struct zn_r16_fit *fit, uint64_t scale) {
    struct merger m = {0};
    unsigned a = 0, b = 0;
    for (unsigned t = 0; t < fit->n_tables; t++) m.own[t] = zn_entropy(fit->sums[t], ZN_R16_CLASSES);
    for (unsigned t = 0; t + 1 < fit->n_tables; t++) price_pair(&m, fit, t, t + 1);
    while (best_pair(&m, fit, scale, &a, &b)) merge_pair(&m, fit, a, b);
    compact(&m, fit);
}

/* ---- the whole
 * ---------------------------------------------------------------------------------------------------------- */

static unsigned log2_floor(size_t n) {
    return 63u - (unsigned)__builtin_clzll(n);
}

/* Short streams get smaller blocks (there should be a few per table) and are counted completely. */
static unsigned block_log2_of(const struct zn_effort *effort, size_t n) {
    unsigned log2_n = log2_floor(n);
    if (log2_n < ONE_TABLE_LOG2) return ZN_MAX(log2_n, (unsigned)ZN_R16_MIN_BLOCK);
    return ZN_MAX(ZN_MIN(effort->block_log2, log2_n - BLOCKS_LOG2), (unsigned)ZN_R16_MIN_BLOCK);
}

static unsigned step_of(const struct zn_effort *effort, unsigned block_log2, size_t n) {
    unsigned step = n < 1u << 15 ? 1 : effort->hist_step;
    while (step > 1 && 64u * step > 1u << block_log2) step /= 2;
    return step;
}

/* Everything up to the counts of blocks. */
static void begin(struct zn_r16_fit *fit, const struct zn_effort *effort, size_t n, const uint32_t *counts) {
    zn_r16_choose_classes(counts, n < SHORT ? SHORT_RARE_SHIFT : ZN_R16_RARE_SHIFT, fit->class_of, fit->classes,
                          &fit->n_classes);
    fit->block_log2 = block_log2_of(effort, n);
    fit->n_blocks = ((n - 1) >> fit->block_log2) + 1;
}

/* Everything after; every step-th group of symbols was counted. */
static size_t choose_tables(const struct zn_codec *c, struct zn_r16_fit *fit, const struct zn_effort *effort,
                            unsigned max_tables, unsigned step) {
    max_tables = (unsigned)ZN_MIN(max_tables, fit->n_blocks / BLOCKS_PER_TABLE + 1);
    cluster(c->k, fit, max_tables, max_tables > 1 ? effort->rounds : 0, (1u << fit->block_log2) / step);
    if (max_tables > 1) merge_tables(fit, step);

    uint64_t cost = 0;
    enum zn_counts kind = step == 1 ? ZN_COUNTS_EXACT : ZN_COUNTS_SAMPLED;
    for (unsigned t = 0; t < fit->n_tables; t++)
        cost += zn_r16_model_fit(fit->sums[t], kind, fit->classes, fit->n_classes, &fit->first[t], &fit->models[t]);
    uint64_t ids = fit->n_tables > 1 ? zn_entropy(fit->blocks, fit->n_tables) : 0;
    uint64_t bits = (cost * step + ids) / ZN_COST_ONE + (uint64_t)fit->n_tables * (TABLE_COST / ZN_COST_ONE);
    return (size_t)(bits / 8) + 8 + fit->n_classes;
}

size_t zn_r16_fit(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                  const uint32_t *counts) {
    struct zn_r16_fit *fit = c->fit[depth];
    begin(fit, effort, n, counts);
    const unsigned step = step_of(effort, fit->block_log2, n);
    c->k->class_hist(plane, n, fit->block_log2, fit->class_of, fit->n_classes, step, fit->hist);
    return choose_tables(c, fit, effort, depth == 0 ? effort->max_tables : 1, step);
}

size_t zn_r16_fit_words(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                        const uint32_t *counts) {
    struct zn_r16_fit *fit = c->fit[0];
    begin(fit, effort, words->n, counts);
    const unsigned step = step_of(effort, fit->block_log2, words->n);
    (words->shape == ZN_SHAPE_16R ? c->k->class_hist_16r
     : words->shape == ZN_SHAPE_F16
         ? c->k->class_hist_f16
         : c->k->class_hist_32r)(words->at, words->n, fit->block_log2, fit->class_of, fit->n_classes, step, fit->hist);
    return choose_tables(c, fit, effort, effort->max_tables, step);
}
