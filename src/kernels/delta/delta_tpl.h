/* The delta loops in plain C. Each delta_*.c includes this once, with ZN_FN defined as the storage class and target
 * attribute of its functions, ZN_NTH(m, i) as the position of the i-th set bit of m, and ZN_MASK(p, lo, hi) as the mask of
 * those of p's 64 bytes that are lo .. hi.
 */
#include <string.h>

#include "base/bytes.h"
#include "kernels/delta/delta_loops.h"

#define ZN_EACH __attribute__((always_inline)) ZN_FN

/* The facts that loops need about a number, as constants that the compiler folds. */
struct number {
    unsigned width;
    unsigned shift, mask; /* context = word >> shift & mask */
    bool magnitude;       /* sign and magnitude */
};

/* Runs one of several statements about `f`, one for each number, so that the compiler folds its constants. */
#define ZN_IF(condition, statement, ...)       \
    if (condition) {                           \
        const struct number f = {__VA_ARGS__}; \
        statement;                             \
    }
#define ZN_WITH_NUMBER(which, statement)                             \
    do {                                                             \
        ZN_IF((which) == ZN_NUMBER_I8, statement, 1, 0, 127, false)  \
        ZN_IF((which) == ZN_NUMBER_F8, statement, 1, 0, 127, true)   \
        ZN_IF((which) == ZN_NUMBER_I16, statement, 2, 0, 0, false)   \
        ZN_IF((which) == ZN_NUMBER_F16, statement, 2, 10, 31, true)  \
        ZN_IF((which) == ZN_NUMBER_BF16, statement, 2, 7, 255, true) \
        ZN_IF((which) == ZN_NUMBER_I32, statement, 4, 0, 0, false)   \
        ZN_IF((which) == ZN_NUMBER_F32, statement, 4, 23, 255, true) \
    } while (0)

/* ---- elements ---- */

/* Returns word i with its sign extended. */
ZN_EACH int32_t word_at(const uint8_t *p, size_t i, unsigned width) {
    return width == 1 ? (int8_t)p[i] : width == 2 ? (int16_t)zn_get_u16(p + 2 * i) : (int32_t)zn_get_u32(p + 4 * i);
}

ZN_EACH void put_word(uint8_t *p, size_t i, unsigned width, uint32_t w) {
    if (width == 1)
        p[i] = (uint8_t)w;
    else if (width == 2)
        zn_put_u16(p + 2 * i, (uint16_t)w);
    else
        zn_put_u32(p + 4 * i, w);
}

/* Returns o(x). The function is its own inverse. */
ZN_EACH int32_t ordered(struct number f, int32_t w) {
    return f.magnitude ? w ^ (w >> 31 & (int32_t)(UINT32_MAX >> (33 - 8 * f.width))) : w;
}

ZN_EACH int32_t extended(unsigned width, uint32_t d) {
    return width == 1 ? (int8_t)d : width == 2 ? (int16_t)d : (int32_t)d;
}

ZN_EACH int32_t difference(struct number f, const uint8_t *src, const uint8_t *ref, size_t i) {
    return extended(f.width,
                    (uint32_t)ordered(f, word_at(src, i, f.width)) - (uint32_t)ordered(f, word_at(ref, i, f.width)));
}

/* ---- contexts, moves ---- */

ZN_EACH void contexts_of(struct number f, const uint8_t *ref, size_t n, uint8_t *restrict context) {
    for (size_t i = 0; i < n; i++) {
        const int32_t w = word_at(ref, i, f.width);
        context[i] = (uint8_t)((uint32_t)(f.width == 1 && !f.magnitude ? w ^ w >> 31 : w) >> f.shift & f.mask);
    }
}

ZN_FN void plain_context(enum zn_number number, const uint8_t *ref, size_t n, uint8_t *context) {
    ZN_WITH_NUMBER(number, contexts_of(f, ref, n, context));
}

