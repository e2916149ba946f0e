/* Writes R32 with the clusters of blocks that were found for R16W. Probabilities are so fine that tables need no search:
 * an entry's size is the nearest to its count, or a near one that takes fewer bits in the table. */
#include "codec/cost.h"
#include "codec/r16_fit.h"
#include "codec/r16_write.h"
#include "codec/r16w_fit.h"
#include "codec/r32_stream.h"

enum { PASSES = 3 };

/* What the encoder knows of an entry: its number of slots, and where they begin in the table's list of slots. */
struct code {
    uint16_t freq, first;
};

struct tables {
    unsigned n;
    struct zn_r32_table table[ZN_R32_MAX_TABLES];
    uint8_t size[ZN_R32_MAX_TABLES][ZN_R32_ENTRIES];
    uint32_t count[ZN_R32_MAX_TABLES][ZN_R32_ENTRIES];
    uint64_t total[ZN_R32_MAX_TABLES];
    uint8_t entry[ZN_R32_MAX_TABLES][256]; /* of each symbol */
    struct code code[ZN_R32_MAX_TABLES][ZN_R32_ENTRIES];
};

/* Returns the size whose number is nearest to the share of `count`; at least 1. */
static uint8_t size_of(uint64_t count, uint64_t total) {
    const uint64_t share = ZN_MAX((count << 15) / total, (uint64_t)8);
    const unsigned octave = 60u - (unsigned)__builtin_clzll(share); /* share >> octave is 8 .. 15 */
    const uint64_t below = zn_r32_weight(8 * octave + (unsigned)(share >> octave) - 7);
    const bool above = share - below > ((uint64_t)1 << octave) / 2;
    return (uint8_t)(8 * octave + (unsigned)(share >> octave) - 7 + above);
}

/* Finds the run of symbols that a table lists: the one with most symbols, without rare ones at its ends. */
static void choose_run(const uint32_t counts[256], uint64_t least, struct zn_r32_table *t) {
    enum { MOST = ZN_R32_ENTRIES - 1 };
    uint64_t sum = 0, most;
    unsigned lo = 0, hi = MOST;
    for (unsigned s = 0; s < MOST; s++) sum += counts[s];
    most = sum;
    for (unsigned s = MOST; s < 256; s++) {
        sum = sum + counts[s] - counts[s - MOST];
        if (sum <= most) continue;
        most = sum;
        hi = s + 1;
    }
    lo = hi - MOST;
    while (lo < hi && counts[lo] < least) lo++;
    while (lo < hi && counts[hi - 1] < least) hi--;
    t->base = (uint8_t)lo;
    t->n = (uint8_t)(hi - lo);
}

/* Finds the entries of a table for counts. A symbol of less than half a slot escapes. */
static void find_entries(const uint32_t counts[256], struct tables *all, unsigned index) {
    struct zn_r32_table *t = &all->table[index];
    uint8_t *entry = all->entry[index];
    uint64_t total = 0;
    for (unsigned s = 0; s < 256; s++) total += counts[s];
    const uint64_t least = total / (2 * ZN_R32_SLOTS) + 1;
    choose_run(counts, least, t);
    for (unsigned s = 0; s < 256; s++) {
        const bool listed = s - t->base < t->n && counts[s] >= least;
        entry[s] = (uint8_t)(listed ? s - t->base : t->n);
        all->count[index][entry[s]] += counts[s];
    }
    if (total == 0) all->count[index][t->n] = 1; /* no symbol uses the table */
    all->total[index] = ZN_MAX(total, (uint64_t)1);
    for (unsigned i = 0; i <= t->n; i++)
        all->size[index][i] = all->count[index][i] ? size_of(all->count[index][i], all->total[index]) : 0;
}

/* Returns the bits that a size loses because its number is not the share of the count, about, in ZN_COST_ONE units. */
static uint64_t lost(uint64_t count, uint64_t total, unsigned size) {
    enum { HALF_OF_SQUARE = 185 }; /* 128 / ln 2 */
    const uint64_t share = ZN_MAX((count << 15) / total, (uint64_t)1), number = zn_r32_weight(size);
    const uint64_t off = number > share ? number - share : share - number;
    return count * off / share * off * HALF_OF_SQUARE / share;
}

static uint8_t step_to(const uint8_t size[ZN_R32_ENTRIES], unsigned i, unsigned to) {
    return (uint8_t)(to - (i < ZN_R32_SIZE_STEP ? 0 : size[i - ZN_R32_SIZE_STEP]));
}

/* Takes sizes near the best ones whose steps are frequent. */
static void round_sizes(struct tables *all) {
    enum { NEAR = 4 };
    uint32_t steps[256] = {0}, n = 0;
    for (unsigned t = 0; t < all->n; t++)
        for (unsigned i = 0; i <= all->table[t].n; i++, n++) steps[step_to(all->size[t], i, all->size[t][i])]++;
    for (unsigned t = 0; t < all->n; t++)
        for (unsigned i = 0; i <= all->table[t].n; i++) {
            const unsigned best = all->size[t][i];
            uint64_t least = UINT64_MAX;
            if (best == 0) continue;
            for (unsigned size = best > NEAR ? best - NEAR : 1; size <= best + NEAR && size <= ZN_R32_MOST_SIZE;
                 size++) {
                const uint32_t count = steps[step_to(all->size[t], i, size)];
                const uint64_t cost =
                    lost(all->count[t][i], all->total[t], size) + zn_log2(2 * n) - zn_log2(2 * count + 1);
                if (cost >= least) continue;
                least = cost;
                all->size[t][i] = (uint8_t)size;
            }
        }
}

