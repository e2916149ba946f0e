#include "chunk/tops.h"

#include "chunk/layout.h"
#include "codec/bits.h"

/* Planes of the inner layout below the byte that is divided stay as they are; then come the low bits of that byte, the
 * three bits above them, the exponents. */
enum {
    TOP_BITS = 3,
    LOW_BITS = 8 - TOP_BITS,
    MAX_CONTEXTS = 16,
    PIECE = 4096, /* elements merged at a time: their bytes stay in the first-level cache */
    HEAD = ZN_CHUNK_LEN + 1
};

unsigned zn_tops_planes(unsigned inner) {
    switch (inner) {
        case ZN_LAYOUT_16R:
        case ZN_LAYOUT_F16:
            return 3;
        case ZN_LAYOUT_32R:
            return 5;
        default:
            return 0;
    }
}

unsigned zn_tops_bits(unsigned inner, unsigned p) {
    const unsigned n = zn_tops_planes(inner);
    if (p + 2 == n) return TOP_BITS;
    return inner == ZN_LAYOUT_F16 ? (p + 1 == n ? LOW_BITS : 8) : p + 3 == n ? LOW_BITS : 8;
}

static size_t rounded(size_t n) {
    return (n + ZN_SLACK - 1) / ZN_SLACK * ZN_SLACK;
}

/* The shape that a word's bytes are merged by: an fp16's exponent and upper bits of mantissa make one byte. */
static enum zn_shape shape_of(unsigned inner) {
    return inner == ZN_LAYOUT_32R ? ZN_SHAPE_32R : ZN_SHAPE_16R;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

struct tops {
    unsigned inner, n_planes;
    uint32_t head, tail;
    size_t n;
    const uint8_t *edges;
    struct zn_coded coded[ZN_MAX_PLANES];
    const uint8_t *plane[ZN_MAX_PLANES];
};

static zipnn_status read_head(const struct zn_chunk_body *body, uint32_t orig_len, struct zn_cur *cur, struct tops *t,
                              zipnn_error *err) {
    const uint8_t kind = zn_cur_u8(cur);
    zn_cur_u8(cur);
    t->head = zn_cur_u8(cur);
    const uint8_t flags = zn_cur_u8(cur);
    t->inner = zn_cur_u8(cur);
    if (!zn_cur_ok(cur)) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "chunk of %zu bytes is too short", body->len);
    t->n_planes = zn_tops_planes(t->inner);
    if (kind != ZN_KIND_CHUNK || flags || t->n_planes == 0)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at, "kind %u, flags 0x%02x, floats of layout %u: not supported",
                       kind, flags, t->inner);
    const uint32_t width = zn_layouts[t->inner].width;
    if (t->head >= width || t->head > orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at + 2, "%u bytes before the first element of %u bytes", t->head,
                       width);
    t->tail = (orig_len - t->head) % width;
    t->n = (orig_len - t->head) / width;
    t->edges = zn_cur_take(cur, t->head + t->tail);
    return ZIPNN_OK;
}

static zipnn_status read_planes(const struct zn_chunk_body *body, struct zn_cur *cur, struct tops *t,
                                zipnn_error *err) {
    for (unsigned p = 0; p < t->n_planes; p++) {
        t->coded[p].codec = zn_cur_u8(cur);
        t->coded[p].len = zn_cur_u32(cur);
    }
    for (unsigned p = 0; p < t->n_planes; p++) {
        t->coded[p].data = zn_cur_take(cur, t->coded[p].len);
        if (!zn_cur_ok(cur))
            return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "chunk of %zu bytes ends inside plane %u", body->len, p);
        t->coded[p].at = body->at + (uint64_t)(t->coded[p].data - body->data);
    }
    if (zn_cur_left(cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "chunk has %zu bytes past its last plane", zn_cur_left(cur));
    return ZIPNN_OK;
}

/* Exponents first: they are the contexts of the plane before. One that is stored stays where it is. */
static zipnn_status decode_planes(struct zn_coder *coder, struct tops *t, zipnn_error *err) {
    uint8_t *scratch = coder->planes;
    for (unsigned p = t->n_planes; p-- > 0; scratch += rounded(t->n)) {
        const struct zn_coded *coded = &t->coded[p];
        t->plane[p] = scratch;
        if (coded->codec == ZN_CODEC_RAW && coded->len == t->n)
            t->plane[p] = coded->data;
        else if (p + 2 == t->n_planes)
            ZN_TRY(zn_stream_decode_given(&coder->codec, coded, t->plane[p + 1], scratch, t->n, err));
        else
            ZN_TRY(zn_stream_decode(&coder->codec, 0, coded, scratch, t->n, err));
    }
    return ZIPNN_OK;
}