ZN_EACH uint64_t moved(struct number f, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                       unsigned base) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t d = difference(f, src, ref, i);
        const uint32_t size = ((uint32_t)d ^ (uint32_t)(d >> 31)) - (uint32_t)(d >> 31);
        const uint32_t over = context[i] > base ? context[i] - base : 0;
        sum += (uint64_t)ZN_MIN(size, UINT32_C(1) << 23) << ZN_MIN(over, 31U);
    }
    return sum;
}

ZN_EACH void moves_of(struct number f, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                      unsigned block_log2, unsigned base, uint64_t *sums) {
    const size_t block = (size_t)1 << block_log2;
    for (size_t i = 0; i < n; i += block)
        sums[i >> block_log2] = moved(f, src + i * f.width, ref + i * f.width, context + i, ZN_MIN(block, n - i), base);
}

ZN_FN void plain_moves(enum zn_number number, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                       unsigned block_log2, unsigned base, uint64_t *sums) {
    ZN_WITH_NUMBER(number, moves_of(f, src, ref, context, n, block_log2, base, sums));
}

/* ---- bits ---- */

ZN_EACH void put_bits(struct zn_bit_sink *s, uint32_t bits, unsigned n) {
    s->held |= (uint64_t)bits << s->n_held;
    s->n_held += n;
    zn_put_u64(s->p, s->held);
    s->p += s->n_held / 8;
    s->held >>= s->n_held / 8 * 8;
    s->n_held %= 8;
}

/* Returns the next 32 bits or more; zeros follow the end. */
ZN_EACH uint64_t peek_bits(const struct zn_bit_feed *b) {
    const size_t byte = (size_t)(b->at / 8);
    if (byte + 8 <= b->len) return zn_get_u64(b->p + byte) >> b->at % 8;
    uint64_t bits = 0;
    for (size_t i = byte; i < b->len; i++) bits |= (uint64_t)b->p[i] << 8 * (i - byte);
    return bits >> b->at % 8;
}

/* ---- elements of one and two bytes: a symbol and up to seven bits ---- */

ZN_EACH unsigned scale_at(const struct zn_delta_grid *g, size_t i) {
    return g->scales[g->ids ? g->ids[i >> g->block_log2] : 0];
}

/* Returns the number of low bits: the larger the steps of the exponent, the fewer. */
ZN_EACH unsigned low_bits(unsigned scale, unsigned context, unsigned most) {
    return scale > context ? ZN_MIN(scale - context, most) : 0;
}

ZN_EACH void split_bytes(struct number f, const uint8_t *src, const uint8_t *ref, size_t n, uint8_t *restrict symbols) {
    for (size_t i = 0; i < n; i++) symbols[i] = (uint8_t)(difference(f, src, ref, i) + ZN_DELTA_ZERO);
}

ZN_EACH void merge_bytes(struct number f, const uint8_t *ref, const uint8_t *symbols, size_t n, uint8_t *restrict out) {
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)ordered(f, (int8_t)(ordered(f, word_at(ref, i, 1)) + symbols[i] - ZN_DELTA_ZERO));
}

ZN_EACH void split_halves(struct number f, struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref,
                          const uint8_t *context, size_t from, size_t n, uint8_t *symbols) {
    for (size_t i = from; i < n; i++) {
        const unsigned k = low_bits(scale_at(&w->grid, i), context[i], 7);
        const int32_t moved = difference(f, src, ref, i) + (1 << k >> 1), upper = moved >> k;
        const bool fits = upper > -ZN_DELTA_ZERO && upper < ZN_DELTA_ZERO;
        symbols[i] = (uint8_t)(fits ? upper + ZN_DELTA_ZERO : ZN_DELTA_LITERAL);
        put_bits(&w->bits, (uint32_t)moved & ((1U << k) - 1), k);
        if (fits) continue;
        memcpy(w->literals, src + 2 * i, 2);
        w->literals += 2;
    }
}

