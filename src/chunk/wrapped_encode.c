/* Chunks made of chunks: differences, frequent values, repeats (doc/format.md, section 5.1). */
#include "chunk/ways.h"
#include "chunk/wrapped.h"
#include "codec/repeats.h"
#include "plan/dtype.h"

enum { SAMPLED = 1024 }; /* elements whose values show what the chunk is like */

/* A chunk as an array of elements. */
struct elements {
    unsigned width_log2;
    uint32_t head, len;
    size_t n;
    const uint8_t *at; /* the first element */
};

/* Finds the elements by the type, or else by the layout of the plain body. Returns false for bytes and blocks. */
static bool find_elements(const struct zn_encoder *e, const struct zn_body *plain, struct elements *of) {
    unsigned width = zn_dtype_bits(e->hint.dtype) ? zn_dtype_word(e->hint.dtype) : 0;
    of->head = e->hint.head;
    if (width == 0 && zn_layout_is(plain->layout, ZN_GROUP_WORDS)) {
        width = plain->width;
        of->head = plain->head;
    }
    if (width < 2 || of->head >= width) return false;
    of->width_log2 = (unsigned)__builtin_ctz(width);
    of->len = e->len;
    of->n = (e->len - of->head) >> of->width_log2;
    of->at = e->src + of->head;
    return true;
}

static uint64_t element(const struct elements *e, size_t i) {
    return zn_element_get(e->at + (i << e->width_log2), e->width_log2);
}

/* Begins a body in scratch, beside the draft. */
static struct zn_out begin(const struct zn_encoder *e, size_t cap, enum zn_layout layout, uint32_t head) {
    struct zn_out out = zn_out_of(zn_scratch_take(&e->coder->scratch, cap), cap);
    zn_body_begin_chunks(&out, layout, head);
    return out;
}

/* Appends the body of an inner chunk. The output has room for it. */
static void put_inner(const struct zn_encoder *e, enum zn_stage last, struct zn_out *out) {
    out->at += zn_ways_encode(e, last, out->at);
}

/* Returns an encoder of other bytes with the same coder and effort. */
static struct zn_encoder inner_encoder(const struct zn_encoder *e, zipnn_dtype dtype, const uint8_t *src,
                                       uint32_t len) {
    return (struct zn_encoder){.coder = e->coder, .effort = e->effort, .hint.dtype = dtype, .src = src, .len = len};
}

/* Replaces the draft if the new body is shorter. Bodies that decode slowly must save 1/256. */
static uint32_t choose(const struct zn_encoder *e, const struct zn_out *out, struct zn_draft *draft) {
    const size_t len = zn_out_len(out), body_len = draft->body.len;
    if (len >= body_len - body_len / 256) {
        e->coder->codec.declined |= len < body_len;
        return 0;
    }
    memcpy(draft->to, out->start, len);
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

/* Returns the mode whose numbers are shortest in a sample, 0 when all modes are about equal. */
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

/* Returns whether the elements of a type, or else of the measured layout, are integers. */
static bool are_integers(zipnn_dtype dtype, const struct elements *of, const struct zn_body *plain) {
    const struct zn_dtype_facts *type = zn_dtype_facts(dtype);
    if ((type->kind == ZN_KIND_SIGNED || type->kind == ZN_KIND_UNSIGNED) && type->bits > 8) return true;
    return plain->head == of->head &&
           (plain->layout == ZN_LAYOUT_16 || plain->layout == ZN_LAYOUT_32 || plain->layout == ZN_LAYOUT_64);
}

static void take_differences(const struct elements *of, unsigned mode, uint8_t *rest) {
    uint64_t before = 0;
    for (size_t i = 0; i < of->n; i++) {
        const uint64_t v = element(of, i), d = mode & ZN_DIFFERENCE_DELTA ? v - before : v;
        zn_element_put(rest + of->head + (i << of->width_log2), of->width_log2,
                       zigzag(sign_extended(d, of->width_log2)));
        before = v;
    }
}

uint32_t zn_differences_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    static const zipnn_dtype types[] = {ZIPNN_U8, ZIPNN_U16, ZIPNN_U32, ZIPNN_U64};
    struct elements of;
    if (!find_elements(e, &draft->plain, &of) || !are_integers(e->hint.dtype, &of, &draft->plain)) return 0;
    const unsigned mode = choose_mode(&of);
    if (mode == 0) return 0;
    uint8_t *rest = zn_scratch_take(&e->coder->scratch, e->len);
    memcpy(rest, e->src, e->len);
    take_differences(&of, mode, rest);
    struct zn_out out = begin(e, ZN_MADE_HEAD + (size_t)zn_chunk_bound(e->len), ZN_LAYOUT_DIFFERENCES, of.head);
    struct zn_encoder inner = inner_encoder(e, types[of.width_log2], rest, e->len);
    inner.hint.head = of.head;
    zn_out_u8(&out, (uint8_t)of.width_log2);
    zn_out_u8(&out, (uint8_t)mode);
    put_inner(&inner, ZN_STAGE_PLAIN, &out);
    return choose(e, &out, draft);
}

/* ---- frequent values ---- */

enum { SLOTS_LOG2 = 11, SHARE = 32, MOST_OF_FEW = 14 };

