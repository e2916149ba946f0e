#include <string.h>

#include "codec/cost.h"
#include "codec/r16_fit.h"

enum {
    BYTE_COST = 8 * ZN_COST_ONE, /* cost of a stored byte */
    SLOT_COST = 6 * ZN_COST_ONE,
    STRANGER = ZN_R16_CLASSES - 1,
    SEEN_SHIFT = 8,            /* a symbol with at most 1/256 of the escapes would not be listed by their table */
    PASSES = 3,                /* rounds of fitting tables to the price of the escapes of the round before */
    STEPS = ZN_R16_MAX_LISTED, /* runs to choose from for a table */
    HOPELESS = 512,            /* a symbol of at most 1/512 is left to the escape at any price */
    RARE = 2 * ZN_R16_SLOTS    /* a symbol of at most 1/128 is not worth a slot */
};

/* The entries of a table: the classes of a run, then the escape. */
struct run {
    uint8_t first, k;
    uint8_t freq[ZN_R16_MAX_LISTED + 1];
    uint64_t slots; /* bits that slots take for the counts */
    uint64_t cost;  /* the same, with the bytes of the escapes */
};

/* The longest run that may be worth it, and shorter ones, each without one more rare class at an end. It ends where the
 * search stopped. `entry` has the counts of the last run's entries. */
struct path {
    unsigned n;
    struct run run[STEPS];
    uint32_t entry[ZN_R16_MAX_LISTED + 1];
};

/* Returns what one more slot saves an entry of this count and frequency, times a constant. */
static uint64_t gain(uint32_t count, unsigned freq) {
    return (uint64_t)count * (uint32_t)(zn_log2_small[freq + 1] - zn_log2_small[freq]);
}

/* Gives the slots one by one to the entry that each saves most. Returns the saving. The lowest index wins a tie, and no
 * branch depends on the counts. */
static uint64_t give_slots(const uint32_t *counts, unsigned n, unsigned slots, uint8_t *freq) {
    uint64_t saved = 0;
    while (slots-- > 0) {
        uint64_t best = 0;
        for (unsigned i = 0; i < n; i++) {
            const uint64_t g = gain(counts[i], freq[i]) << 4 | (15 - i);
            best = ZN_MAX(best, g);
        }
        freq[15 - (best & 15)]++;
        saved += best >> 4;
    }
    return saved;
}

/* Takes slots one by one from the entry that loses least. Every entry keeps one. */
static void take_slots(const uint32_t *counts, unsigned n, unsigned slots, uint8_t *freq) {
    while (slots-- > 0) {
        uint64_t best = UINT64_MAX;
        for (unsigned i = 0; i < n; i++) {
            const uint64_t g = gain(counts[i], freq[i] - 1u) << 4 | i;
            best = freq[i] > 1 ? ZN_MIN(best, g) : best;
        }
        freq[best & 15]--;
    }
}

/* Divides 64 slots among n counts (n <= 16): in proportion and at least 1 each; then slot by slot, where it costs least
 * or saves most. */
static void share_slots(const uint32_t *counts, unsigned n, uint32_t total, uint8_t *freq) {
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++) {
        const uint32_t f = total ? (uint32_t)(((uint64_t)counts[i] * ZN_R16_SLOTS + total / 2) / total) : 1;
        freq[i] = (uint8_t)ZN_MAX(f, 1u);
        sum += freq[i];
    }
    if (sum < ZN_R16_SLOTS)
        (void)give_slots(counts, n, ZN_R16_SLOTS - sum, freq);
    else
        take_slots(counts, n, sum - ZN_R16_SLOTS, freq);
}

/* Returns the bits that counts take with this many slots. */
static uint64_t slots_cost(uint32_t count, unsigned freq) {
    return (uint64_t)count * (uint32_t)(SLOT_COST - zn_log2_small[freq]);
}

/* Finds the run of at most ZN_R16_MAX_LISTED consecutive classes with the largest sum of counts, without rare classes
 * at its ends. */