/* Writes a literal in place of element i. */
ZN_EACH bool take_literal(struct zn_delta_reader *r, uint8_t *out, size_t i, unsigned width) {
    if ((size_t)(r->literals_end - r->literals) < width) return false;
    memcpy(out + i * width, r->literals, width);
    r->literals += width;
    return true;
}

ZN_EACH bool merge_halves(struct number f, struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context,
                          const uint8_t *symbols, size_t n, uint8_t *out) {
    for (size_t i = 0; i < n; i++) {
        const unsigned k = low_bits(scale_at(&r->grid, r->pos + i), context[i], 7);
        const int32_t low = (int32_t)(peek_bits(&r->bits) & ((1U << k) - 1));
        const int32_t d = (symbols[i] - ZN_DELTA_ZERO) * (1 << k) + low - (1 << k >> 1);
        r->bits.at += k;
        put_word(out, i, 2, (uint32_t)ordered(f, (int16_t)(ordered(f, word_at(ref, i, 2)) + d)));
        if (symbols[i] == ZN_DELTA_LITERAL && !take_literal(r, out, i, 2)) return false;
    }
    r->pos += n;
    return r->bits.at <= 8 * (uint64_t)r->bits.len;
}

/* ---- elements of four bytes: a symbol, up to 15 bits, whole bytes below; symbols alone where nothing changed ---- */

ZN_EACH void split_words(struct number f, struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref,
                         const uint8_t *context, size_t from, size_t n, uint8_t *symbols) {
    for (size_t i = from; i < n; i++) {
        const unsigned k = low_bits(scale_at(&w->grid, i), context[i], 15), shift = 8 * w->grid.n_low + k;
        const int32_t d = difference(f, src, ref, i);
        const int64_t moved = (int64_t)d + ((int64_t)1 << shift >> 1), upper = moved >> shift;
        symbols[i] = ZN_DELTA_ZERO;
        if (d == 0) continue;
        if (upper <= -ZN_DELTA_ZERO || upper >= ZN_DELTA_ZERO - 1) {
            symbols[i] = ZN_DELTA_LITERAL;
            memcpy(w->literals, src + 4 * i, 4);
            w->literals += 4;
            continue;
        }
        symbols[i] = (uint8_t)(upper + ZN_DELTA_ZERO + (upper >= 0));
        for (unsigned j = 0; j < w->grid.n_low; j++) *w->low[j]++ = (uint8_t)(moved >> 8 * j);
        put_bits(&w->bits, (uint32_t)(moved >> 8 * w->grid.n_low) & ((1U << k) - 1), k);
    }
}

/* Reads the low part of element i. */
ZN_EACH bool take_low(struct zn_delta_reader *r, unsigned k, int64_t *low) {
    const unsigned n_low = r->grid.n_low;
    if (r->n_low == 0) return false;
    r->n_low--;
    *low = (int64_t)((peek_bits(&r->bits) & ((1U << k) - 1)) << 8 * n_low);
    for (unsigned j = 0; j < n_low; j++) *low |= (int64_t)*r->low[j]++ << 8 * j;
    r->bits.at += k;
    return true;
}

ZN_EACH bool merge_words(struct number f, struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context,
                         const uint8_t *symbols, size_t n, uint8_t *out) {
    for (size_t i = 0; i < n; i++) {
        const unsigned k = low_bits(scale_at(&r->grid, r->pos + i), context[i], 15), shift = 8 * r->grid.n_low + k;
        const int32_t from = word_at(ref, i, 4), symbol = symbols[i] - ZN_DELTA_ZERO;
        int64_t low;
        put_word(out, i, 4, (uint32_t)from);
        if (symbol == 0) continue;
        if (symbols[i] == ZN_DELTA_LITERAL) {
            if (!take_literal(r, out, i, 4)) return false;
            continue;
        }
        if (!take_low(r, k, &low)) return false;
        const int64_t upper = symbol - (symbol > 0),
                      d = upper * ((int64_t)1 << shift) + low - ((int64_t)1 << shift >> 1);
        put_word(out, i, 4, (uint32_t)ordered(f, (int32_t)(uint32_t)(ordered(f, from) + d)));
    }
    r->pos += n;
    return r->bits.at <= 8 * (uint64_t)r->bits.len;
}

