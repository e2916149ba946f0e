/* R16 with AVX-512: 64 symbols at a time. */
#include <string.h>

#include "base/bytes.h"
#include "kernels/r16.h"
#include "kernels/r16_feed.h"

#if defined(__x86_64__)
#include "kernels/check_avx512.h"
#include "kernels/r16_avx512_tpl.h"

/* ---- decoding ---- */

/* x = F * (x >> 6) + B; `slots` has the slots of these lanes in its even bytes. */
AVX512_INLINE __m512i update(const struct zn_r16_table *t, __mmask64 even, __m512i x, __m512i slots) {
    __m512i freq = _mm512_maskz_permutexvar_epi8(even, slots, _mm512_load_si512(t->freq));
    __m512i bias = _mm512_maskz_permutexvar_epi8(even, slots, _mm512_load_si512(t->bias));
    return _mm512_add_epi16(_mm512_mullo_epi16(_mm512_srli_epi16(x, 6), freq), bias);
}

/* Decodes the next 64 symbols; 64 bytes are readable at both cursors. */
AVX512_INLINE __m512i group(const struct zn_r16_table *t, __m512i esc_mark, __mmask64 even, struct planes *p,
                            struct zn_r16_cursors *c) {
    __m512i sym = _mm512_permutexvar_epi8(p->lo, _mm512_load_si512(t->sym));
    __mmask64 escaped = _mm512_cmpeq_epi8_mask(sym, esc_mark);
    sym = _mm512_mask_expand_epi8(sym, escaped, _mm512_loadu_si512(c->esc));
    c->esc += _mm_popcnt_u64(escaped);

    struct words w = words_of(*p);
    w.even = update(t, even, w.even, p->lo);
    w.odd = update(t, even, w.odd, _mm512_srli_epi16(p->lo, 8));
    struct planes q = planes_of(w);
    __mmask64 low = _mm512_testn_epi8_mask(q.hi, q.hi);
    p->hi = _mm512_mask_mov_epi8(q.hi, low, q.lo);
    p->lo = _mm512_mask_expand_epi8(q.lo, low, _mm512_loadu_si512(c->in));
    c->in += _mm_popcnt_u64(low);
    return sym;
}

/* How words go to memory: as usual; or past the caches, to an aligned address, in whole lines that begin a multiple of
 * four words further on (struct shift), or to any address by way of a stage. */
enum way { CACHED, ALIGNED, SHIFTED, STAGED };

AVX512_INLINE void put_line(uint8_t *out, __m512i line, enum way way) {
    if (way == ALIGNED)
        _mm512_stream_si512((void *)out, line);
    else
        _mm512_storeu_si512(out, line);
}

/* The dwords of 64 symbols in the order in which unpacking them with the planes below gives words in theirs. */
alignas(64) static const uint32_t order_2[16] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
alignas(64) static const uint32_t order_4[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};

AVX512_INLINE __m512i in_dwords(const uint32_t *order, __m512i bytes) {
    return _mm512_permutexvar_epi32(_mm512_load_si512(order), bytes);
}

/* Merges 64 symbols, in order, with their raw bytes into the words that ZN_SHAPE_16R came from. */
AVX512_INLINE void put_16r(uint8_t *out, const uint8_t *raw, __m512i symbols, enum way way) {
    __m512i lo = in_dwords(order_2, _mm512_loadu_si512(raw));
    __m512i a = _mm512_unpacklo_epi8(lo, symbols), b = _mm512_unpackhi_epi8(lo, symbols);
    put_line(out, _mm512_shrdi_epi16(a, a, 1), way);
    put_line(out + 64, _mm512_shrdi_epi16(b, b, 1), way);
}

/* The same for ZN_SHAPE_32R. Unpacking twice leaves word 16 j + 4 l + i at place 4 l + i of vector j if dword l of each
 * 16 bytes came from dword 4 j + l: a transposition of dwords first. */