static void build(struct tables *all) {
    uint16_t freq[ZN_R32_ENTRIES];
    for (unsigned pass = 0; pass < PASSES; pass++) round_sizes(all);
    for (unsigned t = 0; t < all->n; t++) {
        zn_r32_frequencies(all->size[t], freq);
        zn_r32_table_build(&all->table[t], freq);
    }
}

/* Lists the slots of each entry, by rank. */
static void list_slots(struct tables *all, unsigned index, uint16_t *slots) {
    const struct zn_r32_table *t = &all->table[index];
    struct code *code = all->code[index];
    uint16_t first = 0;
    for (unsigned i = 0; i < ZN_R32_ENTRIES; i++) {
        code[i] = (struct code){t->freq[i], first};
        first = (uint16_t)(first + t->freq[i]);
    }
    for (uint32_t slot = 0, rank; slot < ZN_R32_SLOTS; slot++) {
        const unsigned entry = zn_r32_entry(t, slot, &rank);
        slots[code[entry].first + rank] = (uint16_t)slot;
    }
}

/* Where the streams are written to, downwards, and the states. */
struct encoder {
    uint8_t *out, *esc;
    uint32_t state[ZN_R32_LANES];
};

static void encode(const struct tables *all, const struct zn_r16_fit *clusters, const uint16_t *slots,
                   const uint8_t *symbols, size_t n, struct encoder *e) {
    for (unsigned i = 0; i < ZN_R32_LANES; i++) e->state[i] = ZN_R32_LOW;
    for (size_t i = n; i-- > 0;) {
        const unsigned index = clusters->n_tables > 1 ? clusters->ids[i >> clusters->block_log2] : 0;
        const unsigned entry = all->entry[index][symbols[i]];
        const struct code code = all->code[index][entry];
        uint32_t x = e->state[i % ZN_R32_LANES];
        if (x >> 20 >= code.freq) {
            e->out -= 2;
            zn_put_u16(e->out, (uint16_t)x);
            x >>= 16;
        }
        e->state[i % ZN_R32_LANES] =
            x / code.freq << ZN_R32_SLOTS_LOG2 | slots[index * ZN_R32_SLOTS + code.first + x % code.freq];
        if (entry == all->table[index].n) *--e->esc = (uint8_t)(symbols[i] - all->table[index].base - entry);
    }
}

/* Appends which symbols the tables list, and the steps from size to size of their entries. */
static void write_tables(struct zn_codec *c, const struct zn_effort *effort, const struct tables *all,
                         struct zn_out *out) {
    uint8_t steps[ZN_R32_MAX_TABLES * ZN_R32_ENTRIES];
    size_t n = 0;
    for (unsigned t = 0; t < all->n; t++) {
        const uint8_t *size = all->size[t];
        zn_out_u8(out, all->table[t].base);
        zn_out_u8(out, all->table[t].n);
        for (unsigned i = 0; i <= all->table[t].n; i++) steps[n++] = step_to(size, i, size[i]);
    }
    zn_r16_write_nested(c, 0, effort, steps, n, out);
}

bool zn_r32_write(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *symbols, size_t n,
                  struct zn_out *out) {
    const struct zn_r16_fit *clusters = c->fit[0];
    struct tables all = {.n = clusters->n_tables};
    struct zn_out o = zn_out_of(out->at, ZN_MIN(zn_out_left(out), n - 1));
    uint8_t *const out_end = c->renorm[0] + ZN_MOST_SYMBOLS(c->max_len), *const esc_end = c->escapes[0] + n;
    struct encoder e = {.out = out_end, .esc = esc_end};
    for (unsigned t = 0; t < all.n; t++) find_entries(c->wide[0]->counts[t], &all, t);
    build(&all);
    for (unsigned t = 0; t < all.n; t++) list_slots(&all, t, c->slots + (size_t)t * ZN_R32_SLOTS);
    encode(&all, clusters, c->slots, symbols, n, &e);
    zn_out_u8(&o, (uint8_t)(all.n > 1 ? clusters->block_log2 : 0));
    zn_out_u8(&o, (uint8_t)all.n);
    zn_out_u32(&o, (uint32_t)(esc_end - e.esc));
    write_tables(c, effort, &all, &o);
    if (all.n > 1) zn_r16_write_nested(c, 0, effort, clusters->ids, clusters->n_blocks, &o);
    if (e.esc < esc_end) zn_r16_write_nested(c, 0, effort, e.esc, (size_t)(esc_end - e.esc), &o);
    for (unsigned i = 0; i < ZN_R32_LANES; i++) zn_out_u32(&o, e.state[i]);
    zn_out_bytes(&o, e.out, (size_t)(out_end - e.out));
    if (o.full) return false;
    out->at = o.at;
    return true;
}
