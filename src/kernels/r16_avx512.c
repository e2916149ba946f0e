/* R16 with AVX-512: 64 symbols at a time.
 *
 * A group is 64 symbols in a row, on 64 lanes in a row; the two groups of a turn use all 128. Between groups the states
 * of 64 lanes lie in planes, byte i of `lo` and `hi` for lane i: so the low bytes are the slots in symbol order, a zero
 * high byte asks for renormalisation, and one expansion over the low plane feeds it. For the multiplication the planes
 * become 16-bit words, the even lanes in one vector and the odd ones in the other.
 */
#include "base/bytes.h"
#include "kernels/r16.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt")))
#define AVX512_INLINE AVX512 __attribute__((always_inline)) static inline

enum {
    GROUP = 64,
    TURN = ZN_R16_LANES,
    BURST = 16, /* turns proved at a time; their output passes through the first-level cache */
    CLASS_ESC = ZN_R16_CLASSES - 1
};

#define ODD_BYTES UINT64_C(0xaaaaaaaaaaaaaaaa)
#define EVEN_BYTES UINT64_C(0x5555555555555555)

/* ---- lanes: planes and words ---- */

struct planes {
    __m512i lo, hi;
};

struct words {
    __m512i even, odd;
};

AVX512_INLINE struct planes planes_load(const uint16_t *state) {
    __m512i a = _mm512_loadu_si512(state), b = _mm512_loadu_si512(state + 32);
    __m256i a_hi = _mm512_cvtepi16_epi8(_mm512_srli_epi16(a, 8)), b_hi = _mm512_cvtepi16_epi8(_mm512_srli_epi16(b, 8));
    return (struct planes){
        _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(a)), _mm512_cvtepi16_epi8(b), 1),
        _mm512_inserti64x4(_mm512_castsi256_si512(a_hi), b_hi, 1),
    };
}

AVX512_INLINE void planes_store(uint16_t *state, struct planes p) {
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    __m512i lo = _mm512_permutexvar_epi64(order, p.lo), hi = _mm512_permutexvar_epi64(order, p.hi);
    _mm512_storeu_si512(state, _mm512_unpacklo_epi8(lo, hi));
    _mm512_storeu_si512(state + 32, _mm512_unpackhi_epi8(lo, hi));
}

AVX512_INLINE struct words words_of(struct planes p) {
    return (struct words){
        _mm512_mask_blend_epi8(ODD_BYTES, p.lo, _mm512_slli_epi16(p.hi, 8)),
        _mm512_mask_blend_epi8(ODD_BYTES, _mm512_srli_epi16(p.lo, 8), p.hi),
    };
}

AVX512_INLINE struct planes planes_of(struct words w) {
    return (struct planes){
        _mm512_mask_blend_epi8(ODD_BYTES, w.even, _mm512_slli_epi16(w.odd, 8)),
        _mm512_mask_blend_epi8(ODD_BYTES, _mm512_srli_epi16(w.even, 8), w.odd),
    };
}

/* ---- decoding ---- */

enum bounds {
    PROVED, /* both feeds hold a byte for every symbol */
    CHECKED /* they may not: bytes past their ends are not touched, and needing one is noticed */
};

/* The next bytes of a feed, up to 64. */
AVX512_INLINE __m512i peek(const uint8_t *p, size_t left, enum bounds bounds) {
    if (bounds == PROVED) return _mm512_loadu_si512(p);
    return _mm512_maskz_loadu_epi8(_bzhi_u64(UINT64_MAX, (unsigned)ZN_MIN(left, 64)), p);
}

/* x = F * (x >> 6) + B; `slots` has the slots of these lanes in its even bytes. */
AVX512_INLINE __m512i update(const struct zn_r16_table *t, __m512i x, __m512i slots) {
    __m512i freq = _mm512_maskz_permutexvar_epi8(EVEN_BYTES, slots, _mm512_load_si512(t->freq));
    __m512i bias = _mm512_maskz_permutexvar_epi8(EVEN_BYTES, slots, _mm512_load_si512(t->bias));
    return _mm512_add_epi16(_mm512_mullo_epi16(_mm512_srli_epi16(x, 6), freq), bias);
}

