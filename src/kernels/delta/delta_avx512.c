/* The delta loops for AVX-512; words of 2 bytes have loops of their own, 64 elements at a time. The low bits of eight
 * elements are gathered and spread by one bit extraction or deposit, whose mask is what eight k's allow. They go by way
 * of a piece in the first-level cache, so that no vector waits for the eight words that make it.
 */
#include <stdalign.h>

#include "base/bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ZN_FN       \
    __attribute__(( \
        target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2"))) static inline
#define ZN_NTH(m, i) (unsigned)_tzcnt_u64(_pdep_u64(UINT64_C(1) << (i), m))

ZN_FN uint64_t mask_of(const uint8_t *p, uint8_t lo, uint8_t hi) {
    const __m512i x = _mm512_sub_epi8(_mm512_loadu_si512(p), _mm512_set1_epi8((char)lo));
    return _mm512_cmple_epu8_mask(x, _mm512_set1_epi8((char)(hi - lo)));
}
#define ZN_MASK(p, lo, hi) mask_of(p, lo, hi)
#include "kernels/delta/delta_tpl.h"

enum { PIECE = 4096 };

ZN_EACH __m512i load(const void *p) {
    return _mm512_loadu_si512(p);
}

ZN_EACH __m512i order(struct number f, __m512i w) {
    if (!f.magnitude) return w;
    return _mm512_xor_si512(w, _mm512_and_si512(_mm512_srai_epi16(w, 15), _mm512_set1_epi16(0x7fff)));
}

ZN_EACH __m512i difference32(struct number f, const uint8_t *src, const uint8_t *ref) {
    return _mm512_sub_epi16(order(f, load(src)), order(f, load(ref)));
}

/* ---- contexts, moves ---- */

ZN_EACH void halves_contexts(struct number f, const uint8_t *ref, size_t n, uint8_t *context) {
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        const __m512i c =
            _mm512_and_si512(_mm512_srli_epi16(load(ref + 2 * i), (uint8_t)f.shift), _mm512_set1_epi16((short)f.mask));
        _mm256_storeu_si256((void *)(context + i), _mm512_cvtepi16_epi8(c));
    }
    contexts_of(f, ref + 2 * i, n - i, context + i);
}

ZN_EACH void any_contexts(struct number f, const uint8_t *ref, size_t n, uint8_t *context) {
    if (f.width == 2)
        halves_contexts(f, ref, n, context);
    else
        contexts_of(f, ref, n, context);
}

ZN_FN void avx512_context(enum zn_number number, const uint8_t *ref, size_t n, uint8_t *context) {
    ZN_WITH_NUMBER(number, any_contexts(f, ref, n, context));
}

ZN_EACH uint64_t halves_moved(struct number f, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                              unsigned base) {
    const __m512i base_64 = _mm512_set1_epi64(base), most = _mm512_set1_epi64(31);
    __m512i sum = _mm512_setzero_si512();
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        alignas(64) uint16_t size[32];
        _mm512_store_si512(size, _mm512_abs_epi16(difference32(f, src + 2 * i, ref + 2 * i)));
        for (unsigned j = 0; j < 32; j += 8) {
            const __m512i d = _mm512_cvtepu16_epi64(_mm_load_si128((const void *)(size + j)));
            const __m512i c = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const void *)(context + i + j)));
            const __m512i over = _mm512_sub_epi64(_mm512_max_epu64(c, base_64), base_64);
            sum = _mm512_add_epi64(sum, _mm512_sllv_epi64(d, _mm512_min_epu64(over, most)));
        }
    }
    return (uint64_t)_mm512_reduce_add_epi64(sum) + moved(f, src + 2 * i, ref + 2 * i, context + i, n - i, base);
}

ZN_EACH void any_moves(struct number f, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                       unsigned block_log2, unsigned base, uint64_t *sums) {
    const size_t block = (size_t)1 << block_log2;
    if (f.width != 2) {
        moves_of(f, src, ref, context, n, block_log2, base, sums);
        return;
    }
    for (size_t i = 0; i < n; i += block)
        sums[i >> block_log2] = halves_moved(f, src + 2 * i, ref + 2 * i, context + i, ZN_MIN(block, n - i), base);
}