AVX512_INLINE void put_32r(uint8_t *out, const uint8_t *const *raw, __m512i symbols, enum way way) {
    __m512i b0 = in_dwords(order_4, _mm512_loadu_si512(raw[0]));
    __m512i b1 = in_dwords(order_4, _mm512_loadu_si512(raw[1]));
    __m512i b2 = in_dwords(order_4, _mm512_loadu_si512(raw[2]));
    __m512i low_a = _mm512_unpacklo_epi8(b0, b1), low_b = _mm512_unpackhi_epi8(b0, b1);
    __m512i high_a = _mm512_unpacklo_epi8(b2, symbols), high_b = _mm512_unpackhi_epi8(b2, symbols);
    put_line(out, _mm512_ror_epi32(_mm512_unpacklo_epi16(low_a, high_a), 1), way);
    put_line(out + 64, _mm512_ror_epi32(_mm512_unpackhi_epi16(low_a, high_a), 1), way);
    put_line(out + 128, _mm512_ror_epi32(_mm512_unpacklo_epi16(low_b, high_b), 1), way);
    put_line(out + 192, _mm512_ror_epi32(_mm512_unpackhi_epi16(low_b, high_b), 1), way);
}

AVX512_INLINE void put_words(uint8_t *out, const uint8_t *const *raw, __m512i ordered, size_t width, enum way way) {
    if (width == 2)
        put_16r(out, raw[0], ordered, way);
    else
        put_32r(out, raw, ordered, way);
}

AVX512_INLINE const uint32_t *order_of(size_t width) {
    return width == 2 ? order_2 : order_4;
}

/* 64 symbols alone (width 1), or as words of `width` bytes. */
AVX512_INLINE void put(uint8_t *out, const uint8_t *const *raw, __m512i symbols, size_t width, enum way way) {
    if (width == 1)
        _mm512_storeu_si512(out, symbols);
    else
        put_words(out, raw, in_dwords(order_of(width), symbols), width, way);
}

/* Output past the caches in whole lines. They begin `head` symbols after a group does, so the symbols for them are
 * taken from two groups, by the same instruction that brings them in order; raw bytes are read where they are needed.
 * Head and end of the output are stored by themselves. */
struct shift {
    __m512i places; /* dwords of two groups */
    __m512i before; /* the last group's symbols */
    size_t head;    /* less than a line's words, a multiple of 4 */
};

AVX512_INLINE struct shift shift_start(const uint8_t *out, size_t width) {
    const size_t head = (size_t)(-(uintptr_t)out % 64) / width;
    __m512i first = _mm512_set1_epi32((int)(head / 4));
    return (struct shift){_mm512_add_epi32(_mm512_load_si512(order_of(width)), first), _mm512_setzero_si512(), head};
}

enum { MASKS = 24, MASKS_AHEAD = 1024 }; /* bytes: of a group; how far ahead they are fetched */

/* Exponents of fp16 with the three bits below them, which lie in three masks: the bytes that ZN_SHAPE_16R would have.
 */
AVX512_INLINE __m512i with_masks(__m512i symbols, const uint8_t *masks) {
    __m512i top = _mm512_slli_epi16(symbols, 3);
    for (unsigned b = 0; b < 3; b++)
        top = _mm512_mask_add_epi8(top, zn_get_u64(masks + 8 * b), top, _mm512_set1_epi8((char)(4 >> b)));
    return top;
}

/* Symbols [from, to) of a group. */
AVX512_INLINE void put_part(uint8_t *out, const uint8_t *const *raw, __m512i symbols, size_t width, size_t from,
                            size_t to) {
    uint8_t words[GROUP * 4];
    put(words, raw, symbols, width, CACHED);
    memcpy(out + from * width, words + from * width, (to - from) * width);
}

/* `out` and `raw` are this group's; what is complete with it are lines that begin in the one before. */
AVX512_INLINE void put_shifted(struct shift *s, uint8_t *out, const uint8_t *const *raw, __m512i symbols, size_t width,
                               bool first) {
    if (first) {
        put_part(out, raw, symbols, width, 0, s->head);
    } else {
        const uint8_t *from[3];
        for (size_t p = 0; p + 1 < width; p++) from[p] = raw[p] + s->head - GROUP;
        put_words(out + s->head * width - GROUP * width, from, _mm512_permutex2var_epi32(s->before, s->places, symbols),
                  width, ALIGNED);
    }
    s->before = symbols;
}

