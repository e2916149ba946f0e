/* R16 with AVX-512: 64 symbols at a time. */
#include <string.h>

#include "base/bytes.h"
#include "kernels/r16/r16.h"
#include "kernels/r16/r16_feed.h"

#if defined(__x86_64__)
#include "kernels/r16/r16_decode_avx512_tpl.h"
#include "kernels/r16/r16_encode_avx512_tpl.h"

/* ---- 32 lanes: short streams, one vector of words ---- */

AVX512_INLINE __m256i step_32(const struct zn_r16_table *t, __m256i esc_mark, __mmask64 even, __m512i *x,
                              struct zn_r16_cursors *c, enum slots slots) {
    __m256i sym = _mm512_cvtepi16_epi8(symbols_of(t, *x, slots));
    __mmask32 escaped = _mm256_cmpeq_epi8_mask(sym, esc_mark);
    const __m256i stream = _mm256_loadu_si256((const void *)c->esc);
    if (slots == NARROW)
        sym = _mm256_mask_expand_epi8(sym, escaped, stream);
    else
        sym = _mm256_mask_mov_epi8(sym, escaped,
                                   _mm512_castsi512_si256(escapes_of(t, escaped, _mm512_castsi256_si512(stream))));
    c->esc += _mm_popcnt_u32(escaped);

    __m512i y = update(t, even, *x, *x, slots);
    __mmask32 low = _mm512_cmplt_epu16_mask(y, _mm512_set1_epi16(ZN_R16_LOW));
    __m256i bytes = _mm256_maskz_expand_epi8(low, _mm256_loadu_si256((const void *)c->in));
    c->in += _mm_popcnt_u32(low);
    *x = _mm512_mask_mov_epi16(y, low, _mm512_or_si512(_mm512_slli_epi16(y, 8), _mm512_cvtepu8_epi16(bytes)));
    return sym;
}

AVX512_INLINE bool decode_32(struct zn_r16_decoder *d, uint8_t *out, size_t turns, enum slots slots) {
    const __m256i esc_mark = _mm256_set1_epi8((char)d->esc_mark);
    const __mmask64 even = mask_of(EVEN_BYTES);
    struct zn_r16_feed in, esc;
    zn_r16_feed_start(&in, d->in, d->in_end);
    zn_r16_feed_start(&esc, d->esc, d->esc_end);
    __m512i x = _mm512_loadu_si512(d->state);
    for (size_t done = 0, n; done < turns; done += n) {
        n = ZN_MIN(turns - done, ZN_R16_REACH / 32);
        zn_r16_feed_reach(&in);
        zn_r16_feed_reach(&esc);
        struct zn_r16_cursors c = {in.p, esc.p};
        for (size_t i = 0; i < n; i++, out += 32, d->pos += 32)
            _mm256_storeu_si256((void *)out, step_32(zn_r16_table_at(d, d->pos), esc_mark, even, &x, &c, slots));
        if (!zn_r16_feed_take(&in, c.in) || !zn_r16_feed_take(&esc, c.esc)) return false;
    }
    _mm512_storeu_si512(d->state, x);
    d->in = d->in_end - in.left;
    d->esc = d->esc_end - esc.left;
    return true;
}

AVX512 bool zn_r16_decode_avx512(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    const bool wide = d->slots_log2 == WIDE;
    if (d->lanes_log2 == 5)
        return (wide ? decode_32(d, out, n / 32, WIDE) : decode_32(d, out, n / 32, NARROW)) &&
               zn_r16_decode_scalar(d, out + n / 32 * 32, n % 32);
    if (d->lanes_log2 != 7) return zn_r16_decode_scalar(d, out, n);
    size_t whole = n / TURN * TURN;
    const uint8_t *const none[2] = {NULL, NULL};
    return (wide ? decode(d, none, out, n / TURN, 1, BYTES, CACHED, WIDE)
                 : decode(d, none, out, n / TURN, 1, BYTES, CACHED, NARROW)) &&
           zn_r16_decode_scalar(d, out + whole, n - whole);
}

AVX512 bool zn_r16_decode_16r_avx512(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                                     enum zn_store store) {
    const size_t turns = n / TURN, whole = turns * TURN;
    return decode_words(d, &raw, out, turns, 2, BYTES, NARROW, store) &&
           zn_r16_decode_16r_scalar(d, raw + whole, out + 2 * whole, n - whole, store);
}