static void longest_run(const uint32_t *counts, unsigned n_classes, uint32_t total, struct run *run) {
    unsigned lo = 0, hi = ZN_MIN(n_classes, (unsigned)ZN_R16_MAX_LISTED);
    uint32_t sum = 0, most;
    for (unsigned c = 0; c < hi; c++) sum += counts[c];
    most = sum;
    for (unsigned c = hi; c < n_classes; c++) {
        sum += counts[c] - counts[c - ZN_R16_MAX_LISTED];
        lo = sum > most ? c + 1 - ZN_R16_MAX_LISTED : lo;
        most = ZN_MAX(most, sum);
    }
    hi += lo;
    while (hi - lo > 1 && counts[lo] <= total / HOPELESS) lo++;
    while (hi - lo > 1 && counts[hi - 1] <= total / HOPELESS) hi--;
    run->first = (uint8_t)lo;
    run->k = (uint8_t)(hi - lo);
}

/* Leaves one class at an end of a run, the cheaper one of two, to the escape. Its slots go where they save most.
 * `entry` has the counts of the run's entries. */
static void cut_run(const struct run *from, const uint16_t *price, uint32_t *entry, struct run *to) {
    const unsigned k = from->k;
    const unsigned low = (uint64_t)entry[0] * price[from->first] <= (uint64_t)entry[k - 1] * price[from->first + k - 1];
    const uint32_t count = entry[low ? 0 : k - 1], escapes = entry[k];
    const unsigned slots = from->freq[low ? 0 : k - 1], esc_freq = from->freq[k], first = esc_freq == 0;
    to->first = (uint8_t)(from->first + low);
    to->k = (uint8_t)(k - 1);
    for (unsigned i = 0; i + 1 < k; i++) {
        to->freq[i] = from->freq[i + low];
        entry[i] = entry[i + low];
    }
    entry[k - 1] = escapes + count;
    to->freq[k - 1] = (uint8_t)(esc_freq + first); /* the escape has at least one slot */
    to->slots = from->slots - slots_cost(count, slots) - slots_cost(escapes, esc_freq) +
                slots_cost(escapes + count, esc_freq + first);
    to->slots -= give_slots(entry, k, slots - first, to->freq);
}

/* Finds the longest run of a table. The escape has no slot if everything was counted and nothing escapes. */
static void find_path(const struct zn_r16_group *g, unsigned t, struct path *path) {
    const uint32_t *counts = g->counts[t];
    uint32_t *const entry = path->entry, total = 0, listed = 0;
    struct run *const run = &path->run[0];
    *run = (struct run){.freq = {ZN_R16_SLOTS}};
    path->n = 1;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) total += counts[c];
    if (g->n_classes && total) longest_run(counts, g->n_classes, total, run);
    for (unsigned i = 0; i < run->k; i++) listed += entry[i] = counts[run->first + i];
    entry[run->k] = total - listed;
    const bool whole = g->kind == ZN_COUNTS_EXACT && listed == total && run->k > 0;
    if (run->k > 0) run->freq[run->k] = 0;
    share_slots(entry, whole ? run->k : run->k + 1u, total, run->freq);
    for (unsigned i = 0; i <= run->k; i++) run->slots += slots_cost(entry[i], run->freq[i]);
}

/* Returns the cheapest run of a path for this price of escapes. Two dearer runs in a row end the search. Each round
 * walks the paths anew, because the prices decide which end is cheaper to cut (0.35 points on a convolutional
 * network). */
static const struct run *cheapest(struct path *path, const uint32_t *counts, const uint16_t *price) {
    uint64_t below[ZN_R16_CLASSES + 1], least = UINT64_MAX;
    unsigned best = 0;
    below[0] = 0;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) below[c + 1] = below[c] + (uint64_t)counts[c] * price[c];
    for (unsigned i = 0; i < STEPS && i < best + 3; i++) {
        struct run *run = &path->run[i];
        if (i == path->n) {
            if (run[-1].k <= 1) break;
            cut_run(run - 1, price, path->entry, run);
            path->n++;
        }
        run->cost = run->slots + below[ZN_R16_CLASSES] - below[run->first + run->k] + below[run->first];
        if (run->cost >= least) continue;
        least = run->cost;
        best = i;
    }
    return &path->run[best];
}

