#include "chunk/sniff.h"

#include "base/bytes.h"
#include "codec/bits.h"
#include "codec/cost.h"

/* Finds the shape of elements without a label. The bytes of a sample are counted by their position modulo 8, as they
 * are ("plain") and as the rotated shapes see them ("turned": shifted up by one bit, with the top bit of the byte
 * before moved in). Counts for narrower words are sums of these counts. A rotated word moves its sign from the top byte
 * to the bottom byte. The count uses the sign of the element before instead: it has the same statistics, and so one
 * count serves every width and every phase. */

enum {
    RUN = 1024, /* bytes; a multiple of 8 */
    MAX_RUNS = 16,
    MAX_WORDS = RUN * MAX_RUNS / 8,
    MIN_LEN = 1024,
    PLANE_COST = 32 * 8 * ZN_COST_ONE,  /* a plane's table and head */
    UNSEEN = ZN_COST_ONE * 7213 / 10000 /* bits that a sample hides, per used symbol but one (Miller and Madow) */
};

/* A sample of the chunk, split by position. */
struct sample {
    uint8_t plane[8][MAX_WORDS]; /* bytes by position modulo 8 */
    size_t n;                    /* words */
    uint64_t plane_cost;         /* PLANE_COST times the sample's share of the chunk */
};

/* Counts of the bytes at each position modulo `width`. */
struct counts {
    unsigned width;
    uint32_t plain[8][256], turned[8][256];
};

/* Costs of the planes of one width, by position modulo the width, in bits times ZN_COST_ONE. */
struct costs {
    unsigned width;
    uint64_t bit;                         /* cost of one stored bit per element */
    uint64_t plain[8], turned[8];         /* entropy of each plane */
    uint64_t plain_sum, turned_sum;       /* sums of plain[] and of turned[] */
    uint64_t plain_tables, turned_tables; /* sums if R16 codes each plane with one table */
};

static void take_sample(const struct zn_kernels *k, const uint8_t *data, size_t len, struct sample *s) {
    const size_t run = ZN_MIN(len / 8 * 8, (size_t)RUN), n_runs = ZN_MIN(len / run, (size_t)MAX_RUNS);
    const size_t stride = n_runs > 1 ? (len - run) / (n_runs - 1) / 8 * 8 : 0;
    uint8_t *to[8];
    s->n = 0;
    for (size_t r = 0; r < n_runs; r++, s->n += run / 8) {
        for (unsigned j = 0; j < 8; j++) to[j] = s->plane[j] + s->n;
        k->split[ZN_SHAPE_64](data + r * stride, run / 8, to);
    }
    s->plane_cost = (uint64_t)PLANE_COST * (s->n * 8) / len;
}

/* Counts the bytes of `own`, each shifted up by one bit. The top bit of the byte's fellow is moved in at the bottom. */
static void count_turned(const struct zn_kernels *k, const uint8_t *own, const uint8_t *fellow, size_t n,
                         uint32_t *counts) {
    uint8_t turned[MAX_WORDS];
    for (size_t i = 0; i < n; i++) turned[i] = (uint8_t)(own[i] << 1 | fellow[i] >> 7);
    k->byte_hist(turned, n, 1, counts);
}

static void count(const struct zn_kernels *k, const struct sample *s, struct counts *c) {
    *c = (struct counts){.width = 8};
    for (unsigned j = 0; j < 8; j++) k->byte_hist(s->plane[j], s->n, 1, c->plain[j]);
    count_turned(k, s->plane[0] + 1, s->plane[7], s->n - 1, c->turned[0]);
    for (unsigned j = 1; j < 8; j++) count_turned(k, s->plane[j], s->plane[j - 1], s->n, c->turned[j]);
}

static void halve_width(struct counts *c) {
    c->width /= 2;
    for (unsigned j = 0; j < c->width; j++) {
        for (unsigned v = 0; v < 256; v++) c->plain[j][v] += c->plain[j + c->width][v];
        for (unsigned v = 0; v < 256; v++) c->turned[j][v] += c->turned[j + c->width][v];
    }
}

/* Returns the cost of a plane with one R16 table: listed symbols take their entropy, all others an escape and a
 * byte. */
