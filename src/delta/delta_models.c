/* Chooses the models of dense coding. Blocks whose elements moved by about as much share a scale and tables. A block's
 * movement is measured in steps of the reference's exponents. Rounding does not bias this measure: among changes
 * smaller than a step, some show as a whole step. */
#include "codec/cost.h"
#include "delta/delta_parts.h"

enum {
    SPAN = 24,         /* contexts that lie further below the highest one count as this far */
    N_LEVELS = 160,    /* half octaves */
    MIN_BLOCKS = 8,    /* blocks of a model, at least */
    STILL_DISTANCE = 4 /* distance from blocks without any change to those that changed least */
};

/* Returns log2 in half octaves. */
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

/* Returns the cost of joining a run with the next one. */
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
            /* Only a small run remains to be joined, with its nearer neighbour. */
            unsigned small = 0;
            while (r->run[small].blocks >= MIN_BLOCKS) small++;
            const bool down = small > 0 && (small + 1 == r->n || damage(&r->run[small - 1], &r->run[small]) <=
                                                                     damage(&r->run[small], &r->run[small + 1]));
            best = down ? small - 1 : small;
        }
        join(r, best);
    }
}

/* Returns the scale of a level. The upper parts are then one or two, on average. */
static int scale_of(unsigned level, unsigned base) {
    return level == 0 ? 0 : (int)base + ((int)level - 1) / 2;
}

/* Finds the level of each block, and the number of blocks of each level. Returns the mean of all levels, times 16. */
static uint64_t find_levels(struct zn_coder *coder, const struct zn_pair *pair, unsigned base,
                            struct zn_delta_models *models, uint32_t counts[N_LEVELS]) {
    const size_t n_blocks = ((pair->n - 1) >> models->block_log2) + 1;
    uint64_t *sums = zn_scratch_take(&coder->scratch, n_blocks * sizeof *sums), total = 0;
    models->ids = zn_scratch_take(&coder->scratch, n_blocks);
    coder->codec.k->delta->moves(pair->number, pair->src + pair->head, pair->ref + pair->head, pair->context, pair->n,
                                 models->block_log2, base, sums);
    for (size_t b = 0; b < n_blocks; b++) {
        /* The last block may be shorter, which makes it look a little calmer. */
        const uint64_t mean = sums[b] * 16 >> models->block_log2;
        total += mean;
        models->ids[b] = (uint8_t)(sums[b] ? ZN_MIN(half_octaves(mean | 1) + 1, N_LEVELS - 1U) : 0);
        counts[models->ids[b]]++;
    }
    return total / n_blocks;
}

/* Sets the scales of the models, and gives blocks their model in place of their level. Levels are those of 16 times the
 * mean, which is four octaves too high. */
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