ZN_EACH void split_of(struct number f, struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref,
                      const uint8_t *context, size_t n, uint8_t *symbols) {
    if (f.width == 1)
        split_bytes(f, src, ref, n, symbols);
    else if (f.width == 2)
        split_halves(f, w, src, ref, context, 0, n, symbols);
    else
        split_words(f, w, src, ref, context, 0, n, symbols);
}

ZN_FN void plain_split(struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref, const uint8_t *context,
                       size_t n, uint8_t *symbols) {
    ZN_WITH_NUMBER(w->grid.number, split_of(f, w, src, ref, context, n, symbols));
}

ZN_EACH bool merge_of(struct number f, struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context,
                      const uint8_t *symbols, size_t n, uint8_t *out) {
    if (f.width == 2) return merge_halves(f, r, ref, context, symbols, n, out);
    if (f.width == 4) return merge_words(f, r, ref, context, symbols, n, out);
    merge_bytes(f, ref, symbols, n, out);
    return true;
}

ZN_FN bool plain_merge(struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context, const uint8_t *symbols,
                       size_t n, uint8_t *out) {
    bool ok = false;
    ZN_WITH_NUMBER(r->grid.number, ok = merge_of(f, r, ref, context, symbols, n, out));
    return ok;
}

/* ---- changes and signs ---- */

ZN_FN size_t plain_changed_masks(const uint8_t *src, const uint8_t *ref, unsigned width, size_t n, uint64_t *masks) {
    size_t sum = 0;
    for (size_t g = 0; g * 64 < n; g++) {
        uint64_t m = 0;
        for (size_t i = g * 64; i < ZN_MIN(g * 64 + 64, n); i++)
            m |= (uint64_t)(word_at(src, i, width) != word_at(ref, i, width)) << i % 64;
        masks[g] = m;
        sum += (size_t)__builtin_popcountll(m);
    }
    return sum;
}

ZN_FN size_t plain_sign_flips(const uint8_t *src, const uint8_t *ref, size_t n, uint8_t *restrict flips) {
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        flips[i] = (uint8_t)((src[2 * i + 1] ^ ref[2 * i + 1]) >> 7);
        sum += flips[i];
    }
    return sum;
}

ZN_FN void plain_turn_signs(const uint8_t *restrict flips, size_t n, uint8_t *restrict words) {
    for (size_t i = 0; i < n; i++) words[2 * i + 1] ^= (uint8_t)(flips[i] << 7);
}

/* ---- classes ---- */

ZN_EACH unsigned count_from(const uint8_t *p, size_t n, uint8_t first) {
    uint16_t sum = 0;
    for (size_t i = 0; i < n; i++) sum = (uint16_t)(sum + (p[i] >= first));
    return sum;
}

/* The numbers of block b are those before it; goes on to the next one's. */
ZN_EACH void count_block(const uint8_t *context, size_t n, size_t b, const uint8_t *firsts, unsigned n_classes,
                         uint32_t *before) {
    const size_t each = zn_class_blocks(n) + 1, at = b * ZN_CLASS_BLOCK;
    for (unsigned c = n_classes, above = 0; c-- > 0;) {
        const unsigned all = count_from(context + at, ZN_MIN(n - at, (size_t)ZN_CLASS_BLOCK), firsts[c]);
        before[c * each + b + 1] = before[c * each + b] + all - above;
        above = all;
    }
}

ZN_FN void plain_count_members(const uint8_t *context, size_t n, const uint8_t *firsts, unsigned n_classes,
                               uint32_t *before) {
    const size_t blocks = zn_class_blocks(n);
    for (unsigned c = 0; c < n_classes; c++) before[c * (blocks + 1)] = 0;
    for (size_t b = 0; b < blocks; b++) count_block(context, n, b, firsts, n_classes, before);
}

