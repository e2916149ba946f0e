/* Finds the scale of each group of floats from the magnitudes that occur in it. From the least magnitude upwards, each
 * must be a whole number of scales, as far as rounding lets it be known, and each narrows the range of the scale.
 * Weights that were never quantised fail after a few magnitudes. */
#include "chunk/layout.h"
#include "chunk/mixed.h"
#include "chunk/scaled.h"
#include "chunk/ways.h"
#include "codec/mixing.h"
#include "plan/dtype.h"

enum {
    PROBED = 32,       /* elements of a group that show whether the chunk may be scaled */
    LARGEST_LEAST = 6, /* the integer that the least magnitude stands for, at most */
    MOST_SPREAD = 12,  /* octaves between the least magnitude and any other, at most */
    MAX_RUNS = 2
};

/* The magnitudes of a group in ascending order, without 0, the integers that they stand for, and those two of them that
 * bound the scale from below and from above. */
struct levels {
    unsigned n, low, high;
    uint16_t mag[ZN_SCALED_MOST];
    uint8_t q[ZN_SCALED_MOST];
};

/* A bit for each magnitude, clear between groups, and the integers by magnitude, counted from a group's least one. */
struct marks {
    uint64_t seen[1 << 15 >> 6];
    uint8_t integer[(MOST_SPREAD + 2) << 10];
};

/* Sorts the magnitudes that are marked and clears the marks. Returns false when there are too many. */
static bool sort(struct marks *k, struct levels *l, unsigned from, unsigned to) {
    unsigned n = 0;
    for (unsigned i = from >> 6; i <= to >> 6; i++) {
        for (uint64_t bits = k->seen[i]; bits && n <= ZN_SCALED_MOST; bits &= bits - 1, n++)
            if (n < ZN_SCALED_MOST) l->mag[n] = (uint16_t)(i << 6 | (unsigned)__builtin_ctzll(bits));
        k->seen[i] = 0;
    }
    l->n = n;
    return n <= ZN_SCALED_MOST;
}

/* Collects the magnitudes but 0. Returns false when there are too many. */
static bool collect(struct marks *k, const uint8_t *at, size_t n, struct levels *l) {
    unsigned from = 0x7fff, to = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned m = zn_get_u16(at + 2 * i) & 0x7fffu, before = (m - 1) & 0x7fff;
        k->seen[m >> 6] |= UINT64_C(1) << (m & 63);
        from = ZN_MIN(from, before);
        to = ZN_MAX(to, m);
    }
    k->seen[0] &= ~UINT64_C(1);
    l->n = 0;
    return to == 0 || sort(k, l, from + 1, to);
}

/* A magnitude of m * 2^e. */
struct parts {
    uint32_t m;
    int e;
};

static struct parts parts_of(uint16_t mag, bool is_f16) {
    const unsigned bits = is_f16 ? 10 : 7, field = mag >> bits;
    return (struct parts){(mag & ((1u << bits) - 1)) | (field ? 1u << bits : 0), field ? (int)field : 1};
}

/* Fractions, in halves of the least magnitude's unit: a number of at most 32 bits over one of 15. */
struct ratio {
    uint64_t num, den;
};

static bool less(struct ratio a, struct ratio b) {
    return a.num * b.den < b.num * a.den;
}

/* Gives every level its integer, if the least one is `first`. The scale then lies between lo and hi. Returns false when
 * some level fits no integer. */
static bool number(struct levels *l, bool is_f16, unsigned first, struct ratio *lo, struct ratio *hi) {
    const struct parts least = parts_of(l->mag[0], is_f16);
    *lo = (struct ratio){2 * least.m - 1, first};
    *hi = (struct ratio){2 * least.m + 1, first};
    l->q[0] = (uint8_t)first;
    l->low = l->high = 0;
    for (unsigned i = 1; i < l->n; i++) {
        const struct parts p = parts_of(l->mag[i], is_f16);
        if (p.e - least.e > MOST_SPREAD) return false;
        const uint64_t below = (2 * (uint64_t)p.m - 1) << (p.e - least.e), above = (2 * (uint64_t)p.m + 1)
                                                                                   << (p.e - least.e);
        const struct ratio mid = {lo->num * hi->den + hi->num * lo->den, 2 * lo->den * hi->den};
        const uint64_t q = ((below + above) / 2 * mid.den + mid.num / 2) / mid.num;
        if (q <= l->q[i - 1] || q > ZN_SCALED_MOST) return false;
        l->q[i] = (uint8_t)q;
        const struct ratio from = {below, q}, to = {above, q};
        if (less(*lo, from)) *lo = from, l->low = i;
        if (less(to, *hi)) *hi = to, l->high = i;
        if (less(*hi, *lo)) return false;
    }
    return true;
}

