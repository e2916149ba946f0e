#include "chunk/chunk.h"
#include "chunk/joint.h"
#include "chunk/layout.h"
#include "chunk/records.h"
#include "chunk/tops.h"
#include "chunk/wrapped.h"

/* Elements decoded at a time: a piece of every plane stays in the first-level cache between the coder and the merge. A
 * multiple of the lane count and of the packed groups. */
enum { PIECE = 4096 };

void zn_coder_carve(struct zn_coder *coder, struct zn_arena *arena, uint32_t max_chunk, enum zn_codec_use use) {
    coder->max_chunk = max_chunk;
    zn_codec_carve(&coder->codec, arena, max_chunk, use);
    /* Halves of bytes take a byte each, as do fp16's exponents of five bits, and those of a reference beside them. */
    coder->planes = zn_carve(arena, 2 * (size_t)max_chunk + max_chunk / 2 + 2 * ZN_MAX_PLANES * (size_t)ZN_SLACK);
    coder->spare = use == ZN_USE_BOTH ? zn_carve(arena, max_chunk) : NULL;
    coder->rival = use == ZN_USE_BOTH ? zn_carve(arena, zn_chunk_bound(max_chunk)) : NULL;
    coder->map = zn_carve(arena, max_chunk);
    coder->kept = use == ZN_USE_BOTH ? zn_carve(arena, max_chunk) : NULL;
    coder->rest = use == ZN_USE_BOTH ? zn_carve(arena, (size_t)max_chunk + ZN_SLACK) : NULL;
    coder->other = use == ZN_USE_BOTH ? zn_carve(arena, ZN_OTHER_CAP(max_chunk)) : NULL;
    coder->whole = use == ZN_USE_BOTH ? zn_carve(arena, zn_chunk_bound(max_chunk)) : NULL;
    coder->piece = zn_carve(arena, PIECE);
    coder->fill = zn_carve(arena, (size_t)ZN_MAX_PLANES * PIECE);
}

struct chunk {
    enum zn_layout layout;
    struct zn_record record; /* of that layout */
    uint32_t head, tail;
    size_t n;
    const uint8_t *edges;
    unsigned n_planes;
    struct zn_coded plane[ZN_MAX_PLANES];
};

static zipnn_status read_planes(const struct zn_chunk_body *body, struct zn_cur *cur, struct chunk *c,
                                zipnn_error *err) {
    for (unsigned p = 0; p < c->n_planes; p++) {
        c->plane[p].codec = zn_cur_u8(cur);
        c->plane[p].len = zn_cur_u32(cur);
    }
    for (unsigned p = 0; p < c->n_planes; p++) {
        c->plane[p].data = zn_cur_take(cur, c->plane[p].len);
        if (!zn_cur_ok(cur))
            return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "chunk of %zu bytes ends inside plane %u", body->len, p);
        c->plane[p].at = body->at + (uint64_t)(c->plane[p].data - body->data);
    }
    if (zn_cur_left(cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "chunk has %zu bytes past its last plane", zn_cur_left(cur));
    return ZIPNN_OK;
}

static zipnn_status read_chunk(const struct zn_chunk_body *body, uint32_t orig_len, struct chunk *c, zipnn_error *err) {
    struct zn_cur cur = zn_cur_of(body->data, body->len);
    uint8_t kind = zn_cur_u8(&cur);
    uint8_t layout = zn_cur_u8(&cur);
    c->head = zn_cur_u8(&cur);
    uint8_t flags = zn_cur_u8(&cur);
    if (!zn_cur_ok(&cur)) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "chunk of %zu bytes is too short", body->len);
    if (kind != ZN_KIND_CHUNK)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at, "frame kind %u is not supported", kind);
    if (layout >= ZN_N_LAYOUTS)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 1, "layout %u is not supported", layout);
    if (flags) return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at + 3, "chunk flags 0x%02x are not supported", flags);
    c->layout = (enum zn_layout)layout;
    uint32_t width;
    if (layout == ZN_LAYOUT_RECORDS) {
        ZN_TRY(zn_record_read(&cur, body->at + ZN_CHUNK_LEN, &c->record, err));
        c->n_planes = zn_record_planes(&c->record);
        width = zn_record_width(&c->record);
    } else {
        c->n_planes = zn_layouts[layout].n_planes;
        width = zn_layouts[layout].width;
    }
    if (c->head >= width || c->head > orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at + 2, "%u bytes before the first element of %u bytes", c->head,
                       width);
    c->tail = (orig_len - c->head) % width;
    c->n = (orig_len - c->head - c->tail) / width;
    c->edges = zn_cur_take(&cur, c->head + c->tail);
    return read_planes(body, &cur, c, err);
}

