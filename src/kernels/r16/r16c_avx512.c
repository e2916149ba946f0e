/* R16 given a context, with AVX-512. Every table of the model is looked up for all 64 symbols, each but the first under
 * a mask of the symbols whose context reaches its cut: a lookup costs one shuffle for each table, so four tables take
 * half as long again as one.
 */
#include <string.h>

#include "base/bytes.h"
#include "kernels/r16/r16.h"
#include "kernels/r16/r16_feed.h"

#if defined(__x86_64__)
#include "kernels/r16/r16_avx512_tpl.h"

/* A model while it is in use: its tables and the cuts between them, widened. */
struct model {
    const struct zn_r16_table *tables;
    const uint8_t *cuts;
    unsigned n;
};

AVX512_INLINE __m512i group(const struct model *m, __m512i context, __m512i esc_mark, struct planes *p,
                            struct zn_r16_cursors *c) {
    const struct zn_r16_table *t = m->tables;
    __m512i freq = _mm512_permutexvar_epi8(p->lo, _mm512_load_si512(t->freq));
    __m512i bias = _mm512_permutexvar_epi8(p->lo, _mm512_load_si512(t->bias));
    __m512i sym = _mm512_permutexvar_epi8(p->lo, _mm512_load_si512(t->sym));
    for (unsigned j = 1; j < m->n; j++) {
        t = m->tables + j;
        const __mmask64 k = _mm512_cmpge_epu8_mask(context, _mm512_set1_epi8((char)m->cuts[j - 1]));
        freq = _mm512_mask_permutexvar_epi8(freq, k, p->lo, _mm512_load_si512(t->freq));
        bias = _mm512_mask_permutexvar_epi8(bias, k, p->lo, _mm512_load_si512(t->bias));
        sym = _mm512_mask_permutexvar_epi8(sym, k, p->lo, _mm512_load_si512(t->sym));
    }
    __mmask64 escaped = _mm512_cmpeq_epi8_mask(sym, esc_mark);
    sym = _mm512_mask_expand_epi8(sym, escaped, _mm512_loadu_si512(c->esc));
    c->esc += _mm_popcnt_u64(escaped);

    const __m512i low_byte = _mm512_set1_epi16(0xff);
    struct words w = words_of(*p);
    w.even = _mm512_add_epi16(_mm512_mullo_epi16(_mm512_srli_epi16(w.even, 6), _mm512_and_si512(freq, low_byte)),
                              _mm512_and_si512(bias, low_byte));
    w.odd = _mm512_add_epi16(_mm512_mullo_epi16(_mm512_srli_epi16(w.odd, 6), _mm512_srli_epi16(freq, 8)),
                             _mm512_srli_epi16(bias, 8));
    struct planes q = planes_of(w);
    __mmask64 low = _mm512_testn_epi8_mask(q.hi, q.hi);
    p->hi = _mm512_mask_mov_epi8(q.hi, low, q.lo);
    p->lo = _mm512_mask_expand_epi8(q.lo, low, _mm512_loadu_si512(c->in));
    c->in += _mm_popcnt_u64(low);
    return sym;
}

