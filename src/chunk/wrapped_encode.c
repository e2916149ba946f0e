#include "chunk/layout.h"
#include "chunk/wrapped.h"
#include "codec/repeats.h"
#include "plan/dtype.h"

enum {
    FEWEST = 4096, /* bytes of a chunk */
    SAMPLED = 1024 /* elements that tell what a chunk is like */
};

/* A chunk as elements. */
struct elements {
    unsigned width_log2;
    uint32_t head, len;
    size_t n;
    const uint8_t *at; /* the first one */
};

/* By the type, or else by what the plain body found; false for bytes and blocks. */
static bool find_elements(struct zn_chunk_hint hint, const uint8_t *src, const struct zn_body *body,
                          struct elements *e) {
    unsigned width = zn_dtype_bits(hint.dtype) ? zn_dtype_word(hint.dtype) : 0;
    e->head = hint.head;
    if (width == 0 && zn_layout_is(body->layout, ZN_GROUP_WORDS)) {
        width = body->width;
        e->head = body->head;
    }
    if (width < 2 || e->head >= width) return false;
    e->width_log2 = (unsigned)__builtin_ctz(width);
    e->len = body->orig_len;
    e->n = (e->len - e->head) >> e->width_log2;
    e->at = src + e->head;
    return true;
}

static uint64_t element(const struct elements *e, size_t i) {
    return zn_element_get(e->at + (i << e->width_log2), e->width_log2);
}

/* A body being written beside another. */
static struct zn_out begin(struct zn_coder *coder, enum zn_layout layout, uint32_t head) {
    struct zn_out out = zn_out_of(coder->other, ZN_OTHER_CAP(coder->max_chunk));
    zn_body_begin_chunks(&out, layout, head);
    return out;
}

static void put_inner(struct zn_coder *coder, const struct zn_effort *effort, zipnn_dtype dtype, unsigned head,
                      const uint8_t *src, uint32_t len, struct zn_out *out) {
    const struct zn_chunk_hint hint = {.dtype = dtype, .head = head};
    out->at += zn_chunk_encode_plain(coder, effort, hint, src, len, out->at);
}

/* The shorter of two bodies; what is slow to decode must save 1/64. */
static uint32_t choose(const struct zn_out *out, const uint8_t *other, uint8_t *body, uint32_t body_len) {
    const size_t len = zn_out_len(out);
    if (len >= body_len - body_len / 256) return body_len;
    memcpy(body, other, len);
    return (uint32_t)len;
}

/* ---- differences ---- */

static uint64_t sign_extended(uint64_t v, unsigned width_log2) {
    const unsigned shift = 64 - (8u << width_log2);
    return (uint64_t)((int64_t)(v << shift) >> shift);
}

static uint64_t zigzag(uint64_t v) {
    return v << 1 ^ (0 - (v >> 63));
}