static uint64_t table_cost(const uint32_t *counts, uint32_t n) {
    uint32_t top[ZN_R16_MAX_LISTED + 1] = {0}; /* descending, then room for the escapes */
    for (unsigned v = 0; v < 256; v++) {
        if (counts[v] <= top[ZN_R16_MAX_LISTED - 1]) continue;
        unsigned at = ZN_R16_MAX_LISTED - 1;
        for (; at > 0 && top[at - 1] < counts[v]; at--) top[at] = top[at - 1];
        top[at] = counts[v];
    }
    uint32_t escapes = n;
    for (unsigned i = 0; i < ZN_R16_MAX_LISTED; i++) escapes -= top[i];
    top[ZN_R16_MAX_LISTED] = escapes;
    return zn_entropy(top, ZN_R16_MAX_LISTED + 1) + (uint64_t)escapes * 8 * ZN_COST_ONE;
}

/* Two costs of a plane. Neither is above the cost of storing it. */
struct plane_cost {
    uint64_t entropy, table;
};

/* Returns the costs of a plane of bytes with these counts. Nearly uniform planes are common, and their entropy needs no
 * logarithm: it is 8 bits less half of chi squared (in nats), of which 255 is chance. */
static struct plane_cost cost_plane(const struct sample *s, const uint32_t *counts) {
    uint32_t n = 0, squares = 0, used = 0; /* n <= 16384: squares fit */
    for (unsigned v = 0; v < 256; v++) {
        n += counts[v];
        squares += counts[v] * counts[v];
        used += counts[v] != 0;
    }
    if (used <= 1) return (struct plane_cost){0, 0};
    const uint64_t raw = (uint64_t)n * 8 * ZN_COST_ONE, square = (uint64_t)n * n;
    const uint64_t chi = ((uint64_t)squares * 256 - square) / n;
    if (chi <= 255) return (struct plane_cost){raw, raw};
    if (chi < n / 8) return (struct plane_cost){ZN_MIN(raw, raw - (chi - 255) * UNSEEN + s->plane_cost), raw};
    const uint64_t entropy = zn_entropy(counts, 256) + (used - 1) * UNSEEN + s->plane_cost;
    const uint64_t bits = (uint64_t)__builtin_popcount(zn_bits_of_counts(counts).mask) * n * ZN_COST_ONE;
    return (struct plane_cost){ZN_MIN(bits, entropy), ZN_MIN(bits, table_cost(counts, n) + s->plane_cost)};
}

static struct costs measure(const struct sample *s, const struct counts *c) {
    struct costs m = {.width = c->width, .bit = s->n * 8 / c->width * ZN_COST_ONE};
    for (unsigned j = 0; j < c->width; j++) {
        const struct plane_cost plain = cost_plane(s, c->plain[j]), turned = cost_plane(s, c->turned[j]);
        m.plain[j] = plain.entropy;
        m.turned[j] = turned.entropy;
        m.plain_tables += plain.table;
        m.turned_tables += turned.table;
        m.plain_sum += m.plain[j];
        m.turned_sum += m.turned[j];
    }
    return m;
}

/* Returns the position of the top byte. The cost rises most from there to the next byte, which is the bottom of the
 * next element. */
static unsigned steepest(const uint64_t *costs, unsigned width) {
    unsigned top = 0;
    int64_t best = INT64_MIN;
    for (unsigned j = 0; j < width; j++) {
        const int64_t rise = (int64_t)costs[(j + 1) % width] - (int64_t)costs[j];
        if (rise <= best) continue;
        best = rise;
        top = j;
    }
    return top;
}

/* Returns the position of the top byte of rotated words. A top byte holds an exponent, so its cost rises most when the
 * bit that is moved in is taken from another element. */
static unsigned most_bound(const struct zn_kernels *k, const struct sample *s, const struct costs *m) {
    const unsigned width = m->width;
    uint32_t astray[8][256] = {{0}};
    for (unsigned j = 0; j < 8; j++) {
        const unsigned from = j + width - 1; /* for every byte but the bottom one, this byte is in the next element */
        if (from < 8)
            count_turned(k, s->plane[j], s->plane[from], s->n, astray[j % width]);
        else
            count_turned(k, s->plane[j], s->plane[from - 8] + 1, s->n - 1, astray[j % width]);
    }
    uint64_t best = m->bit / 64; /* a smaller rise is chance */
    unsigned top = steepest(m->turned, width);
    for (unsigned j = 0; j < width; j++) {
        const uint64_t cost = cost_plane(s, astray[j]).entropy;
        if (m->turned[j] > 7 * m->bit || cost <= m->turned[j] + best) continue;
        best = cost - m->turned[j];
        top = j;
    }
    return top;
}

/* Returns the cost of ZN_SHAPE_F16: entropy for the exponent's five bits and for the low byte; three bits are
 * stored. */
