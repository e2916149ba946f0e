/* Chooses tables. Blocks are clustered by their counts (k-means with code lengths as the distance), clusters that cost
 * more than they save are merged, and each cluster gets a table. On real weights, many local tables matter more than
 * precise ones (doc/internals/r16.md). */
#include "codec/r16_fit.h"

#include "codec/codec.h"
#include "codec/cost.h"

enum {
    UNLISTED = ZN_R16_CLASSES - 1,
    DEAREST = 14 * ZN_COST_ONE, /* code length of a symbol that a cluster has not seen: an escape and its byte */
    SHORT = 1 << 12,            /* symbols; in shorter streams ... */
    SHORT_RARE_SHIFT = 8,       /* ... a symbol with at most 1/256 of the counts costs more as a class than it saves */
    MANY = 1 << 17,             /* symbols; shorter streams are counted in full */
    GLANCE_LOG2 = 9,            /* log2 of the least block that is only counted in part */
    BLOCKS_LOG2 = 7,            /* a stream has at least 128 blocks if they can be that small */
    BLOCKS_PER_TABLE = 4,       /* blocks per table, at least; a table for fewer costs more than it saves */
    ONE_TABLE_LOG2 = 11,        /* shorter streams are one block or two, and a choice would save too little */
    MOST_LOG2 = 10,             /* log2 of the longest block of joint symbols with two bits */
    MANY_BLOCKS = 512,
    FEW_BLOCKS = 32,
    PATCHWORK = 24,   /* several tables must save 1/24 to count as a gain */
    N_RANKS = 1 << 10 /* weights by which blocks are sorted */
};

static unsigned n_above(const uint32_t *counts, struct zn_used used, uint32_t least) {
    unsigned n = 0;
    for (unsigned s = used.from; s < used.to; s++) n += counts[s] > least;
    return n;
}