ZN_FN void avx512_moves(enum zn_number number, const uint8_t *src, const uint8_t *ref, const uint8_t *context, size_t n,
                        unsigned block_log2, unsigned base, uint64_t *sums) {
    ZN_WITH_NUMBER(number, any_moves(f, src, ref, context, n, block_log2, base, sums));
}

/* ---- splitting and merging ---- */

/* How many low bits each of 64 elements has, and the masks of so many ones. */
ZN_EACH __m512i counts_of(unsigned scale, const uint8_t *context) {
    return _mm512_min_epu8(_mm512_subs_epu8(_mm512_set1_epi8((char)scale), load(context)), _mm512_set1_epi8(7));
}

ZN_EACH __m512i ones_of(__m512i counts) {
    return _mm512_shuffle_epi8(_mm512_set1_epi64(0x7f3f1f0f07030100), counts);
}

/* Bytes of 32 elements to words. */
ZN_EACH __m512i half(__m512i bytes, unsigned i) {
    return _mm512_cvtepu8_epi16(i ? _mm512_extracti64x4_epi64(bytes, 1) : _mm512_castsi512_si256(bytes));
}

ZN_EACH __m512i signed_half(__m512i bytes, unsigned i) {
    return _mm512_cvtepi8_epi16(i ? _mm512_extracti64x4_epi64(bytes, 1) : _mm512_castsi512_si256(bytes));
}

/* Deposits the bits of each eight elements, 56 at most, where the masks want them. */
ZN_EACH void spread(struct zn_bit_feed *b, const uint64_t *ones, size_t n, uint64_t *low) {
    uint64_t at = b->at;
    for (size_t i = 0, end; i < n; i = end) {
        const size_t left = b->len - ZN_MIN(b->len, (size_t)(at / 8));
        end = i + ZN_MIN(left < 8 ? 0 : (left - 8) / 7, n - i);
        for (size_t j = i; j < end; j++) {
            low[j] = _pdep_u64(zn_get_u64(b->p + at / 8) >> at % 8, ones[j]);
            at += (uint64_t)_mm_popcnt_u64(ones[j]);
        }
        if (end > i) continue;
        b->at = at;
        low[end] = _pdep_u64(peek_bits(b), ones[end]);
        at += (uint64_t)_mm_popcnt_u64(ones[end++]);
    }
    b->at = at;
}

/* Restores 32 elements; `low` has half a step taken off. */
ZN_EACH void merge32(struct number f, const uint8_t *ref, __m512i symbols, __m512i counts, __m512i low, uint8_t *out) {
    const __m512i upper = _mm512_sub_epi16(symbols, _mm512_set1_epi16(ZN_DELTA_ZERO));
    const __m512i d = _mm512_add_epi16(_mm512_sllv_epi16(upper, counts), low);
    _mm512_storeu_si512(out, order(f, _mm512_add_epi16(order(f, load(ref)), d)));
}

/* Puts literals in place of the elements whose bits are set. */
ZN_FN bool take_literals(struct zn_delta_reader *r, uint64_t literals, uint8_t *out) {
    for (; literals; literals &= literals - 1)
        if (!take_literal(r, out, (size_t)_tzcnt_u64(literals), 2)) return false;
    return true;
}

