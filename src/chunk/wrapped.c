#include "chunk/wrapped.h"

enum { MAX_WIDTH_LOG2 = 3 };

struct wrapped {
    uint64_t at; /* of the body in the archive */
    uint8_t layout;
    uint32_t head;
    struct zn_cur cur; /* what follows the fixed part */
};

static zipnn_status too_short(const struct wrapped *w, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, w->at, "chunk of layout %u is too short", w->layout);
}

static zipnn_status read_width(struct wrapped *w, uint32_t orig_len, unsigned *width_log2, zipnn_error *err) {
    *width_log2 = zn_cur_u8(&w->cur);
    if (!zn_cur_ok(&w->cur)) return too_short(w, err);
    if (*width_log2 > MAX_WIDTH_LOG2)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, w->at, "elements of 2^%u bytes are not supported", *width_log2);
    if (w->head >> *width_log2 || w->head > orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, w->at + 2, "%u bytes before the first element of %u bytes", w->head,
                       1u << *width_log2);
    return ZIPNN_OK;
}

/* Decodes a chunk inside this one. It may be of layout REPEATS never, of the other layouts here only inside REPEATS. */
static zipnn_status decode_inner(struct zn_coder *coder, const struct wrapped *w, const uint8_t *data, size_t len,
                                 uint8_t *out, uint32_t orig_len, zipnn_error *err) {
    const struct zn_chunk_body inner = {.data = data, .len = len, .at = w->at};
    if (len < 2) return too_short(w, err);
    if (data[1] == ZN_LAYOUT_REPEATS || (zn_is_wrapped(data[1]) && w->layout != ZN_LAYOUT_REPEATS))
        return zn_fail(err, ZIPNN_E_CORRUPT, w->at, "chunk of layout %u inside layout %u", data[1], w->layout);
    return zn_chunk_decode(coder, &inner, out, orig_len, ZN_STORE_CACHED, err);
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

static zipnn_status decode_differences(struct zn_coder *coder, struct wrapped *w, uint8_t *out, uint32_t orig_len,
                                       zipnn_error *err) {
    unsigned width_log2;
    ZN_TRY(read_width(w, orig_len, &width_log2, err));
    const unsigned mode = zn_cur_u8(&w->cur);
    if (!zn_cur_ok(&w->cur)) return too_short(w, err);
    if (mode == 0 || mode > (ZN_DIFFERENCE_DELTA | ZN_DIFFERENCE_ZIGZAG))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, w->at, "differences of mode %u are not supported", mode);
    ZN_TRY(decode_inner(coder, w, w->cur.at, zn_cur_left(&w->cur), out, orig_len, err));
    const size_t n = (orig_len - w->head) >> width_log2;
    switch (width_log2) { /* for the compiler */
        case 1:
            add_up(out + w->head, n, 1, mode);
            break;
        case 2:
            add_up(out + w->head, n, 2, mode);
            break;
        case 3:
            add_up(out + w->head, n, 3, mode);
            break;
        default:
            add_up(out + w->head, n, 0, mode);
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

/* A chunk on its way: what is kept lies at its end. */
struct filling {
    uint8_t *out;
    uint32_t orig_len, kept;
    uint32_t at, used; /* bytes written, and of them those that were kept */
};

/* Writes a run. Each is held against the chunk when it is used, not before: mapped bytes may change meanwhile. Since
 * all runs together repeat no more than orig_len - kept bytes, what is kept is never overtaken. */
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

static zipnn_status decode_repeats(struct zn_coder *coder, struct wrapped *w, uint8_t *out, uint32_t orig_len,
                                   zipnn_error *err) {
    const unsigned n_runs = zn_cur_u16(&w->cur);
    struct filling f = {.out = out, .orig_len = orig_len, .kept = zn_cur_u32(&w->cur)};
    const uint8_t *table = zn_cur_take(&w->cur, (size_t)n_runs * ZN_RUN_LEN);
    if (!zn_cur_ok(&w->cur) || w->head) return too_short(w, err);
    struct zn_cur runs = zn_cur_of(table, (size_t)n_runs * ZN_RUN_LEN);
    if (f.kept == 0 || f.kept > orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, w->at, "%u bytes kept of %u", f.kept, orig_len);
    ZN_TRY(decode_inner(coder, w, w->cur.at, zn_cur_left(&w->cur), out + (orig_len - f.kept), f.kept, err));
    for (unsigned i = 0; i < n_runs; i++) {
        const struct run r = read_run(&runs);
        if (fill(&f, &r) != ZIPNN_OK)
            return zn_fail(err, ZIPNN_E_CORRUPT, w->at, "run %u repeats %u bytes from %u at %u of %u", i, r.len, r.from,
                           f.at, orig_len);
    }
    if (f.at - f.used != orig_len - f.kept)
        return zn_fail(err, ZIPNN_E_CORRUPT, w->at, "runs and %u bytes kept do not make %u bytes", f.kept, orig_len);
    return ZIPNN_OK;
}

/* ---- frequent values ---- */

/* Puts values and the elements in [rest, end) in the order of the map. The rest lies at or after what is written; when
 * it is used up, values alone remain. */
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

static zipnn_status decode_frequent(struct zn_coder *coder, struct wrapped *w, uint8_t *out, uint32_t orig_len,
                                    zipnn_error *err) {
    unsigned width_log2;
    uint64_t values[ZN_MAX_FREQUENT + 1] = {0};
    ZN_TRY(read_width(w, orig_len, &width_log2, err));
    const unsigned n_values = zn_cur_u8(&w->cur);
    const uint8_t *table = zn_cur_take(&w->cur, (size_t)n_values << width_log2);
    const uint32_t map_len = zn_cur_u32(&w->cur);
    const uint8_t *coded = zn_cur_take(&w->cur, map_len);
    const uint32_t n = (orig_len - w->head) >> width_log2, edges = orig_len - (n << width_log2);
    if (!zn_cur_ok(&w->cur) || n == 0) return too_short(w, err);
    for (unsigned v = 0; v < n_values; v++) values[v + 1] = zn_element_get(table + (v << width_log2), width_log2);

    ZN_TRY(decode_inner(coder, w, coded, map_len, coder->map, n, err));
    uint32_t others = 0;
    uint8_t highest = 0;
    for (size_t i = 0; i < n; i++) {
        others += coder->map[i] == 0;
        highest = ZN_MAX(highest, coder->map[i]);
    }
    if (highest > n_values)
        return zn_fail(err, ZIPNN_E_CORRUPT, w->at, "value %u of %u frequent ones", highest, n_values);
    const uint32_t rest = edges + (others << width_log2);
    uint8_t *at = out + (orig_len - rest);
    if (rest) ZN_TRY(decode_inner(coder, w, w->cur.at, zn_cur_left(&w->cur), at, rest, err));
    if (!rest && zn_cur_left(&w->cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, w->at, "%zu bytes for no elements", zn_cur_left(&w->cur));
    memmove(out, at, w->head);
    spread_any(coder->map, n, values, at + w->head, out + orig_len, width_log2, out + w->head);
    return ZIPNN_OK;
}

zipnn_status zn_wrapped_decode(struct zn_coder *coder, const struct zn_chunk_body *body, uint8_t *out,
                               uint32_t orig_len, zipnn_error *err) {
    struct wrapped w = {.at = body->at, .cur = zn_cur_of(body->data, body->len)};
    const uint8_t kind = zn_cur_u8(&w.cur);
    w.layout = zn_cur_u8(&w.cur);
    w.head = zn_cur_u8(&w.cur);
    const uint8_t flags = zn_cur_u8(&w.cur);
    if (!zn_cur_ok(&w.cur)) return too_short(&w, err);
    if (kind != ZN_KIND_CHUNK || flags)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, w.at, "kind %u, flags 0x%02x are not supported", kind, flags);
    switch (w.layout) {
        case ZN_LAYOUT_DIFFERENCES:
            return decode_differences(coder, &w, out, orig_len, err);
        case ZN_LAYOUT_REPEATS:
            return decode_repeats(coder, &w, out, orig_len, err);
        default:
            return decode_frequent(coder, &w, out, orig_len, err);
    }
}