/* Returns the count that at most `most` symbols exceed. Because of ties, some classes may stay unused. */
static uint32_t class_threshold(const uint32_t *counts, struct zn_used used, unsigned rare_shift, unsigned most) {
    uint32_t total = 0;
    for (unsigned s = used.from; s < used.to; s++) total += counts[s];
    uint32_t lo = total >> rare_shift, hi = total;
    if (n_above(counts, used, lo) <= most) return lo;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (n_above(counts, used, mid) > most)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void zn_r16_choose_classes(const uint32_t *counts, unsigned rare_shift, unsigned most, uint8_t class_of[256],
                           uint8_t *classes, unsigned *n_classes) {
    const struct zn_used used = zn_used_of(counts);
    const uint32_t least = class_threshold(counts, used, rare_shift, most);
    unsigned n = 0;
    memset(class_of, UNLISTED, 256);
    for (unsigned s = used.from; s < used.to; s++) {
        if (counts[s] <= least) continue;
        class_of[s] = (uint8_t)n;
        classes[n++] = (uint8_t)s;
    }
    *n_classes = n;
}

/* The blocks that are clustered: all blocks of a stream, or a sample. */
struct crowd {
    const uint16_t (*hist)[ZN_R16_CLASSES];
    size_t n;
    uint8_t *ids;
};

/* Gives each of few blocks its id: its position in the order of weights, times `part`. */
static void rank_few(const struct crowd *crowd, const uint32_t *weights, uint64_t part) {
    for (size_t b = 0; b < crowd->n; b++) {
        uint64_t before = 0;
        for (size_t i = 0; i < crowd->n; i++) before += weights[i] < weights[b] || (weights[i] == weights[b] && i < b);
        crowd->ids[b] = (uint8_t)(before * part >> 32);
    }
}

/* The same by a counting sort. Weights must be below N_RANKS. */
static void rank_many(const struct crowd *crowd, const uint32_t *weights, uint64_t part) {
    uint32_t below[N_RANKS + 1] = {0};
    for (size_t b = 0; b < crowd->n; b++) below[weights[b] + 1]++;
    for (unsigned m = 1; m <= N_RANKS; m++) below[m] += below[m - 1];
    for (size_t b = 0; b < crowd->n; b++) crowd->ids[b] = (uint8_t)(below[weights[b]]++ * part >> 32);
}

/* Makes the first guess: blocks ordered by their weight and cut into equal parts. A shift brings the weights below
 * N_RANKS. `counted`, the number of counted symbols in a block, bounds them. */
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

/* Gives each block the cluster that codes it with fewest bits, and the clusters their new counts. */
static void refine(const struct zn_kernels *k, const struct crowd *crowd, struct zn_r16_fit *fit, unsigned n_tables) {
    uint16_t cost[ZN_R16_MAX_TABLES][ZN_R16_CLASSES];
    for (unsigned t = 0; t < n_tables; t++) code_lengths(fit->sums[t], cost[t]);
    k->assign(crowd->hist, crowd->n, (const uint16_t(*)[ZN_R16_CLASSES])cost, n_tables, crowd->ids);
    add_up(k, crowd, fit);
}

/* Draws a sample of the blocks: if there are many, every fourth suffices to find the clusters. */
static struct crowd draw(const struct crowd *all, struct zn_r16_fit *fit) {
    if (all->n < MANY_BLOCKS) return *all;
    size_t n = 0;
    for (size_t b = 0; b < all->n; b += 4) memcpy(fit->sample[n++], all->hist[b], sizeof all->hist[b]);
    return (struct crowd){(const uint16_t(*)[ZN_R16_CLASSES])fit->sample, n, all->ids};
}

/* Counts the blocks of each table in several counters. Blocks in a row often share a table, and one counter would wait
 * for itself. */
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

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static unsigned log2_floor(size_t n) {
    return 63u - (unsigned)__builtin_clzll(n);
}

/* Returns the block length of a stream. Short streams get smaller blocks, so that each table has a few. */
static unsigned block_log2_of(const struct zn_effort *effort, size_t n) {
    unsigned log2_n = log2_floor(n);
    if (log2_n < ONE_TABLE_LOG2) return ZN_MAX(log2_n, (unsigned)ZN_R16_MIN_BLOCK);
    return ZN_MAX(ZN_MIN(effort->block_log2, log2_n - BLOCKS_LOG2), (unsigned)ZN_R16_MIN_BLOCK);
}

static unsigned most_tables(unsigned max_tables, size_t n_blocks) {
    return (unsigned)ZN_MIN(max_tables, n_blocks / BLOCKS_PER_TABLE + 1);
}

/* Chooses the classes and prepares the counts of the blocks. */
static void begin(struct zn_r16_fit *fit, const struct zn_effort *effort, unsigned max_tables, size_t n,
                  const uint32_t *counts) {
    fit->block_log2 = block_log2_of(effort, n);
    fit->n_blocks = ((n - 1) >> fit->block_log2) + 1;
    fit->n_tables = most_tables(max_tables, fit->n_blocks);
    zn_r16_choose_classes(counts, n < SHORT ? SHORT_RARE_SHIFT : ZN_R16_RARE_SHIFT,
                          fit->n_tables == 1 ? ZN_R16_MAX_LISTED : ZN_MAX_LISTABLE, fit->class_of, fit->classes,
                          &fit->n_classes);
}

/* Finds up to n_tables clusters of blocks, of which every step-th group of symbols was counted. */
static void find_tables(const struct zn_codec *c, struct zn_r16_fit *fit, const struct zn_effort *effort,
                        unsigned n_tables, unsigned step) {
    cluster(c->k, fit, n_tables, n_tables > 1 ? effort->rounds : 0, (1u << fit->block_log2) / step);
    if (n_tables > 1) zn_r16_merge(fit, step);
}

/* Merges the clusters and fits their tables. Returns the cost in bytes. */
static size_t fit_tables(struct zn_r16_fit *fit, unsigned depth, const uint32_t *counts, unsigned step) {
    struct zn_r16_group g = {.kind = step == 1 ? ZN_COUNTS_EXACT : ZN_COUNTS_SAMPLED,
                             .nested = depth > 0,
                             .n = fit->n_tables,
                             .symbols = counts,
                             .class_of = fit->class_of,
                             .classes = fit->classes,
                             .n_classes = fit->n_classes,
                             .first = fit->first,
                             .models = fit->models};
    for (unsigned t = 0; t < g.n; t++) g.counts[t] = fit->sums[t];
    const uint64_t data = zn_r16_models_fit(&g) * step + zn_r16_ids_cost(fit->blocks, fit->n_tables, fit->n_blocks);
    return (size_t)(data / (8 * ZN_COST_ONE)) + zn_r16_tables_len(&g) + 8;
}

/* The symbols to count: n symbols of a plane, or of words. */
struct symbols {
    size_t n;
    const uint8_t *plane;
    const struct zn_words *words;
};

static void count(const struct zn_codec *c, struct zn_r16_fit *fit, const struct symbols *s, unsigned step) {
    const struct zn_kernels *k = c->k;
    const struct zn_words *words = s->words;
    const uint8_t *const at = words ? words->at : s->plane;
    (!words                         ? k->class_hist
     : words->joint                 ? k->joint->class_hist[zn_joint_of_shape(words->shape, 1)]
     : words->shape == ZN_SHAPE_16R ? k->class_hist_16r
     : words->shape == ZN_SHAPE_F16
         ? k->class_hist_f16
         : k->class_hist_32r)(at, s->n, fit->block_log2, fit->class_of, fit->n_classes, step, fit->hist);
}

/* Returns whether several tables code the counts so much better than one that counting everything is worth its time. */
static bool are_patchwork(const struct zn_r16_fit *fit) {
    uint32_t all[ZN_R16_CLASSES] = {0};
    uint64_t apart = 0;
    for (unsigned t = 0; t < fit->n_tables; t++) {
        apart += zn_entropy(fit->sums[t], ZN_R16_CLASSES);
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++) all[c] += fit->sums[t][c];
    }
    const uint64_t one = zn_entropy(all, ZN_R16_CLASSES);
    return apart < one - one / PATCHWORK;
}

