/* Decodes huff0 blocks. All bytes here come from outside. */
#include "base/cur.h"
#include "legacy/bits_back.h"
#include "legacy/huff0.h"

enum {
    MAX_WEIGHTS = 255, /* the last symbol's weight is implied */
    MAX_FSE_LOG = 6,   /* log2 of the table that codes the weights */
    MIN_FSE_LOG = 5,
    N_STREAMS = 4,
    BURST = 4 /* symbols decoded between two looks at the stream: 4 * 12 bits of at least 57 */
};

/* ---- weights coded by FSE (RFC 8878, section 4.1) */

struct fse_cell {
    uint8_t symbol, bits;
    uint8_t base;
};

struct fse_table {
    int16_t counts[ZN_HUFF0_MAX_LOG + 1]; /* normalised; -1 means less than one */
    unsigned n_symbols, log;
    struct fse_cell cell[1 << MAX_FSE_LOG];
};

/* Returns up to 16 bits of data[0, len) from bit `at` on, low bits first. Zeros follow the end. */
static unsigned bits_at(const uint8_t *data, size_t len, size_t at, unsigned n) {
    uint32_t word = 0;
    for (size_t i = at / 8, shift = 0; i < len && shift < 24; i++, shift += 8) word |= (uint32_t)data[i] << shift;
    return word >> at % 8 & ((1u << n) - 1);
}

/* Reads the normalised counts. *used is the number of bytes they take. */
static bool read_counts(struct fse_table *t, const uint8_t *data, size_t len, size_t *used) {
    size_t at = 4;
    t->log = bits_at(data, len, 0, 4) + MIN_FSE_LOG;
    if (t->log > MAX_FSE_LOG) return false;
    int left = 1 << t->log;
    for (t->n_symbols = 0; left > 0;) {
        if (t->n_symbols > ZN_HUFF0_MAX_LOG) return false;
        /* A value is 0 to left + 1. Values below `cut` have one bit less. */
        const unsigned width = zn_log2((uint32_t)left + 1) + 1;
        const unsigned cut = (1u << width) - 2 - (unsigned)left;
        unsigned value = bits_at(data, len, at, width - 1);
        at += width - 1;
        if (value >= cut) {
            value = bits_at(data, len, at - (width - 1), width);
            at++;
            if (value >= 1u << (width - 1)) value -= cut;
        }
        const int count = (int)value - 1;
        t->counts[t->n_symbols++] = (int16_t)count;
        left -= count < 0 ? 1 : count;
        for (unsigned more = count == 0 ? 3 : 0; more == 3;) {
            more = bits_at(data, len, at, 2);
            at += 2;
            if (t->n_symbols + more > ZN_HUFF0_MAX_LOG + 1) return false;
            for (unsigned i = 0; i < more; i++) t->counts[t->n_symbols++] = 0;
        }
    }
    *used = (at + 7) / 8;
    return left == 0 && *used <= len;
}

static void build_fse(struct fse_table *t) {
    const unsigned size = 1u << t->log, step = (size >> 1) + (size >> 3) + 3;
    unsigned next[ZN_HUFF0_MAX_LOG + 1], top = size, at = 0;
    for (unsigned s = 0; s < t->n_symbols; s++) {
        next[s] = t->counts[s] < 0 ? 1 : (unsigned)t->counts[s];
        if (t->counts[s] < 0) t->cell[--top].symbol = (uint8_t)s;
    }
    for (unsigned s = 0; s < t->n_symbols; s++)
        for (int i = 0; i < t->counts[s]; i++) {
            t->cell[at].symbol = (uint8_t)s;
            do at = (at + step) & (size - 1);
            while (at >= top);
        }
    for (unsigned i = 0; i < size; i++) {
        const unsigned x = next[t->cell[i].symbol]++;
        t->cell[i].bits = (uint8_t)(t->log - zn_log2(x));
        t->cell[i].base = (uint8_t)((x << t->cell[i].bits) - size);
    }
}

/* Reads weights from two states that take turns until the stream is used up. Returns false for an invalid
 * description. */
static bool read_fse_weights(const uint8_t *data, size_t len, uint8_t weights[MAX_WEIGHTS], size_t *n) {
    struct fse_table t;
    struct zn_bits_back b;
    size_t used;
    if (!read_counts(&t, data, len, &used) || !zn_bits_back_open(&b, data + used, len - used)) return false;
    build_fse(&t);
    unsigned state[2];
    state[0] = zn_bits_back_take(&b, t.log);
    state[1] = zn_bits_back_take(&b, t.log);
    for (unsigned turn = 0; !b.exhausted; turn ^= 1) {
        if (*n + 2 > MAX_WEIGHTS) return false;
        const struct fse_cell *cell = &t.cell[state[turn]];
        weights[(*n)++] = cell->symbol;
        state[turn] = cell->base + zn_bits_back_take(&b, cell->bits);
        if (b.exhausted) weights[(*n)++] = t.cell[state[turn ^ 1]].symbol;
    }
    return true;
}

/* ---- the tree */

/* Reads the tree description. *used is the number of bytes it takes. */
static bool read_weights(const uint8_t *src, size_t len, uint8_t weights[MAX_WEIGHTS], size_t *n, size_t *used) {
    *n = 0;
    if (len == 0) return false;
    if (src[0] < 128) {
        *used = 1 + (size_t)src[0];
        return *used <= len && read_fse_weights(src + 1, src[0], weights, n);
    }
    *n = (size_t)src[0] - 127;
    *used = 1 + (*n + 1) / 2;
    if (*used > len) return false;
    for (size_t i = 0; i < *n; i++) weights[i] = (uint8_t)(i % 2 ? src[1 + i / 2] & 15 : src[1 + i / 2] >> 4);
    return true;
}

