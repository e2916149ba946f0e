/* What the R16 loops for AVX-512 share.
 *
 * A group is 64 symbols in a row, on 64 lanes in a row; the two groups of a turn use all 128. Between groups the states
 * of 64 lanes lie in planes, byte i of `lo` and `hi` for lane i: so the low bytes are the slots in symbol order, a zero
 * high byte asks for renormalisation, and one expansion over the low plane feeds it. For the multiplication the planes
 * become 16-bit words, the even lanes in one vector and the odd ones in the other.
 */
#ifndef ZN_KERNELS_R16_AVX512_TPL_H
#define ZN_KERNELS_R16_AVX512_TPL_H

#include <immintrin.h>

#include "base/bytes.h"
#include "kernels/r16/r16.h"
#include "kernels/r16/r16_feed.h"

#define AVX512      \
    __attribute__(( \
        target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,gfni,bmi,bmi2,lzcnt,popcnt,prfchw")))
#define AVX512_INLINE AVX512 __attribute__((always_inline)) static inline

enum {
    GROUP = 64,
    TURN = ZN_R16_LANES,
    BURST = ZN_R16_REACH / TURN, /* turns between two looks at the feeds */
    CLASS_ESC = ZN_R16_CLASSES - 1
};

/* Masks over bytes. `mask_of` hides from the compiler that they are constant; clang would otherwise take masked lookups
 * apart into lookups and masks. */
#define ODD_BYTES UINT64_C(0xaaaaaaaaaaaaaaaa)
#define EVEN_BYTES UINT64_C(0x5555555555555555)

AVX512_INLINE __mmask64 mask_of(uint64_t bits) {
    __mmask64 m = bits;
    __asm__("" : "+Yk"(m));
    return m;
}

/* Even bytes of one vector, odd bytes of the other. */
AVX512_INLINE __m512i even_odd(__m512i even, __m512i odd) {
    return _mm512_ternarylogic_epi32(_mm512_set1_epi16(0xff), even, odd, 0xca); /* a ? b : c */
}

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
    return (struct words){even_odd(p.lo, _mm512_slli_epi16(p.hi, 8)), even_odd(_mm512_srli_epi16(p.lo, 8), p.hi)};
}

AVX512_INLINE struct planes planes_of(struct words w) {
    return (struct planes){even_odd(w.even, _mm512_slli_epi16(w.odd, 8)),
                           even_odd(_mm512_srli_epi16(w.even, 8), w.odd)};
}

/* ---- decoding ---- */

/* Prefetches the lines of one turn to the L2 cache. The L1 cache is needed for the tables. */
AVX512_INLINE void fetch(struct zn_ahead *ahead) {
    size_t len = (size_t)ahead->lines * 64;
    if (len == 0 || ahead->len < len) return; /* `at` may be NULL, to which not even 0 may be added */
    for (size_t i = 0; i < len; i += 64) _mm_prefetch((const char *)(ahead->at + i), _MM_HINT_T1);
    ahead->at += len;
    ahead->len -= len;
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
    /* The entry of another symbol leaves a difference in the upper bits, which is more than any class. */
    __m512i entry = _mm512_permutexvar_epi8(symbols, m->entry);
    __m512i diff = _mm512_ternarylogic_epi32(entry, symbols, _mm512_set1_epi8((char)0xc0), 0x78); /* a ^ (b & c) */
    return _mm512_min_epu8(diff, _mm512_set1_epi8(CLASS_ESC));
}

/* The 64 bytes from i on are the places i, i + 1 ... 63, 0, 1 ... i - 1. */
#define PLACES8(i) (i), (i) + 1, (i) + 2, (i) + 3, (i) + 4, (i) + 5, (i) + 6, (i) + 7
#define PLACES64 PLACES8(0), PLACES8(8), PLACES8(16), PLACES8(24), PLACES8(32), PLACES8(40), PLACES8(48), PLACES8(56)
static const uint8_t places_twice[128] = {PLACES64, PLACES64};

/* Puts the chosen bytes, in order, below `end` and returns where they begin. The store writes all 64 bytes below `end`,
 * since a masked store takes twice as long (a chunk of joint symbols 52 us instead of 47). */
AVX512_INLINE uint8_t *put_below(uint8_t *end, __mmask64 chosen, __m512i bytes) {
    const size_t n = (size_t)_mm_popcnt_u64(chosen);
    const __m512i last = _mm512_loadu_si512(places_twice + n); /* the first n become the last */
    _mm512_storeu_si512(end - GROUP, _mm512_permutexvar_epi8(last, _mm512_maskz_compress_epi8(chosen, bytes)));
    return end - n;
}

struct sinks {
    uint8_t *out, *esc;
};

#endif