/* The last group's part of the line that is not whole: `end` and `low` are behind it. */
AVX512_INLINE void shift_finish(const struct shift *s, uint8_t *end, const uint8_t *const *low, size_t width) {
    const uint8_t *raw[3];
    for (size_t p = 0; p + 1 < width; p++) raw[p] = low[p] - GROUP;
    put_part(end - GROUP * width, raw, s->before, width, s->head, GROUP);
}

AVX512_INLINE void put_group(struct shift *s, uint8_t *out, const uint8_t *const *raw, __m512i symbols, size_t width,
                             enum way way, bool first) {
    if (way == SHIFTED)
        put_shifted(s, out, raw, symbols, width, first);
    else
        put(out, raw, symbols, width, way);
}

/* Output for any address, past the caches: whole cache lines only, the ragged ends by ordinary stores. Before `bytes`
 * lie the last 64 of the previous burst, whose line was not complete. */
struct stage {
    alignas(64) uint8_t carry[64];
    uint8_t bytes[4 * ZN_R16_REACH];
    size_t head; /* bytes of the output before its first whole line, 1 .. 63 */
};

/* Stores the lines that end in a turn's `len` bytes: bytes [at, at + len) of the stage, for the same of `out`. */
AVX512_INLINE void stage_flush(const struct stage *s, uint8_t *out, size_t at, size_t len) {
    uint8_t *line = out + at + s->head - 64;
    const uint8_t *from = s->bytes + at + s->head - 64;
    for (size_t i = 0; i < len; i += 64) _mm512_stream_si512((void *)(line + i), _mm512_loadu_si512(from + i));
}

/* Of the very first turn, whose first line is not whole. */
AVX512_INLINE void stage_flush_first(const struct stage *s, uint8_t *out, size_t len) {
    memcpy(out, s->bytes, s->head);
    for (size_t i = s->head; i < len - 64 + s->head; i += 64)
        _mm512_stream_si512((void *)(out + i), _mm512_loadu_si512(s->bytes + i));
}

AVX512_INLINE void stage_carry(struct stage *s, size_t len) {
    _mm512_store_si512(s->carry, _mm512_load_si512(s->bytes + len - 64));
}

/* The last line's part, below `end`. */
AVX512_INLINE void stage_finish(const struct stage *s, uint8_t *end) {
    memcpy(end + s->head - 64, s->carry + s->head, 64 - s->head);
}

/* Brings this frame's coming bytes from the second-level cache into the first, which is free while streaming stores
 * hold the buffers that a miss would wait for. Addresses past the frame's end do no harm. */
AVX512_INLINE void fetch_near(const struct zn_r16_cursors *c, const uint8_t *const *low, size_t width) {
    enum { IN_AHEAD = 1024, RAW_AHEAD = 2048 };
    _mm_prefetch((const char *)((uintptr_t)c->in + IN_AHEAD), _MM_HINT_T0);
    for (size_t p = 0; p + 1 < width; p++) {
        _mm_prefetch((const char *)((uintptr_t)low[p] + RAW_AHEAD), _MM_HINT_T0);
        _mm_prefetch((const char *)((uintptr_t)low[p] + RAW_AHEAD + 64), _MM_HINT_T0);
    }
}

/* Decodes whole turns. `raw`: the planes below the symbols', width - 1 of them; and with `masked`, which is for width
 * 2, the masks of the bits between. */
