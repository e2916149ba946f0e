/* Chooses tables of R16W. Blocks are clustered as those of R16; then all symbols of a cluster are counted, and its table
 * lists the run of consecutive symbols that pays best. Symbols inside of the run that are too rare for a slot escape. */
#include "codec/r16w_fit.h"

#include "codec/codec.h"
#include "codec/cost.h"
#include "codec/r16_fit.h"

enum {
    SLOT_COST = ZN_R16W_SLOTS_LOG2 * ZN_COST_ONE,
    BYTE_PRICE = 8 * ZN_COST_ONE,
    DEAREST = 14 * ZN_COST_ONE,
    PASSES = 2,
    MOST_ESCAPES = 16, /* at most one in so many symbols of a table escapes, if it can be helped */
    HEAD_LEN = 7
};

/* ---- counting ---- */

/* Counts the symbols of a block twice over, since equal symbols in a row would wait for one counter. */
static void count_block(const uint8_t *symbols, size_t n, uint32_t *counts, uint32_t *others) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint64_t eight = zn_get_u64(symbols + i);
        for (unsigned s = 0; s < 64; s += 16) {
            counts[eight >> s & 255]++;
            others[eight >> (s + 8) & 255]++;
        }
    }
    for (; i < n; i++) counts[symbols[i]]++;
}

/* Symbols are counted for the table that their block has in the fit of R16, every second one apart: `others`. */
enum { PIECE = 4096 };

static void count_at(const struct zn_r16_fit *clusters, size_t i, const uint8_t *symbols, size_t len,
                     uint32_t (*counts)[256], uint32_t (*others)[256]) {
    const unsigned t = clusters->n_tables > 1 ? clusters->ids[i >> clusters->block_log2] : 0;
    count_block(symbols, len, counts[t], others[t]);
}

static void add_others(struct zn_r16w_fit *fit, uint32_t (*others)[256]) {
    for (unsigned t = 0; t < ZN_R16_MAX_TABLES; t++)
        for (unsigned s = 0; s < 256; s++) fit->counts[t][s] += others[t][s];
}

static size_t piece_of(const struct zn_r16_fit *clusters) {
    return ZN_MIN((size_t)1 << clusters->block_log2, (size_t)PIECE);
}

static void count(const struct zn_codec *c, unsigned depth, const uint8_t *plane, size_t n) {
    const struct zn_r16_fit *clusters = c->fit[depth];
    struct zn_r16w_fit *fit = c->wide[depth];
    uint32_t others[ZN_R16_MAX_TABLES][256] = {{0}};
    memset(fit->counts, 0, sizeof fit->counts);
    for (size_t i = 0, len; i < n; i += len) {
        len = ZN_MIN(n - i, piece_of(clusters));
        count_at(clusters, i, plane + i, len, fit->counts, others);
    }
    add_others(fit, others);
}

static void count_words(const struct zn_codec *c, const struct zn_words *words) {
    const struct zn_r16_fit *clusters = c->fit[0];
    struct zn_r16w_fit *fit = c->wide[0];
    const enum zn_joint joint = zn_joint_of_shape(words->shape, 2);
    uint32_t others[ZN_R16_MAX_TABLES][256] = {{0}};
    uint8_t symbols[PIECE];
    memset(fit->counts, 0, sizeof fit->counts);
    for (size_t i = 0, len; i < words->n; i += len) {
        len = ZN_MIN(words->n - i, piece_of(clusters));
        c->k->joint->symbols(joint, words->at + i * zn_joint_info(joint).width, len, symbols);
        count_at(clusters, i, symbols, len, fit->counts, others);
    }
    add_others(fit, others);
}

/* ---- one table ---- */

/* A run of symbols and how it divides the slots; the escape is the last entry. */
struct run {
    unsigned first, k;
    uint32_t count[ZN_R16W_MAX_LISTED + 1];
    uint8_t freq[ZN_R16W_MAX_LISTED + 1];
};

/* What a table is fitted to: the counts of symbols, the symbols that occur, and the price of each escape
 * (zn_r16w_escape). */
struct wanted {
    const uint32_t *counts;
    uint64_t total;
    struct zn_used used;
    const uint16_t *price;
};

/* Returns the bits that counts take with this many slots. */
static uint64_t slots_cost(uint32_t count, unsigned freq) {
    return (uint64_t)count * (uint32_t)(SLOT_COST - zn_log2_small[freq]);
}

