/* Merges clusters of blocks that cost more than they save. Neighbours are joined, the pair that loses least first, down
 * to one table. The set of clusters that was shortest on the way is kept. */
#include "codec/cost.h"
#include "codec/r16_fit.h"

enum {
    TABLE_COST = 12 * 8 * ZN_COST_ONE,
    PACKED_HEAD = 7 * 8 * ZN_COST_ONE,  /* of packed ids: a nested stream and its codec's head */
    CODED_HEAD = 100 * 8 * ZN_COST_ONE, /* of ids coded by R16: states and a table, too */
    /* When half of a block is counted, the block prefers one of two equal tables by about one bit, by chance alone.
     * When a quarter is counted, it is one and a half, and the part that is not counted loses three times that. */
    CHANCE_OF_HALF = 2 * ZN_COST_ONE,
    CHANCE_OF_QUARTER = 3 * ZN_COST_ONE
};

/* Returns x log2 x. */
static uint64_t xlog(uint64_t x) {
    return x ? x * zn_log2((uint32_t)x) : 0;
}

struct merger {
    unsigned n, left;
    uint64_t step, chance;
    uint32_t sums[ZN_R16_MAX_TABLES][ZN_R16_CLASSES];
    uint32_t blocks[ZN_R16_MAX_TABLES];
    uint64_t own[ZN_R16_MAX_TABLES];      /* cost of a cluster's counts at their entropy */
    uint64_t joint[ZN_R16_MAX_TABLES];    /* the same for a cluster and its next neighbour together */
    uint64_t extra[ZN_R16_MAX_TABLES];    /* extra cost of coding both with one table */
    uint8_t into[ZN_R16_MAX_TABLES];      /* the cluster that this one was merged into */
    uint8_t left_then[ZN_R16_MAX_TABLES]; /* clusters left after that merge; 0 for a cluster that is still there */
};

static uint64_t joint_cost(const uint32_t *a, const uint32_t *b) {
    uint32_t both[ZN_R16_CLASSES];
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) both[c] = a[c] + b[c];
    return zn_entropy(both, ZN_R16_CLASSES);
}

/* Computes the cost of joining a pair. Counts are samples, and the step scales them to all symbols. */
static void price_pair(struct merger *m, unsigned a, unsigned b) {
    const uint64_t apart = m->own[a] + m->own[b] + m->chance * ZN_MIN(m->blocks[a], m->blocks[b]);
    m->joint[a] = joint_cost(m->sums[a], m->sums[b]);
    m->extra[a] = m->joint[a] > apart ? (m->joint[a] - apart) * m->step : 0;
}

/* Returns the next cluster. Clusters are ordered by their mean class, so only neighbours are worth merging. */
static unsigned next_left(const struct merger *m, unsigned t) {
    do t++;
    while (t < m->n && m->left_then[t]);
    return t;
}

static void start(struct merger *m, const struct zn_r16_fit *fit, unsigned step) {
    *m = (struct merger){.n = fit->n_tables, .left = fit->n_tables, .step = step};
    m->chance = step == 1 ? 0 : step == 2 ? CHANCE_OF_HALF : CHANCE_OF_QUARTER;
    memcpy(m->sums, fit->sums, sizeof m->sums);
    memcpy(m->blocks, fit->blocks, sizeof m->blocks);
    for (unsigned t = 0; t < m->n; t++) m->own[t] = zn_entropy(m->sums[t], ZN_R16_CLASSES);
    for (unsigned t = 0; t + 1 < m->n; t++) price_pair(m, t, t + 1);
}

/* Returns the first cluster of the pair that loses least by sharing a table. Joined, their ids take fewer bits. */
static unsigned best_pair(const struct merger *m) {
    int64_t best = INT64_MIN;
    unsigned pair = 0;
    for (unsigned i = 0, j; (j = next_left(m, i)) < m->n; i = j) {
        const uint64_t a = m->blocks[i], b = m->blocks[j];
        const int64_t saved = (int64_t)(xlog(a + b) - xlog(a) - xlog(b)) - (int64_t)m->extra[i];
        if (saved <= best) continue;
        best = saved;
        pair = i;
    }
    return pair;
}

static void merge_pair(struct merger *m, unsigned a) {
    const unsigned b = next_left(m, a);
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) m->sums[a][c] += m->sums[b][c];
    m->blocks[a] += m->blocks[b];
    m->own[a] = m->joint[a];
    m->left_then[b] = (uint8_t)m->left--;
    m->into[b] = (uint8_t)a;
    unsigned before = a, after = next_left(m, a);
    while (before > 0 && m->left_then[before - 1]) before--;
    if (before > 0) price_pair(m, before - 1, a);
    if (after < m->n) price_pair(m, a, after);
}

uint64_t zn_r16_ids_cost(const uint32_t *blocks, unsigned n_tables, size_t n_blocks) {
    unsigned bits = 0;
    while (1u << bits < n_tables) bits++;
    if (bits == 0) return 0;
    return ZN_MIN((uint64_t)bits * n_blocks * ZN_COST_ONE + PACKED_HEAD, zn_entropy(blocks, n_tables) + CODED_HEAD);
}

/* Returns the cost of everything except the data. */
static uint64_t overhead(const struct merger *m, const struct zn_r16_fit *fit) {
    uint32_t blocks[ZN_R16_MAX_TABLES] = {0};
    unsigned n = 0;
    for (unsigned t = 0; t < m->n; t++)
        if (!m->left_then[t]) blocks[n++] = m->blocks[t];
    return zn_r16_ids_cost(blocks, n, fit->n_blocks) + (uint64_t)n * TABLE_COST;
}

/* Undoes the merges after `left` tables were left. Renumbers the tables and rewrites sums, counts of blocks and ids. */
static void compact(const struct merger *m, unsigned left, struct zn_r16_fit *fit) {
    uint8_t number[ZN_R16_MAX_TABLES];
    unsigned n = 0;
    for (unsigned t = 0; t < m->n; t++) {
        if (m->left_then[t] > left) { /* it was merged into a cluster before it */
            const unsigned to = number[t] = number[m->into[t]];
            for (unsigned c = 0; c < ZN_R16_CLASSES; c++) fit->sums[to][c] += fit->sums[t][c];
            fit->blocks[to] += fit->blocks[t];
            continue;
        }
        memmove(fit->sums[n], fit->sums[t], sizeof fit->sums[n]);
        fit->blocks[n] = fit->blocks[t];
        number[t] = (uint8_t)n++;
    }
    uint8_t *const ids = fit->ids;
    const size_t n_blocks = fit->n_blocks;
    for (size_t b = 0; b < n_blocks; b++) ids[b] = number[ids[b]];
    fit->n_tables = n;
}

void zn_r16_merge(struct zn_r16_fit *fit, unsigned step) {
    struct merger m;
    start(&m, fit, step);
    uint64_t lost = 0, best = overhead(&m, fit);
    unsigned best_left = m.left;
    while (m.left > 1) {
        const unsigned a = best_pair(&m);
        lost += m.extra[a];
        merge_pair(&m, a);
        const uint64_t cost = lost + overhead(&m, fit);
        if (cost > best) continue;
        best = cost;
        best_left = m.left;
    }
    compact(&m, best_left, fit);
}