/* Returns the bits of num / den * 2^e, rounded to a mantissa of `bits` bits; 0 when that is not a normal float. */
static uint32_t float_of(struct ratio r, int e, unsigned bits) {
    int shift = 0;
    while (r.num << shift >> (bits + 1) < r.den) shift++; /* makes the quotient bits + 1 long, or one bit longer */
    uint64_t m = (r.num << shift) / r.den;
    while (m >> bits) { /* rounds to `bits`, halves up */
        m = (m + (m >> (bits + 1) ? 0 : 1)) >> 1;
        shift--;
    }
    const int field = e - shift + (int)bits - 1 + 127;
    if (field < 1 || field > 254) return 0;
    return (uint32_t)field << 23 | ((uint32_t)(m << (24 - bits)) & 0x7fffff);
}

static bool gives(const struct levels *l, unsigned i, bool is_f16, uint32_t scale) {
    return zn_scaled_product(l->q[i], scale, is_f16) == l->mag[i];
}

/* A wrong scale shows in the levels that bound it. */
static bool gives_all(const struct levels *l, bool is_f16, uint32_t scale) {
    uint16_t product[ZN_SCALED_MOST + 1];
    if (scale == 0 || !gives(l, l->low, is_f16, scale) || !gives(l, l->high, is_f16, scale)) return false;
    zn_scaled_products(scale, l->q[l->n - 1], is_f16, product);
    for (unsigned i = 0; i < l->n; i++)
        if (product[l->q[i]] != l->mag[i]) return false;
    return true;
}

/* Finds a scale that gives all levels, with the shortest mantissa possible: scales of bf16 have 8 bits, those of fp16
 * 11. */
static bool find_scale(struct levels *l, bool is_f16, uint32_t *scale) {
    enum { SHORTEST = 8, LONGEST = 24 };
    *scale = 0;
    if (l->n == 0) return true;
    /* The exponent of half the least magnitude's unit: m counts 2^(e - 127 - 7) of bf16, 2^(e - 15 - 10) of fp16. */
    const int unit = parts_of(l->mag[0], is_f16).e - (is_f16 ? 25 : 134) - 1;
    for (unsigned first = 1; first <= LARGEST_LEAST; first++) {
        struct ratio lo, hi;
        if (!number(l, is_f16, first, &lo, &hi)) continue;
        const struct ratio mid = {lo.num * hi.den + hi.num * lo.den, 2 * lo.den * hi.den};
        for (unsigned bits = SHORTEST; bits <= LONGEST; bits++)
            if (gives_all(l, is_f16, *scale = float_of(mid, unit, bits))) return true;
    }
    return false;
}

/* Finds a group's scale and integers. Returns false when it has no scale. All magnitudes then lie within MOST_SPREAD octaves
 * of the least one. */
static bool take_group(struct marks *k, const uint8_t *at, size_t n, bool is_f16, uint32_t *scale, uint8_t *q) {
    struct levels l;
    if (!collect(k, at, n, &l) || !find_scale(&l, is_f16, scale)) return false;
    const unsigned least = l.n ? l.mag[0] : 0;
    for (unsigned i = 0; i < l.n; i++) k->integer[l.mag[i] - least] = l.q[i];
    for (size_t i = 0; i < n; i++) {
        const unsigned w = zn_get_u16(at + 2 * i), m = w & 0x7fff;
        const unsigned of_zero = w >> 15 << 7; /* -128 stands for the zero with a sign */
        q[i] = (uint8_t)(m == 0 ? of_zero : w >> 15 ? 0u - k->integer[m - least] : k->integer[m - least]);
    }
    return true;
}

struct source {
    const uint8_t *at; /* the first element */
    size_t n;
    uint32_t group, first, rest_len;
    bool is_f16;
    struct marks *marks;
    uint8_t *scales, *integers, *rest; /* 4 bytes per group; 1 byte per element; the words of groups without a scale */
};

/* Takes all groups. Returns false when more than a quarter of the elements have no scale. */
static bool take_all(struct source *s, uint8_t *q) {
    size_t len;
    s->rest_len = 0;
    for (size_t done = 0, g = 0; done < s->n; done += len, g++) {
        uint32_t scale;
        len = ZN_MIN(s->n - done, (size_t)(g == 0 ? s->first : s->group));
        if (!take_group(s->marks, s->at + 2 * done, len, s->is_f16, &scale, q + done)) {
            if (s->rest_len + 2 * len > s->n / 2) return false;
            scale = ZN_SCALED_NONE;
            memset(q + done, 0, len);
            memcpy(s->rest + s->rest_len, s->at + 2 * done, 2 * len);
            s->rest_len += 2 * (uint32_t)len;
        }
        zn_put_u32(s->scales + 4 * g, scale);
    }
    return true;
}