AVX512_INLINE bool decode(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t turns, size_t width,
                          bool masked, enum way way) {
    static const uint8_t table_0 = 0;
    const size_t turn_len = TURN * width;
    const __m512i esc_mark = _mm512_set1_epi8((char)d->esc_mark);
    const __mmask64 even = mask_of(EVEN_BYTES);
    const struct zn_r16_table *tables = d->tables;
    const uint8_t *ids = d->ids ? d->ids : &table_0;
    const unsigned id_shift = d->ids ? d->block_log2 : 63;
    struct stage stage;
    struct shift shift;
    if (way == STAGED) stage.head = 64 - (uintptr_t)out % 64;
    if (way == SHIFTED) shift = shift_start(out, width);

    struct zn_r16_feed in, esc;
    zn_r16_feed_start(&in, d->in, d->in_end);
    zn_r16_feed_start(&esc, d->esc, d->esc_end);
    struct planes p0 = planes_load(d->state), p1 = planes_load(d->state + GROUP);
    struct zn_ahead ahead = d->ahead;
    struct check_run check = check_start(width > 1 ? d->check : NULL);
    const uint8_t *low[3], *low_next[3];
    for (size_t p = 0; p + 1 < width; p++) low[p] = raw[p];
    const uint8_t *masks = masked ? raw[1] : NULL;
    size_t pos = d->pos;
    for (size_t done = 0, n; done < turns; done += n) {
        n = ZN_MIN(turns - done, BURST);
        const bool first = done == 0;
        uint8_t *to = way == STAGED ? stage.bytes : out;
        zn_r16_feed_reach(&in);
        zn_r16_feed_reach(&esc);
        struct zn_r16_cursors c = {in.p, esc.p};
        for (size_t i = 0; i < n; i++) {
            const struct zn_r16_table *t = tables + ids[pos >> id_shift];
            for (size_t p = 0; p + 1 < width; p++) low_next[p] = low[p] + GROUP;
            check_stripe(&check);
            __m512i symbols = group(t, esc_mark, even, &p0, &c);
            if (masked) symbols = with_masks(symbols, masks);
            put_group(&shift, to, low, symbols, width, way, done + i == 0);
            check_stripe(&check);
            symbols = group(t, esc_mark, even, &p1, &c);
            if (masked) symbols = with_masks(symbols, masks + MASKS);
            put_group(&shift, to + GROUP * width, low_next, symbols, width, way, false);
            fetch(&ahead);
            fetch_near(&c, low, width);
            if (masked) {
                _mm_prefetch((const char *)((uintptr_t)masks + MASKS_AHEAD), _MM_HINT_T0);
                masks += 2 * MASKS;
            }
            if (way == STAGED && i == 1 && first)
                stage_flush_first(&stage, out, turn_len);
            else if (way == STAGED && i > 0) /* a turn late, when its stores have settled */
                stage_flush(&stage, out, (i - 1) * turn_len, turn_len);
            for (size_t p = 0; p + 1 < width; p++) low[p] += TURN;
            to += turn_len;
            pos += TURN;
        }
        if (!zn_r16_feed_take(&in, c.in) || !zn_r16_feed_take(&esc, c.esc)) return false;
        if (way == STAGED) {
            if (n == 1 && first)
                stage_flush_first(&stage, out, turn_len);
            else
                stage_flush(&stage, out, (n - 1) * turn_len, turn_len);
            stage_carry(&stage, n * turn_len);
        }
        out += n * turn_len;
    }
    check_stop(&check, width > 1 ? d->check : NULL);
    if (way == STAGED && turns > 0) stage_finish(&stage, out);
    if (way == SHIFTED && turns > 0) shift_finish(&shift, out, low, width);
    planes_store(d->state, p0);
    planes_store(d->state + GROUP, p1);
    d->in = d->in_end - in.left;
    d->esc = d->esc_end - esc.left;
    d->pos = pos;
    d->ahead = ahead;
    return true;
}

/* The same for words, by whichever way leads to `out`. */
AVX512_INLINE bool decode_words(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t turns,
                                size_t width, bool masked, enum zn_store store) {
    if (store == ZN_STORE_CACHED) return decode(d, raw, out, turns, width, masked, CACHED);
    if ((uintptr_t)out % 64 == 0) return decode(d, raw, out, turns, width, masked, ALIGNED);
    if ((uintptr_t)out % (4 * width) == 0) return decode(d, raw, out, turns, width, masked, SHIFTED);
    return decode(d, raw, out, turns, width, masked, STAGED);
}

/* ---- 32 lanes: short streams, one vector of words ---- */

