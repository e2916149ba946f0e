#include "jobs/likeness.h"

#include "base/bytes.h"

unsigned zn_likeness_word(zipnn_dtype dtype) {
    const unsigned word = zn_dtype_word(dtype);
    return word == 2 || word == 4 || word == 8 ? word : 1;
}

static bool is_float(zipnn_dtype dtype) {
    const enum zn_dtype_kind kind = zn_dtype_facts(dtype)->kind;
    return (kind == ZN_KIND_FLOAT && dtype <= ZIPNN_F8_E5M2FNUZ) || kind == ZN_KIND_COMPLEX;
}

/* What all words of a sample have in common. */
struct words {
    unsigned word, bits;
    uint64_t mask;
    bool floats;
};

static struct words words_of(zipnn_dtype dtype) {
    const unsigned word = zn_likeness_word(dtype), bits = 8 * word;
    const uint64_t mask = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    return (struct words){word, bits, mask, is_float(dtype)};
}

/* Loads a word. The bits of a float are mapped so that integers are ordered as the values are. */
static uint64_t load(const struct words *w, const uint8_t *sample, size_t i) {
    const uint8_t *p = sample + i * w->word;
    uint64_t v = 0;
    for (unsigned b = 0; b < w->word; b++) v |= (uint64_t)p[b] << 8 * b;
    if (!w->floats) return v;
    const uint64_t sign = (uint64_t)1 << (w->bits - 1);
    return v & sign ? ~v & w->mask : v | sign;
}

uint64_t zn_likeness_value(const uint8_t *sample, size_t i, zipnn_dtype dtype) {
    const struct words w = words_of(dtype);
    return load(&w, sample, i);
}

static unsigned length_between(const struct words *w, uint64_t x, uint64_t y) {
    const uint64_t d = ZN_MIN((x - y) & w->mask, (y - x) & w->mask);
    return d ? 64 - (unsigned)__builtin_clzll(d) : 0;
}

uint32_t zn_likeness_distance(const uint8_t *a, const uint8_t *b, size_t n, zipnn_dtype dtype) {
    const struct words w = words_of(dtype);
    uint32_t sum = 0, n_far = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned length = length_between(&w, load(&w, a, i), load(&w, b, i));
        sum += length;
        n_far += length + 2 > w.bits;
    }
    return n_far > n / 4 ? ZN_UNRELATED : sum * ZN_LIKENESS_SCALE / (uint32_t)n;
}

uint32_t zn_likeness_spread(const uint8_t *sample, size_t n, size_t shift, zipnn_dtype dtype) {
    const struct words w = words_of(dtype);
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += length_between(&w, load(&w, sample, i), load(&w, sample, (i + shift) % n));
    return sum * ZN_LIKENESS_SCALE / (uint32_t)n;
}

uint32_t zn_likeness_far(zipnn_dtype dtype) {
    const uint32_t bits = 8 * zn_likeness_word(dtype);
    return (bits - 2 - bits / 8) * ZN_LIKENESS_SCALE;
}