/* Returns whether the clusters took every table that there was, so that more tables might save more. */
static bool lacks_tables(const struct zn_r16_fit *fit, unsigned max_tables) {
    return fit->n_tables == max_tables;
}

static void look(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const struct symbols *s,
                 const uint32_t *counts, unsigned step) {
    struct zn_r16_fit *fit = c->fit[depth];
    begin(fit, effort, depth == 0 ? effort->max_tables : 1, s->n, counts);
    count(c, fit, s, step);
    find_tables(c, fit, effort, fit->n_tables, step);
    fit->lacks_tables = lacks_tables(fit, effort->max_tables);
}

/* Finds clusters of blocks and returns the step with which they were counted. For most chunks of words a quick count
 * suffices: longer blocks, counted in part, and half as many tables. Planes may be anything and are counted in full. */
static unsigned find_clusters(struct zn_codec *c, unsigned depth, const struct zn_effort *effort,
                              const struct symbols *s, const uint32_t *counts) {
    struct zn_effort glance = *effort;
    glance.max_tables /= 2;
    glance.block_log2 = ZN_MAX(effort->block_log2, (unsigned)GLANCE_LOG2);
    if (s->words && s->n >= MANY && effort->hist_step > 1) {
        look(c, depth, &glance, s, counts, effort->hist_step);
        if (!are_patchwork(c->fit[depth])) return effort->hist_step;
    }
    look(c, depth, effort, s, counts, 1);
    return 1;
}

static void double_blocks(struct zn_r16_fit *fit) {
    const size_t n = fit->n_blocks / 2;
    for (size_t b = 0; b < n; b++)
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++)
            fit->hist[b][c] = (uint16_t)(fit->hist[2 * b][c] + fit->hist[2 * b + 1][c]);
    if (fit->n_blocks % 2) memcpy(fit->hist[n], fit->hist[2 * n], sizeof fit->hist[n]);
    fit->n_blocks -= n;
    fit->block_log2++;
}

/* Returns whether a faster level would count this stream in longer blocks. */
static bool may_be_longer(const struct zn_r16_fit *fit, size_t n) {
    return fit->block_log2 < GLANCE_LOG2 && n >> (fit->block_log2 + 1 + BLOCKS_LOG2);
}

/* Fits half as many tables to longer blocks, up to those of the fastest level, and keeps them if the stream of n symbols
 * takes less than `cost`. Local tables do not pay everywhere, and k-means may go astray. Returns the least cost. */
static size_t fit_longer_blocks(struct zn_codec *c, const struct zn_effort *effort, size_t n, const uint32_t *counts,
                                size_t cost) {
    struct zn_r16_fit *fit = c->fit[0], best = *fit;
    const struct zn_effort quick = {.max_tables = effort->max_tables / 2, .rounds = 1};
    bool lacks = fit->lacks_tables;
    size_t dearest = cost;
    memcpy(fit->spare, fit->ids, fit->n_blocks);
    while (may_be_longer(fit, n)) {
        double_blocks(fit);
        find_tables(c, fit, &quick, most_tables(quick.max_tables, fit->n_blocks), 1);
        lacks |= lacks_tables(fit, quick.max_tables);
        const size_t longer = fit_tables(fit, 0, counts, 1);
        dearest = ZN_MAX(dearest, longer);
        if (longer >= cost) continue;
        cost = longer;
        best = *fit;
        memcpy(fit->spare, fit->ids, fit->n_blocks);
    }
    *fit = best;
    memcpy(fit->ids, fit->spare, fit->n_blocks);
    fit->lacks_tables = lacks;
    fit->dearest = dearest;
    return cost;
}

static size_t fit(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const struct symbols *s,
                  const uint32_t *counts) {
    const unsigned step = find_clusters(c, depth, effort, s, counts);
    const size_t cost = fit_tables(c->fit[depth], depth, counts, step);
    c->fit[depth]->dearest = cost;
    const bool longer = depth == 0 && step == 1 && may_be_longer(c->fit[0], s->n);
    return longer ? fit_longer_blocks(c, effort, s->n, counts, cost) : cost;
}