/* Whole groups of 64 elements, no more than a piece of them. */
ZN_EACH bool merge_piece(struct number f, struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context,
                         const uint8_t *symbols, size_t n, uint8_t *out) {
    alignas(64) uint8_t counts[PIECE], ones[PIECE], low[PIECE];
    __m512i any = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 64) {
        const __m512i k = counts_of(scale_at(&r->grid, r->pos + i), context + i);
        any = _mm512_or_si512(any, k);
        _mm512_store_si512(counts + i, k);
        _mm512_store_si512(ones + i, ones_of(k));
    }
    if (_mm512_test_epi8_mask(any, any))
        spread(&r->bits, (const uint64_t *)(const void *)ones, n / 8, (uint64_t *)(void *)low);
    else
        memset(low, 0, n);
    for (size_t i = 0; i < n; i += 64) {
        const __m512i s = load(symbols + i), k = load(counts + i);
        const __m512i half_step = _mm512_avg_epu8(load(ones + i), _mm512_setzero_si512());
        const __m512i l = _mm512_sub_epi8(load(low + i), half_step);
        for (unsigned j = 0; j < 2; j++)
            merge32(f, ref + 2 * i + 64 * j, half(s, j), half(k, j), signed_half(l, j), out + 2 * i + 64 * j);
        const uint64_t literals = _mm512_testn_epi8_mask(s, s);
        if (literals && !take_literals(r, literals, out + 2 * i)) return false;
    }
    r->pos += n;
    return r->bits.at <= 8 * (uint64_t)r->bits.len;
}

/* ---- words of four bytes: the low bits of four elements are spread at once, 60 at most, and bytes below are put in order
 * by expansion ---- */

/* Whole groups of 64 elements take no more than this. */
enum { GROUP_BITS = 64 * 15, FETCHED = 16 };

/* Spreads bits over 64 numbers of 16 bits, as far as `ones` has room for them. */
ZN_EACH void spread_wide(struct zn_bit_feed *b, const uint64_t *ones, uint64_t *low) {
    uint64_t at = b->at;
    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *p = b->p + at / 8;
        const unsigned s = at % 8;
        low[i] = _pdep_u64(zn_get_u64(p) >> s | zn_get_u64(p + 8) << 1 << (63 - s), ones[i]);
        at += (uint64_t)_mm_popcnt_u64(ones[i]);
    }
    b->at = at;
}

ZN_EACH __m512i order32(struct number f, __m512i w) {
    if (!f.magnitude) return w;
    return _mm512_xor_si512(w, _mm512_and_si512(_mm512_srai_epi32(w, 31), _mm512_set1_epi32(0x7fffffff)));
}

/* Quarter j of 64 bytes, as words of four bytes. */
ZN_EACH __m512i quarter(__m512i bytes, unsigned j) {
    const __m128i parts[4] = {_mm512_castsi512_si128(bytes), _mm512_extracti32x4_epi32(bytes, 1),
                              _mm512_extracti32x4_epi32(bytes, 2), _mm512_extracti32x4_epi32(bytes, 3)};
    return _mm512_cvtepu8_epi32(parts[j]);
}

/* The bits that each of 64 elements has room for, as numbers of 16 bits; none where `present` is not set. */
ZN_EACH void wide_ones(__m512i counts, uint64_t present, uint16_t *ones) {
    for (unsigned j = 0; j < 2; j++) {
        const __m512i bits = _mm512_sllv_epi16(_mm512_set1_epi16(1), half(counts, j));
        const __m512i o = _mm512_sub_epi16(bits, _mm512_set1_epi16(1));
        _mm512_store_si512(ones + 32 * j, _mm512_maskz_mov_epi16((__mmask32)(present >> 32 * j), o));
    }
}

ZN_EACH __m512i counts_below_15(unsigned scale, const uint8_t *context) {
    return _mm512_min_epu8(_mm512_subs_epu8(_mm512_set1_epi8((char)scale), load(context)), _mm512_set1_epi8(15));
}