AVX512_INLINE __m256i step_32(const struct zn_r16_table *t, __m256i esc_mark, __mmask64 even, __m512i *x,
                              struct zn_r16_cursors *c) {
    __m256i sym = _mm512_cvtepi16_epi8(_mm512_permutexvar_epi8(*x, _mm512_load_si512(t->sym)));
    __mmask32 escaped = _mm256_cmpeq_epi8_mask(sym, esc_mark);
    sym = _mm256_mask_expand_epi8(sym, escaped, _mm256_loadu_si256((const void *)c->esc));
    c->esc += _mm_popcnt_u32(escaped);

    __m512i y = update(t, even, *x, *x);
    __mmask32 low = _mm512_cmplt_epu16_mask(y, _mm512_set1_epi16(ZN_R16_LOW));
    __m256i bytes = _mm256_maskz_expand_epi8(low, _mm256_loadu_si256((const void *)c->in));
    c->in += _mm_popcnt_u32(low);
    *x = _mm512_mask_mov_epi16(y, low, _mm512_or_si512(_mm512_slli_epi16(y, 8), _mm512_cvtepu8_epi16(bytes)));
    return sym;
}

AVX512_INLINE bool decode_32(struct zn_r16_decoder *d, uint8_t *out, size_t turns) {
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
            _mm256_storeu_si256((void *)out, step_32(zn_r16_table_at(d, d->pos), esc_mark, even, &x, &c));
        if (!zn_r16_feed_take(&in, c.in) || !zn_r16_feed_take(&esc, c.esc)) return false;
    }
    _mm512_storeu_si512(d->state, x);
    d->in = d->in_end - in.left;
    d->esc = d->esc_end - esc.left;
    return true;
}

AVX512 bool zn_r16_decode_avx512(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    if (d->lanes_log2 == 5) return decode_32(d, out, n / 32) && zn_r16_decode_scalar(d, out + n / 32 * 32, n % 32);
    if (d->lanes_log2 != 7) return zn_r16_decode_scalar(d, out, n);
    size_t whole = n / TURN * TURN;
    const uint8_t *const none[2] = {NULL, NULL};
    return decode(d, none, out, n / TURN, 1, false, CACHED) && zn_r16_decode_scalar(d, out + whole, n - whole);
}

AVX512 bool zn_r16_decode_16r_avx512(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                                     enum zn_store store) {
    const size_t turns = n / TURN, whole = turns * TURN;
    return decode_words(d, &raw, out, turns, 2, false, store) &&
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
    return decode_words(d, raw, out, turns, 2, true, store) &&
           finish(d, rest, 2, ZN_SHAPE_F16, out + 2 * whole, n - whole);
}

AVX512 bool zn_r16_decode_32r_avx512(struct zn_r16_decoder *d, const uint8_t *const *raw, uint8_t *out, size_t n,
                                     enum zn_store store) {
    const size_t turns = n / TURN, whole = turns * TURN;
    const uint8_t *rest[] = {raw[0] + whole, raw[1] + whole, raw[2] + whole};
    return decode_words(d, raw, out, turns, 4, false, store) &&
           finish(d, rest, 3, ZN_SHAPE_32R, out + 4 * whole, n - whole);
}

/* ---- encoding ---- */

/* One step of 32 lanes; `class` is looked at in its low 5 bits. *emit: the lanes that put out their low byte. */
AVX512_INLINE __m512i encode_words(const struct zn_r16_codes *t, __m512i x, __m512i class, __mmask32 *emit) {
    __mmask32 k = _mm512_cmpgt_epu16_mask(x, _mm512_permutexvar_epi16(class, _mm512_load_si512(t->top)));
    *emit = k;
    x = _mm512_mask_srli_epi16(x, k, x, 8);
    __m512i q = _mm512_mulhi_epu16(x, _mm512_permutexvar_epi16(class, _mm512_load_si512(t->recip)));
    q = _mm512_srlv_epi16(_mm512_avg_epu16(x, q), _mm512_permutexvar_epi16(class, _mm512_load_si512(t->shift)));
    x = _mm512_add_epi16(x, _mm512_permutexvar_epi16(class, _mm512_load_si512(t->first)));
    return _mm512_add_epi16(x, _mm512_mullo_epi16(q, _mm512_permutexvar_epi16(class, _mm512_load_si512(t->rest))));
}

