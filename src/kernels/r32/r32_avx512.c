/* R32 with AVX-512. The states of all lanes lie in two registers, the lower and the upper 16 bits of each, so that a
 * lookup among 64 numbers, which is one shuffle of two registers, serves 32 symbols. The loop waits for its own results
 * most of the time: what a state becomes by either entry of its bucket is computed before it is known which of them it is. */
#include <string.h>

#include "base/bytes.h"
#include "kernels/r16/r16_feed.h"
#include "kernels/r32/r32.h"

#if defined(__x86_64__)
#include "kernels/r16/r16_avx512_tpl.h"

/* 64 numbers, and the states of 32 lanes. */
struct numbers {
    __m512i low, high;
};

struct lookup {
    struct numbers first, other, off, freq, other_freq;
};

AVX512_INLINE struct numbers numbers_load(const uint16_t *p) {
    return (struct numbers){_mm512_load_si512(p), _mm512_load_si512(p + 32)};
}

AVX512_INLINE struct lookup lookup_load(const struct zn_r32_table *t) {
    return (struct lookup){numbers_load(t->first), numbers_load(t->other), numbers_load(t->off), numbers_load(t->freq),
                           numbers_load(t->other_freq)};
}

/* Looks up by the lower 6 bits of each index. */
AVX512_INLINE __m512i look_up(const struct numbers *of, __m512i at) {
    return _mm512_permutex2var_epi16(of->low, at, of->high);
}

/* Returns freq * (state >> 12) + rank. A carry is where both summands of the lower halves have the top bit, or one of
 * them has it and the sum has not. */
AVX512_INLINE struct numbers update(struct numbers state, __m512i freq, __m512i rank) {
    enum { CARRY = 0xd4 };
    const __m512i below = _mm512_shldi_epi16(state.high, state.low, 4), above = _mm512_srli_epi16(state.high, 12);
    const __m512i product = _mm512_mullo_epi16(freq, below), sum = _mm512_add_epi16(product, rank);
    const __m512i carry = _mm512_srli_epi16(_mm512_ternarylogic_epi64(product, rank, sum, CARRY), 15);
    const __m512i high = _mm512_add_epi16(_mm512_mulhi_epu16(freq, below), _mm512_mullo_epi16(freq, above));
    return (struct numbers){sum, _mm512_add_epi16(high, carry)};
}

/* Decodes 32 symbols. Returns their entries in the lower 6 bits of each number. */
AVX512_INLINE __m512i turn(const struct lookup *t, struct numbers *state, const uint8_t **in) {
    const __m512i bucket = _mm512_srli_epi16(state->low, 6),
                  place = _mm512_and_si512(state->low, _mm512_set1_epi16(63));
    const __mmask32 other = _mm512_cmpge_epu16_mask(place, look_up(&t->first, bucket));
    const __m512i rank = _mm512_mask_add_epi16(place, other, place, look_up(&t->off, bucket));
    const __m512i freq = _mm512_mask_mov_epi16(look_up(&t->freq, bucket), other, look_up(&t->other_freq, bucket));
    const struct numbers x = update(*state, freq, rank);
    const __mmask32 small = _mm512_testn_epi16_mask(x.high, x.high);
    state->high = _mm512_mask_mov_epi16(x.high, small, x.low);
    state->low = _mm512_mask_expand_epi16(x.low, small, _mm512_loadu_si512(*in));
    *in += 2 * (unsigned)_mm_popcnt_u32(small);
    return _mm512_mask_mov_epi16(bucket, other, look_up(&t->other, bucket));
}

/* Decodes 64 symbols. */
AVX512_INLINE void both(const struct lookup *t, const struct zn_r32_table *table, struct numbers state[2],
                        struct zn_r16_cursors *c, __m512i even, uint8_t *out) {
    const __m512i first = turn(t, &state[0], &c->in), second = turn(t, &state[1], &c->in);
    const __m512i bytes = _mm512_permutex2var_epi8(first, even, second);
    const __m512i entries = _mm512_and_si512(bytes, _mm512_set1_epi8(63));
    const __mmask64 escaped = _mm512_cmpeq_epi8_mask(entries, _mm512_set1_epi8((char)table->n));
    const __m512i symbols = _mm512_add_epi8(entries, _mm512_set1_epi8((char)table->base));
    const __m512i esc = _mm512_maskz_expand_epi8(escaped, _mm512_loadu_si512(c->esc));
    _mm512_storeu_si512(out, _mm512_add_epi8(symbols, esc));
    c->esc += _mm_popcnt_u64(escaped);
}

AVX512_INLINE struct numbers state_load(const uint32_t *state) {
    const __m512i a = _mm512_load_si512(state), b = _mm512_load_si512(state + 16);
    return (struct numbers){
        _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(a)), _mm512_cvtepi32_epi16(b), 1),
        _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(_mm512_srli_epi32(a, 16))),
                           _mm512_cvtepi32_epi16(_mm512_srli_epi32(b, 16)), 1)};
}

AVX512_INLINE __m512i joined(__m256i low, __m256i high) {
    return _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}

AVX512_INLINE void state_store(struct numbers s, uint32_t *state) {
    _mm512_store_si512(state, joined(_mm512_castsi512_si256(s.low), _mm512_castsi512_si256(s.high)));
    _mm512_store_si512(state + 16, joined(_mm512_extracti64x4_epi64(s.low, 1), _mm512_extracti64x4_epi64(s.high, 1)));
}

/* Decodes whole turns of the lanes: n is a multiple of 32. */
AVX512_INLINE bool decode(struct zn_r32_decoder *d, uint8_t *out, size_t n) {
    const size_t block = (size_t)1 << d->block_log2;
    struct numbers state[2] = {state_load(d->state), state_load(d->state + 32)};
    alignas(64) uint8_t indices[64];
    for (unsigned i = 0; i < 64; i++) indices[i] = (uint8_t)(2 * i);
    const __m512i even = _mm512_load_si512(indices);
    struct zn_r16_feed in, esc;
    zn_r16_feed_start(&in, d->in, d->in_end);
    zn_r16_feed_start(&esc, d->esc, d->esc_end);
    for (size_t done = 0, len; done < n; done += len) {
        const struct zn_r32_table *table = d->tables + (d->ids ? d->ids[d->pos >> d->block_log2] : 0);
        const struct lookup t = lookup_load(table);
        /* The burst leaves room for what loads read beyond the last turn. */
        len = ZN_MIN(ZN_MIN(n - done, block - (d->pos & (block - 1))), (size_t)ZN_R16_REACH / 2 - ZN_R32_LANES);
        zn_r16_feed_reach(&in);
        zn_r16_feed_reach(&esc);
        struct zn_r16_cursors c = {in.p, esc.p};
        for (size_t i = 0; i < len; i += ZN_R32_LANES) both(&t, table, state, &c, even, out + done + i);
        if (!zn_r16_feed_take(&in, c.in) || !zn_r16_feed_take(&esc, c.esc)) return false;
        d->pos += len;
    }
    state_store(state[0], d->state);
    state_store(state[1], d->state + 32);
    d->in = d->in_end - in.left;
    d->esc = d->esc_end - esc.left;
    return true;
}

AVX512 bool zn_r32_decode_avx512(struct zn_r32_decoder *d, uint8_t *out, size_t n) {
    const size_t whole = n / ZN_R32_LANES * ZN_R32_LANES;
    return decode(d, out, whole) && zn_r32_decode_scalar(d, out + whole, n - whole);
}
#endif
