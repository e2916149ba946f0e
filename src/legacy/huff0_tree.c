/* Descriptions of Huffman trees: the weights of the symbols, coded by FSE or as nibbles. */
#include "legacy/bits_back.h"
#include "legacy/huff0.h"

enum {
    FSE_LOG = 6,
    FSE_MIN_LOG = 5,
    N_WEIGHTS = ZN_HUFF0_MAX_LOG + 1, /* number of values of a weight */
    MAX_NIBBLES = 128,
    SHARE = 62, /* shares are computed in units of 2^-62 of the whole */
    UNSETTLED = -2
};

struct fse {
    unsigned log, last; /* log2 of the table; the largest weight that occurs */
    uint32_t count[N_WEIGHTS];
    int share[N_WEIGHTS]; /* cells of the table; -1: one cell, for less than one */
    uint16_t state[1 << FSE_LOG];
    struct {
        int32_t bits, find;
    } step[N_WEIGHTS];
};

static unsigned fse_log(size_t n, unsigned last) {
    const unsigned least = ZN_MIN(zn_log2((uint32_t)n) + 1, zn_log2(last) + 2);
    const unsigned high = zn_log2((uint32_t)n - 1);
    unsigned log = ZN_MAX(ZN_MIN(high > 2 ? high - 2 : 0, (unsigned)FSE_LOG), least);
    return ZN_MAX(log, (unsigned)FSE_MIN_LOG);
}

/* ---- shares */

/* The second method, used when rounding gave away too many cells: small counts are settled first, and the rest is
 * divided in proportion. There are at most 13 weights and 255 symbols for 32 cells or more. Settled weights are worth
 * at most one and a half cells each, so they are never all weights. What is left per cell is never more than that, so
 * each of the other weights gets at least one cell. */
static void share_again(struct fse *f, uint32_t total) {
    const uint32_t low = total >> f->log, one = (total * 3) >> (f->log + 1);
    uint32_t left = 1u << f->log;
    for (unsigned s = 0; s <= f->last; s++) {
        f->share[s] = f->count[s] == 0 ? 0 : f->count[s] <= low ? -1 : f->count[s] <= one ? 1 : UNSETTLED;
        if (f->share[s] == -1 || f->share[s] == 1) {
            left--;
            total -= f->count[s];
        }
    }
    const unsigned scale = SHARE - f->log;
    const uint64_t half = ((uint64_t)1 << (scale - 1)) - 1;
    const uint64_t each = (((uint64_t)left << scale) + half) / total;
    uint64_t at = half;
    for (unsigned s = 0; s <= f->last; s++) {
        if (f->share[s] != UNSETTLED) continue;
        const uint64_t next = at + f->count[s] * each;
        f->share[s] = (int)((next >> scale) - (at >> scale));
        at = next;
    }
}

/* Divides the table's cells among the weights. Small shares are rounded up at thresholds in units of 2^-20 of a
 * cell. */
static void share_cells(struct fse *f, uint32_t total) {
    static const uint32_t beat[8] = {0, 473195, 504333, 520860, 550000, 700000, 750000, 830000};
    const unsigned scale = SHARE - f->log;
    const uint64_t each = ((uint64_t)1 << SHARE) / total;
    const uint32_t low = total >> f->log;
    int left = 1 << f->log, most = 0;
    unsigned largest = 0;
    for (unsigned s = 0; s <= f->last; s++) {
        f->share[s] = 0;
        if (f->count[s] == 0) continue;
        if (f->count[s] <= low) {
            f->share[s] = -1;
            left--;
            continue;
        }
        int share = (int)((f->count[s] * each) >> scale);
        if (share < 8) {
            const uint64_t rest = f->count[s] * each - ((uint64_t)share << scale);
            share += rest > ((uint64_t)beat[share] << (scale - 20));
        }
        if (share > most) {
            most = share;
            largest = s;
        }
        f->share[s] = share;
        left -= share;
    }
    if (-left >= f->share[largest] >> 1)
        share_again(f, total);
    else
        f->share[largest] += left;
}

/* ---- writing */