/* Decodes whole turns with models of n tables. */
AVX512_INLINE bool decode(struct zn_r16_decoder *d, const struct zn_r16_contexts *contexts, unsigned n,
                          const uint8_t *context, uint8_t *out, size_t turns) {
    static const uint8_t model_0 = 0;
    const __m512i esc_mark = _mm512_set1_epi8((char)d->esc_mark);
    const uint8_t *ids = d->ids ? d->ids : &model_0;
    const unsigned id_shift = d->ids ? d->block_log2 : 63;
    struct zn_r16_feed in, esc;
    zn_r16_feed_start(&in, d->in, d->in_end);
    zn_r16_feed_start(&esc, d->esc, d->esc_end);
    struct planes p0 = planes_load(d->state), p1 = planes_load(d->state + GROUP);
    struct zn_ahead ahead = d->ahead;
    size_t pos = d->pos;
    for (size_t done = 0, burst; done < turns; done += burst) {
        burst = ZN_MIN(turns - done, BURST);
        zn_r16_feed_reach(&in);
        zn_r16_feed_reach(&esc);
        struct zn_r16_cursors c = {in.p, esc.p};
        for (size_t i = 0; i < burst; i++, context += TURN, out += TURN, pos += TURN) {
            const unsigned id = ids[pos >> id_shift];
            const struct model m = {d->tables + (size_t)id * n, contexts->cuts[id], n};
            _mm512_storeu_si512(out, group(&m, _mm512_loadu_si512(context), esc_mark, &p0, &c));
            _mm512_storeu_si512(out + GROUP, group(&m, _mm512_loadu_si512(context + GROUP), esc_mark, &p1, &c));
            fetch(&ahead);
        }
        if (!zn_r16_feed_take(&in, c.in) || !zn_r16_feed_take(&esc, c.esc)) return false;
    }
    planes_store(d->state, p0);
    planes_store(d->state + GROUP, p1);
    d->in = d->in_end - in.left;
    d->esc = d->esc_end - esc.left;
    d->pos = pos;
    d->ahead = ahead;
    return true;
}

AVX512_INLINE bool decode_turns(struct zn_r16_decoder *d, const struct zn_r16_contexts *contexts,
                                const uint8_t *context, uint8_t *out, size_t turns) {
    switch (contexts->n) {
        case 1:
            return decode(d, contexts, 1, context, out, turns);
        case 2:
            return decode(d, contexts, 2, context, out, turns);
        case 3:
            return decode(d, contexts, 3, context, out, turns);
        case 4:
            return decode(d, contexts, 4, context, out, turns);
        default:
            return decode(d, contexts, contexts->n, context, out, turns);
    }
}

AVX512 bool zn_r16c_decode_avx512(struct zn_r16_decoder *d, const struct zn_r16_contexts *contexts,
                                  const uint8_t *context, uint8_t *out, size_t n) {
    if (d->lanes_log2 != 7) return zn_r16c_decode_scalar(d, contexts, context, out, n);
    const size_t whole = n / TURN * TURN;
    return decode_turns(d, contexts, context, out, n / TURN) &&
           zn_r16c_decode_scalar(d, contexts, context + whole, out + whole, n - whole);
}

/* ---- encoding ---- */

/* zn_r16_codes with three numbers of a class in one word: shift, first << 4, rest << 10. */
struct codes {
    alignas(64) uint16_t top[ZN_R16_CLASSES];
    uint16_t recip[ZN_R16_CLASSES], packed[ZN_R16_CLASSES];
    uint32_t escaped;
};

static void codes_pack(struct codes *to, const struct zn_r16_codes *from) {
    memcpy(to->top, from->top, sizeof to->top);
    memcpy(to->recip, from->recip, sizeof to->recip);
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++)
        to->packed[c] = (uint16_t)(from->shift[c] | from->first[c] << 4 | from->rest[c] << 10);
    to->escaped = from->escaped;
}

struct coding {
    const struct codes *tables; /* of the model */
    const uint8_t *cuts;
    unsigned n;
};

/* One step of 32 lanes; `class` is looked at in its low 5 bits, the context in its low byte. *emit: the lanes that put
 * out their low byte. */
AVX512_INLINE __m512i encode_words(const struct coding *m, __m512i x, __m512i class, __m512i context, __mmask32 *emit) {
    const struct codes *t = m->tables;
    __m512i top = _mm512_permutexvar_epi16(class, _mm512_load_si512(t->top));
    __m512i recip = _mm512_permutexvar_epi16(class, _mm512_load_si512(t->recip));
    __m512i packed = _mm512_permutexvar_epi16(class, _mm512_load_si512(t->packed));
    for (unsigned j = 1; j < m->n; j++) {
        t = m->tables + j;
        const __mmask32 k = _mm512_cmpge_epu16_mask(context, _mm512_set1_epi16(m->cuts[j - 1]));
        top = _mm512_mask_permutexvar_epi16(top, k, class, _mm512_load_si512(t->top));
        recip = _mm512_mask_permutexvar_epi16(recip, k, class, _mm512_load_si512(t->recip));
        packed = _mm512_mask_permutexvar_epi16(packed, k, class, _mm512_load_si512(t->packed));
    }
    const __mmask32 big = _mm512_cmpgt_epu16_mask(x, top);
    *emit = big;
    x = _mm512_mask_srli_epi16(x, big, x, 8);
    const __m512i shift = _mm512_and_si512(packed, _mm512_set1_epi16(15));
    const __m512i first = _mm512_and_si512(_mm512_srli_epi16(packed, 4), _mm512_set1_epi16(63));
    const __m512i q = _mm512_srlv_epi16(_mm512_avg_epu16(x, _mm512_mulhi_epu16(x, recip)), shift);
    return _mm512_add_epi16(_mm512_add_epi16(x, first), _mm512_mullo_epi16(q, _mm512_srli_epi16(packed, 10)));
}