size_t zn_r16_fit(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                  const uint32_t *counts) {
    return fit(c, depth, effort, &(struct symbols){n, plane, NULL}, counts);
}

size_t zn_r16_fit_words(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                        const uint32_t *counts) {
    return fit(c, 0, effort, &(struct symbols){words->n, NULL, words}, counts);
}

/* Short blocks follow short rows; long ones cost fewer ids, and their counts depend less on chance. */
static size_t fit_blocks(struct zn_codec *c, const struct zn_effort *effort, const struct symbols *s,
                         const uint32_t *counts) {
    struct zn_r16_fit *fit = c->fit[0], best;
    struct zn_effort shortest = *effort;
    size_t least = SIZE_MAX;
    shortest.block_log2 = ZN_R16_MIN_BLOCK;
    begin(fit, &shortest, effort->max_tables, s->n, counts);
    count(c, fit, s, 1);
    for (;;) {
        find_tables(c, fit, effort, most_tables(effort->max_tables, fit->n_blocks), 1);
        const size_t cost = fit_tables(fit, 0, counts, 1);
        if (cost < least) {
            least = cost;
            best = *fit;
            memcpy(fit->spare, fit->ids, fit->n_blocks);
        }
        if (fit->block_log2 == MOST_LOG2) break;
        double_blocks(fit);
    }
    *fit = best;
    memcpy(fit->ids, fit->spare, fit->n_blocks);
    return least;
}

size_t zn_r16_fit_blocks(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                         const uint32_t *counts) {
    return fit_blocks(c, effort, &(struct symbols){words->n, NULL, words}, counts);
}

size_t zn_r16_fit_plane_blocks(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                               const uint32_t *counts) {
    return fit_blocks(c, effort, &(struct symbols){n, plane, NULL}, counts);
}

/* Turns counts of joint symbols into counts of exponents: each pair of symbols becomes one. The clusters stay. */
static void leave_exponents(struct zn_r16_fit *fit) {
    uint8_t class_of[ZN_R16_CLASSES];
    unsigned n = 0;
    memset(fit->class_of, UNLISTED, sizeof fit->class_of);
    for (unsigned c = 0; c < fit->n_classes; c++) {
        const uint8_t exponent = fit->classes[c] / 2;
        if (n == 0 || fit->classes[n - 1] != exponent) fit->classes[n++] = exponent;
        class_of[c] = fit->class_of[exponent] = (uint8_t)(n - 1);
    }
    for (unsigned t = 0; t < fit->n_tables; t++) {
        uint32_t sums[ZN_R16_CLASSES] = {0};
        for (unsigned c = 0; c < fit->n_classes; c++) sums[class_of[c]] += fit->sums[t][c];
        sums[UNLISTED] = fit->sums[t][UNLISTED];
        memcpy(fit->sums[t], sums, sizeof sums);
    }
    fit->n_classes = n;
}

/* Returns the bytes that exponents take at their entropy with these clusters. No tables can code them shorter. */
static size_t least_of_exponents(const struct zn_r16_fit *fit, unsigned step) {
    uint64_t cost = zn_r16_ids_cost(fit->blocks, fit->n_tables, fit->n_blocks);
    for (unsigned t = 0; t < fit->n_tables; t++) cost += zn_entropy(fit->sums[t], ZN_R16_CLASSES) * step;
    return (size_t)(cost / (8 * ZN_COST_ONE));
}

struct zn_joint_costs zn_r16_fit_joint(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                                       const uint32_t *counts) {
    const unsigned step = find_clusters(c, 0, effort, &(struct symbols){words->n, NULL, words}, counts);
    struct zn_r16_fit plain = *c->fit[0];
    uint32_t exponents[256] = {0};
    leave_exponents(&plain);
    struct zn_joint_costs costs = {fit_tables(c->fit[0], 0, counts, step),
                                   least_of_exponents(&plain, step) + words->n / 8};
    if (zn_joint_is_clear(&costs)) return costs;
    for (unsigned s = 0; s < 256; s++) exponents[s / 2] += counts[s];
    costs.exponents = fit_tables(&plain, 0, exponents, step) + words->n / 8;
    return costs;
}

size_t zn_r16_dearest(const struct zn_codec *c) {
    return c->fit[0]->dearest;
}

size_t zn_r16_least_of_pairs(const struct zn_codec *c) {
    struct zn_r16_fit pairs = *c->fit[0];
    leave_exponents(&pairs);
    return least_of_exponents(&pairs, 1);
}

bool zn_r16_lacks_tables(const struct zn_codec *c) {
    return c->fit[0]->lacks_tables;
}