static uint8_t *write_shares(const struct fse *f, uint8_t *dst) {
    struct zn_bits_out b = {dst, 0, 0};
    int left = 1 << f->log;
    zn_bits_out_add(&b, f->log - FSE_MIN_LOG, 4);
    for (unsigned s = 0; left > 0;) {
        const unsigned width = zn_log2((uint32_t)left + 1) + 1;
        const unsigned cut = (1u << width) - 2 - (unsigned)left;
        const int share = f->share[s++];
        unsigned value = (unsigned)(share + 1);
        if (value >= 1u << (width - 1)) value += cut;
        zn_bits_out_add(&b, value, value < cut ? width - 1 : width);
        left -= share < 0 ? 1 : share;
        if (share == 0) {
            unsigned more = 0;
            while (f->share[s + more] == 0) more++;
            s += more;
            for (; more >= 3; more -= 3) zn_bits_out_add(&b, 3, 2);
            zn_bits_out_add(&b, more, 2);
        }
        zn_bits_out_flush(&b);
    }
    return b.at + (b.n > 0);
}

static void build_states(struct fse *f) {
    const unsigned size = 1u << f->log, step = (size >> 1) + (size >> 3) + 3;
    unsigned top = size, at = 0, before[N_WEIGHTS], total = 0;
    uint8_t symbol[1 << FSE_LOG];
    for (unsigned s = 0; s <= f->last; s++) {
        const unsigned share = f->share[s] < 0 ? 1 : (unsigned)f->share[s];
        const unsigned most = share > 1 ? f->log - zn_log2(share - 1) : f->log;
        before[s] = total;
        f->step[s].bits = (int32_t)((most << 16) - (share > 1 ? share << most : size));
        f->step[s].find = (int32_t)total - (int32_t)share;
        total += share;
        if (f->share[s] < 0) symbol[--top] = (uint8_t)s;
    }
    for (unsigned s = 0; s <= f->last; s++)
        for (int i = 0; i < f->share[s]; i++) {
            symbol[at] = (uint8_t)s;
            do at = (at + step) & (size - 1);
            while (at >= top);
        }
    for (unsigned i = 0; i < size; i++) f->state[before[symbol[i]]++] = (uint16_t)(size + i);
}

/* Writes the weights from the last to the first. Two states take turns, and the first weight belongs to state 0. */
static uint8_t *write_weights(const struct fse *f, const uint8_t *weights, size_t n, uint8_t *dst) {
    struct zn_bits_out b = {dst, 0, 0};
    uint32_t state[2] = {0, 0};
    for (size_t i = n; i-- > 0;) {
        const int32_t bits = f->step[weights[i]].bits, find = f->step[weights[i]].find;
        uint32_t *s = &state[i & 1], width;
        if (i + 2 >= n) { /* a state begins where its first weight costs least */
            width = (uint32_t)(bits + (1 << 15)) >> 16;
            *s = (width << 16) - (uint32_t)bits;
        } else {
            width = (*s + (uint32_t)bits) >> 16;
            zn_bits_out_add(&b, *s & ((1u << width) - 1), width);
            zn_bits_out_flush(&b);
        }
        *s = f->state[(int32_t)(*s >> width) + find];
    }
    zn_bits_out_add(&b, state[1] & ((1u << f->log) - 1), f->log);
    zn_bits_out_add(&b, state[0] & ((1u << f->log) - 1), f->log);
    return zn_bits_out_close(&b);
}

/* Returns the length, 0 when FSE does not help here. */
static size_t write_fse(const uint8_t *weights, size_t n, uint8_t *dst) {
    struct fse f = {.last = 0};
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) f.count[weights[i]]++;
    for (unsigned s = 0; s < N_WEIGHTS; s++) {
        most = ZN_MAX(most, f.count[s]);
        f.last = f.count[s] ? s : f.last;
    }
    if (n <= 2 || most == n || most == 1) return 0;
    f.log = fse_log(n, f.last);
    share_cells(&f, (uint32_t)n);
    build_states(&f);
    return (size_t)(write_weights(&f, weights, n, write_shares(&f, dst)) - dst);
}

bool zn_huff0_write_tree(const struct zn_huff0_code *code, unsigned log, unsigned last, uint8_t *dst, size_t *len) {
    uint8_t weights[256] = {0}, fse[1024];
    for (unsigned s = 0; s < last; s++) weights[s] = (uint8_t)(code->length[s] ? log + 1 - code->length[s] : 0);
    const size_t n = write_fse(weights, last, fse);
    if (n > 1 && n < last / 2) {
        dst[0] = (uint8_t)n;
        memcpy(dst + 1, fse, n);
        *len = n + 1;
        return true;
    }
    if (last > MAX_NIBBLES) return false;
    dst[0] = (uint8_t)(127 + last);
    for (unsigned i = 0; i < (last + 1) / 2; i++) dst[1 + i] = (uint8_t)(weights[2 * i] << 4 | weights[2 * i + 1]);
    *len = 1 + (last + 1) / 2;
    return true;
}
