/* What the R16 decoders for AVX2, NEON and WebAssembly share. All hold the states as two planes, low bytes and high bytes by lane:
 * then a state's slot, its renormalisation and its symbol are byte operations on whole vectors, and only the product
 * needs 16-bit words.
 *
 * The including file defines ZN_FN, the storage class and target attribute of its functions, STEP, which divides 32,
 * and
 *
 *     const uint8_t *decode_steps(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
 *                                 uint8_t *out, size_t from, size_t n);
 *         Decodes symbols [from, from + n) of the burst at `out`, all of one table, both numbers multiples of 32 and
 *         of the number of lanes. At least 32 bytes are readable at `in` before each 32 symbols, which use no more;
 *         returns what follows the bytes used. Escapes leave some symbol in `out` and their bits in p->marks.
 *
 *     void merge_16r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store store);
 *     void merge_32r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store store);
 *         Merge n symbols, a multiple of 32, with the planes below; streaming stores take whole cache lines.
 *
 *     void join_sevens(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n);
 *         Symbols and the packed numbers of 7 bits below them become pairs of bytes: `low` gets a symbol's lowest bit
 *         above the number, `sym` keeps the other bits. n is a multiple of 32; 8 bytes past the numbers are readable.
 *
 *     void join_sixes(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n);
 *         The same for numbers of 6 bits: `low` gets two bits of a symbol. `sym` also gets bit 6 unless the symbol was
 *         below 4.
 *
 *     void add_triples(const uint8_t *packed, uint8_t *sym, size_t n);
 *         Symbols of 5 bits and the packed numbers of 3 bits below them become bytes, rotated to the right by one. n is
 *         a multiple of 32; 8 bytes past the numbers are readable.
 */
#include <string.h>

#include "base/bytes.h"
#include "kernels/joint/joint_bits_tpl.h"
#include "kernels/r16/r16.h"
#include "kernels/r16/r16_feed.h"
#include "kernels/r16/r16_joint_last.h"

enum {
    TURN = ZN_R16_LANES,  /* symbols in which every lane has its turn once */
    BURST = ZN_R16_REACH, /* most symbols decoded between two checks; scratch for them stays in the first cache */
    SEGMENT = 256,        /* most symbols decoded between two looks at their table and at what to fetch */
    LINE = 32,            /* symbols merged at a time: one cache line of 16R, two of 32R */
    FULL_LANES_LOG2 = 7,
    MIN_LANES_LOG2 = 5 /* streams of fewer lanes are left to the scalar functions */
};

/* States by lane. */
struct planar_states {
    alignas(64) uint8_t lo[ZN_R16_LANES], hi[ZN_R16_LANES];
};

struct planar_decoder {
    struct planar_states x;
    size_t lane_mask;
    unsigned slots_log2;
    uint8_t esc_mark;
    uint8_t marks[BURST / 8];              /* bit i: symbol i of the burst is an escape */
    alignas(64) uint8_t sym[LINE + BURST]; /* of a burst that will be merged, after the last ones of the one before */
    alignas(64) uint8_t low[LINE + BURST]; /* of joint symbols: the plane next below, likewise */
};

static const uint8_t *decode_steps(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
                                   uint8_t *out, size_t from, size_t n);
static void merge_16r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store store);
static void merge_32r(const uint8_t *const *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store store);
static void join_sevens(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n);
static void join_sixes(const uint8_t *packed, uint8_t *low, uint8_t *sym, size_t n);
static void add_triples(const uint8_t *packed, uint8_t *sym, size_t n);

ZN_FN void planar_load(struct planar_states *x, const uint16_t *state) {
    for (size_t i = 0; i < ZN_R16_LANES; i++) {
        x->lo[i] = (uint8_t)state[i];
        x->hi[i] = (uint8_t)(state[i] >> 8);
    }
}

ZN_FN void planar_store(const struct planar_states *x, uint16_t *state) {
    for (size_t i = 0; i < ZN_R16_LANES; i++) state[i] = (uint16_t)(x->lo[i] | x->hi[i] << 8);
}

/* ---- decoding ---- */