/* Restores a group of 64 elements whose low parts are known to suffice. */
ZN_EACH bool merge_group(struct number f, struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context,
                         const uint8_t *symbols, uint8_t *out) {
    alignas(64) uint16_t ones[64], low[64];
    const unsigned n_low = r->grid.n_low;
    const __m512i s = load(symbols), k = counts_below_15(scale_at(&r->grid, r->pos), context);
    const uint64_t literals = _mm512_testn_epi8_mask(s, s);
    const uint64_t present = _mm512_cmpneq_epi8_mask(s, _mm512_set1_epi8((char)ZN_DELTA_ZERO)) & ~literals;
    __m512i below[ZN_DELTA_MAX_LOW] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    wide_ones(k, present, ones);
    spread_wide(&r->bits, (const uint64_t *)(const void *)ones, (uint64_t *)(void *)low);
    for (unsigned j = 0; j < n_low; j++) {
        below[j] = _mm512_maskz_expand_epi8(present, load(r->low[j]));
        r->low[j] += _mm_popcnt_u64(present);
    }
    r->n_low -= (size_t)_mm_popcnt_u64(present);
    for (unsigned j = 0; j < 4; j++) {
        const __m512i symbol = quarter(s, j),
                      shift = _mm512_add_epi32(quarter(k, j), _mm512_set1_epi32(8 * (int)n_low));
        const __mmask16 positive = _mm512_cmpgt_epu32_mask(symbol, _mm512_set1_epi32(ZN_DELTA_ZERO));
        const __m512i upper = _mm512_sub_epi32(_mm512_mask_sub_epi32(symbol, positive, symbol, _mm512_set1_epi32(1)),
                                               _mm512_set1_epi32(ZN_DELTA_ZERO));
        const __m512i q = _mm512_cvtepu16_epi32(_mm256_load_si256((const void *)(low + 16 * j)));
        const __m512i bytes = _mm512_or_si512(quarter(below[0], j), _mm512_slli_epi32(quarter(below[1], j), 8));
        const __m512i lower = _mm512_or_si512(_mm512_slli_epi32(q, 8 * n_low), bytes);
        const __m512i half_step = _mm512_srli_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), shift), 1);
        const __m512i d = _mm512_sub_epi32(_mm512_add_epi32(_mm512_sllv_epi32(upper, shift), lower), half_step);
        const __m512i from = load(ref + 64 * j);
        const __m512i to = order32(f, _mm512_add_epi32(order32(f, from), d));
        _mm512_storeu_si512(out + 64 * j, _mm512_mask_mov_epi32(from, (__mmask16)(present >> 16 * j), to));
    }
    r->pos += 64;
    for (uint64_t m = literals; m; m &= m - 1)
        if (!take_literal(r, out, (size_t)_tzcnt_u64(m), 4)) return false;
    return true;
}

/* Groups near the end of the low parts, and what is less than a group, go element by element. */
ZN_EACH bool merge_wide(struct number f, struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context,
                        const uint8_t *symbols, size_t n, uint8_t *out) {
    for (size_t i = 0, some; i < n; i += some) {
        some = ZN_MIN(n - i, (size_t)64);
        const bool whole = some == 64 && r->n_low >= 64 && r->bits.at / 8 + GROUP_BITS / 8 + FETCHED <= r->bits.len;
        if (!(whole ? merge_group(f, r, ref + 4 * i, context + i, symbols + i, out + 4 * i)
                    : merge_words(f, r, ref + 4 * i, context + i, symbols + i, some, out + 4 * i)))
            return false;
    }
    return r->bits.at <= 8 * (uint64_t)r->bits.len;
}

ZN_EACH bool any_merge(struct number f, struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context,
                       const uint8_t *symbols, size_t n, uint8_t *out) {
    size_t i = 0;
    if (f.width == 4) return merge_wide(f, r, ref, context, symbols, n, out);
    if (f.width != 2) return merge_of(f, r, ref, context, symbols, n, out);
    for (size_t len; (len = ZN_MIN((n - i) / 64 * 64, (size_t)PIECE)) > 0; i += len)
        if (!merge_piece(f, r, ref + 2 * i, context + i, symbols + i, len, out + 2 * i)) return false;
    return merge_halves(f, r, ref + 2 * i, context + i, symbols + i, n - i, out + 2 * i);
}