/* Sets the model from a run. Returns whether its table now lists other classes. */
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

/* Counts the classes that escape. Before there are tables, it counts the rare classes: otherwise classes that no table
 * leaves to the escape would seem expensive there. */
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

/* Counts the symbols that escape. The sample shows how the symbols without a class are distributed. */
static void count_escapes(const struct zn_r16_group *g, bool fitted, struct zn_used used, uint32_t escapes[256]) {
    uint32_t by_class[ZN_R16_CLASSES] = {0};
    uint64_t strangers = 0;
    leave_out(g, fitted, by_class);
    for (unsigned s = used.from; s < used.to; s++) strangers += g->class_of[s] == STRANGER ? g->symbols[s] : 0;
    const uint64_t share = strangers ? ((uint64_t)by_class[STRANGER] << 32) / strangers : 0;
    for (unsigned s = used.from; s < used.to; s++)
        escapes[s] = g->class_of[s] == STRANGER ? (uint32_t)(g->symbols[s] * share >> 32) : by_class[g->class_of[s]];
}

/* Computes the price of each symbol in the stream of escapes, which has one table and stored bytes for its own escapes.
 * If that is dearer than stored bytes, each symbol costs a byte. */
static void price_symbols(const uint32_t escapes[256], struct zn_used used, uint16_t price[256]) {
    uint8_t class_of[256], classes[ZN_MAX_LISTABLE], first;
    uint16_t flat[ZN_R16_CLASSES];
    uint32_t counts[ZN_R16_CLASSES] = {0};
    uint64_t total = 0;
    struct zn_r16_model model;
    struct zn_r16_group g = {
        .kind = ZN_COUNTS_SAMPLED, .n = 1, .counts = {counts}, .classes = classes, .first = &first, .models = &model};
    struct path path;
    zn_r16_choose_classes(escapes, SEEN_SHIFT, ZN_R16_MAX_LISTED, class_of, classes, &g.n_classes);
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) flat[c] = BYTE_COST;
    for (unsigned s = used.from; s < used.to; s++) {
        counts[class_of[s]] += escapes[s];
        total += escapes[s];
        price[s] = BYTE_COST;
    }
    find_path(&g, 0, &path);
    const struct run run = *cheapest(&path, counts, flat);
    if (run.cost >= total * BYTE_COST) return;
    for (unsigned s = used.from; s < used.to; s++) {
        const unsigned at = class_of[s] - run.first, entry = ZN_MIN(at, run.k);
        price[s] = (uint16_t)(SLOT_COST - zn_log2_small[run.freq[entry]] + (at < run.k ? 0 : BYTE_COST));
    }
}

/* Computes the price of each class in the stream of escapes. */
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
    struct path path;
    uint16_t price[ZN_R16_CLASSES];
    uint64_t cost = 0;
    bool settled = false;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) price[c] = BYTE_COST;
    for (unsigned pass = 0; pass < PASSES && !settled; pass++) {
        if (!g->nested) price_classes(g, pass > 0, price);
        settled = pass > 0 || g->nested;
        cost = 0;
        for (unsigned t = 0; t < g->n; t++) {
            find_path(g, t, &path);
            const struct run *run = cheapest(&path, g->counts[t], price);
            if (set_model(g, t, run)) settled = g->nested;
            cost += run->cost;
        }
    }
    return cost;
}

size_t zn_r16_tables_len(const struct zn_r16_group *g) {
    size_t len = g->n_classes;
    for (unsigned t = 0; t < g->n; t++) len += 2 + (6u * g->models[t].n + 7) / 8;
    return len;
}