/* Counts the marks of n symbols, a multiple of 32; bit w of *words tells whether word w of 64 marks has any. */
ZN_FN size_t planar_count_marks(uint8_t *marks, size_t n, uint64_t *words) {
    size_t count = 0;
    *words = 0;
    if (n % 64) memset(marks + n / 8, 0, 4);
    for (size_t w = (n + 63) / 64; w-- > 0;) {
        const uint64_t m = zn_get_u64(marks + 8 * w);
        count += (size_t)__builtin_popcountll(m);
        *words = *words << 1 | (m != 0);
    }
    return count;
}

/* Puts the escaped symbols in their places. Escapes are about one symbol in a hundred: the words that have any have one
 * or two, which the first and the last one cover without a branch. */
ZN_FN void planar_patch(uint8_t *out, const uint8_t *marks, uint64_t words, const uint8_t *esc) {
    for (; words; words &= words - 1) {
        const size_t w = (size_t)__builtin_ctzll(words);
        uint8_t *const to = out + 64 * w;
        uint64_t m = zn_get_u64(marks + 8 * w);
        const size_t n = (size_t)__builtin_popcountll(m);
        to[63 - __builtin_clzll(m)] = esc[n - 1];
        to[__builtin_ctzll(m)] = esc[0];
        for (size_t i = 1; i + 1 < n; i++) to[__builtin_ctzll(m &= m - 1)] = esc[i];
        esc += n;
    }
}

/* The same for R16W, by the tables of the symbols, which begin at `pos` of the stream. */
ZN_FN void planar_patch_wide(const struct zn_r16_decoder *d, size_t pos, uint8_t *out, const uint8_t *marks,
                             uint64_t words) {
    const uint8_t *esc = d->esc;
    for (; words; words &= words - 1) {
        const size_t w = (size_t)__builtin_ctzll(words);
        for (uint64_t m = zn_get_u64(marks + 8 * w); m; m &= m - 1) {
            const size_t i = 64 * w + (size_t)__builtin_ctzll(m);
            const struct zn_r16_table *t = zn_r16_table_at(d, pos + i);
            out[i] = zn_r16w_escaped(t->base, t->last, *esc++);
        }
    }
}

/* Decodes the next n symbols, whole turns and at most BURST. */
ZN_FN bool planar_burst(struct planar_decoder *p, struct zn_r16_decoder *d, struct zn_r16_feed *in, uint8_t *out,
                        size_t n) {
    const size_t segment = d->ids ? ZN_MIN((size_t)1 << d->block_log2, (size_t)SEGMENT) : SEGMENT;
    zn_r16_feed_reach(in);
    const uint8_t *at = in->p;
    for (size_t i = 0, len; i < n; i += len) {
        len = ZN_MIN(n - i, segment - (d->pos & (segment - 1)));
        at = decode_steps(p, zn_r16_table_at(d, d->pos), at, out, i, len);
        zn_r16_fetch(&d->ahead, len / TURN);
        d->pos += len;
    }
    uint64_t words;
    const size_t n_esc = planar_count_marks(p->marks, n, &words);
    if (!zn_r16_feed_take(in, at) || n_esc > (size_t)(d->esc_end - d->esc)) return false;
    if (d->slots_log2 == ZN_R16_SLOTS_LOG2)
        planar_patch(out, p->marks, words, d->esc);
    else
        planar_patch_wide(d, d->pos - n, out, p->marks, words);
    d->esc += n_esc;
    return true;
}

/* What symbols are merged with: the planes below, which make words of `width` bytes; none for width 1. Joint symbols
 * (joint_loops.h) and the numbers of the packed plane below become the two bytes that the word has there. */
struct planar_below {
    const uint8_t *const *raw;
    size_t width;
    enum zn_joint joint; /* ZN_N_JOINTS: the symbols are the top plane */
    const uint8_t *low;  /* with width 1: packed bits below each symbol, or NULL */
};

/* Eight numbers of four bits to a byte each. */
ZN_FN uint64_t planar_unpack4(uint64_t v) {
    v = (v & 0xffff) | (v & UINT64_C(0xffff0000)) << 16;
    v = (v & UINT64_C(0x000000ff000000ff)) | (v & UINT64_C(0x0000ff000000ff00)) << 8;
    return (v & UINT64_C(0x000f000f000f000f)) | (v & UINT64_C(0x00f000f000f000f0)) << 4;
}