/* What is left of the two feeds. */
struct feeds {
    const uint8_t *in, *in_end, *esc, *esc_end;
};

/* Decodes the next 64 symbols. False if a feed ran out. */
AVX512_INLINE bool group(const struct zn_r16_table *t, __m512i esc_mark, struct planes *p, struct feeds *f,
                         enum bounds bounds, __m512i *symbols) {
    size_t in_left = (size_t)(f->in_end - f->in), esc_left = (size_t)(f->esc_end - f->esc);
    __m512i sym = _mm512_permutexvar_epi8(p->lo, _mm512_load_si512(t->sym));
    __mmask64 escaped = _mm512_cmpeq_epi8_mask(sym, esc_mark);
    size_t n_esc = (size_t)_mm_popcnt_u64(escaped);
    *symbols = _mm512_mask_expand_epi8(sym, escaped, peek(f->esc, esc_left, bounds));
    f->esc += n_esc;

    struct words w = words_of(*p);
    w.even = update(t, w.even, p->lo);
    w.odd = update(t, w.odd, _mm512_srli_epi16(p->lo, 8));
    struct planes q = planes_of(w);
    __mmask64 low = _mm512_testn_epi8_mask(q.hi, q.hi);
    size_t n_in = (size_t)_mm_popcnt_u64(low);
    p->hi = _mm512_mask_mov_epi8(q.hi, low, q.lo);
    p->lo = _mm512_mask_expand_epi8(q.lo, low, peek(f->in, in_left, bounds));
    f->in += n_in;
    return bounds == PROVED || (n_in <= in_left && n_esc <= esc_left);
}

enum sink { SYMBOLS, WORDS, WORDS_PAST_CACHES };

/* Puts 64 symbols: as such, or merged with their raw bytes into the words that ZN_SHAPE_16R came from. */
AVX512_INLINE void put(uint8_t *out, const uint8_t *raw, __m512i symbols, enum sink sink) {
    if (sink == SYMBOLS) {
        _mm512_storeu_si512(out, symbols);
        return;
    }
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    __m512i hi = _mm512_permutexvar_epi64(order, symbols);
    __m512i lo = _mm512_permutexvar_epi64(order, _mm512_loadu_si512(raw));
    __m512i a = _mm512_unpacklo_epi8(lo, hi), b = _mm512_unpackhi_epi8(lo, hi);
    a = _mm512_shrdi_epi16(a, a, 1);
    b = _mm512_shrdi_epi16(b, b, 1);
    if (sink == WORDS) {
        _mm512_storeu_si512(out, a);
        _mm512_storeu_si512(out + 64, b);
    } else {
        _mm512_stream_si512((void *)out, a);
        _mm512_stream_si512((void *)(out + 64), b);
    }
}

/* Decodes up to `turns` turns and returns how many; fewer only where a feed ran out. */
AVX512_INLINE size_t run(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t turns, enum sink sink,
                         enum bounds bounds) {
    static const uint8_t table_0 = 0;
    const size_t width = sink == SYMBOLS ? 1 : 2;
    const __m512i esc_mark = _mm512_set1_epi8((char)d->esc_mark);
    const struct zn_r16_table *tables = d->tables;
    const uint8_t *ids = d->ids ? d->ids : &table_0;
    const unsigned id_shift = d->ids ? d->block_log2 : 63;
    const size_t pos = d->pos;

    struct planes p0 = planes_load(d->state), p1 = planes_load(d->state + GROUP);
    struct feeds f = {d->in, d->in_end, d->esc, d->esc_end};
    size_t i = 0;
    for (; i < turns; i++) {
        const struct zn_r16_table *t = tables + ids[(pos + i * TURN) >> id_shift];
        struct planes q0 = p0, q1 = p1;
        struct feeds g = f;
        __m512i s0, s1;
        if (!group(t, esc_mark, &q0, &g, bounds, &s0) || !group(t, esc_mark, &q1, &g, bounds, &s1)) break;
        p0 = q0;
        p1 = q1;
        f = g;
        put(out + i * TURN * width, raw + i * TURN, s0, sink);
        put(out + (i * TURN + GROUP) * width, raw + i * TURN + GROUP, s1, sink);
    }
    planes_store(d->state, p0);
    planes_store(d->state + GROUP, p1);
    d->in = f.in;
    d->esc = f.esc;
    d->pos += i * TURN;
    return i;
}