enum { BLOCK_GROUPS = ZN_CLASS_BLOCK / 64 };

/* The members in block b: all of its masks, since a branch for each would be guessed wrong. */
ZN_EACH void masks_of(const struct zn_members *m, size_t b, uint64_t masks[BLOCK_GROUPS]) {
    const uint8_t *p = m->context + b * ZN_CLASS_BLOCK;
    const size_t left = m->n - b * ZN_CLASS_BLOCK;
    if (left >= ZN_CLASS_BLOCK) {
        masks[0] = ZN_MASK(p, m->lo, m->hi);
        masks[1] = ZN_MASK(p + 64, m->lo, m->hi);
        masks[2] = ZN_MASK(p + 128, m->lo, m->hi);
        masks[3] = ZN_MASK(p + 192, m->lo, m->hi);
        return;
    }
    for (unsigned g = 0; g < BLOCK_GROUPS; g++) masks[g] = 0;
    for (size_t i = 0; i < left; i++) masks[i / 64] |= (uint64_t)(p[i] >= m->lo && p[i] <= m->hi) << i % 64;
}

ZN_EACH uint32_t ones(uint64_t mask) {
    return (uint32_t)__builtin_popcountll(mask);
}

/* Returns the position of the member of this rank, which is in block b. */
ZN_EACH uint32_t position_of(const struct zn_members *m, size_t b, uint32_t rank) {
    uint64_t masks[BLOCK_GROUPS];
    masks_of(m, b, masks);
    const uint32_t r = rank - m->before[b], n0 = ones(masks[0]), n1 = n0 + ones(masks[1]), n2 = n1 + ones(masks[2]);
    const uint32_t past[BLOCK_GROUPS] = {0, n0, n1, n2};
    const unsigned g = (unsigned)(r >= n0) + (r >= n1) + (r >= n2);
    return (uint32_t)(b * ZN_CLASS_BLOCK) + 64 * g + ZN_NTH(masks[g], r - past[g]);
}

ZN_EACH uint32_t all_members(const struct zn_members *m) {
    return m->context ? m->before[zn_class_blocks(m->n)] : (uint32_t)m->n;
}

/* Returns how many members are before this position. */
ZN_EACH uint32_t rank_of(const struct zn_members *m, uint32_t position) {
    if (!m->context) return position;
    const size_t b = position / ZN_CLASS_BLOCK;
    const unsigned g = position % ZN_CLASS_BLOCK / 64;
    uint64_t masks[BLOCK_GROUPS];
    masks_of(m, b, masks);
    const uint32_t n0 = ones(masks[0]), n1 = n0 + ones(masks[1]), n2 = n1 + ones(masks[2]);
    const uint32_t past[BLOCK_GROUPS] = {0, n0, n1, n2};
    return m->before[b] + past[g] + ones(masks[g] & ((UINT64_C(1) << position % 64) - 1));
}

/* ---- gaps ---- */

ZN_EACH void put_gap(struct zn_bit_sink *bits, unsigned rice, uint32_t gap) {
    const uint32_t skip = gap >> rice;
    if (skip < ZN_DELTA_MAX_SKIP) {
        put_bits(bits, UINT32_C(1) << skip, skip + 1);
        put_bits(bits, gap & ((UINT32_C(1) << rice) - 1), rice);
    } else {
        put_bits(bits, 0, ZN_DELTA_MAX_SKIP);
        put_bits(bits, gap << 1 | 1, 1 + ZN_DELTA_RAW_GAP);
    }
}