ZN_FN bool avx512_merge(struct zn_delta_reader *r, const uint8_t *ref, const uint8_t *context, const uint8_t *symbols,
                        size_t n, uint8_t *out) {
    bool ok = false;
    ZN_WITH_NUMBER(r->grid.number, ok = any_merge(f, r, ref, context, symbols, n, out));
    return ok;
}

/* Appends the low bits of each eight elements. */
ZN_EACH void gather(struct zn_bit_sink *sink, const uint64_t *ones, const uint64_t *low, size_t n) {
    struct zn_bit_sink s = *sink;
    for (size_t i = 0; i < n; i++) {
        s.held |= _pext_u64(low[i], ones[i]) << s.n_held;
        s.n_held += (unsigned)_mm_popcnt_u64(ones[i]);
        zn_put_u64(s.p, s.held);
        s.p += s.n_held / 8;
        s.held >>= s.n_held / 8 * 8;
        s.n_held %= 8;
    }
    *sink = s;
}

/* Symbols and low bits of 32 elements, as words; *wide: those that are literals. */
ZN_EACH __m512i split32(struct number f, const uint8_t *src, const uint8_t *ref, __m512i counts, __m512i half_step,
                        __m512i *sum, __mmask32 *wide) {
    const __m512i u = _mm512_add_epi16(difference32(f, src, ref), half_step);
    const __m512i symbol = _mm512_add_epi16(_mm512_srav_epi16(u, counts), _mm512_set1_epi16(ZN_DELTA_ZERO));
    const __mmask32 fits = _mm512_cmplt_epu16_mask(_mm512_sub_epi16(symbol, _mm512_set1_epi16(1)),
                                                   _mm512_set1_epi16(2 * ZN_DELTA_ZERO - 1));
    *sum = u;
    *wide = ~fits;
    return _mm512_maskz_mov_epi16(fits, symbol);
}

ZN_EACH __m512i joined(__m512i a, __m512i b) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(a)), _mm512_cvtepi16_epi8(b), 1);
}

/* Element `first` and those after it of the block with this scale: whole groups, no more than a piece. */
ZN_EACH void split_piece(struct number f, struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref,
                         const uint8_t *context, size_t first, size_t n, uint8_t *symbols) {
    alignas(64) uint8_t ones[PIECE], low[PIECE];
    for (size_t i = 0; i < n; i += 64) {
        const size_t at = first + i;
        const __m512i k = counts_of(scale_at(&w->grid, at), context + at), o = ones_of(k);
        const __m512i half_step = _mm512_avg_epu8(o, _mm512_setzero_si512());
        __m512i s[2], u[2];
        __mmask32 wide[2];
        for (unsigned j = 0; j < 2; j++)
            s[j] = split32(f, src + 2 * at + 64 * j, ref + 2 * at + 64 * j, half(k, j), half(half_step, j), &u[j],
                           &wide[j]);
        _mm512_storeu_si512(symbols + at, joined(s[0], s[1]));
        _mm512_store_si512(ones + i, o);
        _mm512_store_si512(low + i, joined(u[0], u[1]));
        for (uint64_t m = wide[0] | (uint64_t)wide[1] << 32; m; m &= m - 1, w->literals += 2)
            memcpy(w->literals, src + 2 * at + 2 * _tzcnt_u64(m), 2);
    }
    gather(&w->bits, (const uint64_t *)(const void *)ones, (const uint64_t *)(const void *)low, n / 8);
}

/* Appends up to 60 bits. */
ZN_EACH void put_wide(struct zn_bit_sink *s, uint64_t bits, unsigned n) {
    const unsigned held = s->n_held, all = held + n;
    s->held |= bits << held;
    zn_put_u64(s->p, s->held);
    s->p += all / 8;
    s->held = all < 64 ? s->held >> all / 8 * 8 : bits >> (64 - held);
    s->n_held = all % 8;
}