/* Finds the longest run with the largest sum of counts, without symbols at its ends that do not occur. */
static void longest_run(const uint32_t counts[256], struct run *run) {
    unsigned lo = 0, hi = ZN_R16W_MAX_LISTED;
    uint64_t sum = 0, most;
    for (unsigned s = 0; s < hi; s++) sum += counts[s];
    most = sum;
    for (unsigned s = hi; s < ZN_R16W_UNLISTED; s++) {
        sum += counts[s];
        sum -= counts[s - ZN_R16W_MAX_LISTED];
        lo = sum > most ? s + 1 - ZN_R16W_MAX_LISTED : lo;
        most = ZN_MAX(most, sum);
    }
    hi += lo;
    while (hi - lo > 1 && counts[lo] == 0) lo++;
    while (hi - lo > 1 && counts[hi - 1] == 0) hi--;
    run->first = lo;
    run->k = hi - lo;
}

/* Gives slots, one by one, to the entries that each saves most. */
static void give_slots(struct run *run, unsigned n) {
    while (n-- > 0) {
        uint64_t most = 0;
        unsigned best = 0;
        for (unsigned i = 0; i <= run->k; i++) {
            const unsigned f = run->freq[i];
            const uint64_t gain = f ? (uint64_t)run->count[i] * (uint32_t)(zn_log2_small[f + 1] - zn_log2_small[f]) : 0;
            best = gain > most ? i : best;
            most = ZN_MAX(most, gain);
        }
        run->freq[best]++;
    }
}

/* Takes slots, one by one, where it costs least. Every entry that has a slot keeps one. */
static void take_slots(struct run *run, unsigned n) {
    while (n-- > 0) {
        uint64_t least = UINT64_MAX;
        unsigned best = 0;
        for (unsigned i = 0; i <= run->k; i++) {
            const unsigned f = run->freq[i];
            const uint64_t loss =
                f > 1 ? (uint64_t)run->count[i] * (uint32_t)(zn_log2_small[f] - zn_log2_small[f - 1]) : UINT64_MAX;
            best = loss < least ? i : best;
            least = ZN_MIN(least, loss);
        }
        run->freq[best]--;
    }
}

/* Divides the slots in proportion to the counts. A listed symbol has at least one; so has the escape, unless everything
 * is listed. */
static void share(struct run *run, uint64_t total) {
    unsigned sum = 0;
    for (unsigned i = 0; i <= run->k; i++) {
        const unsigned due = (unsigned)(((uint64_t)run->count[i] * ZN_R16W_SLOTS + total / 2) / total);
        const unsigned least = i < run->k || run->count[i] > 0;
        run->freq[i] = (uint8_t)ZN_MAX(due, least);
        sum += run->freq[i];
    }
    if (sum < ZN_R16W_SLOTS)
        give_slots(run, ZN_R16W_SLOTS - sum);
    else
        take_slots(run, sum - ZN_R16W_SLOTS);
}

/* Sets the entries of a run, and returns its cost. */
static uint64_t fill(struct run *run, const struct wanted *w) {
    const unsigned end = run->first + run->k;
    uint64_t listed = 0, cost = 0;
    for (unsigned i = 0; i < run->k; i++) listed += run->count[i] = w->counts[run->first + i];
    run->count[run->k] = (uint32_t)(w->total - listed);
    share(run, w->total);
    for (unsigned i = 0; i <= run->k; i++)
        if (run->freq[i]) cost += slots_cost(run->count[i], run->freq[i]);
    for (unsigned s = w->used.from; s < w->used.to; s++) {
        if (s - run->first < run->k) s = end;
        if (s >= w->used.to) break;
        cost += (uint64_t)w->counts[s] * w->price[zn_r16w_escape((uint8_t)run->first, (uint8_t)run->k, (uint8_t)s)];
    }
    return cost;
}

/* Leaves symbols at the ends of a run to the escape, the rarer end first, while not too many escape: they take time.
 * Returns the least cost and its run. */
static uint64_t best_run(struct run *run, const struct wanted *w) {
    uint64_t cost = fill(run, w), escapes = run->count[run->k];
    unsigned first = run->first, k = run->k;
    while (k > 1) {
        const bool low = w->counts[first] <= w->counts[first + k - 1];
        escapes += w->counts[low ? first : first + k - 1];
        if (escapes > w->total / MOST_ESCAPES) break;
        first += low;
        k--;
        struct run shorter = {.first = first, .k = k};
        const uint64_t got = fill(&shorter, w);
        if (got >= cost) continue;
        cost = got;
        *run = shorter;
    }
    return cost;
}

static uint64_t fit_table(struct zn_r16w_fit *fit, unsigned t, const uint16_t price[256]) {
    struct zn_r16_model *m = &fit->models[t];
    struct wanted w = {.counts = fit->counts[t], .used = zn_used_of(fit->counts[t]), .price = price};
    struct run run = {.freq = {ZN_R16W_SLOTS}};
    uint64_t cost = 0;
    for (unsigned s = 0; s < 256; s++) w.total += w.counts[s];
    if (w.total) {
        longest_run(w.counts, &run);
        cost = best_run(&run, &w);
    }
    m->base = (uint8_t)run.first;
    m->n = (uint8_t)run.k;
    m->esc_freq = run.freq[run.k];
    for (unsigned i = 0; i < run.k; i++) {
        m->sym[i] = (uint8_t)(run.first + i);
        m->freq[i] = run.freq[i];
    }
    return cost;
}