/* Reads a gap. Returns false when it is invalid. */
ZN_EACH bool take_gap(struct zn_bit_feed *bits, unsigned rice, uint32_t *gap) {
    uint64_t window = peek_bits(bits);
    const unsigned skip = (unsigned)__builtin_ctzll(window | UINT64_C(1) << (ZN_DELTA_MAX_SKIP + 1));
    if (skip > ZN_DELTA_MAX_SKIP) return false;
    bits->at += skip + 1;
    window = peek_bits(bits);
    const unsigned n = skip < ZN_DELTA_MAX_SKIP ? rice : ZN_DELTA_RAW_GAP;
    *gap = (uint32_t)(window & ((UINT64_C(1) << n) - 1)) + (skip < ZN_DELTA_MAX_SKIP ? skip << rice : 0);
    bits->at += n;
    return bits->at <= 8 * (uint64_t)bits->len;
}

ZN_FN void plain_gaps_write(struct zn_bit_sink *bits, unsigned rice, const struct zn_members *members,
                            const uint32_t *positions, size_t n_positions) {
    uint32_t next = 0; /* the rank after the last position's */
    for (size_t i = 0; i < n_positions; i++) {
        const uint32_t rank = rank_of(members, positions[i]);
        put_gap(bits, rice, rank - next);
        next = rank + 1;
    }
    put_gap(bits, rice, all_members(members) - next);
}

/* First all gaps, which tell ranks, then the positions of these: so no position is waited for. */
ZN_FN bool plain_gaps_read(struct zn_bit_feed *bits, unsigned rice, const struct zn_members *members,
                           uint32_t **positions, const uint32_t *end) {
    const uint32_t all = all_members(members);
    uint32_t gap, next = 0, *to = *positions;
    for (;; *to++ = next++) {
        if (!take_gap(bits, rice, &gap)) return false;
        next += gap;
        if (next >= all) break;
        if (to == end) return false;
    }
    size_t b = 0;
    for (uint32_t *p = *positions; members->context && p < to; p++) {
        while (members->before[b + 1] <= *p) b++;
        *p = position_of(members, b, *p);
    }
    *positions = to;
    return next == all;
}

ZN_EACH void pick_of(struct number f, const uint8_t *src, const uint8_t *ref, const uint32_t *positions, size_t n,
                     uint8_t *symbols, uint8_t **literals) {
    for (size_t i = 0; i < n; i++) {
        const int32_t d = difference(f, src, ref, positions[i]);
        const bool fits = f.width < 2 || (d > -ZN_DELTA_ZERO && d < ZN_DELTA_ZERO);
        symbols[i] = (uint8_t)(fits ? d + ZN_DELTA_ZERO : ZN_DELTA_LITERAL);
        if (fits) continue;
        memcpy(*literals, src + 2 * (size_t)positions[i], 2);
        *literals += 2;
    }
}

ZN_FN void plain_pick(enum zn_number number, const uint8_t *src, const uint8_t *ref, const uint32_t *positions,
                      size_t n, uint8_t *symbols, uint8_t **literals) {
    ZN_WITH_NUMBER(number, pick_of(f, src, ref, positions, n, symbols, literals));
}

ZN_EACH bool patch_of(struct number f, const uint8_t *ref, const uint32_t *positions, const uint8_t *symbols, size_t n,
                      const uint8_t **literals, const uint8_t *end, uint8_t *out) {
    const uint8_t *next = *literals;
    for (size_t i = 0; i < n; i++) {
        const size_t at = positions[i];
        const int32_t from = ordered(f, word_at(ref, at, f.width));
        put_word(out, at, f.width,
                 (uint32_t)ordered(f, extended(f.width, (uint32_t)(from + symbols[i] - ZN_DELTA_ZERO))));
        if (f.width < 2 || symbols[i] != ZN_DELTA_LITERAL) continue;
        if (end - next < 2) return false;
        memcpy(out + 2 * at, next, 2);
        next += 2;
    }
    *literals = next;
    return true;
}

ZN_FN bool plain_patch(enum zn_number number, const uint8_t *ref, const uint32_t *positions, const uint8_t *symbols,
                       size_t n, const uint8_t **literals, const uint8_t *literals_end, uint8_t *out) {
    bool ok = false;
    ZN_WITH_NUMBER(number, ok = patch_of(f, ref, positions, symbols, n, literals, literals_end, out));
    return ok;
}