/* Splits a group of 64 elements of four bytes. */
ZN_EACH void split_group(struct number f, struct zn_delta_writer *w, unsigned scale, const uint8_t *src,
                         const uint8_t *ref, const uint8_t *context, uint8_t *symbols) {
    alignas(64) uint16_t ones[64], low[64];
    alignas(64) uint8_t below[ZN_DELTA_MAX_LOW][64];
    const unsigned n_low = w->grid.n_low;
    const __m512i k = counts_below_15(scale, context);
    uint64_t present = 0, literals = 0;
    for (unsigned j = 0; j < 4; j++) {
        const __m512i shift = _mm512_add_epi32(quarter(k, j), _mm512_set1_epi32(8 * (int)n_low));
        const __m512i half_step = _mm512_srli_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), shift), 1);
        const __m512i d = _mm512_sub_epi32(order32(f, load(src + 64 * j)), order32(f, load(ref + 64 * j)));
        const __m512i u = _mm512_add_epi32(d, half_step); /* of 33 bits where it is less than d */
        const __mmask16 wide = _mm512_cmplt_epi32_mask(u, d);
        const __m512i upper = _mm512_mask_srlv_epi32(_mm512_srav_epi32(u, shift), wide, u, shift);
        const __mmask16 moved = _mm512_test_epi32_mask(d, d);
        const __mmask16 fits = _mm512_cmplt_epu32_mask(_mm512_add_epi32(upper, _mm512_set1_epi32(ZN_DELTA_ZERO - 1)),
                                                       _mm512_set1_epi32(2 * ZN_DELTA_ZERO - 2));
        const __mmask16 up = _mm512_cmpge_epi32_mask(upper, _mm512_setzero_si512());
        __m512i symbol = _mm512_add_epi32(upper, _mm512_set1_epi32(ZN_DELTA_ZERO));
        symbol = _mm512_mask_add_epi32(symbol, up, symbol, _mm512_set1_epi32(1));
        symbol = _mm512_mask_mov_epi32(_mm512_set1_epi32(ZN_DELTA_ZERO), moved, _mm512_maskz_mov_epi32(fits, symbol));
        _mm_storeu_si128((void *)(symbols + 16 * j), _mm512_cvtepi32_epi8(symbol));
        _mm256_store_si256((void *)(low + 16 * j), _mm512_cvtepi32_epi16(_mm512_srli_epi32(u, 8 * n_low)));
        _mm_store_si128((void *)(below[0] + 16 * j), _mm512_cvtepi32_epi8(u));
        _mm_store_si128((void *)(below[1] + 16 * j), _mm512_cvtepi32_epi8(_mm512_srli_epi32(u, 8)));
        present |= (uint64_t)(moved & fits) << 16 * j;
        literals |= (uint64_t)(moved & (__mmask16)~fits) << 16 * j;
    }
    wide_ones(k, present, ones);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t some, of;
        memcpy(&some, low + 4 * i, 8);
        memcpy(&of, ones + 4 * i, 8);
        put_wide(&w->bits, _pext_u64(some, of), (unsigned)_mm_popcnt_u64(of));
    }
    for (unsigned j = 0; j < n_low; j++) {
        _mm512_storeu_si512(w->low[j], _mm512_maskz_compress_epi8(present, load(below[j])));
        w->low[j] += _mm_popcnt_u64(present);
    }
    for (; literals; literals &= literals - 1, w->literals += 4) memcpy(w->literals, src + 4 * _tzcnt_u64(literals), 4);
}

/* A low plane has room for all elements, so that a group of it can always be stored whole. */
ZN_EACH void split_wide(struct number f, struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref,
                        const uint8_t *context, size_t n, uint8_t *symbols) {
    size_t i = 0;
    for (; n - i >= 64; i += 64)
        split_group(f, w, scale_at(&w->grid, i), src + 4 * i, ref + 4 * i, context + i, symbols + i);
    split_words(f, w, src, ref, context, i, n, symbols);
}