/* One step of 64 lanes. `escapes`: the classes that escape, by byte. */
AVX512_INLINE void encode_group(const struct zn_r16_codes *t, __m512i escapes, const struct class_map *m,
                                struct words *w, __m512i symbols, struct sinks *s, bool collisions) {
    __m512i class = classes(m, symbols, collisions), low_bytes = planes_of(*w).lo;
    __mmask32 even, odd;
    w->even = encode_words(t, w->even, class, &even);
    w->odd = encode_words(t, w->odd, _mm512_srli_epi16(class, 8), &odd);
    s->out = put_below(s->out, _pdep_u64(even, EVEN_BYTES) | _pdep_u64(odd, ODD_BYTES), low_bytes);
    s->esc = put_below(s->esc, _mm512_movepi8_mask(_mm512_permutexvar_epi8(class, escapes)), symbols);
}

/* Words fall apart by rotations that differ from vector to vector, so that the bytes of a plane lie in other places of
 * a word in each: blends gather them, and a permutation puts them in order. Place v + p (mod the width) of word i in
 * the gathered plane p came from word i of vector v. */
#define PLACES4(b, step) (b), (b) + (step), (b) + 2 * (step), (b) + 3 * (step)
#define PLACES16(b, step) \
    PLACES4(b, step), PLACES4((b) + 4 * (step), step), PLACES4((b) + 8 * (step), step), PLACES4((b) + 12 * (step), step)
#define PLACES32(b, step) PLACES16(b, step), PLACES16((b) + 16 * (step), step)
alignas(64) static const uint8_t order_16r[2][64] = {{PLACES32(0, 2), PLACES32(1, 2)},
                                                     {PLACES32(1, 2), PLACES32(0, 2)}};
alignas(64) static const uint8_t order_32r[4][64] = {
    {PLACES16(0, 4), PLACES16(1, 4), PLACES16(2, 4), PLACES16(3, 4)},
    {PLACES16(1, 4), PLACES16(2, 4), PLACES16(3, 4), PLACES16(0, 4)},
    {PLACES16(2, 4), PLACES16(3, 4), PLACES16(0, 4), PLACES16(1, 4)},
    {PLACES16(3, 4), PLACES16(0, 4), PLACES16(1, 4), PLACES16(2, 4)},
};

AVX512_INLINE __m512i in_order(const uint8_t *order, __m512i gathered) {
    return _mm512_permutexvar_epi8(_mm512_load_si512(order), gathered);
}

/* 64 words of ZN_SHAPE_16R: stores the plane below, answers the one above. */
AVX512_INLINE __m512i take_16r(const uint8_t *src, uint8_t *raw) {
    __m512i a = _mm512_loadu_si512(src), b = _mm512_loadu_si512(src + 64);
    a = _mm512_shldi_epi16(a, a, 1);
    b = _mm512_shldi_epi16(b, b, 9);
    _mm512_storeu_si512(raw, in_order(order_16r[0], even_odd(a, b)));
    return in_order(order_16r[1], even_odd(b, a));
}

/* The lower half of each 32-bit word of one vector, the upper half of the other. */
AVX512_INLINE __m512i low_high(__m512i low, __m512i high) {
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32(0xffff), low, high, 0xca);
}

/* The same for ZN_SHAPE_32R. */
AVX512_INLINE __m512i take_32r(const uint8_t *src, uint8_t *const *raw, size_t i) {
    __m512i a = _mm512_rol_epi32(_mm512_loadu_si512(src), 1), b = _mm512_rol_epi32(_mm512_loadu_si512(src + 64), 9);
    __m512i c = _mm512_rol_epi32(_mm512_loadu_si512(src + 128), 17);
    __m512i d = _mm512_rol_epi32(_mm512_loadu_si512(src + 192), 25);
    __m512i ac = low_high(a, c), ca = low_high(c, a), bd = low_high(b, d), db = low_high(d, b);
    _mm512_storeu_si512(raw[0] + i, in_order(order_32r[0], even_odd(ac, bd)));
    _mm512_storeu_si512(raw[1] + i, in_order(order_32r[1], even_odd(db, ac)));
    _mm512_storeu_si512(raw[2] + i, in_order(order_32r[2], even_odd(ca, db)));
    return in_order(order_32r[3], even_odd(bd, ca));
}