static unsigned bits_of(uint64_t v) {
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

/* The mode whose numbers are shortest in a sample; 0 when all are about as long. */
static unsigned choose_mode(const struct elements *e) {
    uint64_t plain = 0, signs = 0, deltas = 0;
    const size_t stride = ZN_MAX(e->n / SAMPLED, (size_t)1);
    for (size_t i = 1; i < e->n; i += stride) {
        const uint64_t v = element(e, i), before = element(e, i - 1);
        plain += bits_of(v);
        signs += bits_of(zigzag(sign_extended(v, e->width_log2)));
        deltas += bits_of(zigzag(sign_extended(v - before, e->width_log2)));
    }
    const uint64_t limit = plain - plain / 8;
    if (deltas < limit && deltas + deltas / 8 < signs) return ZN_DIFFERENCE_DELTA | ZN_DIFFERENCE_ZIGZAG;
    return signs < limit ? ZN_DIFFERENCE_ZIGZAG : 0;
}

/* Whether elements of a type, or else of the layout that was measured, are integers. */
static bool are_integers(zipnn_dtype dtype, const struct elements *e, const struct zn_body *body) {
    const struct zn_dtype_facts *type = zn_dtype_facts(dtype);
    if ((type->kind == ZN_KIND_SIGNED || type->kind == ZN_KIND_UNSIGNED) && type->bits > 8) return true;
    return body->head == e->head &&
           (body->layout == ZN_LAYOUT_16 || body->layout == ZN_LAYOUT_32 || body->layout == ZN_LAYOUT_64);
}

static uint32_t try_differences(struct zn_coder *coder, const struct zn_effort *effort, zipnn_dtype dtype,
                                const struct elements *e, const uint8_t *src, const struct zn_body *body, uint8_t *to) {
    const uint32_t body_len = (uint32_t)body->len;
    const unsigned mode = are_integers(dtype, e, body) ? choose_mode(e) : 0;
    static const zipnn_dtype types[] = {ZIPNN_U8, ZIPNN_U16, ZIPNN_U32, ZIPNN_U64};
    if (mode == 0) return body_len;
    memcpy(coder->rest, src, e->len);
    uint64_t before = 0;
    for (size_t i = 0; i < e->n; i++) {
        const uint64_t v = element(e, i), d = mode & ZN_DIFFERENCE_DELTA ? v - before : v;
        zn_element_put(coder->rest + e->head + (i << e->width_log2), e->width_log2,
                       zigzag(sign_extended(d, e->width_log2)));
        before = v;
    }
    struct zn_out out = begin(coder, ZN_LAYOUT_DIFFERENCES, e->head);
    zn_out_u8(&out, (uint8_t)e->width_log2);
    zn_out_u8(&out, (uint8_t)mode);
    put_inner(coder, effort, types[e->width_log2], e->head, coder->rest, e->len, &out);
    return choose(&out, coder->other, to, body_len);
}

/* ---- frequent values ---- */

enum { SLOTS_LOG2 = 11, SHARE = 32, MOST_OF_FEW = 14 };

/* Values by hash; index 0 of a slot is free. */
struct values {
    unsigned n;
    uint64_t value[SAMPLED];
    uint16_t count[SAMPLED];
    uint16_t slot[1 << SLOTS_LOG2]; /* index + 1 */
};

static uint16_t *slot_of(struct values *v, uint64_t value) {
    unsigned at = (unsigned)(value * UINT64_C(0x9E3779B97F4A7C15) >> (64 - SLOTS_LOG2));
    while (v->slot[at] && v->value[v->slot[at] - 1] != value) at = (at + 1) % (1 << SLOTS_LOG2);
    return &v->slot[at];
}

static void count_values(const struct elements *e, struct values *v) {
    const size_t stride = ZN_MAX(e->n / SAMPLED, (size_t)1);
    memset(v, 0, sizeof *v);
    for (size_t i = 0, n = 0; i < e->n && n < SAMPLED; i += stride, n++) {
        uint16_t *slot = slot_of(v, element(e, i));
        if (!*slot) {
            v->value[v->n] = element(e, i);
            *slot = (uint16_t)++v->n;
        }
        v->count[*slot - 1]++;
    }
}

/* Keeps those seen `least` times or more, in ascending order; answers how much of the sample they are. */
static unsigned keep(struct values *v, unsigned least, unsigned most) {
    unsigned n = 0, sum = 0;
    for (unsigned i = 0; i < v->n && n < most; i++) {
        if (v->count[i] < least) continue;
        const uint64_t value = v->value[i];
        unsigned at = n++;
        sum += v->count[i];
        for (; at > 0 && v->value[at - 1] > value; at--) v->value[at] = v->value[at - 1];
        v->value[at] = value;
    }
    v->n = n;
    memset(v->slot, 0, sizeof v->slot);
    for (unsigned i = 0; i < n; i++) *slot_of(v, v->value[i]) = (uint16_t)(i + 1);
    return sum;
}

/* Nearly all elements take one of 255 values, or some values are so frequent that they are worth a table. */
static bool choose_values(const struct elements *e, struct values *v) {
    struct values seen;
    count_values(e, &seen);
    *v = seen;
    if (keep(v, 2, ZN_MAX_FREQUENT) > SAMPLED / 8 * 7) return true;
    *v = seen;
    return keep(v, SAMPLED / SHARE / 2, MOST_OF_FEW) > SAMPLED / SHARE;
}

static uint32_t try_frequent(struct zn_coder *coder, const struct zn_effort *effort, zipnn_dtype dtype,
                             const struct elements *e, const uint8_t *src, uint8_t *body, uint32_t body_len) {
    struct values v;
    const size_t width = (size_t)1 << e->width_log2;
    if (e->n < SAMPLED || !choose_values(e, &v)) return body_len;
    uint8_t *rest = coder->rest + e->head;
    memcpy(coder->rest, src, e->head);
    for (size_t i = 0; i < e->n; i++) {
        const uint64_t value = element(e, i);
        coder->map[i] = v.n == 1 ? value == v.value[0] : (uint8_t)*slot_of(&v, value);
        zn_element_put(rest, e->width_log2, value);
        rest += coder->map[i] ? 0 : width;
    }
    const size_t tail = e->len - e->head - (e->n << e->width_log2);
    memcpy(rest, src + e->len - tail, tail);
    rest += tail;

    struct zn_out out = begin(coder, ZN_LAYOUT_FREQUENT, e->head);
    zn_out_u8(&out, (uint8_t)e->width_log2);
    zn_out_u8(&out, (uint8_t)v.n);
    for (unsigned i = 0; i < v.n; i++) zn_element_put(zn_out_room(&out, width), e->width_log2, v.value[i]);
    uint8_t *map_len = zn_out_room(&out, 4);
    const size_t before = zn_out_len(&out);
    put_inner(coder, effort, ZIPNN_U8, 0, coder->map, (uint32_t)e->n, &out);
    zn_put_u32(map_len, (uint32_t)(zn_out_len(&out) - before));
    const uint32_t rest_len = (uint32_t)(rest - coder->rest);
    if (rest_len) put_inner(coder, effort, dtype, e->head, coder->rest, rest_len, &out);
    return choose(&out, coder->other, body, body_len);
}

uint32_t zn_wrapped_encode(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                           const uint8_t *src, const struct zn_body *body, uint8_t *to) {
    const uint32_t len = body->orig_len;
    uint32_t body_len = (uint32_t)body->len;
    struct elements e;
    if (len < FEWEST || body_len < len / 64 || !find_elements(hint, src, body, &e)) return body_len;
    body_len = try_differences(coder, effort, hint.dtype, &e, src, body, to);
    return try_frequent(coder, effort, hint.dtype, &e, src, to, body_len);
}

/* ---- repeats ---- */

uint32_t zn_repeats_encode(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                           const uint8_t *src, uint32_t len, uint8_t *body, uint32_t body_len) {
    enum { MAX_RUNS = 2048, SHORTEST_RUN = 256 };
    struct zn_repeat runs[MAX_RUNS];
    if (len < FEWEST || body_len < len / 64 || zn_repeats_estimate(src, len) < len / 16) return body_len;
    const unsigned grain = ZN_MAX(zn_dtype_word(hint.dtype), 1u);
    const size_t n_runs = zn_repeats_find(src, len, hint.head % grain, grain, SHORTEST_RUN, runs, MAX_RUNS);
    uint32_t kept = 0, at = 0;
    for (size_t i = 0; i < n_runs; i++) {
        memcpy(coder->kept + kept, src + at, runs[i].at - at);
        kept += runs[i].at - at;
        at = runs[i].at + runs[i].len;
    }
    memcpy(coder->kept + kept, src + at, len - at);
    kept += len - at;
    if (kept > len - len / 32 || kept == 0) return body_len;

    struct zn_out out = zn_out_of(coder->whole, zn_chunk_bound(coder->max_chunk));
    zn_body_begin_chunks(&out, ZN_LAYOUT_REPEATS, 0);
    zn_out_u16(&out, (uint16_t)n_runs);
    zn_out_u32(&out, kept);
    for (size_t i = 0, end = 0; i < n_runs; i++) {
        zn_out_u32(&out, runs[i].at - (uint32_t)end);
        zn_out_u32(&out, runs[i].len);
        zn_out_u32(&out, runs[i].from);
        end = runs[i].at + runs[i].len;
    }
    if (out.full || zn_out_left(&out) < zn_chunk_bound(kept)) return body_len;
    struct zn_body inner = {.data = out.at, .orig_len = kept};
    inner.len = zn_chunk_encode_plain(coder, effort, hint, coder->kept, kept, out.at);
    (void)zn_body_read(&inner, NULL);
    out.at += zn_wrapped_encode(coder, effort, hint, coder->kept, &inner, out.at);
    return choose(&out, coder->whole, body, body_len);
}
