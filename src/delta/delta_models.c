/* Blocks of elements that moved by about as much share a scale and tables. How far a block moved is measured in steps
 * of the reference's exponents, which rounding does not bias: changes smaller than a step show as now and then a whole
 * one.
 */
#include "codec/cost.h"
#include "delta/delta_parts.h"

enum {
    SPAN = 24,         /* contexts further below the highest than this count as that */
    N_LEVELS = 160,    /* half octaves */
    MIN_BLOCKS = 8,    /* of a model */
    STILL_DISTANCE = 4 /* from blocks without any change to those that changed least */
};

/* log2 in half octaves. */
static unsigned half_octaves(uint64_t x) {
    unsigned shift = 0;
    while (x >> shift > UINT32_MAX) shift++;
    return 2 * shift + zn_log2((uint32_t)(x >> shift)) * 2 / ZN_COST_ONE;
}

/* A run of levels. */
struct run {
    unsigned first, last, centre, blocks;
};

struct runs {
    unsigned n;
    struct run run[N_LEVELS];
};

static void start_runs(const uint32_t *counts, struct runs *r) {
    r->n = 0;
    for (unsigned level = 0; level < N_LEVELS; level++)
        if (counts[level]) r->run[r->n++] = (struct run){level, level, level, counts[level]};
}

/* What joining a run with the next would spoil. */
static uint64_t damage(const struct run *a, const struct run *b) {
    const unsigned gap = b->centre - a->centre + (a->centre == 0 ? STILL_DISTANCE : 0);
    return (uint64_t)ZN_MIN(a->blocks, b->blocks) * gap * gap;
}

static void join(struct runs *r, unsigned i) {
    struct run *a = &r->run[i];
    const struct run *b = a + 1;
    const unsigned blocks = a->blocks + b->blocks;
    a->centre = (a->centre * a->blocks + b->centre * b->blocks + blocks / 2) / blocks;
    a->blocks = blocks;
    a->last = b->last;
    r->n--;
    for (unsigned j = i + 1; j < r->n; j++) r->run[j] = r->run[j + 1];
}

static bool has_small(const struct runs *r) {
    for (unsigned i = 0; i < r->n; i++)
        if (r->run[i].blocks < MIN_BLOCKS) return true;
    return false;
}

static void join_runs(struct runs *r, unsigned max_runs) {
    while (r->n > 1 && (r->n > max_runs || has_small(r))) {
        unsigned best = 0;
        for (unsigned i = 1; i + 1 < r->n; i++)
            if (damage(&r->run[i], &r->run[i + 1]) < damage(&r->run[best], &r->run[best + 1])) best = i;
        if (r->n <= max_runs && r->run[best].blocks >= MIN_BLOCKS && r->run[best + 1].blocks >= MIN_BLOCKS) {
            /* Only a small run is left to be joined, with its nearer neighbour. */
            unsigned small = 0;
            while (r->run[small].blocks >= MIN_BLOCKS) small++;
            const bool down = small > 0 && (small + 1 == r->n || damage(&r->run[small - 1], &r->run[small]) <=
                                                                     damage(&r->run[small], &r->run[small + 1]));
            best = down ? small - 1 : small;
        }
        join(r, best);
    }
}

/* The scale of a level: upper parts are then about one to two, on average. */
static int scale_of(unsigned level, unsigned base) {
    return level == 0 ? 0 : (int)base + ((int)level - 1) / 2;
}

/* The level of each block, and how many blocks have which. Returns the mean of all, times 16. */
static uint64_t find_levels(struct zn_coder *coder, const struct zn_pair *pair, unsigned base,
                            struct zn_delta_models *models, uint32_t counts[N_LEVELS]) {
    const size_t n_blocks = ((pair->n - 1) >> models->block_log2) + 1;
    uint64_t *sums = zn_scratch_take(&coder->scratch, n_blocks * sizeof *sums), total = 0;
    models->ids = zn_scratch_take(&coder->scratch, n_blocks);
    coder->codec.k->delta->moves(pair->number, pair->src + pair->head, pair->ref + pair->head, pair->context, pair->n,
                                 models->block_log2, base, sums);
    for (size_t b = 0; b < n_blocks; b++) {
        /* The last block may be shorter, which only makes it look calmer. */
        const uint64_t mean = sums[b] * 16 >> models->block_log2;
        total += mean;
        models->ids[b] = (uint8_t)(sums[b] ? ZN_MIN(half_octaves(mean | 1) + 1, N_LEVELS - 1U) : 0);
        counts[models->ids[b]]++;
    }
    return total / n_blocks;
}

/* The scales of the models, and blocks by model instead of by level. Levels are of 16 times the mean: four octaves too
 * high. */
static void name_models(const struct runs *runs, unsigned base, size_t n, struct zn_delta_models *models) {
    const size_t n_blocks = ((n - 1) >> models->block_log2) + 1;
    uint8_t model_of[N_LEVELS] = {0};
    models->n = runs->n;
    for (unsigned m = 0; m < runs->n; m++) {
        const int scale = scale_of(runs->run[m].centre, base) - 4 - 8 * (int)models->n_low;
        models->scales[m] = (uint8_t)ZN_MAX(ZN_MIN(scale, 255), 0);
        for (unsigned level = runs->run[m].first; level <= runs->run[m].last; level++) model_of[level] = (uint8_t)m;
    }
    for (size_t b = 0; b < n_blocks; b++) models->ids[b] = model_of[models->ids[b]];
}

void zn_delta_models_choose(struct zn_coder *coder, const struct zn_pair *pair, unsigned highest, unsigned max_models,
                            struct zn_delta_models *models) {
    const unsigned base = highest - ZN_MIN(highest, (unsigned)SPAN);
    uint32_t counts[N_LEVELS] = {0};
    struct runs runs;
    const uint64_t mean = find_levels(coder, pair, base, models, counts);
    start_runs(counts, &runs);
    join_runs(&runs, max_models);
    const int typical = scale_of(half_octaves(mean | 1) + 1, base) - 4 - (int)highest;
    models->n_low = pair->width < 4 || typical < 8 ? 0 : ZN_MIN((unsigned)typical / 8, (unsigned)ZN_DELTA_MAX_LOW);
    name_models(&runs, base, pair->n, models);
}
