#include <string.h>

#include "codec/cost.h"
#include "codec/r16_fit.h"

enum {
    BYTE_COST = 8 * ZN_COST_ONE, /* of a byte as it is */
    SLOT_COST = 6 * ZN_COST_ONE,
    STRANGER = ZN_R16_CLASSES - 1,
    SEEN_SHIFT = 8,         /* of escapes, a symbol of at most 1/256 is nothing that a table would list */
    PASSES = 3,             /* of fitting tables to what escapes take that the pass before left */
    RARE = 2 * ZN_R16_SLOTS /* of symbols, one in so many is not worth a slot */
};

/* Entries of a table: the classes of a run, then the escape. */
struct run {
    unsigned first, k;
    uint64_t cost;
    uint8_t freq[ZN_R16_MAX_LISTED + 1];
};

/* The run of at most ZN_R16_MAX_LISTED consecutive classes around the most frequent one, grown towards the larger
 * neighbour. */
static void grow_run(const uint32_t *counts, unsigned n_classes, struct run *run) {
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
    while (hi - lo > 1 && counts[lo] == 0) lo++;
    while (hi - lo > 1 && counts[hi - 1] == 0) hi--;
    run->first = lo;
    run->k = hi - lo;
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

/* Shares out the slots of a run and prices it; what escapes takes a slot's bits and its price. */
static void price_run(const struct zn_r16_group *g, const uint32_t *counts, uint32_t total, const uint16_t *price,
                      struct run *run) {
    uint32_t entry[ZN_R16_MAX_LISTED + 1], listed = 0;
    const unsigned lo = run->first, k = run->k;
    for (unsigned i = 0; i < k; i++) listed += entry[i] = counts[lo + i];
    entry[k] = total - listed;
    const unsigned n = g->kind == ZN_COUNTS_EXACT && entry[k] == 0 && k > 0 ? k : k + 1;
    run->freq[k] = 0;
    share_slots(entry, n, total, run->freq);
    uint64_t cost = 0;
    for (unsigned i = 0; i < n; i++) cost += (uint64_t)entry[i] * (SLOT_COST - zn_log2(run->freq[i]));
    for (unsigned c = 0; c < lo; c++) cost += (uint64_t)counts[c] * price[c];
    for (unsigned c = lo + k; c < ZN_R16_CLASSES; c++) cost += (uint64_t)counts[c] * price[c];
    run->cost = cost;
}

/* Cuts a run back from its cheaper end as long as that pays: a rare class takes a slot from the others. */
static void fit_table(const struct zn_r16_group *g, unsigned t, const uint16_t *price, struct run *best) {
    const uint32_t *counts = g->counts[t];
    uint32_t total = 0;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) total += counts[c];
    *best = (struct run){.freq = {ZN_R16_SLOTS}};
    if (g->n_classes && total) grow_run(counts, g->n_classes, best);
    price_run(g, counts, total, price, best);
    struct run run = *best;
    for (unsigned misses = 0; run.k > 1 && misses < 2; misses++) {
        const unsigned last = run.first + run.k - 1;
        run.first += (uint64_t)counts[run.first] * price[run.first] <= (uint64_t)counts[last] * price[last];
        run.k--;
        price_run(g, counts, total, price, &run);
        if (run.cost >= best->cost) continue;
        *best = run;
        misses = (unsigned)-1;
    }
}

/* Answers whether the table lists other classes than before. */
static bool set_model(const struct zn_r16_group *g, unsigned t, const struct run *run) {
    struct zn_r16_model *model = &g->models[t];
    const bool other = g->first[t] != run->first || model->n != run->k;
    g->first[t] = (uint8_t)run->first;
    model->n = (uint8_t)run->k;
    model->esc_freq = run->freq[run->k];
    for (unsigned i = 0; i < run->k; i++) {
        model->sym[i] = g->classes[run->first + i];
        model->freq[i] = run->freq[i];
    }
    return other;
}

/* Counts of classes that escape; before there are tables, of the rare ones: what no table leaves to escapes would seem
 * dear there. */