/* Decodes whole turns while the feeds last; returns how many. */
AVX512_INLINE size_t decode(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t turns, enum sink sink) {
    const size_t width = sink == SYMBOLS ? 1 : 2;
    size_t done = 0;
    while (done < turns) {
        /* A turn takes at most 128 bytes of each feed, and reads at most 64 from where it stands. */
        size_t burst = ZN_MIN(turns - done, (size_t)(d->in_end - d->in) / TURN);
        burst = ZN_MIN(burst, (size_t)(d->esc_end - d->esc) / TURN);
        const uint8_t *r = raw + done * TURN;
        uint8_t *o = out + done * TURN * width;
        if (burst > 0) {
            done += run(d, r, o, burst, sink, PROVED);
            continue;
        }
        size_t n = run(d, r, o, ZN_MIN(turns - done, BURST), sink, CHECKED);
        done += n;
        if (n == 0) break;
    }
    return done;
}

AVX512 bool zn_r16_decode_avx512(struct zn_r16_decoder *d, uint8_t *out, size_t n) {
    if (d->lanes_log2 != 7) return zn_r16_decode_scalar(d, out, n);
    size_t done = TURN * decode(d, out, out, n / TURN, SYMBOLS);
    return zn_r16_decode_scalar(d, out + done, n - done);
}

AVX512 bool zn_r16_decode_16r_avx512(struct zn_r16_decoder *d, const uint8_t *raw, uint8_t *out, size_t n,
                                     enum zn_store store) {
    size_t done = 0;
    if (store == ZN_STORE_STREAM && (uintptr_t)out % 64 == 0) {
        done = TURN * decode(d, raw, out, n / TURN, WORDS_PAST_CACHES);
        _mm_sfence();
    } else
        done = TURN * decode(d, raw, out, n / TURN, WORDS);
    return zn_r16_decode_16r_scalar(d, raw + done, out + 2 * done, n - done, store);
}

/* ---- encoding ---- */

/* 256 symbols -> classes. A symbol is looked up by its low 6 bits; the entry found has the class and the upper 2 bits
 * of the symbol that it is for. */
struct class_map {
    __m512i entry;   /* upper 2 bits << 6 | class */
    __m512i all[4];  /* class_of */
    bool collisions; /* two symbols that are in classes of their own share their low 6 bits: only `all` will do */
};

AVX512_INLINE struct class_map class_map_load(const uint8_t *class_of) {
    struct class_map m = {.entry = _mm512_set1_epi8(CLASS_ESC)};
    __mmask64 taken = 0;
    for (int j = 0; j < 4; j++) {
        m.all[j] = _mm512_loadu_si512(class_of + 64 * j);
        __mmask64 listed = _mm512_cmpneq_epi8_mask(m.all[j], _mm512_set1_epi8(CLASS_ESC));
        m.collisions |= (taken & listed) != 0;
        taken |= listed;
        m.entry = _mm512_mask_mov_epi8(m.entry, listed, _mm512_or_si512(m.all[j], _mm512_set1_epi8((char)(j << 6))));
    }
    return m;
}