/* The last words, less than a turn, with what is left of the planes below. */
static bool finish(struct zn_r16_decoder *d, const uint8_t *const *raw, unsigned n_raw, enum zn_shape shape,
                   uint8_t *out, size_t n) {
    uint8_t symbols[TURN];
    const uint8_t *planes[4];
    for (unsigned p = 0; p < n_raw; p++) planes[p] = raw[p];
    planes[n_raw] = symbols;
    if (!zn_r16_decode_scalar(d, symbols, n)) return false;
    zn_kernels_scalar.merge[shape](planes, n, out, ZN_STORE_CACHED);
    return true;
}

AVX512 bool zn_r16_decode_f16_avx512(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                                     enum zn_store store) {
    const size_t turns = n / TURN, whole = turns * TURN;
    const uint8_t *rest[] = {raw[0] + whole, raw[1] + whole / GROUP * MASKS};
    return decode_words(d, raw, out, turns, 2, MASKED, NARROW, store) &&
           finish(d, rest, 2, ZN_SHAPE_F16, out + 2 * whole, n - whole);
}

AVX512 bool zn_r16_decode_32r_avx512(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                                     enum zn_store store) {
    const size_t turns = n / TURN, whole = turns * TURN;
    const uint8_t *rest[] = {raw[0] + whole, raw[1] + whole, raw[2] + whole};
    return decode_words(d, raw, out, turns, 4, BYTES, NARROW, store) &&
           finish(d, rest, 3, ZN_SHAPE_32R, out + 4 * whole, n - whole);
}

AVX512 bool zn_r16_decode_halves_avx512(struct zn_r16_decoder *d, const uint8_t *packed, uint8_t *out, size_t n,
                                        enum zn_store store) {
    const size_t turns = n / TURN, whole = turns * TURN;
    return (d->slots_log2 == WIDE ? decode_words(d, &packed, out, turns, 1, HALVES, WIDE, store)
                                  : decode_words(d, &packed, out, turns, 1, HALVES, NARROW, store)) &&
           zn_r16_decode_halves_scalar(d, packed + whole / 8 * d->halves.bits, out + whole, n - whole, store);
}

/* ---- encoding ---- */

/* The same for 32 lanes. */
AVX512_INLINE void encode_turns_32(struct zn_r16_encoder *e, const struct class_map *m, const uint8_t *src,
                                   size_t turns) {
    struct sinks s = {e->out, e->esc};
    __m512i x = _mm512_loadu_si512(e->state);
    for (size_t i = turns; i-- > 0;) {
        const struct zn_r16_codes *t = zn_r16_codes_at(e, i * 32);
        __m512i symbols = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(src + i * 32)));
        __m512i class = classes(m, symbols, true), low_bytes = _mm512_castsi256_si512(_mm512_cvtepi16_epi8(x));
        __mmask32 emit;
        x = encode_words(t, x, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(class)), &emit);
        s.out = put_below(s.out, emit, low_bytes);
        __mmask64 escaped = _mm512_movepi8_mask(_mm512_permutexvar_epi8(class, _mm512_movm_epi8(t->escaped)));
        s.esc = put_below(s.esc, escaped & UINT32_MAX, symbols);
    }
    _mm512_storeu_si512(e->state, x);
    e->out = s.out;
    e->esc = s.esc;
}

AVX512 void zn_r16_encode_avx512(struct zn_r16_encoder *e, const uint8_t *src, size_t n) {
    if (e->lanes_log2 == 5 && e->slots_log2 == ZN_R16_SLOTS_LOG2) {
        const struct class_map map = class_map_load(e->class_of);
        zn_r16_encode_range_scalar(e, src, n / 32 * 32, n);
        encode_turns_32(e, &map, src, n / 32);
        return;
    }
    if (e->lanes_log2 != 7) {
        zn_r16_encode_scalar(e, src, n);
        return;
    }
    const size_t turns = n / TURN;
    zn_r16_encode_range_scalar(e, src, turns * TURN, n);
    encode(e, &(struct source){src, {NULL}}, turns, 1, PLAIN);
}

AVX512 void zn_r16_encode_16r_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t turns = n / TURN;
    zn_r16_encode_range_16r_scalar(e, src, raw, turns * TURN, n);
    encode(e, &(struct source){src, {raw[0]}}, turns, 2, PLAIN);
}

AVX512 void zn_r16_encode_32r_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t turns = n / TURN;
    zn_r16_encode_range_32r_scalar(e, src, raw, turns * TURN, n);
    encode(e, &(struct source){src, {raw[0], raw[1], raw[2]}}, turns, 4, PLAIN);
}

AVX512 void zn_r16_encode_f16_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t turns = n / TURN;
    zn_r16_encode_range_f16_scalar(e, src, raw, turns * TURN, n);
    encode(e, &(struct source){src, {raw[0], raw[1]}}, turns, 2, MASKED_F16);
}

#endif