/* A plane made ready for piecewise merging: `at` is its part for the coming piece. */
struct ready {
    const uint8_t *at;
    struct zn_r16_reader *stream; /* decode each piece from here into `at`; else NULL */
    bool constant;                /* the same bytes serve every piece */
};

static zipnn_status ready_plane(struct zn_coder *coder, const struct chunk *c, unsigned p, uint8_t *scratch,
                                struct ready *r, zipnn_error *err) {
    const struct zn_coded *plane = &c->plane[p];
    size_t size = zn_plane_size(c->layout, p, c->n);
    *r = (struct ready){.at = scratch};
    if (plane->codec == ZN_CODEC_RAW && plane->len == size) {
        r->at = plane->data;
        return ZIPNN_OK;
    }
    if (plane->codec == ZN_CODEC_CONSTANT && size > 0) {
        r->at = coder->fill + (size_t)p * PIECE;
        r->constant = true;
        return zn_stream_decode(&coder->codec, 0, plane, coder->fill + (size_t)p * PIECE, PIECE, err);
    }
    /* One R16 stream can be decoded piece by piece, since a codec has one reader for planes: the top plane's. */
    if (plane->codec == ZN_CODEC_R16 && p + 1 == c->n_planes && size > 0) {
        r->at = coder->piece;
        return zn_r16_open(&coder->codec, 0, plane, size, &r->stream, err);
    }
    return zn_stream_decode(&coder->codec, 0, plane, scratch, size, err);
}

static zipnn_status ready_planes(struct zn_coder *coder, const struct chunk *c, struct ready *ready, zipnn_error *err) {
    uint8_t *scratch = coder->planes;
    for (unsigned p = 0; p < c->n_planes; p++) {
        ZN_TRY(ready_plane(coder, c, p, scratch, &ready[p], err));
        scratch += (zn_plane_size(c->layout, p, c->n) + ZN_SLACK - 1) / ZN_SLACK * ZN_SLACK;
    }
    return ZIPNN_OK;
}

/* fp16 has exponents of five bits: more in a plane 2 would be lost in the merge without a trace. */
static bool legal_exponents(const uint8_t *plane, size_t n) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= plane[i];
    return all < 32;
}

/* Likewise the bits of its packed plane past element n. */
static bool legal_masks(const uint8_t *plane, size_t n) {
    if (n % 64 == 0) return true;
    const uint8_t *last = plane + n / 64 * 24;
    return (zn_get_u64(last) | zn_get_u64(last + 8) | zn_get_u64(last + 16)) >> n % 64 == 0;
}