static uint64_t f16_cost(const struct sample *s, const struct counts *c, const struct costs *m) {
    const unsigned top = steepest(m->turned, 2);
    uint32_t exponents[32] = {0};
    for (unsigned v = 0; v < 256; v++) exponents[v / 8] += c->turned[top][v];
    return zn_entropy(exponents, 32) + s->plane_cost + (uint64_t)s->n * 4 * 3 * ZN_COST_ONE + m->turned[1 - top];
}

/* Returns whether `cost` is below `rival` by more than one part in `margin`. */
static bool beats(uint64_t cost, uint64_t rival, unsigned margin) {
    return cost < rival - rival / margin;
}

/* Returns whether the words are integers: half of their planes or more are constant. This never holds for floats. */
static bool are_integers(const struct costs *m) {
    unsigned empty = 0;
    for (unsigned j = 0; j < m->width; j++) empty += m->turned[j] == 0;
    return 2 * empty >= m->width;
}

/* Rotation separates the exponent from the sign. That halves the number of symbols that a table must list, even where
 * entropy shows little gain. Rotation does harm where it splits a byte that is one unit: in small integers, and in
 * floats that hold narrower floats, whose mantissa and lowest bit of the exponent fill one byte together. */
static bool wants_turning(const struct costs *m) {
    return !are_integers(m) && !beats(m->plain_tables, m->turned_tables, 100);
}

static enum zn_shape choose(const struct costs *m, uint64_t f16) {
    enum { GAIN = 64 }; /* entropy ignores matches and local tables, which a wider shape may spoil */
    const uint64_t cost[4] = {m[0].plain_sum, ZN_MIN(m[1].plain_sum, m[1].turned_sum),
                              ZN_MIN(m[2].plain_sum, m[2].turned_sum), ZN_MIN(m[3].plain_sum, m[3].turned_sum)};
    static const enum zn_shape plain[4] = {ZN_SHAPE_8, ZN_SHAPE_16, ZN_SHAPE_32, ZN_SHAPE_64};
    static const enum zn_shape turned[4] = {ZN_SHAPE_8, ZN_SHAPE_16R, ZN_SHAPE_32R, ZN_SHAPE_64R};
    unsigned best = 0;
    for (unsigned i = 1; i < 4; i++)
        if (beats(cost[i], cost[best], GAIN)) best = i;
    /* An fp16 exponent has 32 values, and one table lists most of them. With three bits of mantissa there are 256. */
    if (best == 1 && beats(f16, cost[1] + cost[1] / 32, GAIN)) return ZN_SHAPE_F16;
    return best > 0 && wants_turning(&m[best]) ? turned[best] : plain[best];
}

struct zn_guess zn_sniff(const struct zn_kernels *k, const uint8_t *data, size_t len) {
    if (len < MIN_LEN) return (struct zn_guess){ZN_SHAPE_8, 0};
    struct sample s;
    struct counts c;
    struct costs m[4]; /* m[i] is for words of 1 << i bytes */
    uint64_t f16 = 0;
    take_sample(k, data, len, &s);
    count(k, &s, &c);
    for (unsigned i = 4; i-- > 0;) {
        m[i] = measure(&s, &c);
        if (c.width == 2) f16 = f16_cost(&s, &c, &m[i]);
        if (i > 0) halve_width(&c);
    }
    const enum zn_shape shape = choose(m, f16);
    switch (shape) {
        case ZN_SHAPE_16:
            return (struct zn_guess){shape, (steepest(m[1].plain, 2) + 1) % 2};
        case ZN_SHAPE_32:
            return (struct zn_guess){shape, (steepest(m[2].plain, 4) + 1) % 4};
        case ZN_SHAPE_64:
            return (struct zn_guess){shape, (steepest(m[3].plain, 8) + 1) % 8};
        case ZN_SHAPE_F16:
            return (struct zn_guess){shape, (steepest(m[1].turned, 2) + 1) % 2};
        case ZN_SHAPE_16R:
            return (struct zn_guess){shape, (most_bound(k, &s, &m[1]) + 1) % 2};
        case ZN_SHAPE_32R:
            return (struct zn_guess){shape, (most_bound(k, &s, &m[2]) + 1) % 4};
        case ZN_SHAPE_64R:
            return (struct zn_guess){shape, (most_bound(k, &s, &m[3]) + 1) % 8};
        default:
            return (struct zn_guess){ZN_SHAPE_8, 0};
    }
}