/* Returns whether the elements at one of four places look like scaled integers. Where groups begin is not known yet. */
static bool may_be_scaled(const struct source *s) {
    struct levels l;
    uint32_t scale;
    for (unsigned part = 1; part <= 4; part++)
        if (collect(s->marks, s->at + 2 * (s->n / 5 * part / 64 * 64), PROBED, &l) && l.n > 0 &&
            find_scale(&l, s->is_f16, &scale))
            return true;
    return false;
}

/* Tries the rows of the tensor as groups, then shorter groups. Returns false when none of them has scales. */
static bool find_groups(const struct zn_encoder *e, struct source *s) {
    static const uint32_t lengths[] = {0, 256, 128, 64, 32};
    struct zn_mixing_run runs[MAX_RUNS];
    const unsigned head = e->hint.head;
    const size_t n_runs = zn_mixed_runs(e->hint.plan, e->hint.off + head, s->n, 2, runs, MAX_RUNS);
    const uint32_t row = n_runs ? runs[0].axis[1] : 0, phase = n_runs ? runs[0].phase : 0;
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        s->group = i == 0 ? row : lengths[i];
        if (s->group < ZN_SCALED_GROUP) continue;
        s->first = s->group - phase % s->group;
        if (take_all(s, s->integers + head)) return true;
    }
    return false;
}

static uint32_t put_inner(const struct zn_encoder *e, zipnn_dtype dtype, const uint8_t *src, uint32_t len,
                          struct zn_out *out) {
    const struct zn_encoder inner = {e->coder, e->effort, {.dtype = dtype}, src, len};
    const uint32_t body_len = zn_ways_encode(&inner, ZN_STAGE_PLAIN, out->at);
    out->at += body_len;
    return body_len;
}

/* Writes the head and three chunks behind it. Returns the length of the body. */
static uint32_t write_body(const struct zn_encoder *e, const struct source *s, uint32_t tail, struct zn_out *out) {
    const uint32_t scales_len = 4 * zn_scaled_groups(s->n, s->group, s->first);
    zn_body_begin_chunks(out, ZN_LAYOUT_SCALED, e->hint.head);
    zn_out_u8(out, s->is_f16 ? ZN_LAYOUT_F16 : ZN_LAYOUT_16R);
    zn_out_u32(out, s->group);
    zn_out_u32(out, s->first);
    uint8_t *lens = zn_out_room(out, 8);
    zn_put_u32(lens, put_inner(e, ZIPNN_F32, s->scales, scales_len, out));
    zn_put_u32(lens + 4, put_inner(e, ZIPNN_I8, s->integers, e->hint.head + (uint32_t)s->n + tail, out));
    if (s->rest_len) (void)put_inner(e, e->hint.dtype, s->rest, s->rest_len, out);
    return (uint32_t)zn_out_len(out);
}

/* Returns whether a body is so short that floats coded as floats cannot be shorter, but not so short that other ways, such
 * as frequent values, might be shorter still. */
static bool is_clear(uint32_t orig_len, uint32_t len) {
    return len < orig_len / 8 * 5 && len > orig_len / 8;
}

uint32_t zn_scaled_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    enum { FEWEST = 2048, MORE = 4096 }; /* elements that may pay; bytes for the heads of three bodies */
    const unsigned head = e->hint.head;
    struct zn_scratch *scratch = &e->coder->scratch;
    if (!zn_may_write(e->effort, ZN_LAYOUT_SCALED) || head > 1 || e->len < 2 * FEWEST + 1) return 0;
    if (e->hint.dtype != ZIPNN_BF16 && e->hint.dtype != ZIPNN_F16) return 0;
    struct source s = {.at = e->src + head, .n = (e->len - head) / 2, .is_f16 = e->hint.dtype == ZIPNN_F16};
    struct marks marks;
    memset(marks.seen, 0, sizeof marks.seen);
    s.marks = &marks;
    if (!may_be_scaled(&s)) return 0;
    const uint32_t tail = (e->len - head) % 2;
    const size_t scales_cap = 4 * (s.n / ZN_SCALED_GROUP + 2), cap = scales_cap + s.n + 2 + s.n / 2;
    s.scales = zn_scratch_take(scratch, scales_cap);
    s.integers = zn_scratch_take(scratch, s.n + 2);
    s.rest = zn_scratch_take(scratch, s.n / 2);
    if (!find_groups(e, &s)) return 0;
    memcpy(s.integers, e->src, head);
    memcpy(s.integers + head + s.n, e->src + e->len - tail, tail);
    struct zn_out out = zn_out_of(zn_scratch_take(scratch, cap + cap / 4 + MORE), cap + cap / 4 + MORE);
    const uint32_t len = write_body(e, &s, tail, &out);
    if (draft->body.len ? len >= draft->body.len : !is_clear(e->len, len)) return 0;
    memcpy(draft->to, out.start, len);
    return len;
}