/* out[i] = high[i] << shift | low[i]; false when one of them has bits where there is no room for them. */
static bool join(const uint8_t *high, const uint8_t *low, unsigned shift, size_t n, uint8_t *out) {
    const uint64_t each = UINT64_C(0x0101010101010101), low_mask = each * ((0xffu << shift) & 0xff);
    const uint64_t high_mask = each * ((0xffu << (8 - shift)) & 0xff);
    uint64_t excess = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint64_t h = zn_get_u64(high + i), l = zn_get_u64(low + i);
        excess |= (h & high_mask) | (l & low_mask);
        zn_put_u64(out + i, h << shift | l);
    }
    for (; i < n; i++) {
        excess |= (high[i] & high_mask) | (low[i] & low_mask);
        out[i] = (uint8_t)(high[i] << shift | low[i]);
    }
    return excess == 0;
}

static zipnn_status merge(struct zn_coder *coder, const struct tops *t, uint8_t *out, enum zn_store store,
                          zipnn_error *err) {
    const unsigned exponents = t->n_planes - 1u, width = zn_layouts[t->inner].width;
    const bool is_f16 = t->inner == ZN_LAYOUT_F16;
    const unsigned divided = is_f16 ? exponents : exponents - 1; /* the planes `divided` and the one before join */
    const enum zn_shape shape = shape_of(t->inner);
    for (size_t done = 0, n; done < t->n; done += n, out += n * width) {
        const uint8_t *planes[ZN_MAX_PLANES];
        n = ZN_MIN(t->n - done, (size_t)PIECE);
        if (!join(t->plane[divided] + done, t->plane[divided - 1] + done, is_f16 ? TOP_BITS : LOW_BITS, n,
                  coder->piece))
            return zn_fail(err, ZIPNN_E_CORRUPT, t->coded[divided].at, "parts of a float's byte are too large");
        for (unsigned p = 0; p < width; p++) planes[p] = t->plane[p] + done;
        planes[divided - 1] = coder->piece;
        if (!is_f16) planes[width - 1] = t->plane[exponents] + done;
        coder->codec.k->merge[shape](planes, n, out, store);
    }
    return ZIPNN_OK;
}