/* Fills the table. A symbol of weight w fills 2^(w-1) cells, and its code has log + 1 - w bits. Weight 1 comes
 * lowest. */
static void fill_table(struct zn_huff0_table *t, const uint8_t *weights, size_t n) {
    size_t at = 0;
    for (unsigned w = 1; w <= t->log; w++)
        for (size_t s = 0; s < n; s++) {
            if (weights[s] != w) continue;
            for (size_t i = 0; i < (size_t)1 << (w - 1); i++, at++) {
                t->cell[at].symbol = (uint8_t)s;
                t->cell[at].length = (uint8_t)(t->log + 1 - w);
            }
        }
}

static bool read_tree(struct zn_huff0_table *t, const uint8_t *src, size_t len, size_t *used) {
    uint8_t weights[MAX_WEIGHTS + 1];
    size_t n;
    uint32_t cells = 0;
    if (!read_weights(src, len, weights, &n, used)) return false;
    for (size_t i = 0; i < n; i++) {
        if (weights[i] > ZN_HUFF0_MAX_LOG) return false;
        cells += weights[i] ? 1u << (weights[i] - 1) : 0;
    }
    if (cells == 0 || cells >= 1u << ZN_HUFF0_MAX_LOG) return false;
    t->log = zn_log2(cells) + 1;
    const uint32_t rest = (1u << t->log) - cells;
    if (rest & (rest - 1)) return false;
    weights[n++] = (uint8_t)(zn_log2(rest) + 1);
    fill_table(t, weights, n);
    return true;
}

/* ---- the streams */

/* One of the four streams: its bits, and where its symbols go. */
struct lane {
    struct zn_bits_back bits;
    uint8_t *at, *end;
};

/* Returns the next bits at the top of a word, at least 57 of them. The lane has 64 bits left. */
static inline uint64_t top_bits(const struct zn_bits_back *b) {
    const size_t end = (b->left + 7) / 8;
    return zn_get_u64(b->data + end - 8) << (8 * end - b->left);
}

static bool can_burst(const struct lane lane[N_STREAMS]) {
    bool can = true;
    for (int k = 0; k < N_STREAMS; k++) can = can && lane[k].bits.left >= 64 && lane[k].end - lane[k].at >= BURST;
    return can;
}

/* Decodes BURST symbols of each lane without checking what is left: can_burst has checked it. */
static void decode_burst(const struct zn_huff0_table *t, struct lane lane[N_STREAMS]) {
    uint64_t word[N_STREAMS];
    unsigned taken[N_STREAMS] = {0};
    for (int k = 0; k < N_STREAMS; k++) word[k] = top_bits(&lane[k].bits);
    for (int i = 0; i < BURST; i++)
        for (int k = 0; k < N_STREAMS; k++) {
            const size_t index = (size_t)(word[k] >> (64 - t->log));
            const unsigned length = t->cell[index].length;
            lane[k].at[i] = t->cell[index].symbol;
            word[k] <<= length;
            taken[k] += length;
        }
    for (int k = 0; k < N_STREAMS; k++) {
        lane[k].at += BURST;
        lane[k].bits.left -= taken[k];
    }
}

/* Decodes the rest of a lane. Returns false unless its bits are used up exactly. */
static bool finish_lane(const struct zn_huff0_table *t, struct lane *lane) {
    while (lane->at < lane->end && !lane->bits.exhausted) {
        const unsigned index = zn_bits_back_peek(&lane->bits, t->log);
        *lane->at++ = t->cell[index].symbol;
        zn_bits_back_skip(&lane->bits, t->cell[index].length);
    }
    return !lane->bits.exhausted && lane->bits.left == 0;
}

/* Finds the four streams in src[0, len), which follows the tree. */
static bool open_lanes(const uint8_t *src, size_t len, uint8_t *dst, size_t n, struct lane lane[N_STREAMS]) {
    const size_t each = (n + 3) / 4;
    struct zn_cur c = zn_cur_of(src, len);
    size_t bytes[N_STREAMS];
    if (3 * each > n) return false;
    for (int k = 0; k < 3; k++) bytes[k] = zn_cur_u16(&c);
    if (!zn_cur_ok(&c) || bytes[0] + bytes[1] + bytes[2] > zn_cur_left(&c)) return false;
    bytes[3] = zn_cur_left(&c) - bytes[0] - bytes[1] - bytes[2];
    for (size_t k = 0; k < N_STREAMS; k++) {
        lane[k].at = dst + k * each;
        lane[k].end = k == 3 ? dst + n : lane[k].at + each;
        if (!zn_bits_back_open(&lane[k].bits, zn_cur_take(&c, bytes[k]), bytes[k])) return false;
    }
    return true;
}

zipnn_status zn_huff0_decode(struct zn_huff0_table *table, const uint8_t *src, size_t len, uint8_t *dst, size_t n,
                             uint64_t at, zipnn_error *err) {
    struct lane lane[N_STREAMS];
    size_t used;
    if (!read_tree(table, src, len, &used))
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "the Huffman tree of a block is not valid");
    if (!open_lanes(src + used, len - used, dst, n, lane))
        return zn_fail(err, ZIPNN_E_CORRUPT, at + used, "the streams of a Huffman block of %zu bytes do not fit in it",
                       len);
    while (can_burst(lane)) decode_burst(table, lane);
    for (int k = 0; k < N_STREAMS; k++)
        if (!finish_lane(table, &lane[k]))
            return zn_fail(err, ZIPNN_E_CORRUPT, at + used,
                           "stream %d of a Huffman block does not end with its last symbol", k + 1);
    return ZIPNN_OK;
}