AVX512_INLINE __m512i classes(const struct class_map *m, __m512i symbols, bool collisions) {
    if (collisions) {
        __m512i lower = _mm512_permutex2var_epi8(m->all[0], symbols, m->all[1]);
        __m512i upper = _mm512_permutex2var_epi8(m->all[2], symbols, m->all[3]);
        return _mm512_mask_blend_epi8(_mm512_movepi8_mask(symbols), lower, upper);
    }
    /* An entry for another symbol leaves a difference in the upper bits, and so more than any class. */
    __m512i entry = _mm512_permutexvar_epi8(symbols, m->entry);
    __m512i diff = _mm512_ternarylogic_epi32(entry, symbols, _mm512_set1_epi8((char)0xc0), 0x78); /* a ^ (b & c) */
    return _mm512_min_epu8(diff, _mm512_set1_epi8(CLASS_ESC));
}

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

/* Puts the chosen bytes, in order, below `end`. */
AVX512_INLINE uint8_t *put_below(uint8_t *end, __mmask64 chosen, __m512i bytes) {
    unsigned n = (unsigned)_mm_popcnt_u64(chosen);
    end -= n;
    _mm512_mask_storeu_epi8(end, _bzhi_u64(UINT64_MAX, n), _mm512_maskz_compress_epi8(chosen, bytes));
    return end;
}

struct sinks {
    uint8_t *out, *esc;
};

AVX512_INLINE void encode_group(const struct zn_r16_codes *t, const struct class_map *m, struct words *w,
                                const uint8_t *src, struct sinks *s, bool collisions) {
    __m512i symbols = _mm512_loadu_si512(src), class = classes(m, symbols, collisions);
    __m512i low_bytes = planes_of(*w).lo;
    __mmask32 even, odd;
    w->even = encode_words(t, w->even, class, &even);
    w->odd = encode_words(t, w->odd, _mm512_srli_epi16(class, 8), &odd);
    s->out = put_below(s->out, _pdep_u64(even, EVEN_BYTES) | _pdep_u64(odd, ODD_BYTES), low_bytes);

    __m512i escaped = _mm512_movm_epi8(t->escaped);
    s->esc = put_below(s->esc, _mm512_movepi8_mask(_mm512_permutexvar_epi8(class, escaped)), symbols);
}

AVX512_INLINE void encode_turns(struct zn_r16_encoder *e, const struct class_map *m, const uint8_t *src, size_t turns,
                                bool collisions) {
    static const uint8_t table_0 = 0;
    const uint8_t *ids = e->ids ? e->ids : &table_0;
    const unsigned id_shift = e->ids ? e->block_log2 : 63;
    const struct zn_r16_codes *tables = e->tables;
    const struct class_map map = *m;
    struct words w0 = words_of(planes_load(e->state)), w1 = words_of(planes_load(e->state + GROUP));
    struct sinks s = {e->out, e->esc};
    for (size_t i = turns; i-- > 0;) {
        const struct zn_r16_codes *t = tables + ids[i * TURN >> id_shift];
        encode_group(t, &map, &w1, src + i * TURN + GROUP, &s, collisions);
        encode_group(t, &map, &w0, src + i * TURN, &s, collisions);
    }
    planes_store(e->state, planes_of(w0));
    planes_store(e->state + GROUP, planes_of(w1));
    e->out = s.out;
    e->esc = s.esc;
}

AVX512 void zn_r16_encode_avx512(struct zn_r16_encoder *e, const uint8_t *src, size_t n) {
    if (e->lanes_log2 != 7) {
        zn_r16_encode_scalar(e, src, n);
        return;
    }
    size_t turns = n / TURN;
    zn_r16_encode_range_scalar(e, src, turns * TURN, n);
    struct class_map m = class_map_load(e->class_of);
    if (m.collisions)
        encode_turns(e, &m, src, turns, true);
    else
        encode_turns(e, &m, src, turns, false);
}

#else
typedef int zn_r16_avx512_not_here;
#endif