zipnn_status zn_tops_decode(struct zn_coder *coder, const struct zn_chunk_body *body, uint8_t *out, uint32_t orig_len,
                            enum zn_store store, zipnn_error *err) {
    struct zn_cur cur = zn_cur_of(body->data, body->len);
    struct tops t;
    ZN_TRY(read_head(body, orig_len, &cur, &t, err));
    ZN_TRY(read_planes(body, &cur, &t, err));
    ZN_TRY(decode_planes(coder, &t, err));
    ZN_TRY(merge(coder, &t, out + t.head, store, err));
    if (store == ZN_STORE_STREAM) coder->codec.k->settle();
    if (t.head) memcpy(out, t.edges, t.head);
    if (t.tail) memcpy(out + orig_len - t.tail, t.edges + t.head, t.tail);
    return ZIPNN_OK;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

/* A body as it is, and what it was made of. */
struct source {
    unsigned layout, n_planes;
    uint32_t edges;
    size_t n;
    const uint8_t *body;
    const uint8_t *records;
    const uint8_t *coded[ZN_MAX_PLANES];
    uint8_t *exponents, *tops, *divided; /* n bytes each; divided: the byte whose low bits are stored */
};

static uint32_t record_len(const struct source *s, unsigned p) {
    return zn_get_u32(s->records + (size_t)p * ZN_PLANE_LEN + 1);
}

/* False when the body is not one of floats whose exponents R16 codes. */
static bool look_into(const uint8_t *body, uint32_t len, struct source *s) {
    s->body = body;
    s->layout = body[1];
    if (zn_tops_planes(s->layout) == 0) return false;
    s->n_planes = zn_layouts[s->layout].n_planes;
    const uint32_t width = zn_layouts[s->layout].width;
    s->edges = body[2] + (len - body[2]) % width;
    s->n = (len - body[2]) / width;
    s->records = body + ZN_CHUNK_LEN + s->edges;
    const uint8_t *at = s->records + (size_t)s->n_planes * ZN_PLANE_LEN;
    for (unsigned p = 0; p < s->n_planes; p++) {
        s->coded[p] = at;
        at += record_len(s, p);
    }
    return s->n > 0 && s->records[(size_t)(s->n_planes - 1) * ZN_PLANE_LEN] == ZN_CODEC_R16;
}

static void split(struct zn_coder *coder, const uint8_t *words, struct source *s) {
    uint8_t *planes[ZN_MAX_PLANES], *room = coder->planes;
    const unsigned width = zn_layouts[s->layout].width;
    for (unsigned p = 0; p < width; p++, room += rounded(s->n)) planes[p] = room;
    coder->codec.k->split[shape_of(s->layout)](words, s->n, planes);
    s->exponents = planes[width - 1];
    s->divided = planes[width - 2];
    s->tops = room;
    if (s->layout != ZN_LAYOUT_F16) {
        for (size_t i = 0; i < s->n; i++) s->tops[i] = s->divided[i] >> LOW_BITS;
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        s->tops[i] = s->exponents[i] & ((1u << TOP_BITS) - 1);
        s->exponents[i] >>= TOP_BITS;
    }
}

/* A plane's record, completed when its coded bytes are there. */
static void end_plane(struct zn_out *out, uint8_t **record, enum zn_codec_id codec, const uint8_t *start) {
    (*record)[0] = (uint8_t)codec;
    zn_put_u32(*record + 1, (uint32_t)(out->at - start));
    *record += ZN_PLANE_LEN;
}

static void copy_plane(struct zn_out *out, uint8_t **record, const struct source *s, unsigned p) {
    const uint8_t *start = out->at;
    zn_out_bytes(out, s->coded[p], record_len(s, p));
    end_plane(out, record, (enum zn_codec_id)s->records[(size_t)p * ZN_PLANE_LEN], start);
}

/* By tables chosen with more care, if that is smaller than what there is. */
static void write_exponents(struct zn_coder *coder, const struct zn_effort *effort, struct zn_out *out,
                            uint8_t **record, const struct source *s) {
    struct zn_effort careful = *effort;
    uint32_t counts[256] = {0};
    careful.block_log2 = ZN_R16_MIN_BLOCK;
    careful.hist_step = 1;
    careful.rounds = 4;
    coder->codec.k->byte_hist(s->exponents, s->n, 1, counts);
    zn_r16_fit(&coder->codec, 0, &careful, s->exponents, s->n, counts);
    uint8_t *start = out->at;
    if (zn_r16_write(&coder->codec, 0, &careful, s->exponents, s->n, out) &&
        (size_t)(out->at - start) < record_len(s, s->n_planes - 1)) {
        end_plane(out, record, ZN_CODEC_R16, start);
        return;
    }
    out->at = start;
    copy_plane(out, record, s, s->n_planes - 1);
}

/* False when the bits are as good as random. */
static bool write_tops(struct zn_coder *coder, const struct zn_effort *effort, struct zn_out *out, uint8_t **record,
                       const struct source *s) {
    const struct zn_r16c_input in = {.context = s->exponents,
                                     .plane = s->tops,
                                     .n = s->n,
                                     .max_contexts = MAX_CONTEXTS,
                                     .hist_step = 1,
                                     .n_models = 1};
    const uint8_t *start = out->at;
    if (zn_r16c_fit(&coder->codec, &in) >= s->n * TOP_BITS / 8 || !zn_r16c_write(&coder->codec, effort, &in, out) ||
        (size_t)(out->at - start) >= s->n * TOP_BITS / 8)
        return false;
    end_plane(out, record, ZN_CODEC_R16C, start);
    return true;
}

/* The planes up to the upper bits; false when these are not worth it. */
static bool write_divided(struct zn_coder *coder, const struct zn_effort *effort, struct zn_out *out, uint8_t **record,
                          const struct source *s) {
    const unsigned below = s->layout == ZN_LAYOUT_F16 ? 1 : s->n_planes - 2;
    for (unsigned p = 0; p < below; p++) copy_plane(out, record, s, p);
    if (s->layout != ZN_LAYOUT_F16) {
        const uint8_t *start = out->at;
        zn_bits_write(coder->codec.k, (struct zn_bits){(1u << LOW_BITS) - 1, 0}, s->divided, s->n, out);
        end_plane(out, record, ZN_CODEC_BITS, start);
    }
    return write_tops(coder, effort, out, record, s);
}

/* Answers the length of the body written, 0 when there is no room. */
static size_t write_body(struct zn_coder *coder, const struct zn_effort *effort, const struct source *s,
                         unsigned layout, struct zn_out out) {
    const uint8_t *start = out.at;
    const bool divides = layout == ZN_LAYOUT_TOPS;
    zn_out_bytes(&out, s->body, ZN_CHUNK_LEN);
    if (divides) zn_out_u8(&out, (uint8_t)s->layout);
    zn_out_bytes(&out, s->body + ZN_CHUNK_LEN, s->edges);
    uint8_t *record = zn_out_room(&out, (divides ? zn_tops_planes(s->layout) : s->n_planes) * (size_t)ZN_PLANE_LEN);
    if (!record) return 0;
    if (divides && !write_divided(coder, effort, &out, &record, s)) return 0;
    for (unsigned p = 0; !divides && p + 1 < s->n_planes; p++) copy_plane(&out, &record, s, p);
    write_exponents(coder, effort, &out, &record, s);
    return out.full ? 0 : (size_t)(out.at - start);
}

uint32_t zn_tops_encode(struct zn_coder *coder, const struct zn_effort *effort, const uint8_t *src, uint32_t len,
                        uint8_t *body, uint32_t body_len) {
    struct source s;
    if (!look_into(body, len, &s)) return body_len;
    const struct zn_out out = zn_out_of(coder->spare, ZN_MIN(body_len - 1, coder->max_chunk));
    coder->codec.ahead = (struct zn_ahead){0};
    split(coder, src + body[2], &s);
    size_t got = 0;
    if (s.records[(size_t)(s.n_planes - 2) * ZN_PLANE_LEN] == ZN_CODEC_RAW) {
        got = write_body(coder, effort, &s, ZN_LAYOUT_TOPS, out);
        if (got) coder->spare[1] = ZN_LAYOUT_TOPS;
    }
    if (got == 0) got = write_body(coder, effort, &s, s.layout, out);
    if (got == 0) return body_len;
    memcpy(body, coder->spare, got);
    return (uint32_t)got;
}
