/* Finds floats that lie among other bytes, such as names of rows and heads of records, so that the phase of their words
 * changes from run to run. Nothing needs to be known of the format. The top bytes of floats, sign and exponent, take few
 * values; the other bytes are nearly uniform. So a byte says how likely it is a top byte, and the best runs are those of
 * which the sum over every second or fourth byte is greatest, where each change costs what a mark does. */
#include <stdlib.h>

#include "chunk/rewritten.h"
#include "codec/cost.h"

enum {
    PIECES = 32, /* of the sample ... */
    PIECE = 512, /* ... and their bytes */
    SAMPLED = PIECES * PIECE,
    CHANGE = 40 * ZN_COST_ONE, /* what the end of a run costs, and the beginning of the next one */
    WORST = -6 * ZN_COST_ONE,  /* of a byte that is never a top byte */
    LEAST_TOPS = 8,            /* one byte in so many is a top byte beyond chance */
    LEAST_NOISE = 3,           /* the noise below the top bytes is that part of all bytes, or more */
    ALIGNED = 32               /* one top byte in so many elsewhere does not matter */
};
#define NOWHERE UINT32_MAX

/* What a sample shows: how bytes score as top bytes, and the width of words; 0 when there is nothing to gather. */
struct tops {
    int32_t score[256];
    unsigned width;
};

static int compare_counts(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Counts the bytes of a sample by their place modulo 4. */
static void count(const struct zn_encoder *e, uint32_t counts[4][256]) {
    const size_t stride = (e->len - PIECE) / (PIECES - 1) / 4 * 4;
    for (size_t p = 0; p < PIECES; p++)
        for (size_t i = 0; i < PIECE; i++) counts[i % 4][e->src[p * stride + i]]++;
}

/* Returns whether nearly all top bytes have the same place in their word. */
static bool are_aligned(uint32_t counts[4][256], const uint32_t excess[256], uint32_t level, unsigned width) {
    uint64_t all = 0, most = 0;
    for (unsigned phase = 0; phase < width; phase++) {
        uint64_t tops = 0;
        for (unsigned v = 0; v < 256; v++) {
            uint32_t n = 0;
            for (unsigned j = phase; j < 4; j += width) n += counts[j][v];
            if (excess[v] > level && n > level / width) tops += n - level / width;
        }
        all += tops;
        most = ZN_MAX(most, tops);
    }
    return (all - most) * ALIGNED < all;
}

static struct tops survey(const struct zn_encoder *e) {
    struct tops t = {.width = 0};
    uint32_t counts[4][256] = {{0}}, total[256], sorted[256], excess[256], sum = 0;
    count(e, counts);
    for (unsigned v = 0; v < 256; v++) total[v] = counts[0][v] + counts[1][v] + counts[2][v] + counts[3][v];
    memcpy(sorted, total, sizeof sorted);
    qsort(sorted, 256, sizeof sorted[0], compare_counts);
    const uint32_t level = sorted[128];
    for (unsigned v = 0; v < 256; v++) {
        excess[v] = total[v] > level + level / 4 ? total[v] - level : 0;
        sum += excess[v];
    }
    if (sum < SAMPLED / LEAST_TOPS || 256 * level < SAMPLED / LEAST_NOISE) return t;
    t.width = sum > SAMPLED * 3 / 10 ? 2 : 4;
    if (are_aligned(counts, excess, level, t.width)) t.width = 0;
    for (unsigned v = 0; v < 256; v++)
        t.score[v] = ZN_MAX((int32_t)zn_log2(256 * (excess[v] + 1)) - (int32_t)zn_log2(sum + 256), (int32_t)WORST);
    return t;
}

/* The best runs so far that end with a word whose last byte is before some place. */
struct best {
    int64_t score;
    uint32_t last; /* the last byte of the last word; NOWHERE: there is no run */
};

/* Finds the best runs. before[i] becomes the last byte of the word that precedes the word ending at i. */
static struct best find_runs(const struct zn_encoder *e, const struct tops *t, uint32_t *before) {
    const unsigned width = t->width;
    int64_t score[4] = {0}; /* of runs that end at the last `width` places */
    struct best ended = {0, NOWHERE}, best = ended;
    for (uint32_t i = width - 1; i < e->len; i++) {
        int64_t *own = &score[i % width];
        const bool has_word_before = i >= 2 * width - 1;
        if (has_word_before && *own > ended.score) ended = (struct best){*own, i - width};
        const int64_t fresh = ended.score - CHANGE;
        const bool goes_on = has_word_before && *own >= fresh;
        before[i] = goes_on ? i - width : ended.last;
        *own = (goes_on ? *own : fresh) + t->score[e->src[i]];
        if (*own > best.score) best = (struct best){*own, i};
    }
    return best;
}

/* Lists where runs begin and end, from the last to the first, in places[0, *n). Returns false when there are too many. */
static bool list_edges(const uint32_t *before, uint32_t last, unsigned width, uint32_t *places, uint32_t most,
                       uint32_t *n) {
    *n = 0;
    for (uint32_t at = last; at != NOWHERE;) {
        if (*n + 2 > most) return false;
        places[(*n)++] = at + 1;
        while (before[at] != NOWHERE && before[at] == at - width) at = before[at];
        places[(*n)++] = at + 1 - width;
        at = before[at];
    }
    return *n > 0;
}

/* Puts the bytes of runs first and all others behind them, and the marks in ascending order. */
static void take_apart(const struct zn_encoder *e, const uint32_t *places, uint32_t n, struct zn_rewriting *r) {
    uint8_t *run = r->plain, *gap;
    uint32_t at = 0, in_runs = 0;
    for (uint32_t i = 0; i < n; i += 2) in_runs += places[i] - places[i + 1];
    gap = r->plain + in_runs;
    r->n_marks = 0;
    for (uint32_t i = 0; i <= n; i++) {
        const uint32_t end = i < n ? places[n - 1 - i] : e->len;
        uint8_t **to = i % 2 ? &run : &gap;
        memcpy(*to, e->src + at, end - at);
        *to += end - at;
        if (i < n && end < e->len) zn_put_u32(r->marks + 4 * (size_t)r->n_marks++, end - at);
        at = end;
    }
    r->n_plain = e->len;
}

bool zn_rewriting_gather(const struct zn_encoder *e, struct zn_rewriting *r) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const uint32_t most = e->len / ZN_REWRITTEN_MARKS;
    uint32_t n;
    if (e->len < SAMPLED) return false;
    const struct tops tops = survey(e);
    if (tops.width == 0) return false;
    r->plain = zn_scratch_take(scratch, e->len);
    r->marks = zn_scratch_take(scratch, 4 * (size_t)most);
    const size_t mark = zn_scratch_mark(scratch);
    uint32_t *places = zn_scratch_take(scratch, 4 * (size_t)most);
    uint32_t *before = zn_scratch_take(scratch, 4 * (size_t)e->len);
    const struct best best = find_runs(e, &tops, before);
    const bool found = list_edges(before, best.last, tops.width, places, most, &n);
    if (found) take_apart(e, places, n, r);
    zn_scratch_back(scratch, mark);
    return found;
}
