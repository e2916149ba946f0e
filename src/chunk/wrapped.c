#include "chunk/wrapped.h"

#include "chunk/decoders.h"

enum { MAX_WIDTH_LOG2 = 3 };

static zipnn_status too_short(const struct zn_body *b, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "chunk of layout %s is too short", zn_layouts[b->layout].name);
}

static zipnn_status read_width(const struct zn_body *b, struct zn_cur *cur, unsigned *width_log2, zipnn_error *err) {
    *width_log2 = zn_cur_u8(cur);
    if (!zn_cur_ok(cur)) return too_short(b, err);
    if (*width_log2 > MAX_WIDTH_LOG2)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at, "elements of 2^%u bytes are not supported", *width_log2);
    if (b->head >> *width_log2 || b->head > b->orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at + 2, "%u bytes before the first element of %u bytes", b->head,
                       1u << *width_log2);
    return ZIPNN_OK;
}

zipnn_status zn_inner_decode(struct zn_coder *coder, const struct zn_body *outer, struct zn_cur from, uint8_t *out,
                             uint32_t orig_len, zipnn_error *err) {
    const struct zn_target to = {out, ZN_STORE_CACHED, {0}, NULL};
    struct zn_body inner = {.data = from.at, .len = zn_cur_left(&from), .at = outer->at, .orig_len = orig_len};
    ZN_TRY(zn_body_read(&inner, err));
    if (inner.layout == ZN_LAYOUT_REPEATS ||
        ((zn_layout_is(inner.layout, ZN_GROUP_CHUNKS) || inner.layout == ZN_LAYOUT_VALUES) &&
         outer->layout != ZN_LAYOUT_REPEATS))
        return zn_fail(err, ZIPNN_E_CORRUPT, outer->at, "chunk of layout %s inside layout %s",
                       zn_layouts[inner.layout].name, zn_layouts[outer->layout].name);
    return zn_body_decode(coder, &inner, &to, err);
}

/* ---- differences ---- */

static inline void add_up(uint8_t *p, size_t n, unsigned width_log2, unsigned mode) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++, p += (size_t)1 << width_log2) {
        uint64_t v = zn_element_get(p, width_log2);
        if (mode & ZN_DIFFERENCE_ZIGZAG) v = v >> 1 ^ (0 - (v & 1));
        sum = mode & ZN_DIFFERENCE_DELTA ? sum + v : v;
        zn_element_put(p, width_log2, sum);
    }
}

zipnn_status zn_differences_decode(struct zn_coder *coder, const struct zn_body *b, const struct zn_target *to,
                                   zipnn_error *err) {
    struct zn_cur cur = b->rest;
    unsigned width_log2;
    uint8_t *out = to->out;
    ZN_TRY(read_width(b, &cur, &width_log2, err));
    const unsigned mode = zn_cur_u8(&cur);
    if (!zn_cur_ok(&cur)) return too_short(b, err);
    if (mode == 0 || mode > (ZN_DIFFERENCE_DELTA | ZN_DIFFERENCE_ZIGZAG))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at, "differences of mode %u are not supported", mode);
    ZN_TRY(zn_inner_decode(coder, b, cur, out, b->orig_len, err));
    const size_t n = (b->orig_len - b->head) >> width_log2;
    switch (width_log2) { /* a constant width for each loop */
        case 1:
            add_up(out + b->head, n, 1, mode);
            break;
        case 2:
            add_up(out + b->head, n, 2, mode);
            break;
        case 3:
            add_up(out + b->head, n, 3, mode);
            break;
        default:
            add_up(out + b->head, n, 0, mode);
    }
    return ZIPNN_OK;
}

/* ---- repeats ---- */

struct run {
    uint32_t gap, len, from;
};

static struct run read_run(struct zn_cur *cur) {
    struct run r;
    r.gap = zn_cur_u32(cur);
    r.len = zn_cur_u32(cur);
    r.from = zn_cur_u32(cur);
    return r;
}

/* A chunk while it is filled. The kept bytes lie at its end. */
struct filling {
    uint8_t *out;
    uint32_t orig_len, kept;
    uint32_t at, used; /* bytes written, and how many of them are kept bytes */
};

/* Writes a run. The run is checked here and not earlier, because mapped bytes may change in between. The kept bytes are
 * never overtaken, since all runs together repeat at most orig_len - kept bytes. */
static zipnn_status fill(struct filling *f, const struct run *r) {
    const uint32_t repeated = f->at - f->used;
    if (r->len == 0 || r->gap > f->kept - f->used || r->len > f->orig_len - f->kept - repeated ||
        (uint64_t)r->from + r->len > (uint64_t)f->at + r->gap)
        return ZIPNN_E_CORRUPT;
    memmove(f->out + f->at, f->out + (f->orig_len - f->kept) + f->used, r->gap);
    f->at += r->gap;
    f->used += r->gap;
    memcpy(f->out + f->at, f->out + r->from, r->len);
    f->at += r->len;
    return ZIPNN_OK;
}

