/* What the R16 kernels for AVX2 and NEON share. Both hold the states as two planes, low bytes and high bytes by lane:
 * then a state's slot, its renormalisation and its symbol are byte operations on whole vectors, and only the product
 * needs 16-bit words.
 *
 * The including file defines ZN_FN, the storage class and target attribute of its functions, and
 *
 *     const uint8_t *decode_turns(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
 *                                 uint8_t *out, size_t turns);
 *         Decodes turns * TURN symbols, all of one table. At least as many bytes are readable at `in`; returns what
 *         follows the bytes used. Escapes leave the escape mark in `out` and their bits in p->marks.
 *
 *     void merge_16r(const uint8_t *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store store);
 *         Merges n symbols, a multiple of TURN.
 */
#include <string.h>

#include "base/bytes.h"
#include "kernels/r16.h"

enum {
    TURN = ZN_R16_LANES, /* symbols in which every lane has its turn once */
    BURST = 2048         /* most symbols decoded between two checks; scratch for them stays in the first cache */
};

/* States by lane. */
struct planar_states {
    alignas(64) uint8_t lo[ZN_R16_LANES], hi[ZN_R16_LANES];
};

struct planar_decoder {
    struct planar_states x;
    uint8_t esc_mark;
    uint8_t marks[BURST / 8]; /* bit i: symbol i of the burst is an escape */
    uint8_t in_pad[BURST];    /* the last bytes of `in`, for bursts that might look beyond them */
    uint8_t sym[BURST];
};

static const uint8_t *decode_turns(struct planar_decoder *p, const struct zn_r16_table *table, const uint8_t *in,
                                   uint8_t *out, size_t turns);
static void merge_16r(const uint8_t *raw, const uint8_t *sym, uint8_t *out, size_t n, enum zn_store store);

ZN_FN void planar_load(struct planar_states *x, const uint16_t *state) {
    for (size_t i = 0; i < ZN_R16_LANES; i++) {
        x->lo[i] = (uint8_t)state[i];
        x->hi[i] = (uint8_t)(state[i] >> 8);
    }
}

ZN_FN void planar_store(const struct planar_states *x, uint16_t *state) {
    for (size_t i = 0; i < ZN_R16_LANES; i++) state[i] = (uint16_t)(x->lo[i] | x->hi[i] << 8);
}

/* Counts the marks of n symbols; bit w of *words tells whether word w of 64 marks has any. */
ZN_FN size_t planar_count_marks(const uint8_t *marks, size_t n, uint64_t *words) {
    size_t count = 0;
    *words = 0;
    for (size_t w = n / 64; w-- > 0;) {
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

/* Decodes one burst, all of one table. false: the bytes left may not suffice; nothing has been used. */
ZN_FN bool planar_burst(struct planar_decoder *p, struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    const struct planar_states before = p->x;
    const size_t in_left = (size_t)(d->in_end - d->in), esc_left = (size_t)(d->esc_end - d->esc);
    const uint8_t *in = d->in;
    if (in_left < n) {
        if (in_left) memcpy(p->in_pad, d->in, in_left);
        in = p->in_pad;
    }
    const size_t used = (size_t)(decode_turns(p, zn_r16_table_at(d, d->pos), in, out, n / TURN) - in);
    uint64_t words;
    const size_t n_esc = planar_count_marks(p->marks, n, &words);
    if (used > in_left || n_esc > esc_left) {
        p->x = before;
        return false;
    }
    planar_patch(out, p->marks, words, d->esc);
    d->in += used;
    d->esc += n_esc;
    d->pos += n;
    return true;
}

/* How many symbols the next burst covers: whole turns, within one block. */
ZN_FN size_t planar_burst_len(const struct zn_r16_decoder *d, size_t n) {
    size_t len = ZN_MIN(n - n % TURN, (size_t)BURST);
    if (d->ids) {
        const size_t block = (size_t)1 << d->block_log2;
        len = ZN_MIN(len, block - (d->pos & (block - 1)));
    }
    return len;
}

/* Each burst commits as a whole or not at all, so the scalar function can take over after any of them: for the ragged
 * end, and to find where exactly a damaged stream runs out. */
ZN_FN bool planar_decode(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    if (d->lanes_log2 != 7 || n < TURN) return zn_r16_decode_scalar(d, out, n);
    struct planar_decoder p;
    p.esc_mark = d->esc_mark;
    memset(p.in_pad, 0, sizeof p.in_pad);
    planar_load(&p.x, d->state);
    size_t done = 0, len;
    while ((len = planar_burst_len(d, n - done)) > 0 && planar_burst(&p, d, out + done, len)) done += len;
    planar_store(&p.x, d->state);
    return done == n || zn_r16_decode_scalar(d, out + done, n - done);
}

ZN_FN bool planar_decode_16r(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                             enum zn_store store) {
    struct planar_decoder p;
    p.esc_mark = d->esc_mark;
    memset(p.in_pad, 0, sizeof p.in_pad);
    planar_load(&p.x, d->state);
    size_t done = 0, len;
    while ((len = planar_burst_len(d, n - done)) > 0 && planar_burst(&p, d, p.sym, len)) {
        merge_16r(raw + done, p.sym, out + 2 * done, len, store);
        done += len;
    }
    planar_store(&p.x, d->state);
    return done == n || zn_r16_decode_16r_scalar(d, raw + done, out + 2 * done, n - done, store);
}

/* Where the burst that ends at `end` begins: whole turns, within one block. */
ZN_FN size_t planar_burst_start(const struct zn_r16_encoder *e, size_t end) {
    const size_t start = end > BURST ? end - BURST : 0;
    return e->ids ? ZN_MAX(start, (end - 1) >> e->block_log2 << e->block_log2) : start;
}

/* Writes the symbols of src[0, n) whose bit is set in `marks` below `esc`, the last one first. As above, the first
 * three of a word take no branch; what they write too much lies in the slack or is overwritten. */
ZN_FN uint8_t *planar_put_escapes(const uint8_t *marks, const uint8_t *src, size_t n, uint8_t *esc) {
    for (size_t at = n; at > 0;) {
        at -= 64;
        uint64_t m = zn_get_u64(marks + at / 8);
        uint8_t *const next = esc - __builtin_popcountll(m);
        for (int k = 0; k < 3 || m; k++) {
            const int top = 63 - __builtin_clzll(m | 1);
            *--esc = src[at + (size_t)top];
            m &= ~((uint64_t)1 << top);
        }
        esc = next;
    }
    return esc;
}