static zipnn_status merge_pieces(struct zn_coder *coder, const struct chunk *c, struct ready *ready, uint8_t *out,
                                 enum zn_store store, zipnn_error *err) {
    const struct zn_kernels *k = coder->codec.k;
    const struct zn_layout_info *info = &zn_layouts[c->layout];
    const unsigned top = c->n_planes - 1;
    for (size_t done = 0; done < c->n;) {
        const uint8_t *planes[ZN_MAX_PLANES];
        size_t n = ZN_MIN(c->n - done, (size_t)PIECE);
        struct zn_r16_reader *stream = ready[top].stream;
        if (stream && !k->r16_decode(&stream->d, coder->piece, n)) return zn_r16_ran_out(stream, c->plane[top].at, err);
        for (unsigned p = 0; p <= top; p++) planes[p] = ready[p].at;
        if (info->shape == ZN_SHAPE_F16 && !legal_exponents(planes[top], n))
            return zn_fail(err, ZIPNN_E_CORRUPT, c->plane[top].at, "an exponent of fp16 is above 31");
        if (info->shape == ZN_SHAPE_F16 && !legal_masks(planes[1], n))
            return zn_fail(err, ZIPNN_E_CORRUPT, c->plane[1].at, "mantissa bits of fp16 past the last element");
        k->merge[info->shape](planes, n, out, store);
        for (unsigned p = 0; p <= top; p++)
            if (!ready[p].stream && !ready[p].constant) ready[p].at += zn_plane_size(c->layout, p, n);
        done += n;
        out += n * info->width;
    }
    return ready[top].stream ? zn_r16_finish(ready[top].stream, c->plane[top].at, err) : ZIPNN_OK;
}

/* Floats whose planes below the exponents are there already: one kernel does the rest. */
static bool is_fused(const struct zn_kernels *k, const struct chunk *c, const struct ready *ready) {
    const struct zn_r16_reader *stream = ready[c->n_planes - 1].stream;
    if (!zn_layout_is_of_floats(c->layout) || !stream || stream->d.lanes_log2 != 7) return false;
    for (unsigned p = 0; p + 1 < c->n_planes; p++)
        if (ready[p].constant) return false;
    return c->layout != ZN_LAYOUT_F16 ||
           (k->r16_decode_f16 && zn_r16_highest(stream) < 32 && legal_masks(ready[1].at, c->n));
}

/* Elements [from, from + n). */
static bool decode_fused(const struct zn_kernels *k, const struct chunk *c, const struct ready *ready, size_t from,
                         size_t n, uint8_t *out, enum zn_store store) {
    struct zn_r16_decoder *d = &ready[c->n_planes - 1].stream->d;
    if (c->layout == ZN_LAYOUT_16R) return k->r16_decode_16r(d, ready[0].at + from, out, n, store);
    if (c->layout == ZN_LAYOUT_F16) {
        const uint8_t *raw[] = {ready[0].at + from, ready[1].at + zn_plane_size(c->layout, 1, from)};
        return k->r16_decode_f16(d, raw, out, n, store);
    }
    const uint8_t *raw[] = {ready[0].at + from, ready[1].at + from, ready[2].at + from};
    return k->r16_decode_32r(d, raw, out, n, store);
}

static zipnn_status decode_elements(struct zn_coder *coder, const struct zn_chunk_body *body, const struct chunk *c,
                                    uint8_t *out, enum zn_store store, zipnn_error *err) {
    struct ready ready[ZN_MAX_PLANES] = {{NULL, NULL, false}};
    if (c->n_planes == 1) return zn_stream_decode(&coder->codec, 0, &c->plane[0], out, c->n, err);
    ZN_TRY(ready_planes(coder, c, ready, err));
    struct zn_r16_reader *stream = ready[c->n_planes - 1].stream;
    const bool fused = is_fused(coder->codec.k, c, ready);
    if (fused && body->check)
        stream->d.check = body->check; /* and nothing is fetched, which would be in its way */
    else if (stream)
        stream->d.ahead = zn_ahead_paced(body->ahead, c->n);
    if (!fused) return merge_pieces(coder, c, ready, out, store, err);
    if (!decode_fused(coder->codec.k, c, ready, 0, c->n, out, store))
        return zn_r16_ran_out(stream, c->plane[c->n_planes - 1].at, err);
    return zn_r16_finish(stream, c->plane[c->n_planes - 1].at, err);
}

/* ---- records
 * ------------------------------------------------------------------------------------------------------------ */

