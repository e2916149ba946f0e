#include "codec/cost.h"
#include "codec/r16_fit.h"

enum {
    /* What an escape's own byte costs, about: few symbols with a class of their own escape, and they are alike; the
       others may be anything. */
    ESCAPE_COST = 5 * ZN_COST_ONE,
    STRANGER_COST = 8 * ZN_COST_ONE,
    LISTED_SHIFT = 8 /* below 1/256 of the symbols a class is not worth the slot it takes from the others */
};

/* The run of at most ZN_R16_MAX_LISTED consecutive classes to list: grown around the most frequent one towards the
 * larger neighbour, then cut back to classes worth a slot. */
static void choose_run(const uint32_t *counts, unsigned n_classes, uint32_t total, unsigned *first, unsigned *k) {
    unsigned mode = 0;
    for (unsigned c = 1; c < n_classes; c++)
        if (counts[c] > counts[mode]) mode = c;
    unsigned lo = mode, hi = mode + 1;
    while (hi - lo < ZN_R16_MAX_LISTED && (lo > 0 || hi < n_classes)) {
        bool down = lo > 0 && (hi == n_classes || counts[lo - 1] >= counts[hi]);
        if (down)
            lo--;
        else
            hi++;
    }
    uint32_t least = total >> LISTED_SHIFT;
    while (lo < mode && counts[lo] <= least) lo++;
    while (hi - 1 > mode && counts[hi - 1] <= least) hi--;
    *first = lo;
    *k = hi - lo;
}

/* What one slot more would save an entry of this count and frequency, times a constant. */
static uint64_t gain(uint32_t count, unsigned freq) {
    return (uint64_t)count * (zn_log2(freq + 1) - zn_log2(freq));
}

/* Shares out 64 slots over n counts (n <= 16): proportional first, at least 1 each, then slot by slot where it costs
 * least or saves most. */
static void share_slots(const uint32_t *counts, unsigned n, uint64_t total, uint8_t *freq) {
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t f = total ? ((uint64_t)counts[i] * ZN_R16_SLOTS + total / 2) / total : 1;
        freq[i] = (uint8_t)ZN_MAX(f, 1u);
        sum += freq[i];
    }
    while (sum != ZN_R16_SLOTS) {
        unsigned best = n;
        uint64_t best_gain = 0;
        for (unsigned i = 0; i < n; i++) {
            if (sum > ZN_R16_SLOTS && freq[i] == 1) continue;
            uint64_t g = gain(counts[i], sum < ZN_R16_SLOTS ? freq[i] : freq[i] - 1u);
            if (best == n || (sum < ZN_R16_SLOTS ? g > best_gain : g < best_gain)) {
                best = i;
                best_gain = g;
            }
        }
        freq[best] = (uint8_t)(freq[best] + (sum < ZN_R16_SLOTS ? 1 : -1));
        sum = sum < ZN_R16_SLOTS ? sum + 1 : sum - 1;
    }
}

uint64_t zn_r16_model_fit(const uint32_t *counts, enum zn_counts kind, const uint8_t *classes, unsigned n_classes,
                          uint8_t *first, struct zn_r16_model *model) {
    uint32_t total = 0;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) total += counts[c];
    unsigned lo = 0, k = 0;
    if (n_classes) choose_run(counts, n_classes, total, &lo, &k);

    uint32_t entry[ZN_R16_MAX_LISTED + 1];
    uint32_t listed = 0;
    for (unsigned i = 0; i < k; i++) listed += entry[i] = counts[lo + i];
    entry[k] = total - listed;
    unsigned n = kind == ZN_COUNTS_EXACT && entry[k] == 0 && k > 0 ? k : k + 1;
    uint8_t freq[ZN_R16_MAX_LISTED + 1] = {0};
    share_slots(entry, n, total, freq);

    *first = (uint8_t)lo;
    model->n = (uint8_t)k;
    model->esc_freq = freq[k];
    uint32_t strangers = counts[ZN_R16_CLASSES - 1];
    uint64_t cost = (uint64_t)(entry[k] - strangers) * ESCAPE_COST + (uint64_t)strangers * STRANGER_COST;
    for (unsigned i = 0; i < n; i++) cost += (uint64_t)entry[i] * (6 * ZN_COST_ONE - zn_log2(freq[i]));
    for (unsigned i = 0; i < k; i++) {
        model->sym[i] = classes[lo + i];
        model->freq[i] = freq[i];
    }
    return cost;
}