/* ---- all tables ---- */

/* Computes what the escapes take at first: below a table, densities fall by half in each octave, which has four symbols;
 * above it they fall fast. */
static void guess_prices(uint16_t price[256]) {
    for (unsigned e = 0; e < 256; e++)
        price[e] = (uint16_t)ZN_MIN(e < 128 ? (11 + 127 - e) * ZN_COST_ONE / 4 : (6 + e - 128) * ZN_COST_ONE,
                                    (unsigned)DEAREST);
}

/* Computes what the escapes of all tables take, which are coded nearly by their entropy. */
static void price_escapes(const struct zn_r16w_fit *fit, unsigned n_tables, uint16_t price[256]) {
    uint32_t counts[256] = {0}, n = 0;
    for (unsigned t = 0; t < n_tables; t++) {
        const struct zn_r16_model *m = &fit->models[t];
        for (unsigned s = 0; s < 256; s++) {
            if (s - m->base < m->n) continue;
            counts[zn_r16w_escape(m->base, m->n, (uint8_t)s)] += fit->counts[t][s];
            n += fit->counts[t][s];
        }
    }
    for (unsigned e = 0; e < 256; e++)
        price[e] = (uint16_t)(counts[e] ? ZN_MIN(zn_log2(n) - zn_log2(counts[e]), (unsigned)DEAREST) : DEAREST);
}

/* Returns the bytes that the tables take, of which the frequencies are coded by their entropy. */
static size_t tables_len(const struct zn_r16w_fit *fit, unsigned n_tables) {
    uint32_t counts[256] = {0};
    for (unsigned t = 0; t < n_tables; t++)
        for (unsigned i = 0; i < fit->models[t].n; i++) counts[fit->models[t].freq[i]]++;
    return 3 * (size_t)n_tables + 16 + (size_t)(zn_entropy(counts, 256) / (8 * ZN_COST_ONE));
}

/* Fits tables to the clusters that were found. */
static size_t fit_tables(struct zn_codec *c, unsigned depth, size_t *ideal) {
    const struct zn_r16_fit *clusters = c->fit[depth];
    struct zn_r16w_fit *fit = c->wide[depth];
    const unsigned n = clusters->n_tables;
    const uint64_t ids = zn_r16_ids_cost(clusters->blocks, n, clusters->n_blocks);
    uint16_t price[256];
    uint64_t cost = 0, least = 0;
    guess_prices(price);
    for (unsigned e = 0; e < 256 && depth > 0; e++) price[e] = BYTE_PRICE;
    for (unsigned pass = 0; pass < (depth ? 1 : PASSES); pass++) {
        if (pass > 0) price_escapes(fit, n, price);
        cost = 0;
        for (unsigned t = 0; t < n; t++) cost += fit_table(fit, t, price);
    }
    for (unsigned t = 0; t < n; t++) least += zn_entropy(fit->counts[t], 256);
    *ideal = (size_t)((least + ids) / (8 * ZN_COST_ONE));
    /* Encoding fills the states with half of their bits. */
    return (size_t)((cost + ids) / (8 * ZN_COST_ONE)) + tables_len(fit, n) + HEAD_LEN;
}

struct zn_joint2_costs zn_r16w_fit_words(struct zn_codec *c, const struct zn_effort *effort,
                                         const struct zn_words *words, const uint32_t *counts) {
    struct zn_words with_one = *words;
    struct zn_joint2_costs costs;
    with_one.joint = 1;
    costs.one = zn_r16_fit_blocks(c, effort, &with_one, counts) + words->n / 8;
    count_words(c, words);
    costs.two = fit_tables(c, 0, &costs.ideal);
    return costs;
}

size_t zn_r16w_fit(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                   const uint32_t *counts) {
    size_t ideal;
    (void)zn_r16_fit(c, depth, effort, plane, n, counts);
    count(c, depth, plane, n);
    return fit_tables(c, depth, &ideal);
}

size_t zn_r16w_fit_clusters(struct zn_codec *c, const uint8_t *plane, size_t n) {
    size_t ideal;
    count(c, 0, plane, n);
    return fit_tables(c, 0, &ideal);
}

size_t zn_r16w_fit_blocks(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *plane,
                          const uint8_t *halves, size_t n) {
    uint32_t counts[256] = {0};
    c->k->byte_hist(halves, n, 1, counts);
    (void)zn_r16_fit_plane_blocks(c, effort, halves, n, counts);
    return zn_r16w_fit_clusters(c, plane, n);
}