enum { RECORDS_PIECE = 256 }; /* merged at a time: their bytes stay in the first-level cache from field to field */

static bool fits(const uint8_t *plane, size_t n, unsigned bits) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= plane[i];
    return all >> bits == 0;
}

/* Decodes a plane to scratch, which moves on; one that is stored stays where it is. */
static zipnn_status decode_part(struct zn_coder *coder, const struct zn_coded *coded, const uint8_t *context,
                                size_t size, uint8_t **scratch, const uint8_t **plane, zipnn_error *err) {
    *plane = coded->data;
    if (coded->codec == ZN_CODEC_RAW && coded->len == size) return ZIPNN_OK;
    uint8_t *out = *scratch;
    *plane = out;
    *scratch += (size + ZN_SLACK - 1) / ZN_SLACK * ZN_SLACK;
    if (!context) return zn_stream_decode(&coder->codec, 0, coded, out, size, err);
    return zn_stream_decode_given(&coder->codec, coded, context, out, size, err);
}

/* The high plane is the context of the low one. */
static zipnn_status decode_field(struct zn_coder *coder, const struct zn_field *field, const struct zn_coded *coded,
                                 size_t n, uint8_t **scratch, const uint8_t **planes, zipnn_error *err) {
    const size_t size = n * field->len;
    if (field->kind == ZN_FIELD_BYTES) return decode_part(coder, coded, NULL, size, scratch, planes, err);
    const unsigned bits = zn_field_low_bits(field->kind);
    ZN_TRY(decode_part(coder, &coded[1], NULL, size, scratch, &planes[1], err));
    ZN_TRY(decode_part(coder, &coded[0], planes[1], size, scratch, &planes[0], err));
    for (unsigned i = 0; i < 2; i++)
        if (!fits(planes[i], size, i == 0 ? bits : 8 - bits))
            return zn_fail(err, ZIPNN_E_CORRUPT, coded[i].at, "part of a byte is above %u",
                           (1u << (i == 0 ? bits : 8 - bits)) - 1);
    return ZIPNN_OK;
}

static void merge_records(const struct chunk *c, const uint8_t **planes, uint8_t *out) {
    const size_t width = zn_record_width(&c->record);
    for (size_t done = 0, n; done < c->n; done += n, out += n * width) {
        n = ZN_MIN(c->n - done, (size_t)RECORDS_PIECE);
        uint8_t *at = out;
        for (unsigned f = 0, p = 0; f < c->record.n_fields; f++) {
            const struct zn_field *field = &c->record.field[f];
            zn_field_merge(field, &planes[p], n, width, at);
            for (unsigned i = 0; i < zn_field_planes(field); i++) planes[p++] += n * field->len;
            at += field->len;
        }
    }
}

static zipnn_status decode_records(struct zn_coder *coder, const struct chunk *c, uint8_t *out, zipnn_error *err) {
    const uint8_t *planes[ZN_MAX_PLANES];
    uint8_t *scratch = coder->planes;
    for (unsigned f = 0, p = 0; f < c->record.n_fields; f++) {
        const struct zn_field *field = &c->record.field[f];
        ZN_TRY(decode_field(coder, field, &c->plane[p], c->n, &scratch, &planes[p], err));
        p += zn_field_planes(field);
    }
    merge_records(c, planes, out);
    return ZIPNN_OK;
}

/* Whether the body is of a large chunk of floats coded as they usually are, which are decoded by one kernel. */
static bool is_usual(const struct zn_chunk_body *body, uint32_t orig_len, struct chunk *c) {
    enum { LEAST = 42 << 10 }; /* 64 KiB of bf16, which gain 6 %; smaller ones lose what beginning and ending take */
    if (body->len < LEAST || read_chunk(body, orig_len, c, NULL) != ZIPNN_OK) return false;
    if (!zn_layout_is_of_floats(c->layout)) return false;
    for (unsigned p = 0; p + 1 < c->n_planes; p++)
        if (c->plane[p].codec != ZN_CODEC_RAW) return false;
    return c->plane[c->n_planes - 1].codec == ZN_CODEC_R16;
}

