/* Finds out by which rule a chunk was made, and writes what it was made of. */
#include "chunk/layout.h"
#include "chunk/recognise.h"
#include "chunk/rewritten.h"

enum {
    FEWEST = 4096,  /* bytes that may pay */
    WINDOWS = 4,    /* that are looked at ... */
    WINDOW = 128,   /* ... and their bytes */
    FEW_MARKS = 256 /* a chunk with more than one mark for so many bytes was not made by the rule */
};

/* Returns the length of the element at p[0, n), of which *v is the value; 0 if the rule does not make these bytes. */
static size_t take_latin1(const uint8_t *p, size_t n, uint16_t *v) {
    *v = p[0];
    if (p[0] < 0x80) return 1;
    if ((p[0] & 0xfe) != 0xc2 || n < 2 || (p[1] & 0xc0) != 0x80) return 0;
    *v = (uint16_t)((p[0] & 3) << 6 | (p[1] & 0x3f));
    return 2;
}

static size_t take_varint(const uint8_t *p, size_t n, uint16_t *v) {
    *v = p[0];
    if (p[0] < 0x80) return 1;
    if (n < 2 || p[1] == 0) return 0;
    *v = (uint16_t)((p[0] & 0x7f) | (p[1] & 0x7f) << 7);
    if (p[1] < 0x80) return 2;
    if (n < 3 || p[2] == 0 || p[2] > 3) return 0;
    *v = (uint16_t)(*v | p[2] << 14);
    return 3;
}

typedef size_t take_fn(const uint8_t *p, size_t n, uint16_t *v);

/* Returns whether nearly all elements of a sample are made by the rule, and they are longer than what they stand for. */
static bool are_made(const struct zn_encoder *e, take_fn *take, unsigned width) {
    size_t n = 0, odd = 0, bytes = 0;
    for (unsigned w = 0; w < WINDOWS; w++) {
        const uint8_t *p = e->src + (e->len - WINDOW) / (WINDOWS - 1) * w, *end = p + WINDOW;
        for (unsigned skipped = 0; skipped < 2 && p[0] >= 0x80; skipped++) p++; /* the window may begin inside one */
        for (const uint8_t *start = p; p < end - 2; n++) {
            uint16_t v;
            const size_t len = take(p, (size_t)(end - p), &v);
            odd += len == 0;
            p += len ? len : 1;
            bytes += (size_t)(p - start);
            start = p;
        }
    }
    return 16 * odd <= n && bytes > n * width + n / 8;
}

/* Rewrites the whole chunk. Returns false when that does not make it shorter, or too much is not made by the rule. */
static bool rewrite(const struct zn_encoder *e, take_fn *take, unsigned width, struct zn_rewriting *r) {
    const uint32_t most = e->len / FEW_MARKS;
    uint32_t last = 0, n = 0;
    r->plain = zn_scratch_take(&e->coder->scratch, e->len + 2);
    r->marks = zn_scratch_take(&e->coder->scratch, 4 * (size_t)most);
    r->n_marks = 0;
    for (uint32_t at = 0; at < e->len; n++) {
        uint16_t v;
        const size_t len = take(e->src + at, e->len - at, &v);
        if (width * (n + 1) > e->len || (len == 0 && r->n_marks == most)) return false;
        if (len == 0) v = e->src[at];
        if (width == 2)
            zn_put_u16(r->plain + 2 * (size_t)n, v);
        else
            r->plain[n] = (uint8_t)v;
        at += len ? (uint32_t)len : 1;
        if (len) continue;
        zn_put_u32(r->marks + 4 * (size_t)r->n_marks++, n - last);
        last = n;
    }
    r->n_plain = n * width;
    return true;
}

/* Appends the body of a chunk inside. The output has room for it. */
static uint32_t put_inner(const struct zn_encoder *e, zipnn_dtype dtype, const uint8_t *src, uint32_t len,
                          struct zn_out *out) {
    struct zn_encoder inner = {.coder = e->coder, .effort = e->effort, .hint.dtype = dtype, .src = src, .len = len};
    inner.hint = zn_recognised(&inner);
    const uint32_t body_len = zn_ways_encode(&inner, ZN_STAGE_PLAIN, out->at);
    out->at += body_len;
    return body_len;
}

/* Writes the body beside the draft, which it replaces if it is shorter by 1/256. */
static uint32_t choose(const struct zn_encoder *e, const struct zn_rewriting *r, struct zn_draft *draft) {
    const uint32_t marks_len = 4 * r->n_marks;
    const size_t cap = ZN_REWRITTEN_HEAD + (size_t)zn_chunk_bound(r->n_plain) + zn_chunk_bound(marks_len);
    struct zn_out out = zn_out_of(zn_scratch_take(&e->coder->scratch, cap), cap);
    zn_body_begin_chunks(&out, ZN_LAYOUT_REWRITTEN, 0);
    zn_out_u8(&out, (uint8_t)r->rule);
    zn_out_u32(&out, r->n_plain);
    zn_out_u32(&out, r->n_marks);
    uint8_t *len_at = zn_out_room(&out, 4);
    zn_put_u32(len_at, marks_len ? put_inner(e, ZIPNN_U32, r->marks, marks_len, &out) : 0);
    (void)put_inner(e, ZIPNN_DTYPE_UNKNOWN, r->plain, r->n_plain, &out);
    const size_t len = zn_out_len(&out), body_len = draft->body.len;
    if (len >= body_len - body_len / 256) return 0;
    memcpy(draft->to, out.start, len);
    return (uint32_t)len;
}

uint32_t zn_respelled_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    struct zn_rewriting r = {.rule = ZN_LATIN1};
    if (!zn_may_write(e->effort, ZN_LAYOUT_REWRITTEN) || e->len < FEWEST) return 0;
    if (are_made(e, take_latin1, 1)) return rewrite(e, take_latin1, 1, &r) ? choose(e, &r, draft) : 0;
    r.rule = ZN_VARINTS;
    if (are_made(e, take_varint, 2)) return rewrite(e, take_varint, 2, &r) ? choose(e, &r, draft) : 0;
    return 0;
}

uint32_t zn_gathered_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    struct zn_rewriting r = {.rule = ZN_GATHERED};
    if (!zn_may_write(e->effort, ZN_LAYOUT_REWRITTEN) || e->len < FEWEST) return 0;
    return zn_rewriting_gather(e, &r) ? choose(e, &r, draft) : 0;
}