ZN_EACH void any_split(struct number f, struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref,
                       const uint8_t *context, size_t n, uint8_t *symbols) {
    size_t i = 0;
    if (f.width != 2) {
        if (f.width == 4)
            split_wide(f, w, src, ref, context, n, symbols);
        else
            split_of(f, w, src, ref, context, n, symbols);
        return;
    }
    for (size_t len; (len = ZN_MIN((n - i) / 64 * 64, (size_t)PIECE)) > 0; i += len)
        split_piece(f, w, src, ref, context, i, len, symbols);
    split_halves(f, w, src, ref, context, i, n, symbols);
}

ZN_FN void avx512_split(struct zn_delta_writer *w, const uint8_t *src, const uint8_t *ref, const uint8_t *context,
                        size_t n, uint8_t *symbols) {
    ZN_WITH_NUMBER(w->grid.number, any_split(f, w, src, ref, context, n, symbols));
}

/* ---- masks ---- */

ZN_FN size_t avx512_changed_masks(const uint8_t *src, const uint8_t *ref, unsigned width, size_t n, uint64_t *masks) {
    size_t i = 0, sum = 0;
    for (; width == 2 && n - i >= 64; i += 64) {
        const uint64_t low = _mm512_cmpneq_epi16_mask(load(src + 2 * i), load(ref + 2 * i));
        masks[i / 64] = low | (uint64_t)_mm512_cmpneq_epi16_mask(load(src + 2 * i + 64), load(ref + 2 * i + 64)) << 32;
        sum += (size_t)_mm_popcnt_u64(masks[i / 64]);
    }
    for (; width == 1 && n - i >= 64; i += 64) {
        masks[i / 64] = _mm512_cmpneq_epi8_mask(load(src + i), load(ref + i));
        sum += (size_t)_mm_popcnt_u64(masks[i / 64]);
    }
    return i < n ? sum + plain_changed_masks(src + i * width, ref + i * width, width, n - i, masks + i / 64) : sum;
}

/* How many bytes of a block are at least `first`. */
ZN_EACH unsigned block_from(const __m512i *block, uint8_t first) {
    const __m512i least = _mm512_set1_epi8((char)first);
    __m512i sums = _mm512_setzero_si512();
    for (unsigned g = 0; g < BLOCK_GROUPS; g++)
        sums = _mm512_mask_sub_epi8(sums, _mm512_cmpge_epu8_mask(block[g], least), sums, _mm512_set1_epi8(-1));
    return (unsigned)_mm512_reduce_add_epi64(_mm512_sad_epu8(sums, _mm512_setzero_si512()));
}

ZN_FN void avx512_count_members(const uint8_t *context, size_t n, const uint8_t *firsts, unsigned n_classes,
                                uint32_t *before) {
    const size_t blocks = zn_class_blocks(n), whole = n / ZN_CLASS_BLOCK;
    for (unsigned c = 0; c < n_classes; c++) before[c * (blocks + 1)] = 0;
    for (size_t b = 0; b < whole; b++) {
        __m512i block[BLOCK_GROUPS];
        for (unsigned g = 0; g < BLOCK_GROUPS; g++) block[g] = load(context + b * ZN_CLASS_BLOCK + 64 * g);
        for (unsigned c = n_classes, above = 0; c-- > 0;) {
            const unsigned all = c ? block_from(block, firsts[c]) : ZN_CLASS_BLOCK;
            uint32_t *at = before + c * (blocks + 1) + b;
            at[1] = at[0] + all - above;
            above = all;
        }
    }
    if (whole < blocks) count_block(context, n, whole, firsts, n_classes, before);
}

const struct zn_delta_kernels zn_delta_kernels_avx512 = {
    .context = avx512_context,
    .moves = avx512_moves,
    .split = avx512_split,
    .merge = avx512_merge,
    .changed_masks = avx512_changed_masks,
    .sign_flips = plain_sign_flips,
    .turn_signs = plain_turn_signs,
    .count_members = avx512_count_members,
    .gaps_write = plain_gaps_write,
    .gaps_read = plain_gaps_read,
    .pick = plain_pick,
    .patch = plain_patch,
};
#endif