zipnn_status zn_repeats_decode(struct zn_coder *coder, const struct zn_body *b, const struct zn_target *to,
                               zipnn_error *err) {
    struct zn_cur cur = b->rest;
    const uint32_t orig_len = b->orig_len;
    const unsigned n_runs = zn_cur_u16(&cur);
    struct filling f = {.out = to->out, .orig_len = orig_len, .kept = zn_cur_u32(&cur)};
    const uint8_t *table = zn_cur_take(&cur, (size_t)n_runs * ZN_RUN_LEN);
    if (!zn_cur_ok(&cur) || b->head) return too_short(b, err);
    struct zn_cur runs = zn_cur_of(table, (size_t)n_runs * ZN_RUN_LEN);
    if (f.kept == 0 || f.kept > orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "%u bytes kept of %u", f.kept, orig_len);
    ZN_TRY(zn_inner_decode(coder, b, cur, f.out + (orig_len - f.kept), f.kept, err));
    for (unsigned i = 0; i < n_runs; i++) {
        const struct run r = read_run(&runs);
        if (fill(&f, &r) != ZIPNN_OK)
            return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "run %u repeats %u bytes from %u at %u of %u", i, r.len, r.from,
                           f.at, orig_len);
    }
    if (f.at - f.used != orig_len - f.kept)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "runs and %u bytes kept do not make %u bytes", f.kept, orig_len);
    return ZIPNN_OK;
}

/* ---- frequent values ---- */

/* Puts values and the elements in [rest, end) in the order of the map. The rest lies at or after the bytes that are
 * written. When the rest is used up, only values remain. */
static inline void spread(const uint8_t *map, size_t n, const uint64_t *values, const uint8_t *rest, const uint8_t *end,
                          unsigned width_log2, uint8_t *out) {
    const size_t width = (size_t)1 << width_log2;
    size_t i = 0;
    for (; i < n && (size_t)(end - rest) >= width; i++, out += width) {
        const uint64_t next = zn_element_get(rest, width_log2), value = values[map[i]];
        zn_element_put(out, width_log2, map[i] ? value : next);
        rest += map[i] ? 0 : width;
    }
    for (; i < n; i++, out += width) zn_element_put(out, width_log2, values[map[i]]);
}

static void spread_any(const uint8_t *map, size_t n, const uint64_t *values, const uint8_t *rest, const uint8_t *end,
                       unsigned width_log2, uint8_t *out) {
    switch (width_log2) {
        case 1:
            spread(map, n, values, rest, end, 1, out);
            break;
        case 2:
            spread(map, n, values, rest, end, 2, out);
            break;
        case 3:
            spread(map, n, values, rest, end, 3, out);
            break;
        default:
            spread(map, n, values, rest, end, 0, out);
    }
}

/* The parts between the head and the chunks. */
struct frequent {
    unsigned width_log2, n_values;
    uint64_t values[ZN_MAX_FREQUENT + 1];
    struct zn_cur map, rest; /* the bodies of two chunks */
};

static zipnn_status read_frequent(const struct zn_body *b, struct frequent *f, zipnn_error *err) {
    struct zn_cur cur = b->rest;
    ZN_TRY(read_width(b, &cur, &f->width_log2, err));
    f->n_values = zn_cur_u8(&cur);
    f->values[0] = 0;
    const uint8_t *table = zn_cur_take(&cur, (size_t)f->n_values << f->width_log2);
    const uint32_t map_len = zn_cur_u32(&cur);
    const uint8_t *map = zn_cur_take(&cur, map_len);
    if (!zn_cur_ok(&cur)) return too_short(b, err);
    f->map = zn_cur_of(map, map_len);
    f->rest = cur;
    for (unsigned v = 0; v < f->n_values; v++)
        f->values[v + 1] = zn_element_get(table + (v << f->width_log2), f->width_log2);
    return ZIPNN_OK;
}

zipnn_status zn_frequent_decode(struct zn_coder *coder, const struct zn_body *b, const struct zn_target *to,
                                zipnn_error *err) {
    struct frequent f;
    const uint32_t orig_len = b->orig_len;
    ZN_TRY(read_frequent(b, &f, err));
    const uint32_t n = (orig_len - b->head) >> f.width_log2, edges = orig_len - (n << f.width_log2);
    if (n == 0) return too_short(b, err);
    uint8_t *map = zn_scratch_take(&coder->scratch, n);
    ZN_TRY(zn_inner_decode(coder, b, f.map, map, n, err));
    uint32_t others = 0;
    uint8_t highest = 0;
    for (size_t i = 0; i < n; i++) {
        others += map[i] == 0;
        highest = ZN_MAX(highest, map[i]);
    }
    if (highest > f.n_values)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "value %u of %u frequent ones", highest, f.n_values);
    const uint32_t rest = edges + (others << f.width_log2);
    uint8_t *out = to->out, *at = out + (orig_len - rest);
    if (rest) ZN_TRY(zn_inner_decode(coder, b, f.rest, at, rest, err));
    if (!rest && zn_cur_left(&f.rest))
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "%zu bytes for no elements", zn_cur_left(&f.rest));
    memmove(out, at, b->head);
    spread_any(map, n, f.values, at + b->head, out + orig_len, f.width_log2, out + b->head);
    return ZIPNN_OK;
}