AVX512_INLINE void encode_group(const struct coding *m, const struct class_map *map, struct words *w,
                                const uint8_t *context, const uint8_t *src, struct sinks *s) {
    const __m512i symbols = _mm512_loadu_si512(src), class = classes(map, symbols, true);
    const __m512i given = _mm512_loadu_si512(context), low_bytes = planes_of(*w).lo;
    __mmask32 even, odd;
    w->even = encode_words(m, w->even, class, _mm512_and_si512(given, _mm512_set1_epi16(0xff)), &even);
    w->odd = encode_words(m, w->odd, _mm512_srli_epi16(class, 8), _mm512_srli_epi16(given, 8), &odd);
    s->out = put_below(s->out, _pdep_u64(even, EVEN_BYTES) | _pdep_u64(odd, ODD_BYTES), low_bytes);

    __m512i escaped = _mm512_permutexvar_epi8(class, _mm512_movm_epi8(m->tables->escaped));
    for (unsigned j = 1; j < m->n; j++) {
        const __mmask64 k = _mm512_cmpge_epu8_mask(given, _mm512_set1_epi8((char)m->cuts[j - 1]));
        escaped = _mm512_mask_permutexvar_epi8(escaped, k, class, _mm512_movm_epi8(m->tables[j].escaped));
    }
    s->esc = put_below(s->esc, _mm512_movepi8_mask(escaped), symbols);
}

AVX512_INLINE void encode_turns(struct zn_r16_encoder *e, const struct zn_r16_contexts *contexts, unsigned n,
                                const struct codes *codes, const uint8_t *context, const uint8_t *src, size_t turns) {
    const struct class_map map = class_map_load(e->class_of);
    struct words w0 = words_of(planes_load(e->state)), w1 = words_of(planes_load(e->state + GROUP));
    struct sinks s = {e->out, e->esc};
    for (size_t i = turns; i-- > 0;) {
        const unsigned id = e->ids ? e->ids[i * TURN >> e->block_log2] : 0;
        const struct coding m = {codes + (size_t)id * n, contexts->cuts[id], n};
        encode_group(&m, &map, &w1, context + i * TURN + GROUP, src + i * TURN + GROUP, &s);
        encode_group(&m, &map, &w0, context + i * TURN, src + i * TURN, &s);
    }
    planes_store(e->state, planes_of(w0));
    planes_store(e->state + GROUP, planes_of(w1));
    e->out = s.out;
    e->esc = s.esc;
}

AVX512 void zn_r16c_encode_avx512(struct zn_r16_encoder *e, const struct zn_r16_contexts *contexts,
                                  const uint8_t *context, const uint8_t *src, size_t n) {
    struct codes codes[ZN_R16_MAX_GIVEN];
    const size_t turns = n / TURN;
    if (e->lanes_log2 != 7 || turns == 0) {
        zn_r16c_encode_scalar(e, contexts, context, src, n);
        return;
    }
    zn_r16c_encode_range_scalar(e, contexts, context, src, turns * TURN, n);
    for (unsigned t = 0; t < e->n_tables; t++) codes_pack(&codes[t], &e->tables[t]);
    if (contexts->n == 4)
        encode_turns(e, contexts, 4, codes, context, src, turns);
    else
        encode_turns(e, contexts, contexts->n, codes, context, src, turns);
}

#endif