/* Values by hash. A slot of 0 is free. */
struct values {
    unsigned n;
    uint64_t value[SAMPLED];
    uint16_t count[SAMPLED];
    uint16_t slot[1 << SLOTS_LOG2]; /* index + 1 of a value */
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

/* Keeps the values seen at least `least` times, in ascending order. Returns how many sampled elements have one of
 * them. */
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

/* Chooses up to 255 values if nearly all elements have one of them, or else a few that are frequent enough for a table.
 * Returns false when there are none. */
static bool choose_values(const struct elements *e, struct values *v) {
    struct values seen;
    count_values(e, &seen);
    *v = seen;
    if (keep(v, 2, ZN_MAX_FREQUENT) > SAMPLED / 8 * 7) return true;
    *v = seen;
    return keep(v, SAMPLED / SHARE / 2, MOST_OF_FEW) > SAMPLED / SHARE;
}

/* Says which value each element has, and holds the rest: the edges of the chunk and the other elements. */
struct sieved {
    uint8_t *map, *rest;
    uint32_t rest_len;
};

static void sieve(const struct zn_encoder *e, const struct elements *of, struct values *v, struct sieved *s) {
    const size_t width = (size_t)1 << of->width_log2, tail = of->len - of->head - (of->n << of->width_log2);
    uint8_t *rest = s->rest + of->head;
    memcpy(s->rest, e->src, of->head);
    for (size_t i = 0; i < of->n; i++) {
        const uint64_t value = element(of, i);
        s->map[i] = v->n == 1 ? value == v->value[0] : (uint8_t)*slot_of(v, value);
        zn_element_put(rest, of->width_log2, value);
        rest += s->map[i] ? 0 : width;
    }
    memcpy(rest, e->src + of->len - tail, tail);
    s->rest_len = (uint32_t)(rest + tail - s->rest);
}

static void put_frequent(const struct zn_encoder *e, const struct elements *of, const struct values *v,
                         const struct sieved *s, struct zn_out *out) {
    const struct zn_encoder map = inner_encoder(e, ZIPNN_U8, s->map, (uint32_t)of->n);
    struct zn_encoder rest = inner_encoder(e, e->hint.dtype, s->rest, s->rest_len);
    rest.hint.head = of->head;
    zn_out_u8(out, (uint8_t)of->width_log2);
    zn_out_u8(out, (uint8_t)v->n);
    for (unsigned i = 0; i < v->n; i++)
        zn_element_put(zn_out_room(out, (size_t)1 << of->width_log2), of->width_log2, v->value[i]);
    uint8_t *map_len = zn_out_room(out, 4);
    const size_t before = zn_out_len(out);
    put_inner(&map, ZN_STAGE_PLAIN, out);
    zn_put_u32(map_len, (uint32_t)(zn_out_len(out) - before));
    if (s->rest_len) put_inner(&rest, ZN_STAGE_PLAIN, out);
}

uint32_t zn_frequent_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    struct zn_scratch *scratch = &e->coder->scratch;
    struct elements of;
    struct values v;
    if (!find_elements(e, &draft->plain, &of) || of.n < SAMPLED || !choose_values(&of, &v)) return 0;
    struct sieved s = {.map = zn_scratch_take(scratch, of.n),
                       .rest = zn_scratch_take(scratch, e->len + sizeof(uint64_t))};
    sieve(e, &of, &v, &s);
    const size_t cap = ZN_MADE_HEAD + (size_t)zn_chunk_bound((uint32_t)of.n) + zn_chunk_bound(e->len);
    struct zn_out out = begin(e, cap, ZN_LAYOUT_FREQUENT, of.head);
    put_frequent(e, &of, &v, &s, &out);
    return choose(e, &out, draft);
}

/* ---- repeats ---- */

/* Copies the bytes before, between and after the runs. Returns their number. */
static uint32_t keep_rest(const struct zn_encoder *e, const struct zn_repeat *runs, size_t n_runs, uint8_t *kept) {
    uint32_t n = 0, at = 0;
    for (size_t i = 0; i < n_runs; i++) {
        memcpy(kept + n, e->src + at, runs[i].at - at);
        n += runs[i].at - at;
        at = runs[i].at + runs[i].len;
    }
    memcpy(kept + n, e->src + at, e->len - at);
    return n + e->len - at;
}

static void put_runs(const struct zn_repeat *runs, size_t n_runs, uint32_t kept, struct zn_out *out) {
    zn_out_u16(out, (uint16_t)n_runs);
    zn_out_u32(out, kept);
    for (size_t i = 0, end = 0; i < n_runs; i++) {
        zn_out_u32(out, runs[i].at - (uint32_t)end);
        zn_out_u32(out, runs[i].len);
        zn_out_u32(out, runs[i].from);
        end = runs[i].at + runs[i].len;
    }
}

uint32_t zn_repeats_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    enum { MAX_RUNS = 2048, SHORTEST_RUN = 256 };
    struct zn_repeat runs[MAX_RUNS];
    if (zn_repeats_estimate(e->src, e->len) < e->len / 16) return 0;
    const unsigned grain = ZN_MAX(zn_dtype_word(e->hint.dtype), 1u);
    const size_t n_runs = zn_repeats_find(e->src, e->len, e->hint.head % grain, grain, SHORTEST_RUN, runs, MAX_RUNS);
    uint8_t *kept = zn_scratch_take(&e->coder->scratch, e->len);
    const uint32_t n = keep_rest(e, runs, n_runs, kept);
    if (n > e->len - e->len / 32 || n == 0) return 0;
    struct zn_out out = begin(e, zn_chunk_bound(e->coder->max_chunk), ZN_LAYOUT_REPEATS, 0);
    put_runs(runs, n_runs, n, &out);
    if (out.full || zn_out_left(&out) < zn_chunk_bound(n)) return 0;
    struct zn_encoder inner = *e;
    inner.src = kept;
    inner.len = n;
    put_inner(&inner, ZN_STAGE_NESTED, &out);
    return choose(e, &out, draft);
}