static bool is_joint(const struct zn_chunk_body *body) {
    return body->len >= ZN_CHUNK_LEN && body->data[1] == ZN_LAYOUT_JOINT;
}

bool zn_chunk_takes_check(const struct zn_chunk_body *body, uint32_t orig_len) {
    struct chunk c;
    if (is_joint(body)) return zn_joint_takes_check(body, orig_len);
    return is_usual(body, orig_len, &c);
}

zipnn_status zn_chunk_decode(struct zn_coder *coder, const struct zn_chunk_body *body, uint8_t *out, uint32_t orig_len,
                             enum zn_store store, zipnn_error *err) {
    struct chunk c;
    if (body->len >= ZN_CHUNK_LEN && zn_is_wrapped(body->data[1]))
        return zn_wrapped_decode(coder, body, out, orig_len, err);
    if (body->len >= ZN_CHUNK_LEN && body->data[1] == ZN_LAYOUT_TOPS)
        return zn_tops_decode(coder, body, out, orig_len, store, err);
    if (is_joint(body)) return zn_joint_decode(coder, body, out, orig_len, store, err);
    ZN_TRY(read_chunk(body, orig_len, &c, err));
    if (c.layout == ZN_LAYOUT_RECORDS)
        ZN_TRY(decode_records(coder, &c, out + c.head, err));
    else
        ZN_TRY(decode_elements(coder, body, &c, out + c.head, store, err));
    if (store == ZN_STORE_STREAM) coder->codec.k->settle();
    if (c.head) memcpy(out, c.edges, c.head);
    if (c.tail) memcpy(out + orig_len - c.tail, c.edges + c.head, c.tail);
    return ZIPNN_OK;
}

/* Floats as they usually are: by pieces that are compared while they are in the first-level cache. */
static zipnn_status compare_fused(struct zn_coder *coder, const struct chunk *c, const struct ready *ready,
                                  const uint8_t *original, uint8_t *room, bool *same, zipnn_error *err) {
    const unsigned top = c->n_planes - 1, width = zn_layouts[c->layout].width;
    *same = true;
    for (size_t done = 0, n; done < c->n; done += n) {
        n = ZN_MIN(c->n - done, (size_t)PIECE);
        if (!decode_fused(coder->codec.k, c, ready, done, n, room, ZN_STORE_CACHED))
            return zn_r16_ran_out(ready[top].stream, c->plane[top].at, err);
        *same &= memcmp(room, original + done * width, n * width) == 0;
    }
    return zn_r16_finish(ready[top].stream, c->plane[top].at, err);
}

zipnn_status zn_chunk_compare(struct zn_coder *coder, const struct zn_chunk_body *body, const uint8_t *original,
                              uint32_t orig_len, uint8_t *room, bool *same, zipnn_error *err) {
    struct chunk c;
    struct ready ready[ZN_MAX_PLANES] = {{NULL, NULL, false}};
    if (is_joint(body)) return zn_joint_compare(coder, body, original, orig_len, room, same, err);
    const bool usual = is_usual(body, orig_len, &c);
    if (usual) ZN_TRY(ready_planes(coder, &c, ready, err));
    if (usual && is_fused(coder->codec.k, &c, ready)) {
        ZN_TRY(compare_fused(coder, &c, ready, original + c.head, room, same, err));
        *same &= memcmp(c.edges, original, c.head) == 0;
        *same &= memcmp(c.edges + c.head, original + orig_len - c.tail, c.tail) == 0;
        return ZIPNN_OK;
    }
    ZN_TRY(zn_chunk_decode(coder, body, room, orig_len, ZN_STORE_CACHED, err));
    *same = memcmp(room, original, orig_len) == 0;
    return ZIPNN_OK;
}