static void leave_out(const struct zn_r16_group *g, bool fitted, uint32_t by_class[ZN_R16_CLASSES]) {
    for (unsigned t = 0; t < g->n; t++) {
        const uint32_t *counts = g->counts[t];
        const unsigned lo = g->first[t], k = g->models[t].n;
        uint32_t total = 0;
        for (unsigned c = 0; c < ZN_R16_CLASSES && !fitted; c++) total += counts[c];
        for (unsigned c = 0; c < ZN_R16_CLASSES; c++)
            if (c == STRANGER || (fitted ? c - lo >= k : counts[c] < total / RARE)) by_class[c] += counts[c];
    }
}

/* The same by symbol: of strangers the sample tells how they are distributed. */
static void count_escapes(const struct zn_r16_group *g, bool fitted, struct zn_used used, uint32_t escapes[256]) {
    uint32_t by_class[ZN_R16_CLASSES] = {0};
    uint64_t strangers = 0;
    leave_out(g, fitted, by_class);
    for (unsigned s = used.from; s < used.to; s++) strangers += g->class_of[s] == STRANGER ? g->symbols[s] : 0;
    const uint64_t share = strangers ? ((uint64_t)by_class[STRANGER] << 32) / strangers : 0;
    for (unsigned s = used.from; s < used.to; s++)
        escapes[s] = g->class_of[s] == STRANGER ? (uint32_t)(g->symbols[s] * share >> 32) : by_class[g->class_of[s]];
}

/* What each symbol takes in a stream of its own, by one table whose escapes are bytes as they are; no more than such a
 * byte on the whole. */
static void price_symbols(const uint32_t escapes[256], struct zn_used used, uint16_t price[256]) {
    uint8_t class_of[256], classes[ZN_MAX_LISTABLE], first;
    uint16_t flat[ZN_R16_CLASSES];
    uint32_t counts[ZN_R16_CLASSES] = {0};
    uint64_t total = 0;
    struct zn_r16_model model;
    struct zn_r16_group g = {
        .kind = ZN_COUNTS_SAMPLED, .n = 1, .counts = {counts}, .classes = classes, .first = &first, .models = &model};
    struct run run;
    zn_r16_choose_classes(escapes, SEEN_SHIFT, ZN_R16_MAX_LISTED, class_of, classes, &g.n_classes);
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) flat[c] = BYTE_COST;
    for (unsigned s = used.from; s < used.to; s++) {
        counts[class_of[s]] += escapes[s];
        total += escapes[s];
        price[s] = BYTE_COST;
    }
    fit_table(&g, 0, flat, &run);
    if (run.cost >= total * BYTE_COST) return;
    for (unsigned s = used.from; s < used.to; s++) {
        const unsigned at = class_of[s] - run.first, entry = ZN_MIN(at, run.k);
        price[s] = (uint16_t)(SLOT_COST - zn_log2(run.freq[entry]) + (at < run.k ? 0 : BYTE_COST));
    }
}

/* The same by class. */
static void price_classes(const struct zn_r16_group *g, bool fitted, uint16_t price[ZN_R16_CLASSES]) {
    uint32_t escapes[256] = {0};
    uint16_t by_symbol[256];
    uint64_t n = 0, sum = 0;
    const struct zn_used used = zn_used_of(g->symbols);
    count_escapes(g, fitted, used, escapes);
    price_symbols(escapes, used, by_symbol);
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) price[c] = c < g->n_classes ? by_symbol[g->classes[c]] : BYTE_COST;
    for (unsigned s = used.from; s < used.to; s++) {
        if (g->class_of[s] != STRANGER) continue;
        n += escapes[s];
        sum += (uint64_t)escapes[s] * by_symbol[s];
    }
    if (n) price[STRANGER] = (uint16_t)(sum / n);
}

uint64_t zn_r16_models_fit(const struct zn_r16_group *g) {
    uint16_t price[ZN_R16_CLASSES];
    uint64_t cost = 0;
    bool settled = false;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) price[c] = BYTE_COST;
    for (unsigned pass = 0; pass < PASSES && !settled; pass++) {
        if (!g->nested) price_classes(g, pass > 0, price);
        settled = pass > 0 || g->nested;
        cost = 0;
        for (unsigned t = 0; t < g->n; t++) {
            struct run run;
            fit_table(g, t, price, &run);
            if (set_model(g, t, &run)) settled = g->nested;
            cost += run.cost;
        }
    }
    return cost;
}

size_t zn_r16_tables_len(const struct zn_r16_group *g) {
    size_t len = g->n_classes;
    for (unsigned t = 0; t < g->n; t++) len += 2 + (6u * g->models[t].n + 7) / 8;
    return len;
}
