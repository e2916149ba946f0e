/* What the R16 encoders for AVX2 and NEON share, beside what their decoders do, which is included here.
 *
 * The including file defines
 *
 *     struct planar_encoder and
 *     uint8_t *encode_steps(struct planar_encoder *p, const struct zn_r16_encoder *e, size_t pos, const uint8_t *sym,
 *                           size_t n, uint8_t *marks, uint8_t *out);
 *         Encodes the symbols [pos, pos + n) that lie at `sym`, all of one table, both numbers whole turns (with fewer
 *         than 128 lanes, where a set has that, multiples of 64); returns where the bytes written below `out` begin.
 *         Escapes leave their bits in `marks`.
 */
#include "kernels/r16/r16_planar_tpl.h"

struct planar_encoder;

static uint8_t *encode_steps(struct planar_encoder *p, const struct zn_r16_encoder *e, size_t pos, const uint8_t *sym,
                             size_t n, uint8_t *marks, uint8_t *out);

/* What is encoded: symbols, or words of `width` bytes whose lower planes go to raw. */
struct planar_source {
    const uint8_t *src;
    enum zn_shape shape; /* ZN_SHAPE_8 for symbols */
    size_t width;
    uint8_t *const *raw;
};

/* Asks for words [at, at + n), which planar_split will read, and for where it will put their lower planes, to the
 * first-level cache: 7 % of all encoding of bf16 with AVX2. */
ZN_FN void planar_split_soon(const struct planar_source *s, size_t at, size_t n) {
    for (size_t i = 0; i < n * s->width; i += 64) __builtin_prefetch(s->src + at * s->width + i, 0, 3);
    for (size_t p = 0; p + 1 < s->width; p++)
        for (size_t i = 0; i < n; i += 64) __builtin_prefetch(s->raw[p] + at + i, 1, 3);
}

/* Splits words [at, at + n): their symbols go to `sym`. */
ZN_FN void planar_split(const struct zn_kernels *k, const struct planar_source *s, size_t at, size_t n, uint8_t *sym) {
    uint8_t *planes[4];
    for (size_t p = 0; p + 1 < s->width; p++) planes[p] = s->raw[p] + at;
    planes[s->width - 1] = sym;
    if (s->shape == ZN_SHAPE_F16) {
        planes[1] = s->raw[1] + at / 64 * 24;
        planes[2] = sym;
    }
    k->split[s->shape](s->src + at * s->width, n, planes);
}

/* Writes the symbols of src[0, n) whose bit is set in `marks` below `esc`, the last one first; n is a multiple of 64.
 * As above, only words that have any are visited, and the first and the last of one take no branch. */
ZN_FN uint8_t *planar_put_escapes(const uint8_t *marks, const uint8_t *src, size_t n, uint8_t *esc) {
    uint64_t words = 0;
    for (size_t w = 0; w < n / 64; w++) words |= (uint64_t)(zn_get_u64(marks + 8 * w) != 0) << w;
    while (words) {
        const size_t w = 63 - (size_t)__builtin_clzll(words);
        const uint8_t *const from = src + 64 * w;
        uint64_t m = zn_get_u64(marks + 8 * w);
        const size_t count = (size_t)__builtin_popcountll(m);
        esc -= count;
        esc[count - 1] = from[63 - __builtin_clzll(m)];
        esc[0] = from[__builtin_ctzll(m)];
        for (size_t i = 1; i + 1 < count; i++) esc[i] = from[__builtin_ctzll(m &= m - 1)];
        words ^= (uint64_t)1 << w;
    }
    return esc;
}

/* Encodes the symbols [start, end) of a burst, which lie at `sym`, a table after the other, and meanwhile asks for what
 * is needed next. */
ZN_FN void planar_encode_burst(struct planar_encoder *p, struct zn_r16_encoder *e, const struct planar_source *s,
                               const uint8_t *sym, size_t start, size_t end) {
    const size_t segment = e->ids ? ZN_MIN((size_t)1 << e->block_log2, (size_t)SEGMENT) : SEGMENT;
    uint8_t marks[BURST / 8];
    for (size_t to = end, from; to > start; to = from) {
        from = ZN_MAX(start, (to - 1) & ~(segment - 1));
        e->out = encode_steps(p, e, from, sym + (from - start), to - from, marks + (from - start) / 8, e->out);
        if (s->width > 1 && start > 0) planar_split_soon(s, from - BURST, to - from);
        zn_r16_fetch(&e->ahead, (to - from) / TURN);
    }
    e->esc = planar_put_escapes(marks, sym, end - start, e->esc);
}

/* Encodes n symbols, whole turns: at src, or split from the words of `shape` there. */
ZN_FN void planar_encode(struct planar_encoder *p, const struct zn_kernels *k, struct zn_r16_encoder *e,
                         const uint8_t *src, uint8_t *const *raw, size_t n, enum zn_shape shape) {
    const size_t width = shape == ZN_SHAPE_8 ? 1 : shape == ZN_SHAPE_32R ? 4 : 2;
    const struct planar_source s = {src, shape, width, raw};
    uint8_t split[BURST];
    for (size_t end = n, start; end > 0; end = start) {
        start = (end - 1) / BURST * BURST;
        if (width > 1) planar_split(k, &s, start, end - start, split);
        planar_encode_burst(p, e, &s, width > 1 ? split : src + start, start, end);
    }
}