ZN_FN uint64_t planar_unpack3(uint64_t v) {
    v = (v & 0xfff) | (v & UINT64_C(0xfff000)) << 20;
    v = (v & UINT64_C(0x0000003f0000003f)) | (v & UINT64_C(0x00000fc000000fc0)) << 10;
    return (v & UINT64_C(0x0007000700070007)) | (v & UINT64_C(0x0038003800380038)) << 5;
}

/* Eight bits to a byte each. */
ZN_FN uint64_t planar_unpack1(uint64_t v) {
    const uint64_t bits = v * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (bits + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
}

ZN_FN uint64_t planar_unpack(unsigned bits, const uint8_t *packed) {
    switch (bits) {
        case 1:
            return planar_unpack1(*packed);
        case 2:
            return joint_unpack2(zn_get_u16(packed));
        case 3:
            return planar_unpack3(zn_get_u16(packed) | (uint64_t)packed[2] << 16);
        default:
            return planar_unpack4(zn_get_u32(packed));
    }
}

ZN_FN uint8_t planar_seen(const uint8_t *sym, size_t n) {
    uint8_t seen = 0;
    for (size_t i = 0; i < n; i++) seen |= sym[i];
    return seen;
}

/* Makes bytes of n symbols and the low bits below them, in place; n is a multiple of eight. */
ZN_FN void planar_add_low(struct zn_r16_halves *h, const uint8_t *packed, uint8_t *sym, size_t n) {
    const uint64_t each = UINT64_C(0x0101010101010101), flip = each * h->flip;
    h->seen |= planar_seen(sym, n);
    if (h->bits == 3 && h->rotated && h->flip == 0) {
        add_triples(packed, sym, n);
        return;
    }
    for (size_t i = 0; i < n; i += 8, packed += h->bits) {
        const uint64_t whole = zn_get_u64(sym + i) << h->bits | planar_unpack(h->bits, packed);
        const uint64_t turned = (whole >> 1 & each * 127) | (whole << 7 & each * 128);
        zn_put_u64(sym + i, (h->rotated ? turned : whole) ^ flip);
    }
}

/* Of n symbols at p->sym + LINE, the burst's that begins at `done`. */
ZN_FN void planar_join(struct planar_decoder *p, const struct planar_below *b, size_t done, size_t n) {
    uint8_t *const sym = p->sym + LINE, *const low = p->low + LINE;
    const struct zn_joint_info info = zn_joint_info(b->joint);
    const uint8_t *const packed = b->raw[info.packed] + zn_joint_raw_len(b->joint, info.packed, done);
    if (b->joint == ZN_JOINT_F16) {
        joint_unpack(packed, n, info.bits, low);
        for (size_t i = 0; i < n; i++) sym[i] = (uint8_t)(sym[i] << 2 | low[i]);
        return;
    }
    (zn_joint_is_wide(b->joint) ? join_sixes : join_sevens)(packed, low, sym, n);
}

/* Merges n symbols from p->sym[from] on into words [at, at + n). */
ZN_FN void planar_merge(const struct planar_decoder *p, const struct planar_below *b, size_t at, size_t from,
                        uint8_t *out, size_t n, enum zn_store store) {
    const uint8_t *planes[3] = {NULL, NULL, NULL};
    const bool joint = b->joint != ZN_N_JOINTS && b->joint != ZN_JOINT_F16;
    for (size_t i = 0; i + 1 < b->width; i++) planes[i] = joint && i + 2 == b->width ? p->low + from : b->raw[i] + at;
    if (b->width == 2)
        merge_16r(planes, p->sym + from, out + 2 * at, n, store);
    else
        merge_32r(planes, p->sym + from, out + 4 * at, n, store);
}

/* Decodes n symbols, whole turns: alone, or merged to words. Streaming stores begin with the first whole cache line and
 * end with the last; the words around these are stored as usual, LINE of them, together with neighbours that are stored
 * twice. */
ZN_FN bool planar_run(struct zn_r16_decoder *d, const struct planar_below *b, uint8_t *out, size_t n,
                      enum zn_store store) {
    struct planar_decoder p;
    struct zn_r16_feed in;
    const size_t width = b->width;
    if (n == 0) return true;
    p.lane_mask = ((size_t)1 << d->lanes_log2) - 1;
    p.slots_log2 = d->slots_log2;
    p.esc_mark = d->esc_mark;
    zn_r16_feed_start(&in, d->in, d->in_end);
    planar_load(&p.x, d->state);
    if (width > 1 && (uintptr_t)out % width) store = ZN_STORE_CACHED;
    size_t merged = store == ZN_STORE_STREAM && width > 1 ? (-(uintptr_t)out & 63) / width : 0;
    for (size_t done = 0, len; done < n; done += len) {
        len = ZN_MIN(n - done, (size_t)BURST);
        if (!planar_burst(&p, d, &in, width == 1 ? out + done : p.sym + LINE, len)) return false;
        if (b->low) planar_add_low(&d->halves, b->low + done / 8 * d->halves.bits, out + done, len);
        if (width == 1) continue;
        if (b->joint != ZN_N_JOINTS) planar_join(&p, b, done, len);
        const size_t lines = (done + len - merged) / LINE * LINE;
        if (done == 0 && merged) planar_merge(&p, b, 0, LINE, out, LINE, ZN_STORE_CACHED);
        planar_merge(&p, b, merged, LINE + merged - done, out, lines, store);
        merged += lines;
        memcpy(p.sym, p.sym + len, LINE);
        memcpy(p.low, p.low + len, b->joint != ZN_N_JOINTS ? LINE : 0);
    }
    if (width > 1 && merged < n) planar_merge(&p, b, n - LINE, 0, out, LINE, ZN_STORE_CACHED);
    planar_store(&p.x, d->state);
    d->in = d->in_end - in.left;
    return true;
}

ZN_FN bool planar_decode(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    const size_t whole = d->lanes_log2 < MIN_LANES_LOG2 ? 0 : n >> d->lanes_log2 << d->lanes_log2;
    const struct planar_below none = {NULL, 1, ZN_N_JOINTS, NULL};
    return planar_run(d, &none, out, whole, ZN_STORE_CACHED) && zn_r16_decode_scalar(d, out + whole, n - whole);
}

ZN_FN bool planar_decode_16r(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                             enum zn_store store) {
    const size_t whole = n - n % TURN;
    const struct planar_below below = {&raw, 2, ZN_N_JOINTS, NULL};
    return planar_run(d, &below, out, whole, store) &&
           zn_r16_decode_16r_scalar(d, raw + whole, out + 2 * whole, n - whole, store);
}

ZN_FN bool planar_decode_32r(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                             enum zn_store store) {
    const size_t whole = n - n % TURN;
    const uint8_t *rest[] = {raw[0] + whole, raw[1] + whole, raw[2] + whole};
    const struct planar_below below = {raw, 4, ZN_N_JOINTS, NULL};
    return planar_run(d, &below, out, whole, store) &&
           zn_r16_decode_32r_scalar(d, rest, out + 4 * whole, n - whole, store);
}

ZN_FN bool planar_decode_joint(struct zn_r16_decoder *d, enum zn_joint joint, const uint8_t *const *raw, uint8_t *out,
                               size_t n, enum zn_store store) {
    const size_t whole = n - n % TURN;
    const struct planar_below below = {raw, zn_joint_info(joint).width, joint, NULL};
    return planar_run(d, &below, out, whole, store) && zn_joint_decode_last(d, joint, raw, out, whole, n);
}

ZN_FN bool planar_decode_halves(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n) {
    const size_t whole = n - n % TURN;
    const struct planar_below below = {NULL, 1, ZN_N_JOINTS, packed};
    return planar_run(d, &below, out, whole, ZN_STORE_CACHED) &&
           zn_r16_decode_halves_scalar(d, packed + whole / 8 * d->halves.bits, out + whole, n - whole, ZN_STORE_CACHED);
}

/* The entries of a set. */
#define PLANAR_JOINT(suffix, JOINT, set)                                                                               \
    bool zn_joint_decode_##suffix##_##set(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n, \
                                          enum zn_store store) {                                                       \
        return planar_decode_joint(d, JOINT, raw, out, n, store);                                                      \
    }
#define PLANAR_JOINTS(set)                \
    PLANAR_JOINT(16, ZN_JOINT_16, set)    \
    PLANAR_JOINT(32, ZN_JOINT_32, set)    \
    PLANAR_JOINT(f16, ZN_JOINT_F16, set)  \
    PLANAR_JOINT(2_16, ZN_JOINT2_16, set) \
    PLANAR_JOINT(2_32, ZN_JOINT2_32, set)