/* The same for ZN_SHAPE_F16. */
AVX512_INLINE __m512i take_f16(const uint8_t *src, uint8_t *raw, uint8_t *masks) {
    const __m512i top = take_16r(src, raw);
    for (unsigned b = 0; b < 3; b++)
        zn_put_u64(masks + 8 * b, _mm512_test_epi8_mask(top, _mm512_set1_epi8((char)(4 >> b))));
    return _mm512_and_si512(_mm512_srli_epi16(top, 3), _mm512_set1_epi8(31));
}

/* Where symbols come from: a plane (width 1), or words of `width` bytes that fall apart on the way. */
struct source {
    const uint8_t *at;
    uint8_t *raw[3]; /* the planes below the symbols' */
};

AVX512_INLINE __m512i take(const struct source *from, size_t i, size_t width, bool masked) {
    if (width == 1) return _mm512_loadu_si512(from->at + i);
    if (masked) return take_f16(from->at + 2 * i, from->raw[0] + i, from->raw[1] + i / GROUP * MASKS);
    if (width == 2) return take_16r(from->at + 2 * i, from->raw[0] + i);
    return take_32r(from->at + 4 * i, from->raw, i);
}

/* Block by block, the last first: within one the table stays the same. */
AVX512_INLINE void encode_turns(struct zn_r16_encoder *e, const struct class_map *m, const struct source *from,
                                size_t turns, size_t width, bool masked, bool collisions) {
    static const uint8_t table_0 = 0;
    const uint8_t *ids = e->ids ? e->ids : &table_0;
    const unsigned id_shift = e->ids ? e->block_log2 : 63;
    const struct class_map map = *m;
    struct words w0 = words_of(planes_load(e->state)), w1 = words_of(planes_load(e->state + GROUP));
    struct sinks s = {e->out, e->esc};
    struct zn_ahead ahead = e->ahead;
    struct source at = *from;
    for (size_t end = turns, first; end > 0; end = first) {
        const size_t block = (end - 1) * TURN >> id_shift;
        const struct zn_r16_codes *t = e->tables + ids[block];
        const __m512i escapes = _mm512_movm_epi8(t->escaped);
        first = (block << id_shift) / TURN;
        for (size_t i = end; i-- > first;) {
            encode_group(t, escapes, &map, &w1, take(&at, i * TURN + GROUP, width, masked), &s, collisions);
            encode_group(t, escapes, &map, &w0, take(&at, i * TURN, width, masked), &s, collisions);
            fetch(&ahead);
        }
    }
    planes_store(e->state, planes_of(w0));
    planes_store(e->state + GROUP, planes_of(w1));
    e->out = s.out;
    e->esc = s.esc;
}

/* All turns, by one of two loops. */
AVX512_INLINE void encode(struct zn_r16_encoder *e, const struct source *from, size_t turns, size_t width,
                          bool masked) {
    const struct class_map m = class_map_load(e->class_of);
    if (m.collisions)
        encode_turns(e, &m, from, turns, width, masked, true);
    else
        encode_turns(e, &m, from, turns, width, masked, false);
}

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
    if (e->lanes_log2 == 5) {
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
    encode(e, &(struct source){src, {NULL}}, turns, 1, false);
}

AVX512 void zn_r16_encode_16r_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t turns = n / TURN;
    zn_r16_encode_range_16r_scalar(e, src, raw, turns * TURN, n);
    encode(e, &(struct source){src, {raw[0]}}, turns, 2, false);
}

AVX512 void zn_r16_encode_32r_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t turns = n / TURN;
    zn_r16_encode_range_32r_scalar(e, src, raw, turns * TURN, n);
    encode(e, &(struct source){src, {raw[0], raw[1], raw[2]}}, turns, 4, false);
}

AVX512 void zn_r16_encode_f16_avx512(struct zn_r16_encoder *e, const uint8_t *src, uint8_t *const *raw, size_t n) {
    const size_t turns = n / TURN;
    zn_r16_encode_range_f16_scalar(e, src, raw, turns * TURN, n);
    encode(e, &(struct source){src, {raw[0], raw[1]}}, turns, 2, true);
}

#endif
